"""The columns of a layout file: where the header stands, which column means what, and the unit of the doses.

Belongs here: names and their accepted spellings. Does not belong here: what stands in the rows (`layout`).
"""

from __future__ import annotations

import re

from phenodose.errors import Faults
from phenodose.io.spreadsheet import Cell, Sheet, to_text

#: Accepted column names by meaning, the recommended one first; case, spaces, '_' and '-' do not matter.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "plate": ("Plate", "fileName"),
    "row": ("Row", "rowID"),
    "column": ("Column", "Col", "colID"),
    "well": ("Well", "wellID"),
    "sample": ("Sample", "sampleID"),
    "well_type": ("WellType",),
    "treatment": ("Treatment", "name", "Drug1", "DrugRow", "DrugName"),
    "concentration": ("Concentration", "Concentration_nM", "Concentration_uM", "Dose", "Conc1", "ConcRow"),
    "unit": ("Unit", "Units", "ConcentrationUnit", "ConcentrationUnits", "ConcUnit", "DoseUnit", "ConcUnit1"),
    "replicate": ("Replicate", "batch"),
    "add_on": ("AddOn", "Drug2", "DrugCol", "DrugName_2"),
    "add_on_concentration": (
        *("AddOnConcentration", "AddOnConcentration_nM", "AddOnConcentration_uM", "AddOnDose"),
        *("Concentration_2", "Conc2", "ConcCol"),
    ),
    "add_on_unit": (
        *("AddOnUnit", "AddOnUnits", "AddOnConcentrationUnit", "AddOnConcUnit", "AddOnDoseUnit"),
        *("ConcUnit2", "ConcColUnit"),
    ),
    "readout": ("Readout", "value"),
    "named_class": ("WellClass",),
}
#: Meanings whose columns few layouts need: no message recommends them.
_SELDOM = ("well", "unit", "named_class", "add_on_concentration", "add_on_unit")

#: What a concentration column of another unit is multiplied with to give nM.
_TO_NANOMOLAR = {"p": 1e-3, "n": 1.0, "u": 1e3, "m": 1e6, "": 1e9}

#: A column whose name says concentration, whatever unit follows; and with a unit of amount per volume.
_CONCENTRATION = re.compile(r"(?:conc(?:entration)?|dose)(?:in)?(.*)\Z")
_UNIT = r"([pnuµμm]?)(?:m|mol/l)\Z"
_MOLAR = re.compile(r"(?:conc(?:entration)?|dose)(?:1|row)?(?:in)?" + _UNIT)
#: The same of the add-on.
_ADD_ON = r"addon'?s?(?:conc(?:entration)?|dose)(?:in)?"
_ADD_ON_CONCENTRATION = re.compile(_ADD_ON + r"(?!units?\Z)(.*)\Z")
_ADD_ON_MOLAR = re.compile(rf"(?:{_ADD_ON}|(?:conc(?:entration)?|dose)(?:2|col)(?:in)?)" + _UNIT)
#: Names of other programs' tables of two drugs: they count where no other column has their meaning.
_OF_TWO_DRUGS = re.compile(
    r"(?:drug(?:[12]|row|col|name2?)|(?:conc(?:entration)?|dose)(?:[12]|row|col)(?:in)?(?:[pnuµμm]?(?:m|mol/l))?"
    r"|conc(?:[12]|row|col)?unit[12]?)\Z"
)
#: Columns whose names may say a unit.
_DOSES = ("concentration", "add_on_concentration")


def header_row(sheet: Sheet) -> int | None:
    """Index of the header: the first row that names plates and wells, so that a title may stand above it."""
    filled = [i for i, row in enumerate(sheet.rows) if any(cell is not None for cell in row)]
    plate, wells = (
        {plain(spelling) for meaning in meanings for spelling in SPELLINGS[meaning]}
        for meanings in (("plate",), ("row", "well"))
    )
    for i in filled[:20]:
        names = {plain(to_text(cell) or "") for cell in sheet.rows[i]}
        if names & plate and names & wells:
            return i
    return filled[0] if filled else None


def is_layout(sheet: Sheet) -> bool:
    """Whether a sheet has every column that a layout needs."""
    start = header_row(sheet)
    if start is None:
        return False
    faults = Faults(sheet.place)
    find_columns(sheet.rows[start], faults)
    return not faults


