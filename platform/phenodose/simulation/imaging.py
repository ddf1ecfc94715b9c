"""The microscope over one simulated plate: the same light for all wells, a staining for each.

Belongs here: which randomness a plate's wells share and which is their own. Does not belong here: the spheroids
(`spheroid`) and what becomes of the stacks (`screen` writes files, `in_memory` keeps pictures).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from phenodose.simulation import channels, spheroid
from phenodose.simulation.channels import Light
from phenodose.simulation.design import Treated
from phenodose.simulation.morphology import Morphology

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray


class PlateCamera:
    """Takes the stacks of one plate; the same plate and seed give the same stacks.

    Attributes:
        optics: size and planes.
        rng: goes on for whatever else is random about the plate.
    """

    def __init__(
        self, screen: str, plate_number: int, seed: int, optics: spheroid.Optics, morphology: Morphology
    ) -> None:
        self.optics = optics
        self._screen = screen
        self._seeds = [seed, plate_number]
        self._morphology = morphology
        self.rng = np.random.default_rng([*self._seeds, zlib.crc32(screen.encode())])
        self._light = spheroid.illumination(optics, self.rng)
        self._gain = float(np.exp(self.rng.normal(0.0, morphology.plate_staining_spread)))

    def take(self, well: Treated) -> tuple[NDArray[np.uint16], Generator]:
        """The raw z-stack of a well, dims z, y, x, and the well's own source of randomness, to go on with."""
        _, stack, own = self._nuclei(well)
        return stack, own

    def take_all(self, well: Treated) -> tuple[dict[Light, NDArray[np.uint16]], Generator]:
        """The raw z-stack of every channel, the nuclear one that of `take`; and the source of randomness as there."""
        grown, stack, own = self._nuclei(well)
        further = np.random.default_rng([*self._seeds, zlib.crc32(f"{self._screen} {well.place.well} all".encode())])
        return {
            channels.HOECHST: stack,
            channels.DEATH_STAIN: channels.death_stain(grown, self.optics, self._light, further),
            channels.BRIGHT_FIELD: channels.bright_field(grown, self.optics, self._light, further),
        }, own

    def _nuclei(self, well: Treated) -> tuple[spheroid.Spheroid, NDArray[np.uint16], Generator]:
        own = np.random.default_rng([*self._seeds, zlib.crc32(f"{self._screen} {well.place.well}".encode())])
        gain = self._gain * float(np.exp(own.normal(0.0, self._morphology.staining_spread)))
        grown = spheroid.grown(well.viability, well.death, self.optics, own, self._morphology)
        return grown, spheroid.nuclear_stack(grown, gain, self.optics, self._light, own), own
