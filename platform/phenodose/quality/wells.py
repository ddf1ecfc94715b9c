"""Wells whose reading is doubtful: likely empty, contaminated, saturated, out of distribution, unlike their like.

Belongs here: the rules, the sentence on every flagged well, and leaving flagged wells out where the
configuration says so. Does not belong here: scaling to viability (`phenodose.viability`) and what becomes of a
curve without the well.

A flag changes no score by itself. A flag named in [wells] mask of screen.toml or site.toml masks its wells:
viability is then computed again without them, so that a bad control well does not shift its plate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from phenodose.names import add_on_keys, class_key
from phenodose.quality.gates import Limits
from phenodose.quality.image_outliers import image_outliers
from phenodose.quality.zprime import mad
from phenodose.tables.curations import EXCLUDED
from phenodose.viability.controls import Controls
from phenodose.viability.normalise import Grouping, RisesWith, to_viability

#: The flags, the gravest first: a well with several shows the first, and the sentences of all.
FLAGS: dict[str, str] = {
    "empty": "reads 0, or less signal than killed cells by far: no cells, or no reagent; or looks like wells named so",
    "saturated": "shares the largest reading of the readout with other wells: the detector is full",
    "contaminated": "reads more signal than untreated cells by far: contamination, or dispensed twice; or looks like "
    "wells named so",
    "out_of_focus": "image most like those of the wells that are named so (`well_classes`)",
    "no_cell_state": "image most like those of a class of wells that is said to be no state of cells (`no_cell_state`)",
    "out_of_distribution": "raw output of a network beyond its labels and its controls: an image unlike those it knows",
    "strange_image": "image unlike its replicates, neighbouring doses and all sound wells: a fibre, no focus, no cells",
    "unlike_controls": "image outside what the controls and their blends span: the cells may have died in another way",
    "unlike": "disagrees with the wells of the same content: controls of the plate, or its replicate",
}
#: Flags that are also names of classes of wells.
_OF_CLASSES = ("empty", "contaminated", "out_of_focus")
#: How the mask_reason of a well begins that is left out for its flag.
FLAGGED = "flagged "
#: Spreads below this [fraction of viability] count as this much.
LEAST_SD = 0.02
#: Least distance [fraction of viability] at which a well is told: above untreated cells, where cells may grow
#: under a drug; below killed cells; from like controls; from replicates.
ABOVE, BELOW, FROM_CONTROLS, FROM_REPLICATES = 0.5, 0.25, 0.25, 0.4
#: A saturated reading stands in at least so many wells.
LEAST_SATURATED = 3
#: Robust SDs by which the controls widen the trusted range of a network's output.
_TRUSTED_SD = 3.0
#: Wells that are judged beside the controls of the readout; what another killing control should read, nobody says.
_JUDGED = ("therapy", "trc", "untreated")
#: What is said of wells where nobody asked for classes.
NO_CLASSES = pd.DataFrame({"well_class": pd.Series(dtype=object), "class_probability": pd.Series(dtype=np.float64)})
_CONTENT = ["sample", "treatment", "concentration_nM", "add_on"]


def checked_viability(
    raw: pd.DataFrame,
    wells: pd.DataFrame,
    controls: Controls,
    by: Grouping = "plate",
    limits: Limits | None = None,
    trusted: tuple[float, float] | None = None,
    rises_with: RisesWith | None = None,
    views: Mapping[str, np.ndarray] | None = None,
    control_distance: np.ndarray | None = None,
    classes: pd.DataFrame | None = None,
    left_out: pd.Series[str] | None = None,
) -> pd.DataFrame:
    """Viability of every well with the flags of doubtful wells; those that the limits name are masked.

    Wells that a person has left out are masked before anything is computed: no other well is measured by them or
    compared with them, and they are not judged.

    Args:
        raw: plate, row, column, raw and perhaps raw_sd of the measured wells.
        wells: `Layout.frame`.
        controls: from `choose_controls` on the same frame.
        by: group in which viability is normalised.
        limits: limits and flags to mask; the defaults mask nothing.
        trusted: range of a network's output that its labels span; None for other readouts.
        rises_with: as for `to_viability`.
        views: what the images of the wells are compared by, as for `image_outliers`; None for readouts without.
        control_distance: float array (well,): distance of every image from what the controls span, 1 is the limit; NaN
            for wells without; None for readouts that do not know it.
        classes: well_class and class_probability of every well, missing for wells without an image; None for readouts
            that were not asked for classes.
        left_out: of every well, why a person has left it out, which becomes its mask_reason; missing where nobody has.

    Returns:
        The columns of `to_viability`, image_distance (NaN without images), flag and flag_reason (missing where there is
        nothing to say), and the columns of `classes`. A well that is masked for its flag, or left out, keeps its raw
        reading.

    Raises:
        InputError: as `to_viability`; also where masking leaves no controls.
    """
    limits = limits or Limits()
    viability = to_viability(raw, wells, controls, by, rises_with)
    readings = viability["raw"]

    def without(places: Iterable[int]) -> pd.DataFrame:
        kept = viability[["plate", "row", "column", "raw", "raw_sd"]].copy()
        kept.loc[list(places), "raw"] = np.nan
        return to_viability(kept, wells, controls, by, rises_with).assign(raw=readings)

    excluded: dict[int, str] = {}
    if left_out is not None and left_out.notna().any():
        reasons = left_out.set_axis(viability.index, axis=0).dropna()
        excluded = dict(zip(reasons.index.tolist(), reasons, strict=True))
        viability = without(excluded)
        views = {words: _unseen(each, list(excluded)) for words, each in (views or {}).items()}
    distance, strange = image_outliers(views or {}, wells, controls, limits.most_image_distance)
    classes = NO_CLASSES.reindex(viability.index) if classes is None else classes.set_axis(viability.index, axis=0)
    flags = flag_wells(viability, wells, limits.most_sd, trusted, strange, control_distance)
    flags = _together(flags, _of_no_cells(classes, _judged(viability, wells), limits.no_cell_state))
    masked = {place: said for place, said in flags.items() if set(said) & set(limits.mask)}
    if masked:
        viability = without([*excluded, *masked])
        for place, said in masked.items():
            named = [f"{FLAGGED}{name}: {text}" for name, text in said.items() if name in limits.mask]
            viability.loc[place, "mask_reason"] = "; ".join(named)
    for place, text in excluded.items():
        viability.loc[place, "mask_reason"] = text
    flag = pd.Series(None, index=viability.index, dtype=object)
    reason = pd.Series(None, index=viability.index, dtype=object)
    for place, said in flags.items():
        flag[place], reason[place] = next(iter(said)), "; ".join(said.values())
    return viability.assign(image_distance=distance, flag=flag, flag_reason=reason, **classes)


def is_left_out(mask_reason: pd.Series[str]) -> np.ndarray:
    """Which wells are masked for their flag or by a person, bool array (well,): they had a reading and controls."""
    texts = mask_reason.astype(object).fillna("").astype(str)
    return np.array([text.startswith((FLAGGED, EXCLUDED)) for text in texts], dtype=bool)


def _unseen(features: np.ndarray, places: list[int]) -> np.ndarray:
    """Features (well, feature) in which some wells have none."""
    kept = np.array(features, dtype=np.float64)
    kept[places] = np.nan
    return kept


def flag_wells(
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    most_sd: float = 6.0,
    trusted: tuple[float, float] | None = None,
    strange: Mapping[int, str] | None = None,
    control_distance: np.ndarray | None = None,
) -> dict[int, dict[str, str]]:
    """The doubtful wells.

    Args:
        viability: from `to_viability`.
        wells: the layout's wells, row by row the same.
        most_sd: robust SDs of its like from which a well is flagged.
        trusted: range of a network's output that its labels span; None for other readouts.
        strange: position of a well with a strange image -> sentence.
        control_distance: as for `checked_viability`.

    Returns:
        Position of the well -> flag -> sentence, the gravest flag first.
    """
    frame = wells[["sample", "well_type", "treatment", "concentration_nM"]].assign(add_on=add_on_keys(wells))
    frame = frame.reset_index(drop=True)
    columns = viability[["plate", "well", "raw", "viability_fraction", "control", "masked"]].reset_index(drop=True)
    frame = pd.concat([frame, columns], axis=1)
    frame[["sample", "treatment"]] = frame[["sample", "treatment"]].astype(object).fillna("")
    frame = frame[_judged(viability, wells)]
    found: list[tuple[int, str, str]] = []
    if len(frame):
        found += _beyond_controls(frame, most_sd)
        found += _zeros(frame)
        found += _saturated(frame)
        found += _untrusted(frame, trusted)
        found += [(place, "strange_image", words) for place, words in (strange or {}).items() if place in frame.index]
        found += _beyond_span(frame, control_distance)
        found += _unlike_controls(frame, most_sd)
        found += _unlike_replicates(frame, most_sd)
    return _together({}, found)


def _together(
    flags: Mapping[int, Mapping[str, str]], found: Iterable[tuple[int, str, str]]
) -> dict[int, dict[str, str]]:
    """Flags of wells with further ones, the gravest first."""
    before = [(place, flag, reason) for place, said in flags.items() for flag, reason in said.items()]
    order = list(FLAGS)
    merged: dict[int, dict[str, str]] = {}
    for place, flag, reason in sorted([*before, *found], key=lambda one: (one[0], order.index(one[1]))):
        said = merged.setdefault(place, {})
        said[flag] = f"{said[flag]}; {reason}" if flag in said else reason
    return merged


def _judged(viability: pd.DataFrame, wells: pd.DataFrame) -> np.ndarray:
    """Which wells are judged, bool array (well,)."""
    usable = ~viability["masked"].astype(bool) & viability["raw"].notna()
    judged = viability["control"].notna().to_numpy() | wells["well_type"].isin(_JUDGED).to_numpy()
    return np.asarray(usable.to_numpy() & judged)


def _of_no_cells(
    classes: pd.DataFrame, judged: np.ndarray, no_cell_state: Iterable[str]
) -> Iterable[tuple[int, str, str]]:
    """Wells whose image is of a class that is no state of cells."""
    known = {class_key(name) for name in no_cell_state}
    for place in np.flatnonzero(judged & classes["well_class"].notna().to_numpy()).tolist():
        name, probability = str(classes["well_class"].iloc[place]), float(classes["class_probability"].iloc[place])
        if class_key(name) in known:
            flag = class_key(name).replace(" ", "_")
            text = f"the image looks like those of wells named {name!r} (probability {probability:.2f})"
            yield place, flag if flag in _OF_CLASSES else "no_cell_state", text


def spread_of(frame: pd.DataFrame, control: str) -> float:
    """Robust SD of the viability of one control around its plates' medians [fraction]; NaN with too few wells."""
    values = frame.loc[frame["control"] == control, ["plate", "viability_fraction"]].dropna()
    if len(values) < 4:
        return float("nan")
    medians = values.groupby("plate")["viability_fraction"].transform("median")
    return mad((values["viability_fraction"] - medians).to_numpy())


