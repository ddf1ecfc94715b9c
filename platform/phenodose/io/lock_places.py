"""Where a lock of several machines lies: an object of an object store, or files in a shared folder.

Both give what a lease needs of a place: to be made once, to be written only if it is as it was, and a version that
never comes again (`phenodose.io.leases.LockPlace`).

Belongs here: those two. Does not belong here: who holds a lock, and for how long (`leases`).
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path

from phenodose.errors import StoreError
from phenodose.io.guarded_writes import is_refused
from phenodose.io.places import filesystem_of, object_bytes

#: Servers and buckets that were seen to keep to the conditions of a writing.
_KEEP_TO_CONDITIONS: set[tuple[str, ...]] = set()
_NUMBERED = re.compile(r"(?P<name>.+)\.(?P<number>\d+)")


class LockObject:
    """An object; its version is its ETag. Of a store other than S3, the version is a hash of what was read.

    What a holder writes is never the same twice, so neither comes again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._filesystem, self._name = filesystem_of(path)
        self._is_s3 = hasattr(self._filesystem, "call_s3")
        bucket, _, key = self._name.partition("/")
        self._key = {"Bucket": bucket, "Key": key}

    def expect_conditions(self) -> None:
        """Make sure that the server keeps to the conditions of a writing; asked once a process and bucket.

        Raises:
            StoreError: it writes whatever they say, or does not know them.
        """
        server = (str(id(self._filesystem)), self._key["Bucket"])
        if not self._is_s3 or server in _KEEP_TO_CONDITIONS:
            return
        probe = LockObject(self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}.probe"))
        why = "writes an object that is to be made although it is there"
        try:
            probe._put(b"probe")
            kept = probe.create(b"again") is None
            if kept:
                why = "writes an object that is to be as it was although it is not"
                kept = probe.replace(b"again", f'"{"0" * 32}"') is None
        except Exception as error:
            if not _is_not_known(error):
                raise
            kept, why = False, "does not know conditional writing"
        finally:
            with suppress(Exception):
                self._filesystem.call_s3("delete_object", **probe._key)
        if not kept:
            raise StoreError(
                f"s3://{self._key['Bucket']}: this server {why}, so that two machines could write the same at once; "
                "use one that keeps to If-Match and If-None-Match (AWS, newer MinIO and Ceph, ...)."
            )
        _KEEP_TO_CONDITIONS.add(server)

    def read(self) -> tuple[bytes, str] | None:
        """What it holds, and its version; None if there is none."""
        try:
            if not self._is_s3:
                content = object_bytes(self._filesystem, self._name)
                return content, _hash(content)
            # The ETag is that of MD5 wherever an object is written whole; asked for, it is right everywhere.
            for _ in range(3):
                before = self._etag()
                content = object_bytes(self._filesystem, self._name)
                if before == self._etag():
                    return content, before
            return content, before
        except FileNotFoundError:
            return None

    def create(self, content: bytes) -> str | None:
        """Make it and give its version; None if there is one."""
        if not self._is_s3:
            try:
                self._filesystem.pipe_file(self._name, content, mode="create")
            except FileExistsError:
                return None
            return _hash(content)
        return self._put(content, IfNoneMatch="*")

    def replace(self, content: bytes, version: str) -> str | None:
        """Write it if it has that version, and give the new one; None if it has another, or is gone."""
        if self._is_s3:
            return self._put(content, IfMatch=version)
        there = self.read()
        if there is None or there[1] != version:
            return None
        self._filesystem.pipe_file(self._name, content)
        return _hash(content)

    def delete(self, version: str) -> None:
        """Remove it if it has that version."""
        try:
            if self._is_s3:
                self._filesystem.call_s3("delete_object", **self._key, IfMatch=version)
            elif (there := self.read()) is not None and there[1] == version:
                self._filesystem.rm_file(self._name)
        except Exception as error:
            if not is_refused(error):
                raise

    def _etag(self) -> str:
        return str(self._filesystem.call_s3("head_object", **self._key)["ETag"])

    def _put(self, content: bytes, **condition: str) -> str | None:
        try:
            return str(self._filesystem.call_s3("put_object", **self._key, Body=content, **condition)["ETag"])
        except Exception as error:
            # No bucket is no condition.
            if is_refused(error) and not ("IfNoneMatch" in condition and isinstance(error, FileNotFoundError)):
                return None
            raise


class LockFiles:
    """Files `NAME.1`, `NAME.2`, .. in a folder that several machines share; the highest number is the lock.

    A file server makes a file once, whoever asks (`os.link`), and does nothing else so surely. So the lock is written
    by making the next number, and a number that is made is never written again. Whoever has made one looks whether it
    is the highest, and nothing else came in between.
    """

    def __init__(self, path: Path) -> None:
        self._folder, self._base = path.parent, path.name

    def read(self) -> tuple[bytes, str] | None:
        """What it holds, and its version; None if there is none."""
        for _ in range(10):
            if not (numbers := self._numbers()):
                return None
            try:
                content = self._file(max(numbers)).read_bytes()
            except OSError:
                # A higher one has come.
                continue
            return content, f"{max(numbers)} {_hash(content)}"
        return None

    def create(self, content: bytes) -> str | None:
        """Make it and give its version; None if there is one."""
        return None if self._numbers() else self._made(1, content)

    def replace(self, content: bytes, version: str) -> str | None:
        """Write it if it has that version, and give the new one; None if it has another, or is gone."""
        there = self.read()
        if there is None or there[1] != version:
            return None
        number = int(version.split()[0])
        made = self._made(number + 1, content)
        if made is not None:
            self._file(number).unlink(missing_ok=True)
        return made

    def delete(self, version: str) -> None:
        """Remove it if it has that version."""
        there = self.read()
        if there is not None and there[1] == version:
            self._file(int(version.split()[0])).unlink(missing_ok=True)

    def _made(self, number: int, content: bytes) -> str | None:
        aside = self._folder / f".{self._base}.{uuid.uuid4().hex}"
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, self._file(number))
        except FileExistsError:
            return None
        finally:
            aside.unlink(missing_ok=True)
        if not self._numbers() <= {number, number - 1}:
            with suppress(OSError):
                self._file(number).unlink()
            return None
        return f"{number} {_hash(content)}"

    def _file(self, number: int) -> Path:
        return self._folder / f"{self._base}.{number}"

    def _numbers(self) -> set[int]:
        found = (_NUMBERED.fullmatch(name) for name in os.listdir(self._folder))  # noqa: PTH208
        return {int(one["number"]) for one in found if one and one["name"] == self._base}


def _is_not_known(error: BaseException | None) -> bool:
    """Whether a server has answered that it does not do what was asked."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return bool(response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 501)
        error = error.__cause__
    return False


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
