"""Folders of readings over time: `ctg/0h`, `ctg/24h`, `ctg/3d`.

Belongs here: what a folder's name says of its time, and which folders make a time course. Does not belong here: what
the files hold (`matrices`), and what is computed of them (`phenodose.time_courses`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from phenodose.errors import InputError
from phenodose.io.spreadsheet import ACCEPTED

_HOURS = re.compile(
    r"(?:t\s*=?\s*)?(\d+(?:[.,]\d+)?)[\s_-]*(h|hr|hrs|hour|hours|d|day|days|min|minutes)", re.IGNORECASE
)
_DAY = re.compile(r"(?:d|day|tag)[\s_-]*(\d+(?:[.,]\d+)?)", re.IGNORECASE)
_START = re.compile(r"(?:t|time)[\s_-]*(?:0|zero)", re.IGNORECASE)
_PER_UNIT = {"h": 1.0, "d": 24.0, "m": 1 / 60}


def hours_of(name: str) -> float | None:
    """The hours that a folder's name says; None if it says none.

    Example:
        >>> [hours_of(name) for name in ("24h", "T 0", "3 d", "day 2", "1.5 h", "P1", "72", "raw")]
        [24.0, 0.0, 72.0, 48.0, 1.5, None, None, None]
    """
    text = name.strip()
    if _START.fullmatch(text):
        return 0.0
    if found := _HOURS.fullmatch(text):
        return float(found[1].replace(",", ".")) * _PER_UNIT[found[2][0].lower()]
    if found := _DAY.fullmatch(text):
        return 24.0 * float(found[1].replace(",", "."))
    return None


def time_folders(folder: Path) -> dict[float, Path]:
    """The folders of times in the folder of a readout that hold files, by hours, the earliest first.

    Raises:
        InputError: two folders are of the same time.
    """
    found: dict[float, Path] = {}
    for path in sorted(folder.iterdir()):
        hours = hours_of(path.name) if path.is_dir() else None
        if hours is None or not has_files(path):
            continue
        if hours in found:
            raise InputError(
                f"{folder}: the folders {found[hours].name} and {path.name} are both of {hours:g} h; keep one."
            )
        found[hours] = path
    return dict(sorted(found.items()))


def has_files(folder: Path) -> bool:
    """Whether files that a plate reader may have written lie in a folder itself."""
    return any(
        path.is_file() and path.suffix.lower() in ACCEPTED and not path.name.startswith((".", "~$"))
        for path in folder.iterdir()
    )


def times_of(source: Path) -> dict[float, Path]:
    """The folders of several times in a folder, by hours, if plates are in several of them; {} of any other source.

    Raises:
        InputError: two folders are of the same time.
    """
    times = time_folders(source) if source.is_dir() and not has_files(source) else {}
    plates = [path.stem for place in times.values() for path in place.iterdir() if path.is_file()]
    return times if len(times) > 1 and len(set(plates)) < len(plates) else {}


def of_last_time(name: str, times: Iterable[float]) -> str:
    """The sentence that says which of several times is scored."""
    *before, last = (f"{hours:g}" for hours in times)
    scored = f"viability, curves and scores are those of {last} h"
    return f"{name} was read at {', '.join(before)} and {last} h; {scored}."