def _numbered(values: pd.Series[float]) -> Iterable[tuple[int, float]]:
    """Position and value of every well."""
    return zip(values.index.to_numpy(dtype=np.int64).tolist(), values.to_numpy(dtype=np.float64).tolist(), strict=True)


def _at_least(sd: float) -> float:
    return LEAST_SD if np.isnan(sd) else max(sd, LEAST_SD)


def _brighter_negative(frame: pd.DataFrame) -> bool:
    """Whether untreated cells give more signal than killed cells."""
    medians = frame.groupby("control")["raw"].median()
    return bool(medians.get("negative", 1.0) >= medians.get("positive", 0.0))


def _beyond_controls(frame: pd.DataFrame, most_sd: float) -> Iterable[tuple[int, str, str]]:
    """Wells outside the range of the two controls; which flag follows from where the signal is large."""
    alive, killed = "untreated", "killed"
    above, below = ("contaminated", "empty") if _brighter_negative(frame) else ("empty", "contaminated")
    top, bottom = (_at_least(spread_of(frame, control)) for control in ("negative", "positive"))
    for place, value in _numbered(frame["viability_fraction"]):
        if value > 1 + max(most_sd * top, ABOVE):
            yield place, above, f"viability {value:.2f} lies {(value - 1) / top:.0f} SD above {alive} cells"
        elif value < -max(most_sd * bottom, BELOW):
            yield place, below, f"viability {value:.2f} lies {-value / bottom:.0f} SD below {killed} cells"


