"""The transfer study: one phase I for all its lengths, and going on where a study was interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.errors import InputError, NotMade
from phenodose.learning import training
from phenodose.learning.transfer_study import COLUMNS, arms, transfer_study
from phenodose.plots.transfer import transfer_curves
from phenodose.plugins import TrainingSet
from phenodose_readouts.cnn import CnnReadout

SMALL: dict[str, Any] = {
    **CnnReadout.small_parameters(),
    "micro_widths": (4,),
    "micro_dense": (4,),
    "epochs_phase2": 2,
    "inference_copies": 0,
}
EPOCHS = (0, 1, 3)


def wells(seed: int, held_out: int = 2) -> TrainingSet:
    """Twelve living wells with a broad disc, twelve killed ones with dots."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:16, :16]
    disc = ((rows - 8) ** 2 + (columns - 8) ** 2 < 25).astype(np.float32)
    labels = np.arange(24, dtype=np.float32) % 2
    alive = labels[:, None, None] * disc + (1 - labels)[:, None, None] * (rng.random((24, 16, 16)) < 0.1)
    images = np.repeat((0.1 * alive + 0.01 * rng.random(alive.shape))[..., None], 3, axis=-1).astype(np.float32)
    return TrainingSet(
        images, labels, np.ones(24, bool), np.arange(24) < 2 * held_out, tuple(f"P1/B{n:02d}" for n in range(1, 25))
    )


@pytest.fixture(scope="module")
def experiment() -> TrainingSet:
    return wells(seed=1)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def rows(experiment: TrainingSet, work: Path) -> pd.DataFrame:
    return transfer_study(arms(CnnReadout, SMALL, EPOCHS), experiment, {"A": wells(2), "B": wells(3)}, work)


def test_there_is_a_row_for_every_screen_and_length(rows: pd.DataFrame) -> None:
    assert tuple(rows.columns) == COLUMNS
    assert sorted(zip(rows["screen"], rows["phase1_epochs"], strict=True)) == [(s, n) for s in "AB" for n in EPOCHS]
    assert (rows["phase2_epochs"] == 2).all()
    assert rows["validation_loss"].between(0.5, 2).all()
    assert rows["validation_auroc"].between(0, 1).all()
    known = rows.set_index("phase1_epochs")["phase1_validation_loss"]
    assert known.drop(0).notna().all()
    assert known.loc[0].isna().all()


def test_each_row_is_what_the_two_trainings_alone_would_give(
    rows: pd.DataFrame, experiment: TrainingSet, tmp_path: Path
) -> None:
    readout = CnnReadout({**SMALL, "epochs_phase1": 1})
    readout.train(readout.phase("phase1"), experiment, None, tmp_path / "1")
    record = readout.train(readout.phase("phase2"), wells(2), tmp_path / "1", tmp_path / "2")
    row = rows[(rows["screen"] == "A") & (rows["phase1_epochs"] == 1)].iloc[0]
    assert row["validation_loss"] == record.history[-1]["validation_loss"]
    assert row["train_loss"] == record.history[-1]["loss"]


def test_no_epochs_of_phase_one_are_the_first_weights(rows: pd.DataFrame, tmp_path: Path) -> None:
    readout = CnnReadout(SMALL)
    record = readout.train(readout.phase("phase2"), wells(3), None, tmp_path)
    row = rows[(rows["screen"] == "B") & (rows["phase1_epochs"] == 0)].iloc[0]
    assert row["validation_loss"] == record.history[-1]["validation_loss"]


