"""A third simulator: flat clusters and cysts of textured nuclei, to judge readouts that were made without it.

Written after the readout `features`, looked at once, and tuned on nothing. It shares no code, physics or design with
`phenodose.simulation` and `other_simulator`: cells lie side by side as ellipses with chromatin texture, in one or
several clusters, some around a lumen; three planes differ in focus; light falls off along a slope of each plate;
staining, seeding, fibres and dust differ from well to well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage

IMAGE_PX = 112
PLANES = 3
DOSES_NM = (3.0, 30.0, 300.0, 3_000.0, 30_000.0)
#: Ways of dying.
WAYS = ("condensing", "blebbing", "fading", "detaching")
_OFFSET, _READ_NOISE, _COUNTS_A_PHOTON = 110.0, 4.0, 1.6
#: Photons of a living nucleus in focus, and of the medium.
_PHOTONS, _HAZE = 170.0, 12.0


@dataclass(frozen=True)
class Culture:
    """A sample.

    Attributes:
        name: of the screen.
        dying: what becomes of its dead cells, one of `WAYS`.
        cells: middling number of cells in an image.
        clusters: largest number of clusters.
        lumen: radius of the hollow of a cluster, as a fraction of its own.
        nucleus_px: middling long half-axis of a nucleus.
        staining_spread: standard deviation of the log of a well's staining.
    """

    name: str
    dying: str
    cells: int
    clusters: int
    lumen: float
    nucleus_px: float
    staining_spread: float


EXPERIMENT = Culture("THIRD_CE", "condensing", 130, 2, 0.0, 3.2, 0.15)
CULTURES = (
    Culture("CON_V1_DS1", "condensing", 150, 1, 0.0, 3.0, 0.25),
    Culture("BLE_V1_DS1", "blebbing", 110, 4, 0.0, 3.6, 0.40),
    Culture("FAD_V1_DS1", "fading", 130, 2, 0.55, 3.2, 0.30),
)


@dataclass(frozen=True)
class Lamp:
    """Light of a plate: its strength, and how it falls off across the image.

    Attributes:
        strength: factor.
        slope: change from one side to the other, along y and x.
        bow: loss in the corners.
    """

    strength: float
    slope: tuple[float, float]
    bow: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Lamp:
        """The light of some plate."""
        down, across = rng.uniform(-0.2, 0.2, 2)
        return cls(float(rng.lognormal(0, 0.12)), (float(down), float(across)), float(rng.uniform(0.1, 0.3)))

    def field(self) -> np.ndarray:
        """Light (y, x)."""
        y, x = np.mgrid[-0.5 : 0.5 : IMAGE_PX * 1j, -0.5 : 0.5 : IMAGE_PX * 1j]
        falling = 1 + self.slope[0] * y + self.slope[1] * x - self.bow * 2 * (x**2 + y**2)
        return np.asarray(self.strength * falling)


def layout(drugs: int, controls: int, rng: np.random.Generator) -> pd.DataFrame:
    """Wells of two plates, each a replicate: place, contents, and true viability (column truth)."""
    wanted = [("neg", "vehicle", 0.0, 1.0)] * controls + [("pos", "killer", 1_000.0, 0.0)] * controls
    for drug in range(drugs):
        middle, steepness, rest = 10 ** rng.uniform(1, 5), rng.uniform(0.5, 1.5), rng.choice([0.0, 0.0, 0.1, 0.35])
        for dose in DOSES_NM:
            alive = rest + (1 - rest) * 2 ** -((dose / middle) ** steepness)
            wanted.append(("therapy", f"Compound {drug + 1:02d}", dose, float(alive)))
    frames = []
    for plate in (1, 2):
        places = rng.permutation(16 * 24)[: len(wanted)]
        frame = pd.DataFrame(wanted, columns=["well_type", "treatment", "concentration_nM", "truth"])
        rows = [chr(65 + place // 24) for place in places]
        frames.append(frame.assign(plate=f"Q{plate}", row=rows, column=places % 24 + 1, replicate=plate))
    return pd.concat(frames, ignore_index=True)


def stack(culture: Culture, viability: float, lamp: Lamp, rng: np.random.Generator) -> np.ndarray:
    """Grey values of a well, uint16 (z, y, x)."""
    places, dead = _cells(culture, viability, rng)
    texture = ndimage.gaussian_filter(rng.normal(size=(IMAGE_PX, IMAGE_PX)), 1.1)
    texture /= texture.std()
    layers = np.zeros((PLANES, IMAGE_PX, IMAGE_PX))
    for place, is_dead in zip(places, dead, strict=True):
        _draw(layers, culture, place, bool(is_dead), texture, rng)
    gain = float(rng.lognormal(0, culture.staining_spread))
    light, dirt = lamp.field(), _dirt(rng)
    focus = rng.normal(0, 0.3)
    planes = []
    for plane in range(PLANES):
        seen = sum(
            ndimage.gaussian_filter(layer, 0.6 + 1.5 * abs(plane + focus - place)) for place, layer in enumerate(layers)
        )
        photons = (seen * _PHOTONS * gain + dirt * _PHOTONS + _HAZE * (1 + gain)) * light
        counts = _COUNTS_A_PHOTON * rng.poisson(photons) + rng.normal(_OFFSET, _READ_NOISE, photons.shape)
        planes.append(counts)
    return np.asarray(np.clip(np.rint(planes), 0, 65535), dtype=np.uint16)


def _cells(culture: Culture, viability: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places (cell, 2) as y, x in pixels, and which cells are dead (cell,)."""
    count = max(int(culture.cells * rng.lognormal(0, 0.15)), 12)
    dead = rng.permutation(count) < round((1 - viability) * count)
    number = int(rng.integers(1, culture.clusters + 1))
    shares = rng.multinomial(count, rng.dirichlet(np.full(number, 4.0)))
    parts = []
    for size in shares:
        # Cells lie on a spiral of even density, a little disturbed.
        whole = culture.nucleus_px * 0.95 * np.sqrt(size / max(1 - culture.lumen**2, 0.1))
        inner = culture.lumen**2
        radius = whole * np.sqrt(inner + (1 - inner) * (np.arange(size) + 0.5) / max(size, 1))
        angle = np.arange(size) * np.pi * (3 - np.sqrt(5)) + rng.uniform(0, 2 * np.pi)
        oval = rng.uniform(0.85, 1.15)
        spiral = np.stack([radius * np.sin(angle) * oval, radius * np.cos(angle) / oval], axis=1)
        spread = 0.07 if number == 1 else 0.2
        parts.append(
            IMAGE_PX * (0.5 + rng.normal(0, spread, 2).clip(-0.3, 0.3)) + spiral + rng.normal(0, 0.6, (size, 2))
        )
    return np.concatenate(parts), dead


