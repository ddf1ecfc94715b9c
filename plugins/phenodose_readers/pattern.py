r"""The reader for any other microscope: a regular expression tells what the names of its TIFF files mean.

The expression is searched in the path of every TIFF file below the raw folder (with `/` as separator). Its named
groups say what a part means: `well`, or `row` and `column`; and any of `site`, `time`, `channel`, `z`, `projection`
and `plate`. Example, Operetta:

    [parameters.pattern]
    expression = 'r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)'
    pixel_size_um = 0.299
    z_step_um = 2.0

Belongs here: what an expression makes of names. Does not belong here: places along the axes (`pattern_axes`), names of
known instruments (`known_names`).
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import regex
from pydantic import Field, field_validator

from phenodose import names
from phenodose.errors import Faults, PluginError
from phenodose.plugins import Parameters, Reader, missing_images, planes_frame
from phenodose.plugins.raw_folder import TIFF_ENDINGS, open_pages, passed_over, raw_files, without_description
from phenodose_readers.known_names import advice_for, measurements
from phenodose_readers.pattern_axes import (
    Image,
    Places,
    RawFile,
    channel_label,
    channel_order,
    explain_pages,
    images_of,
)
from phenodose_readers.pattern_doubts import (
    against_the_file,
    cut_numbers,
    gaps,
    kinds_of_names,
    untold_projections,
    unused_names,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


#: A path is understood at once, or the expression tries all ways to split it; Python's own `re` cannot be stopped then.
_MOST_SECONDS = 2.0
#: The same for all paths of a folder: many that each take a little less would take for ever, too.
_MOST_SECONDS_IN_ALL = 30.0
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
    rgb: Literal["strongest", "red", "green", "blue"] | None = Field(
        None,
        description="Sample that counts of files in colour (RGB): the strongest, where all three hold one dye, or one "
        "by name; if left out such files are refused",
    )
    channel_names: dict[str, str] = Field({}, description="Names of the channels, by the text in the file names")
    pixel_size_um: float | None = Field(None, gt=0, description="Width of a pixel in the sample in um")
    z_step_um: float | None = Field(None, gt=0, description="Distance of the planes in um")

    @field_validator("channel_names")
    @classmethod
    def _as_labels(cls, channel_names: dict[str, str]) -> dict[str, str]:
        return {channel_label(label): name for label, name in channel_names.items()}

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


def _searched(expression: str, paths: Iterable[str]) -> Iterator[tuple[str, regex.Match[str] | None]]:
    """Every path with where the expression fits it.

    Raises:
        PluginError: it tries so many ways that it does not end.
    """
    end = time.monotonic() + _MOST_SECONDS_IN_ALL
    for path in paths:
        try:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            yield path, regex.search(expression, path, timeout=min(_MOST_SECONDS, left))
        except TimeoutError as error:
            raise PluginError(
                f"expression {expression!r} does not come to an end for {path}; write it without a repeated group that "
                "holds a repetition, such as (a+)+."
            ) from error


class PatternReader(Reader):
    """TIFF files of any microscope, their names explained by a regular expression."""

    name = "pattern"
    version = "2"
    description = "TIFF files of any microscope; a regular expression with named groups explains their names."
    remedy = "describe the file names to the reader `pattern` (docs/readers.md)"
    Parameters = PatternParameters

    def sniff(self, folder: Path) -> float:
        """1 if an expression is given and it understands a file's name, else 0."""
        expression = self.parameters.expression
        paths = raw_files(folder, Faults(str(folder))) if expression else []
        return 1.0 if any(match for _, match in _searched(expression, paths)) else 0.0

    def advice(self, folder: Path) -> str:
        """The expression for the names of a microscope that is known; else where expressions are described."""
        return advice_for(raw_files(folder, Faults(str(folder)))) or self.remedy

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
        faults.extend(cut_numbers(matched)[0])
        faults.raise_if_any()
        found = ((path, match.groupdict()) for path, match in matched.items())
        files = [file for file in (_file(path, groups, faults) for path, groups in found) if file]
        files = self._one_plate(files, faults)
        faults.extend(_several_measurements(folder, files))
        headers = open_pages(
            folder, [(file.path, file.well) for file in files], faults, without_description, self.parameters.rgb
        )
        files = [file for file in files if file.path in headers]
        faults.extend(explain_pages(files, headers, self.parameters.pages))
        faults.raise_if_any()
        frame = self._frame(images_of(files, headers))
        faults.extend(_double_claims(frame))
        faults.extend(mixture_faults(frame))
        faults.raise_if_any()
        return frame

    def read_plane(self, folder: Path, plane: Any) -> np.ndarray:
        """The pixels of a plane; of a file in colour the sample that was chosen."""
        from phenodose.plates.tiff import read_page

        return read_page(folder / plane.path, plane.page, plane.well, self.parameters.rgb)

    def plate_metadata(self, folder: Path, index: pd.DataFrame) -> dict[str, Any]:
        """The expression, the measurement, and notes on files not understood, on missing images, on named channels."""
        paths = raw_files(folder, Faults(str(folder)))
        matched = self._matched(paths)
        left = [path for path in paths if path not in matched]
        other_plates = set(matched) - set(index["path"])
        measured = measurements(folder, index["path"].unique())
        used = {path: match for path, match in matched.items() if path not in other_plates}
        several = sorted(set(index.loc[index["page"] > 0, "path"]))
        parameters = self.parameters
        return {
            "expression": self.parameters.expression,
            **({"rgb": parameters.rgb} if parameters.rgb else {}),
            **({"acquisition": measured[0]} if measured else {}),
            "notes": [
                *passed_over(left, "TIFF files do not match the expression"),
                *passed_over(other_plates, "TIFF files are of another plate"),
                *missing_images(index),
                *self._channels_by_name(index),
                *cut_numbers(used)[1],
                *kinds_of_names(used),
                *gaps(used),
                *untold_projections(used),
                *self._unused_names(used, index),
                *against_the_file(folder, list(used), several, parameters),
            ],
        }

    def _channels_by_name(self, index: pd.DataFrame) -> list[str]:
        """A sentence on the order of channels that nothing but their names gives; [] if there are none."""
        named = index.dropna(subset="channel_name").groupby("channel")["channel_name"].first()
        if "channel" not in re.compile(self.parameters.expression).groupindex:
            return []  # the files themselves number them
        if len(named) < 2 or set(named) <= set(self.parameters.channel_names.values()):
            return []
        listed = ", ".join(f"{channel} is {name}" for channel, name in named.items())
        return [
            f"The channels are numbered in the order of their names: {listed}. Another order is that of the parameter "
            "`channel_names`."
        ]

    def _unused_names(self, used: Mapping[str, regex.Match[str]], index: pd.DataFrame) -> list[str]:
        labels = {channel_label(match.groupdict().get("channel") or "") for match in used.values()} - {""}
        labels = labels or {str(channel + 1) for channel in index["channel"]}
        return unused_names(labels, self.parameters.channel_names)

    def _matched(self, paths: Iterable[str]) -> dict[str, regex.Match[str]]:
        found = dict(_searched(self.parameters.expression, paths))
        return {path: match for path, match in found.items() if match is not None}

    def _one_plate(self, files: Sequence[RawFile], faults: Faults) -> list[RawFile]:
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

    def _frame(self, images: Sequence[Image]) -> pd.DataFrame:
        from_zero = any(image.site == 0 for image in images)
        labels = channel_order((image.channel for image in images), self.parameters.channel_names)
        counted = {str(number) for number in range(1, len(labels) + 1)}, {str(number) for number in range(len(labels))}
        # 'channel 2' where 1 is not there: without it, a plate that lacks a channel looks like one that has it.
        gaps = {str(int(label)) for label in labels if label.isdigit()} not in counted
        places = [(image.file.well, image.site, image.channel) for image in images]
        times = Places(((*place, image.z), image.time) for place, image in zip(places, images, strict=True))
        heights = Places(
            ((*place, image.time), image.z)
            for place, image in zip(places, images, strict=True)
            if not _projection(image.file)
        )
        rows = []
        for image in images:
            file, header = image.file, image.header
            row, column = names.parse_well(file.well)
            projection = _projection(file)
            rows.append(
                {
                    "plate": file.get("plate"),
                    "well": file.well,
                    "row": row,
                    "column": column,
                    # Sites count from 1 here; some instruments count from 0.
                    "site": 1 if image.site is None else image.site + from_zero,
                    "time": times.of(image.time),
                    "channel": labels.index(image.channel),
                    "projection": projection,
                    "z": 0 if projection else heights.of(image.z),
                    "path": file.path,
                    "page": image.page,
                    "size_y_px": header.size_y_px,
                    "size_x_px": header.size_x_px,
                    "dtype": header.dtype,
                    "pixel_size_um": self.parameters.pixel_size_um,
                    "z_step_um": self.parameters.z_step_um,
                    "channel_name": self.parameters.channel_names.get(image.channel)
                    or image.channel_name
                    or _name(image.channel, gaps),
                }
            )
        return planes_frame(rows)