def test_a_finished_study_trains_nothing_again(
    rows: pd.DataFrame, experiment: TrainingSet, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a finished training was done again")

    monkeypatch.setattr(training, "fit", refuse)
    told: list[tuple[int, int]] = []
    again = transfer_study(
        arms(CnnReadout, SMALL, (0, 3)), experiment, {"B": wells(3)}, work, lambda n, of, _: told.append((n, of))
    )
    wanted = rows[(rows["screen"] == "B") & (rows["phase1_epochs"] != 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, wanted)
    assert told[-1] == (7, 7)


class Killed(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize(
    "kills", [(4,), *(pytest.param(told, marks=pytest.mark.slow) for told in ((1, 4), (0,), (3,), (5,)))]
)
def test_a_killed_study_ends_with_the_same_rows(
    rows: pd.DataFrame, experiment: TrainingSet, tmp_path: Path, kills: tuple[int, ...]
) -> None:
    """Killed when it tells so many epochs: in phase II, and in phase I, where it goes on as in test_training.py."""
    networks = arms(CnnReadout, {**SMALL, "resume_every_s": 0.0}, EPOCHS)
    for epochs in kills:

        def kill(done: int, total: int, message: str, epochs: int = epochs) -> None:
            if done == epochs:
                raise Killed

        with pytest.raises(Killed):
            transfer_study(networks, experiment, {"A": wells(2)}, tmp_path, kill)
    told: list[int] = []
    found = transfer_study(networks, experiment, {"A": wells(2)}, tmp_path, lambda done, *_: told.append(done))
    # Nothing of phase I is done again once phase II has begun.
    assert not (max(kills) > 3 and {1, 2} & set(told))
    wanted = rows[rows["screen"] == "A"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), wanted.drop(columns="seconds"))


def test_a_lost_checkpoint_of_phase_one_is_made_again(
    rows: pd.DataFrame, experiment: TrainingSet, work: Path, tmp_path: Path
) -> None:
    study = shutil.copytree(work, tmp_path / "study")
    (lost,) = study.glob("*/after_1_epochs/record.json")
    lost.unlink()
    (row,) = study.glob("*/A_after_1_epochs.json")
    row.unlink()
    found = transfer_study(arms(CnnReadout, SMALL, EPOCHS), experiment, {"A": wells(2)}, study)
    wanted = rows[rows["screen"] == "A"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), wanted.drop(columns="seconds"))
    assert lost.exists()


def test_a_pretrained_network_is_also_tried_without_pretraining() -> None:
    pretrained, random = arms(CnnReadout, {"epochs_phase2": 1}, (40, 0, 20))
    assert (pretrained.backbone, pretrained.first_weights, pretrained.epochs) == ("vgg19", "imagenet", (0, 20, 40))
    assert (random.first_weights, random.epochs) == ("none", (0, 40))
    made: Any = random.create(40)
    assert (made.parameters.weights, made.parameters.epochs_phase1, made.parameters.epochs_phase2) == ("none", 40, 1)
    assert [arm.first_weights for arm in arms(CnnReadout, {"weights_file": "own.h5"}, (0,))] == ["own.h5", "none"]
    assert [arm.first_weights for arm in arms(CnnReadout, SMALL, (0,))] == ["none"]


@pytest.mark.parametrize("epochs", [(), (-1, 0)])
def test_epochs_that_are_none_are_refused(epochs: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="give numbers of epochs"):
        arms(CnnReadout, SMALL, epochs)


def test_a_readout_that_keeps_nothing_on_the_way_is_refused() -> None:
    class Other(CnnReadout):
        name = "other"

        def train(self, phase: Any, data: Any, parent: Any, out: Any, progress: Any = None) -> Any:  # type: ignore[override]
            raise AssertionError

    with pytest.raises(InputError, match="readout other keeps no checkpoints"):
        arms(Other, SMALL, (0,))


def test_a_screen_without_held_out_wells_is_refused(experiment: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(NotMade, match="screen A has no held-out"):
        transfer_study(arms(CnnReadout, SMALL, (0,)), experiment, {"A": wells(2, held_out=0)}, tmp_path)


def test_the_picture_shows_a_line_a_network(rows: pd.DataFrame) -> None:
    other = rows.assign(backbone="vgg19", first_weights="imagenet", validation_auroc=np.nan)
    picture = transfer_curves(pd.concat([rows, other]), "study")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 60_000
    assert transfer_curves(rows) != picture
