r"""The reader for any other microscope: a regular expression tells what the names of its TIFF files mean.

The expression is searched in the path of every TIFF file below the raw folder (with `/` as separator). Its named
groups say what a part means: `well`, or `row` and `column`; and any of `site`, `time`, `channel`, `z`, `projection`
and `plate`. Example, Operetta:

    [parameters.pattern]
    expression = 'r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)'
    pixel_size_um = 0.299
    z_step_um = 2.0

Belongs here: what an expression makes of names. Does not belong here: names of a known instrument (`imagexpress`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import regex
from pydantic import Field, field_validator

from phenodose import names
from phenodose.errors import Faults, PluginError
from phenodose.plugins import Parameters, Reader, missing_images, planes_frame
from phenodose.plugins.raw_folder import TIFF_ENDINGS, open_pages, passed_over, raw_files, without_description

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.tiff import TiffHeader

#: A path is understood at once, or the expression tries all ways to split it; Python's own `re` cannot be stopped then.
_MOST_SECONDS = 2.0
#: Groups an expression may have, and what each means.
GROUPS = {
    "well": "the well, such as B07 or b7",
    "row": "the row, as letters or as a number from 1",
    "column": "the column, a number from 1",
    "site": "the field of view, a number",
    "time": "the time point, a number",
    "channel": "the channel, a number or a name",
    "z": "the plane of the stack, a number, lowest first",
    "projection": "present only in the names of projections, such as MIP",
    "plate": "the plate",
}
_NUMBERS = ("site", "time", "z")
_MAXIMUM = re.compile(r"(max|mip|proj)", re.IGNORECASE)


class PatternParameters(Parameters):
    """What the file names mean, and what they do not tell."""

    expression: str = Field("", description="Regular expression with named groups, searched in every file's path")
    plate: str | None = Field(None, description="The plate to take where the names tell several")
    pages: Literal["z", "channel", "time"] | None = Field(
        None, description="What the pages of a file are, where it has several"
    )
    channel_names: dict[str, str] = Field({}, description="Names of the channels, by the text in the file names")
    pixel_size_um: float | None = Field(None, gt=0, description="Width of a pixel in the sample in um")
    z_step_um: float | None = Field(None, gt=0, description="Distance of the planes in um")

    @field_validator("expression")
    @classmethod
    def _is_usable(cls, expression: str) -> str:
        try:
            groups = set(re.compile(expression).groupindex)
        except re.error as error:
            raise ValueError(f"{expression!r} is no regular expression: {error}") from error
        known = ", ".join(f"{name} ({meaning})" for name, meaning in GROUPS.items())
        unknown = sorted(groups - set(GROUPS))
        if unknown:
            raise ValueError(f"there is no group {', '.join(unknown)}; the groups are: {known}")
        if expression and not ("well" in groups or {"row", "column"} <= groups):
            raise ValueError(f"the group `well`, or `row` and `column`, is missing; the groups are: {known}")
        if "well" in groups and groups & {"row", "column"}:
            raise ValueError("give either the group `well`, or `row` and `column`")
        return expression


def _search(expression: str, path: str) -> regex.Match[str] | None:
    """Where the expression fits a file's path.

    Raises:
        PluginError: it tries so many ways that it does not end.
    """
    try:
        return regex.search(expression, path, timeout=_MOST_SECONDS)
    except TimeoutError as error:
        raise PluginError(
            f"expression {expression!r} does not come to an end for {path}; write it without a repeated group that "
            "holds a repetition, such as (a+)+."
        ) from error


@dataclass
class _File:
    """A file whose name the expression understands."""

    path: str
    groups: Mapping[str, str | None]
    well: str
    numbers: dict[str, int]

    def get(self, name: str) -> str | None:
        return self.groups.get(name)


class PatternReader(Reader):
    """TIFF files of any microscope, their names explained by a regular expression."""

    name = "pattern"
    version = "1"
    description = "TIFF files of any microscope; a regular expression with named groups explains their names."
    remedy = "describe the file names to the reader `pattern` (docs/readers.md)"
    Parameters = PatternParameters

    def sniff(self, folder: Path) -> float:
        """1 if an expression is given and it understands a file's name, else 0."""
        expression = self.parameters.expression
        paths = raw_files(folder, Faults(str(folder))) if expression else []
        return 1.0 if any(_search(expression, path) for path in paths) else 0.0

    def index(self, folder: Path) -> pd.DataFrame:
        """All planes of the files that the expression understands.

        Raises:
            PluginError: no expression is given.
            InputError: all faults of the folder in one message.
        """
        from phenodose.plates.plan import mixture_faults

        if not self.parameters.expression:
            raise PluginError(
                "the reader `pattern` needs the parameter `expression`: a regular expression with the named groups "
                f"{', '.join(GROUPS)}, in [parameters.pattern] of screen.toml or as --param expression=...."
            )
        faults = Faults(str(folder))
        paths = raw_files(folder, faults)
        matched = self._matched(paths)
        if not matched:
            faults.add(_nothing_matched(paths, self.parameters.expression))
            faults.raise_if_any()
        files = [file for file in (_file(path, groups, faults) for path, groups in matched.items()) if file]
        files = self._one_plate(files, faults)
        headers = open_pages(folder, [(file.path, file.well) for file in files], faults, without_description)
        files = [file for file in files if file.path in headers]
        faults.extend(self._page_faults(files, headers))
        faults.raise_if_any()
        frame = self._frame(files, headers)
        faults.extend(_double_claims(frame))
        faults.extend(mixture_faults(frame))
        faults.raise_if_any()
        return frame

    def plate_metadata(self, folder: Path, index: pd.DataFrame) -> dict[str, Any]:
        """The expression, and notes on files it does not understand and on missing images."""
        paths = raw_files(folder, Faults(str(folder)))
        matched = self._matched(paths)
        left = [path for path in paths if path not in matched]
        other_plates = set(matched) - set(index["path"])
        return {
            "expression": self.parameters.expression,
            "notes": [
                *passed_over(left, "TIFF files do not match the expression"),
                *passed_over(other_plates, "TIFF files are of another plate"),
                *missing_images(index),
            ],
        }

    def _matched(self, paths: Iterable[str]) -> dict[str, Mapping[str, str | None]]:
        found = {path: _search(self.parameters.expression, path) for path in paths}
        return {path: match.groupdict() for path, match in found.items() if match is not None}

    def _one_plate(self, files: Sequence[_File], faults: Faults) -> list[_File]:
        plates = sorted({file.get("plate") or "" for file in files})
        wanted = self.parameters.plate
        if wanted is not None:
            if wanted not in plates:
                faults.add(f"there is no plate {wanted!r}; the file names tell {', '.join(map(repr, plates))}.")
            return [file for file in files if file.get("plate") == wanted]
        if len(plates) > 1:
            faults.add(
                f"the file names tell {len(plates)} plates ({', '.join(map(repr, plates[:5]))}); say which with the "
                f"parameter `plate`, for example --param plate={plates[-1]}."
            )
        return list(files)

    def _page_faults(self, files: Sequence[_File], headers: Mapping[str, Sequence[TiffHeader]]) -> list[str]:
        pages = self.parameters.pages
        found = []
        for file in files:
            if pages is None and len(headers[file.path]) > 1:
                found.append(
                    f"{file.path}: well {file.well}: the file has {len(headers[file.path])} pages; say what they are "
                    "with the parameter `pages`: z, channel or time."
                )
            elif pages is not None and file.get(pages) is not None:
                found.append(
                    f"the parameter `pages` is {pages}, and so is a group of the expression; drop one of them."
                )
        return found

    def _frame(self, files: Sequence[_File], headers: Mapping[str, Sequence[TiffHeader]]) -> pd.DataFrame:
        pages = self.parameters.pages
        from_zero = any(file.numbers.get("site") == 0 for file in files)
        places = [(file, page) for file in files for page in range(len(headers[file.path]))]
        channel_labels = sorted({_channel(file, page, pages) for file, page in places}, key=_natural)
        times = sorted({_number(file, "time", page, pages) for file, page in places})
        heights = sorted({_number(file, "z", page, pages) for file, page in places if not _projection(file)})
        rows = []
        for file, page in places:
            row, column = names.parse_well(file.well)
            header = headers[file.path][page]
            label = _channel(file, page, pages)
            projection = _projection(file)
            rows.append(
                {
                    "plate": file.get("plate"),
                    "well": file.well,
                    "row": row,
                    "column": column,
                    # Sites count from 1 here; some instruments count from 0.
                    "site": file.numbers.get("site", 1) + from_zero,
                    "time": times.index(_number(file, "time", page, pages)),
                    "channel": channel_labels.index(label),
                    "projection": projection,
                    "z": 0 if projection else heights.index(_number(file, "z", page, pages)),
                    "path": file.path,
                    "page": page,
                    "size_y_px": header.size_y_px,
                    "size_x_px": header.size_x_px,
                    "dtype": header.dtype,
                    "pixel_size_um": self.parameters.pixel_size_um,
                    "z_step_um": self.parameters.z_step_um,
                    "channel_name": self.parameters.channel_names.get(label) or _name(label),
                }
            )
        return planes_frame(rows)


