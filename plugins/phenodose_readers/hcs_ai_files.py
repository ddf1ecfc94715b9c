"""The files of an ImageXpress HCS.ai acquisition: its description (`.jdce`), its tables of images, its images.

`<plate>_<date>/experiment[_z_stack|_montage]/` holds `<name>.jdce`, `image_metadata_<n>.csv`, and the images
`timepoint<t>/<protocol>_t<t>_<WELL>_s<site>_w<wave>_z<plane>.tif`; everything is numbered from 0. The description is
JSON (sometimes behind a byte order mark): `ImageStack.AutoLeadAcquisitionProtocol` has the calibration of the
objective, the plate, the step along z and the wavelengths. The tables have a row for each image.

Source: public descriptions of the format (Bio-Formats issue 4305 and the documentation of fractal-uzh-converters); the
names of keys and columns are the instrument's.

Belongs here: finding and parsing these files. Does not belong here: the index of planes (`hcs_ai`).
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.plugins.raw_folder import is_tiff
from phenodose_readers.metaseries import number

_NAME = re.compile(
    r"(?P<protocol>.+)_t(?P<time>\d+)_(?P<well>[A-Z]{1,2}\d\d)_s(?P<site>\d+)_w(?P<wave>\d+)(?:_z(?P<z>\d+))?\.tiff?\Z",
    re.IGNORECASE,
)
#: Columns of a table of images that place an image, and what they are here.
_PLACE = {"Field": "site", "Wavelength": "wave", "Timepoint": "time", "ZIndex": "z"}
_NEEDED = ("Row", "Column", *_PLACE, "ImageFileName")
_MICROMETRES = {"um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "micrometer": 1.0, "nm": 1e-3, "mm": 1e3}
_SAME = 1e-2
_NAMED = 4


@dataclass
class HcsImage:
    """One image: where it lies, its place as the instrument numbers it (from 0), and what its table says of it."""

    path: str
    well: str
    site: int
    wave: int
    time: int
    z: int
    said: dict[str, str] = field(default_factory=dict)

    @property
    def z_um(self) -> float | None:
        """Stage height in um; None if nothing tells it."""
        return number(self.said.get("PositionZUm"))


@dataclass(frozen=True)
class Wave:
    """One wavelength of the description: its name, its emission in nm, how it was imaged, its own step along z."""

    name: str | None
    emission_nm: float | None
    mode: str
    z_step_um: float | None


@dataclass(frozen=True)
class Description:
    """What a `.jdce` file says; empty or None where it does not.

    Attributes:
        plate: name of the plate.
        acquired: date and time of the acquisition as written.
        uuid: identity of the acquisition.
        plate_format: rows and columns of the microplate.
        pixel_size_um: width of a pixel.
        z_step_um: distance of planes.
        objective: name of the objective.
        waves: the wavelengths by their number.
        tables: names of the tables of images.
        doubts: sentences on what it says and a person should know.
    """

    plate: str | None = None
    acquired: str = ""
    uuid: str = ""
    plate_format: tuple[int, int] | None = None
    pixel_size_um: float | None = None
    z_step_um: float | None = None
    objective: str | None = None
    waves: Mapping[int, Wave] = field(default_factory=dict)
    tables: Sequence[str] = ()
    doubts: Sequence[str] = ()


def is_file_of_acquisition(name: str) -> bool:
    """Whether a file counts: an image, a description or a table."""
    return is_tiff(name) or name.lower().endswith((".jdce", ".csv"))


def is_image_name(name: str) -> bool:
    """Whether the instrument names images so."""
    return _NAME.match(name) is not None


def read_description(path: Path) -> Description:
    """What a `.jdce` file says.

    Raises:
        InputError: it is no JSON object, or describes a wavelength twice, or images that are no TIFF files.
    """
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
        document = json.loads(text[max(text.find("{"), 0) :])
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name}: the description of the acquisition is damaged ({error}); copy it again."
        ) from error
    stack = _table(document, "ImageStack")
    image_format = stack.get("ImageFormat")
    if image_format and str(image_format).upper() not in ("TIFF", "TIF"):
        raise InputError(f"{path.name}: the images are {image_format}; export them as TIFF files.")
    protocol = _table(stack, "AutoLeadAcquisitionProtocol")
    calibration, plate = _table(protocol, "ObjectiveCalibration"), _table(protocol, "Plate")
    factor = _MICROMETRES.get(str(calibration.get("Unit") or "um").strip().lower())
    width, height = _above_zero(calibration.get("PixelWidth")), _above_zero(calibration.get("PixelHeight"))
    doubts = []
    if width and not factor:
        doubts.append(f"The description gives the size of a pixel in {calibration['Unit']!r}: it is not known in um.")
    if width and height and not math.isclose(width, height, rel_tol=_SAME):
        doubts.append(f"The pixels are {width:g} wide and {height:g} high; the width counts as their size.")
    rows, columns = _above_zero(plate.get("Rows")), _above_zero(plate.get("Columns"))
    created = _table(stack, "Creation")
    tables = stack.get("ImageMetadataFiles")
    return Description(
        plate=str(plate.get("Name") or stack.get("PlateId") or "") or None,
        acquired=" ".join(str(created[key]) for key in ("Date", "Time") if created.get(key)),
        uuid=str(stack.get("Uuid") or ""),
        plate_format=(int(rows), int(columns)) if rows and columns else None,
        pixel_size_um=width * factor if width and factor else None,
        z_step_um=_above_zero(_table(_table(protocol, "PlateMap"), "ZDimensionParameters").get("Step")),
        objective=str(calibration.get("ObjectiveName") or "") or None,
        waves=_waves(protocol.get("Wavelengths"), path.name),
        doubts=doubts,
        tables=[str(name) for name in tables] if isinstance(tables, list) else [],
    )


def images_by_table(folder: Path, root: str, tables: Sequence[str], faults: Faults) -> list[HcsImage]:
    """The images that the tables of an acquisition list.

    Args:
        folder: the raw folder.
        root: folder of the acquisition below it; '' for the raw folder itself.
        tables: paths of the tables below the raw folder.
        faults: takes what is wrong with a table or a row.
    """
    found = []
    for table in tables:
        try:
            text = (folder / table).read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            faults.add(f"{table}: the table of images cannot be read ({error}); copy it again.")
            continue
        lines = csv.DictReader(text.splitlines(), skipinitialspace=True)
        lacking = [name for name in _NEEDED if name not in (lines.fieldnames or [])]
        if lacking:
            faults.add(f"{table}: the table of images has no column {', '.join(lacking)}; copy it again.")
            continue
        for line, row in enumerate(lines, start=2):
            image = _listed(root, row)
            if isinstance(image, str):
                faults.add(f"{table}: line {line}: {image}; copy the table again.")
            elif image is not None:
                found.append(image)
    return found


def images_by_name(paths: Sequence[str]) -> list[HcsImage]:
    """The images as their names tell them, for an acquisition whose tables are not there."""
    found = []
    for path in paths:
        match = _NAME.match(path.rpartition("/")[2])
        if match:
            found.append(_named(path, match))
    return found


def contradiction(image: HcsImage) -> str:
    """In what the name of a file contradicts its row of the table, or ''."""
    match = _NAME.match(image.path.rpartition("/")[2])
    if match is None:
        return ""
    named = _named(image.path, match)
    for what in ("well", "site", "wave", "time", *(["z"] if match["z"] else [])):
        one, other = getattr(named, what), getattr(image, what)
        if one != other:
            return f"the name says {what} {one}, the table of images {other}"
    return ""


def _named(path: str, match: re.Match[str]) -> HcsImage:
    well = names.well_name(*names.parse_well(match["well"]))
    return HcsImage(path, well, int(match["site"]), int(match["wave"]), int(match["time"]), int(match["z"] or 0))


def _listed(root: str, row: Mapping[str | None, Any]) -> HcsImage | str | None:
    """The image of a row; a text if something is wrong with it; None for an empty row."""
    said = {str(key): str(value).strip() for key, value in row.items() if key and value not in (None, "")}
    if not said:
        return None
    lacking = [name for name in _NEEDED if name not in said]
    if lacking:
        return f"{', '.join(lacking)} is empty"
    try:
        place = {here: int(float(said[column])) for column, here in _PLACE.items()}
        well = names.well_name(names.row_label(int(float(said["Row"])) - 1), int(float(said["Column"])))
    except ValueError as error:  # InputError is one
        return str(error).rstrip(".")
    folder = said.get("ImageSubFolderPath", f"timepoint{place['time']}").replace("\\", "/").strip("/")
    return HcsImage(str(PurePosixPath(root, folder, said["ImageFileName"])), well, **place, said=said)


def _waves(listed: Any, where: str) -> dict[int, Wave]:
    found: dict[int, Wave] = {}
    for place, each in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(each, dict):
            emission = _table(each, "EmissionFilter")
            index = int(number(each.get("Index", place)) or 0)
            if index in found:
                raise InputError(
                    f"{where}: the description has the wavelength {index} twice; copy the acquisition again, or "
                    "export it again."
                )
            found[index] = Wave(
                str(emission.get("Name") or "") or None,
                _above_zero(emission.get("Wavelength")),
                str(each.get("ImagingMode") or ""),
                _above_zero(each.get("ZStep")),
            )
    return found


def _table(document: Any, name: str) -> dict[str, Any]:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, dict) else {}


def _above_zero(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and found > 0 else None


def listed_names(items: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return f"{', '.join(map(repr, items[:_NAMED]))}{more}"
