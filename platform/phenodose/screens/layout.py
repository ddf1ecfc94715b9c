"""The layout: which treatment, concentration, control and replicate every well of a screen holds.

Belongs here: reading a layout file (xlsx, csv, tsv, txt), the spellings it accepts, cleaning, and the
checks that make every later step safe. Does not belong here: the header (`layout_columns`), numbers of the plate
reader (`matrices`), which wells serve as controls of a readout (`phenodose.viability.controls`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.spreadsheet import (
    ACCEPTED,
    SPREADSHEETS,
    TEXT_TABLES,
    Cell,
    Sheet,
    no_number,
    read_delimited,
    read_spreadsheet,
    to_name,
    to_number,
    to_text,
)
from phenodose.names import MAX_COLUMNS, parse_well, plate_key, plate_sort_key, row_index, row_label, well_name
from phenodose.screens.layout_columns import SPELLINGS, find_columns, header_row, headline, nanomolar, plain

#: Columns of `Layout.frame`.
LAYOUT_COLUMNS = (
    "plate",
    "row",
    "column",
    "well",
    "sample",
    "well_type",
    "treatment",
    "concentration_nM",
    "replicate",
    "add_on",
    "readout",
)

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

#: Well types that can never stand for viability 0.
_NEVER_POSITIVE = {"neg", "therapy", "trc", "untreated", "empty", "exclude", "t0"}


@dataclass(frozen=True)
class Layout:
    """The wells of a screen.

    Attributes:
        path: the file it was read from.
        frame: one row a well, sorted by plate, row and column, with the columns `LAYOUT_COLUMNS`:
            text plate, row, well (such as B07), sample, well_type (neg, pos, therapy, trc, untreated,
            t0 for cells read when treatment began, empty, exclude or a free name), treatment, add_on;
            integer column; nullable integer replicate; float concentration_nM [nM] and readout (as in the
            file). Empty is missing.
    """

    path: Path
    frame: pd.DataFrame

    @property
    def plates(self) -> list[str]:
        """Plate names in plate order."""
        return list(dict.fromkeys(self.frame["plate"]))

    @property
    def samples(self) -> list[str]:
        """Samples that the file names, in order; empty if it names none."""
        return sorted(self.frame["sample"].dropna().unique())

    @property
    def drugs(self) -> list[str]:
        """Treatments of the therapy wells, in alphabetical order."""
        therapy = self.frame["well_type"] == "therapy"
        return sorted(self.frame.loc[therapy, "treatment"].unique())

    @property
    def has_readouts(self) -> bool:
        """Whether the file brings the readings of its wells along."""
        return bool(self.frame["readout"].notna().any())


def read_layout(path: Path) -> Layout:
    """Read and check a layout file.

    Concentrations are in nM unless the column's name (Concentration_uM) or a column Unit says another unit. If
    no therapy well has a replicate number, the wells of one treatment and concentration are numbered in plate
    order.

    Raises:
        InputError: the file is missing, not a table, or its wells do not make a layout; all faults of
            the file in one message, each with its row, well and remedy.
    """
    sheet = _open(Path(path))
    records, faults = _parse(sheet)
    faults.raise_if_any()
    frame = _tidy(records)
    faults.extend(_faults_of_wells(frame, {index: record["file_row"] for index, record in enumerate(records)}))
    faults.raise_if_any()
    return Layout(Path(path), _finish(frame))


def _open(path: Path) -> Sheet:
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such layout file; check the path.")
    suffix = path.suffix.lower()
    if suffix in SPREADSHEETS:
        return read_spreadsheet(path.read_bytes(), str(path))
    if suffix in TEXT_TABLES:
        return read_delimited(path.read_bytes(), str(path))
    raise InputError(f"{path}: a layout is one of {', '.join(ACCEPTED)}; save it as .xlsx or .csv.")


# --- rows ----------------------------------------------------------------------------------------


def _parse(sheet: Sheet) -> tuple[list[dict[str, object]], Faults]:
    """One record a well of the sheet; what cannot be read is told in the faults."""
    faults = Faults(sheet.place)
    start = header_row(sheet)
    if start is None:
        raise InputError(f"{sheet.place}: is empty; write one row a well below the header {', '.join(headline())}.")
    columns, factor = find_columns(sheet.rows[start], faults)
    if faults:
        return [], faults
    below = sheet.rows[start + 1 :]
    if not any(columns["unit"] < len(row) and row[columns["unit"]] is not None for row in below if "unit" in columns):
        columns.pop("unit", None)
    records: list[dict[str, object]] = []
    for number, row in enumerate(below, start + 2):
        cells = {name: row[at] if at < len(row) else None for name, at in columns.items()}
        if any(cell is not None for cell in cells.values()):
            record = _parse_well(cells, factor, number, faults)
            records.append({**record, "file_row": number})
    if not records:
        faults.add("there is a header but no well; write one row a well below it.")
    return records, faults


def _parse_well(cells: Mapping[str, Cell], factor: float | None, number: int, faults: Faults) -> dict[str, object]:
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
    concentration = _nanomolar(cells, factor, well_type, place, faults)
    if treatment is not None:
        treatment = re.sub(r"_(?:control|drug)\Z", "", treatment)
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
        "add_on": to_name(cells.get("add_on")),
        "readout": _number(cells, "readout", place, faults),
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
    cells: Mapping[str, Cell], factor: float | None, well_type: str, place: str, faults: Faults
) -> float | None:
    """The concentration [nM]: in the unit of the row, else of the column's name, else nM."""
    number = _number(cells, "concentration", place, faults)
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


