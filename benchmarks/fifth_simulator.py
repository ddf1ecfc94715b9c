"""A fifth simulator: monolayers and loose colonies of dividing cells, to judge the flag `unlike_controls`.

Written after the flag was last changed, looked at once, and tuned on nothing. It shares no code or design with the
other simulators: nuclei are smooth bodies of a random outline (a few waves around a circle), drawn pixel by pixel with
an opacity that saturates where they overlap; colonies grow by division, each daughter beside its mother; the microscope
has two planes, an uneven slide, streaks of a lamp, and a scratch in some wells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage

IMAGE_PX = 128
DOSES_NM = (5.0, 50.0, 500.0, 5_000.0, 50_000.0)
#: Ways of dying: nuclei flatten and spread wide, melt into each other across borders, break into a ring of grains, or
#: leave holes where they were and a bright rim around them.
WAYS = ("flattening", "melting", "ringing", "hollowing")


@dataclass(frozen=True)
class Colony:
    """A sample.

    Attributes:
        name: of the screen.
        dying: what becomes of its dead cells, one of `WAYS`.
        founders: cells that an image began with.
        cells: middling number of cells that they became.
        nucleus_px: middling radius of a nucleus.
        waviness: how far outlines leave a circle.
        staining_spread: standard deviation of the log of a well's staining.
    """

    name: str
    dying: str
    founders: int
    cells: int
    nucleus_px: float
    waviness: float
    staining_spread: float


COLONIES = (
    Colony("FLA_V1_DS1", "flattening", 3, 90, 4.2, 0.10, 0.3),
    Colony("MEL_V1_DS1", "melting", 7, 130, 3.4, 0.18, 0.2),
    Colony("RIN_V1_DS1", "ringing", 14, 100, 4.0, 0.14, 0.4),
)


def layout(drugs: int, controls: int, rng: np.random.Generator) -> pd.DataFrame:
    """Wells of two plates, each a replicate: place, contents, and true viability (column truth)."""
    rows = [("neg", "medium", 0.0, 1.0)] * controls + [("pos", "poison", 10_000.0, 0.0)] * controls
    for drug in range(drugs):
        half, slope, least = 10 ** rng.uniform(1.3, 4.7), rng.uniform(0.7, 1.8), rng.choice([0.0, 0.0, 0.2, 0.4])
        for dose in DOSES_NM:
            alive = least + (1 - least) / (1 + (dose / half) ** slope)
            rows.append(("therapy", f"Substance {drug + 1:02d}", dose, float(alive)))
    whole = pd.DataFrame(rows, columns=["well_type", "treatment", "concentration_nM", "truth"])
    plates = []
    for number in (1, 2):
        wells = rng.permutation(16 * 24)[: len(whole)]
        letters = [chr(65 + well // 24) for well in wells]
        plates.append(whole.assign(plate=f"S{number}", row=letters, column=wells % 24 + 1, replicate=number))
    return pd.concat(plates, ignore_index=True)


def stack(colony: Colony, viability: float, lamp: float, rng: np.random.Generator) -> np.ndarray:
    """Grey values of a well, uint16 (2, y, x): the plane of the nuclei, and one above it.

    Args:
        colony: the sample, with the way in which its cells die.
        viability: share of living cells.
        lamp: strength of the lamp on this plate, about 1.
        rng: source of everything random about the well.
    """
    thick = np.zeros((IMAGE_PX, IMAGE_PX))
    places = _grown(colony, rng)
    dead = np.zeros(len(places), dtype=bool)
    dead[rng.permutation(len(places))[: round((1 - viability) * len(places))]] = True
    for place, is_dead in zip(places, dead, strict=True):
        _draw(thick, colony, place, bool(is_dead), rng)
    if colony.dying == "melting" and dead.any():
        thick = _melted(thick, places[dead], colony.nucleus_px)
    light = (1 - np.exp(-1.1 * thick)) * float(rng.lognormal(0, colony.staining_spread)) * lamp
    slide = 1 + 0.25 * _smooth(rng, 40.0) * 0.5
    streaks = 1 + 0.03 * rng.normal(size=(1, IMAGE_PX))
    medium = 0.05 + 0.02 * rng.random()
    if rng.random() < 0.1:
        light *= 1 - _scratch(rng)
    planes = []
    for blur in (0.8, 2.6):
        photons = (ndimage.gaussian_filter(light, blur) + medium) * slide.clip(0.3) * streaks * 220
        planes.append(rng.poisson(photons.clip(0)) * 1.8 + rng.normal(150, 5, photons.shape))
    return np.asarray(np.clip(np.rint(planes), 0, 65535), dtype=np.uint16)


def _grown(colony: Colony, rng: np.random.Generator) -> np.ndarray:
    """Places (cell, 2) as y, x in pixels: founders anywhere, each next cell beside one that is there."""
    number = max(int(colony.cells * rng.lognormal(0, 0.15)), colony.founders + 5)
    places = list(rng.uniform(0.15, 0.85, (colony.founders, 2)) * IMAGE_PX)
    while len(places) < number:
        near = np.array(places)
        angle, far = rng.uniform(0, 2 * np.pi), 1.9 * colony.nucleus_px * rng.uniform(1.0, 1.3)
        new = near[rng.integers(len(near))] + far * np.array([np.sin(angle), np.cos(angle)])
        free = np.hypot(*(near - new).T).min() > 1.5 * colony.nucleus_px or rng.random() < 0.02
        if free and (new > 0).all() and (new < IMAGE_PX).all():
            places.append(new)
    return np.array(places)


def _draw(thick: np.ndarray, colony: Colony, place: np.ndarray, dead: bool, rng: np.random.Generator) -> None:
    """Add the thickness of a nucleus, or of what is left of it."""
    size = colony.nucleus_px * rng.lognormal(0, 0.1)
    if dead and colony.dying == "ringing":
        for angle in rng.uniform(0, 2 * np.pi, rng.integers(5, 9)):
            grain = place + 1.1 * size * np.array([np.sin(angle), np.cos(angle)])
            _body(thick, grain, 0.3 * size, 0.0, lambda far: 1.3 * np.sqrt(np.maximum(1 - far**2, 0)), rng)
    elif dead and colony.dying == "flattening":
        _body(thick, place, 1.7 * size, 2 * colony.waviness, lambda far: 0.35 * (far < 1), rng)
    elif dead and colony.dying == "hollowing":
        _body(thick, place, 1.1 * size, colony.waviness, lambda far: 1.2 * np.exp(-(((far - 0.9) / 0.2) ** 2)), rng)
    else:
        # What melts is drawn as it was, and flows afterwards.
        _body(thick, place, size, colony.waviness, lambda far: np.sqrt(np.maximum(1 - far**2, 0)), rng)


def _body(
    thick: np.ndarray,
    place: np.ndarray,
    size: float,
    waviness: float,
    height: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Add a body of a wavy outline; `height` gives its thickness by the distance from its middle, 1 at the outline."""
    reach = int(3 * size) + 2
    top, left = (max(int(at) - reach, 0) for at in place)
    part = thick[top : int(place[0]) + reach, left : int(place[1]) + reach]
    y, x = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    far, angle = np.hypot(y - place[0], x - place[1]), np.arctan2(y - place[0], x - place[1])
    outline = 1 + sum(waviness * rng.normal() * np.cos(wave * angle + rng.uniform(0, 6.3)) for wave in (2, 3, 4))
    part += height(far / (size * np.maximum(outline, 0.3)))


