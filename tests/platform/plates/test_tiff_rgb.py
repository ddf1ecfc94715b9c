"""Files in colour become one grey image by a person's choice, and are refused without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tiff import check_pages, read_page
from phenodose.plates.tiff_rgb import RgbChoice
from phenodose_readers.pattern import PatternReader

GREY = np.random.default_rng(0).integers(0, 256, (12, 17)).astype(np.uint8)


def painted(path: Path, *colour: float, grey: np.ndarray = GREY, **how: Any) -> Path:
    """A grey image in a colour, as a program for pictures writes it."""
    samples = np.stack([np.rint(grey * part) for part in colour], axis=-1).astype(grey.dtype)
    if how.get("planarconfig") == "separate":
        samples = np.moveaxis(samples, -1, 0)
    tifffile.imwrite(path, samples, photometric="rgb", metadata=None, **how)
    return path


@pytest.mark.parametrize(
    "how", [{}, {"planarconfig": "separate"}, {"compression": "zlib"}, {"metadata": None, "rowsperstrip": 5}]
)
@pytest.mark.parametrize("colour", [(0.2, 0.4, 1), (1, 1, 1), (0, 1, 0)])
def test_the_strongest_sample_is_the_grey_value(tmp_path: Path, colour: tuple[float, ...], how: dict[str, Any]) -> None:
    path = painted(tmp_path / "a.tif", *colour, **{k: v for k, v in how.items() if k != "metadata"})
    (header,) = check_pages(path, "B07", "strongest")
    assert (header.size_y_px, header.size_x_px, header.dtype) == (12, 17, "uint8")
    np.testing.assert_array_equal(read_page(path, 0, "B07", "strongest"), GREY)


def test_sixteen_bits_and_transparency_make_no_difference(tmp_path: Path) -> None:
    grey = GREY.astype(np.uint16) * 257
    path = painted(tmp_path / "a.tif", 0.5, 0, 1, 1, grey=grey, extrasamples=["unassalpha"])
    assert check_pages(path, "B07", "strongest")[0].dtype == "uint16"
    np.testing.assert_array_equal(read_page(path, 0, "B07", "strongest"), grey)


def test_two_dyes_laid_over_each_other_are_told_apart_by_name_alone(tmp_path: Path) -> None:
    samples = np.stack([GREY, GREY[::-1], np.zeros_like(GREY)], axis=-1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples, photometric="rgb")
    with pytest.raises(InputError, match=r"a\.tif: well B07: page 0: its samples hold more than one dye: .*`rgb`"):
        read_page(path, 0, "B07", "strongest")
    by_name: list[RgbChoice] = ["red", "green", "blue"]
    for number, name in enumerate(by_name):
        np.testing.assert_array_equal(read_page(path, 0, "B07", name), samples[..., number])
    with pytest.raises(InputError, match="no grey image"):
        read_page(path, 0, "B07")


def test_black_images_are_of_one_dye(tmp_path: Path) -> None:
    path = painted(tmp_path / "a.tif", 1, 0, 0, grey=np.zeros_like(GREY))
    assert not read_page(path, 0, "B07", "strongest").any()


def test_a_cut_file_in_colour_is_refused(tmp_path: Path) -> None:
    path = painted(tmp_path / "a.tif", 1, 0.5, 0)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="truncated"):
        check_pages(path, "B07", "red")


def test_a_folder_of_painted_files_becomes_a_plate_of_grey_channels_and_says_how(tmp_path: Path) -> None:
    raw = tmp_path / "P1"
    raw.mkdir()
    painted(raw / "B02_Hoechst.tif", 0.1, 0.3, 1)
    painted(raw / "B02_PI.tif", 1, 0, 0, grey=GREY[::-1].copy())
    asked = {"expression": r"(?P<well>B02)_(?P<channel>\w+)\.tif"}
    with pytest.raises(InputError, match=r"choose with the parameter `rgb` of the reader"):
        PatternReader(asked).index(raw)
    chosen = PatternReader({**asked, "rgb": "strongest"})
    ingest_plate(raw, tmp_path / "P1.zarr", chosen, "P1", workers=1)
    plate = Plate.open(tmp_path / "P1.zarr")
    np.testing.assert_array_equal(np.asarray(plate.stack("B02", channel=0))[0], GREY)
    np.testing.assert_array_equal(np.asarray(plate.stack("B02", channel=1))[0], GREY[::-1])
    assert chosen.plate_metadata(raw, chosen.index(raw))["rgb"] == "strongest"
