"""The rows of a layout: one record a well, and everything in a row that cannot be read.

Belongs here: what stands in the cells of one row, and the words that mean well types and 'no add-on'. Does not belong
here: the header (`layout_columns`) and the wells together (`layout`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phenodose.errors import Faults, InputError
from phenodose.io.number_format import AmbiguousNumbersError, NumberFormat, number_format
from phenodose.io.spreadsheet import Cell, DateText, Sheet, no_number, to_name, to_text
from phenodose.names import MAX_COLUMNS, parse_well, row_index, row_label, well_name
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

#: What a column AddOn says of wells without one, in lower case and without blanks, '_', '-' and brackets around it.
_NO_ADD_ON = frozenset(
    [
        *("", "0", "0.0", "/", "\\", ".", "–", "—", "no", "non", "none", "nil", "null", "nothing", "without", "w/o"),
        *("n.a.", "n.a", "single", "keinaddon", "nonegiven", "mediumonly", "ø", "∅"),
        *("noaddon", "nodrug", "notreatment", "nocompound", "drugfree", "notapplicable", "notadded", "empty", "blank"),
        *(
            "mono",
            "monotherapy",
            "singleagent",
            "alone",
            "untreated",
            "mock",
            "kein",
            "keine",
            "keines",
            "ohne",
            "aucun",
        ),
        *("medium", "media", "pbs", "saline", "water", "h2o", "control", "ctrl", "false"),
    ]
)
#: Or the solvent, whatever strength is written beside it: 'DMSO 0.1 %', 'Vehicle control'.
_SOLVENT = re.compile(
    r"\+?(?:with)?(?:[0-9.,]+%(?:v/v)?)?(?:dmso|vehicle|vehikel|solvent|veh|carrier|ethanol|etoh|lösungsmittel)(?:control|ctrl|only|alone|kontrolle)?"
    r"\(?(?:[0-9.,]+(?:vol)?%)?(?:v/v)?(?:dmso)?\)?(?:v/v)?"
)
#: A name that a spreadsheet program made a date of, and wrote into a text: 2-Sep for SEPT-2.
_DATE_IN_TEXT = re.compile(
    r"[0-3]?[0-9][-.] ?(?:jan|feb|mar|mär|mrz|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
    r"(?:[- ][0-9]{2,4})?"
    r"|[0-9]{4}-[01][0-9]-[0-3][0-9](?: 00:00:00)?",
    re.IGNORECASE,
)
_NUMERIC = ("concentration", "readout")
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
    columns, factor = find_columns(sheet.rows[start], faults)
    if faults:
        return parsed
    below = [list(row) for row in sheet.rows[start + 1 :]]
    _fill_merged(below, sheet, start + 1, columns)
    _refuse_broken(sheet, start, columns, faults)
    if not any(columns["unit"] < len(row) and row[columns["unit"]] is not None for row in below if "unit" in columns):
        columns.pop("unit", None)
    parsed.is_unit_said = factor is not None or "unit" in columns
    if faults:
        return parsed
    _tell_dates(below, columns, start + 2, parsed, bool(sheet.title))
    if faults:
        return parsed
    written = NumberFormat()
    try:
        readings, doses = (
            [row[columns[name]] for row in below if columns[name] < len(row)] if name in columns else []
            for name in ("readout", "concentration")
        )
        written = number_format(readings, doses)
    except AmbiguousNumbersError as error:
        faults.add(str(error))
        return parsed
    parsed.notes += [written.note] if written.note else []
    for number, row in enumerate(below, start + 2):
        cells = {name: row[at] if at < len(row) else None for name, at in columns.items()}
        if any(cell is not None for cell in cells.values()):
            record = _parse_well(cells, factor, number, written, faults)
            parsed.records.append({**record, "file_row": number})
    if not parsed.records:
        faults.add("there is a header but no well; write one row a well below it.")
    parsed.notes += unread(sheet, start, columns, factor, parsed.records)
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


def _parse_well(
    cells: Mapping[str, Cell], factor: float | None, number: int, written: NumberFormat, faults: Faults
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
    concentration = _nanomolar(cells, factor, well_type, written, place, faults)
    if treatment is not None:
        treatment = re.sub(r"_(?:control|drug)\Z", "", treatment)
    if well_type == "empty" and treatment is not None and treatment.casefold() in _BLANK:
        well_type = "blank"
    if well_type in ("empty", "untreated"):
        treatment, concentration = None, None
    if well_type in ("therapy", "trc"):
        faults.extend(f"{place}: {fault}" for fault in _dose_faults(well_type, treatment, concentration))
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
        "add_on": _add_on(to_name(cells.get("add_on"))),
        "readout": _number(cells, "readout", written, place, faults),
        "named_class": to_name(cells.get("named_class")),
    }


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


def _nanomolar(
    cells: Mapping[str, Cell], factor: float | None, well_type: str, written: NumberFormat, place: str, faults: Faults
) -> float | None:
    """The concentration [nM]: in the unit of the row, else of the column's name, else nM."""
    number = _number(cells, "concentration", written, place, faults)
    if number is None:
        return None
    dosed = well_type in ("therapy", "trc")
    unit = to_text(cells.get("unit"))
    if unit is None:
        if "unit" in cells and dosed and factor is None:
            faults.add(f"{place}: Unit is empty but given in other rows; write the unit of the concentration.")
        return _same_dose(number * (factor or 1.0))
    own = nanomolar(unit)
    if own is None or (factor is not None and own != factor):
        if dosed:
            what = "contradicts the name of the column Concentration" if own is not None else "cannot be turned into nM"
            faults.add(f"{place}: Unit {unit!r} {what}; write pM, nM, uM, mM or M, the same in both places.")
        return None
    return _same_dose(number * own)


def _same_dose(concentration: float) -> float:
    """A spreadsheet's 0.1 * 3 and 0.3 are one dose: what differs beyond 12 digits is arithmetic."""
    return float(f"{concentration:.12g}")


def _number(cells: Mapping[str, Cell], meaning: str, written: NumberFormat, place: str, faults: Faults) -> float | None:
    try:
        return written.number(cells.get(meaning))
    except ValueError:
        hint = " (a unit stands in the column's name: Concentration_uM)" if meaning == "concentration" else ""
        faults.add(f"{place}: {SPELLINGS[meaning][0]} is {no_number(cells[meaning])}{hint}, or leave it empty.")
        return None


def _add_on(text: str | None) -> str | None:
    """The second treatment; None where the word says that there is none."""
    if text is None:
        return None
    word = re.sub(r"[\s_-]", "", text.casefold())
    bare = word[1:-1] if word[:1] + word[-1:] in ("()", "[]", "<>") else word
    return None if bare in _NO_ADD_ON or _SOLVENT.fullmatch(word) else text


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


def _dose_faults(well_type: str, treatment: str | None, concentration: float | None) -> list[str]:
    found = []
    if treatment is None:
        found.append(f"a {well_type} well without Treatment; write the drug's name.")
    if concentration is None:
        found.append(f"a {well_type} well without Concentration; write it in nM.")
    elif not 0 < concentration < float("inf"):
        found.append(
            f"Concentration is {concentration:g}; a {well_type} well needs one above 0 (in nM, not its logarithm)."
        )
    return found
