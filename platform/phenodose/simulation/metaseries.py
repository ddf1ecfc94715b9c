"""Raw files as the ImageXpress writes them: uncompressed TIFF with MetaSeries tags.

Belongs here: the instrument's spelling of names, folders and tags. Does not belong here: the pixels
(`spheroid`), and reading such files (the imagexpress reader).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    import numpy as np

_VERSION = "6.7.0.211"
_ROWS_PER_STRIP = 8
_MAXIMUM = "Maximum"


@dataclass(frozen=True)
class Acquisition:
    """What is the same for all files of a plate.

    Attributes:
        plate_name: name of the plate as typed at the instrument.
        folder: place of the acquisition in the raw folder: date and number.
        pixel_um: width of a pixel in the sample, binning included.
        binning: camera pixels to an image pixel, along each side.
        z_step_um: nominal distance of planes.
        exposure_ms: exposure time.
    """

    plate_name: str
    folder: str
    pixel_um: float
    binning: int
    z_step_um: float
    exposure_ms: int = 200


@dataclass(frozen=True)
class Plane:
    """What differs from file to file.

    Attributes:
        well: name of the well.
        z_step: number of the plane from 1; None for the maximum projection.
        z_um: stage height; of a projection the middle of its stack.
        first_z_um: stage height of the lowest plane of the stack.
        n_z: planes of the stack.
        stage_x_um: stage position across.
        stage_y_um: stage position along.
        offset_x_um: distance of the field from the well's centre across.
        offset_y_um: the same along.
        acquired_at: local time of the exposure.
        modified_at: local time of writing.
        file_guid: identifier in the file's name, 36 characters.
        plane_guid: identifier in the tags, 36 characters.
        focus_score: of the laser autofocus.
        wave: number of the wavelength from 1; None where there is only one.
        channel: name of the illumination setting.
        wavelength_nm: of the emission.
    """

    well: str
    z_step: int | None
    z_um: float
    first_z_um: float
    n_z: int
    stage_x_um: float
    stage_y_um: float
    offset_x_um: float
    offset_y_um: float
    acquired_at: datetime
    modified_at: datetime
    file_guid: str
    plane_guid: str
    focus_score: float
    wave: int | None = None
    channel: str = "Hoechst"
    wavelength_nm: float = 447


def file_path(acquisition: Acquisition, plane: Plane) -> Path:
    """Place of a file in the raw folder of its plate.

    Where there is one site and one wavelength the instrument leaves `_s` and `_w` out of the name. A projection lies
    in the folder above its planes.
    """
    folder = Path(acquisition.folder)
    if plane.z_step is not None:
        folder /= f"ZStep_{plane.z_step}"
    wave = "" if plane.wave is None else f"_w{plane.wave}"
    return folder / f"{acquisition.plate_name}_{plane.well}{wave}{plane.file_guid}.tif"


def write_plane(raw: Path, acquisition: Acquisition, plane: Plane, pixels: np.ndarray) -> Path:
    """Write one file and return its path.

    Args:
        raw: raw folder of the plate; the folders of the file must exist.
        acquisition: what holds for the plate.
        plane: what holds for the file.
        pixels: uint16 array, dims y, x.
    """
    import tifffile

    path = raw / file_path(acquisition, plane)
    tifffile.imwrite(
        path,
        pixels,
        byteorder="<",
        photometric="minisblack",
        rowsperstrip=_ROWS_PER_STRIP,
        description=describe(acquisition, plane, pixels),
        software="MetaSeries",
        datetime=plane.acquired_at.replace(microsecond=0),
        resolution=(1, 1),
        resolutionunit="INCH",
        metadata=None,
    )
    return path


def describe(acquisition: Acquisition, plane: Plane, pixels: np.ndarray) -> str:
    """The MetaSeries XML of one file."""
    height, width = pixels.shape
    lines = [
        "<MetaData>",
        _prop("Description", "string", _description(acquisition, width, height)),
        _prop("MetaDataVersion", "float", 1),
        _prop("ApplicationName", "string", "MetaMorph"),
        _prop("ApplicationVersion", "string", _VERSION),
        "<PlaneInfo>",
        *(_prop(*entry) for entry in _props(acquisition, plane, pixels)),
        *(_prop(*entry, tag="custom-prop") for entry in _custom_props(acquisition, plane)),
        "</PlaneInfo>",
        "<SetInfo>",
        _prop("number-of-planes", "int", 1),
        "</SetInfo>",
        "</MetaData>",
    ]
    return "\n".join(lines)


def _prop(name: str, kind: str, value: object, tag: str = "prop") -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    escaped = quoteattr(text, {"\r": "&#13;", "\n": "&#10;"})
    return f'<{tag} id="{name}" type="{kind}" value={escaped}/>'


def _time(moment: datetime) -> str:
    return f"{moment:%Y%m%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def _description(acquisition: Acquisition, width: int, height: int) -> str:
    sensor = 2048
    region = (width * acquisition.binning, height * acquisition.binning)
    offset = ((sensor - region[0]) // 2, (sensor - region[1]) // 2)
    lines = [
        f"Plate Name: {acquisition.plate_name}",
        "Folder Name: simulation",
        "",
        f"Exposure: {acquisition.exposure_ms} ms",
        f"Binning: {acquisition.binning} x {acquisition.binning}",
        f"Region: {region[0]} x {region[1]}, offset at ({offset[0]}, {offset[1]})",
        "Acquired from AndorSdk3 Camera",
        "Subtract: Off",
        "Shading: Off",
        "Digitizer: 540 MHz - fastest readout",
        "Gain: 16-bit (low noise & high well capacity)",
        "Electronic Shutter: Rolling",
        "Baseline Clamp Enabled: Yes",
        "Cooler On: 1",
        "Frames to Average: 1",
        "Trigger Mode: Normal (TIMED)",
        "Temperature: 0.27",
        f"Software Version: MetaXpress {_VERSION}",
        "",
        "LAF Performed:1",
        "LAF Plate Bottom Success:1",
        "LAF Well Bottom Success:1",
        "Image AF Performed:0",
    ]
    return "\r\n".join(lines)


def _props(acquisition: Acquisition, plane: Plane, pixels: np.ndarray) -> list[tuple[str, str, object]]:
    height, width = pixels.shape
    return [
        ("plane-type", "string", "plane"),
        ("pixel-size-x", "int", width),
        ("pixel-size-y", "int", height),
        ("bits-per-pixel", "int", 16),
        ("autoscale-state", "bool", "on"),
        ("autoscale-min-percent", "float", 0),
        ("autoscale-max-percent", "float", 0),
        ("scale-min", "int", int(pixels.min())),
        ("scale-max", "int", int(pixels.max())),
        ("spatial-calibration-state", "bool", "on"),
        ("spatial-calibration-x", "float", acquisition.pixel_um),
        ("spatial-calibration-y", "float", acquisition.pixel_um),
        ("spatial-calibration-units", "string", "um"),
        ("image-name", "string", plane.channel),
        ("threshold-state", "string", "ThresholdOff"),
        ("threshold-low", "int", 0),
        ("threshold-high", "int", 65535),
        ("zoom-percent", "int", 100),
        ("gamma", "float", 1),
        ("look-up-table-type", "string", "by-wavelength"),
        ("look-up-table-name", "string", "Set By Wavelength"),
        ("photonegative-mode", "bool", "off"),
        ("plane-guid", "guid", f"{{{plane.plane_guid}}}"),
        ("acquisition-time-local", "time", _time(plane.acquired_at)),
        ("modification-time-local", "time", _time(plane.modified_at)),
        ("stage-position-x", "float", plane.stage_x_um),
        ("stage-position-y", "float", plane.stage_y_um),
        ("stage-label", "string", f"{plane.well} : Site 1"),
        ("z-position", "float", plane.z_um),
        ("wavelength", "float", plane.wavelength_nm),
        ("camera-binning-x", "int", acquisition.binning),
        ("camera-binning-y", "int", acquisition.binning),
        ("camera-chip-offset-x", "float", 0),
        ("camera-chip-offset-y", "float", 0),
        ("_IllumSetting_", "string", plane.channel),
        ("_MagNA_", "float", 0.75),
        ("_MagRI_", "float", 1),
        ("_MagSetting_", "string", "20X Plan Apo Lambda"),
        ("_Temperature_", "float", 28),
    ]


def _custom_props(acquisition: Acquisition, plane: Plane) -> list[tuple[str, str, object]]:
    entries: list[tuple[str, str, object]] = [
        ("Camera Bit Depth", "float", 16),
        ("Exposure Time", "string", f"{acquisition.exposure_ms} ms"),
        ("ImageXpress Micro Objective", "string", "20X Plan Apo Lambda"),
        ("ImageXpress Micro X", "float", plane.stage_x_um),
        ("ImageXpress Micro Y", "float", plane.stage_y_um),
        ("ImageXpress Micro Z", "float", plane.z_um if plane.z_step is not None else plane.first_z_um),
        ("Instrument Serial Number", "string", "0000000"),
        ("IXConfocal Module Dichroic Wheel", "string", "DAPI"),
        ("IXConfocal Module Disk", "string", "IN - 60 um pinhole - Running"),
        ("IXConfocal Module Emission Wheel", "string", "DAPI"),
        ("Laser focus score", "float", plane.focus_score),
        ("Lumencor Violet Intensity", "float", 40),
        ("Lumencor Violet Shutter", "string", "Closed"),
        ("OffsetFromWellCenterUmX", "float", plane.offset_x_um),
        ("OffsetFromWellCenterUmY", "float", plane.offset_y_um),
        ("PositionPrecisionUm", "float", 0),
        ("ReferenceSubtraction", "string", "None"),
        ("ShadingCorrection", "string", "Off"),
        ("SiteX", "float", 1),
        ("SiteY", "float", 1),
    ]
    if plane.z_step is not None:
        return [*entries, ("Z Step", "float", plane.z_step)]
    return [
        *entries,
        ("Z Projection Method", "string", _MAXIMUM),
        ("Z Projection Step Size", "float", acquisition.z_step_um),
        ("Z Thickness", "float", (plane.n_z - 1) * acquisition.z_step_um),
    ]
