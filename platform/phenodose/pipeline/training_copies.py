"""A training under way whose store is a bucket: its folder is kept there too, so that another machine goes on.

The folder of a training lies on the machine that trains (`network_jobs`). From time to time what is in it is written to
the bucket as one object, under the training's lock: it is there whole or not at all, and a machine that was suspended
and has lost the lock writes nothing over what another one has learned since.

Belongs here: when the object is written and read. Does not belong here: what a training keeps (`resume_point`, and the
readouts of other distributions).
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.io.files import write_text, written_aside
from phenodose.io.places import download, is_remote, remove, versions
from phenodose.progress import Progress, say, tell_epoch, tell_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phenodose.training_records import TrainingTime

#: Least seconds between two copies; and they take at most this share of the time.
EVERY_S, _MOST_SHARE = 300.0, 0.1


class TrainingCopy:
    """The copy of a training's folder in a bucket; of a store in a folder there is none, and nothing is done."""

    def __init__(self, place: Path, work: Path, log: logging.Logger) -> None:
        """Take care of a training.

        Args:
            place: where its checkpoint will lie in the store.
            work: its folder on this machine, which is there.
            log: told what is gone on from, and why nothing could be kept.
        """
        self._object = place.with_name(f".{place.name}.training.zip")
        self._is_kept = is_remote(place)
        self._work, self._log = work, log
        self._version = work.with_name(f"{work.name}.version")
        self._next = time.monotonic() + EVERY_S

    def fetch(self) -> None:
        """Begin where another machine was, if one has gone on since this one; call it with the training's lock held.

        A copy that is damaged is told and left alone: the training goes on from what this machine has.
        """
        there = self._there()
        if not there or there == self._known():
            return
        with tempfile.TemporaryDirectory(dir=self._work.parent) as folder:
            packed, unpacked = Path(folder) / "packed", Path(folder) / "work"
            download(self._object, packed)
            unpacked.mkdir()
            try:
                # Names that lead elsewhere stay within the folder, and every file has a check sum.
                with zipfile.ZipFile(packed) as archive:
                    archive.extractall(unpacked)
            except (zipfile.BadZipFile, EOFError) as error:
                self._log.warning(f"{self._object} is damaged ({error}); nothing of it is used")
                return
            shutil.rmtree(self._work, ignore_errors=True)
            unpacked.rename(self._work)
        write_text(self._version, there)
        self._log.info("another machine has begun this training; it is gone on with")

    def keeping(self, listener: Progress) -> Progress:
        """The same listener, which also keeps the folder when it is time."""
        return _Keeping(listener, self) if self._is_kept else listener

    def keep_if_due(self, done: int, total: int) -> None:
        """Write the folder to the bucket, if there is more to come and the last time is long ago.

        Raises:
            BusyError: as `keep`.
        """
        if done < total and time.monotonic() >= self._next:
            self.keep()

    def keep(self) -> None:
        """Write the folder to the bucket; a bucket that does not answer costs the training nothing.

        Raises:
            BusyError: another machine trains by now.
        """
        if not self._is_kept:
            return
        began = time.monotonic()
        try:
            with written_aside(self._object) as aside, zipfile.ZipFile(aside, "w", strict_timestamps=False) as archive:
                for path in sorted(self._work.rglob("*")):
                    name = path.relative_to(self._work)
                    if not name.parts[0].endswith(".partial"):
                        archive.write(path, name)
            write_text(self._version, self._there())
        except OSError as error:
            self._log.warning(f"the training cannot be kept for other machines: {error}")
        self._next = time.monotonic() + max(EVERY_S, (time.monotonic() - began) / _MOST_SHARE)

    def forget(self) -> None:
        """Remove the copy: the checkpoint is in its place."""
        self._version.unlink(missing_ok=True)
        if self._is_kept:
            remove(self._object)

    def _there(self) -> str:
        """Version of the object; '' if there is none."""
        return versions(self._object).get("", "") if self._is_kept else ""

    def _known(self) -> str:
        return self._version.read_text(encoding="utf-8") if self._version.is_file() else ""


class _Keeping:
    """A listener of a training that passes on everything that it hears."""

    def __init__(self, listener: Progress, copy: TrainingCopy) -> None:
        self._listener, self._copy = listener, copy

    def __call__(self, done: int, total: int, message: str) -> None:
        self._listener(done, total, message)
        self._copy.keep_if_due(done, total)

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        tell_epoch(self._listener, done, total, message, figures)
        self._copy.keep_if_due(done, total)

    def time(self, estimate: TrainingTime) -> None:
        tell_time(self._listener, estimate)

    def say(self, sentence: str) -> None:
        say(self._listener, sentence)
