"""A simulated screen without files: layout, truth, and the pictures that a network and mean of stack are given.

Belongs here: what `phenodose.simulation.screen` would write, for trying methods on many screens in little time.
Does not belong here: raw files, and reading them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from phenodose.simulation import design
from phenodose.simulation.imaging import PlateCamera
from phenodose.simulation.morphology import Morphology, morphology_of
from phenodose.simulation.pharmacology import drug_library
from phenodose.simulation.spheroid import Optics

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: The wells that a network is trained on and asked about.
WELL_TYPES = ("neg", "pos", "therapy")


@dataclass(frozen=True)
class ScreenInMemory:
    """A simulated screen.

    Attributes:
        layout: one row a well: plate, well, row, column, well_type, treatment, concentration_nM, replicate, add_on.
        tensors: uint16, dims well, y, x, channel (MIP, MID, MIP); coordinate well such as 'P1/B07', rows as layout.
        mean_of_stack: float64 array (well,), counts.
        viability: float64 array (well,), the truth as a fraction.
    """

    layout: pd.DataFrame
    tensors: xr.DataArray
    mean_of_stack: np.ndarray
    viability: np.ndarray


def simulate_in_memory(
    screen: str,
    *,
    kind: Literal["drug-screen", "control-experiment"] = "drug-screen",
    morphology: str | Morphology = "rounded",
    plates: int = 3,
    drugs: int = 8,
    seed: int = 1,
    control_wells: int = design.CONTROL_EXPERIMENT_WELLS,
    size_px: int = 64,
    planes: int = 3,
    well_types: Sequence[str] = WELL_TYPES,
) -> ScreenInMemory:
    """Simulate the wells that `simulate_screen` would write with the same arguments.

    Args:
        screen: screen id; source of randomness beside the seed.
        kind: a drug screen, or a control experiment of one plate.
        morphology: a name in `morphology.MORPHOLOGIES`, or a sample of one's own.
        plates: plates of a drug screen.
        drugs: drugs of a drug screen; 5 doses each, in duplicate.
        seed: source of everything random.
        control_wells: wells of a control experiment.
        size_px: width and height of images and tensors; divides 768.
        planes: planes of a z-stack.
        well_types: wells that are taken pictures of; the others are left out.

    Raises:
        InputError: there is no such morphology, or the wells do not fit.
    """
    import pandas as pd
    import xarray as xr

    looks = morphology_of(morphology) if isinstance(morphology, str) else morphology
    rng = np.random.default_rng([seed, zlib.crc32(screen.encode())])
    library = drug_library(drugs, seed) if kind == "drug-screen" else []
    drug_screen = kind == "drug-screen"
    wells = design.drug_screen(library, plates, rng) if drug_screen else design.control_experiment(control_wells, rng)
    treated = [well for well in design.treat(wells, library, rng) if well.place.content.well_type in well_types]
    names = tuple(dict.fromkeys(well.plate for well in wells))
    cameras = {
        plate: PlateCamera(screen, number, seed, Optics(size_px, planes), looks) for number, plate in enumerate(names)
    }
    pictures, means = [], []
    for well in treated:
        stack, _ = cameras[well.place.plate].take(well)
        projection, middle = stack.max(axis=0), stack[len(stack) // 2]
        pictures.append(np.stack([projection, middle, projection], axis=-1))
        means.append(float(stack.mean()))
    layout = pd.DataFrame([_row(well.place) for well in treated])
    labels = [f"{well.place.plate}/{well.place.well}" for well in treated]
    tensors = xr.DataArray(np.stack(pictures), dims=("well", "y", "x", "channel"), coords={"well": labels})
    return ScreenInMemory(layout, tensors, np.array(means), np.array([well.viability for well in treated]))


def _row(well: design.PlannedWell) -> dict[str, object]:
    held = well.content
    return {
        "plate": well.plate,
        "well": well.well,
        "row": well.row,
        "column": well.column,
        "well_type": held.well_type,
        "treatment": held.treatment,
        "concentration_nM": held.concentration_nM,
        "replicate": held.replicate,
        "add_on": None,
    }
