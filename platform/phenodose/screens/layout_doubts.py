"""Doses and names of a layout that are possible but look like slips: a sentence on each, and the layout is read.

Belongs here: what a person would stumble over when looking at all doses together. Does not belong here: what cannot be
a layout (`layout`).

These are notes and no refusals, because nothing in the file says that they are wrong: replicates may have doses of
their own, a series may be linear, and with another unit the curves and scores keep their shape (inhibitory doses do
not, which is why it is said).
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from phenodose.names import ADD_ON_DOSE, add_on_names, curve_names
from phenodose.screens.layout_names import look_alike

#: Doses that differ by less are one dose, dispensed with some error [log10].
SAME_LOG10 = 0.1
#: The largest dose of a drug lies between these [nM]: below nothing was ever seen to kill, above nothing dissolves.
LEAST_TOP_NM, MOST_TOP_NM = 0.1, 1e7
#: Logarithms of doses are small: from -3 (pM) to 8 (a tenth of a mole) in nM.
MOST_LOG10 = 12.0
LEAST_DOSES = 4
_DRUG = ["sample", "treatment", "add_on", ADD_ON_DOSE]
_MOST_NAMED = 4


def layout_doubts(frame: pd.DataFrame, is_numbered: bool, is_unit_said: bool) -> list[str]:
    """A sentence on everything doubtful.

    Args:
        frame: `Layout.frame`.
        is_numbered: whether the file numbers the replicates.
        is_unit_said: whether the file says the unit of the doses.
    """
    therapy = frame[frame["well_type"] == "therapy"]
    if therapy.empty:
        return []
    several = len(frame["sample"].dropna().unique()) > 1
    told = therapy.assign(shown=add_on_names(therapy))
    drugs = {_named(rows, several): rows for _, rows in told.groupby(_DRUG, dropna=False, sort=False)}
    tell = _numbered_replicates if is_numbered else _uneven_doses
    replicates = [f"{drug} ({doubt})" for drug, rows in drugs.items() if (doubt := tell(rows))]
    found = (
        [f"the doses of replicates differ: {_some(replicates)}; look for a slip in the doses."] if replicates else []
    )
    found += [*_two_units(drugs), *_unit_doubts(drugs, is_unit_said), *_one_name(frame)]
    return [*found, *_look_alike(frame), *_own_well_types(frame)]


def _numbered_replicates(rows: pd.DataFrame) -> str:
    """Which replicates have doses that the others lack, and the other way round; '' if none."""
    doses = {number: sorted(own) for number, own in _doses_by("replicate", rows).items()}
    if len(doses) < 2:
        return ""
    usual = Counter(tuple(own) for own in doses.values()).most_common(1)[0][0]
    first = next(number for number, own in doses.items() if tuple(own) == usual)
    for number, own in doses.items():
        more, fewer = _without_pairs(own, usual), _without_pairs(usual, own)
        if more and fewer:
            return f"replicate {number} has {_doses(more)} where replicate {first} has {_doses(fewer)}"
    return ""


def _doses_by(column: str, rows: pd.DataFrame) -> dict[str, list[float]]:
    """Doses of a drug's wells by plate or replicate, in the order of these; a layout may hold thousands of drugs."""
    found: dict[Any, list[float]] = {}
    for group, dose in zip(rows[column], rows["concentration_nM"], strict=True):
        if not pd.isna(group):
            found.setdefault(group, []).append(dose)
    return {str(group): found[group] for group in sorted(found)}


def _uneven_doses(rows: pd.DataFrame) -> str:
    """Which doses stand in more or fewer wells than the others, where the wells would fill whole series; '' if none."""
    counts = Counter(rows["concentration_nM"])
    usual = Counter(counts.values()).most_common(1)[0][0]
    odd = sorted(dose for dose, count in counts.items() if count != usual)
    few = [dose for dose in odd if counts[dose] < usual]
    if usual < 2 or len(odd) < 2 or not few or len(rows) % usual or 2 * len(odd) > len(counts):
        return ""
    text = ", ".join(f"{dose:g} nM in {counts[dose]}" for dose in odd)
    return f"{text}, the others in {usual} wells each"


