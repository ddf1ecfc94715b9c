"""The transfer study: how much the epochs of phase I are worth to phase II.

Belongs here: the trainings of the study, going on after a kill, and its table. Does not belong here: where the
training sets come from (`phenodose.pipeline.transfer_study`), and drawing (`phenodose.plots.transfer`).

Phase I is trained once for each arm and keeps a checkpoint after each of the wanted numbers of epochs: order,
augmentation and blends are keyed by epoch, so that an epoch is the same however many follow. Phase II starts from
each of them in every screen. Zero epochs of phase I are the first weights as they are.

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554, Fig. 5.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import CheckpointError, InputError, NotMade
from phenodose.io.files import hash_json, write_json
from phenodose.learning.checkpoint import read_record, versions
from phenodose.learning.training import inputs_hash
from phenodose.progress import Progress, no_progress
from phenodose.training_records import TrainingRecord, TrainingSet

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plugins.readouts import StagedReadout

#: The paper's: 0, 20, ..., 200.
EPOCHS = tuple(range(0, 201, 20))
#: Columns of the study's table; one row an arm, screen and number of epochs of phase I.
COLUMNS = (
    *("screen", "backbone", "first_weights", "phase1_epochs", "phase2_epochs"),
    *("validation_loss", "validation_accuracy", "validation_auroc", "train_loss", "train_accuracy"),
    *("phase1_validation_loss", "n_train", "n_validation", "seconds"),
)


@dataclass(frozen=True)
class Arm:
    """One network of the study.

    Attributes:
        backbone: name of the network.
        first_weights: what it starts from: 'imagenet', 'none', or the name of a weights file.
        epochs: numbers of epochs of phase I, ascending.
        create: makes the readout that trains this network; `epochs_phase1` is the argument.
    """

    backbone: str
    first_weights: str
    epochs: tuple[int, ...]
    create: Callable[[int], StagedReadout]


def arms(readout: type[StagedReadout], parameters: Mapping[str, Any], epochs: Sequence[int]) -> list[Arm]:
    """The arms of one network: its first weights at all epochs, and without pretraining at the fewest and most.

    Args:
        readout: plugin with the parameters backbone, weights and epochs_phase1.
        parameters: its parameters; what is not named has the plugin's default.
        epochs: numbers of epochs of phase I, 0 and more.

    Raises:
        InputError: there are no epochs, one is negative, or the readout cannot keep checkpoints on the way.
    """
    wanted = tuple(sorted(set(epochs)))
    if not wanted or wanted[0] < 0:
        raise InputError(f"epochs {list(epochs)}: give numbers of epochs of phase I from 0, such as 0,20,40.")
    if "keep" not in inspect.signature(readout.train).parameters:
        raise InputError(
            f"readout {readout.name} keeps no checkpoints on the way (its train takes no `keep`); the transfer study "
            "needs one that does."
        )
    chosen: Any = readout(parameters).parameters
    file = chosen.weights_file

    # The study compares single networks; several seeds of each would be another question.
    single = {"ensemble_seeds": 1} if hasattr(chosen, "ensemble_seeds") else {}

    def create(**changes: Any) -> Callable[[int], StagedReadout]:
        return lambda number: readout({**parameters, **single, **changes, "epochs_phase1": max(1, number)})

    pretrained = Arm(chosen.backbone, Path(file).name if file else chosen.weights, wanted, create())
    if pretrained.first_weights == "none":
        return [pretrained]
    random = create(weights="none", weights_file=None, weights_file_sha256=None)
    return [pretrained, Arm(chosen.backbone, "none", tuple(sorted({wanted[0], wanted[-1]})), random)]


def transfer_study(
    networks: Sequence[Arm],
    control_experiment: TrainingSet,
    screens: Mapping[str, TrainingSet],
    work: Path,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Train all arms; what a killed study has finished is kept.

    Args:
        networks: from `arms`.
        control_experiment: training set of phase I.
        screens: training sets of phase II by screen.
        work: folder of checkpoints, resume points and finished rows; a study of the same data and parameters goes on
            from it, with other epochs and screens too.
        progress: told after each epoch of any training.

    Returns:
        The columns `COLUMNS`, one row an arm, screen and number of epochs of phase I.

    Raises:
        NotMade: a screen has no held-out wells to judge by.
        CheckpointError: a training diverged.
    """
    import pandas as pd

    for screen, data in screens.items():
        if not data.validation.any():
            raise NotMade(f"screen {screen} has no held-out control wells, by which the study judges; it needs more.")
    counted = _Counted(progress, sum(_total_epochs(arm, len(screens)) for arm in networks))
    rows = []
    for arm in networks:
        folder = work / _arm_key(arm, control_experiment)
        losses = _train_phase1(arm, control_experiment, folder, counted)
        for number in arm.epochs:
            for screen, data in screens.items():
                found = _phase2_row(arm, number, screen, data, folder, counted)
                rows.append({**found, "phase1_validation_loss": losses.get(number)})
    return pd.DataFrame(rows)[list(COLUMNS)]


