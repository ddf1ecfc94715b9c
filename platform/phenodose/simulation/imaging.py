"""The microscope over one simulated plate: the same light for all wells, a staining for each.

Belongs here: which randomness a plate's wells share and which is their own. Does not belong here: the spheroids
(`spheroid`) and what becomes of the stacks (`screen` writes files, `in_memory` keeps pictures).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from phenodose.simulation import spheroid
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
        own = np.random.default_rng([*self._seeds, zlib.crc32(f"{self._screen} {well.place.well}".encode())])
        gain = self._gain * float(np.exp(own.normal(0.0, self._morphology.staining_spread)))
        stack = spheroid.render_stack(well.viability, well.death, gain, self.optics, self._light, own, self._morphology)
        return stack, own
