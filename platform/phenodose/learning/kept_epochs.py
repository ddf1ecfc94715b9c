"""Checkpoints of a training that are written on the way, as fewer epochs would have made them.

Belongs here: a listener that writes them. Does not belong here: the form of a checkpoint (`checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.io.files import written_aside
from phenodose.progress import Progress

if TYPE_CHECKING:
    from phenodose.training_records import TrainingRecord


def keeping(
    keep: Mapping[int, Path],
    record: TrainingRecord,
    write: Callable[[Path, TrainingRecord], None],
    progress: Progress,
) -> Progress:
    """A listener that also writes the checkpoints to keep on the way, before it passes on what it was told."""

    def listen(done: int, total: int, message: str) -> None:
        if done in keep:
            parameters = {**record.parameters, f"epochs_{record.phase}": done}
            with written_aside(keep[done]) as aside:
                write(aside, replace(record, parameters=parameters))
        progress(done, total, message)

    return listen
