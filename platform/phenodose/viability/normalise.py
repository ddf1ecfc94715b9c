"""Raw readout to viability: v = (R - median(positive)) / (median(negative) - median(positive)).

Belongs here: the scaling, its groups, and which wells are masked and why. Does not belong here: choosing
the controls (`controls`), judging them (`phenodose.quality`).

What the numbers mean is fixed by the controls, not by a switch: the negative control (untreated cells) is
viability 1 and the positive control (killed cells) is viability 0, as a fraction. The formula is the same
under any affine map of R, a change of sign included, so a readout that grows with cell death gives viability
too, and nothing may be subtracted from 1 afterwards: that would turn it round a second time. What a readout
is said to rise with is therefore only compared with the controls: where they contradict it, the controls are
swapped or the plate is spoilt, and its wells are masked. Nothing is clamped. Inhibition is 1 - viability,
computed where curves are made. Percentages have columns that say so.

Where no cells were killed, a raw value may be stated that stands for viability 0 (`Controls.lower_anchor`): 0 of a
readout without background.

A combination (wells with an add-on) is measured against its own negative control, the add-on alone in the same
concentration, and against all positive controls of the group. A concentration without a negative control of its own
takes those with the add-on whose concentration nobody says. The wells of a dose matrix whose add-on has no negative
control at all are measured against cells without any drug (`dose_matrices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from phenodose.errors import Faults, InputError
from phenodose.names import add_on_keys, add_on_names, plate_key, row_index, serving_add_on
from phenodose.viability.controls import Controls
from phenodose.viability.dose_matrices import without_own_controls

#: What a viability is relative to: controls of the same plate, of the same treatment, or of both.
Grouping = Literal["plate", "treatment", "both"]
GROUPINGS: tuple[Grouping, ...] = ("plate", "treatment", "both")

#: What a larger raw value means: more living cells, or more dead ones.
RisesWith = Literal["viability", "death"]

#: Columns of `to_viability`.
VIABILITY_COLUMNS = (
    *("plate", "well", "row", "column", "raw", "raw_sd", "viability_fraction", "viability_sd_fraction"),
    *("control", "masked", "mask_reason"),
)

NOT_MEASURED = "no value in the readout"
_CONTRADICTION = "contradict"


def to_viability(
    raw: pd.DataFrame,
    layout_frame: pd.DataFrame,
    controls: Controls,
    by: Grouping = "plate",
    rises_with: RisesWith | None = None,
) -> pd.DataFrame:
    """Scale one readout of one screen to viability.

    Args:
        raw: columns plate, row, column, raw (the readout's own unit) and, where the readout tells it, raw_sd (its
            uncertainty in the same unit); one row a measured well. Wells that the layout does not hold are left out.
        layout_frame: `Layout.frame`.
        controls: from `choose_controls` on the same frame.
        by: group in which the medians of the controls are taken. 'treatment' and 'both' need control wells
            that carry the same treatment name as the wells they serve.
        rises_with: what a larger raw value means; None takes what most of the controls say. The wells of a
            group whose controls say otherwise are masked.

    Returns:
        One row a well of the layout, in its order, with `VIABILITY_COLUMNS`: float raw and
        viability_fraction (1 negative control, 0 positive control, not clamped; NaN where masked), their
        uncertainties raw_sd and viability_sd_fraction (NaN where not told; without that of the controls' medians, which
        enters the curves: `control_error`),
        control ('negative', 'positive' or missing), masked, and mask_reason (missing where not masked).

    Raises:
        InputError: a well has two values, a plate is not in the layout, or no well is left unmasked.
    """
    if by not in GROUPINGS:
        raise InputError(f"normalisation by {by!r}: choose one of {', '.join(GROUPINGS)}.")
    frame = layout_frame[["plate", "well", "row", "column"]].reset_index(drop=True)
    frame["raw"] = _of_wells(raw, frame, "raw")
    frame["raw_sd"] = _of_wells(raw, frame, "raw_sd") if "raw_sd" in raw else np.nan
    values, spread = frame["raw"].to_numpy(), frame["raw_sd"].to_numpy(dtype=np.float64)
    measured = np.isfinite(values)
    negative, positive = controls.negative & measured, controls.positive & measured
    viability, viability_sd = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    reason = np.full(len(frame), NOT_MEASURED, dtype=object)
    reason[measured] = None
    add_on, named = add_on_keys(layout_frame).to_numpy(), layout_frame["add_on"].astype(object).fillna("")
    shown = dict(zip(add_on, add_on_names(layout_frame), strict=True))
    add_on = np.where(without_own_controls(layout_frame, controls.negative), "", add_on)
    group = _groups(layout_frame, by)
    there = set(zip(group[negative], add_on[negative], strict=True))
    served = serving_add_on(add_on, np.where(add_on == "", "", named.astype(str).str.strip()), group, there)
    sets: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]] = []
    for name in dict.fromkeys(group):
        for extra in dict.fromkeys(add_on[group == name]):
            wells = (group == name) & (add_on == extra) & measured
            top = values[negative & (group == name) & np.isin(add_on, served[wells])]
            # A combination is measured against all positive controls, with and without the add-on.
            bottom = values[positive & (group == name) & ((add_on == extra) | (extra != ""))]
            if controls.lower_anchor is not None:
                bottom = np.array([controls.lower_anchor])
            sets.append((f"{name}{f' with {shown[extra]}' if extra else ''}", wells, top, bottom))
    wanted = rises_with or _most_rise_with([(top, bottom) for _, _, top, bottom in sets])
    for name, wells, top, bottom in sets:
        fault = _control_fault(top, bottom, name, wanted, rises_with is not None)
        if fault:
            reason[wells] = fault
        else:
            low, window = np.median(bottom), np.median(top) - np.median(bottom)
            viability[wells] = (values[wells] - low) / window
            viability_sd[wells] = spread[wells] / abs(window)
    frame["viability_fraction"], frame["viability_sd_fraction"] = viability, viability_sd
    control = np.full(len(frame), None, dtype=object)
    control[controls.negative], control[controls.positive] = "negative", "positive"
    frame["control"] = control
    frame["masked"] = np.array([text is not None for text in reason], dtype=bool)
    frame["mask_reason"] = reason
    if bool(frame["masked"].all()):
        drugs = _drug_wells(layout_frame)
        reasons = [text for text in dict.fromkeys(reason[drugs]) or dict.fromkeys(reason) if text != NOT_MEASURED]
        raise InputError(
            f"no viability can be computed by {by}: {_listed(reasons or ['no well has a value'])}. "
            f"{_way_out(reasons, controls, by)}"
        )
    return frame[list(VIABILITY_COLUMNS)]


def refuse_lost_drugs(
    viability: pd.DataFrame, layout_frame: pd.DataFrame, controls: Controls, by: Grouping = "plate"
) -> None:
    """Refuse a readout of which drug wells with a value have no viability, for want of usable controls.

    Args:
        viability: from `to_viability` on the same frame.
        layout_frame: `Layout.frame`.
        controls: as given to `to_viability`.
        by: as given to `to_viability`.

    Raises:
        InputError: every group that could not be scaled, with the number of drug wells it would cost.
    """
    lost = viability["mask_reason"][_drug_wells(layout_frame) & viability["masked"].to_numpy(dtype=bool)]
    counts = lost[lost != NOT_MEASURED].value_counts(sort=False)
    if counts.empty:
        return
    listed = [f"{reason} ({count} drug wells)" for reason, count in counts.items()]
    raise InputError(
        f"{_listed(listed)}. {_way_out(listed, controls, by)} To score the rest alone, leave these wells out "
        "(--mask-uncontrolled; of a screen in a store: mask_uncontrolled = true below [parameters.viability] in "
        "screen.toml)."
    )


def refuse_unknown_plates(raw: pd.DataFrame, layout_frame: pd.DataFrame) -> None:
    """Refuse values of plates that the layout does not have.

    Raises:
        InputError: every such plate.
    """
    faults = Faults("readout")
    faults.extend(_unknown_plates(raw, layout_frame))
    faults.raise_if_any()


def falls_with_viability(viability: pd.DataFrame) -> bool:
    """Whether the raw values of `to_viability` are lower in the negative controls than in the positive ones."""
    used = viability[~viability["masked"].astype(bool)]
    negative = used.loc[used["control"] == "negative", "raw"].median()
    return bool(negative < used.loc[used["control"] == "positive", "raw"].median())


def _unknown_plates(raw: pd.DataFrame, wells: pd.DataFrame) -> list[str]:
    known = {plate_key(plate) for plate in wells["plate"].unique()}
    there = ", ".join(dict.fromkeys(wells["plate"]))
    return [
        f"plate {plate} is not in the layout (it has {there})."
        for plate in sorted({str(plate) for plate in raw["plate"].unique() if plate_key(plate) not in known})
    ]


def _of_wells(raw: pd.DataFrame, wells: pd.DataFrame, name: str) -> np.ndarray:
    """One column of `raw` for every well of the layout, joined on plate, row and column; NaN where there is none."""
    faults = Faults("readout")
    keyed: dict[tuple[str, int, int], float] = {}
    for plate, row, column, value in zip(raw["plate"], raw["row"], raw["column"], raw[name], strict=True):
        place = (plate_key(plate), row_index(row), int(column))
        if place in keyed:
            faults.add(f"plate {plate}, well {row}{int(column):02d} has two values; give one file a plate.")
        keyed[place] = float("nan") if pd.isna(value) else float(value)
    faults.extend(_unknown_plates(raw, wells))
    faults.raise_if_any()
    places = zip(wells["plate"], wells["row"], wells["column"], strict=True)
    return np.array(
        [keyed.get((plate_key(plate), row_index(row), int(column)), np.nan) for plate, row, column in places]
    )


def _groups(layout_frame: pd.DataFrame, by: Grouping) -> np.ndarray:
    """Name of the group of every well, as reasons shall name it."""
    plate = ("plate " + layout_frame["plate"].astype(str)).to_numpy(dtype=object)
    treatment = ("treatment " + layout_frame["treatment"].astype(object).fillna("none").astype(str)).to_numpy(
        dtype=object
    )
    if by == "plate":
        return plate
    return treatment if by == "treatment" else treatment + " of " + plate


def _unit(by: Grouping) -> str:
    return "treatment on every plate" if by == "both" else by


def _most_rise_with(sets: Sequence[tuple[np.ndarray, np.ndarray]]) -> RisesWith:
    """What the controls of all groups together say; well separated ones weigh more."""
    distances = [np.median(top) - np.median(bottom) for top, bottom in sets if len(top) and len(bottom)]
    return "death" if sum(distances) < 0 else "viability"


def _drug_wells(layout_frame: pd.DataFrame) -> np.ndarray:
    return layout_frame["well_type"].eq("therapy").to_numpy(dtype=bool)


def _listed(reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return "; ".join(reasons[:3]) + more


def _way_out(reasons: Sequence[str], controls: Controls, by: Grouping) -> str:
    if controls.lower_anchor is not None:
        return (
            f"Give every {_unit(by)} its own negative ({controls.negative_name}) control wells with values, and a "
            f"lower anchor that is not theirs (it is stated to be {controls.lower_anchor:g})."
        )
    if any(_CONTRADICTION in reason for reason in reasons):
        return (
            "Look for swapped controls in the layout, or say what a larger raw value means (--rises-with, or "
            "rises_with in screen.toml)."
        )
    return (
        f"Give every {_unit(by)} its own negative ({controls.negative_name}) and positive "
        f"({controls.positive_name}) control wells with values, or take the layout that belongs to the readout."
    )


def _control_fault(top: np.ndarray, bottom: np.ndarray, name: str, rises_with: RisesWith, is_said: bool) -> str | None:
    """Why a group cannot be scaled, or None if it can."""
    lacking = [sign for sign, wells in (("negative", top), ("positive", bottom)) if len(wells) == 0]
    if lacking:
        return f"{name} has no {' and no '.join(lacking)} control with a value"
    high, low = np.median(top), np.median(bottom)
    if high == low:
        return f"negative and positive controls of {name} have the same median"
    if (high > low) != (rises_with == "viability"):
        against = f"a readout that rises with {rises_with}" if is_said else "the controls of the other groups"
        return (
            f"the controls of {name} {_CONTRADICTION} {against}: the median of the negative ones is {high:g}, "
            f"that of the positive ones {low:g}"
        )
    return None
