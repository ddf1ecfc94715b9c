"""TensorBoard logs of a training: its figures by epoch, for any readout that tells them (`tell_epoch`).

Belongs here: the event file. It is written with TensorBoard's own records and needs no TensorFlow. Does not belong
here: which figures there are (`training` and the readout plugins).
"""

from __future__ import annotations

import logging
import math
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from phenodose.io.files import written_aside
from phenodose.progress import Progress, say, tell_epoch, tell_time
from phenodose.training_records import TrainingTime

#: TensorBoard reads every file with 'tfevents' in its name.
EVENTS = "events.out.tfevents.phenodose"
#: Name of the figure that is added to those of the readout.
SECONDS = "seconds_per_epoch"
#: Version of the event file, as TensorBoard wants it in its first record.
_FILE_VERSION = "brain.Event:2"
#: Bytes of a record before its content (length and its checksum) and after it (checksum).
_HEAD, _TAIL = 12, 4


@contextmanager
def logged(folder: Path, progress: Progress, log: logging.Logger) -> Iterator[Progress]:
    """A listener that writes the figures of every epoch into `folder`, and passes them on with the epoch's seconds.

    A training that goes on after a kill tells some epochs again: what the file has of them is left out, so that every
    epoch stands in it once.

    Args:
        folder: created with the first epoch.
        progress: the listener to pass on to.
        log: told if TensorBoard is not installed; then nothing is written.
    """
    path: Path | None = folder / EVENTS
    if find_spec("tensorboard") is None:
        log.info("no TensorBoard logs are written: the package tensorboard is not installed")
        path = None
    listener = _Logged(path, progress)
    try:
        yield listener
    finally:
        listener.close()


class _Logged:
    """An `EpochListener` that writes what it hears."""

    def __init__(self, path: Path | None, progress: Progress) -> None:
        self._path = path
        self._progress = progress
        self._file: Any = None
        self._told_at = time.monotonic()

    def __call__(self, done: int, total: int, message: str) -> None:
        self._progress(done, total, message)

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        now = time.monotonic()
        timed = {**figures, SECONDS: now - self._told_at}
        self._told_at = now
        if self._path is not None:
            self._write(self._path, done, timed)
        tell_epoch(self._progress, done, total, message, timed)

    def time(self, estimate: TrainingTime) -> None:
        tell_time(self._progress, estimate)

    def say(self, sentence: str) -> None:
        say(self._progress, sentence)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, path: Path, epoch: int, figures: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        if self._file is None:
            self._file = _opened(path, epoch)
        values = [
            Summary.Value(tag=name, simple_value=value) for name, value in figures.items() if math.isfinite(value)
        ]
        event = Event(wall_time=time.time(), step=epoch, summary=Summary(value=values))
        RecordWriter(self._file).write(event.SerializeToString())
        self._file.flush()


def read_events(path: Path) -> list[Any]:
    """The events of a file, as `tensorboard.compat.proto.event_pb2.Event`; a record cut short by a kill is left out.

    The first one holds the version of the format.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    content, events, start = path.read_bytes(), [], 0
    while start + _HEAD <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + _HEAD + length
        if end + _TAIL > len(content):
            break
        events.append(Event.FromString(content[start + _HEAD : end]))
        start = end + _TAIL
    return events


def _opened(path: Path, first_epoch: int) -> Any:
    """The file to append to, with the epochs before the first one that is told now."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    kept = [event for event in read_events(path) if event.step < first_epoch] if path.is_file() else []
    if not kept:
        kept = [Event(wall_time=time.time(), file_version=_FILE_VERSION)]
    with written_aside(path) as aside, aside.open("wb") as file:
        for event in kept:
            RecordWriter(file).write(event.SerializeToString())
    return path.open("ab")
