"""Hoechst-stained tumour spheroids in three dimensions, as a confocal microscope sees them.

Belongs here: nuclei, how they die, and their image through microscope and camera. Does not belong here: in
what samples differ (`morphology`), which well has which viability (`design`, `pharmacology`) and files
(`metaseries`).

A spheroid is a ball of nuclei about as far apart as in tissue. Viability is the share of cells that live:
every dead cell turns into a condensed nucleus, fragments, a swollen ghost or a clump, or is lost; the
spheroid shrinks, loosens and loses its round shape in proportion. Staining varies from well to well, so
that brightness alone says little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from phenodose.simulation.morphology import MORPHOLOGIES, Dying, Morphology

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from phenodose.simulation.pharmacology import Death

    Floats = NDArray[np.float64]

#: Camera pixels along the imaged field and their width in the sample.
FIELD_CAMERA_PX = 768
CAMERA_PIXEL_UM = 0.343
#: Height over which the planes of a stack are spread.
STACK_UM = 100.0

_NUCLEUS_UM = 5.2  # radius of the nucleus that sizes of remains and haze are relative to
_NATURAL_DEATH = 0.07  # mean share of dead cells in an untreated spheroid; it differs from well to well
_LATE = 1.35  # exponent: cells that are failing condense late
_DEPTH_UM = 130.0  # depth over which scattering takes the light to 1/e
_FOCUS_UM = 2.5  # half thickness of an optical section
_HAZE = 0.10  # share of light from outside the section
MEDIUM = 40.0  # counts of stained medium
_OFFSET = 110.0  # camera counts without light
_READ_NOISE = 4.0  # counts
_COUNTS_PER_PHOTON = 2.5


@dataclass(frozen=True)
class Optics:
    """How a stack is taken.

    Attributes:
        size_px: width and height of an image; divides the 768 camera pixels of the field.
        planes: planes of a stack.
    """

    size_px: int
    planes: int

    @property
    def binning(self) -> int:
        """Camera pixels to an image pixel, along each side."""
        return FIELD_CAMERA_PX // self.size_px

    @property
    def pixel_um(self) -> float:
        """Width of an image pixel in the sample."""
        return CAMERA_PIXEL_UM * self.binning

    @property
    def z_step_um(self) -> float:
        """Distance of neighbouring planes."""
        return STACK_UM / self.planes

    @property
    def heights_um(self) -> Floats:
        """Nominal heights of the planes above the well bottom."""
        return np.asarray((np.arange(self.planes) + 0.5) * self.z_step_um, dtype=np.float64)


@dataclass(frozen=True)
class Nuclei:
    """Bodies that shine, as arrays over bodies; micrometres, z up from the well bottom."""

    centre: Floats  # (body, 3): x, y, z
    half_length: Floats  # (body,)
    half_width: Floats  # (body,): also the half height
    angle: Floats  # (body,)
    brightness: Floats  # (body,): counts at gain 1

    def __len__(self) -> int:
        return len(self.angle)


@dataclass(frozen=True)
class Spheroid:
    """The bodies of one well, and where its planes were taken.

    Attributes:
        nuclei: all bodies, living nuclei first.
        n_living: how many of them are living nuclei.
        heights_um: heights of the planes above the well bottom.
    """

    nuclei: Nuclei
    n_living: int
    heights_um: Floats


def render_stack(
    viability: float,
    death: Death,
    gain: float,
    optics: Optics,
    illumination: NDArray[np.float32],
    rng: Generator,
    morphology: Morphology = MORPHOLOGIES["rounded"],
) -> NDArray[np.uint16]:
    """The raw z-stack of one spheroid, dims z, y, x.

    Args:
        viability: share of living cells relative to an untreated spheroid; above 1 it has grown more.
        death: how its cells die.
        gain: strength of the staining.
        optics: size and planes.
        illumination: relative light, dims y, x.
        rng: source of everything random about this spheroid.
        morphology: what the sample looks like.
    """
    return nuclear_stack(grown(viability, death, optics, rng, morphology), gain, optics, illumination, rng)


def grown(viability: float, death: Death, optics: Optics, rng: Generator, morphology: Morphology) -> Spheroid:
    """A spheroid under the microscope; arguments as for `render_stack`."""
    nuclei, n_living = _spheroid(viability, morphology.dying(death), morphology, rng)
    return Spheroid(nuclei, n_living, optics.heights_um + rng.normal(0.0, 4.0))


def nuclear_stack(
    spheroid: Spheroid, gain: float, optics: Optics, illumination: NDArray[np.float32], rng: Generator
) -> NDArray[np.uint16]:
    """The raw z-stack of the nuclear stain, dims z, y, x; arguments as for `render_stack`."""
    light = np.stack([section(spheroid.nuclei, height, optics) for height in spheroid.heights_um])
    light = (light + haze(spheroid.nuclei, spheroid.heights_um, optics)) * chromatin(optics, rng) * illumination
    return camera(gain * light + MEDIUM, rng)


def illumination(optics: Optics, rng: Generator) -> NDArray[np.float32]:
    """Light over the field, dims y, x: bright middle, tilted to one side; mean near 1."""
    line = np.linspace(-1.0, 1.0, optics.size_px)
    y, x = line[:, None], line[None, :]
    direction = rng.uniform(0, 2 * np.pi)
    tilt = rng.uniform(0.05, 0.12) * (x * np.cos(direction) + y * np.sin(direction))
    return np.asarray(1.06 - 0.12 * (x**2 + y**2) + tilt, dtype=np.float32)


# --- cells ------------------------------------------------------------------------------------------


def _spheroid(viability: float, dying: Dying, morphology: Morphology, rng: Generator) -> tuple[Nuclei, int]:
    """All bodies of a spheroid standing on the well bottom, living nuclei first, and how many these are."""
    natural = _NATURAL_DEATH * rng.gamma(3.0, 1 / 3)
    dead_share = min(1.0, natural + (1.0 - natural) * max(0.0, 1.0 - viability) ** _LATE)
    radius = morphology.radius_um * max(1.0, viability) ** (1 / 3) * np.exp(rng.normal(0.0, 0.04))
    cells = _packed_ball(radius, morphology, rng)
    dead = _choose_dead(cells / radius, dead_share, rng)
    shaped = _outline(cells, 0.08 + dying.ragged * dead_share, rng) * (1.0 - dying.shrink * dead_share)
    alive = _living(shaped[~dead], morphology, rng)
    remains = _dead(shaped[dead], dying, radius, morphology, rng)
    debris = _debris(radius, dead_share * (1.0 - dying.lost), morphology, rng)
    every = _join([alive, remains, debris])
    place = np.array([*rng.normal(0.0, 9.0, 2), radius * (1.0 - 0.7 * dying.shrink * dead_share)])
    centre = every.centre + place
    centre[:, 2] = np.maximum(centre[:, 2], every.half_width)
    return Nuclei(centre, every.half_length, every.half_width, every.angle, every.brightness), len(alive)


def _packed_ball(radius: float, morphology: Morphology, rng: Generator) -> Floats:
    """Centres (cell, 3) of nuclei in a ball: a shaken body-centred lattice, turned at random."""
    spacing = (2 * 4 / 3 * np.pi * morphology.nucleus_um**3 / morphology.packing) ** (1 / 3)
    reach = np.arange(-np.ceil(radius / spacing) - 1, np.ceil(radius / spacing) + 2)
    corners = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
    lattice = np.concatenate([corners, corners + 0.5]) + rng.uniform(-0.5, 0.5, 3)
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    cells = spacing * (lattice + rng.normal(0.0, 0.16, lattice.shape)) @ turned
    return np.asarray(cells[np.linalg.norm(cells, axis=1) < radius])


def _choose_dead(place: Floats, share: float, rng: Generator) -> NDArray[np.bool_]:
    """Which cells are dead: exactly the wanted share, those further out more readily."""
    distance = np.linalg.norm(place, axis=1)
    order = np.argsort(rng.random(len(place)) - 0.5 * distance)
    dead = np.zeros(len(place), dtype=bool)
    dead[order[: round(share * len(place))]] = True
    return dead


def _outline(cells: Floats, strength: float, rng: Generator) -> Floats:
    """Pull a ball out of shape by a few random lobes."""
    direction = cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-9)
    lobes = rng.normal(size=(4, 3))
    lobes /= np.linalg.norm(lobes, axis=1, keepdims=True)
    along = direction @ lobes.T
    bulge = np.sum(along[:, :2] ** 2 - 1 / 3, axis=1) + np.sum(along[:, 2:] ** 3, axis=1)
    return np.asarray(cells * (1.0 + strength * bulge)[:, None])


def _living(centre: Floats, morphology: Morphology, rng: Generator) -> Nuclei:
    n = len(centre)
    size = morphology.nucleus_um * np.exp(rng.normal(0.0, 0.10, n))
    length = np.exp(rng.uniform(0.0, 0.22, n))
    angle = rng.uniform(0, np.pi, n)
    brightness = morphology.stain * np.exp(rng.normal(0.0, 0.14, n))
    return Nuclei(centre, size * length, size / length, angle, brightness)


def _dead(centre: Floats, dying: Dying, radius: float, morphology: Morphology, rng: Generator) -> Nuclei:
    """What is left of dead cells."""
    left = centre[rng.random(len(centre)) >= dying.lost]
    shed = np.abs(rng.normal(0.0, dying.loosen, (len(left), 1)))
    outward = left / np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-9)
    left = left + outward * shed * radius + rng.normal(0.0, 2.0, left.shape)
    shares = np.cumsum([dying.condensed, dying.fragmented, dying.swollen, dying.clumped])
    fate = np.searchsorted(shares / shares[-1], rng.random(len(left)), side="right")
    pieces = np.repeat(left[fate == 1], rng.integers(3, 6, int(np.sum(fate == 1))), axis=0)
    pieces = pieces + rng.normal(0.0, 2.6, pieces.shape)
    return _join(
        [
            _bodies(left[fate == 0], 3.3, 1.10, 2.6, morphology, rng),
            _bodies(pieces, 1.7, 1.10, 3.0, morphology, rng),
            _bodies(left[fate == 2], 7.2, 1.10, 0.50, morphology, rng),
            _bodies(left[fate == 3], 3.8, 1.50, 2.3, morphology, rng),
        ]
    )


def _debris(radius: float, amount: float, morphology: Morphology, rng: Generator) -> Nuclei:
    """Specks on the well bottom around the spheroid."""
    n = rng.poisson(6 + 60 * amount)
    distance = radius * (1.0 + np.abs(rng.normal(0.0, 0.35, n)))
    direction = rng.uniform(0, 2 * np.pi, n)
    height = -radius + rng.exponential(14.0, n)
    centre = np.stack([distance * np.cos(direction), distance * np.sin(direction), height], axis=1)
    return _bodies(centre, 1.5, 1.2, 1.1, morphology, rng)


def _bodies(
    centre: Floats, size_um: float, length: float, brightness: float, morphology: Morphology, rng: Generator
) -> Nuclei:
    """Bodies of about the given half width, length over width, and brightness relative to a living nucleus."""
    n = len(centre)
    half = size_um * (morphology.nucleus_um / _NUCLEUS_UM) * np.exp(rng.normal(0.0, 0.15, n))
    stretch = np.sqrt(length) * np.exp(rng.normal(0.0, 0.08, n))
    return Nuclei(
        centre,
        half * stretch,
        half / stretch,
        rng.uniform(0, np.pi, n),
        brightness * morphology.stain * np.exp(rng.normal(0.0, 0.25, n)),
    )


def _join(parts: list[Nuclei]) -> Nuclei:
    return Nuclei(
        np.concatenate([part.centre for part in parts]),
        np.concatenate([part.half_length for part in parts]),
        np.concatenate([part.half_width for part in parts]),
        np.concatenate([part.angle for part in parts]),
        np.concatenate([part.brightness for part in parts]),
    )


# --- light ------------------------------------------------------------------------------------------


def section(nuclei: Nuclei, height: float, optics: Optics) -> NDArray[np.float32]:
    """Light of the bodies that the plane at `height` cuts, dims y, x; counts at gain 1."""
    reach = nuclei.half_width + _FOCUS_UM
    offset = (nuclei.centre[:, 2] - height) / reach
    cut = np.flatnonzero(np.abs(offset) < 0.98)
    scale = np.sqrt(1.0 - offset[cut] ** 2)
    brightness = nuclei.brightness[cut] * (0.5 + 0.5 * scale) * np.exp(-nuclei.centre[cut, 2] / _DEPTH_UM)
    half_length, half_width = nuclei.half_length[cut] * scale, nuclei.half_width[cut] * scale
    small = half_length < 6.0
    size = optics.size_px
    image = np.zeros(size * size)
    for group in (np.flatnonzero(small), np.flatnonzero(~small)):
        if len(group):
            some = cut[group]
            place, value = _stamps(
                nuclei.centre[some, :2], half_length[group], half_width[group], nuclei.angle[some], optics
            )
            image += np.bincount(place.ravel(), (value * brightness[group, None]).ravel(), size * size + 1)[:-1]
    return image.reshape(size, size).astype(np.float32)


def _stamps(
    centre: Floats, half_length: Floats, half_width: Floats, angle: Floats, optics: Optics
) -> tuple[NDArray[np.intp], Floats]:
    """Pixel numbers and coverage of soft-edged ellipses, dims body, pixel; number size_px**2 is off the image."""
    size, pixel = optics.size_px, optics.pixel_um
    soft = max(pixel, 1.2)
    middle = centre / pixel + size / 2
    extent = int(np.ceil((half_length.max() + soft) / pixel))
    step = np.arange(-extent, extent + 1)
    base = np.floor(middle).astype(np.intp)
    column = (base[:, 0, None] + step)[:, None, :]
    row = (base[:, 1, None] + step)[:, :, None]
    dx = (column + 0.5 - middle[:, 0, None, None]) * pixel
    dy = (row + 0.5 - middle[:, 1, None, None]) * pixel
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    across = half_width[:, None, None]
    distance = np.hypot((dx * cos + dy * sin) * (across / half_length[:, None, None]), dy * cos - dx * sin)
    # Covers a pixel where the edge is outside it; bodies smaller than a pixel keep their total light.
    coverage = np.clip((across - distance) / soft + 0.5, 0.0, 1.0)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    place = np.where(inside, row * size + column, size * size)
    return place.reshape(len(centre), -1), coverage.reshape(len(centre), -1)


def haze(nuclei: Nuclei, heights: Floats, optics: Optics) -> NDArray[np.float32]:
    """Blurred light from outside the planes, dims z, y, x; counts at gain 1."""
    from scipy.ndimage import gaussian_filter, zoom

    coarse = 24
    field = optics.size_px * optics.pixel_um
    light = nuclei.brightness * nuclei.half_length * nuclei.half_width**2 / _NUCLEUS_UM**3
    light = light * np.exp(-nuclei.centre[:, 2] / _DEPTH_UM)
    cell = np.floor((nuclei.centre[:, :2] / field + 0.5) * coarse).astype(np.intp)
    inside = np.all((cell >= 0) & (cell < coarse), axis=1)
    number = cell[inside, 1] * coarse + cell[inside, 0]
    layers = []
    for height in heights:
        weight = np.exp(-np.abs(nuclei.centre[inside, 2] - height) / 30.0)
        blurred = gaussian_filter(
            np.bincount(number, light[inside] * weight, coarse * coarse).reshape(coarse, coarse), 1.2, mode="constant"
        )
        layers.append(zoom(blurred, optics.size_px / coarse, order=1, grid_mode=True, mode="nearest"))
    return np.asarray(_HAZE * np.stack(layers), dtype=np.float32)


@cache
def _noise_tile(size_px: int, pixel_um: float) -> NDArray[np.float32]:
    """A periodic pattern with mean 0 and deviation 1, rough on the scale of chromatin."""
    from scipy.ndimage import gaussian_filter

    pattern = gaussian_filter(np.random.default_rng(0).normal(size=(size_px, size_px)), 1.6 / pixel_um, mode="wrap")
    return np.asarray(pattern / pattern.std(), dtype=np.float32)


def chromatin(optics: Optics, rng: Generator) -> NDArray[np.float32]:
    """Unevenness of the stain within nuclei, dims z, y, x; mean 1."""
    tile = _noise_tile(optics.size_px, optics.pixel_um)
    shifts = rng.integers(0, optics.size_px, (optics.planes, 2))
    return np.stack([1.0 + 0.10 * np.roll(tile, (int(dy), int(dx)), (0, 1)) for dy, dx in shifts])


def camera(light: NDArray[np.float32], rng: Generator) -> NDArray[np.uint16]:
    """Counts of the camera: photon noise (normal for that much light), read noise, offset, 16 bit."""
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    counts = light + noise * np.sqrt(_COUNTS_PER_PHOTON * light + _READ_NOISE**2) + _OFFSET
    return np.asarray(np.clip(np.rint(counts), 0, 65535), dtype=np.uint16)
