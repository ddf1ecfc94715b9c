"""One time point and one site of a well are looked at everywhere, and that is said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tifffile
from numpy import full, uint16

from phenodose.errors import InputError
from phenodose.pipeline.images import chosen_plates
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors, open_tensors, source_images
from phenodose.screens.screen import ImageSettings
from phenodose_readers.pattern import PatternReader
from phenodose_readouts.mean_of_stack import MeanOfStackReadout

EXPRESSION = r"(?P<well>[A-P]\d\d)_t(?P<time>\d)_s(?P<site>\d)_z(?P<z>\d)"


@pytest.fixture(scope="module")
def lapse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plate of two wells with 7 time points and 2 sites; a picture's grey value tells its time and site."""
    raw, out = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("plates") / "P1.ome.zarr"
    for well in ("B02", "C03"):
        for time in range(7):
            for site in (1, 2):
                picture = full((32, 32), 1000 + 100 * time + site, uint16)
                for z in (1, 2):
                    tifffile.imwrite(raw / f"{well}_t{time}_s{site}_z{z}.tif", picture)
    ingest_plate(raw, out, PatternReader({"expression": EXPRESSION}), "P1")
    return out


def step(images: ImageSettings) -> Any:
    """As much of a step as the choice asks for."""
    screen = SimpleNamespace(settings=SimpleNamespace(images=images))
    return SimpleNamespace(screen=screen, store=SimpleNamespace(plate_at=Path))


@pytest.mark.parametrize(("time", "number"), [("last", 6), ("first", 0), (3, 3)])
def test_the_chosen_time_is_the_one_that_everything_sees(lapse: Path, tmp_path: Path, time: Any, number: int) -> None:
    plates, notes = chosen_plates(step(ImageSettings(time=time)), {"P1": str(lapse)}, averaged=False)
    assert notes[0].startswith(f"plate P1: 7 time points, of which number {number}, counted from 0, is looked at")
    assert "of which site 1 is looked at" in notes[1]
    build_tensors(plates, tmp_path / "t.zarr", 16)
    assert set(open_tensors(tmp_path / "t.zarr").to_numpy().ravel().tolist()) == {1001 + 100 * number}
    assert source_images(tmp_path / "t.zarr") == {"P1": {"time": number, "site": 1}}
    # sites are averaged where none is chosen
    assert MeanOfStackReadout().measure(plates["P1"])["raw"].tolist() == [1001.5 + 100 * number] * 2
    shown = Plate.open(lapse).at(**source_images(tmp_path / "t.zarr")["P1"])
    assert shown.mip("B02")[0, 0] == 1001 + 100 * number
    assert shown.mip("B02", time=1, site=2)[0, 0] == 1102


def test_a_chosen_site_is_the_only_one(lapse: Path) -> None:
    plates, notes = chosen_plates(step(ImageSettings(site=2)), {"P1": str(lapse)}, averaged=True)
    assert "site 2 is looked at" in notes[1]
    assert MeanOfStackReadout().measure(plates["P1"])["raw"].tolist() == [1602.0, 1602.0]


def test_all_sites_stand_side_by_side_where_that_is_chosen(lapse: Path, tmp_path: Path) -> None:
    plates, notes = chosen_plates(step(ImageSettings(site="all")), {"P1": str(lapse)}, averaged=False)
    assert notes[1] == "plate P1: 2 sites a well, which tensors show side by side."
    build_tensors(plates, tmp_path / "t.zarr", 17)
    tensor = open_tensors(tmp_path / "t.zarr").sel(well="P1/C03").to_numpy()[..., 0]
    # two above, of four places; what is empty is as dark as the darkest
    assert (tensor[:8, :8] == 1601).all()
    assert (tensor[:8, 8:] == 1602).all()
    assert (tensor[8:] == 1601).all()
    assert source_images(tmp_path / "t.zarr") == {"P1": {"time": 6}}
    assert MeanOfStackReadout().measure(plates["P1"])["raw"].tolist() == [1601.5, 1601.5]


def test_what_is_averaged_is_no_choice(lapse: Path) -> None:
    _, notes = chosen_plates(step(ImageSettings()), {"P1": str(lapse)}, averaged=True)
    assert len(notes) == 1


@pytest.mark.parametrize("wrong", [ImageSettings(time=7), ImageSettings(site=3)])
def test_a_time_or_site_that_is_not_there_is_told(lapse: Path, wrong: ImageSettings) -> None:
    with pytest.raises(InputError, match=r"no time point 7; it has 7|no site 3; its sites are 1, 2"):
        chosen_plates(step(wrong), {"P1": str(lapse)}, averaged=True)
