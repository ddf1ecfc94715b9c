"""The reader cellvoyager: plates of Yokogawa's CellVoyager instruments (CV7000, CV8000).

A measurement is a folder of TIFF files with one plane each and three XML files: `MeasurementData.mlf` (a record an
image: well, field, time, channel, height, file), `MeasurementDetail.mrf` (channels, pixel size, size of the plate) and
a `*.mes` that names the channels. The first two are needed, the third is read where it is there.

Belongs here: what those files say. Does not belong here: checking TIFF files and writing plates; phenodose does both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from pydantic import Field

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.plugins import Parameters, Reader, missing_images, planes_frame
from phenodose.plugins.raw_folder import open_pages, passed_over, raw_files, without_description

if TYPE_CHECKING:
    import pandas as pd

DATA, DETAIL = "MeasurementData.mlf", "MeasurementDetail.mrf"
_XML_AT_MOST = 1 << 30
_EMISSION = re.compile(r"(?<![0-9])([3-9][0-9]{2})(?:/[0-9]+)?(?![0-9])")


class CellVoyagerParameters(Parameters):
    """Which time line is read."""

    timeline: int = Field(1, ge=1, description="Time line of the measurement, where it has several")


@dataclass(frozen=True)
class _Record:
    """One image as `MeasurementData.mlf` tells of it; numbers count from 1 as there."""

    well: str
    field: int
    time: int
    channel: int
    z_index: int
    z_um: float | None
    path: str
    said: Mapping[str, str]

    @property
    def place(self) -> tuple[str, int, int, int, int]:
        """Which image of the plate it is."""
        return (self.well, self.field, self.time, self.channel, self.z_index)


class CellVoyagerReader(Reader):
    """Plates of Yokogawa CellVoyager instruments, by their measurement files."""

    name = "cellvoyager"
    version = "1.0"
    description = "Yokogawa CellVoyager (CV7000, CV8000): TIFF planes listed in MeasurementData.mlf."
    Parameters = CellVoyagerParameters

    def sniff(self, folder: Path) -> float:
        """1 where `MeasurementData.mlf` begins like one, else 0."""
        try:
            with (folder / DATA).open("rb") as opened:
                return 1.0 if b"MeasurementData" in opened.read(4096) else 0.0
        except OSError:
            return 0.0

    def index(self, folder: Path) -> pd.DataFrame:
        """Every image that the measurement lists.

        Raises:
            InputError: a file is missing, damaged, listed twice or no TIFF; all faults in one message.
        """
        from phenodose.plates.plan import mixture_faults

        faults = Faults(str(folder))
        detail = _channels(_xml(folder / DETAIL, faults), self.parameters.timeline)
        names_of = _channel_settings(folder, faults)
        records, _ = _records(_xml(folder / DATA, faults), self.parameters.timeline, faults)
        faults.raise_if_any()
        if not records:
            raise InputError(
                f"{folder}: {DATA} lists no image of time line {self.parameters.timeline}; choose another."
            )
        records = _present(records, raw_files(folder, faults), faults)
        faults.extend(_doubles(records))
        headers = open_pages(folder, [(one.path, one.well) for one in records], faults, without_description)
        channel_of = {channel: place for place, channel in enumerate(sorted({one.channel for one in records}))}
        z_of = _places_in_stacks(records)
        rows = [
            _row(one, headers[one.path][0], channel_of[one.channel], z_of[one.place], detail, names_of)
            for one in records
            if one.path in headers
        ]
        frame = planes_frame(rows)
        faults.extend(mixture_faults(frame))
        faults.raise_if_any()
        return frame

    def plate_metadata(self, folder: Path, index: pd.DataFrame) -> dict[str, Any]:
        """Size of the plate, start of the measurement, and notes on errors and files that are not listed."""
        faults = Faults(str(folder))
        detail = _xml(folder / DETAIL, faults)
        _, errors = _records(_xml(folder / DATA, faults), self.parameters.timeline, faults)
        faults.raise_if_any()
        known = set(index["path"])
        unlisted = [path for path in raw_files(folder, faults) if path not in known]
        attributes = {} if detail is None else _attributes(detail)
        notes = [
            *([f"the instrument reports {len(errors)} errors, the first: {errors[0]}"] if errors else []),
            *passed_over(unlisted, f"TIFF files are not listed in {DATA} for this time line"),
            *missing_images(index),
        ]
        size = [int(attributes[key]) for key in ("RowCount", "ColumnCount") if attributes.get(key, "").isdigit()]
        return {
            "acquisition": attributes.get("BeginTime"),
            "notes": notes,
            **({"plate_format": size} if len(size) == 2 else {}),
        }


def _xml(path: Path, faults: Faults) -> ET.Element | None:
    """The root of an XML file; None, and a fault, if it cannot be read. Declarations of entities are refused."""
    remedy = "copy the whole measurement folder again from the instrument"
    try:
        if path.stat().st_size > _XML_AT_MOST:
            faults.add(f"{path.name} is larger than 1 GiB, which no measurement file is; {remedy}.")
            return None
        text = path.read_text(encoding="utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            faults.add(f"{path.name} declares a document type, which no instrument writes; {remedy}.")
            return None
        return ET.fromstring(text)
    except FileNotFoundError:
        faults.add(f"{path.name} is missing; {remedy}.")
    except (OSError, UnicodeDecodeError, ET.ParseError) as error:
        faults.add(f"{path.name} cannot be read ({error}); {remedy}.")
    return None


def _attributes(element: ET.Element) -> dict[str, str]:
    """An element's attributes without their name space."""
    return {key.rpartition("}")[2]: value for key, value in element.attrib.items()}


