"""Any picture of any channel may be an input of the networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from phenodose.errors import CheckpointError, InputError
from phenodose.learning.checkpoint import expect_inputs, inputs_of
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.pyramid import area_average
from phenodose.plates.tensor_inputs import TensorInput
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose.plugins import TrainingRecord, TrainingSet
from phenodose.screens.screen import Screen
from phenodose_readers.imagexpress import ImageXpressReader


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("MIP", TensorInput("MIP")),
        ("Z12", TensorInput("Z12")),
        ("PI:MIP", TensorInput("MIP", "PI")),
        ("1:MIN", TensorInput("MIN", 1)),
        ("Cy5: far red:SD", TensorInput("SD", "Cy5: far red")),
    ],
)
def test_a_picture_is_named_with_or_without_its_channel(text: str, meant: TensorInput) -> None:
    assert TensorInput.parse(text) == meant


@pytest.mark.parametrize("text", ["MAX", "", ":MIP", "PI:", "PI:mip", "Z", "MIP:PI"])
def test_what_is_no_picture_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"such as 'PI:MIP'"):
        TensorInput.parse(text)


@pytest.fixture
def plate(raw_plate: Callable[..., Path], tmp_path: Path) -> Plate:
    """Two channels, the second lacks one well."""
    raw = raw_plate("P1", wells=["B02", "C03"], channels=2, size=(80, 80), planes=4)
    for path in raw.rglob("*C03_s1_w2*"):
        path.unlink()
    ingest_plate(raw, tmp_path / "P1.ome.zarr", ImageXpressReader(), "P1")
    return Plate.open(tmp_path / "P1.ome.zarr")


def test_pictures_over_the_planes_and_of_other_channels(plate: Plate, tmp_path: Path) -> None:
    wanted = ("1:MIN", "MEAN", "1:SD")
    build_tensors({"P1": plate}, tmp_path / "t", 40, 0, pictures=wanted)
    tensors = open_tensors(tmp_path / "t")
    assert tensors["channel"].to_numpy().tolist() == list(wanted)
    tensor = tensors.sel(well="P1/B02").to_numpy()
    nuclei, other = (np.asarray(plate.stack("B02", channel)) for channel in (0, 1))
    expected = [other.min(axis=0), np.rint(nuclei.mean(axis=0)), np.rint(other.std(axis=0))]
    for place, pixels in enumerate(expected):
        np.testing.assert_array_equal(tensor[..., place], area_average(pixels.astype(np.uint16), 40, 40))


def test_a_well_without_an_image_in_one_of_the_channels_is_left_out_and_named(plate: Plate, tmp_path: Path) -> None:
    build_tensors({"P1": plate}, tmp_path / "t", 16, 0, pictures=("MIP", "1:MIP", "MIP"))
    tensors = open_tensors(tmp_path / "t")
    assert tensors["well"].to_numpy().tolist() == ["P1/B02"]
    assert tensors.attrs["wells_without_image"] == ["P1/C03"]


def test_a_channel_that_is_not_there_is_refused(plate: Plate, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="plate P1"):
        build_tensors({"P1": plate}, tmp_path / "t", 16, 0, pictures=("MIP", "Brightfield:MIN", "MIP"))


def test_screen_toml_names_three_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "TST_V1_DS1"
    folder.mkdir()
    (folder / "layout.csv").write_text("Plate,Row,Column\n")
    settings = folder / "screen.toml"
    settings.write_text('[tensors]\ninputs = ["MIP", "PI:MIP", "BF:MIN"]\n')
    assert Screen.load(folder, {}).settings.tensors.inputs == ("MIP", "PI:MIP", "BF:MIN")
    settings.write_text('[tensors]\ninputs = ["MIP", "PI:MAX", "BF:MIN"]\n')
    with pytest.raises(InputError, match="input 'PI:MAX': write one of") as raised:
        Screen.load(folder, {})
    assert "faults" not in str(raised.value)
    settings.write_text('[tensors]\ninputs = ["MIP"]\n')
    with pytest.raises(InputError, match="see three pictures, and these are 1"):
        Screen.load(folder, {})


def test_a_network_is_not_asked_about_images_that_show_something_else() -> None:
    def trained_on(*inputs: str) -> TrainingRecord:
        nothing = np.zeros(0, dtype=np.float32)
        data = TrainingSet(nothing, nothing, nothing > 0, nothing > 0, (), inputs)
        return TrainingRecord("phase1", "", None, "", {}, [], None, 0.0, 0, 0, extra=dict(inputs_of(data)))

    before, other = trained_on("MIP", "MID", "MIP"), trained_on("MIP", "PI:MIP", "MIP")
    assert before.extra == {}  # as those that were trained before there was a choice
    expect_inputs(before, ["MIP", "MID", "MIP"], Path("phase1"))
    expect_inputs(other, ["MIP", "PI:MIP", "MIP"], Path("phase1"))
    with pytest.raises(CheckpointError, match=r"trained on MIP, MID, MIP, but the tensors show MIP, PI:MIP, MIP"):
        expect_inputs(before, ["MIP", "PI:MIP", "MIP"], Path("phase1"))
    with pytest.raises(CheckpointError, match=r"trained on MIP, PI:MIP, MIP"):
        expect_inputs(other, ["MIP", "MID", "MIP"], Path("phase1"))
