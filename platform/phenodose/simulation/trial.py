"""A staged readout tried on a simulated cohort: one control experiment, several screens, figures against the truth.

Belongs here: running the phases on screens in memory, and the figures. Does not belong here: making the screens
(`in_memory`), the phases (the plugin), and limits for the figures (tests and benchmarks).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phenodose.simulation.in_memory import ScreenInMemory

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plugins import StagedReadout
    from phenodose.viability.controls import Controls

#: Columns of `try_staged`.
TRIAL_COLUMNS = (
    *("screen", "pearson", "mean_error", "duplicates_2", "duplicates_3"),
    *("pearson_2", "mean_error_2", "mos_pearson", "mos_mean_error", "loss_1_2", "loss_2_alone"),
)


def try_staged(
    readout: StagedReadout,
    control_experiment: ScreenInMemory,
    screens: Mapping[str, ScreenInMemory],
    folder: Path,
    alone: bool = True,
) -> pd.DataFrame:
    """Train phase I once and phases II and III of every screen, and hold the viability of drug wells against truth.

    Args:
        readout: a readout with the phases of `cnn`.
        control_experiment: what phase I is trained on.
        screens: drug screens by name.
        folder: where checkpoints are put; empty.
        alone: also train phase II from the first weights.

    Returns:
        `TRIAL_COLUMNS`, one row a screen: Pearson correlation and mean absolute error of viability (a fraction) of the
        drug wells in phase III (and II: _2), correlation of duplicates in both, the same of mean of stack, and the
        validation loss of phase II after phase I and alone. NaN where no viability could be computed.
    """
    import pandas as pd

    from phenodose.learning.training_sets import training_set

    one, two, three = readout.phases
    its_controls = controls_of(control_experiment)
    data = training_set(one, control_experiment.tensors, control_experiment.layout, its_controls)
    readout.train(one, data, None, folder / "1")
    rows = []
    for name, screen in screens.items():
        controls = controls_of(screen)
        second = training_set(two, screen.tensors, screen.layout, controls)
        after = readout.train(two, second, folder / "1", folder / name / "2")
        outputs = pd.Series(
            readout.infer(folder / name / "2", screen.tensors).raw, index=screen.tensors["well"].to_numpy()
        )
        third = training_set(three, screen.tensors, screen.layout, controls, outputs)
        readout.train(three, third, folder / name / "2", folder / name / "3")
        in_two = metrics(screen, outputs.to_numpy())
        in_three = metrics(screen, readout.infer(folder / name / "3", screen.tensors).raw)
        mean_of_stack = metrics(screen, screen.mean_of_stack)
        lone = readout.train(two, second, None, folder / name / "2 alone") if alone else None
        values = (
            *(name, in_three["pearson"], in_three["mean_error"], in_two["duplicates"], in_three["duplicates"]),
            *(in_two["pearson"], in_two["mean_error"], mean_of_stack["pearson"], mean_of_stack["mean_error"]),
            *(record.history[-1]["validation_loss"] if record else np.nan for record in (after, lone)),
        )
        rows.append(dict(zip(TRIAL_COLUMNS, values, strict=True)))
    return pd.DataFrame(rows)


def controls_of(screen: ScreenInMemory) -> Controls:
    """DMSO and staurosporine wells of a simulated screen."""
    from phenodose.viability.controls import Controls

    kind = screen.layout["well_type"].to_numpy()
    return Controls(kind == "neg", kind == "pos", "neg", "pos")


def metrics(screen: ScreenInMemory, raw: np.ndarray) -> dict[str, float]:
    """Agreement of a readout with the truth of the drug wells, and of duplicates with each other.

    Args:
        screen: layout and truth.
        raw: float array (well,), the readout's own number.

    Returns:
        pearson, mean_error (mean absolute, as a fraction) and duplicates (Pearson), of wells that are not masked.
    """
    from phenodose.errors import InputError
    from phenodose.quality.replicates import pearson
    from phenodose.viability.normalise import to_viability

    measured = screen.layout[["plate", "row", "column"]].assign(raw=raw)
    try:
        viability = to_viability(measured, screen.layout, controls_of(screen))["viability_fraction"].to_numpy()
    except InputError:  # no plate's controls can be told apart
        viability = np.full(len(raw), np.nan)
    drugs = (screen.layout["well_type"] == "therapy").to_numpy()
    known = drugs & np.isfinite(viability)
    pairs = screen.layout[drugs].assign(viability=viability[drugs])
    wide = pairs.pivot_table(index=["treatment", "concentration_nM"], columns="replicate", values="viability")
    duplicates = wide.dropna().to_numpy()
    return {
        "pearson": pearson(viability[known], screen.viability[known]),
        "mean_error": float(np.mean(np.abs(viability[known] - screen.viability[known]))) if known.any() else np.nan,
        "duplicates": pearson(*duplicates.T) if duplicates.shape[1:] == (2,) else float("nan"),
    }
