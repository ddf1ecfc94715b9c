"""Reading a table of the drug library: the one that ships and a site's own have the same form.

Belongs here: which columns there are, units, and every fault of a file in one message. Does not belong here: laying a
site's rows over the library and finding drugs (`library`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from phenodose.drug_library.library import DrugLibrary, LibraryDrug, Row
from phenodose.errors import Faults, InputError
from phenodose.io.files import hash_bytes
from phenodose.io.spreadsheet import (
    SPREADSHEETS,
    Cell,
    DateText,
    Sheet,
    no_number,
    read_delimited,
    to_name,
    to_number,
    to_text,
)
from phenodose.io.workbook import read_sheets, the_sheet

_FILE = "drug_library.csv"
#: Field -> headers that mean it, without case and signs.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("drug", "drugname", "treatment", "compound", "name"),
    "synonyms": ("synonyms", "synonym", "othernames"),
    "drug_class": ("class", "drugclass"),
    "targets": ("targets", "target", "genes", "gene", "targetgenes"),
    "molecular_weight_g_per_mol": ("molecularweightgpermol", "molecularweight", "mw"),
    "fraction_unbound": ("fractionunbound", "fu"),
    "c_max_dose": ("cmaxdose", "dose"),
    "c_max_source": ("cmaxsource", "source"),
}
#: Header -> how many nM, or how many ng/mL, its unit is.
_MOLAR = {"cmaxnm": 1.0, "cmaxum": 1000.0}
_MASS = {"cmaxngperml": 1.0, "cmaxngml": 1.0, "cmaxugperml": 1000.0, "cmaxugml": 1000.0, "cmaxmgperl": 1000.0}
_MASS |= {"cmaxmgl": 1000.0}
#: Headers that say a concentration without its unit.
_NO_UNIT = ("cmax", "cmaxtotal", "cmaxplasma")
#: Words that take a value of the library away.
_NOTHING = {"none", "unknown", "-", "–"}
#: Two ways to say one C max differ by no more than this, of rounding.
_ROUNDED = 0.02
_SEPARATORS = re.compile(r"[;|,]")
#: Names hold commas ('6-mercaptopurine, monohydrate'); genes do not.
_OF_NAMES = re.compile(r"[;|]")


@cache
def built_in() -> DrugLibrary:
    """The library that ships with phenodose."""
    faults = Faults(_FILE)
    library = DrugLibrary(tuple(_row_alone(row, faults) for row in _rows(_sheet_of_text(_content()), faults)[0]))
    faults.extend(library.name_faults())
    faults.raise_if_any()
    return library


@cache
def built_in_hash() -> str:
    """Hash of the table that ships: what rests on another one is older than it."""
    return hash_bytes(_content())


def library_with(path: Path) -> DrugLibrary:
    """The library that ships with a site's table over it, row by row and cell by cell.

    Raises:
        InputError: it is no such table; a row lacks its drug; a number is none, or out of range; two ways to say one
            C max differ; two drugs claim one name; all in one message.
    """
    sheets = _sheets(path)
    sheet, noted = the_sheet(sheets, str(path), _has_drugs, None, "a table of drugs", "save it as a .csv of its own")
    faults = Faults(sheet.place)
    rows, notes = _rows(sheet, faults)
    library = built_in().overlaid(rows, partial(_settled, path.name, faults), faults)
    faults.raise_if_any()
    return replace(library, notes=(*noted, *(f"{path.name}: {note}" for note in notes)))


def _content() -> bytes:
    return files("phenodose.drug_library").joinpath(_FILE).read_bytes()


def _sheet_of_text(content: bytes) -> Sheet:
    return read_delimited(content, _FILE)


def _sheets(path: Path) -> list[Sheet]:
    suffix = path.suffix.lower()
    content = path.read_bytes()
    if suffix in SPREADSHEETS:
        return read_sheets(content, str(path))
    return [read_delimited(content, str(path))]


def _has_drugs(sheet: Sheet) -> bool:
    return any(_plain(cell) in _COLUMNS["name"] for row in sheet.rows[:20] for cell in row)


def _plain(cell: Cell) -> str:
    """A header without case, blanks and signs."""
    text = (to_text(cell) or "").lower().replace("µ", "u").replace("μ", "u")
    return re.sub(r"[^a-z0-9]", "", text)


# --- rows -----------------------------------------------------------------------------------------


def _rows(sheet: Sheet, faults: Faults) -> tuple[list[Row], list[str]]:
    """The rows of a table with their places, and notes on columns that are not read."""
    start = next((at for at, row in enumerate(sheet.rows) if any(cell is not None for cell in row)), None)
    if start is None:
        raise InputError(f"{sheet.place}: is empty; write a header with the column drug, and a row a drug.")
    header = [_plain(cell) for cell in sheet.rows[start]]
    at, passed = _columns(sheet.rows[start], header, faults)
    if "name" not in at:
        said = ", ".join(text for cell in sheet.rows[start] if (text := to_text(cell)))
        raise InputError(f"{sheet.place}: has no column drug (its header is {said}); name the drugs in a column drug.")
    found = []
    for number, row in enumerate(sheet.rows[start + 1 :], start + 2):
        cells = [*row, *[None] * (len(header) - len(row))]
        if all(cell is None for cell in cells):
            continue
        if beyond := [text for cell in cells[len(header) :] if (text := to_text(cell))]:
            faults.add(
                f"row {number}: {', '.join(beyond)} to the right of the last column; put quotes around a cell with "
                "commas in it."
            )
            continue
        if one := _row({name: cells[place] for name, place in at.items()}, number, faults):
            found.append(one)
    notes = [f"columns that are not read: {', '.join(passed)}."] if passed else []
    return found, notes


def _columns(titles: list[Cell], header: list[str], faults: Faults) -> tuple[dict[str, int], list[str]]:
    """Place of every column that is read, by field or unit; and the titles of those that are not."""
    meaning = {name: meant for meant, names in _COLUMNS.items() for name in names}
    meaning |= {name: name for name in (*_MOLAR, *_MASS)}
    at: dict[str, int] = {}
    passed = []
    for place, name in enumerate(header):
        if not name:
            continue
        if name in _NO_UNIT:
            faults.add(
                f"the column {to_text(titles[place])} has no unit; call it c_max_nM, c_max_uM or c_max_ng_per_mL."
            )
        elif name not in meaning:
            passed.append(to_text(titles[place]) or "")
        elif meaning[name] in at:
            faults.add(f"there are two columns {to_text(titles[place])}, or of that meaning; keep one of them.")
        else:
            at[meaning[name]] = place
    return at, passed


def _row(cells: dict[str, Cell], number: int, faults: Faults) -> Row | None:
    """What a row says: place, drug and the fields that it says."""
    place = f"row {number}"
    name = to_name(cells["name"])
    if name is None:
        faults.add(f"{place}: the drug is empty; name the drug, or delete the row.")
        return None
    if any(isinstance(cell, DateText) for cell in cells.values()):
        faults.add(f"{place}: a cell is a date, made by the spreadsheet program; format it as text and write it again.")
        return None
    values: dict[str, object] = {}
    for said in ("drug_class", "c_max_dose", "c_max_source"):
        if (text := to_name(cells.get(said))) is not None:
            values[said] = "" if text.casefold() in _NOTHING else text
    for said, between in (("synonyms", _OF_NAMES), ("targets", _SEPARATORS)):
        if (text := to_name(cells.get(said))) is not None:
            parts = [one for part in between.split(text) if (one := part.strip())]
            values[said] = () if text.casefold() in _NOTHING else tuple(dict.fromkeys(parts))
    for said in ("molecular_weight_g_per_mol", "fraction_unbound"):
        if cells.get(said) is not None:
            values[said] = _number(cells[said], place, said, faults)
    _check_range(values, place, faults)
    values |= _c_max(cells, place, faults)
    synonyms = values.pop("synonyms", ())
    drug = LibraryDrug(name=name, synonyms=synonyms, **values)  # type: ignore[arg-type]
    return place, drug, frozenset(values)


def _number(cell: Cell, place: str, what: str, faults: Faults) -> float | None:
    """A number of a cell; None where there is none or a word says so."""
    if isinstance(cell, str) and cell.casefold() in _NOTHING:
        return None
    try:
        return to_number(cell)
    except ValueError:
        faults.add(f"{place}: {what} is {no_number(cell)}.")
        return None


def _check_range(values: dict[str, object], place: str, faults: Faults) -> None:
    weight, unbound = values.get("molecular_weight_g_per_mol"), values.get("fraction_unbound")
    if isinstance(weight, float) and weight <= 0:
        faults.add(f"{place}: the molecular weight is {weight:g}; write g/mol, above 0.")
    if isinstance(unbound, float) and not 0 < unbound <= 1:
        faults.add(f"{place}: the unbound fraction is {unbound:g}; write a fraction above 0 and up to 1, such as 0.05.")


def _c_max(cells: dict[str, Cell], place: str, faults: Faults) -> dict[str, float | None]:
    """C max as the row says it; {} if it says none."""
    said: dict[str, float | None] = {}
    for field_name, units in (("c_max_nM", _MOLAR), ("c_max_ng_per_mL", _MASS)):
        for column in (column for column in units if cells.get(column) is not None):
            value = _number(cells[column], place, "C max", faults)
            if value is not None and value <= 0:
                faults.add(f"{place}: C max is {value:g}; write a concentration above 0, or nothing.")
                continue
            found = None if value is None else value * units[column]
            before = said.setdefault(field_name, found)
            if before and found and abs(found / before - 1) > _ROUNDED:
                faults.add(f"{place}: two columns say different C max; keep one of them.")
    return said


# --- one C max, however it is said ----------------------------------------------------------------


def _row_alone(row: Row, faults: Faults) -> LibraryDrug:
    """A row of the table that ships."""
    return _agreed(row[1], row, faults)


def _settled(file: str, faults: Faults, drug: LibraryDrug, row: Row) -> LibraryDrug:
    """A drug with a site's row over it: a C max of the site has not the library's source and dose."""
    said = {"c_max_nM", "c_max_ng_per_mL"} & drug.of_site
    if not said:
        # another weight makes other nM of the library's ng/mL
        weighed = "molecular_weight_g_per_mol" in drug.of_site and drug.c_max_ng_per_mL is not None
        return _agreed(replace(drug, c_max_nM=None) if weighed else drug, row, faults)
    given = any(getattr(drug, name) is not None for name in said)
    taken: dict[str, object] = {name: None for name in ("c_max_nM", "c_max_ng_per_mL") if name not in said}
    taken |= {name: "" for name in ("c_max_dose", "c_max_source") if name not in drug.of_site}
    if given and "c_max_source" in taken:
        taken["c_max_source"] = f"{file} of the site"
    own = replace(drug, **taken, of_site=drug.of_site | set(taken))  # type: ignore[arg-type]
    return _agreed(own, row, faults)


def _agreed(drug: LibraryDrug, row: Row, faults: Faults) -> LibraryDrug:
    """A drug with C max in nM, which its weight makes of ng/mL."""
    weight, mass, molar = drug.molecular_weight_g_per_mol, drug.c_max_ng_per_mL, drug.c_max_nM
    if mass is None or (weight is not None and weight <= 0):
        return drug
    if weight is None:
        faults.add(f"{row[0]}: {drug.name} has C max in ng/mL and no molecular weight; write that, or C max in nM.")
        return drug
    computed = 1000.0 * mass / weight
    if molar is not None and abs(molar / computed - 1) > _ROUNDED:
        faults.add(
            f"{row[0]}: C max of {drug.name} is {molar:g} nM, and {mass:g} ng/mL of {weight:g} g/mol are "
            f"{computed:.4g} nM; keep the one that is right."
        )
    return replace(drug, c_max_nM=computed if molar is None else molar)
