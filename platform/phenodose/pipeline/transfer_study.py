"""What studies of a staged readout take from the store: training sets and parameters of its screens.

Belongs here: finding layout, tensors, controls and parameters of a screen as the checkpoint assets do. Does not belong
here: the studies (`phenodose.learning.transfer_study`, `evaluation`) and anything that writes to a screen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError
from phenodose.pipeline.context import Context
from phenodose.plugins import StagedReadout, TrainingSet, no_progress
from phenodose.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


def study_step(store: Store, screen: str, readout: type[StagedReadout]) -> Context:
    """A step that reads a registered screen for a study."""
    return Context(
        asset="study",
        screen_id=screen,
        run_id="study",
        store=store,
        source=lambda: store.source_of(screen),
        launchpad={},
        settings={readout.name: frozenset(readout.Parameters.model_fields)},
        log=logging.getLogger(__name__),
        progress=no_progress,
    )


def stored_training_set(step: Context, readout: type[StagedReadout], phase: str, outputs: Any = None) -> TrainingSet:
    """The training set of a phase, as its checkpoint asset would take it.

    Args:
        step: from `study_step`.
        readout: staged readout.
        phase: phase of it.
        outputs: outputs of the parent phase by well name such as 'P1/B07', for phases labelled by duplicates.

    Raises:
        NotMade: the screen has no wells, or they do not do for the phase.
        MissingInputError: it has no tensors.
    """
    from phenodose.learning.training_sets import training_set
    from phenodose.plates.tensors import open_tensors

    wells = step.wells()
    tensors = open_tensors(step.store.local_copy(step.store.tensor_path(step.screen_id)))
    controls = step.controls(readout, readout.name, wells)
    return training_set(readout.phase(phase), tensors, wells, controls, outputs)


def run_transfer_study(
    store: Store,
    control_experiment: str,
    screens: Sequence[str],
    readout: type[StagedReadout],
    epochs: Sequence[int],
    networks: Sequence[Mapping[str, Any]],
    progress: Any = no_progress,
) -> pd.DataFrame:
    """The transfer study of screens in the store; see `phenodose.learning.transfer_study`.

    Args:
        store: where layouts and tensors lie; checkpoints of the study are kept below `studies/`.
        control_experiment: screen of phase I; parameters come from its screen.toml.
        screens: drug screens of phase II.
        readout: staged readout.
        epochs: numbers of epochs of phase I.
        networks: for each network the parameters that win over those of the control experiment.
        progress: told after each epoch.

    Raises:
        InputError: the first screen is no control experiment, or a parameter does not fit.
    """
    from phenodose.learning.transfer_study import arms, transfer_study

    first = study_step(store, control_experiment, readout)
    if first.screen.kind != "control-experiment":
        raise InputError(
            f"{control_experiment} is a {first.screen.kind}, and phase I is trained in control experiments; name one "
            "first, then the drug screens (see `phenodose screen list`)."
        )
    of_networks = []
    for settings in networks:
        # Settings are not filtered as a launchpad's are: one that is no parameter shall be refused.
        chosen = readout.Parameters.layered(first.parameters(readout.name), settings)
        of_networks += arms(readout, chosen, epochs)
    experiment = stored_training_set(first, readout, "phase1")
    sets = {screen: stored_training_set(study_step(store, screen, readout), readout, "phase2") for screen in screens}
    return transfer_study(of_networks, experiment, sets, store.local / "studies" / "transfer", progress)
