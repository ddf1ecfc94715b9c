"""The layout: which treatment, concentration, control and replicate every well of a screen holds.

Belongs here: reading a layout file (workbook, csv, tsv, txt), cleaning, and the checks that make every later step safe.
Does not belong here: the header (`layout_columns`), single rows (`layout_rows`), doses and names that are possible but
doubtful (`layout_doubts`), numbers of the plate reader (`matrices`), which wells serve as controls of a readout
(`phenodose.viability.controls`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from phenodose.errors import InputError, MissingInputError
from phenodose.io.spreadsheet import ACCEPTED, SPREADSHEETS, TEXT_TABLES, Sheet, read_delimited
from phenodose.io.workbook import read_sheets, the_sheet
from phenodose.names import ADD_ON_DOSE, class_key, plate_key, plate_sort_key, row_index, well_name
from phenodose.screens.layout_add_ons import complete_add_ons
from phenodose.screens.layout_columns import is_layout, is_like_layout
from phenodose.screens.layout_doubts import layout_doubts
from phenodose.screens.layout_rows import parse_rows

#: How a person says what stands for viability 0 where no cells were killed.
LOWER_ANCHOR = "--lower-anchor 0, blank or a treatment; lower_anchor below [controls.<readout>] in screen.toml"

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
    "named_class",
    ADD_ON_DOSE,
)

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
            integer column; nullable integer replicate; float concentration_nM and add_on_concentration_nM [nM]
            and readout (as in the file); text named_class, what a person calls the well by its image. Empty is missing.
        notes: sentences on what was chosen among several and what looks doubtful, each begins with the file.
    """

    path: Path
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

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


def read_layout(path: Path, sheet: str | None = None, way: str = "--sheet NAME", needs_positive: bool = True) -> Layout:
    """Read and check a layout file.

    Concentrations are in nM unless the column's name (Concentration_uM) or a column Unit says another unit. If
    no therapy well has a replicate number, the wells of one treatment and concentration are numbered in plate
    order.

    Args:
        path: the file.
        sheet: name of the sheet, where a workbook holds several layouts.
        way: how a sheet is named, as messages tell it.
        needs_positive: whether a layout without killed cells is refused; not where viability 0 is said otherwise.

    Raises:
        InputError: the file is missing, not a table, or its wells do not make a layout; all faults of
            the file in one message, each with its row, well and remedy.
    """
    table, notes = _open(Path(path), sheet, way)
    parsed = parse_rows(table)
    parsed.faults.raise_if_any()
    records = parsed.records
    frame = _tidy(records)
    rows = {index: record["file_row"] for index, record in enumerate(records)}
    parsed.faults.extend(_faults_of_wells(frame, rows, needs_positive))
    if frame[ADD_ON_DOSE].notna().any():
        of_add_ons, told = complete_add_ons(frame, rows)
        parsed.faults.extend(of_add_ons)
        parsed.notes += told
    parsed.faults.raise_if_any()
    numbered = bool(frame.loc[frame["well_type"] == "therapy", "replicate"].notna().any())
    finished = _finish(frame)
    doubts = layout_doubts(finished, numbered, parsed.is_unit_said)
    name = Path(path).name
    return Layout(Path(path), finished, tuple(notes + [f"{name}: {note}" for note in parsed.notes + doubts]))


def _open(path: Path, sheet: str | None, way: str) -> tuple[Sheet, list[str]]:
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such layout file; check the path.")
    suffix = path.suffix.lower()
    if suffix in SPREADSHEETS:
        sheets = read_sheets(path.read_bytes(), str(path))
        whole = any(is_layout(one) for one in sheets)
        return the_sheet(sheets, str(path), is_layout if whole else is_like_layout, sheet, "a layout", way)
    if suffix in TEXT_TABLES:
        return read_delimited(path.read_bytes(), str(path)), []
    raise InputError(f"{path}: a layout is one of {', '.join(ACCEPTED)}; save it as .xlsx or .csv.")


# --- the wells together --------------------------------------------------------------------------


def _tidy(records: list[dict[str, object]]) -> pd.DataFrame:
    """The records as a frame in file order, plate names cleaned, the one sample filled in everywhere."""
    frame = pd.DataFrame(records)
    samples = frame["sample"].dropna().unique()
    if len(samples) == 1:
        frame["sample"] = samples[0]
    prefixes = ["sample", *(str(sample) for sample in samples[:1] if len(samples) == 1)]
    named = "|".join(re.escape(prefix) for prefix in prefixes)
    pattern = re.compile(rf"(?:{named})_p(?:(?:latt?e)?[ _-]?(?=\d)|(?!latt?e[ _-]?\d)(?=.))", re.IGNORECASE)
    labels: dict[str, str] = {}
    cleaned = [pattern.sub("", text, count=1) for text in frame["plate"]]
    frame["plate"] = [labels.setdefault(plate_key(label), label) for label in cleaned]
    classes: dict[str, str] = {}
    frame["named_class"] = [
        classes.setdefault(class_key(name), name) if isinstance(name, str) else None for name in frame["named_class"]
    ]
    frame["well"] = [well_name(row, column) for row, column in zip(frame["row"], frame["column"], strict=True)]
    return frame


def _faults_of_wells(frame: pd.DataFrame, file_rows: Mapping[int, object], needs_positive: bool) -> list[str]:
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
    if needs_positive and types.isin(_NEVER_POSITIVE).all():
        found.append(
            "there are no positive controls; set WellType to pos for the wells with the killing control, or say what "
            f"stands for viability 0 ({LOWER_ANCHOR}; found: {there})."
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
        same = ["sample", "treatment", "concentration_nM", "add_on", ADD_ON_DOSE]
        numbers = frame.loc[therapy].groupby(same, dropna=False, sort=False).cumcount() + 1
        frame.loc[therapy, "replicate"] = numbers.astype(float)
    frame["replicate"] = frame["replicate"].astype("Int64")
    frame["column"] = frame["column"].astype("int64")
    for name in ("concentration_nM", ADD_ON_DOSE, "readout"):
        frame[name] = frame[name].astype("float64")
    return frame[list(LAYOUT_COLUMNS)]