def _number(cells: Mapping[str, Cell], meaning: str, place: str, faults: Faults) -> float | None:
    try:
        return to_number(cells.get(meaning))
    except ValueError:
        hint = " (a unit stands in the column's name: Concentration_uM)" if meaning == "concentration" else ""
        faults.add(f"{place}: {SPELLINGS[meaning][0]} is {no_number(cells[meaning])}{hint}, or leave it empty.")
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


# --- the wells together --------------------------------------------------------------------------


def _tidy(records: list[dict[str, object]]) -> pd.DataFrame:
    """The records as a frame in file order, plate names cleaned, the one sample filled in everywhere."""
    frame = pd.DataFrame(records)
    samples = frame["sample"].dropna().unique()
    if len(samples) == 1:
        frame["sample"] = samples[0]
    prefixes = ["sample_p", *(f"{sample}_p" for sample in samples[:1] if len(samples) == 1)]
    pattern = re.compile("(?:" + "|".join(re.escape(prefix) for prefix in prefixes) + r")(?=.)", re.IGNORECASE)
    labels: dict[str, str] = {}
    cleaned = [pattern.sub("", text, count=1) for text in frame["plate"]]
    frame["plate"] = [labels.setdefault(plate_key(label), label) for label in cleaned]
    frame["well"] = [well_name(row, column) for row, column in zip(frame["row"], frame["column"], strict=True)]
    return frame


def _faults_of_wells(frame: pd.DataFrame, file_rows: Mapping[int, object]) -> list[str]:
    """Faults that only show when all wells are seen together."""
    found = []
    for (plate, well), group in frame[frame.duplicated(["plate", "well"], keep=False)].groupby(["plate", "well"]):
        rows = [str(file_rows[index]) for index in group.index]
        found.append(
            f"plate {plate}, well {well} stands in rows {', '.join(rows[:-1])} and {rows[-1]}; list a well once."
        )
    if len(frame["sample"].dropna().unique()) > 1 and frame["sample"].isna().any():
        rows = [str(file_rows[index]) for index in frame.index[frame["sample"].isna()][:5]]
        found.append(f"several samples but Sample is empty in row {', '.join(rows)}; write the sample in every row.")
    types = frame["well_type"]
    there = ", ".join(sorted(types.unique()))
    if not (types == "neg").any():
        found.append(
            f"there are no negative controls; set WellType to neg for the wells with DMSO alone (found: {there})."
        )
    if types.isin(_NEVER_POSITIVE).all():
        found.append(
            "there are no positive controls; set WellType to pos for the wells with the killing control "
            f"(found: {there})."
        )
    therapy = frame[types == "therapy"]
    for names in (therapy["treatment"], frame["add_on"]):
        found.extend(_two_spellings(names, file_rows))
    if therapy["replicate"].notna().any() and therapy["replicate"].isna().any():
        rows = [str(file_rows[index]) for index in therapy.index[therapy["replicate"].isna()][:5]]
        found.append(
            f"Replicate is empty for therapy wells in row {', '.join(rows)} but given in others; "
            "number all of them, or leave the whole column empty."
        )
    return found


def _two_spellings(names: pd.Series, file_rows: Mapping[int, object]) -> list[str]:
    """Names that differ in upper and lower case alone: they would be two drugs with half of the wells each."""
    found = []
    names = names.dropna()
    for _, alike in names.groupby(names.str.casefold()):
        spellings = alike.drop_duplicates()
        if len(spellings) > 1:
            rows = [file_rows[index] for index in spellings.index]
            places = " and ".join(f"{name!r} (row {row})" for name, row in zip(spellings, rows, strict=True))
            found.append(f"{places} differ in upper and lower case alone; write one name for one drug.")
    return found


def _finish(frame: pd.DataFrame) -> pd.DataFrame:
    """Sorted by plate, row and column, replicates numbered, types set, columns in their order."""
    keys = [
        (plate_sort_key(plate), row_index(row), column)
        for plate, row, column in zip(frame["plate"], frame["row"], frame["column"], strict=True)
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    frame = frame.iloc[order].reset_index(drop=True)
    therapy = frame["well_type"] == "therapy"
    if frame.loc[therapy, "replicate"].isna().all():
        same = ["sample", "treatment", "concentration_nM", "add_on"]
        numbers = frame.loc[therapy].groupby(same, dropna=False, sort=False).cumcount() + 1
        frame.loc[therapy, "replicate"] = numbers.astype(float)
    frame["replicate"] = frame["replicate"].astype("Int64")
    frame["column"] = frame["column"].astype("int64")
    for name in ("concentration_nM", "readout"):
        frame[name] = frame[name].astype("float64")
    return frame[list(LAYOUT_COLUMNS)]
