"""Files of dose-response points, and the table of their fits.

Belongs here: reading the points that `phenodose fit` is given, checking them, and laying out the result.
Does not belong here: fitting (`fit`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.half_doses import HALF_DOSE_COLUMNS, half_doses
from phenodose.dose_response.points import CurvePoints, points_from_long
from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.spreadsheet import Cell, Sheet, read_delimited, to_number, to_text
from phenodose.io.workbook import read_spreadsheet
from phenodose.tables import CURVE_FIT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

ID_COLUMNS = ("curve_id", "set_id")
DOSE, INHIBITION = "dose", "inhibition"
#: Columns that say their unit; one of them may stand for `inhibition`.
IN_FRACTION, IN_PERCENT = "inhibition_fraction", "inhibition_percent"
#: Columns of a fits file after those of the points file, most wanted first.
_FIRST = ("model", "bottom", "top", "log10_mid", "slope", "asymmetry", "gof", "objective", "status")
FIT_COLUMNS: tuple[str, ...] = (
    *_FIRST,
    *(name for name in CURVE_FIT_COLUMNS if name not in _FIRST),
    *HALF_DOSE_COLUMNS,
)
#: Inhibitions beyond this (200 %) are rare as fractions; a file in which many are is in percent.
_LARGEST_FRACTION = 2.0
_MANY = 0.2


@dataclass(frozen=True)
class CurveFile:
    """What a file of points holds.

    Attributes:
        points: the curves in the order in which they first appear; the key is the id column.
        kept: one row a curve, the id and all further columns; where a column differs between the points of a
            curve its values are joined by ';'.
        notes: a sentence on each thing that was left out.
    """

    points: CurvePoints
    kept: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read_curve_file(path: Path, percent: bool = False) -> CurveFile:
    """Read a table with the columns curve_id (or set_id), dose [nM] and inhibition.

    Args:
        path: csv, tsv, txt or a workbook.
        percent: the column `inhibition` is in percent, not a fraction; the columns `inhibition_fraction` and
            `inhibition_percent` say it by themselves.

    Raises:
        InputError: a column is missing, a value is no number, a dose is negative or missing, the file holds
            no points, or its inhibitions seem to be in percent though nothing says so; all faults together.
    """
    sheet = _sheet(path)
    rows = [row for row in sheet.rows if any(cell is not None for cell in row)]
    header = [to_text(cell) or "" for cell in rows[0]] if rows else []
    identity = next((name for name in ID_COLUMNS if name in header), ID_COLUMNS[0])
    measured = _check_header(sheet.place, header, identity)
    if percent and measured == IN_FRACTION:
        raise InputError(f"{sheet.place}: --percent contradicts the column {IN_FRACTION}; leave one out.")
    if len(rows) < 2:
        raise InputError(f"{sheet.place}: has a header but no points; write one row a point.")
    header = [INHIBITION if name == measured else name for name in header]
    frame = _frame(rows[1:], header, identity, sheet.place)
    scale = 100.0 if percent or measured == IN_PERCENT else 1.0
    values = frame[INHIBITION].to_numpy(dtype=np.float64)
    if scale == 1.0:
        _refuse_percent(values, sheet.place)
    notes = []
    zero = int((frame[DOSE] == 0).sum())
    if zero:
        notes.append(f"{zero} points at dose 0 are left out: they have no place on a log axis.")
    points = points_from_long(frame.assign(**{INHIBITION: values / scale}), [identity], DOSE, INHIBITION, sort=False)
    return CurveFile(points, _kept(frame, identity), notes)


def fits_frame(curves: CurveBatch, kept: pd.DataFrame) -> pd.DataFrame:
    """One row a curve: the columns of `CurveFile.kept`, then `FIT_COLUMNS`."""
    import pandas as pd

    return pd.concat([kept, pd.concat([curves.to_frame(), half_doses(curves)], axis=1)[list(FIT_COLUMNS)]], axis=1)


def _sheet(path: Path) -> Sheet:
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such file; check the path.")
    if path.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".ods"):
        return read_spreadsheet(path.read_bytes(), str(path))
    return read_delimited(path.read_bytes(), str(path))


def _check_header(place: str, header: list[str], identity: str) -> str:
    """The column that holds the inhibitions, if nothing is wrong with the header."""
    faults = Faults(place)
    spellings = [name for name in (INHIBITION, IN_FRACTION, IN_PERCENT) if name in header]
    if len(spellings) > 1:
        faults.add(f"the columns {' and '.join(spellings)} both hold inhibitions; keep one.")
    measured = spellings[0] if spellings else INHIBITION
    for name in (identity, DOSE, measured):
        if name not in header:
            wanted = "curve_id (or set_id)" if name == ID_COLUMNS[0] else name
            faults.add(
                f"column {wanted} is missing; the header row holds {', '.join(filter(None, header)) or 'nothing'}."
            )
    for name in sorted({name for name in header if header.count(name) > 1 and name}):
        faults.add(f"column {name} stands in the header twice; rename one.")
    for name in header:
        if name in FIT_COLUMNS:
            faults.add(f"column {name} is also a column of the result; rename it.")
    faults.raise_if_any()
    return measured


def _frame(rows: list[list[Cell]], header: list[str], identity: str, place: str) -> pd.DataFrame:
    """The points with text ids, numbers for dose and inhibition, and further columns as they are."""
    import pandas as pd

    faults = Faults(place)
    columns: dict[str, list[Cell]] = {name: [] for name in header if name}
    for number, row in enumerate(rows, 2):
        for at, name in enumerate(header):
            if name:
                columns[name].append(_checked(row[at] if at < len(row) else None, name, identity, number, faults))
    faults.raise_if_any()
    return pd.DataFrame(columns).astype({DOSE: "float64", INHIBITION: "float64"})


def _checked(cell: Cell, name: str, identity: str, number: int, faults: Faults) -> Cell:
    """The cell as its column needs it; what is wrong with it goes to the faults."""
    if name not in (DOSE, INHIBITION):
        text = to_text(cell)
        if name == identity and text is None:
            faults.add(f"row {number}: {name} is empty; name the curve that the point belongs to.")
        return text
    try:
        value = to_number(cell)
    except ValueError:
        faults.add(f"row {number}: {name} is {cell!r}; write a number.")
        return None
    if name == DOSE and value is None:
        faults.add(f"row {number}: dose is empty; write the dose in nM.")
    if name == DOSE and value is not None and value < 0:
        faults.add(f"row {number}: dose is {value:g}; a dose is not negative (give the dose itself, not its log).")
    return value


def _refuse_percent(values: np.ndarray, place: str) -> None:
    known = np.abs(values[np.isfinite(values)])
    if len(known) and float((known > _LARGEST_FRACTION).mean()) > _MANY:
        raise InputError(
            f"{place}: inhibition reaches {known.max():g}, which looks like percent; a fraction runs from 0 to 1. "
            "Name the column inhibition_percent, or add --percent."
        )


def _kept(frame: pd.DataFrame, identity: str) -> pd.DataFrame:
    """One row a curve in order of appearance: the id and the further columns."""
    others = [name for name in frame.columns if name not in (identity, DOSE, INHIBITION)]
    grouped = frame.groupby(identity, sort=False)
    kept = grouped[others].agg(_joined) if others else grouped.size().to_frame().drop(columns=0)
    return kept.reset_index()


def _joined(values: pd.Series) -> str | None:
    different = list(dict.fromkeys(value for value in values if isinstance(value, str)))
    return ";".join(different) if different else None