def _nothing_matched(paths: Sequence[str], expression: str) -> str:
    if not paths:
        return f"there is no TIFF file ({', '.join(TIFF_ENDINGS)}) in or below the folder; give the plate's folder."
    return (
        f"the expression {expression!r} is found in none of the {len(paths)} TIFF files; they are named like "
        f"{', '.join(repr(path) for path in paths[:3])}."
    )


def _file(path: str, groups: Mapping[str, str | None], faults: Faults) -> _File | None:
    numbers = {}
    try:
        if "well" in groups:
            well = names.well_name(*names.parse_well(groups["well"] or ""))
        else:
            row, column = groups["row"] or "", groups["column"] or ""
            well = names.well_name(names.row_label(int(row) - 1) if row.isdigit() else row, int(column))
    except ValueError as error:  # InputError is one
        faults.add(f"{path}: {error} Mend the expression or rename the file.")
        return None
    for name in _NUMBERS:
        text = groups.get(name)
        if text is None:
            continue
        if not re.fullmatch("[0-9]+", text):
            faults.add(f"{path}: the group `{name}` matches {text!r}, which is no number; mend the expression.")
            return None
        numbers[name] = int(text)
    return _File(path, groups, well, numbers)


def _number(file: _File, name: str, page: int, pages: str | None) -> int:
    return page if pages == name else file.numbers.get(name, 0)


def _channel(file: _File, page: int, pages: str | None) -> str:
    return str(page + 1) if pages == "channel" else file.get("channel") or ""


def _name(label: str) -> str | None:
    """A channel's label as its name; a number is none."""
    return label if label and not label.isdigit() else None


def _projection(file: _File) -> str:
    """'' for a plane; maximum for what is called so, else the name as written."""
    text = file.get("projection") or ""
    return "maximum" if _MAXIMUM.match(text) else re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _natural(label: str) -> tuple[int, int, str]:
    """Numbers in their order, before names in theirs."""
    return (0, int(label), label) if label.isdigit() else (1, 0, label)


def _double_claims(index: pd.DataFrame) -> list[str]:
    places: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for row in index.itertuples():
        places[(row.well, row.site, row.time, row.channel, row.projection, row.z)].append(str(row.path))
    return [
        f"well {well}: {' and '.join(paths[:2])} both claim site {site}, time {time}, channel {channel}, "
        f"{projection or 'plane ' + str(z)}; give the expression a group for what tells them apart, or move one out."
        for (well, site, time, channel, projection, z), paths in places.items()
        if len(paths) > 1
    ]
