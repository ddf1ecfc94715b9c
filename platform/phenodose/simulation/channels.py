"""Further channels of a simulated spheroid: a stain that only dead cells take up, and bright-field.

Belongs here: what these two see of the bodies that the nuclear stain shows. Does not belong here: the bodies themselves
(`spheroid`), and how the instrument writes channels (`metaseries`).

The death stain (as propidium iodide) binds the DNA of dead cells and of what is left of them; living cells keep it out
but for a trace. In bright-field every body takes light away in proportion to its size: a living spheroid is a dark
ball, darkest where it is in focus, so that the minimum over the planes shows it; one whose cells have died is smaller
and paler. Both are made from the bodies of the nuclear channel: all three show one spheroid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from phenodose.simulation.spheroid import MEDIUM, Nuclei, Optics, Spheroid, camera, chromatin, haze, section

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

#: Which channels a screen is imaged in: the nuclear stain alone, or with both others.
Channels = Literal["hoechst", "all"]


@dataclass(frozen=True)
class Light:
    """One channel as the instrument names it.

    Attributes:
        name: name of the illumination setting.
        wavelength_nm: of the emission; of bright-field that of the lamp.
    """

    name: str
    wavelength_nm: float


HOECHST, DEATH_STAIN, BRIGHT_FIELD = Light("Hoechst", 447), Light("PI", 617), Light("Bright-field", 550)
#: The three inputs of networks that show them: nuclei, death stain, bright-field.
INPUTS = ("MIP", "PI:MEAN", "Bright-field:MIN")

_TRACE = 0.02  # strength of the death stain in living nuclei
_STAINING_SPREAD = 0.2  # standard deviation of the log of a well's death stain
_LAMP = 24_000.0  # counts of bright-field beside the spheroid
_SHARP, _BLURRED = 0.35, 2.0  # how much bodies in the plane, and all bodies around it, take of the light


def death_stain(
    spheroid: Spheroid, optics: Optics, illumination: NDArray[np.float32], rng: Generator
) -> NDArray[np.uint16]:
    """The raw z-stack of the death stain, dims z, y, x.

    Args:
        spheroid: the bodies, of which the first are living nuclei.
        optics: size and planes.
        illumination: relative light, dims y, x.
        rng: source of staining and noise.
    """
    nuclei = spheroid.nuclei
    living = np.arange(len(nuclei)) < spheroid.n_living
    stained = replace(nuclei, brightness=np.where(living, _TRACE, 1.0) * nuclei.brightness)
    gain = float(np.exp(rng.normal(0.0, _STAINING_SPREAD)))
    light = np.stack([section(stained, height, optics) for height in spheroid.heights_um])
    light = (light + haze(stained, spheroid.heights_um, optics)) * chromatin(optics, rng) * illumination
    return camera(gain * light + MEDIUM, rng)


def bright_field(
    spheroid: Spheroid, optics: Optics, illumination: NDArray[np.float32], rng: Generator
) -> NDArray[np.uint16]:
    """The raw z-stack of bright-field, dims z, y, x; arguments as for `death_stain`."""
    nuclei: Nuclei = replace(spheroid.nuclei, brightness=np.ones(len(spheroid.nuclei)))
    sharp = np.stack([section(nuclei, height, optics) for height in spheroid.heights_um])
    density = _SHARP * sharp + _BLURRED * haze(nuclei, spheroid.heights_um, optics)
    return camera(np.asarray(_LAMP * illumination * np.exp(-density), dtype=np.float32), rng)
