"""What MetaXpress writes into its files: MetaSeries tags of images, and HTD files of plates.

Belongs here: texts and numbers of the instrument. Does not belong here: names of files and folders (`imagexpress`).
"""

from __future__ import annotations

import math
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

from phenodose import names

_PROP = re.compile(r'<(?:custom-)?prop id="([^"]*)" type="([^"]*)" value="([^"]*)"')
_HTD_LINE = re.compile(r'^"([^"]+)",\s*(.*?)\s*$', re.MULTILINE)
_MICROMETRES = ("um", "µm", "μm", "micron", "microns")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def parse_tags(description: str) -> dict[str, Any]:
    """MetaSeries tags of an image description by name, numbers as numbers; {} if there are none."""
    tags: dict[str, Any] = {}
    for key, kind, text in _PROP.findall(description):
        value = unescape(text) if "&" in text else text
        # Most keys and texts are the same in thousands of files.
        tags[sys.intern(unescape(key))] = _converted(kind, sys.intern(value))
    return tags


def parse_htd(path: Path) -> dict[str, str]:
    """Keys and values of an .HTD file; values as written, without quotes."""
    # Not UTF-8: line breaks inside values are single bytes outside ASCII.
    text = path.read_bytes().decode("latin-1")
    return {key: value.strip('"') for key, value in _HTD_LINE.findall(text)}


def pixel_size_um(tags: dict[str, Any]) -> float | None:
    """Width of a pixel in the sample, binning included; None if the image is not calibrated in micrometres."""
    units = str(tags.get("spatial-calibration-units", "")).lower()
    if units not in _MICROMETRES or tags.get("spatial-calibration-state") == "off":
        return None
    return number(tags.get("spatial-calibration-x"))


def selected_wells(htd: dict[str, str]) -> list[str]:
    """Wells that the HTD file says were imaged."""
    return [
        names.well_name(names.row_label(row), column)
        for row in range(int(htd["YWells"]))
        for column, taken in enumerate(htd.get(f"WellsSelection{row + 1}", "").split(","), start=1)
        if taken.strip().upper() == "TRUE"
    ]


def _converted(kind: str, text: str) -> Any:
    """The value in its type; as text where it is not what its type says (a 'float' that is no finite number)."""
    if kind == "float":
        found = number(text)
        return text if found is None else found
    return int(text) if kind == "int" and re.fullmatch(r"[+-]?[0-9]+", text) else text


def number(value: Any) -> float | None:
    """The value as a finite number; None if it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def milliseconds(text: Any) -> float | None:
    """'15 ms' -> 15, '1.5 s' -> 1500, '800 us' -> 0.8."""
    match = re.match(r"\s*([0-9.]+)\s*(ms|s|us)\s*\Z", str(text or ""))
    if match is None:
        return None
    value = number(match.group(1))
    return None if value is None else value * _MILLISECONDS[match.group(2)]
