"""A fourth simulator: sheets and cysts of point clouds, to judge how wells are told that died unlike the control.

Written after the readout `features` was given its present form, looked at once, and tuned on nothing. It
shares no code, physics or way of dying with the other three: a nucleus is a cloud of points of dye, which are counted
in voxels of five planes and blurred by their distance from the focus; cells fill the hills of a random landscape;
the camera has bands, hot pixels and a seam; condensed water blurs some wells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage

IMAGE_PX = 120
PLANES = 5
DOSES_NM = (10.0, 100.0, 1_000.0, 5_000.0, 25_000.0)
#: Ways of dying: chromatin moves to one side of the nucleus, DNA is smeared out in threads, cells are drawn together
#: into giant bodies, or they lose hold, swell a little and sink out of focus.
WAYS = ("crescents", "smearing", "clumping", "sinking")
_POINTS = 160  # of a nucleus
_PHOTONS_A_POINT, _MEDIUM = 9.0, 25.0
_OFFSET, _GAIN = 200.0, 2.2


@dataclass(frozen=True)
class Tissue:
    """A sample.

    Attributes:
        name: of the screen.
        dying: what becomes of its dead cells, one of `WAYS`.
        cells: middling number of cells in an image.
        hills: width of the hills that they fill [px].
        hollow: whether they leave the tops of the hills free, as cysts do.
        nucleus_px: middling radius of a nucleus.
        staining_spread: standard deviation of the log of a well's staining.
    """

    name: str
    dying: str
    cells: int
    hills: float
    hollow: bool
    nucleus_px: float
    staining_spread: float


EXPERIMENT = Tissue("FOURTH_CE", "crescents", 130, 14.0, False, 3.2, 0.15)
TISSUES = (
    Tissue("CRE_V1_DS1", "crescents", 120, 16.0, False, 3.6, 0.25),
    Tissue("SME_V1_DS1", "smearing", 160, 22.0, True, 3.0, 0.35),
    Tissue("CLU_V1_DS1", "clumping", 140, 12.0, False, 3.2, 0.30),
)


def layout(drugs: int, controls: int, rng: np.random.Generator) -> pd.DataFrame:
    """Wells of two plates, each a replicate: place, contents, and true viability (column truth)."""
    rows = [("neg", "buffer", 0.0, 1.0)] * controls + [("pos", "toxin", 5_000.0, 0.0)] * controls
    for drug in range(drugs):
        half, slope, least = 10 ** rng.uniform(1.5, 4.5), rng.uniform(0.6, 2.0), rng.choice([0.0, 0.0, 0.15, 0.4])
        for dose in DOSES_NM:
            alive = least + (1 - least) / (1 + (dose / half) ** slope)
            rows.append(("therapy", f"Agent {drug + 1:02d}", dose, float(alive)))
    whole = pd.DataFrame(rows, columns=["well_type", "treatment", "concentration_nM", "truth"])
    plates = []
    for number in (1, 2):
        wells = rng.permutation(16 * 24)[: len(whole)]
        letters = [chr(65 + well // 24) for well in wells]
        plates.append(whole.assign(plate=f"R{number}", row=letters, column=wells % 24 + 1, replicate=number))
    return pd.concat(plates, ignore_index=True)


def stack(tissue: Tissue, viability: float, plate_light: float, rng: np.random.Generator) -> np.ndarray:
    """Grey values of a well, uint16 (z, y, x).

    Args:
        tissue: the sample, with the way in which its cells die.
        viability: share of living cells.
        plate_light: strength of the lamp on this plate, about 1.
        rng: source of everything random about the well.
    """
    points, light = _dye(tissue, viability, rng)
    volume = np.zeros((PLANES, IMAGE_PX, IMAGE_PX))
    where = np.rint(points).astype(int)
    inside = ((where >= 0) & (where < volume.shape)).all(axis=1)
    np.add.at(volume, tuple(where[inside].T), light[inside])
    stain = float(rng.lognormal(0, tissue.staining_spread)) * plate_light
    wet = 1.2 if rng.random() < 0.08 else 0.0
    focus = rng.normal(0, 0.25)
    planes = []
    for plane in range(PLANES):
        seen = sum(
            ndimage.gaussian_filter(volume[at], np.hypot(0.7 + 0.9 * abs(plane + focus - at), wet))
            for at in range(PLANES)
        )
        planes.append(_camera(seen * _PHOTONS_A_POINT * stain + _MEDIUM * stain, rng))
    return np.asarray(np.clip(np.rint(planes), 0, 65535), dtype=np.uint16)


def _dye(tissue: Tissue, viability: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of dye (point, 3) as plane, y, x in voxels, and their light (point,)."""
    centres = _cells(tissue, rng)
    number = len(centres)
    dead = np.zeros(number, dtype=bool)
    dead[rng.permutation(number)[: round((1 - viability) * number)]] = True
    radius = tissue.nucleus_px * rng.lognormal(0, 0.1, number)
    shape = rng.normal(size=(number, _POINTS, 3))
    shape /= np.linalg.norm(shape, axis=2, keepdims=True)
    shape *= rng.random((number, _POINTS, 1)) ** (1 / 3) * rng.uniform(0.8, 1.2, (number, 1, 3))
    light = np.broadcast_to(rng.lognormal(0, 0.2, (number, 1)), (number, _POINTS)).copy()
    gone, its = np.flatnonzero(dead), shape[dead]
    if not len(gone):
        pass
    elif tissue.dying == "crescents":
        side = rng.normal(size=(len(gone), 1, 3))
        side /= np.linalg.norm(side, axis=2, keepdims=True)
        rim = its / np.linalg.norm(its, axis=2, keepdims=True) + 1.1 * side
        its = rim / np.linalg.norm(rim, axis=2, keepdims=True) * rng.uniform(0.8, 1.0, (len(gone), _POINTS, 1))
        light[gone] *= 1.2
    elif tissue.dying == "smearing":
        turn, far = rng.uniform(0, 2 * np.pi, (len(gone), 1)), rng.exponential(2.5, (len(gone), _POINTS))
        bow = rng.normal(0, 0.25, (len(gone), 1)) * far**2 / 4
        its = 0.35 * its
        its[..., 1] += far * np.sin(turn) + bow * np.cos(turn)
        its[..., 2] += far * np.cos(turn) - bow * np.sin(turn)
        light[gone] *= 0.8
    elif tissue.dying == "clumping":
        heads = centres[gone][rng.permutation(len(gone))[: max(len(gone) // 9, 1)]]
        nearest = np.linalg.norm(centres[gone][:, None] - heads[None], axis=2).argmin(axis=1)
        centres[gone] = heads[nearest] + 0.3 * (centres[gone] - heads[nearest])
        its = 0.9 * its
    else:
        radius[gone] *= 1.25
        centres[gone, 0] = rng.uniform(-1.6, -0.4, len(gone))
        light[gone] *= 0.7
    shape[dead] = its
    # A plane is as far from the next as four pixels.
    points = centres[:, None, :] + shape * radius[:, None, None] * np.array([0.25, 1.0, 1.0])
    points[..., 0] = np.clip(points[..., 0], 0, PLANES - 1)
    return points.reshape(-1, 3), light.reshape(-1)


def _cells(tissue: Tissue, rng: np.random.Generator) -> np.ndarray:
    """Centres (cell, 3) as plane, y, x: the highest places of a landscape, a little apart from each other."""
    land = ndimage.gaussian_filter(rng.normal(size=(IMAGE_PX, IMAGE_PX)), tissue.hills, mode="reflect")
    land = land / land.std()
    y, x = np.mgrid[-1 : 1 : IMAGE_PX * 1j, -1 : 1 : IMAGE_PX * 1j]
    land -= 1.5 * (y**2 + x**2)
    if tissue.hollow:
        land = -np.abs(land - np.quantile(land, 0.9))
    number = max(int(tissue.cells * rng.lognormal(0, 0.18)), 15)
    kept: list[np.ndarray] = []
    free = np.ones((IMAGE_PX, IMAGE_PX), dtype=bool)
    apart = int(1.1 * tissue.nucleus_px)
    for place in np.argsort(-(land + 0.15 * rng.normal(size=land.shape)), axis=None):
        row, column = divmod(int(place), IMAGE_PX)
        if free[row, column]:
            kept.append(np.array([rng.normal(2.0, 0.6), row, column]))
            free[max(row - apart, 0) : row + apart + 1, max(column - apart, 0) : column + apart + 1] = False
            if len(kept) == number:
                break
    return np.stack(kept)


def _camera(photons: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counts of photons (y, x): a seam of two tiles, shot noise, bands, hot pixels."""
    tiled = photons.copy()
    tiled[:, IMAGE_PX // 2 :] *= rng.uniform(0.95, 1.05)
    counts = _OFFSET + _GAIN * rng.poisson(tiled) + rng.normal(0, 3, tiled.shape) + rng.normal(0, 2, (IMAGE_PX, 1))
    hot = rng.integers(0, IMAGE_PX, (2, rng.poisson(3)))
    counts[hot[0], hot[1]] += rng.uniform(100, 2_000, hot.shape[1])
    return np.asarray(counts)
