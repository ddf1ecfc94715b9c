"""What a layout says beside the columns that are read: a sentence on each thing that may change the meaning of a well.

Belongs here: columns and lines that are passed over although they speak of drugs, doses, units or times. Does not
belong here: columns that are read (`layout_columns`), and what stands in them (`layout_rows`, `layout_doubts`).

These are notes: a second drug that is passed over pools two treatments as replicates of one, but nobody can know that
a column means this.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from phenodose.errors import InputError
from phenodose.io.spreadsheet import Cell, Sheet, to_number, to_text
from phenodose.names import ADD_ON_DOSE, parse_well, well_name
from phenodose.screens.layout_columns import nanomolar

#: A unit of molar concentration as people write it; case tells M from m.
_UNIT = re.compile(r"(?<![^\W_])(?:[pnuµμm]?M|[pnuµμm]?mol/[lL])(?![^\W_])")
_SPEAKS_OF_UNITS = re.compile(r"conc|konz|dose|dosis|unit|einheit", re.IGNORECASE)
#: Words of columns that make another treatment of a well.
_MAKES_A_DIFFERENCE = re.compile(
    r"drug|compound|treatment|inhibitor|substan|wirkstoff|agent|combi|kombi|partner|add.?on|conc|konz|dose|dosis|"
    r"time.?point|hour|day|zeitpunkt|stunden|cell|zell|density|passage|schedule|stimul|irradiat|radiation",
    re.IGNORECASE,
)
_CONCENTRATION = re.compile(r"conc|konz|dose|dosis", re.IGNORECASE)
_NO_CONCENTRATION = re.compile(r"log|stock|source|add.?on|unit|einheit|index|number|\bno\b|\bid\b|level", re.IGNORECASE)
_MOST_VALUES = 12


def unread(
    sheet: Sheet, start: int, columns: Mapping[str, int], factor: float | None, records: Sequence[Mapping[str, object]]
) -> list[str]:
    """The sentences.

    Args:
        sheet: the layout.
        start: index of its header.
        columns: position of the columns that are read, by meaning.
        factor: what the header says that doses are multiplied with to give nM; None if it says no unit.
        records: the wells that were read, with `file_row` (from 1).
    """
    header = sheet.rows[start]
    others = {
        at: name for at, cell in enumerate(header) if at not in columns.values() and (name := to_text(cell)) is not None
    }
    cells = {at: [_cell(sheet.rows[int(str(record["file_row"])) - 1], at) for record in records] for at in others}
    notes = [*_units_above(sheet.rows[:start], columns, factor), *_well_names(sheet, columns, records)]
    for at, name in others.items():
        notes += _units(name, cells[at], columns, factor)
        notes += _doses(name, cells[at], factor, records)
        notes += _within_replicates(name, cells[at], records)
    return notes


def _units_above(above: Sequence[Sequence[Cell]], columns: Mapping[str, int], factor: float | None) -> Iterator[str]:
    """A unit of doses in the title."""
    if factor is not None or "unit" in columns:
        return
    for line in above:
        text = " ".join(str(cell) for cell in line if cell is not None)
        units = {nanomolar(unit) for unit in _UNIT.findall(text)}
        if _SPEAKS_OF_UNITS.search(text) and units and 1.0 not in units:
            yield (
                f"above the header stands {text[:80]!r}, but doses are read in nM as no column says another unit; if "
                "that is the unit of the doses, write it in the column's name (Concentration_uM)."
            )


def _units(name: str, cells: Sequence[Cell], columns: Mapping[str, int], factor: float | None) -> Iterator[str]:
    """A column of units that has not the name of one."""
    if "unit" in columns:
        return
    texts = {str(cell) for cell in cells if cell is not None}
    if not texts or len(texts) > 4 or not all(_UNIT.fullmatch(text) for text in texts):
        return
    if {nanomolar(text) for text in texts} != {factor or 1.0}:
        yield (
            f"column {name!r} holds units ({', '.join(sorted(texts))}) but is not read, and doses are read "
            f"{'in the unit of their column' if factor else 'in nM'}; if it is their unit, call it Unit."
        )


def _well_names(sheet: Sheet, columns: Mapping[str, int], records: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Names of wells that are not the row and column beside them."""
    if "well" not in columns or "row" not in columns:
        return
    other: list[str] = []
    for record in records:
        text = to_text(_cell(sheet.rows[int(str(record["file_row"])) - 1], columns["well"]))
        try:
            place = parse_well(text or "")
        except InputError:
            continue
        if place != (record["row"], record["column"]):
            other.append(f"{text} beside {well_name(str(record['row']), int(str(record['column'])))}")
    if other:
        yield (
            f"the columns Row and Column are read, and column Well contradicts them in {len(other)} rows "
            f"({other[0]}); delete what does not count."
        )


def _doses(
    name: str, cells: Sequence[Cell], factor: float | None, records: Sequence[Mapping[str, object]]
) -> Iterator[str]:
    """A second column of concentrations with other numbers."""
    if not _CONCENTRATION.search(name) or _NO_CONCENTRATION.search(name):
        return
    unit = _UNIT.search(name)
    own = nanomolar(unit.group()) if unit else None
    for cell, record in zip(cells, records, strict=True):
        dose = record["concentration_nM"]
        if record["well_type"] != "therapy" or not isinstance(dose, float):
            continue
        try:
            number = to_number(cell)
        except ValueError:
            return
        if number and not math.isclose(number * (own or factor or 1.0), dose, rel_tol=0.05):
            yield (
                f"column {name!r} is not read and gives other concentrations than the column that is ({number:g} "
                f"beside {dose:g} nM, row {record['file_row']}); call the one that counts Concentration, "
                "with its unit, and delete the other."
            )
            return


def _within_replicates(name: str, cells: Sequence[Cell], records: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """A column that sets wells apart which are taken as replicates."""
    values = {to_text(cell) or "nothing" for cell in cells}
    if not _MAKES_A_DIFFERENCE.search(name) or not 1 < len(values) <= _MOST_VALUES:
        return
    held: dict[tuple[object, ...], dict[str, None]] = defaultdict(dict)
    for cell, record in zip(cells, records, strict=True):
        if record["well_type"] == "therapy":
            same = tuple(record[key] for key in ("sample", "treatment", "concentration_nM", "add_on", ADD_ON_DOSE))
            held[same].setdefault(to_text(cell) or "nothing")
    for (_, treatment, dose, *_), several in held.items():
        if len(several) > 1:
            yield (
                f"column {name!r} is not read, and wells that it sets apart are taken as replicates "
                f"({treatment} at {dose:g} nM: {', '.join(list(several)[:3])}); if it is another treatment, write it "
                "into AddOn or Treatment, or score the parts by themselves."
            )
            return


def _cell(row: Sequence[Cell], at: int) -> Cell:
    return row[at] if at < len(row) else None
