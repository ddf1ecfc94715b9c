"""Watching a training while it goes on: its time before and on the way, figures and curves in the Dagster UI.

Does not belong here: the picture (`phenodose.plots.training`), and the TensorBoard logs (`network_jobs`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from phenodose.progress import duration
from phenodose_assets.graph import metadata

if TYPE_CHECKING:
    from phenodose.pipeline.context import Context

#: Least seconds between two observations of the asset: they stay in the event log, which every page of the UI reads.
SHOW_EVERY_S = 20.0


class TrainingWatch:
    """An `EpochListener` that tells a step's progress and shows its asset what the training has come to.

    What is to be said before the training (`SentenceListener`) is said by the step.
    """

    def __init__(self, step: Context, title: str) -> None:
        self._step = step
        self._title = title
        self._history: list[Mapping[str, float]] = []
        self._first_epoch = 1
        self._shown_at = time.monotonic()

    def __call__(self, done: int, total: int, message: str) -> None:
        """Hear of progress without figures."""
        self._step.progress(done, total, message)

    def say(self, sentence: str) -> None:
        """Say a sentence to the person."""
        self._step.say(sentence)

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        """Hear of an epoch."""
        if not self._history:
            self._first_epoch = done
        self._history.append(figures)
        left = self._seconds_left(total - done)
        self._step.progress(done, total, f"{message}{f', {duration(left)} left' if left else ''}")
        now = time.monotonic()
        if done < total and now - self._shown_at >= SHOW_EVERY_S:
            self._shown_at = now
            self._show(done, total, left)

    def _seconds_left(self, epochs: int) -> float | None:
        """None until there are two epochs: the first one holds the compilation of the network."""
        from phenodose.learning.epoch_logs import SECONDS

        timed = [entry[SECONDS] for entry in self._history[1:] if SECONDS in entry]
        return sum(timed) / len(timed) * epochs if timed else None

    def _show(self, done: int, total: int, left: float | None) -> None:
        from phenodose.plots import training_curve

        figures = {name.replace("_", " "): value for name, value in self._history[-1].items()}
        title = f"{self._title}, epochs {self._first_epoch} to {done} of {total}"
        curve = training_curve(self._history, title, width_px=480, first_epoch=self._first_epoch)
        shown = {"epoch": done, "epochs": total, "minutes left": None if left is None else left / 60}
        self._step.observe({"training": metadata.picture(curve, title), **metadata.numbers({**shown, **figures})})