def _several_measurements(folder: Path, files: Sequence[RawFile]) -> list[str]:
    found = measurements(folder, (file.path for file in files))
    if len(found) < 2:
        return []
    return [
        f"the files are of {len(found)} measurements ({', '.join(map(repr, found[:4]))}) where one is expected; give "
        "the folder of the one that counts."
    ]


def _nothing_matched(paths: Sequence[str], expression: str) -> str:
    if not paths:
        return f"there is no TIFF file ({', '.join(TIFF_ENDINGS)}) in or below the folder; give the plate's folder."
    return (
        f"the expression {expression!r} is found in none of the {len(paths)} TIFF files; they are named like "
        f"{', '.join(repr(path) for path in paths[:3])}."
    )


def _file(path: str, groups: Mapping[str, str | None], faults: Faults) -> RawFile | None:
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
    return RawFile(path, groups, well, numbers)


def _name(label: str, gaps: bool) -> str | None:
    """A channel's label as its name; a number is none, unless numbers before it are missing."""
    if label.isdigit():
        return f"channel {int(label)}" if gaps else None
    return label or None


def _projection(file: RawFile) -> str:
    """'' for a plane; maximum for what is called so, else the name as written."""
    text = file.get("projection") or ""
    return "maximum" if _MAXIMUM.match(text) else re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


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
