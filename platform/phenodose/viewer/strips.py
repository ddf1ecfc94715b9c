"""The wells of one drug in order of their dose, beside control wells of the same plate.

Belongs here: which wells stand in a dilution strip. Does not belong here: their pictures, which the page cuts from the
mosaics, and what else is known of a well (`facts`).
"""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any

from phenodose.errors import InputError
from phenodose.names import parse_well, plate_sort_key, row_index, well_sort_key

#: Control wells of each kind that stand beside a series.
_MOST_CONTROLS = 3
#: Well type -> role, for plates of which no readout says what its controls were.
_ROLES = {"neg": "negative", "pos": "positive"}
Facts = Mapping[str, Mapping[str, Mapping[str, Any]]]


def drugs_of(facts: Facts) -> dict[str, dict[str, Any]]:
    """Every treatment of therapy wells: its `doses` in nM, lowest first, and its number of wells by plate, `plates`."""
    doses: defaultdict[str, set[float]] = defaultdict(set)
    plates: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for plate, wells in facts.items():
        for known in wells.values():
            for drug, dose in _held(known).items():
                plates[drug][plate] += 1
                if dose is not None:
                    doses[drug].add(dose)
    order = sorted(plates, key=lambda drug: (drug.casefold(), drug))
    return {drug: {"doses": sorted(doses[drug]), "plates": dict(plates[drug])} for drug in order}


def strip(facts: Facts, imaged: Mapping[str, Collection[str]], drug: str) -> list[dict[str, Any]]:
    """The series of a drug: one for each sample, plate, replicate and second treatment.

    Args:
        facts: as `facts.well_facts` gives them.
        imaged: wells with images by plate.
        drug: a treatment of therapy wells.

    Returns:
        For each series `plate`, `sample`, `replicate`, `with` (what else its wells hold), `steps` and `controls`. A
        step has `dose_nM` and its `wells`, lowest dose first, wells without image too. Controls have `role`
        (negative or positive), `treatment`, the `readouts` whose controls they were (none where the layout alone says
        it), the `wells` with images that lie nearest to the series on the plate, at most three, and `of`, how many
        such wells with images the plate has.

    Raises:
        InputError: no therapy well holds that drug.
    """
    found: defaultdict[tuple[Any, ...], defaultdict[float | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    for plate, wells in facts.items():
        for well in sorted(wells, key=well_sort_key):
            held = _held(wells[well])
            if drug in held:
                others = tuple(sorted((name, dose) for name, dose in held.items() if name != drug))
                series = (plate, wells[well]["sample"], wells[well]["replicate"], others)
                found[series][held[drug]].append(well)
    if not found:
        known = drugs_of(facts)
        near = difflib.get_close_matches(drug, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "; its drugs: " + (", ".join(known) or "none") + "."
        raise InputError(f"no well of the screen holds the drug {drug!r}{hint}")
    return [
        {
            "plate": plate,
            "sample": sample,
            "replicate": replicate,
            "with": [{"name": name, "dose_nM": dose} for name, dose in others],
            "steps": [{"dose_nM": dose, "wells": steps[dose]} for dose in sorted(steps, key=_none_first)],
            "controls": _controls(facts[plate], imaged.get(plate, ()), sample, [*chain(*steps.values())]),
        }
        for (plate, sample, replicate, others), steps in sorted(found.items(), key=_series_order)
    ]


def _held(known: Mapping[str, Any]) -> dict[str, float | None]:
    """Drug -> dose in nM of what a therapy well holds; nothing of other wells."""
    if known["well_type"] != "therapy":
        return {}
    pairs = ((known["treatment"], known["dose_nM"]), (known["add_on"], known["add_on_dose_nM"]))
    return {str(name): dose for name, dose in pairs if name}


def _controls(
    wells: Mapping[str, Mapping[str, Any]], imaged: Collection[str], sample: Any, series: list[str]
) -> list[dict[str, Any]]:
    """Control wells of a sample on one plate by role and treatment, the nearest to the wells of the series first."""
    kinds: defaultdict[tuple[str, str], dict[str, set[str]]] = defaultdict(dict)
    judged = any(known.get("control") for known in wells.values())
    for well, known in wells.items():
        if well not in imaged or known["sample"] not in (sample, None):
            continue
        said = _ROLES.get(known["well_type"])
        roles = known.get("control", {}) if judged else {"": said} if said else {}
        for readout, role in roles.items():
            kinds[role, str(known["treatment"] or known["well_type"])].setdefault(well, set()).add(readout)
    return [
        {
            "role": role,
            "treatment": treatment,
            "readouts": sorted(set().union(*found.values()) - {""}),
            "wells": _nearest([*found], series),
            "of": len(found),
        }
        for (role, treatment), found in sorted(kinds.items())
    ]


def _nearest(wells: list[str], series: list[str]) -> list[str]:
    """At most three wells, those with the shortest way to any well of a series first, ties in order of the plate."""
    places = [_place(well) for well in series]

    def way(well: str) -> int:
        row, column = _place(well)
        return min((row - y) ** 2 + (column - x) ** 2 for y, x in places)

    return sorted(wells, key=lambda well: (way(well), well_sort_key(well)))[:_MOST_CONTROLS]


def _place(well: str) -> tuple[int, int]:
    row, column = parse_well(well)
    return row_index(row), column


def _none_first(dose: float | None) -> float:
    return -1.0 if dose is None else dose


def _series_order(item: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    plate, sample, replicate, others = item[0]
    added = [(name, _none_first(dose)) for name, dose in others]
    return (len(added), added, plate_sort_key(plate), str(sample or ""), replicate or 0)