# --- phase I --------------------------------------------------------------------------------------


def _train_phase1(arm: Arm, data: TrainingSet, folder: Path, counted: _Counted) -> dict[int, float]:
    """Make the checkpoints of phase I that are missing; validation loss after each number of epochs, where known."""
    most, record_file = max(arm.epochs), folder / "phase1.json"
    history = json.loads(record_file.read_text(encoding="utf-8"))["history"] if record_file.is_file() else []
    # A kill between a resume point and a checkpoint leaves a hole, which only a training from the start fills.
    for attempt in range(2):
        missing = [number for number in arm.epochs if not _kept(folder, number)]
        if not missing and len(history) >= most:
            break
        readout, training = arm.create(most), folder / "phase1"
        if attempt:
            shutil.rmtree(training, ignore_errors=True)
        keep = {number: _kept_at(folder, number) for number in missing}
        record = readout.train(readout.phase("phase1"), data, None, training, counted.part(most), keep=keep)  # type: ignore[call-arg]
        history = record.history
        write_json(record_file, {"history": history})
    shutil.rmtree(folder / "phase1", ignore_errors=True)
    counted.done(most)
    losses = {number: entry.get("validation_loss") for number, entry in enumerate(history, 1)}
    return {number: loss for number, loss in losses.items() if loss is not None}


def _kept_at(folder: Path, number: int) -> Path:
    return folder / f"after_{number}_epochs"


def _kept(folder: Path, number: int) -> bool:
    try:
        read_record(_kept_at(folder, number))
    except CheckpointError:
        return False
    return True


# --- phase II -------------------------------------------------------------------------------------


def _phase2_row(
    arm: Arm, number: int, screen: str, data: TrainingSet, folder: Path, counted: _Counted
) -> dict[str, Any]:
    """The row of one training of phase II: the finished one, or a new one."""
    readout, parent = arm.create(number), _kept_at(folder, number)
    place = folder / f"{screen}_after_{number}_epochs"
    key = hash_json([inputs_hash(data), read_record(parent).weights_hash])
    epochs = _epochs(readout, "phase2")
    finished = place.with_suffix(".json")
    known = json.loads(finished.read_text(encoding="utf-8")) if finished.is_file() else {}
    if known.get("key") != key:
        record = readout.train(readout.phase("phase2"), data, parent, place, counted.part(epochs))
        known = {"key": key, "row": _row(arm, number, screen, record)}
        write_json(finished, known)
    # The study asks how well it learned, not for its weights: half a gigabyte for each row.
    shutil.rmtree(place, ignore_errors=True)
    counted.done(epochs)
    row: dict[str, Any] = known["row"]
    return row


def _row(arm: Arm, number: int, screen: str, record: TrainingRecord) -> dict[str, Any]:
    last = record.history[-1]
    return {
        "screen": screen,
        "backbone": arm.backbone,
        "first_weights": arm.first_weights,
        "phase1_epochs": number,
        "phase2_epochs": len(record.history),
        "validation_loss": last.get("validation_loss"),
        "validation_accuracy": last.get("validation_accuracy"),
        "validation_auroc": record.validation_auroc,
        "train_loss": last.get("loss"),
        "train_accuracy": last.get("accuracy"),
        "n_train": record.n_train,
        "n_validation": record.n_validation,
        "seconds": record.seconds,
    }


# --- keys and counting ----------------------------------------------------------------------------


def _arm_key(arm: Arm, data: TrainingSet) -> str:
    """Name of an arm's folder: everything that decides its weights but the number of epochs of phase I."""
    parameters = arm.create(1).parameters.model_dump(mode="json")
    key = hash_json([parameters, inputs_hash(data), versions()])
    return f"{arm.backbone}_{arm.first_weights}_{key[-12:]}".replace("/", "_")


def _epochs(readout: StagedReadout, phase: str) -> int:
    parameters: Any = readout.parameters
    return int(getattr(parameters, f"epochs_{phase}"))


def _total_epochs(arm: Arm, screens: int) -> int:
    return max(arm.epochs) + screens * len(arm.epochs) * _epochs(arm.create(1), "phase2")


class _Counted:
    """One count of epochs over all trainings of a study."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._before = progress, total, 0

    def part(self, epochs: int) -> Progress:
        """A listener of one training that takes `epochs` of the count."""

        def listen(done: int, total: int, message: str) -> None:
            self._progress(self._before + min(done, epochs), self._total, message)

        return listen

    def done(self, epochs: int) -> None:
        """A training of that many epochs is done, now or in an earlier run."""
        self._before += epochs
        self._progress(self._before, self._total, "")
