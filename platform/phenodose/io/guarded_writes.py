"""Writing that is refused when it comes too late: after another process has taken over the lock that it was done under.

Belongs here: who is asked before something is written, and writing on a condition. Does not belong here: locks
(`locks`, `leases`), and where things lie (`places`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from phenodose.errors import BusyError

#: What is asked before anything is written below a place, by its address.
_GUARDS: list[tuple[str, Callable[[], None]]] = []


@contextmanager
def guarded(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """Let `check` be called before this process writes anything below `folder`, while the block runs.

    Args:
        folder: a folder or an address.
        check: raises if it may not be written.
    """
    guard = (_address(folder).rstrip("/") + "/", check)
    _GUARDS.append(guard)
    try:
        yield
    finally:
        _GUARDS.remove(guard)


def expect_held(path: Path) -> None:
    """Raise what a guard raises if `path` may not be written any more."""
    for check in _checks(path):
        check()


def _checks(path: Path) -> list[Callable[[], None]]:
    if not _GUARDS:
        return []
    text = _address(path)
    return [check for place, check in _GUARDS if text.startswith(place)]


def is_guarded(path: Path) -> bool:
    """Whether somebody is to be asked before `path` is written."""
    return bool(_checks(path))


def put_unchanged(filesystem: Any, source: Path, target: Path, name: str, part_bytes: int) -> None:
    """Write a file to an object of S3, if that is still as it was when the lock was last sure.

    Args:
        filesystem: s3fs's.
        source: the file.
        target: the object.
        name: its name in `filesystem`.
        part_bytes: a larger file is sent in parts of so many bytes.

    Raises:
        BusyError: the lock is another's by now, or somebody has written the object.
    """
    bucket, _, key = name.partition("/")
    where = {"Bucket": bucket, "Key": key}
    condition = _unchanged(filesystem, where)
    expect_held(target)
    try:
        _put_if(filesystem, source, where, condition, part_bytes)
    except Exception as error:
        if not is_refused(error):
            raise
        # Says so if the lock is lost; else somebody wrote without one.
        expect_held(target)
        if _unchanged(filesystem, where).get("IfMatch", "").strip('"') == _md5(source):
            # It is written; the answer was lost, and the client asked again.
            return
        raise BusyError(f"{target}: another process has written it at the same time; run this again.") from error
    filesystem.invalidate_cache(name)


def _unchanged(filesystem: Any, where: dict[str, str]) -> dict[str, str]:
    """The condition that an object is as it is now."""
    try:
        return {"IfMatch": str(filesystem.call_s3("head_object", **where)["ETag"])}
    except FileNotFoundError:
        return {"IfNoneMatch": "*"}


def _put_if(filesystem: Any, source: Path, where: dict[str, str], condition: dict[str, str], part_bytes: int) -> None:
    """Write a file to an object under a condition."""
    if source.stat().st_size <= 2 * part_bytes:
        filesystem.call_s3("put_object", **where, Body=source.read_bytes(), **condition)
    else:
        started = filesystem.call_s3("create_multipart_upload", **where)["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            with source.open("rb") as file:
                while content := file.read(part_bytes):
                    number = len(parts) + 1
                    made = filesystem.call_s3("upload_part", **where, UploadId=started, PartNumber=number, Body=content)
                    parts.append({"PartNumber": number, "ETag": made["ETag"]})
            whole = {"Parts": parts}
            filesystem.call_s3(
                "complete_multipart_upload", **where, UploadId=started, MultipartUpload=whole, **condition
            )
        except BaseException:
            with suppress(Exception):
                filesystem.call_s3("abort_multipart_upload", **where, UploadId=started)
            raise


def _md5(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_refused(error: BaseException | None) -> bool:
    """Whether an object store did not write because the condition of the writing was not met."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            about = response.get("Error", {}).get("Code")
            return str(about) in ("PreconditionFailed", "ConditionalRequestConflict", "409", "412")
        # An object that was to be as it is, and is gone; or one that was not to be there.
        if isinstance(error, (FileExistsError, FileNotFoundError)):
            return True
        error = error.__cause__
    return False


def _address(path: Path) -> str:
    text = str(path)
    return text if "://" in text else str(path.absolute())
