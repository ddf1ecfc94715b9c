"""Raw ImageXpress plates in the database layout, small, with pixels that tests can predict."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import tifffile

#: Bottom plane and distance of the planes of the raw plates here.
Z_UM, STEP_UM = 100.0, 2.5


def plane_pixels(well: str, channel: int, z: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """The pixels of one raw plane: noise that depends on everything that names the plane."""
    rng = np.random.default_rng([seed, channel, z, *well.encode()])
    return rng.integers(100, 5000, size, dtype=np.uint16)


def describe(**tags: object) -> str:
    """A MetaSeries image description."""
    kinds = {int: "int", float: "float", str: "string"}
    props = "".join(f'<prop id="{k}" type="{kinds[type(v)]}" value="{v}"/>\n' for k, v in tags.items())
    return f"<MetaData>\n<PlaneInfo>\n{props}</PlaneInfo>\n</MetaData>"


def write_image(path: Path, pixels: np.ndarray, **tags: object) -> Path:
    """One TIFF file as MetaXpress writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, description=describe(**tags), metadata=None, software="MetaSeries", rowsperstrip=16)
    return path


def write_plate(
    folder: Path,
    wells: Iterable[str] = ("B02", "B03", "C02"),
    *,
    planes: int = 3,
    channels: int = 1,
    sites: int = 1,
    size: tuple[int, int] = (40, 48),
    projection: str | None = "Maximum",
    acquisition: str = "77",
    seed: int = 0,
) -> Path:
    """A raw plate folder; the instrument's own projection is deliberately not the maximum of the planes."""
    place = folder / "2026-01-01" / acquisition
    for well in wells:
        for site in range(1, sites + 1):
            for channel in range(channels):
                stem = f"Plate_x_{well}_s{site}_w{channel + 1}"
                tags = {
                    "stage-label": f"{well} : Site {site}",
                    "spatial-calibration-x": 1.372,
                    "spatial-calibration-units": "um",
                    "_IllumSetting_": "Hoechst",
                    "wavelength": 447.0,
                    "Exposure Time": "15 ms",
                    "stage-position-x": 1000.5,
                    "stage-position-y": 2000.5,
                    "Instrument": "IXM",
                }
                for z in range(planes):
                    guid = uuid.uuid5(uuid.NAMESPACE_OID, f"{stem}{z}")
                    pixels = plane_pixels(well, channel, z, size, seed + 100 * site)
                    height = Z_UM + STEP_UM * z
                    write_image(
                        place / f"ZStep_{z + 1}" / f"{stem}{guid}.tif",
                        pixels,
                        **tags,
                        **{"ImageXpress Micro Z": height, "acquisition-time-local": f"20260101 10:00:0{z}"},
                    )
                if projection:
                    guid = uuid.uuid5(uuid.NAMESPACE_OID, f"{stem}-projection")
                    write_image(
                        place / f"{stem}{guid}.tif",
                        plane_pixels(well, channel, 999, size, seed + 100 * site),
                        **tags,
                        **{"Z Projection Method": projection, "Z Projection Step Size": STEP_UM},
                    )
    return folder


@pytest.fixture
def raw_plate(tmp_path: Path) -> Callable[..., Path]:
    """Writes a raw plate below the test's folder (see `write_plate`)."""

    def make(name: str = "P1", **options: object) -> Path:
        return write_plate(tmp_path / "raw" / name, **options)  # type: ignore[arg-type]

    make.pixels = plane_pixels  # type: ignore[attr-defined]
    make.image = write_image  # type: ignore[attr-defined]
    return make


@pytest.fixture
def contents() -> Callable[[Path | str], dict[str, bytes]]:
    """Every file below a folder, or object below an address, and its bytes."""
    from phenodose.io.places import place, sizes

    def read(folder: Path | str) -> dict[str, bytes]:
        return {name: (place(folder) / name).read_bytes() for name in sorted(sizes(place(folder)))}

    return read