def _two_units(drugs: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Drugs whose doses on one plate are those of another plate in another unit."""
    found: dict[tuple[str, str, float], list[str]] = {}
    for drug, rows in drugs.items():
        series = [(plate, sorted(set(own))) for plate, own in _doses_by("plate", rows).items()]
        for (large, high), (small, low) in permutations(series, 2):
            if len(low) != len(high) or len(low) < LEAST_DOSES - 1 or _goes_on(low, high):
                continue
            for factor in (1e3, 1e6, 1e9):
                if np.allclose(np.array(high) / np.array(low), factor, rtol=0.02):
                    found.setdefault((large, small, factor), []).append(drug)
    for (large, small, factor), named in found.items():
        yield (
            f"on plate {large} the doses of {_some(named)} are {factor:.0f} times those on plate {small}, as in "
            "another unit; look at the units, a column Unit may say them row by row."
        )


def _goes_on(low: Sequence[float], high: Sequence[float]) -> bool:
    """Whether the higher doses go on where the lower ones end: one series on two plates."""
    step = (low[-1] / low[0]) ** (1 / (len(low) - 1))
    return bool(step / 1.6 <= high[0] / low[-1] <= step * 1.6)


def _look_alike(frame: pd.DataFrame) -> Iterator[str]:
    """Names that are two for a computer alone."""
    therapy = frame["well_type"] == "therapy"
    named = (
        ("drugs", frame.loc[therapy, "treatment"].dropna()),
        ("add-ons", frame["add_on"].dropna()),
        ("samples", frame["sample"].dropna()),
    )
    for what, names in named:
        for group in look_alike(names.unique()):
            text = " and ".join(ascii(name) if not _is_plain(name) else repr(name) for name in group)
            yield f"{text} are taken as {len(group)} {what} though they look like one; write one name for one thing."


def _is_plain(name: str) -> bool:
    """Whether all of a name can be seen."""
    return all(unicodedata.category(sign) != "Cf" and sign not in "\u2010\u2011\u2012\u2013\u2212" for sign in name)


def _own_well_types(frame: pd.DataFrame) -> Iterator[str]:
    """Wells with doses of drugs whose well type is no known word, so that they are in no curve."""
    known = ("neg", "pos", "therapy", "trc", "untreated", "empty", "exclude", "t0", "blank")
    drugs = set(frame.loc[frame["well_type"] == "therapy", "treatment"])
    own = frame[~frame["well_type"].isin(known) & frame["treatment"].notna() & frame["concentration_nM"].gt(0)]
    for well_type, rows in own.groupby("well_type", sort=False):
        other = rows[rows["treatment"].str.casefold() != str(well_type).casefold()]
        doses = other.groupby("treatment")["concentration_nM"].nunique()
        named = [str(drug) for drug, count in doses.items() if count >= LEAST_DOSES - 1 or drug in drugs]
        if named:
            yield (
                f"{len(other)} wells of the well type {well_type!r} hold doses of {_some(named)} and are in no curve; "
                "if these are wells with drugs, write therapy."
            )


def _without_pairs(doses: Sequence[float], others: Sequence[float]) -> list[float]:
    """The doses that have no like among the others, each of which serves once."""
    left, alone = list(others), []
    for dose in doses:
        near = [other for other in left if abs(math.log10(dose / other)) <= SAME_LOG10]
        if near:
            left.remove(min(near, key=lambda other: abs(math.log10(dose / other))))
        else:
            alone.append(dose)
    return alone


def _unit_doubts(drugs: dict[str, pd.DataFrame], is_unit_said: bool) -> Iterator[str]:
    """Doses that no drug is given in: of another unit than the column's, or logarithms."""
    tops = {drug: float(rows["concentration_nM"].max()) for drug, rows in drugs.items()}
    low = [f"{drug} {top:g} nM" for drug, top in tops.items() if top < LEAST_TOP_NM]
    high = [f"{drug} {top:g} nM" for drug, top in tops.items() if top > MOST_TOP_NM]
    for doubtful, than, word in ((low, LEAST_TOP_NM, "below"), (high, MOST_TOP_NM, "above")):
        if doubtful:
            yield (
                f"the largest dose is {word} {than:g} nM for {_some(doubtful)}; if the column is in another unit, say "
                "it in its name (Concentration_M, _mM, _uM, _pM): scores keep their values, inhibitory doses do not."
            )
    series = [sorted(set(rows["concentration_nM"])) for rows in drugs.values()]
    long = [doses for doses in series if len(doses) >= LEAST_DOSES]
    logarithms = [doses for doses in long if doses[-1] <= MOST_LOG10 and _is_even(doses)]
    if not is_unit_said and long and 5 * len(logarithms) >= 4 * len(long):
        yield (
            f"the doses are evenly spaced, {_doses(logarithms[0], '')}, as logarithms are, and no unit is given; if "
            "they are logarithms, write the concentrations, and if not, name the column Concentration_nM."
        )


def _is_even(doses: Sequence[float]) -> bool:
    steps = np.diff(doses)
    return bool(np.all(np.abs(steps - steps.mean()) <= 0.03 * steps.mean()))


def _one_name(frame: pd.DataFrame) -> Iterator[str]:
    """Combinations that have the name of another drug, and how they are told apart."""
    parts = frame[frame["well_type"] == "therapy"].dropna(subset="add_on")
    named = curve_names(frame).loc[parts.index]
    shown = add_on_names(frame, frame["well_type"] == "therapy").loc[parts.index]
    names = parts.assign(add_on=shown, drug=named)[["treatment", "add_on", "drug"]].drop_duplicates()
    for treatment, add_on, drug in names.itertuples(index=False):
        if drug != f"{treatment} + {add_on}":
            yield f"{treatment!r} with the add-on {add_on!r} has the name of another drug; it stands as {drug!r}."


def _named(rows: pd.DataFrame, several: bool) -> str:
    """The drug of these wells, with its sample where there are several."""
    sample, treatment, add_on = (rows[name].iloc[0] for name in ("sample", "treatment", "shown"))
    drug = f"{treatment} + {add_on}" if add_on else str(treatment)
    return f"{drug} of {sample}" if several else drug


def _doses(doses: Sequence[float], unit: str = " nM") -> str:
    return ", ".join(f"{dose:g}" for dose in doses[:6]) + unit


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return ", ".join(texts[:_MOST_NAMED]) + more