def _draw(
    layers: np.ndarray, culture: Culture, place: np.ndarray, dead: bool, texture: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw a cell, or what is left of it."""
    size = culture.nucleus_px * rng.lognormal(0, 0.12)
    long, short, light = size, size * rng.uniform(0.6, 0.95), rng.lognormal(0, 0.25)
    layer = layers[int(rng.choice(PLANES, p=(0.25, 0.5, 0.25)))]
    if not dead:
        _ellipse(layer, place, long, short, light, texture, 0.3, rng)
    elif culture.dying == "condensing":
        _ellipse(layer, place + rng.normal(0, 0.8, 2), 0.5 * long, 0.45 * long, 1.9 * light, texture, 0.0, rng)
    elif culture.dying == "blebbing":
        for _ in range(int(rng.integers(3, 7))):
            near = place + rng.normal(0, 1.2 * size, 2)
            part = size * rng.uniform(0.2, 0.4)
            _ellipse(layer, near, part, part, 0.9 * light * rng.lognormal(0, 0.4), texture, 0.0, rng)
    elif culture.dying == "fading":
        _ellipse(layer, place, 1.5 * long, 1.4 * short, 0.25 * light, texture, 0.1, rng)
    elif rng.random() < 0.4:  # detached: most are washed away, the others lie anywhere at the bottom
        _ellipse(layers[0], rng.uniform(0, IMAGE_PX, 2), 0.75 * long, 0.7 * short, light, texture, 0.2, rng)


def _ellipse(
    layer: np.ndarray,
    place: np.ndarray,
    long: float,
    short: float,
    light: float,
    texture: np.ndarray,
    grain: float,
    rng: np.random.Generator,
) -> None:
    """Add an ellipse with a soft rim; what lies outside the image is cut off."""
    reach = int(2 * long) + 2
    top, left = (round(float(at)) - reach for at in place)
    box = slice(max(top, 0), max(top + 2 * reach + 1, 0)), slice(max(left, 0), max(left + 2 * reach + 1, 0))
    part = layer[box]
    if not part.size:
        return
    y, x = np.ogrid[box[0].start : box[0].start + part.shape[0], box[1].start : box[1].start + part.shape[1]]
    turned = rng.uniform(0, np.pi)
    along = (y - place[0]) * np.cos(turned) + (x - place[1]) * np.sin(turned)
    across = (x - place[1]) * np.cos(turned) - (y - place[0]) * np.sin(turned)
    far = np.sqrt((along / long) ** 2 + (across / short) ** 2)
    part += light * (1 + grain * texture[box]).clip(0.1) / (1 + np.exp(np.minimum((far - 1) * 2 * short, 50.0)))


def _dirt(rng: np.random.Generator) -> np.ndarray:
    """Light of fibres and dust (y, x), in units of a nucleus; none in most wells."""
    dirt = np.zeros((IMAGE_PX, IMAGE_PX))
    if rng.random() < 0.15:
        start, end = rng.uniform(0, IMAGE_PX, (2, 2))
        steps = np.linspace(0, 1, 3 * IMAGE_PX)[:, None]
        bent = start + steps * (end - start) + np.sin(steps * np.pi) * rng.normal(0, 10, 2)
        rows, columns = bent.astype(int).clip(0, IMAGE_PX - 1).T
        dirt[rows, columns] = rng.uniform(1, 4)
    for _ in range(rng.poisson(0.4)):
        row, column = rng.integers(0, IMAGE_PX, 2)
        dirt[row, column] += rng.uniform(5, 60)
    return np.asarray(ndimage.gaussian_filter(dirt, 0.8))
