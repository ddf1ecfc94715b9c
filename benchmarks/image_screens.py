"""Screens with a known viability, in memory, as every image readout of `image_viability.py` is given them.

Five simulators that share nothing but the form of their result, and the real organoids of Hagemeijer et al. 2020
(doi 10.1093/bioinformatics/btaa1073). Tensors are those of a screen: uint16 of 64 px, maximum projection, middle plane
and maximum projection again.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fifth_simulator
import fourth_simulator
import numpy as np
import other_simulator
import pandas as pd
import third_simulator
import tifffile
import xarray as xr

from phenodose.names import well_name
from phenodose.plates.pyramid import area_average
from phenodose.simulation.in_memory import ScreenInMemory, simulate_in_memory

MORPHOLOGIES = ("detaching", "fragmenting", "swelling")
#: Ways of dying of the other simulator.
OTHER_WAYS = ("condensing", "detaching", "fragmenting", "swelling")
#: Plane of a file of the organoids: well and plane.
_FILE = re.compile(r"(?P<row>[A-H])(?P<column>\d\d)_z\d+\.tif")
_TRUTH = "area_60min_percent_of_start"
#: From uint8 to uint16, as tensors of a plate are made.
_OF_UINT8 = 257


@dataclass(frozen=True)
class PicturedScreen:
    """A screen and what is known of it.

    Attributes:
        screen: layout, tensors, mean of stack and true viability, well by well.
        projections: maximum projection of every well, uint16 (y, x), as large as the camera's image.
        unlike: bool array (well,): drug wells whose cells died in another way than those of the killing control.
    """

    screen: ScreenInMemory
    projections: tuple[np.ndarray, ...]
    unlike: np.ndarray


@dataclass(frozen=True)
class Size:
    """How large a simulated screen is.

    Attributes:
        px: width of the tensors.
        drugs: drugs, five doses each, on two plates.
        controls: control wells of each kind on a plate; the platform's own simulator has its own number.
    """

    px: int
    drugs: int
    controls: int


@dataclass(frozen=True)
class DataSet:
    """A screen that can be made, and the control experiment that a network is taught first.

    Attributes:
        name: name in the table.
        make: seed -> the screen.
        experiment: seed -> wells of a control experiment.
    """

    name: str
    make: Callable[[int], PicturedScreen]
    experiment: Callable[[int], ScreenInMemory]


def data_sets(size: Size, settings: Sequence[str], organoids: Path | None) -> list[DataSet]:
    """All data sets of the first table, in its order.

    Args:
        size: of the simulated screens.
        settings: names in `other_simulator.SETTINGS`.
        organoids: folder of the real organoids; None leaves them out.
    """
    found = [
        DataSet(f"own, {name}", lambda seed, name=name: own_screen(name, size, seed), lambda seed: own_ce(size, seed))  # type: ignore[misc]
        for name in MORPHOLOGIES
    ]
    for setting in settings:
        scope = other_simulator.SETTINGS[setting]
        for sample in other_simulator.SAMPLES:
            found.append(
                DataSet(
                    f"other {setting}, {sample.dying}",
                    lambda seed, sample=sample, scope=scope: other_screen(sample, scope, size, seed),  # type: ignore[misc]
                    lambda seed, scope=scope: other_ce(scope, size, seed),  # type: ignore[misc]
                )
            )
    experiment = replace(size, drugs=0, controls=20)
    for culture in third_simulator.CULTURES:
        found.append(
            DataSet(
                f"third, {culture.dying}",
                lambda seed, culture=culture: third_screen(culture, size, seed),  # type: ignore[misc]
                lambda seed: third_screen(third_simulator.EXPERIMENT, experiment, seed).screen,
            )
        )
    for tissue in fourth_simulator.TISSUES:
        found.append(
            DataSet(
                f"fourth, {tissue.dying}",
                lambda seed, tissue=tissue: fourth_screen(tissue, size, seed),  # type: ignore[misc]
                lambda seed: (
                    fourth_screen(fourth_simulator.EXPERIMENT, replace(size, drugs=0, controls=20), seed).screen
                ),
            )
        )
    if organoids is not None:
        found.append(
            DataSet(
                "organoids (real)",
                lambda _: organoid_screen(organoids),
                lambda _: organoid_images(organoids / "FIS_CE")[0],
            )
        )
    return found


def dying_unlike(size: Size) -> dict[str, Callable[[int], PicturedScreen]]:
    """The screens of the second table by name: drugs die in turn in every way, one of them the killing control's.

    A seed is also the number of the sample, so that three seeds show every sample once.
    """
    staining = other_simulator.SETTINGS["staining"]
    return {
        "other staining": lambda seed: other_screen(
            other_simulator.SAMPLES[seed % len(other_simulator.SAMPLES)], staining, size, seed, OTHER_WAYS
        ),
        "third": lambda seed: third_screen(
            third_simulator.CULTURES[seed % len(third_simulator.CULTURES)], size, seed, third_simulator.WAYS
        ),
        "fourth": lambda seed: fourth_screen(
            fourth_simulator.TISSUES[seed % len(fourth_simulator.TISSUES)], size, seed, fourth_simulator.WAYS
        ),
        "fifth": lambda seed: fifth_screen(
            fifth_simulator.COLONIES[seed % len(fifth_simulator.COLONIES)], size, seed, fifth_simulator.WAYS
        ),
    }


def own_screen(morphology: str, size: Size, seed: int) -> PicturedScreen:
    """The platform's own simulator: all drugs kill as the killing control does (`drug_share` 0)."""
    name = f"{morphology}_V1_DS1"
    screen = simulate_in_memory(
        name, morphology=morphology, plates=2, drugs=size.drugs, seed=seed, size_px=_divisor(size.px)
    )
    return _pictured(screen, size.px)


