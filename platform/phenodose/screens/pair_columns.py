"""The columns of a long table of two drugs, as other programs and people name them.

Belongs here: accepted names, and the unit or scale that a name says. Does not belong here: what stands in the rows
(`pair_table`).

Two families are known: that of SynergyFinder (PairIndex or BlockId, Drug1 and Drug2 or DrugRow and DrugCol, Conc1 and
Conc2 or ConcRow and ConcCol, ConcUnit, Response) and that of gDR (DrugName, DrugName_2, Concentration, Concentration_2
[uM], CellLineName or clid, Barcode, ReadoutValue, BackgroundValue); beside them the platform's own names (drug, add_on,
concentration_nM, add_on_concentration_nM, inhibition_percent).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from phenodose.errors import Faults
from phenodose.io.spreadsheet import Cell, to_text
from phenodose.screens.layout_columns import nanomolar

Kind = Literal["viability", "inhibition"]
Scale = Literal["percent", "fraction"]

#: Accepted names by meaning, the most telling first; case, blanks, '_', '-' and '.' do not matter.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "block": ("PairIndex", "BlockId", "Block"),
    "sample": ("Sample", "SampleID", "CellLineName", "CellLine", "clid"),
    "drug": ("Drug1", "DrugRow", "DrugR", "DrugName", "Drug", "Treatment", "Gnumber"),
    "add_on": ("Drug2", "DrugCol", "DrugC", "DrugName_2", "AddOn", "Gnumber_2"),
    "unit": (
        *("ConcUnit", "ConcentrationUnit", "Unit", "DoseUnit"),
        *("ConcUnit1", "ConcRUnit", "ConcRowUnit", "Conc1Unit", "Unit1"),
    ),
    "add_on_unit": ("ConcUnit2", "ConcCUnit", "ConcColUnit", "Conc2Unit", "ConcentrationUnit_2", "AddOnUnit", "Unit2"),
    "raw": ("ReadoutValue",),
    "background": ("BackgroundValue",),
    "plate": ("Barcode", "Plate"),
    "well": ("Well", "WellId"),
    "duration": ("Duration",),
    "masked": ("masked",),
    "third": ("Drug3", "DrugName_3", "Gnumber_3"),
}
#: Columns of units that are those of both concentrations.
_OF_BOTH = ("concunit", "concentrationunit", "unit", "doseunit")
#: Names of one thing: where both stand, the first is read, and the other is a code of it.
_CODES = {"clid": "celllinename", "gnumber": "drugname", "gnumber2": "drugname2"}
#: Concentrations: names that a unit may follow.
_DOSES: dict[str, tuple[str, ...]] = {
    "dose": ("conc1", "concrow", "concr", "concentration1", "concentration", "conc", "dose1", "dose"),
    "add_on_dose": (
        *("conc2", "conccol", "concc", "concentration2", "dose2"),
        *("addonconcentration", "addonconc", "addondose"),
    ),
    "third_dose": ("conc3", "concentration3", "dose3"),
}
_UNIT = r"(?:in)?((?:[pnuµμm]?)(?:m|mol/l)|(?:[pnuµμm]?g/(?:ml|l)|%))?\Z"
_RESPONSE = re.compile(r"(percent|pct)?(?:relative|cell)?(response|viability|inhibition)(percent|pct|fraction)?\Z")
_FAMILY_OF_GDR = ("concentration2", "drugname2", "gnumber2")


@dataclass
class PairColumns:
    """What the header of a table says.

    Attributes:
        at: meaning -> position of the column; `response` is the measured effect.
        factors: 'dose' and 'add_on_dose' -> what they are multiplied with to give nM, where the name says the unit.
        kind: whether the response is viability or inhibition, where the name says it.
        scale: whether it is in percent or a fraction, likewise.
        is_unit_of_both: whether there is one column of units, of both concentrations.
        is_gdr: the names are those of gDR, whose concentrations are in uM.
        name: name of the column of the response, as it is written.
        width: columns of the header, up to the last that has a name.
        notes: sentences on columns that are not read.
    """

    at: dict[str, int] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    kind: Kind | None = None
    scale: Scale | None = None
    is_unit_of_both: bool = False
    is_gdr: bool = False
    name: str = ""
    width: int = 0
    notes: list[str] = field(default_factory=list)


def find_pair_columns(header: Sequence[Cell], chosen: str | None, faults: Faults) -> PairColumns:
    """The meaning of every column.

    Args:
        header: the header row.
        chosen: name of the column of the response, where several could be it; None for the only one.
        faults: gets what is wrong with the header.
    """
    found = PairColumns()
    meaning_of = {_plain(name): meaning for meaning, names in SPELLINGS.items() for name in names}
    names = [to_text(cell) or "" for cell in header]
    found.width = max((place + 1 for place, name in enumerate(names) if name), default=0)
    responses: dict[str, int] = {}
    for position, name in enumerate(names):
        bare = _plain(name)
        dose = _dose(name, faults)
        if dose is not None:
            meaning, factor = dose
            if factor is not None:
                found.factors[meaning] = factor
        elif _RESPONSE.match(bare) or (chosen is not None and bare == _plain(chosen)):
            responses[name] = position
            continue
        elif bare in meaning_of:
            meaning = meaning_of[bare]
        else:
            continue
        if meaning in found.at:
            _second_column(found, meaning, position, names, faults)
        else:
            found.at[meaning] = position
    found.is_unit_of_both = "unit" in found.at and _plain(names[found.at["unit"]]) in _OF_BOTH
    found.is_gdr = any(_plain(name) in _FAMILY_OF_GDR for name in names)
    _choose_response(found, responses, chosen, faults)
    _tell_missing(found, names, faults)
    return found


def _dose(name: str, faults: Faults) -> tuple[str, float | None] | None:
    """Which concentration a column holds, and its factor to nM if its name says a unit."""
    bare = re.sub(r"[\s_()\[\].-]", "", name.lower())
    for meaning, bases in _DOSES.items():
        for base in bases:
            match = re.match(re.escape(base) + _UNIT, bare)
            if not match:
                continue
            if not match.group(1):
                return meaning, None
            factor = nanomolar(match.group(1))
            if factor is None:
                faults.add(f"column {name!r} is in a unit that cannot be turned into nM; give molar concentrations.")
            return meaning, factor
    return None


def _second_column(found: PairColumns, meaning: str, position: int, names: Sequence[str], faults: Faults) -> None:
    """Two columns of one meaning: a code beside its name is passed over, else nobody can know."""
    first, second = found.at[meaning], position
    for name, code in ((first, second), (second, first)):
        if _CODES.get(_plain(names[code])) == _plain(names[name]):
            found.at[meaning] = name
            found.notes.append(f"{names[name]} is read, and {names[code]} is not.")
            return
    faults.add(f"columns {names[first]!r} and {names[second]!r} both give the {_words(meaning)}; delete one of them.")


def _choose_response(found: PairColumns, responses: dict[str, int], chosen: str | None, faults: Faults) -> None:
    """The column of the measured effect, and what its name says of it."""
    if chosen is not None:
        wanted = [name for name in responses if _plain(name) == _plain(chosen)]
        if not wanted:
            listed = ", ".join(repr(name) for name in responses) or "none"
            faults.add(f"there is no column {chosen!r} of responses (--column); those of the table are {listed}.")
            return
        responses = {wanted[0]: responses[wanted[0]]}
        found.at.pop("raw", None)
    raw = found.at.get("raw")
    if len(responses) + (raw is not None) > 1:
        listed = " and ".join([repr(name) for name in responses] + (["'ReadoutValue'"] if raw is not None else []))
        faults.add(f"columns {listed} all hold responses; say which one counts (--column NAME).")
    elif responses:
        found.name, found.at["response"] = next(iter(responses.items()))
        match = _RESPONSE.match(_plain(found.name))
        if match:
            before, kind, after = match.groups()
            said = before or after
            found.kind = None if kind == "response" else "viability" if kind == "viability" else "inhibition"
            found.scale = None if not said else "fraction" if said == "fraction" else "percent"
            if found.is_gdr and found.scale is None and _plain(found.name) == "relativeviability":
                found.scale = "fraction"
    elif raw is None:
        faults.add(
            "there is no column of a response; name it Response, viability_percent, inhibition_fraction or the like, "
            "or ReadoutValue for raw values."
        )


def _tell_missing(found: PairColumns, names: Sequence[str], faults: Faults) -> None:
    there = ", ".join(repr(name) for name in names if name) or "nothing"
    for meaning, example in (
        ("drug", "Drug1 (DrugRow, DrugName)"),
        ("dose", "Conc1 (ConcRow, Concentration)"),
        ("add_on", "Drug2 (DrugCol, DrugName_2)"),
        ("add_on_dose", "Conc2 (ConcCol, Concentration_2)"),
    ):
        if meaning not in found.at:
            faults.add(f"column {example} is missing; the header row holds {there}.")


def _words(meaning: str) -> str:
    return meaning.replace("add_on", "second drug").replace("_", " ").replace("drug dose", "drug's dose")


def _plain(name: str) -> str:
    """A name as it is compared: lower case, '%' in words, without blanks and signs."""
    return re.sub(r"[\s_()\[\].-]", "", name.lower().replace("%", "percent"))
