"""A generated ImageXpress plate of full size, for benchmarks: real file layout, tags and photon noise.

Every plane is an uncompressed TIFF with MetaSeries tags and 8 KiB strips, as MetaXpress writes them. The camera is an
sCMOS: offset 100, 2.17 grey values an electron, read noise 1.5 electrons, 20 electrons of background; in it lies a
spheroid of up to 1500 electrons with nuclei, whose width and focus change with height. Photons are Poisson numbers.
Other kinds of noise (`--kind`) are those of `noise_kinds.py`.

Run by itself it writes one plate: `.venv/bin/python benchmarks/raw_plate.py OUT --wells 8 --planes 24`.
"""

from __future__ import annotations

import argparse
import os
import uuid
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from noise_kinds import KINDS, REAL_FOLDER, SPHEROID, noise

OFFSET, GREY_PER_ELECTRON, READ_NOISE, BACKGROUND, PEAK = 100.0, 2.17, 1.5, 20.0, 1500.0
STEP_UM = 5.0
_ROWS_A_STRIP = 2
_ROWS = 14


def well_names(count: int) -> list[str]:
    """Names of wells from B02 on: four a row, or 22 if they are many, up to the 308 inner wells of a 384-well plate."""
    a_row = 4 if count <= _ROWS * 4 else 22
    return [f"{chr(ord('B') + number // a_row)}{2 + number % a_row:02d}" for number in range(count)]


def plane_pixels(
    well: int, z: int, planes: int, size_px: int, seed: int, kind: str = SPHEROID, real: Path = REAL_FOLDER
) -> np.ndarray:
    """Grey values of one plane: uint16, dims y, x."""
    if kind != SPHEROID:
        return noise(kind, well, z, size_px, seed, real)
    rng = np.random.default_rng([seed, well, z])
    shape = np.random.default_rng([seed, well])
    y, x = np.ogrid[-1 : 1 : size_px * 1j, -1 : 1 : size_px * 1j]
    height = (z - (planes - 1) / 2) / planes
    radius = np.sqrt(y**2 + x**2).astype(np.float32)
    body = np.clip((0.55 * np.sqrt(max(1 - (2 * height) ** 2, 0.05)) - radius) * 8, 0, 1)
    waves = np.ones((), np.float32)
    for _ in range(3):
        angle, phase = shape.uniform(0, np.pi), shape.uniform(0, 2 * np.pi)
        along = (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32)
        waves = waves * (1 + 0.5 * np.sin(60 * along + phase + 3 * height))
    electrons = BACKGROUND + PEAK * body * np.clip(waves / 2, 0, 1)
    grey = rng.poisson(electrons).astype(np.float32)
    grey += rng.standard_normal(grey.shape, dtype=np.float32) * READ_NOISE
    grey = grey * GREY_PER_ELECTRON + OFFSET
    pixels: np.ndarray = np.clip(np.rint(grey), 0, 65535).astype(np.uint16)
    return pixels


def write_plane(
    folder: Path,
    planes: int,
    size_px: int,
    seed: int,
    more_tags: int,
    kind: str,
    real: Path,
    label: bool,
    place: tuple[int, str, int],
) -> None:
    """Write one TIFF file; a label names its well."""
    number, well, z = place
    stem = f"Bench_{well}_s1_w1"
    tags = (
        ({"stage-label": f"{well} : Site 1"} if label else {})
        | {
            "spatial-calibration-state": "on",
            "spatial-calibration-x": 0.3417,
            "spatial-calibration-y": 0.3417,
            "spatial-calibration-units": "um",
            "_IllumSetting_": "Hoechst",
            "_MagSetting_": "20X Plan Apo Lambda",
            "wavelength": 447.0,
            "Exposure Time": "15 ms",
            "stage-position-x": 1000.5,
            "stage-position-y": 2000.5,
            "ImageXpress Micro Z": 9000.0 + STEP_UM * z,
            "Z Step": z + 1,
            "acquisition-time-local": f"20260101 10:{number:02d}:{z:02d}.000",
            "Instrument Serial Number": "5150123",
        }
        | {f"Setting of the instrument {n}": f"{n} at plane {z} of {well}" for n in range(more_tags)}
    )
    kinds = {int: "int", float: "float", str: "string"}
    props = "".join(f'<prop id="{k}" type="{kinds[type(v)]}" value="{v}"/>\n' for k, v in tags.items())
    path = folder / f"ZStep_{z + 1}" / f"{stem}{uuid.uuid5(uuid.NAMESPACE_OID, f'{stem}{z}')}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        path,
        plane_pixels(number, z, planes, size_px, seed, kind, real),
        description=f"<MetaData>\n<PlaneInfo>\n{props}</PlaneInfo>\n</MetaData>",
        metadata=None,
        software="MetaSeries",
        rowsperstrip=_ROWS_A_STRIP,
    )


def write_plate(
    out: Path,
    wells: int = 8,
    planes: int = 24,
    size_px: int = 2048,
    seed: int = 1,
    more_tags: int = 0,
    kind: str = SPHEROID,
    real: Path = REAL_FOLDER,
    links: bool = False,
) -> Path:
    """Write a plate of one site and one channel in the layout of the MetaXpress database; returns `out`.

    With `links` all wells are links to the images of the first.
    """
    folder = out / "2026-01-01" / "1000"
    written = well_names(wells)[:1] if links else well_names(wells)
    places = [(number, well, z) for number, well in enumerate(written) for z in range(planes)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(
            pool.map(
                partial(write_plane, folder, planes, size_px, seed, more_tags, kind, real, not links),
                places,
                chunksize=4,
            )
        )
    if links:
        link_wells(out, wells)
    return out


def link_wells(plate: Path, wells: int) -> None:
    """Turn a plate of one well, written without labels, into one of many by hard links: its size without its bytes."""
    first, *others = well_names(wells)
    for path in [*plate.rglob(f"*_{first}_*.tif")]:
        for well in others:
            path.with_name(path.name.replace(f"_{first}_", f"_{well}_")).hardlink_to(path)


def main() -> None:
    """Write a plate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--wells", type=int, default=8)
    parser.add_argument("--planes", type=int, default=24)
    parser.add_argument("--size-px", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--more-tags", type=int, default=0, help="MetaXpress writes about 70 more")
    parser.add_argument("--kind", choices=KINDS, default=SPHEROID, help="of noise")
    parser.add_argument("--real", type=Path, default=REAL_FOLDER, help="the acquisition behind the kind `real`")
    parser.add_argument("--links", action="store_true", help="all wells are links to the images of the first")
    asked = parser.parse_args()
    write_plate(
        asked.out,
        asked.wells,
        asked.planes,
        asked.size_px,
        asked.seed,
        asked.more_tags,
        asked.kind,
        asked.real,
        asked.links,
    )


if __name__ == "__main__":
    main()
