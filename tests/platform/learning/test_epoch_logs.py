"""TensorBoard logs hold every epoch once, also those of a training that was killed and went on."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phenodose.learning import epoch_logs
from phenodose.learning.epoch_logs import EVENTS, SECONDS, logged, read_events
from phenodose.plugins import no_progress, tell_epoch

LOG = logging.getLogger("test")


def tell(folder: Path, epochs: range, offset: float = 0.0) -> None:
    with logged(folder, no_progress, LOG) as listener:
        for epoch in epochs:
            tell_epoch(listener, epoch, 9, f"epoch {epoch}", {"loss": offset + 1 / epoch, "learning_rate": 1e-3})


def losses(folder: Path) -> dict[int, float]:
    """The losses by step, as TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    assert set(read.Tags()["scalars"]) == {"loss", "learning_rate", SECONDS}
    return {event.step: event.value for event in read.Scalars("loss")}


def test_tensorboard_reads_every_epoch(tmp_path: Path) -> None:
    tell(tmp_path / "logs", range(1, 5))
    assert losses(tmp_path / "logs") == pytest.approx({epoch: 1 / epoch for epoch in range(1, 5)})


def test_epochs_that_are_told_again_stand_there_once(tmp_path: Path) -> None:
    tell(tmp_path, range(1, 6))
    path = tmp_path / EVENTS
    path.write_bytes(path.read_bytes()[:-7])  # a kill in the midst of writing
    tell(tmp_path, range(4, 8), offset=10)
    found = losses(tmp_path)
    assert list(found) == list(range(1, 8))
    assert [loss > 10 for loss in found.values()] == [False] * 3 + [True] * 4
    assert [file.name for file in tmp_path.iterdir()] == [EVENTS]


def test_another_training_in_the_same_folder_starts_anew(tmp_path: Path) -> None:
    tell(tmp_path, range(1, 6))
    tell(tmp_path, range(1, 3), offset=10)
    assert list(losses(tmp_path)) == [1, 2]


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    with logged(tmp_path, no_progress, LOG) as listener:
        tell_epoch(listener, 1, 1, "", {"loss": math.nan, "accuracy": 0.5})
    (event,) = read_events(tmp_path / EVENTS)[1:]
    assert {value.tag for value in event.summary.value} == {"accuracy", SECONDS}


@pytest.mark.parametrize("installed", [True, False])
def test_the_listener_behind_hears_all_of_it(
    tmp_path: Path, installed: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []

    class Listener:
        def __call__(self, done: int, total: int, message: str) -> None:
            heard.append((done, total, message))

        def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
            heard.append((done, total, message, set(figures)))

    if not installed:
        monkeypatch.setattr(epoch_logs, "find_spec", lambda name: None)
    with caplog.at_level(logging.INFO), logged(tmp_path / "logs", Listener(), LOG) as listener:
        listener(0, 2, "starts")
        tell_epoch(listener, 1, 2, "epoch 1", {"loss": 1.0})
    assert heard == [(0, 2, "starts"), (1, 2, "epoch 1", {"loss", SECONDS})]
    assert (tmp_path / "logs").exists() == installed
    assert ("tensorboard is not installed" in caplog.text) != installed


def test_writing_needs_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import logging, sys; from pathlib import Path\n"
        "from phenodose.learning.epoch_logs import logged\n"
        "from phenodose.plugins import no_progress, tell_epoch\n"
        "with logged(Path(sys.argv[1]), no_progress, logging.getLogger()) as listener:\n"
        "    tell_epoch(listener, 1, 1, '', {'loss': 1.0})\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(read_events(tmp_path / EVENTS)) == 2
