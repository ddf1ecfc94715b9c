"""A long table of two drugs, one row a well, as SynergyFinder, gDR and people write it: to dose matrices.

Belongs here: reading and checking such a table, and raw values of plates to inhibition. Does not belong here: column
names (`pair_columns`), layouts (`layout`), and what the two drugs do together (`phenodose.combinations`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.number_format import AmbiguousNumbersError, NumberFormat, number_format
from phenodose.io.spreadsheet import ACCEPTED, SPREADSHEETS, TEXT_TABLES, Cell, Sheet, read_delimited, to_name, to_text
from phenodose.io.workbook import read_sheets, the_sheet
from phenodose.screens.layout_add_ons import add_on_of
from phenodose.screens.layout_columns import is_layout, nanomolar
from phenodose.screens.pair_columns import Kind, PairColumns, Scale, find_pair_columns
from phenodose.screens.pair_gaps import gathered, refuse_gaps
from phenodose.screens.pair_grid import is_grid, rows_of_grids
from phenodose.screens.pair_matrices import PairRow, matrices_of, tell_odd_responses

if TYPE_CHECKING:
    from phenodose.viability.dose_matrices import MatrixWells

#: Fractions beyond this are rare, and so are percents within it.
_LARGEST_FRACTION = 2.0
_MANY = 0.2
_MICROMOLAR = 1e3
#: 100 M; pure water is 55 M.
_LARGEST_NM = 1e11
_TRUE = ("true", "1", "yes", "t")


@dataclass(frozen=True)
class PairTable:
    """The dose matrices of a table.

    Attributes:
        matrices: in order of sample, drug and second drug.
        notes: a sentence on everything that was left out or read in a way that is not plain.
    """

    matrices: list[MatrixWells]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Said:
    """What a person says of a table that its header does not.

    Attributes:
        kind: what the response is; None if nothing was said.
        scale: its scale, likewise.
        unit: unit of the concentrations, likewise.
        column: name of the column of the response, likewise.
    """

    kind: Kind | None = None
    scale: Scale | None = None
    unit: str | None = None
    column: str | None = None


def read_pair_table(path: Path, said: Said | None = None, sheet: str | None = None) -> PairTable:
    """Read a table with two drugs and their concentrations in every row.

    A dose matrix may also be drawn as a grid (`pair_grid`); each grid is a block.

    Rows of like drugs and doses are replicates. A row with a dose of 0 is the other drug alone; with two, cells without
    any drug. In a table with blocks (PairIndex, BlockId) a block is a matrix; else the wells of a drug alone are those
    of all its pairs. Raw values (gDR's ReadoutValue less BackgroundValue) are divided by the median of the plate's
    wells without any drug.

    Args:
        path: csv, tsv, txt or a workbook.
        said: what the header does not say.
        sheet: name of the sheet, where a workbook holds several such tables.

    Raises:
        InputError: a column or a unit is missing or contradictory, it is not clear what the response is, cells cannot
            be read, blocks hold other drugs than two, or plates of raw values have no well without drugs; all faults
            in one message.
    """
    said = said or Said()
    table, notes = _open(path, sheet)
    faults = Faults(table.place)
    start = next((at for at, row in enumerate(table.rows) if any(cell is not None for cell in row)), None)
    if start is None:
        raise InputError(f"{table.place}: is empty; write a header and one row a well.")
    if is_layout(table):
        raise InputError(f"{table.place}: is a layout; give it to `phenodose score` with its readouts.")
    if drawn := is_grid(table.rows):
        header, below = rows_of_grids(table.rows, faults)
        faults.raise_if_any()
    else:
        header = table.rows[start]
        below = [(number, row) for number, row in enumerate(table.rows[start + 1 :], start + 2) if any(_filled(row))]
    columns = find_pair_columns(header, said.column, faults)
    if not below and drawn:
        faults.add("the grids hold no value; write the responses between the concentrations.")
    elif not below:
        faults.add("there is a header but no row; write one row a well below it.")
    kind, percent = _response(columns, said, below, faults)
    factors = _units(columns, said, below, faults, notes)
    faults.raise_if_any()
    notes += columns.notes
    written = _number_format(columns, below, faults)
    faults.raise_if_any()
    refuse_gaps(columns, below, faults)
    in_rows = Faults(table.place)
    rows = [_row(number, cells, columns, factors, written, path.stem, in_rows) for number, cells in below]
    faults.extend(gathered(in_rows.messages))
    faults.raise_if_any()
    read = [row for row in rows if row is not None]
    notes += [written.note] * bool(written.note)
    if len(read) < len(rows):
        notes.append(f"{len(rows) - len(read)} rows are left out: masked, or without a value.")
    if not read:
        raise InputError(f"{table.place}: no row has a value that counts; look at the column of the response.")
    found = matrices_of(read, "raw" in columns.at, kind == "viability", percent, faults, notes)
    if "response" in columns.at:
        tell_odd_responses(found, kind == "viability", percent, said.scale is not None, faults, notes)
    faults.raise_if_any()
    if "raw" in columns.at:
        at = columns.at.get("background")
        known = at is not None and any(at < len(cells) and cells[at] is not None for _, cells in below)
        zero = "the background (BackgroundValue)" if known else "a reading of 0"
        notes.append(f"viability 0 is {zero}, as the table names no killed cells.")
    return PairTable(found, [f"{path.name}: {note}" for note in notes])


def _open(path: Path, sheet: str | None) -> tuple[Sheet, list[str]]:
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such file; check the path.")
    suffix = path.suffix.lower()
    if suffix in SPREADSHEETS:
        sheets = read_sheets(path.read_bytes(), str(path))
        return the_sheet(sheets, str(path), _is_like_pairs, sheet, "a table of two drugs", "--sheet NAME")
    if suffix in TEXT_TABLES:
        return read_delimited(path.read_bytes(), str(path)), []
    raise InputError(f"{path}: a table is one of {', '.join(ACCEPTED)}; save it as .xlsx or .csv.")


def _is_like_pairs(sheet: Sheet) -> bool:
    """Whether a sheet's header names two drugs and their concentrations, or it holds grids of two drugs."""
    if is_grid(sheet.rows):
        return True
    header = next((row for row in sheet.rows if any(_filled(row))), [])
    found = find_pair_columns(header, None, Faults(sheet.place))
    return {"drug", "add_on", "dose", "add_on_dose"} <= set(found.at)


def _filled(row: list[Cell]) -> list[bool]:
    return [cell is not None for cell in row]


# --- what the numbers mean ----------------------------------------------------------------------------


def _response(
    columns: PairColumns, said: Said, below: list[tuple[int, list[Cell]]], faults: Faults
) -> tuple[Kind, bool]:
    """Whether the response is viability or inhibition, and whether it is in percent."""
    if "response" not in columns.at:
        for option, value in (("--response", said.kind), ("--scale", said.scale)):
            if value is not None and "raw" in columns.at:
                faults.add(
                    f"{option} {value}: the table holds raw values (ReadoutValue) and no response; leave it out."
                )
        return "viability", False
    for of_header, of_person, option in (
        (columns.kind, said.kind, "--response"),
        (columns.scale, said.scale, "--scale"),
    ):
        if of_header and of_person and of_header != of_person:
            faults.add(f"{option} {of_person} contradicts the column {columns.name!r}; leave one out.")
    kind = columns.kind or said.kind
    if kind is None:
        faults.add(
            f"nothing says whether {columns.name!r} is viability or inhibition; name the column so, or say --response "
            "viability or --response inhibition."
        )
    scale = columns.scale or said.scale
    values = _plain_numbers(columns.at["response"], below)
    beyond = sum(abs(value) > _LARGEST_FRACTION for value in values) / max(1, len(values))
    if scale is None and values and beyond <= _MANY:
        faults.add(
            f"{columns.name!r} goes to {max(map(abs, values)):g}, which looks like fractions though it says nothing; "
            "say --scale fraction or --scale percent."
        )
    if scale == "fraction" and beyond > _MANY:
        faults.add(f"{columns.name!r} goes to {max(map(abs, values)):g}, which is no fraction; say --scale percent.")
    return kind or "viability", scale != "fraction"


def _plain_numbers(at: int, below: list[tuple[int, list[Cell]]]) -> list[float]:
    """The numbers of a column that need no thought, for its order of magnitude."""
    found = []
    for _, row in below:
        cell = row[at] if at < len(row) else None
        try:
            if cell is not None:
                found.append(float(cell.replace(",", ".")) if isinstance(cell, str) else cell)
        except ValueError:
            continue
    return found


def _units(
    columns: PairColumns, said: Said, below: list[tuple[int, list[Cell]]], faults: Faults, notes: list[str]
) -> dict[str, float]:
    """Factors to nM of the two concentrations; of a column of units, row by row (`_factor_of_row`), none."""
    factors = dict(columns.factors)
    if said.unit is not None:
        factor = nanomolar(said.unit)
        if factor is None:
            faults.add(f"--unit {said.unit} cannot be turned into nM; say pM, nM, uM, mM or M.")
            return factors
        for meaning in ("dose", "add_on_dose"):
            if factors.get(meaning, factor) != factor:
                faults.add(f"--unit {said.unit} contradicts the name of a column of concentrations; leave one out.")
            factors.setdefault(meaning, factor)
    if "add_on_unit" not in columns.at and columns.is_unit_of_both:
        columns.at["add_on_unit"] = columns.at["unit"]
    lacking = [
        meaning
        for meaning, unit in (("dose", "unit"), ("add_on_dose", "add_on_unit"))
        if meaning in columns.at and meaning not in factors and unit not in columns.at
    ]
    if lacking and columns.is_gdr:
        factors |= dict.fromkeys(lacking, _MICROMOLAR)
        notes.append("concentrations say no unit and are read in uM, as the columns are gDR's; --unit says another.")
    elif lacking:
        which = " and ".join("the second drug's" if name == "add_on_dose" else "the first drug's" for name in lacking)
        faults.add(
            f"nothing says the unit of {which} concentrations; add a column ConcUnit, name the columns Conc1_nM and "
            "Conc2_nM, or say --unit uM."
        )
    return factors


def _number_format(columns: PairColumns, below: list[tuple[int, list[Cell]]], faults: Faults) -> NumberFormat:
    def cells(*meanings: str) -> list[Cell]:
        places = [columns.at[name] for name in meanings if name in columns.at]
        return [row[at] for _, row in below for at in places if at < len(row)]

    try:
        return number_format(cells("response", "raw", "background"), cells("dose", "add_on_dose"))
    except AmbiguousNumbersError as error:
        faults.add(str(error))
        return NumberFormat()


# --- one row --------------------------------------------------------------------------------------------


def _row(
    number: int,
    row: list[Cell],
    columns: PairColumns,
    factors: dict[str, float],
    written: NumberFormat,
    only_sample: str,
    faults: Faults,
) -> PairRow | None:
    """One well; None for one that does not count. What cannot be read goes to the faults."""
    cells = {meaning: row[at] if at < len(row) else None for meaning, at in columns.at.items()}
    if (to_text(cells.get("masked")) or "").casefold() in _TRUE:
        return None
    content = [
        _drug(number, cells, name, dose, unit, factors, written, faults)
        for name, dose, unit in (("drug", "dose", "unit"), ("add_on", "add_on_dose", "add_on_unit"))
    ]
    if (_number(number, cells, "third_dose", written, faults) or 0.0) > 0:
        faults.add(f"row {number}: a third drug ({to_text(cells.get('third'))}) has a dose; give tables of two drugs.")
    name = "raw" if "raw" in cells else "response"
    value = _number(number, cells, name, written, faults)
    if value is not None and name == "raw":
        value -= _number(number, cells, "background", written, faults) or 0.0
    if value is None:
        return None
    return PairRow(
        number,
        to_name(cells.get("sample")) or only_sample,
        to_name(cells.get("block")),
        content[0],
        content[1],
        value,
        to_name(cells.get("plate")) or "",
        to_name(cells.get("well")),
        _number(number, cells, "duration", written, faults),
    )


def _drug(
    number: int,
    cells: dict[str, Cell],
    name: str,
    dose: str,
    unit: str,
    factors: dict[str, float],
    written: NumberFormat,
    faults: Faults,
) -> tuple[str | None, float]:
    """Name and concentration [nM] of one of the two drugs; 0 where the well is without it."""
    drug = add_on_of(to_name(cells.get(name)))
    which = "the second drug" if name == "add_on" else "the first drug"
    before = len(faults.messages)
    value = _number(number, cells, dose, written, faults)
    if value is None:
        if drug is not None and len(faults.messages) == before:
            faults.add(f"row {number}: the concentration of {drug} is empty; write it, or 0 where the well is without.")
        return drug, 0.0
    if value < 0:
        faults.add(f"row {number}: the concentration of {which} is {value:g}; give the dose itself, not its logarithm.")
        return drug, 0.0
    if value == 0:
        return drug, 0.0
    if drug is None:
        said = to_text(cells.get(name))
        shown = f"its name is {said!r}" if said else "it has no name"
        faults.add(f"row {number}: {which} has the concentration {value:g} but {shown}; write the name, or the dose 0.")
        return None, 0.0
    factor = factors.get(dose)
    text = to_text(cells.get(unit))
    if text is not None:
        own = nanomolar(text)
        if own is None:
            faults.add(f"row {number}: the unit {text!r} cannot be turned into nM; write pM, nM, uM, mM or M.")
        elif factor is not None and own != factor:
            faults.add(f"row {number}: the unit {text!r} contradicts the other unit of {which}; leave one out.")
        factor = own or factor
    elif factor is None:
        faults.add(f"row {number}: the unit of the concentration of {drug} is empty; write pM, nM, uM, mM or M.")
    if value * (factor or 1.0) > _LARGEST_NM:
        said = f"{value:g} {text}" if text else f"{value:g}"
        faults.add(
            f"row {number}: the concentration of {drug} is {said}, more than any solution holds; look at its unit."
        )
    return drug, float(f"{value * (factor or 1.0):.12g}")


def _number(number: int, cells: dict[str, Cell], meaning: str, written: NumberFormat, faults: Faults) -> float | None:
    try:
        return written.number(cells.get(meaning))
    except ValueError:
        faults.add(
            f"row {number}: {meaning.replace('add_on', 'second drug').replace('_', ' ')} is "
            f"{cells[meaning]!r}; write a number."
        )
        return None
