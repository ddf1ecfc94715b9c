"""The rows of a layout: one record a well, and everything in a row that cannot be read.

Belongs here: what stands in the cells of one row, and the words that mean well types. Does not belong here: the
header (`layout_columns`), what means an add-on (`layout_add_ons`) and the wells together (`layout`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phenodose.errors import Faults, InputError
from phenodose.io.number_format import AmbiguousNumbersError, NumberFormat, number_format
from phenodose.io.spreadsheet import Cell, DateText, Sheet, no_number, to_name, to_text
from phenodose.names import ADD_ON_DOSE, MAX_COLUMNS, parse_well, row_index, row_label, well_name
from phenodose.screens.layout_add_ons import add_on_of, dosed_add_on, means_nothing
from phenodose.screens.layout_columns import SPELLINGS, find_columns, header_row, headline, nanomolar, plain
from phenodose.screens.layout_unread import unread

_COUNT = re.compile(r"[0-9]{1,6}\Z")

#: Well types with a meaning of their own, by every accepted spelling in lower case; others stay as written.
_WELL_TYPES = {
    "neg": "neg",
    "negative": "neg",
    "pos": "pos",
    "positive": "pos",
    "therapy": "therapy",
    "treatment": "therapy",
    "sample": "therapy",
    "trc": "trc",
    "trcontrol": "trc",
    "untreated": "untreated",
    "empty": "empty",
    "exclude": "exclude",
    "t0": "t0",
    "timezero": "t0",
    "time0": "t0",
    "tzero": "t0",
    "day0": "t0",
}

#: A name that a spreadsheet program made a date of, and wrote into a text: 2-Sep for SEPT-2.
_DATE_IN_TEXT = re.compile(
    r"[0-3]?[0-9][-.] ?(?:jan|feb|mar|mär|mrz|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
    r"(?:[- ][0-9]{2,4})?"
    r"|[0-9]{4}-[01][0-9]-[0-3][0-9](?: 00:00:00)?",
    re.IGNORECASE,
)
_NUMERIC = ("concentration", "add_on_concentration", "readout")
#: The column of its unit, for every column of concentrations.
_UNIT_OF = {"concentration": "unit", "add_on_concentration": "add_on_unit"}
_BLANK = ("blank", "blanks", "background")


@dataclass
class Parsed:
    """The rows of a layout.

    Attributes:
        records: one a well.
        faults: everything that could not be read.
        notes: sentences on what was read in a way that is not plain.
        is_unit_said: whether the header or a column gives the unit of the doses.
    """

    records: list[dict[str, object]]
    faults: Faults
    notes: list[str] = field(default_factory=list)
    is_unit_said: bool = False


def parse_rows(sheet: Sheet) -> Parsed:
    """One record a well of the sheet; what cannot be read is told in the faults.

    Raises:
        InputError: the sheet is empty.
    """
    parsed = Parsed([], Faults(sheet.place))
    faults = parsed.faults
    start = header_row(sheet)
    if start is None:
        raise InputError(f"{sheet.place}: is empty; write one row a well below the header {', '.join(headline())}.")
    columns, factors = find_columns(sheet.rows[start], faults)
    if faults:
        return parsed
    below = [list(row) for row in sheet.rows[start + 1 :]]
    _fill_merged(below, sheet, start + 1, columns)
    _refuse_broken(sheet, start, columns, faults)
    for meaning in ("unit", "add_on_unit", "add_on_concentration"):
        if meaning in columns and not _texts(below, columns[meaning]):
            del columns[meaning]
    parsed.is_unit_said = "concentration" in factors or "unit" in columns
    if "add_on_concentration" in columns:
        if "add_on" not in columns:
            faults.add(
                f"column {to_text(sheet.rows[start][columns['add_on_concentration']])!r} gives concentrations of an "
                "add-on, and there is no column AddOn; write the names of the second drugs into one."
            )
        parsed.notes += _unit_of_add_on(below, columns, factors)
    if faults:
        return parsed
    _tell_dates(below, columns, start + 2, parsed, bool(sheet.title))
    if faults:
        return parsed
    written = NumberFormat()
    try:
        readings, doses, of_add_on = (
            [row[columns[name]] for row in below if columns[name] < len(row)] if name in columns else []
            for name in ("readout", *_UNIT_OF)
        )
        written = number_format(readings, [*doses, *of_add_on])
    except AmbiguousNumbersError as error:
        faults.add(str(error))
        return parsed
    parsed.notes += [written.note] if written.note else []
    for number, row in enumerate(below, start + 2):
        cells = {name: row[at] if at < len(row) else None for name, at in columns.items()}
        if any(cell is not None for cell in cells.values()):
            record = _parse_well(cells, factors, number, written, faults)
            parsed.records.append({**record, "file_row": number})
    if not parsed.records:
        faults.add("there is a header but no well; write one row a well below it.")
    parsed.notes += unread(sheet, start, columns, factors.get("concentration"), parsed.records)
    return parsed


def _fill_merged(below: list[list[Cell]], sheet: Sheet, first: int, columns: Mapping[str, int]) -> None:
    """Write the value of cells that are merged over several wells into each of them; a reading is of one well."""
    for column, top, bottom in sheet.merged:
        if column not in columns.values() or column == columns.get("readout") or top < first:
            continue
        for row in below[top - first : bottom + 1 - first]:
            if column < len(row) and row[column] is None:
                row[column] = below[top - first][column]


def _refuse_broken(sheet: Sheet, start: int, columns: Mapping[str, int], faults: Faults) -> None:
    """Refuse errors and formulas without a result: an empty cell would mean something else, such as no add-on."""
    meaning_of = {at: meaning for meaning, at in columns.items() if meaning != "readout"}
    found: dict[tuple[str, str], list[str]] = {}
    for (row, column), held in sheet.broken.items():
        if row > start and column in meaning_of:
            found.setdefault((meaning_of[column], held), []).append(f"{_letters(column)}{row + 1}")
    for (meaning, held), places in found.items():
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        faults.add(
            f"cell{'s' * (len(places) > 1)} {', '.join(places[:3])}{more}: {SPELLINGS[meaning][0]} is {held}; open the "
            "file in a spreadsheet program and save it again, or write the value."
        )


def _tell_dates(
    rows: Sequence[Sequence[Cell]], columns: Mapping[str, int], first: int, parsed: Parsed, is_workbook: bool
) -> None:
    """Refuse cells that are dates: SEPT-2 becomes one as it is typed, and 1.10 too; of plates and samples a note."""
    for meaning, at in columns.items():
        dates: dict[str, list[str]] = {}
        for number, row in enumerate(rows, first):
            cell = row[at] if at < len(row) else None
            in_text = meaning in ("treatment", "add_on") and isinstance(cell, str) and _DATE_IN_TEXT.fullmatch(cell)
            if isinstance(cell, DateText) or in_text:
                dates.setdefault(str(cell), []).append(f"{_letters(at)}{number}" if is_workbook else f"row {number}")
        for date, places in dates.items():
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            noun = ("cells" if len(places) > 1 else "cell") if is_workbook else ""
            text = f"{noun} {', '.join(places[:3])}{more}: {SPELLINGS[meaning][0]} is the date {date}".strip()
            if meaning in ("plate", "sample"):
                parsed.notes.append(f"{text}; if it is none, format the column as text and write the name again.")
            else:
                example = "number such as 1.10" if meaning in _NUMERIC else "name such as SEPT-2"
                kind = "number" if meaning in _NUMERIC else "text"
                parsed.faults.add(
                    f"{text}, which a spreadsheet program makes of a {example}; format the column as {kind} and write "
                    "it again."
                )


def _letters(column: int) -> str:
    """The letters of a spreadsheet's column: 0 -> A, 26 -> AA."""
    column, last = divmod(column, 26)
    return (_letters(column - 1) if column else "") + chr(ord("A") + last)


