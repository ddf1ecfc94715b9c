"""One phase of a network for a screen: trained on the screen's own wells, or taken over from a control experiment.

Belongs here: which phase is trained or adopted where, and its row. Does not belong here: the training itself (the
plugins, in the networks' process) and finding checkpoints (`phenodose.store.checkpoints`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.plugins import Phase, Progress, StagedReadout, TrainingRecord
from phenodose.screens.curations import excluded_wells
from phenodose.screens.well_selectors import well_list
from phenodose.store.store import parameters_text
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from phenodose.pipeline.context import Context


@dataclass(frozen=True)
class ScreenCheckpoint:
    """The checkpoint of a screen for one phase, as it stands in the store.

    Attributes:
        row: the row of the table `checkpoints`.
        inputs: names and hashes of what it was made from.
        plugin: the staged readout that trained it; None if it was adopted.
        history: figures of every epoch; None if it was adopted.
        estimated_s: seconds that its training was said to take before it began; None if nobody said.
    """

    row: Mapping[str, Any]
    inputs: Mapping[str, Any]
    plugin: StagedReadout | None = None
    history: list[dict[str, float]] | None = None
    estimated_s: float | None = None


def make_checkpoint(
    step: Context, readout: type[StagedReadout], phase: Phase, watch: Callable[[], Progress]
) -> ScreenCheckpoint:
    """Train a phase, or adopt that of a control experiment, and write its row.

    Phases of the scope 'control-experiment' are trained in control experiments; a drug screen takes over the checkpoint
    of the one that screen.toml names under `phase1`, else of the newest.

    Args:
        step: screen, store and parameters.
        readout: the plugin's class.
        phase: one of its phases.
        watch: makes what is told of every epoch.

    Raises:
        NotMade: the phase is not of this kind of screen, or there is nothing to adopt; or nobody chose this network,
            and this machine is too slow for it or lacks its first weights.
        TooLongError: the training would take longer than the site allows.
    """
    is_control_experiment = step.screen.kind == "control-experiment"
    if phase.scope == "control-experiment" and not is_control_experiment:
        return _adopt(step, readout, phase)
    if phase.scope == "screen" and is_control_experiment:
        raise NotMade(f"{phase.name} is trained in drug screens; {step.screen_id} is a control experiment.")
    return _train(step, readout, phase, watch())


def _train(step: Context, readout: type[StagedReadout], phase: Phase, progress: Progress) -> ScreenCheckpoint:
    from phenodose.pipeline.network_jobs import Training, forget_work, train
    from phenodose.plugins.declarations import target_of

    plugin = step.create(readout)
    wells = step.wells()
    controls = step.controls(readout, readout.name, wells)
    decided = excluded_wells(step.store, step.screen_id, wells, f"{readout.name}_{phase.name}")
    asked = Training(
        store=step.store.to_json(),
        screen=step.screen_id,
        readout=target_of(readout),
        parameters=plugin.parameters.model_dump(mode="json"),
        phase=phase.name,
        negative=[int(row) for row in controls.negative.nonzero()[0]],
        positive=[int(row) for row in controls.positive.nonzero()[0]],
        without=well_list(wells, decided.reasons.notna().to_numpy(dtype=bool)),
        before=_without_before(step),
        chosen=bool(step.parameters(readout.name)),
    )
    answer = step.networks(train, asdict(asked), progress)
    record = TrainingRecord(**answer["record"])
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
    _write_row(step, readout, phase, row)
    forget_work(step.store, step.screen_id, plugin.name, phase.name)
    return ScreenCheckpoint(row, answer["inputs"], plugin, list(record.history), answer["estimated_training_s"])


def _without_before(step: Context) -> list[str] | None:
    """The wells that the checkpoint which is there has learned without; None if it is not known."""
    from phenodose.lineage.taught_networks import TRAINING_SET, WITHOUT

    for text in step.store.read_table("runs", step.screen_id, step.asset)["inputs"].dropna():
        inputs = json.loads(text)
        return list(inputs.get(WITHOUT, [])) if TRAINING_SET in inputs else None
    return None


def _adopt(step: Context, readout: type[StagedReadout], phase: Phase) -> ScreenCheckpoint:
    from phenodose.store.checkpoints import checkpoint_to_adopt

    origin = checkpoint_to_adopt(step.store, readout.name, phase.name, step.screen.phase1)
    row = {**origin, "screen": step.screen_id, "run_id": step.run_id}
    _write_row(step, readout, phase, row)
    return ScreenCheckpoint(row, {"adopted_from": str(row["trained_on"]), "weights": str(row["weights_hash"])})


def _write_row(step: Context, readout: type[StagedReadout], phase: Phase, row: Mapping[str, Any]) -> None:
    from phenodose.store.checkpoints import checkpoint_key

    key = checkpoint_key(readout.name, phase.name)
    step.store.write_table("checkpoints", step.screen_id, key, TABLES["checkpoints"].frame([row]))
