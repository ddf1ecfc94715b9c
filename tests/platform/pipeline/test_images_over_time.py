"""A time lapse is read at every time whose hours screen.toml names; what is taught is taught by the chosen time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from pydantic import ValidationError

from phenodose.errors import InputError
from phenodose.pipeline.images_over_time import read_with_controls, tensors_over_time
from phenodose.pipeline.raw_values import measure_images
from phenodose.pipeline.time_courses import (
    course_notes,
    course_table,
    killed_above_living,
    starts_of,
    tells_viability_alone,
    viability_alone,
)
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose.plugins import TensorWells
from phenodose.screens.screen import ImageSettings, Settings
from phenodose.time_courses.series import course_classes
from phenodose_readers.pattern import PatternReader
from phenodose_readouts.features import FeaturesReadout
from phenodose_readouts.mean_of_stack import MeanOfStackReadout
from phenodose_readouts.spheroids import SpheroidAreaReadout

HOURS = (0.0, 24.0, 72.0)


@pytest.fixture(scope="module")
def lapse(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A plate of two wells at three times; a grey value tells the time, and the well."""
    raw, out = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("plates") / "P1.ome.zarr"
    for number, well in enumerate(("B02", "C03")):
        for time in range(len(HOURS)):
            tifffile.imwrite(raw / f"{well}_t{time}.tif", np.full((32, 32), 1000 + 100 * time + number, np.uint16))
    ingest_plate(raw, out, PatternReader({"expression": r"(?P<well>[A-P]\d\d)_t(?P<time>\d)"}), "P1")
    return str(out)


def step(lapse: str, **images: Any) -> Any:
    """As much of a step as is asked for."""
    plates = pd.DataFrame({"plate": ["P1"], "raw_hash": "", "path": lapse})
    return SimpleNamespace(
        screen=SimpleNamespace(channel=0, settings=Settings(images=ImageSettings(**images))),
        screen_id="S",
        store=SimpleNamespace(plate_at=Path, read_table=lambda *of: plates),
        parameters=lambda name: {},
        create=lambda plugin: plugin(),
        progress=lambda *told: None,
    )


def test_a_measured_readout_is_read_at_every_time(lapse: str) -> None:
    values = measure_images(MeanOfStackReadout, {"P1": lapse}, step(lapse, times_h=HOURS, time=1))
    assert values.raw["raw"].tolist() == [1100.0, 1101.0]
    assert {hours: read["raw"].tolist() for hours, read in values.course.items()} == {
        0.0: [1000.0, 1001.0],
        24.0: [1100.0, 1101.0],
        72.0: [1200.0, 1201.0],
    }
    assert measure_images(MeanOfStackReadout, {"P1": lapse}, step(lapse)).course == {}


def test_tensors_of_the_other_times_are_made_as_the_chosen_ones(lapse: str, tmp_path: Path) -> None:
    build_tensors({"P1": Plate.open(Path(lapse)).at("last")}, tmp_path / "t.zarr", 16, pictures=("MIP", "MEAN"))
    found = {
        hours: (tensors.sizes["channel"], sorted(set(tensors.to_numpy().ravel().tolist())), out)
        for hours, out, tensors in tensors_over_time(step(lapse, times_h=HOURS), open_tensors(tmp_path / "t.zarr"))
    }
    assert {hours: seen[:2] for hours, seen in found.items()} == {0.0: (2, [1000, 1001]), 24.0: (2, [1100, 1101])}
    assert not any(out.exists() for *_, out in found.values())


def test_hours_that_do_not_fit_are_refused(lapse: str) -> None:
    with pytest.raises(InputError, match=r"times_h names 2 times, and plate P1 has 3 time points"):
        measure_images(MeanOfStackReadout, {"P1": lapse}, step(lapse, times_h=(0, 24)))
    for wrong in ((24, 72), (0, 0), (0,), (0, 48, 24)):
        with pytest.raises(ValidationError, match="each later than the one before, the first 0"):
            ImageSettings(times_h=wrong)