def _texts(rows: Sequence[Sequence[Cell]], at: int) -> set[str]:
    """What stands in a column."""
    return {text for row in rows if at < len(row) and (text := to_text(row[at])) is not None}


def _unit_of_add_on(rows: Sequence[Sequence[Cell]], columns: dict[str, int], factors: dict[str, float]) -> list[str]:
    """Concentrations of add-ons that name no unit are in that of the drugs: where these name one, and with a note."""
    if "add_on_concentration" in factors or "add_on_unit" in columns:
        return []
    units = {nanomolar(unit) for unit in _texts(rows, columns["unit"])} if "unit" in columns else set()
    only = next(iter(units)) if len(units) == 1 else factors.get("concentration")
    if only is not None:
        factors["add_on_concentration"] = only
    elif units:
        columns["add_on_unit"] = columns["unit"]
    else:
        return []
    return ["AddOnConcentration says no unit and is read in that of Concentration; AddOnConcentration_nM would say it."]


def _parse_well(
    cells: Mapping[str, Cell], factors: Mapping[str, float], number: int, written: NumberFormat, faults: Faults
) -> dict[str, object]:
    place = f"row {number}"
    plate = to_name(cells["plate"])
    if plate is None:
        faults.add(f"{place}: Plate is empty; write the plate's name, such as 1 or P1.")
    row, column = "", 0
    try:
        row, column = _place_on_plate(cells)
        place = f"row {number} (plate {plate}, well {well_name(row, column)})"
    except InputError as error:
        faults.add(f"{place}: {error}")
    treatment = to_name(cells["treatment"])
    well_type = _well_type(to_name(cells["well_type"]), treatment, place, faults)
    dosed = well_type in ("therapy", "trc")
    before = len(faults.messages)
    concentration = _nanomolar(cells, "concentration", factors, dosed, written, place, faults)
    add_on, add_on_dose = _second(cells, factors, well_type, written, place, faults)
    if well_type == "therapy" and add_on is not None and add_on_dose and _is_without(treatment, concentration):
        # The forms of two drugs give the second one alone as a dose of 0 of the first.
        treatment, concentration, add_on, add_on_dose = add_on, add_on_dose, None, None
    if treatment is not None:
        treatment = re.sub(r"_(?:control|drug)\Z", "", treatment)
    if well_type == "empty" and treatment is not None and treatment.casefold() in _BLANK:
        well_type = "blank"
    if well_type in ("empty", "untreated"):
        treatment, concentration = None, None
    if well_type in ("therapy", "trc"):
        missing = not any(told.startswith(f"{place}: Concentration is ") for told in faults.messages[before:])
        faults.extend(f"{place}: {fault}" for fault in _dose_faults(well_type, treatment, concentration, missing))
    elif concentration is not None and concentration < 0:
        faults.add(f"{place}: Concentration is {concentration:g}; a concentration cannot be negative.")
    return {
        "plate": plate,
        "row": row,
        "column": column,
        "sample": to_name(cells.get("sample")),
        "well_type": well_type,
        "treatment": treatment,
        "concentration_nM": concentration,
        "replicate": _replicate(cells, place, faults),
        "add_on": add_on,
        ADD_ON_DOSE: add_on_dose,
        "readout": _number(cells, "readout", written, place, faults),
        "named_class": to_name(cells.get("named_class")),
    }


