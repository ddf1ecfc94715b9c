"""Four kinds of camera noise, for benchmarks of codecs and of the ingest: how well an image packs is its noise.

- `spheroid`: an sCMOS in conversion of 2.17 grey values an electron, 20 electrons of background, a bright spheroid;
  nearly all background lies below 256, so that the high byte of a pixel is nearly always 0.
- `vignette`: a bright background that falls off to the corners (400 electrons, 1 grey value each, read noise of 4), so
  that high bytes differ from pixel to pixel.
- `low_light`: 2 to 14 electrons, 1 grey value each, read noise of 1.2: two or three bits of noise.
- `real`: an acquisition of an ImageXpress (`--real FOLDER`, TIFFs of 16 bits): tiles of its planes, mirrored and
  transposed so that no row of pixels comes twice in an image.

Belongs here: pixels. Does not belong here: files (`raw_plate`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

SPHEROID, VIGNETTE, LOW_LIGHT, REAL = "spheroid", "vignette", "low_light", "real"
KINDS = (SPHEROID, VIGNETTE, LOW_LIGHT, REAL)
#: Where the project's reference data lie beside a checkout.
REAL_FOLDER = Path(__file__).parents[2] / "shared/reference/imagexpress/SingleChannel/2023-02-21/1334"
_OFFSET = 100.0


def noise(kind: str, well: int, z: int, size_px: int, seed: int = 1, real: Path = REAL_FOLDER) -> np.ndarray:
    """One plane of the kinds other than `spheroid`: uint16, dims y, x."""
    rng = np.random.default_rng([seed, well, z])
    if kind == REAL:
        return _of_tiles(real, size_px, rng)
    y, x = np.ogrid[-1 : 1 : size_px * 1j, -1 : 1 : size_px * 1j]
    bright = np.exp(-((x - 0.1) ** 2 + (y + 0.02 * z) ** 2) / 0.08).astype(np.float32)
    if kind == VIGNETTE:
        electrons, read_noise = 400 * (1 - 0.2 * (x**2 + y**2)) + 1500 * bright, 4.0
    else:
        electrons, read_noise = 2 + 12 * bright, 1.2
    grey = rng.poisson(electrons).astype(np.float32) + _OFFSET
    grey += rng.standard_normal(grey.shape, dtype=np.float32) * read_noise
    pixels: np.ndarray = np.clip(np.rint(grey), 0, 65535).astype(np.uint16)
    return pixels


@cache
def _tiles(folder: Path) -> list[np.ndarray]:
    """The largest square planes of the acquisition, each in the four positions that share no row of pixels."""
    import tifffile

    paths = sorted(path for path in folder.rglob("*.tif") if "_thumb" not in path.name)
    planes = [tifffile.imread(path) for path in paths]
    if not planes:
        raise SystemExit(f"{folder}: there is no TIFF image; give the folder of an acquisition with --real.")
    side = max(min(plane.shape) for plane in planes)
    squares = [plane[:side, :side] for plane in planes if min(plane.shape) == side]
    return [turned for plane in squares for turned in (plane, plane[:, ::-1], plane.T, plane[::-1].T)]


def _of_tiles(folder: Path, size_px: int, rng: np.random.Generator) -> np.ndarray:
    tiles = _tiles(folder)
    side = tiles[0].shape[0]
    count = -(-size_px // side)
    chosen = rng.permutation(len(tiles))
    rows = [
        np.hstack([tiles[chosen[(row * count + column) % len(tiles)]] for column in range(count)])
        for row in range(count)
    ]
    return np.ascontiguousarray(np.vstack(rows)[:size_px, :size_px])
