"""The sheets of a workbook, and the one that is meant.

Belongs here: opening xlsx, xlsm, xls and ods, which sheets are hidden, and choosing a sheet so that never the first of
several is taken without a word. Does not belong here: cells (`phenodose.io.spreadsheet`) and what they mean.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from phenodose.errors import InputError
from phenodose.io.spreadsheet import Sheet, to_cell
from phenodose.io.workbook_apart import read_apart
from phenodose.io.workbook_broken import broken_cells
from phenodose.io.workbook_size import refuse_huge


def read_sheets(content: bytes, name: str) -> list[Sheet]:
    """All tables of a workbook in its order, hidden ones too; chart sheets are none.

    A sheet other than the first that cannot be read counts as empty.

    Raises:
        InputError: the bytes are no workbook, it has no sheet, its first sheet cannot be read, or it is larger than a
            table of plates can be.
    """
    return read_here(content, name) if refuse_huge(content, name) else read_apart(content, name)


def read_here(content: bytes, name: str) -> list[Sheet]:
    """The same of a workbook that is known to be small, or in a process with limits."""
    import python_calamine

    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        about = [one for one in workbook.sheets_metadata if one.typ == python_calamine.SheetTypeEnum.WorkSheet]
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be opened as a workbook ({error}); save it again as .xlsx.") from error
    except BaseException as error:
        if not _gave_up(error):
            raise
        raise InputError(f"{name}: cannot be opened as a workbook ({error}); save it again as .xlsx.") from error
    if not about:
        raise InputError(f"{name}: the workbook has no sheet; put the table on the first sheet.")
    broken = broken_cells(content)
    sheets = []
    for number, one in enumerate(about):
        rows, merged = _rows(workbook, one.name, name, "first sheet" if number == 0 else "")
        hidden = one.visible != python_calamine.SheetVisibleEnum.Visible
        place = f"{name}, sheet {one.name!r}"
        sheets.append(Sheet(place, rows, one.name, hidden, merged, broken.get(one.name, {})))
    return sheets


def _rows(workbook: Any, sheet: str, name: str, needed: str) -> tuple[list[list[Any]], list[tuple[int, int, int]]]:
    """The cells of a sheet and those merged down a column; none if it cannot be read and is not needed."""
    import python_calamine

    try:
        table = workbook.get_sheet_by_name(sheet)
        rows = table.to_python(skip_empty_area=False)
        # Not every release and format tells merged cells.
        ranges = getattr(table, "merged_cell_ranges", None) or []
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        if not needed:
            return [], []
        raise InputError(f"{name}: cannot be opened as a workbook ({error}); save it again as .xlsx.") from error
    except BaseException as error:
        if not _gave_up(error):
            raise
        if not needed:
            return [], []
        raise InputError(
            f"{name}: a cell of the {needed} cannot be read ({error}); look for dates that are none, and format "
            "such cells as numbers or text."
        ) from error
    merged = [(left, top, bottom) for (top, left), (bottom, right) in ranges if left == right and top < bottom]
    return [[to_cell(value) for value in row] for row in rows], merged


def _gave_up(error: BaseException) -> bool:
    """Whether Rust code gave up: what it raises is no Exception, and its class cannot be imported."""
    return isinstance(error, OverflowError) or type(error).__name__ == "PanicException"


def the_sheet(
    sheets: Sequence[Sheet], name: str, fits: Callable[[Sheet], bool], wanted: str | None, what: str, way: str
) -> tuple[Sheet, list[str]]:
    """The sheet that is meant, and notes.

    It is the one that was named; else the only visible one that fits, hidden ones told in a note. Where none fits, it
    is the first visible one, whose faults then say why.

    Args:
        sheets: from `read_sheets`.
        name: the file, as messages name it.
        fits: whether a sheet holds what is looked for.
        wanted: name of the sheet; None if nobody said.
        what: what is looked for, such as 'a layout'.
        way: how a sheet is named, such as '--sheet NAME'.

    Raises:
        InputError: no sheet has that name, several fit, or the only one that fits is hidden; all are named.
    """
    if wanted is not None:
        named = [sheet for sheet in sheets if sheet.title == wanted]
        named = named or [sheet for sheet in sheets if sheet.title.strip().casefold() == wanted.strip().casefold()]
        if len(named) != 1:
            raise InputError(f"{name}: there is no sheet {wanted!r} (asked for by {way}); it has {listed(sheets)}.")
        return named[0], []
    if len(sheets) == 1:
        return sheets[0], []
    fitting = [sheet for sheet in sheets if fits(sheet)]
    shown = [sheet for sheet in fitting if not sheet.hidden]
    if len(shown) > 1 or (fitting and not shown):
        text = f"{len(fitting)} sheets hold" if len(fitting) > 1 else "only a hidden sheet holds"
        raise InputError(
            f"{name}: {text} {what}: {listed(fitting)}; say which one counts ({way}), or delete what does not count."
        )
    if shown:
        hidden = [sheet for sheet in fitting if sheet.hidden]
        text = f"{listed(hidden)} holds {what} too and is passed over"
        notes = [f"{PurePath(name).name}: sheet {shown[0].title!r} is read; {text}."]
        return shown[0], notes if hidden else []
    first = next((sheet for sheet in sheets if not sheet.hidden), sheets[0])
    place = f"{name}, sheet {first.title!r} (of {len(sheets)} sheets none holds {what})"
    return replace(first, place=place), []


def listed(sheets: Sequence[Sheet]) -> str:
    """The sheets by name, hidden ones marked."""
    return ", ".join(f"{'hidden ' if sheet.hidden else ''}{sheet.title!r}" for sheet in sheets)


def read_spreadsheet(content: bytes, name: str) -> Sheet:
    """The first visible sheet of a workbook, for tables that nobody keeps several of in one file.

    Raises:
        InputError: as `read_sheets`.
    """
    sheets = read_sheets(content, name)
    first = next((sheet for sheet in sheets if not sheet.hidden), sheets[0])
    more = f" (one of {len(sheets)}; only the first visible one is read)" if len(sheets) > 1 else ""
    return replace(first, place=first.place + more)