def _is_without(treatment: str | None, concentration: float | None) -> bool:
    """Whether a well is without the drug of the column Treatment, by its dose or by the word in place of a name."""
    return concentration == 0 or (concentration is None and add_on_of(treatment) is None)


def _place_on_plate(cells: Mapping[str, Cell]) -> tuple[str, int]:
    if "row" not in cells:
        text = to_text(cells["well"])
        if text is None:
            raise InputError("Well is empty; write the row letter and the column, such as B07.")
        return parse_well(text)
    letters, column = to_text(cells["row"]), to_text(cells["column"])
    if letters is None:
        raise InputError("Row is empty; write a letter A to Z, or AA to AF.")
    row = row_label(row_index(letters))
    if column is None or not _COUNT.match(column) or not 1 <= int(column) <= MAX_COLUMNS:
        raise InputError(f"Column is {column or 'empty'!r}; write a whole number from 1 to {MAX_COLUMNS}.")
    return row, int(column)


def _second(
    cells: Mapping[str, Cell],
    factors: Mapping[str, float],
    well_type: str,
    written: NumberFormat,
    place: str,
    faults: Faults,
) -> tuple[str | None, float | None]:
    """The second treatment of a well and its concentration [nM]."""
    name = to_name(cells.get("add_on"))
    if well_type in ("empty", "exclude"):
        return add_on_of(name), None
    dosed = add_on_of(name) is not None
    said = to_text(cells.get("add_on_concentration"))
    if said is not None and means_nothing(said):
        cells = {**cells, "add_on_concentration": None}
    dose = _nanomolar(cells, "add_on_concentration", factors, dosed, written, place, faults)
    add_on, dose, fault = dosed_add_on(name, dose)
    if fault:
        faults.add(f"{place}: {fault}")
    return add_on, dose


