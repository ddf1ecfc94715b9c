"""Assets `checkpoint/<readout>/<phase>`, one for every phase of every staged readout.

Belongs here: which phases become assets, and what the UI shows of them. Does not belong here: training and adopting
(`phenodose.pipeline.checkpoints`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from phenodose.pipeline.checkpoints import ScreenCheckpoint, make_checkpoint
from phenodose.pipeline.context import Context, Result
from phenodose.plugins import Phase, StagedReadout
from phenodose.screens.screen import Screen
from phenodose.store.checkpoints import checkpoint_key, checkpoint_to_adopt
from phenodose.store.store import Store
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.pseudo_rgb import PSEUDO_RGB
from phenodose_assets.external import CONTROLS, ExternalAsset
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import GPU_POOL, ScreenAsset
from phenodose_assets.graph.training_watch import TrainingWatch

#: One training or inference at a time on a computer.
POOL = GPU_POOL


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
    made = make_checkpoint(
        step, readout, phase, lambda: TrainingWatch(step, f"{readout.name} {phase.name} of {step.screen_id}")
    )
    return Result(show=lambda: _metadata(step, phase, made), plugin=made.plugin, inputs=made.inputs)


def _metadata(step: Context, phase: Phase, made: ScreenCheckpoint) -> dict[str, Any]:
    from phenodose.plots import training_curve

    row, name = made.row, str(made.row["readout"])
    figures = {
        "train loss": row["train_loss"],
        "validation loss": row["validation_loss"],
        "validation AUROC": row["validation_auroc"],
        "epochs": row["epochs"],
        "n train": row["n_train"],
        "n validation": row["n_validation"],
    }
    trained_on = str(row["trained_on"])
    shown: dict[str, Any] = {
        "weights": row["weights_hash"],
        "path": metadata.path(step.store.checkpoint_dir(trained_on, name, phase.name)),
        **metadata.numbers(figures),
    }
    if made.history is None:
        return {"adopted from": trained_on, **shown}
    title = f"{name} {phase.name} of {step.screen_id}"
    picture = metadata.picture(training_curve(made.history, title, width_px=480), title)
    times = {"training_s": row["seconds"], "estimated_training_s": made.estimated_s}
    return {"training": picture, **shown, **metadata.numbers(times)}


def _to_adopt(readout: type[StagedReadout], phase: Phase) -> ExternalAsset:
    """The control experiment's checkpoint that a drug screen would adopt now."""

    def look(screen: Screen, store: Store) -> Any:
        if screen.kind == "control-experiment":
            return None
        row = checkpoint_to_adopt(store, readout.name, phase.name, screen.phase1)
        return {"control experiment": row["trained_on"], "weights": row["weights_hash"]}

    text = f"{phase.name} of the control experiment that screen.toml names under phase1, else of the newest."
    return ExternalAsset(f"shared/{readout.name}/{phase.name}", text, look)
