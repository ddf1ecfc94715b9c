"""The check at the door: every damaged file is refused with its name, its well and the remedy."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.errors import InputError, MissingInputError
from phenodose.storage.tiff import check_tiff, read_page

PIXELS = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)


@pytest.fixture(params=[None, "zlib"])
def image(tmp_path, request):
    path = tmp_path / "Plate_B07_s1.tif"
    tifffile.imwrite(path, PIXELS, compression=request.param, rowsperstrip=8, description="text", software="maker")
    return path


def test_a_whole_file_passes_and_tells_its_header(image):
    header = check_tiff(image, "B07")
    assert (header.size_y_px, header.size_x_px, header.dtype) == (64, 48, "uint16")
    assert header.software == "maker"
    assert header.description == "text"
    np.testing.assert_array_equal(read_page(image, 0, "B07"), PIXELS)


@given(st.data())
@settings(max_examples=60)
def test_a_file_cut_anywhere_is_refused_at_the_door(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    whole = folder / "whole.tif"
    tifffile.imwrite(whole, PIXELS, compression=data.draw(st.sampled_from([None, "zlib"])), rowsperstrip=8)
    content = whole.read_bytes()
    # tifffile puts the strips last, so that every cut takes pixels.
    cut = folder / "Plate_B07.tif"
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError, match=r"Plate_B07\.tif: well B07: .*copy the file again from the microscope"):
        check_tiff(cut, "B07")


@pytest.mark.parametrize("content", [b"", b"not an image at all", b"II*\0" + b"\xff" * 40])
def test_what_is_no_tiff_is_refused(tmp_path, content):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"well C03.*copy the file again"):
        check_tiff(path, "C03")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"gone\.tif: well C03"):
        check_tiff(tmp_path / "gone.tif", "C03")


def test_a_colour_image_is_refused(tmp_path):
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.zeros((8, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="single grey"):
        check_tiff(path, "C03")


def test_damaged_compressed_pixels_are_refused_on_reading(tmp_path):
    path = tmp_path / "z.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 9, (64, 64), dtype=np.uint16), compression="zlib")
    content = bytearray(path.read_bytes())
    content[-60:-20] = b"\0" * 40
    path.write_bytes(content)
    check_tiff(path, "C03")
    with pytest.raises(InputError, match=r"z\.tif: well C03: page 0 cannot be decoded"):
        read_page(path, 0, "C03")
