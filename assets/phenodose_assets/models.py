"""Assets of the group `models`: one checkpoint a phase of every staged readout.

Belongs here: which phase is trained or adopted where, from which wells and which parent, and keeping what
is unchanged. Does not belong here: choosing wells (`phenodose.learning.staging`) and training (plugins).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from phenodose.errors import BusyError, CheckpointError, NotMade
from phenodose.files import written_aside
from phenodose.plugins import Phase, StagedReadout, TrainingRecord, TrainingSet
from phenodose.store import parameters_text
from phenodose.tables import TABLES
from phenodose_assets import metadata
from phenodose_assets.checkpoints import (
    Checkpoint,
    checkpoint_key,
    checkpoint_of,
    checkpoint_row,
    checkpoint_to_adopt,
)
from phenodose_assets.ingest import LAYOUT
from phenodose_assets.screen_asset import ScreenAsset
from phenodose_assets.step import Product, Step
from phenodose_assets.tensors import PSEUDO_RGB

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr

#: One training or inference at a time on a computer.
POOL = "gpu"


def checkpoint_assets(staged: Mapping[str, type[StagedReadout]]) -> list[ScreenAsset]:
    """One asset a phase of every staged readout."""
    return [_checkpoint_asset(readout, phase) for readout in staged.values() for phase in readout.phases]


def _checkpoint_asset(readout: type[StagedReadout], phase: Phase) -> ScreenAsset:
    key = checkpoint_key(readout.name, phase.name)
    parent = (checkpoint_key(readout.name, phase.parent),) if phase.parent else ()
    return ScreenAsset(
        key=key,
        group="models",
        description=phase.description,
        make=partial(_make_checkpoint, readout, phase),
        needs=(LAYOUT, PSEUDO_RGB, *parent),
        settings=((readout.name, readout.Parameters),),
        kinds=frozenset({"tensorflow"}),
        tables=(("checkpoints", key),),
        code_version=readout.version,
        pool=POOL,
    )


def _make_checkpoint(readout: type[StagedReadout], phase: Phase, step: Step) -> Product:
    is_control_experiment = step.screen.kind == "control-experiment"
    if phase.scope == "control-experiment" and not is_control_experiment:
        return _adopt(readout, phase, step)
    if phase.scope == "screen" and is_control_experiment:
        raise NotMade(f"{phase.name} is trained in drug screens; {step.screen_id} is a control experiment.")
    return _train(readout, phase, step)


# --- training -------------------------------------------------------------------------------------


def _train(readout: type[StagedReadout], phase: Phase, step: Step) -> Product:
    from phenodose.learning.staging import sparse_controls, training_set
    from phenodose.learning.training import inputs_hash
    from phenodose.storage.tensors import open_tensors

    plugin = step.create(readout)
    wells = step.wells()
    tensors = open_tensors(step.store.tensor_path(step.screen_id))
    parent = checkpoint_of(step.store, step.screen_id, readout.name, phase.parent) if phase.parent else None
    outputs = None
    if parent is not None and phase.labels == "duplicates":
        outputs = _outputs(plugin, parent.folder, tensors)
    controls = step.controls(readout, readout.name, wells)
    data = training_set(phase, tensors, wells, controls, outputs)
    for sentence in sparse_controls(data):
        step.log.warning(sentence)
    inputs = {"training_set": inputs_hash(data), "parent": parent.weights_hash if parent else None}
    record = _unchanged(step, plugin, phase, inputs)
    if record is None:
        step.log.info(f"training on {int((~data.validation).sum())} wells")
        record = _train_into_place(step, plugin, phase, data, parent)
    else:
        step.log.info("wells, labels, parameters and parent are unchanged; the checkpoint is kept")
    _write_row(step, plugin, phase, record)
    _forget_work(step, plugin, phase)
    return Product(show=lambda: _training_metadata(step, plugin, phase, record), plugin=plugin, inputs=inputs)


def _outputs(plugin: StagedReadout, checkpoint: Path, tensors: xr.DataArray) -> pd.Series:
    """Network output of every well, by names such as 'P1/B07'."""
    import pandas as pd

    return pd.Series(plugin.infer(checkpoint, tensors).raw, index=[str(name) for name in tensors["well"].to_numpy()])


def _unchanged(step: Step, plugin: StagedReadout, phase: Phase, inputs: Mapping[str, Any]) -> TrainingRecord | None:
    """The record of the checkpoint that the same training made before; None if there is none."""
    from phenodose.learning.checkpoint import read_record

    row = checkpoint_row(step.store, step.screen_id, plugin.name, phase.name)
    if row is None or row["plugin_version"] != plugin.version:
        return None
    try:
        record = read_record(step.store.checkpoint_dir(step.screen_id, plugin.name, phase.name))
    except CheckpointError:
        return None
    same = (
        record.inputs_hash == inputs["training_set"]
        and record.parent_hash == inputs["parent"]
        and _completed(plugin, record.parameters) == plugin.parameters.model_dump(mode="json")
    )
    return record if same else None


def _completed(plugin: StagedReadout, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Recorded parameters with the defaults of those that came since; None if they are no parameters any more."""
    from pydantic import ValidationError

    try:
        return plugin.Parameters(**recorded).model_dump(mode="json")
    except ValidationError:
        return None


