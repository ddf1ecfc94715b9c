"""The check at the door: every damaged file is refused with its name, its well and the remedy."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.errors import InputError, MissingInputError
from phenodose.plates.tiff import check_pages, check_tiff, read_page

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
    with pytest.raises(InputError, match=r"single grey TIFF files; or, where all .* the parameter `rgb` of the reader"):
        check_tiff(path, "C03")
    tifffile.imwrite(path, np.zeros((8, 8, 2), np.uint8), photometric="minisblack", planarconfig="contig")
    with pytest.raises(InputError, match=r"single grey TIFF files\.$"):
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


@given(st.data())
@settings(max_examples=60)
def test_whatever_the_file_is_like_header_and_pixels_are_those_that_were_written(tmp_path_factory, data):
    draw = data.draw
    dtype = draw(st.sampled_from(["uint8", "uint16", "int16", "float32"]))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 70)), draw(st.integers(1, 50)))
    pixels = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 99, shape).astype(dtype)
    layout = draw(st.sampled_from([{"rowsperstrip": draw(st.integers(1, 80))}, {}, {"tile": (16, 16)}]))
    text = draw(st.sampled_from(["", "text", " well \t", "x" * 3, "y" * 4, '<prop id="a" value="µm"/>'.encode()]))
    tags = [(270, 2, len(text) + 1, text, False)] if text else []
    tags += draw(st.sampled_from([[], [(65000, 4, 1, 7, False)], [(274, 3, 1, 3, False)]]))
    path = tmp_path_factory.mktemp("any") / "Plate_B07.tif"
    order, big = draw(st.sampled_from("<>")), draw(st.booleans())
    compression = draw(st.sampled_from([None, "zlib"]))
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as writer:
        for page in pixels:
            grey = {"photometric": "minisblack", "metadata": None, "extratags": tags}
            writer.write(page, **grey, **layout, compression=compression)
    headers = check_pages(path, "B07")
    assert len(headers) == len(pixels)
    said = text.decode() if isinstance(text, bytes) else text.strip()
    for number, header in enumerate(headers):
        assert (header.size_y_px, header.size_x_px, header.dtype, header.description) == (*shape[1:], dtype, said)
        assert check_tiff(path, "B07", number) == header
        np.testing.assert_array_equal(read_page(path, number, "B07"), pixels[number])


@given(st.data())
@settings(max_examples=100)
def test_a_damaged_header_is_refused_in_a_sentence_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "Plate_B07.tif"
    tifffile.imwrite(path, PIXELS, rowsperstrip=8, description="text " * 9, software="maker", metadata=None)
    content = bytearray(path.read_bytes())
    header = len(content) - PIXELS.nbytes
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, header - 1))] = data.draw(st.sampled_from([0, 1, 2, 8, 16, 255]))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content)] * 3 + [header, len(content) - 1]))])
    # Damage that leaves a readable image is none; nothing but a refusal in words may be raised.
    with contextlib.suppress(InputError):
        assert len(check_pages(path, "B07")) >= 1
        assert read_page(path, 0, "B07").ndim == 2


def test_files_of_the_instrument_with_the_table_of_tags_behind_the_pixels(tmp_path):
    """As MetaXpress writes them: uncompressed, hundreds of strips, the table of tags last."""
    path = tmp_path / "Plate_B07.tif"
    tifffile.imwrite(path, PIXELS, rowsperstrip=2, description="<MetaData>", software="MetaSeries", metadata=None)
    before = check_tiff(path, "B07")
    content = path.read_bytes()
    start = int.from_bytes(content[4:8], "little")
    path.write_bytes(content[:4] + len(content).to_bytes(4, "little") + content[8:] + content[start:])
    assert check_tiff(path, "B07") == before
    np.testing.assert_array_equal(read_page(path, 0, "B07"), PIXELS)


def test_values_that_are_no_brightness_are_refused(tmp_path):
    pixels = PIXELS.astype(np.uint8)
    tifffile.imwrite(tmp_path / "B07.tif", pixels, photometric="miniswhite")
    with pytest.raises(InputError, match="the grey values are stored inverted"):
        check_tiff(tmp_path / "B07.tif", "B07")
    shuffled = np.random.default_rng(0).permuted(np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1)), axis=1)
    tifffile.imwrite(tmp_path / "B07.tif", pixels, photometric="palette", colormap=shuffled)
    with pytest.raises(InputError, match="numbers in a table of colours"):
        check_tiff(tmp_path / "B07.tif", "B07")


def test_grey_values_shown_in_green_are_read(tmp_path):
    green = np.zeros((3, 256), np.uint16)
    green[1] = np.arange(256) * 257
    tifffile.imwrite(tmp_path / "B07.tif", PIXELS.astype(np.uint8), photometric="palette", colormap=green)
    np.testing.assert_array_equal(read_page(tmp_path / "B07.tif", 0, "B07"), PIXELS.astype(np.uint8))
    assert check_tiff(tmp_path / "B07.tif", "B07").dtype == "uint8"