def is_like_layout(sheet: Sheet) -> bool:
    """Whether a sheet has a header that names plates and wells, whatever else it lacks."""
    start = header_row(sheet)
    if start is None:
        return False
    names = {plain(to_text(cell) or "") for cell in sheet.rows[start]}
    return all(
        names & {plain(spelling) for meaning in meanings for spelling in SPELLINGS[meaning]}
        for meanings in (("plate",), ("row", "well"))
    )


def headline() -> list[str]:
    """The recommended column names."""
    return [names[0] for meaning, names in SPELLINGS.items() if meaning not in _SELDOM]


def nanomolar(unit: str) -> float | None:
    """What a concentration in this unit is multiplied with to give nM: 'µM' -> 1000; None if it is not molar."""
    match = re.match(_UNIT, _bare(unit))
    return _factor(match) if match else None


def _factor(match: re.Match[str]) -> float:
    return _TO_NANOMOLAR[match.group(1).replace("µ", "u").replace("μ", "u")]


def find_columns(header: list[Cell], faults: Faults) -> tuple[dict[str, int], dict[str, float]]:
    """Position of every known column, and the factors to nM of the columns of concentrations that name their unit."""
    meaning_of = {plain(spelling): meaning for meaning, names in SPELLINGS.items() for spelling in names}
    found: dict[str, int] = {}
    factors: dict[str, float] = {}
    for position, cell in enumerate(header):
        name = to_text(cell) or ""
        unit, of_add_on = _MOLAR.match(_bare(name)), _ADD_ON_MOLAR.match(_bare(name))
        meaning = "concentration" if unit else meaning_of.get(plain(name))
        if of_add_on:
            unit, meaning = of_add_on, "add_on_concentration"
        elif meaning is None and _ADD_ON_CONCENTRATION.match(_bare(name)):
            faults.add(
                f"column {name!r} is in a unit that cannot be turned into nM; give molar concentrations and name the "
                "column AddOnConcentration_pM, _nM, _uM, _mM or _M (AddOnConcentration alone is in the unit of "
                "Concentration)."
            )
        if meaning is None:
            continue
        if meaning in found:
            others = [bool(_OF_TWO_DRUGS.match(_bare(to_text(header[at]) or ""))) for at in (found[meaning], position)]
            if others[0] != others[1]:
                if others[0]:
                    found[meaning] = position
                    factors.pop(meaning, None)
                    if unit:
                        factors[meaning] = _factor(unit)
                continue
            recommended = plain(SPELLINGS[meaning][0])
            names = (plain(to_text(header[found[meaning]]) or ""), plain(name))
            if meaning not in _DOSES and names.count(recommended) == 1:
                found[meaning] = position if names[1] == recommended else found[meaning]
                continue
            faults.add(
                f"columns {to_text(header[found[meaning]])!r} and {name!r} both give the {meaning.replace('_', ' ')}; "
                "delete one of them."
            )
            continue
        found[meaning] = position
        if unit:
            factors[meaning] = _factor(unit)
    for name, partner in (("add_on", "add_on_concentration"), ("add_on_concentration", "add_on")):
        # Half of a second drug is none: what is passed over is told (`layout_unread`).
        if name in found and partner not in found and _OF_TWO_DRUGS.match(_bare(to_text(header[found[name]]) or "")):
            del found[name]
            factors.pop(name, None)
    needed = ["plate", "row", "column", "well_type", "treatment", "concentration"]
    if "well" in found and "row" not in found and "column" not in found:
        needed = [name for name in needed if name not in ("row", "column")]
    there = ", ".join(repr(to_text(cell)) for cell in header if cell is not None) or "nothing"
    for meaning in needed:
        if meaning not in found:
            other = [to_text(cell) or "" for cell in header if _CONCENTRATION.match(_bare(to_text(cell) or ""))]
            if meaning == "concentration" and other:
                faults.add(
                    f"column {other[0]!r} is in a unit that cannot be turned into nM; give molar concentrations and "
                    "name the column Concentration_pM, _nM, _uM, _mM or _M (Concentration alone is nM)."
                )
                continue
            faults.add(
                f"column {SPELLINGS[meaning][0]} is missing (accepted: {', '.join(SPELLINGS[meaning])}); "
                f"the header row holds {there}."
            )
    return found, factors


def plain(name: str) -> str:
    """A name as it is compared: lower case, without blanks, '_' and '-'."""
    return re.sub(r"[\s_-]", "", name.lower())


def _bare(name: str) -> str:
    """The letters and digits of a name that may hold a unit: 'Concentration [µM]' gives 'concentrationµm'."""
    return re.sub(r"[\s_()\[\].-]", "", name.lower())
