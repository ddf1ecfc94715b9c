"""Several images in one TIFF file: all of them are read, with the axes that the file tells, or the file is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plates.tiff import check_pages, read_page
from phenodose.plates.tiff_stacks import axes_used
from phenodose_readers.pattern import PatternReader

STACK = np.random.default_rng(3).integers(0, 60000, (6, 20, 28)).astype(np.uint16)


def index(folder, expression=r"(?P<well>[A-P]\d\d)", **parameters):
    return PatternReader({"expression": expression, **parameters}).index(folder)


def stk(path, planes: np.ndarray) -> None:
    """A MetaMorph stack: the planes one after the other, one directory, tag UIC2 with a value for each plane."""
    n, height, width = planes.shape
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, height * width * 2)]
    after = 8 + planes.nbytes
    tags.append((33629, 5, n, after + 2 + (len(tags) + 1) * 12 + 4))
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", after) + planes.tobytes() + directory + bytes(6 * 8 * n))


WRITERS = {
    "ImageJ": lambda path: tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZYX"}, truncate=True),
    "tifffile": lambda path: tifffile.imwrite(path, STACK, photometric="minisblack", truncate=True),
    "MetaMorph": lambda path: stk(path, STACK),
}


@pytest.mark.parametrize("program", WRITERS)
def test_images_behind_one_directory_are_all_read(tmp_path, program):
    path = tmp_path / ("B02.stk" if program == "MetaMorph" else "B02.tif")
    WRITERS[program](path)
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 1
    assert len(check_pages(path, "B02")) == len(STACK)
    for page, pixels in enumerate(STACK):
        np.testing.assert_array_equal(read_page(path, page, "B02"), pixels)
    assert index(tmp_path, pages="z")["z"].tolist() == list(range(6))


def test_a_stack_that_is_cut_off_is_no_single_plane(tmp_path):
    WRITERS["ImageJ"](tmp_path / "B02.tif")
    payload = (tmp_path / "B02.tif").read_bytes()
    (tmp_path / "B02.tif").write_bytes(payload[: len(payload) // 2])
    with pytest.raises(InputError, match=r"one IFD with 6 images, and \d+ of \d+ bytes are there"):
        check_pages(tmp_path / "B02.tif", "B02")


def test_one_plane_that_kept_the_text_of_its_stack_is_one_plane(tmp_path):
    text = "ImageJ=1.54f\nimages=6\nslices=6\n"
    tifffile.imwrite(tmp_path / "B02.tif", STACK[0], description=text, metadata=None)
    assert len(check_pages(tmp_path / "B02.tif", "B02")) == 1


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX", "TZYX"])
def test_both_axes_of_an_ome_tiff_are_those_of_its_xml(tmp_path, axes):
    sizes = (3, 2) if axes[0] == "Z" else (2, 3)
    tifffile.imwrite(tmp_path / "B02.ome.tif", STACK.reshape(*sizes, 20, 28), ome=True, metadata={"axes": axes})
    for pages in ("z", None):
        found = index(tmp_path, pages=pages)
        other = "time" if "T" in axes else "channel"
        for row in found.itertuples():
            z, second = row.z, getattr(row, other)
            place = (z, second) if axes[0] == "Z" else (second, z)
            np.testing.assert_array_equal(
                read_page(tmp_path / row.path, row.page, "B02"), STACK.reshape(*sizes, 20, 28)[place]
            )
        assert (found["z"].nunique(), found[other].nunique()) == (3, 2)


def test_both_axes_of_an_imagej_hyperstack_behind_one_directory(tmp_path):
    data = STACK.reshape(3, 2, 20, 28)
    tifffile.imwrite(tmp_path / "B02.tif", data, imagej=True, metadata={"axes": "ZCYX"}, truncate=True)
    found = index(tmp_path, pages="z")
    assert found[["channel", "z"]].to_numpy().tolist() == [[c, z] for c in range(2) for z in range(3)]
    for row in found.itertuples():
        np.testing.assert_array_equal(read_page(tmp_path / row.path, row.page, "B02"), data[row.z, row.channel])


def test_names_of_channels_come_from_the_xml(tmp_path):
    metadata = {"axes": "CZYX", "Channel": {"Name": ["Hoechst", "PI"]}}
    tifffile.imwrite(tmp_path / "B02.ome.tif", STACK.reshape(2, 3, 20, 28), ome=True, metadata=metadata)
    assert index(tmp_path).groupby("channel")["channel_name"].first().tolist() == ["Hoechst", "PI"]


def test_xml_that_tells_other_images_than_are_there_is_told(tmp_path):
    tifffile.imwrite(tmp_path / "B02.ome.tif", STACK.reshape(2, 3, 20, 28), ome=True, metadata={"axes": "CZYX"})
    with tifffile.TiffFile(tmp_path / "B02.ome.tif") as tiff:
        text = tiff.pages[0].description
    path = tmp_path / "B03.ome.tif"
    tifffile.imwrite(path, STACK[:4], description=text.replace("B02", "B03"), metadata=None, photometric="minisblack")
    with pytest.raises(InputError, match=r"its OME-XML tells 6 images, 4 are in the file"):
        check_pages(path, "B03")


def test_a_group_for_an_axis_that_the_file_tells_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "B02_w1.ome.tif", STACK.reshape(2, 3, 20, 28), ome=True, metadata={"axes": "CZYX"})
    with pytest.raises(InputError, match=r"the file itself says that its pages are channel and z, .* group `channel`"):
        index(tmp_path, r"(?P<well>[A-P]\d\d)_w(?P<channel>\d)")


def test_pixels_of_other_than_whole_bytes_are_unsupported_and_not_damaged(tmp_path):
    tifffile.imwrite(tmp_path / "bits.tif", STACK[0] > 30000, photometric="minisblack")
    values = (STACK[0] & 0xFFF).reshape(-1, 2).astype(np.uint32)
    packed = np.stack([values[:, 0] >> 4, (values[:, 0] & 15) << 4 | values[:, 1] >> 8, values[:, 1] & 255], axis=-1)
    payload = packed.astype(np.uint8).tobytes()
    tags = [(256, 28), (257, 20), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 20), (279, len(payload))]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "packed.tif").write_bytes(
        b"II*\0" + struct.pack("<I", 8 + len(payload)) + payload + directory + bytes(4)
    )
    for name, bits in (("bits", 1), ("packed", 12)):
        with pytest.raises(InputError, match=f"pixels of {bits} bits are unsupported; export") as told:
            check_pages(tmp_path / f"{name}.tif", "B02")
        assert "truncated" not in str(told.value)


def test_axes_that_do_not_vary_are_not_used(tmp_path):
    tifffile.imwrite(tmp_path / "B02.ome.tif", STACK, ome=True, metadata={"axes": "ZYX"})
    assert axes_used([page.axes for page in check_pages(tmp_path / "B02.ome.tif", "B02")]) == ["z"]


def ome_xml(sizes: str, blocks: str, uuid: str = "") -> str:
    own = f' UUID="{uuid}"' if uuid else ""
    return (
        f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{own}><Image ID="Image:0"><Pixels '
        f'ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="28" SizeY="20" {sizes}>'
        f'<Channel Name="a"/><Channel Name="b"/>'
        f"{blocks}</Pixels></Image></OME>"
    )


def write_pages(path, pixels, description: str) -> None:
    with tifffile.TiffWriter(path) as file:
        for number, page in enumerate(pixels):
            file.write(page, metadata=None, description=None if number else description)


@pytest.mark.parametrize("pages", [None, "z"])
def test_directories_in_another_order_than_the_planes(tmp_path, pages):
    blocks = "".join(f'<TiffData IFD="{number}" FirstZ="{5 - number}"/>' for number in range(6))
    write_pages(tmp_path / "B02.tif", STACK[::-1], ome_xml('SizeZ="6" SizeC="1" SizeT="1"', blocks))
    found = index(tmp_path, pages=pages)
    assert dict(zip(found["z"], found["page"], strict=True)) == {z: 5 - z for z in range(6)}


def test_a_renamed_file_of_a_set_is_known_by_its_own_id_or_asked_for(tmp_path):
    blocks = "".join(
        f'<TiffData IFD="{z}" FirstZ="{z}" FirstC="{c}"><UUID FileName="x_{c}.ome.tif">urn:{c}</UUID></TiffData>'
        for c in range(2)
        for z in range(6)
    )
    sizes = 'SizeZ="6" SizeC="2" SizeT="1"'
    write_pages(tmp_path / "B02.tif", STACK, ome_xml(sizes, blocks, "urn:1"))
    assert [(page.axes.z, page.axes.channel) for page in check_pages(tmp_path / "B02.tif", "B02")] == [
        (z, 1) for z in range(6)
    ]
    write_pages(tmp_path / "B02.tif", STACK, ome_xml(sizes, blocks))
    with pytest.raises(InputError, match="the file has 6 pages; say what they are"):
        index(tmp_path)


def test_two_axes_that_tifffile_wrote_are_read_by_their_letters_and_else_refused(tmp_path):
    pixels = STACK.reshape(2, 3, *STACK.shape[1:])
    tifffile.imwrite(tmp_path / "B02.tif", pixels, photometric="minisblack", metadata={"axes": "CZYX"})
    assert list(zip(index(tmp_path)["channel"], index(tmp_path)["z"], strict=True)) == [
        (channel, z) for channel in range(2) for z in range(3)
    ]
    tifffile.imwrite(tmp_path / "B02.tif", pixels, photometric="minisblack")
    with pytest.raises(InputError, match="its metadata tell 2 x 3 images and not which axes these are"):
        index(tmp_path, pages="z")
