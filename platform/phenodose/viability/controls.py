"""Which wells of a layout stand for viability 1 and which for viability 0.

Belongs here: choosing control wells by name. Does not belong here: what is done with them (`normalise`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phenodose.errors import Faults

#: A control is never a well under study.
_NEVER_CONTROL = ("therapy", "trc")


@dataclass(frozen=True)
class Controls:
    """The control wells of one readout.

    Attributes:
        negative: bool array (well of the layout frame,): wells that stand for viability 1.
        positive: bool array (well of the layout frame,): wells that stand for viability 0.
        negative_name: name that was found for the negative controls, such as 'neg'.
        positive_name: name that was found for the positive controls, such as 'BzCl'.
        lower_anchor: the raw value that stands for viability 0 instead of positive controls; None for these.
    """

    negative: np.ndarray
    positive: np.ndarray
    negative_name: str
    positive_name: str
    lower_anchor: float | None = None


def choose_controls(
    layout_frame: pd.DataFrame,
    negative: Sequence[str],
    positive: Sequence[str],
    what: str,
    lower_anchor: float | None = None,
) -> Controls:
    """The control wells of a readout: of each list, the first name that the layout holds.

    A name is compared, whatever its case, with the well types, and then with the treatments of the wells
    of type pos or neg; therapy and trc wells never serve.

    Args:
        layout_frame: `Layout.frame`.
        negative: names of the control of viability 1, most wanted first.
        positive: names of the control of viability 0, most wanted first.
        what: layout and readout, as messages shall name them.
        lower_anchor: a raw value that stands for viability 0; no wells do then.

    Raises:
        InputError: the layout holds no such wells, or one well would be both.
    """
    faults = Faults(what)
    negative_name, negative_wells = wells_named(layout_frame, negative)
    positive_name, positive_wells = wells_named(layout_frame, positive if lower_anchor is None else ())
    there = ", ".join(sorted(layout_frame["well_type"].unique()))
    anchored = ", or say what viability 0 is: --lower-anchor, or lower_anchor in screen.toml"
    for sign, value, example, names, wells, more in (
        ("negative", 1, "neg", negative, negative_wells, ""),
        ("positive", 0, "pos", positive, positive_wells, anchored),
    ):
        if not wells.any() and not (value == 0 and lower_anchor is not None):
            faults.add(
                f"the layout has no {sign} controls (viability {value}): no well is {_either(names)}; set WellType to "
                f"{example} for these wells (a screen may name them in screen.toml instead{more}; well types found: "
                f"{there})."
            )
    both = negative_wells & positive_wells
    if both.any():
        well = layout_frame.loc[both].iloc[0]
        faults.add(
            f"well {well['well']} of plate {well['plate']} would be negative control ({negative_name}) and positive "
            f"control ({positive_name}) at once; name other controls."
        )
    faults.raise_if_any()
    return Controls(negative_wells, positive_wells, negative_name, positive_name, lower_anchor)


def wells_named(layout_frame: pd.DataFrame, names: Sequence[str]) -> tuple[str, np.ndarray]:
    """The first of these names that control wells have, and these wells, bool (well,); '' and none without any."""
    well_type = layout_frame["well_type"].str.lower().to_numpy(dtype=object)
    treatment = layout_frame["treatment"].astype(object).fillna("").astype(str).str.lower().to_numpy(dtype=object)
    may_serve = ~np.isin(well_type.astype(str), _NEVER_CONTROL)
    is_control = np.isin(well_type.astype(str), ("neg", "pos"))
    for name in names:
        wanted = name.strip().lower()
        by_type = (well_type == wanted) & may_serve
        if by_type.any():
            return name, by_type
        by_treatment = (treatment == wanted) & is_control
        if by_treatment.any():
            return name, by_treatment
    return "", np.zeros(len(layout_frame), dtype=bool)


def _either(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names) or "named"
