r"""How microscopes without a reader of their own name their files: what to tell the reader `pattern`.

Sources of the names: Harmony exports (`r02c03f01p01-ch1sk1fk1fl1.tiff`), the CellVoyager measurement folder
(`<plate>_B07_T0001F001L01A01Z01C01.tif`; `SC_` and `DC_` files are the camera's shading and dark images), IN Cell
Analyzer (`B - 02(fld 1 wv DAPI - DAPI z 1).tif`), ImageXpress HCS.ai (`<protocol>_t0_B07_s0_w0_z0.tif`).

Belongs here: names of files, an expression for each instrument, and names of measurements. Does not belong here: what
an expression makes of names (`pattern`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class KnownNames:
    """Names of one kind of microscope.

    Attributes:
        instrument: its name.
        pattern: fits the name of a file of a plane.
        expression: what the reader `pattern` reads them with.
    """

    instrument: str
    pattern: re.Pattern[str]
    expression: str


HCS_AI = "ImageXpress HCS.ai"
KNOWN = (
    KnownNames(
        "Yokogawa CellVoyager",
        re.compile(r".+_[A-P]\d\d_T\d+F\d+L\d+A\d+Z\d+C\d+\.tiff?\Z", re.IGNORECASE),
        r"_(?P<well>[A-P]\d\d)_T(?P<time>\d+)F(?P<site>\d+)L\d+A\d+Z(?P<z>\d+)C(?P<channel>\d+)\.tif",
    ),
    KnownNames(
        "Revvity Operetta or Opera Phenix",
        re.compile(r"r\d+c\d+f\d+p\d+-ch\d+.*\.tiff?\Z", re.IGNORECASE),
        r"r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)sk(?P<time>\d+)",
    ),
    KnownNames(
        "IN Cell Analyzer",
        re.compile(r"[A-P] - \d+\(fld \d+ wv .+\)\.tiff?\Z", re.IGNORECASE),
        r"(?P<row>[A-P]) - (?P<column>\d+)\(fld (?P<site>\d+) wv (?P<channel>.+?)(?: z (?P<z>\d+))?\)\.tif",
    ),
    KnownNames(
        HCS_AI,
        re.compile(r".+_t\d+_[A-Z]{1,2}\d\d_s\d+_w\d+(_z\d+)?\.tiff?\Z", re.IGNORECASE),
        r"_t(?P<time>\d+)_(?P<well>[A-Z]{1,2}\d\d)_s(?P<site>\d+)_w(?P<channel>\d+)(?:_z(?P<z>\d+))?\.tif",
    ),
)
#: Folders of one measurement of a plate that was measured several times: '...-Measurement 2', 'Meas_02(...)'.
_MEASUREMENT = re.compile(r"(?:\A|[-_ .])meas(?:urement)?[-_ ]?\d+", re.IGNORECASE)
_LEVELS_ABOVE = 3


def known_names(paths: Iterable[str]) -> tuple[KnownNames, list[str]] | None:
    """The kind of microscope that named most of the files, and these files; None if it is none of the known ones."""
    names = [(path, path.rpartition("/")[2]) for path in paths]
    found = [(known, [path for path, name in names if known.pattern.match(name)]) for known in KNOWN]
    best = max(found, key=lambda one: len(one[1]))
    return best if best[1] else None


def advice_for(paths: Sequence[str]) -> str:
    """How files of a known microscope are read, as a part of a sentence; '' for others."""
    found = known_names(paths)
    if found is None:
        return ""
    known, named = found
    return (
        f"read them with the reader `pattern`: {len(named)} of {len(paths)} TIFF files (such as {named[0]}) are named "
        f"as {known.instrument} names planes, so give --reader pattern --param 'expression={known.expression}', or the "
        "same in [parameters.pattern] of screen.toml"
    )


def measurements(folder: Path, paths: Iterable[str]) -> list[str]:
    """The measurements that files are of, by the names of their folders; [] where no folder is named like one.

    Args:
        folder: the raw folder; its own name and those just above it count for all files.
        paths: the files below it.
    """
    above = list(folder.resolve().parts[-_LEVELS_ABOVE:])
    found = set()
    for parent in {PurePosixPath(path).parent for path in paths}:
        named = [part for part in (*above, *parent.parts) if _MEASUREMENT.search(part)]
        if named:
            found.add(named[-1])
    return sorted(found)