def _zeros(frame: pd.DataFrame) -> Iterable[tuple[int, str, str]]:
    """Readings of 0 where every control gives signal."""
    controls = frame.loc[frame["control"].notna(), ["control", "raw"]]
    # a readout whose controls may read 0 says nothing by a 0
    if controls.empty or (controls.groupby("control")["raw"].quantile(0.1) <= 0).any():
        return
    for place in frame.index[frame["raw"] == 0]:
        yield int(place), "empty", "the reading is 0"


def _saturated(frame: pd.DataFrame) -> Iterable[tuple[int, str, str]]:
    """The largest reading, if it stands in several wells and other readings hardly ever repeat."""
    raw = frame["raw"]
    largest = raw[raw == raw.max()]
    others = raw[raw < raw.max()]
    if len(largest) < LEAST_SATURATED or others.empty or others.nunique() < 0.8 * len(others):
        return
    for place in largest.index:
        yield int(place), "saturated", f"the reading {raw.max():g} is the largest and stands in {len(largest)} wells"


def _untrusted(frame: pd.DataFrame, trusted: tuple[float, float] | None) -> Iterable[tuple[int, str, str]]:
    """Outputs of a network beyond its labels and beyond what its controls give."""
    if trusted is None:
        return
    low, high = trusted
    for _, rows in frame[frame["control"].notna()].groupby("control"):
        centre, spread = float(rows["raw"].median()), mad(rows["raw"].to_numpy())
        low, high = min(low, centre - _TRUSTED_SD * spread), max(high, centre + _TRUSTED_SD * spread)
    for place, value in _numbered(frame["raw"]):
        if not low <= value <= high:
            reason = f"the output {value:.3f} lies outside {low:.2f} to {high:.2f}, which labels and controls span"
            yield place, "out_of_distribution", reason