def own_ce(size: Size, seed: int) -> ScreenInMemory:
    """Control experiment of the platform's own simulator, of its rounded sample."""
    made = simulate_in_memory(
        "COHORT_CE", kind="control-experiment", control_wells=90, seed=seed, size_px=_divisor(size.px)
    )
    return _pictured(made, size.px).screen


def other_screen(
    sample: other_simulator.Sample,
    scope: other_simulator.Microscope,
    size: Size,
    seed: int,
    ways: Sequence[str] = (),
) -> PicturedScreen:
    """A screen of `other_simulator`; its drugs die as the sample does, or in turn in the ways that are given."""
    rng = np.random.default_rng([seed, zlib.crc32(sample.name.encode())])
    wells = other_simulator.layout(sample, size.drugs, size.controls, rng)
    dying = _ways_of(wells["Treatment"], wells["WellType"], sample.dying, ways)
    gains = wells["Plate"].map({plate: rng.lognormal(0, 0.1) for plate in wells["Plate"].unique()}).to_numpy()
    gains = gains * rng.lognormal(0, scope.gain_sd, len(wells))
    seeds, truth = rng.integers(2**32, size=len(wells)), wells["truth"].to_numpy()

    def stack(well: int) -> np.ndarray:
        its = np.random.default_rng(seeds[well])
        return other_simulator.stack(replace(sample, dying=dying[well]), truth[well], scope, gains[well], its)

    layout = pd.DataFrame(
        {
            "plate": wells["Plate"],
            "row": wells["Row"],
            "column": wells["Column"],
            "well_type": wells["WellType"],
            "treatment": wells["Treatment"],
            "concentration_nM": wells["Concentration"],
            "replicate": wells["Replicate"],
        }
    )
    return _of_stacks(layout, truth, stack, dying != sample.dying, size.px)


def other_ce(scope: other_simulator.Microscope, size: Size, seed: int) -> ScreenInMemory:
    """The control experiment of the other simulator, as evenly stained as its own cohort has it."""
    its = replace(scope, gain_sd=scope.gain_sd / 2)
    return other_screen(other_simulator.EXPERIMENT, its, replace(size, controls=4 * size.controls), seed).screen