def _train_into_place(
    step: Step, plugin: StagedReadout, phase: Phase, data: TrainingSet, parent: Checkpoint | None
) -> TrainingRecord:
    """Train in a folder that a later run finds again if this one is killed; then copy it into place.

    The folder stays until the checkpoint's row is written (`_forget_work`): a kill on the way costs no training.
    """
    import filelock

    place = step.store.checkpoint_dir(step.screen_id, plugin.name, phase.name)
    work = _work_folder(place)
    work.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(_lock_file(place), timeout=0):
            record = plugin.train(phase, data, parent.folder if parent else None, work, step.progress)
            with written_aside(place) as aside:
                shutil.copytree(work, aside)
    except filelock.Timeout:
        raise BusyError(
            f"{phase.name} of {step.screen_id} is being trained by another process; wait until it is done."
        ) from None
    return record


def _work_folder(place: Path) -> Path:
    return place.with_name(f".{place.name}.training")


def _lock_file(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")


def _forget_work(step: Step, plugin: StagedReadout, phase: Phase) -> None:
    """Remove the folder of the training, and copies that a kill left half made."""
    import filelock

    place = step.store.checkpoint_dir(step.screen_id, plugin.name, phase.name)
    try:
        with filelock.FileLock(_lock_file(place), timeout=0):
            for left_over in (_work_folder(place), *place.parent.glob(f".{place.name}.*.partial")):
                shutil.rmtree(left_over, ignore_errors=True)
    except filelock.Timeout:
        return  # another process trains there by now


def _write_row(step: Step, plugin: StagedReadout, phase: Phase, record: TrainingRecord) -> None:
    last = record.history[-1] if record.history else {}
    row = {
        "screen": step.screen_id,
        "readout": plugin.name,
        "phase": phase.name,
        "weights_hash": record.weights_hash,
        "parent_hash": record.parent_hash,
        "trained_on": step.screen_id,
        "n_train": record.n_train,
        "n_validation": record.n_validation,
        "epochs": len(record.history),
        "train_loss": last.get("loss"),
        "validation_loss": last.get("validation_loss"),
        "validation_auroc": record.validation_auroc,
        "seconds": record.seconds,
        "run_id": step.run_id,
        "plugin": plugin.name,
        "plugin_version": plugin.version,
        "parameters": parameters_text(plugin.parameters.model_dump()),
    }
    key = checkpoint_key(plugin.name, phase.name)
    step.store.write_table("checkpoints", step.screen_id, key, TABLES["checkpoints"].frame([row]))


def _training_metadata(step: Step, plugin: StagedReadout, phase: Phase, record: TrainingRecord) -> dict[str, Any]:
    from phenodose.pictures import training_curve

    last = record.history[-1] if record.history else {}
    title = f"{plugin.name} {phase.name} of {step.screen_id}"
    return {
        "training": metadata.picture(training_curve(record.history, title, width_px=480), title),
        "weights": record.weights_hash,
        "path": metadata.path(step.store.checkpoint_dir(step.screen_id, plugin.name, phase.name)),
        **metadata.figures(
            {
                "train loss": last.get("loss"),
                "validation loss": last.get("validation_loss"),
                "validation AUROC": record.validation_auroc,
                "epochs": len(record.history),
                "n train": record.n_train,
                "n validation": record.n_validation,
                "training seconds": record.seconds,
            }
        ),
    }


# --- adoption -------------------------------------------------------------------------------------


def _adopt(readout: type[StagedReadout], phase: Phase, step: Step) -> Product:
    """Take over the checkpoint of a control experiment: the one named in screen.toml, else the newest."""
    origin = checkpoint_to_adopt(step.store, readout.name, phase.name, step.screen.phase1)
    key = checkpoint_key(readout.name, phase.name)
    row = {**origin, "screen": step.screen_id, "run_id": step.run_id}
    step.store.write_table("checkpoints", step.screen_id, key, TABLES["checkpoints"].frame([row]))
    screen, weights = str(origin["trained_on"]), str(origin["weights_hash"])
    names = ("epochs", "train_loss", "validation_loss", "validation_auroc", "n_train", "n_validation")
    return Product(
        show=lambda: {
            "adopted from": screen,
            "weights": weights,
            "path": metadata.path(step.store.checkpoint_dir(screen, readout.name, phase.name)),
            **metadata.figures({name.replace("_", " "): origin[name] for name in names}),
        },
        inputs={"adopted_from": screen, "weights": weights},
    )