def _unlike_controls(frame: pd.DataFrame, most_sd: float) -> Iterable[tuple[int, str, str]]:
    """Control wells far from the other wells of the control on their plate."""
    for control in ("negative", "positive"):
        sd = _at_least(spread_of(frame, control))
        for (plate, _), rows in frame[frame["control"] == control].groupby(["plate", "add_on"]):
            if len(rows) < 3:
                continue
            centre = float(rows["viability_fraction"].median())
            for place, value in _numbered(rows["viability_fraction"]):
                if abs(value - centre) > max(most_sd * sd, FROM_CONTROLS):
                    text = f"viability {value:.2f}; the {control} controls of plate {plate} lie at {centre:.2f}"
                    yield place, "unlike", text


def _beyond_span(frame: pd.DataFrame, control_distance: np.ndarray | None) -> Iterable[tuple[int, str, str]]:
    """Treated wells whose image no blend of the controls could be."""
    if control_distance is None:
        return
    for place in frame.index[frame["well_type"].isin(["therapy", "trc"])]:
        distance = float(control_distance[int(place)])
        if distance > 1:
            yield (
                int(place),
                "unlike_controls",
                f"the image lies {distance:.1f} times as far from the way between living and killed controls as 95 % "
                "of these do: the cells look neither alive nor killed as the control kills",
            )


def _unlike_replicates(frame: pd.DataFrame, most_sd: float) -> Iterable[tuple[int, str, str]]:
    """Treated wells far from their replicates."""
    treated = frame[frame["well_type"].isin(["therapy", "trc"])]
    groups = treated.groupby(_CONTENT, dropna=False)["viability_fraction"]
    count, total, median = groups.transform("size"), groups.transform("sum"), groups.transform("median")
    others = (total - treated["viability_fraction"]) / (count - 1).where(count > 1)
    distance = treated["viability_fraction"] - others.where(count == 2, median)
    typical = 1.4826 * float(distance[count > 1].abs().median()) if (count > 1).any() else 0.0
    limit = max(most_sd * max(typical, LEAST_SD), FROM_REPLICATES)
    far = treated[(count > 1) & (distance.abs() > limit)]
    several = far[count.loc[far.index] > 2]
    for (place, value), centre in zip(_numbered(several["viability_fraction"]), median[several.index], strict=True):
        yield place, "unlike", f"viability {value:.2f}; its replicates lie at {centre:.2f}"
    for _, pair in far[count.loc[far.index] == 2].groupby(_CONTENT, dropna=False):
        if len(pair) == 2:
            yield from _of_pair(pair, treated)


def _of_pair(pair: pd.DataFrame, treated: pd.DataFrame) -> Iterable[tuple[int, str, str]]:
    """Which of two replicates is off: the one farther outside what the neighbouring doses span; else both."""
    first = pair.iloc[0]
    same = treated
    for name in ("sample", "treatment", "add_on"):
        same = same[same[name] == first[name]]
    medians = same.groupby("concentration_nM")["viability_fraction"].median().drop(first["concentration_nM"])
    lower = medians[medians.index < first["concentration_nM"]].tail(1)
    upper = medians[medians.index > first["concentration_nM"]].head(1)
    span = [*lower, *upper] if len(lower) and len(upper) else [*lower, *upper, *([1.0] if len(upper) else [])]
    values = pair["viability_fraction"].to_numpy()
    if span:
        outside = np.maximum(values - max(span), 0) + np.maximum(min(span) - values, 0)
        decided = abs(outside[0] - outside[1]) > 0.5 * abs(values[0] - values[1])
    else:
        outside, decided = np.zeros(2), False
    for i, place in enumerate(pair.index):
        if decided and outside[i] < outside[1 - i]:
            continue
        partner = pair.iloc[1 - i]
        text = (
            f"viability {values[i]:.2f}; its replicate {partner['plate']} {partner['well']} gives {values[1 - i]:.2f}"
        )
        verdict = "and the neighbouring doses side with that" if decided else "which of the two is off cannot be told"
        yield int(place), "unlike", f"{text}, {verdict}"
