"""Folders of readings over time: `ctg/0h`, `ctg/24h`, `ctg/3d`.

Belongs here: what a folder's name says of its time, and which folders make a time course. Does not belong here: what
the files hold (`matrices`), and what is computed of them (`phenodose.time_courses`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from phenodose.errors import InputError
from phenodose.screens.readout_files import names_in_folder

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
        InputError: two folders are of the same time, or one holds the same plates and says no time.
    """
    found: dict[float, Path] = {}
    untold: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__MACOSX")) or not path.is_dir() or not _plates(path):
            continue
        hours = hours_of(path.name)
        if hours is None:
            untold.append(path)
        elif hours in found:
            raise InputError(
                f"{folder}: the folders {found[hours].name} and {path.name} are both of {hours:g} h; keep one."
            )
        else:
            found[hours] = path
    timed = {plate: path for path in found.values() for plate in _plates(path)}
    for path in untold:
        if same := sorted(_plates(path) & set(timed)):
            raise InputError(
                f"{folder}: the folder {path.name} holds {same[0]} as {timed[same[0]].name} does, and its name says no "
                "time; name it by its hours since the treatment (0h, 24h, 3d), or take it away."
            )
    return dict(sorted(found.items()))


def has_files(folder: Path) -> bool:
    """Whether files that a plate reader may have written lie in a folder itself."""
    return any("/" not in name for name in names_in_folder(folder))


def times_of(source: Path) -> dict[float, Path]:
    """The folders of several times in a folder, by hours, if plates are in several of them; {} of any other source.

    Raises:
        InputError: as `time_folders`.
    """
    times = time_folders(source) if source.is_dir() and not has_files(source) else {}
    plates = [plate for place in times.values() for plate in _plates(place)]
    return times if len(times) > 1 and len(set(plates)) < len(plates) else {}


def _plates(folder: Path) -> set[str]:
    """What the plate-reader files at or below a folder are called, without their endings and in lower case."""
    return {PurePosixPath(name).stem.casefold() for name in names_in_folder(folder)}


def refuse_other_samples(source: Path, samples: Mapping[str, set[str]]) -> None:
    """Refuse times whose files are of other samples than those of the last.

    Args:
        source: folder of the readout.
        samples: what the files of a folder name, by folder, the earliest first; where they name none nothing is said.

    Raises:
        InputError: one sentence.
    """
    *_, (last, of_last) = samples.items()
    for folder, own in samples.items():
        if own and of_last and own != of_last:
            here, there = (" and ".join(sorted(names)) for names in (own, of_last))
            raise InputError(
                f"{source}: the files in {folder} are of {here}, those in {last} of {there}; a time course is of the "
                "same samples at every time, so rename the files, or take away what belongs elsewhere."
            )


def of_last_time(name: str, times: Iterable[float]) -> str:
    """The sentence that says which of several times is scored."""
    *before, last = (f"{hours:g}" for hours in times)
    scored = f"viability, curves and scores are those of {last} h"
    return f"{name} was read at {', '.join(before)} and {last} h; {scored}."