def third_screen(culture: third_simulator.Culture, size: Size, seed: int, ways: Sequence[str] = ()) -> PicturedScreen:
    """A screen of `third_simulator`; its drugs die as the culture does, or in turn in the ways that are given."""
    parts = third_simulator.layout, third_simulator.Lamp.drawn, third_simulator.stack
    return _lit_screen(culture, *parts, size, seed, ways)


def fourth_screen(tissue: fourth_simulator.Tissue, size: Size, seed: int, ways: Sequence[str] = ()) -> PicturedScreen:
    """A screen of `fourth_simulator`; its drugs die as the tissue does, or in turn in the ways that are given."""
    return _lit_screen(tissue, fourth_simulator.layout, _strength, fourth_simulator.stack, size, seed, ways)


def fifth_screen(colony: fifth_simulator.Colony, size: Size, seed: int, ways: Sequence[str] = ()) -> PicturedScreen:
    """A screen of `fifth_simulator`; its drugs die as the colony does, or in turn in the ways that are given."""
    return _lit_screen(colony, fifth_simulator.layout, _strength, fifth_simulator.stack, size, seed, ways)


def _strength(rng: np.random.Generator) -> float:
    """How strong the lamp of some plate is, about 1."""
    return float(rng.lognormal(0, 0.1))


def _lit_screen(
    sample: Any,
    layout: Callable[[int, int, np.random.Generator], pd.DataFrame],
    lamp: Callable[[np.random.Generator], Any],
    stack: Callable[[Any, float, Any, np.random.Generator], np.ndarray],
    size: Size,
    seed: int,
    ways: Sequence[str],
) -> PicturedScreen:
    """A screen of a simulator that draws a layout, a lamp of each plate, and the stack of a well of a sample."""
    rng = np.random.default_rng([seed, zlib.crc32(sample.name.encode())])
    wells = layout(size.drugs, size.controls, rng)
    dying = _ways_of(wells["treatment"], wells["well_type"], sample.dying, ways)
    lamps = {plate: lamp(rng) for plate in wells["plate"].unique()}
    seeds, truth, plates = rng.integers(2**32, size=len(wells)), wells["truth"].to_numpy(), wells["plate"].to_numpy()

    def taken(well: int) -> np.ndarray:
        its = np.random.default_rng(seeds[well])
        return stack(replace(sample, dying=dying[well]), truth[well], lamps[plates[well]], its)

    return _of_stacks(wells.drop(columns="truth"), truth, taken, dying != sample.dying, size.px)


def organoid_screen(folder: Path) -> PicturedScreen:
    """The organoids after an hour; true viability is their swelling, 1 as the median of neg and 0 as that of pos."""
    screen, projections = organoid_images(folder / "FIS_V1_DS1")
    layout = screen.layout
    truth = pd.read_csv(folder / "truth_wells.csv").set_index(["plate", "well"])[_TRUTH]
    grown = truth.loc[list(zip(layout["plate"], layout["well"], strict=True))].to_numpy(dtype=np.float64)
    kind = layout["well_type"].to_numpy()
    top, bottom = np.median(grown[kind == "neg"]), np.median(grown[kind == "pos"])
    known = replace(screen, viability=(grown - bottom) / (top - bottom))
    return PicturedScreen(known, projections, np.zeros(len(layout), dtype=bool))