def spheroids(viability: np.ndarray, seed: int) -> np.ndarray:
    """Round and bright where cells live, ragged and dim where they died, uint16 (well, y, x, channel)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :48] - 24.0
    images = []
    for alive in viability:
        disc = (x**2 + y**2 < 14**2) * (1500 + 4000 * alive)
        grains = (1 - alive) * 3000 * (random.random((48, 48)) < 0.15)
        images.append(random.normal(400, 20, (48, 48)) + disc + grains)
    return np.stack([np.stack(images)] * 3, axis=-1).clip(0, 65535).astype(np.uint16)


def test_the_frozen_network_tells_when_cells_died() -> None:
    n = 12
    negative, positive = np.arange(n) < 4, (np.arange(n) >= 4) & (np.arange(n) < 8)
    number = np.where(np.arange(n) < 8, -1, 0)
    truth = {0.0: np.ones(n), 24.0: np.where(negative, 1.0, 0.7), 72.0: np.where(negative, 1.0, 0.0)}

    def wells(hours: float) -> TensorWells:
        names = np.full(n, "P1")
        images = spheroids(truth[hours], seed=int(hours) + 1)
        return TensorWells(images, ("MIP", "MID", "MIP"), negative, positive, number, number, names)

    readout = FeaturesReadout({"threads": 1, "blends": 12})
    early, middle = (read_with_controls(readout.read, wells(72.0), wells(hours)) for hours in (0.0, 24.0))
    late = readout.read(wells(72.0)).raw
    assert early.shape == (n,)
    # wells that are killed in the end, the killing control's among them, are alive at the start
    assert np.abs(early[4:] - 0.8).max() < 0.12
    assert np.abs(late[4:] - 0.2).max() < 0.12
    assert (early[4:] > middle[4:]).all()
    assert (middle[4:] > late[4:]).all()


def test_likeness_over_time_is_viability_and_no_growth() -> None:
    kinds = ["neg", "neg", "pos", "pos", "therapy"]
    wells = pd.DataFrame({"plate": "P1", "well": [f"B0{i}" for i in range(1, 6)], "row": "B", "column": range(1, 6)})
    wells = wells.assign(sample="S", well_type=kinds, treatment=["DMSO", "DMSO", "STS", "STS", "A"])
    wells = wells.assign(concentration_nM=[np.nan] * 4 + [10.0])
    control = ["negative", "negative", "positive", "positive", None]
    places = wells[["plate", "well", "row", "column"]]
    end = places.assign(raw=[0.8, 0.8, 0.2, 0.2, 0.35], control=control, masked=False)
    course = {0.0: places.assign(raw=0.78), 24.0: places.assign(raw=[0.8, 0.8, 0.4, 0.4, 0.5]), 72.0: end}
    rows = viability_alone(course_table(course, end, wells, "features"))
    of_drug = rows[rows["drug"] == "A"].set_index("time_h")["viability_fraction"]
    assert of_drug.to_dict() == pytest.approx({0.0: 1.0, 24.0: 0.5, 72.0: 0.25})
    assert rows[["cells", "gr", "growth_per_hour"]].isna().all(axis=None)
    assert tells_viability_alone(rows)
    assert starts_of(rows, "features") is None
    (note,) = course_notes(rows)
    assert note.startswith("sample S: time course: viability at every time, and no growth")


#: Treatment -> volumes of its spheroid at 0, 24 and 72 h; DMSO doubles twice.
VOLUMES = {
    "DMSO": (1, 1.6, 4),
    "STS": (1, 0.5, 0.2),
    "kills": (1, 0.6, 0.2),
    "slows": (1, 1.2, 1.7),
    "none": (1, 1.6, 4),
}


def sizes_over_time(folder: Path, volumes: dict[str, tuple[float, ...]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the time course of `spheroid_area`, of two wells of each treatment; and the layout."""
    y, x = np.mgrid[:96, :96] - 48.0
    kinds = {"DMSO": "neg", "STS": "pos"}
    rows = []
    for number, treatment in enumerate(np.repeat(list(volumes), 2)):
        well = f"B{number + 1:02d}"
        for time, volume in enumerate(volumes[treatment]):
            disc = x**2 + y**2 < (22 * volume ** (1 / 3)) ** 2
            pixels = np.random.default_rng(number).normal(500, 15, disc.shape) + 6000 * disc
            tifffile.imwrite(folder / f"{well}_t{time}.tif", pixels.astype(np.uint16))
        rows.append((well, number + 1, kinds.get(treatment, "therapy"), treatment))
    plate = folder / "P1.ome.zarr"
    ingest_plate(folder, plate, PatternReader({"expression": r"(?P<well>[A-P]\d\d)_t(?P<time>\d)\.tif"}), "P1")
    course = measure_images(SpheroidAreaReadout, {"P1": str(plate)}, step(str(plate), times_h=HOURS)).course
    wells = pd.DataFrame(rows, columns=["well", "column", "well_type", "treatment"])
    wells = wells.assign(plate="P1", row="B", sample="S")
    wells["concentration_nM"] = np.where(wells["well_type"].eq("therapy"), 100.0, np.nan)
    control = wells["well_type"].map({"neg": "negative", "pos": "positive"})
    end = course[72.0].assign(well=wells["well"], control=control, masked=False)
    return course_table(course, end, wells, "spheroid_area", SpheroidAreaReadout.cells_power), wells


def test_sizes_of_spheroids_over_time_are_growth_and_classes(tmp_path: Path) -> None:
    rows, _ = sizes_over_time(tmp_path, VOLUMES)
    assert SpheroidAreaReadout.counts_cells
    assert not killed_above_living(rows)
    ends = rows[rows["time_h"].eq(72)].groupby("drug")
    # volumes above that of the killed wells at the end, 0.2
    assert ends["cells"].median().to_dict() == pytest.approx({"kills": 0, "none": 4.75, "slows": 1.875}, abs=0.15)
    assert ends["gr"].median()["slows"] == pytest.approx(2 ** (np.log2(1.875) / np.log2(4.75)) - 1, abs=0.05)
    found = course_classes(rows).set_index("drug")["course_class"].to_dict()
    assert found == {"kills": "kill", "none": "none", "slows": "slow"}


def test_spheroids_that_swell_when_killed_tell_no_growth(tmp_path: Path) -> None:
    rows, _ = sizes_over_time(tmp_path, {"DMSO": (1, 1.2, 1.5), "STS": (1, 1.3, 1.7), "A": (1, 1.1, 1.2)})
    assert killed_above_living(rows)
