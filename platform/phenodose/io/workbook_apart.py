"""Reading a workbook in a process of its own, within limits of memory and time.

For workbooks whose size cannot be told before they are read: those of the older binary formats, and those whose parts
are no plain XML. A reader that asks for more memory than there is ends its process, and no other.

Belongs here: both sides of that process. Does not belong here: the reading itself (`workbook`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from phenodose.errors import InputError
from phenodose.io.spreadsheet import Cell, DateText, Sheet

#: A workbook of 64 MB takes less than either.
MOST_BYTES, MOST_SECONDS = 2 << 30, 60.0
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from phenodose.io.workbook_apart import answer; answer(sys.argv[1])"


def read_apart(content: bytes, name: str) -> list[Sheet]:
    """The tables of a workbook, as `workbook.read_sheets` gives them.

    Raises:
        InputError: as `workbook.read_sheets`, or the reader came to no end within the limits.
    """
    paths = [str(Path(place).absolute()) for place in sys.path]
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-c", _BOOT, name, *paths],
            input=content,
            capture_output=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{name}: cannot be read within {MOST_SECONDS:.0f} s; save only the sheet with the table as a new .xlsx."
        ) from error
    if ended.returncode:
        raise InputError(
            f"{name}: its reader ended without an answer, as where cells that lie far apart need more than "
            f"{MOST_BYTES >> 30} GiB of memory; save only the sheet with the table as a new .xlsx."
        )
    told = json.loads(ended.stdout)
    if "fault" in told:
        raise InputError(told["fault"])
    return [_sheet(one) for one in told["sheets"]]


def answer(name: str) -> None:
    """The other side: read the workbook at standard input, write its tables to standard output as JSON."""
    from phenodose.io.workbook import read_here

    content = sys.stdin.buffer.read()
    _limit_memory()
    try:
        told: dict[str, Any] = {"sheets": [_plain(sheet) for sheet in read_here(content, name)]}
    except InputError as error:
        told = {"fault": str(error)}
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # a system without such limits: that of time stands
        return
    # Addresses, not memory in use: a reader that asks for too much ends before the machine has to find it.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    # No core file of what somebody else sent.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _plain(sheet: Sheet) -> dict[str, Any]:
    def cell(value: Cell) -> Any:
        return {"date": str(value)} if isinstance(value, DateText) else value

    broken = [[*place, held] for place, held in sheet.broken.items()]
    return asdict(sheet) | {"rows": [[cell(value) for value in row] for row in sheet.rows], "broken": broken}


def _sheet(told: dict[str, Any]) -> Sheet:
    def cell(value: Any) -> Cell:
        return DateText(value["date"]) if isinstance(value, dict) else value

    rows = [[cell(value) for value in row] for row in told["rows"]]
    merged = [(left, top, bottom) for left, top, bottom in told["merged"]]
    broken = {(row, column): held for row, column, held in told["broken"]}
    return Sheet(told["place"], rows, told["title"], told["hidden"], merged, broken)