def organoid_images(folder: Path) -> tuple[ScreenInMemory, tuple[np.ndarray, ...]]:
    """A screen of the organoids without its truth (NaN), and its images: one plane a well, tensors as screen.toml says.

    Doses of a drug stand twice; the replicates are numbered in the order of the layout.
    """
    size_px = tomllib.loads((folder / "screen.toml").read_text())["tensors"]["size_px"]
    rows = pd.read_csv(folder / "layout.csv")
    wells = [well_name(row, column) for row, column in zip(rows["Row"], rows["Column"], strict=True)]
    layout = pd.DataFrame(
        {
            "plate": rows["Plate"],
            "well": wells,
            "row": rows["Row"],
            "column": rows["Column"],
            "well_type": rows["WellType"],
            "treatment": rows["Treatment"],
            "concentration_nM": rows["Concentration"].astype(float),
            "replicate": rows.groupby(["Treatment", "Concentration"]).cumcount() + 1,
            "add_on": None,
        }
    )
    files = {}
    for file in sorted(folder.glob("*/*.tif")):
        if match := _FILE.fullmatch(file.name):
            files[file.parent.name, match["row"], int(match["column"])] = file
    keys = zip(layout["plate"], layout["row"], layout["column"], strict=True)
    images = tuple(tifffile.imread(files[key]).astype(np.uint16) * _OF_UINT8 for key in keys)
    return _screen(layout, images, images, np.full(len(layout), np.nan), size_px), images


def _ways_of(treatment: pd.Series, well_type: pd.Series, own: str, ways: Sequence[str]) -> np.ndarray:
    """The way of dying of every well: `own` of controls, and of drugs in turn those in `ways`."""
    dying = np.full(len(treatment), own, dtype=object)
    drugs = (well_type == "therapy").to_numpy()
    if ways:
        dying[drugs] = [ways[int(number) % len(ways)] for number in pd.factorize(treatment[drugs], sort=True)[0]]
    return dying


def _of_stacks(
    layout: pd.DataFrame, truth: np.ndarray, stack: Callable[[int], np.ndarray], unlike: np.ndarray, size_px: int
) -> PicturedScreen:
    """Take a picture of every well: `stack` gives uint16 (z, y, x) of the well with that number."""
    names = [well_name(row, column) for row, column in zip(layout["row"], layout["column"], strict=True)]
    layout = layout.assign(well=names, add_on=None)

    def taken(well: int) -> tuple[np.ndarray, np.ndarray, float]:
        planes = stack(well)
        return planes.max(axis=0), planes[len(planes) // 2], float(planes.mean())

    with ThreadPoolExecutor(2) as pool:
        projections, middles, means = zip(*pool.map(taken, range(len(layout))), strict=True)
    screen = replace(_screen(layout, projections, middles, truth, size_px), mean_of_stack=np.array(means))
    return PicturedScreen(screen, projections, unlike & (layout["well_type"] == "therapy").to_numpy())


def _screen(
    layout: pd.DataFrame,
    projections: Sequence[np.ndarray],
    middles: Sequence[np.ndarray],
    truth: np.ndarray,
    size_px: int,
) -> ScreenInMemory:
    """Tensors of projections and middle planes; the mean of the projection stands in for that of the stack."""
    pictures = []
    for whole, middle in zip(projections, middles, strict=True):
        mip, mid = area_average(whole, size_px, size_px), area_average(middle, size_px, size_px)
        pictures.append(np.stack([mip, mid, mip], axis=-1))
    labels = [f"{plate}/{well}" for plate, well in zip(layout["plate"], layout["well"], strict=True)]
    tensors = xr.DataArray(np.stack(pictures), dims=("well", "y", "x", "channel"), coords={"well": labels})
    return ScreenInMemory(layout, tensors, np.array([float(image.mean()) for image in projections]), truth)


def _pictured(screen: ScreenInMemory, size_px: int) -> PicturedScreen:
    """A screen of the platform's own simulator, whose images are its tensors."""
    whole = screen.tensors.to_numpy()
    made = _screen(screen.layout, list(whole[..., 0]), list(whole[..., 1]), screen.viability, size_px)
    unlike = np.zeros(len(whole), dtype=bool)
    return PicturedScreen(replace(made, mean_of_stack=screen.mean_of_stack), tuple(whole[..., 0]), unlike)


def _divisor(size_px: int) -> int:
    """The smallest width that the platform's own simulator can draw (it divides 768) and that is no smaller."""
    return min(width for width in range(1, 769) if 768 % width == 0 and width >= min(size_px, 768))