def _melted(thick: np.ndarray, dead: np.ndarray, size: float) -> np.ndarray:
    """Around dead cells what is there flows over twice the width of a nucleus."""
    y, x = dead.astype(int).clip(0, IMAGE_PX - 1).T
    there = np.zeros_like(thick)
    there[y, x] = 1
    part = ndimage.gaussian_filter((ndimage.distance_transform_edt(1 - there) < size).astype(float), 0.7)
    return np.asarray(thick * (1 - part) + ndimage.gaussian_filter(thick * part, 0.8 * size))


def _smooth(rng: np.random.Generator, width: float) -> np.ndarray:
    """A random landscape of standard deviation 1."""
    land = ndimage.gaussian_filter(rng.normal(size=(IMAGE_PX, IMAGE_PX)), width, mode="reflect")
    return np.asarray((land - land.mean()) / land.std())


def _scratch(rng: np.random.Generator) -> np.ndarray:
    """Where a scratch took the cells away: 1 there, 0 elsewhere."""
    y, x = np.mgrid[:IMAGE_PX, :IMAGE_PX]
    turned, at = rng.uniform(0, np.pi), IMAGE_PX * rng.uniform(30 / 128, 98 / 128)
    far = (y - at) * np.cos(turned) + (x - at) * np.sin(turned)
    return np.asarray(np.abs(far) < rng.uniform(1.5, 4))