def _nanomolar(
    cells: Mapping[str, Cell],
    meaning: str,
    factors: Mapping[str, float],
    dosed: bool,
    written: NumberFormat,
    place: str,
    faults: Faults,
) -> float | None:
    """The concentration [nM] in a column: in the unit of the row, else of the column's name, else nM."""
    number, factor = _number(cells, meaning, written, place, faults), factors.get(meaning)
    if number is None:
        return None
    named, name = SPELLINGS[meaning][0], SPELLINGS[_UNIT_OF[meaning]][0]
    unit = to_text(cells.get(_UNIT_OF[meaning]))
    if unit is None:
        if _UNIT_OF[meaning] in cells and dosed and factor is None:
            faults.add(f"{place}: {name} is empty but given in other rows; write the unit of the concentration.")
        return _same_dose(number * (factor or 1.0))
    own = nanomolar(unit)
    if own is None or (factor is not None and own != factor):
        if dosed:
            what = f"contradicts the name of the column {named}" if own is not None else "cannot be turned into nM"
            faults.add(f"{place}: {name} {unit!r} {what}; write pM, nM, uM, mM or M, the same in both places.")
        return None
    return _same_dose(number * own)


def _same_dose(concentration: float) -> float:
    """A spreadsheet's 0.1 * 3 and 0.3 are one dose: what differs beyond 12 digits is arithmetic."""
    return float(f"{concentration:.12g}")


def _number(cells: Mapping[str, Cell], meaning: str, written: NumberFormat, place: str, faults: Faults) -> float | None:
    try:
        return written.number(cells.get(meaning))
    except ValueError:
        name = SPELLINGS[meaning][0]
        hint = f" (a unit stands in the column's name: {name}_uM)" if meaning in _UNIT_OF else ""
        faults.add(f"{place}: {name} is {no_number(cells[meaning])}{hint}, or leave it empty.")
        return None


def _replicate(cells: Mapping[str, Cell], place: str, faults: Faults) -> int | None:
    text = to_text(cells.get("replicate"))
    if text is None:
        return None
    if not _COUNT.match(text) or int(text) < 1:
        faults.add(f"{place}: Replicate is {text!r}; number the replicates 1, 2, 3.")
        return None
    return int(text)


def _well_type(text: str | None, treatment: str | None, place: str, faults: Faults) -> str:
    if text is None:
        if treatment is not None:
            faults.add(f"{place}: WellType is empty but the well holds {treatment!r}; write neg, pos or therapy.")
        return "empty"
    return _WELL_TYPES.get(plain(text), text)


def _dose_faults(well_type: str, treatment: str | None, concentration: float | None, missing: bool) -> list[str]:
    """Faults of a dosed well; `missing` is whether a concentration that is None was not told to be unreadable."""
    found = []
    if treatment is None:
        found.append(f"a {well_type} well without Treatment; write the drug's name.")
    if concentration is None and missing:
        found.append(f"a {well_type} well without Concentration; write it in nM.")
    elif concentration is not None and not 0 < concentration < float("inf"):
        found.append(
            f"Concentration is {concentration:g}; a {well_type} well needs one above 0 (in nM, not its logarithm)."
        )
    return found
