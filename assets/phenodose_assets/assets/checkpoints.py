"""Assets of the group `models`: one checkpoint a phase of every staged readout.

Belongs here: which phase is trained or adopted where, its row, and what the UI shows of it. Does not belong here: the
training itself (`network_jobs`, which runs in a process of its own, and the plugins).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from phenodose.errors import NotMade
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.network_jobs import Training, forget_work, train
from phenodose.plugins import Phase, StagedReadout, TrainingRecord
from phenodose.sandbox.network_worker import name_of
from phenodose.screens.screen import Screen
from phenodose.store.checkpoints import checkpoint_key, checkpoint_to_adopt
from phenodose.store.store import Store, parameters_text
from phenodose.tables import TABLES
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.pseudo_rgb import PSEUDO_RGB
from phenodose_assets.external import CONTROLS, ExternalAsset
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset
from phenodose_assets.graph.training_watch import TrainingWatch

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
        reads=(CONTROLS, *([_to_adopt(readout, phase)] if phase.scope == "control-experiment" else [])),
        kinds=frozenset({"tensorflow"}),
        tables=(("checkpoints", key),),
        code_version=readout.version,
        pool=POOL,
    )


def _make_checkpoint(readout: type[StagedReadout], phase: Phase, step: Context) -> Result:
    is_control_experiment = step.screen.kind == "control-experiment"
    if phase.scope == "control-experiment" and not is_control_experiment:
        return _adopt(readout, phase, step)
    if phase.scope == "screen" and is_control_experiment:
        raise NotMade(f"{phase.name} is trained in drug screens; {step.screen_id} is a control experiment.")
    return _train(readout, phase, step)


# --- training -------------------------------------------------------------------------------------


def _train(readout: type[StagedReadout], phase: Phase, step: Context) -> Result:
    plugin = step.create(readout)
    controls = step.controls(readout, readout.name, step.wells())
    asked = Training(
        store=str(step.store.root),
        screen=step.screen_id,
        readout=name_of(readout),
        parameters=plugin.parameters.model_dump(mode="json"),
        phase=phase.name,
        negative=[int(row) for row in controls.negative.nonzero()[0]],
        positive=[int(row) for row in controls.positive.nonzero()[0]],
    )
    answer = step.networks(
        train, asdict(asked), TrainingWatch(step, f"{readout.name} {phase.name} of {step.screen_id}")
    )
    record, inputs = TrainingRecord(**answer["record"]), answer["inputs"]
    _write_row(step, plugin, phase, record)
    forget_work(step.store, step.screen_id, plugin.name, phase.name)
    return Result(show=lambda: _training_metadata(step, plugin, phase, record), plugin=plugin, inputs=inputs)


def _write_row(step: Context, plugin: StagedReadout, phase: Phase, record: TrainingRecord) -> None:
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


def _training_metadata(step: Context, plugin: StagedReadout, phase: Phase, record: TrainingRecord) -> dict[str, Any]:
    from phenodose.plots import training_curve

    last = record.history[-1] if record.history else {}
    title = f"{plugin.name} {phase.name} of {step.screen_id}"
    return {
        "training": metadata.picture(training_curve(record.history, title, width_px=480), title),
        "weights": record.weights_hash,
        "path": metadata.path(step.store.checkpoint_dir(step.screen_id, plugin.name, phase.name)),
        **metadata.numbers(
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


def _to_adopt(readout: type[StagedReadout], phase: Phase) -> ExternalAsset:
    """The control experiment's checkpoint that a drug screen would adopt now."""

    def look(screen: Screen, store: Store) -> Any:
        if screen.kind == "control-experiment":
            return None
        row = checkpoint_to_adopt(store, readout.name, phase.name, screen.phase1)
        return {"control experiment": row["trained_on"], "weights": row["weights_hash"]}

    text = f"{phase.name} of the control experiment that screen.toml names under phase1, else of the newest."
    return ExternalAsset(f"shared/{readout.name}/{phase.name}", text, look)


def _adopt(readout: type[StagedReadout], phase: Phase, step: Context) -> Result:
    """Take over the checkpoint of a control experiment: the one named in screen.toml, else the newest."""
    origin = checkpoint_to_adopt(step.store, readout.name, phase.name, step.screen.phase1)
    key = checkpoint_key(readout.name, phase.name)
    row = {**origin, "screen": step.screen_id, "run_id": step.run_id}
    step.store.write_table("checkpoints", step.screen_id, key, TABLES["checkpoints"].frame([row]))
    screen, weights = str(origin["trained_on"]), str(origin["weights_hash"])
    names = ("epochs", "train_loss", "validation_loss", "validation_auroc", "n_train", "n_validation")
    return Result(
        show=lambda: {
            "adopted from": screen,
            "weights": weights,
            "path": metadata.path(step.store.checkpoint_dir(screen, readout.name, phase.name)),
            **metadata.numbers({name.replace("_", " "): origin[name] for name in names}),
        },
        inputs={"adopted_from": screen, "weights": weights},
    )