def _elements(root: ET.Element | None, tag: str) -> Iterable[ET.Element]:
    return () if root is None else (one for one in root.iter() if one.tag.rpartition("}")[2] == tag)


def _records(root: ET.Element | None, timeline: int, faults: Faults) -> tuple[list[_Record], list[str]]:
    """The images of a time line, and what the instrument says of images it could not take."""
    records, errors = [], []
    for element in _elements(root, "MeasurementRecord"):
        said, text = _attributes(element), (element.text or "").strip()
        if said.get("Type") == "ERR":
            errors.append(text or "no text")
        if said.get("Type") != "IMG" or said.get("TimelineIndex", "1") != str(timeline):
            continue
        try:
            records.append(
                _Record(
                    names.well_name(names.row_label(int(said["Row"]) - 1), int(said["Column"])),
                    int(said["FieldIndex"]),
                    int(said["TimePoint"]),
                    int(said["Ch"]),
                    int(said.get("ZIndex", "1")),
                    _number(said.get("Z")),
                    text.replace("\\", "/"),
                    said,
                )
            )
        except (KeyError, ValueError) as error:
            faults.add(f"{DATA}: the record of {text or 'an image'} lacks or garbles {error}; copy the file again.")
    return records, errors


def _present(records: Sequence[_Record], files: Sequence[str], faults: Faults) -> list[_Record]:
    """The records whose file lies in the folder; a fault for each other."""
    there = set(files)
    lost = [one for one in records if one.path not in there]
    for one in lost[:5]:
        faults.add(f"well {one.well}: {one.path or 'a file without a name'} is listed in {DATA} and not in the folder.")
    if len(lost) > 5:
        faults.add(f"{len(lost) - 5} more files are listed and not in the folder; copy the whole measurement again.")
    return [one for one in records if one.path in there]


def _doubles(records: Sequence[_Record]) -> list[str]:
    first: dict[tuple[object, ...], str] = {}
    found = []
    for one in records:
        if one.place in first:
            found.append(f"well {one.well}: {first[one.place]} and {one.path} are listed as the same image.")
        first.setdefault(one.place, one.path)
    return found


def _places_in_stacks(records: Sequence[_Record]) -> dict[tuple[object, ...], int]:
    """Place of every plane in its stack from 0, lowest height first."""
    stacks: dict[tuple[object, ...], list[_Record]] = {}
    for one in records:
        stacks.setdefault(one.place[:-1], []).append(one)
    places: dict[tuple[object, ...], int] = {}
    for stack in stacks.values():
        heights = all(one.z_um is not None for one in stack) and len({one.z_um for one in stack}) == len(stack)
        ordered = sorted(stack, key=lambda one: (one.z_um if heights else 0, one.z_index))
        places |= {one.place: place for place, one in enumerate(ordered)}
    return places


def _channels(root: ET.Element | None, timeline: int) -> dict[int, dict[str, str]]:
    """What `MeasurementDetail.mrf` says of every channel, by its number."""
    found: dict[int, dict[str, str]] = {}
    for element in _elements(root, "MeasurementChannel"):
        said = _attributes(element)
        if said.get("Ch", "").isdigit() and said.get("TimelineIndex", str(timeline)) == str(timeline):
            found[int(said["Ch"])] = said
    return found


def _channel_settings(folder: Path, faults: Faults) -> dict[int, dict[str, str]]:
    """What the `*.mes` says of every channel, by its number; {} without one."""
    found: dict[int, dict[str, str]] = {}
    for path in sorted(folder.glob("*.mes"))[:1]:
        for element in _elements(_xml(path, faults), "Channel"):
            said = _attributes(element)
            if said.get("Ch", "").isdigit():
                found[int(said["Ch"])] = said
    return found


def _row(
    one: _Record,
    header: Any,
    channel: int,
    z: int,
    detail: Mapping[int, Mapping[str, str]],
    settings: Mapping[int, Mapping[str, str]],
) -> dict[str, Any]:
    import json

    row, column = names.parse_well(one.well)
    setting = settings.get(one.channel, {})
    emission = _EMISSION.search(setting.get("Acquisition", ""))
    return {
        "well": one.well,
        "row": row,
        "column": column,
        "site": one.field,
        "time": one.time - 1,
        "channel": channel,
        "projection": "",
        "z": z,
        "path": one.path,
        "page": 0,
        "size_y_px": header.size_y_px,
        "size_x_px": header.size_x_px,
        "dtype": header.dtype,
        "pixel_size_um": _number(detail.get(one.channel, {}).get("HorizontalPixelDimension")),
        "z_um": one.z_um,
        "channel_name": setting.get("Target") or f"channel {one.channel}",
        "wavelength_nm": float(emission[1]) if emission else None,
        "exposure_ms": _number(setting.get("ExposureTime")),
        "stage_x_um": _number(one.said.get("X")),
        "stage_y_um": _number(one.said.get("Y")),
        "acquired_at": one.said.get("Time"),
        "metadata": json.dumps(dict(one.said), sort_keys=True),
    }


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
