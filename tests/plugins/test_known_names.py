"""Folders of microscopes without a reader: the message tells the expression that reads them."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plugins import choose_reader, registry
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readers.known_names import KNOWN, measurements
from phenodose_readers.pattern import PatternReader

FILES = {
    "Yokogawa CellVoyager": [f"Plate_D0{c}_T0001F001L01A01Z0{z}C01.tif" for c in (1, 2) for z in (1, 2)],
    "Revvity Operetta or Opera Phenix": [f"r02c0{c}f01p0{z}-ch1sk1fk1fl1.tiff" for c in (1, 2) for z in (1, 2)],
    "IN Cell Analyzer": [f"B - 0{c}(fld 1 wv DAPI - DAPI z {z}).tif" for c in (1, 2) for z in (1, 2)],
    "ImageXpress HCS.ai": [f"P_t0_D0{c}_s0_w0_z{z}.tif" for c in (1, 2) for z in (0, 1)],
}


def write(folder, names) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / name, np.zeros((8, 8), np.uint16))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.instrument)
def test_the_expression_of_each_instrument_reads_its_files(tmp_path, known):
    write(tmp_path / "raw", FILES[known.instrument])
    found = PatternReader({"expression": known.expression}).index(tmp_path / "raw")
    assert found.groupby("well")["z"].unique().map(list).tolist() == [[0, 1], [0, 1]]
    assert known.expression in PatternReader().advice(tmp_path / "raw")


@pytest.mark.parametrize("n_channels", [1, 2, 4])
def test_shading_images_of_the_camera_are_no_plates(tmp_path, n_channels):
    write(tmp_path / "cv", FILES["Yokogawa CellVoyager"])
    write(tmp_path / "cv", [f"SC_BP{n}45-45_20x v2_M01_CH0{n}.tif" for n in range(1, n_channels + 1)])
    write(tmp_path / "cv", [f"DC_DCAM#{n}_CAM{n}.tif" for n in range(1, n_channels + 1)])
    expression = re.escape(KNOWN[0].expression)
    for ask in (
        lambda: choose_reader(tmp_path / "cv", registry()),
        lambda: ImageXpressReader().index(tmp_path / "cv"),
    ):
        with pytest.raises(InputError, match=f"4 of {4 + 2 * n_channels} TIFF files .*{expression}") as told:
            ask()
        assert "plates (" not in str(told.value)


def test_imagexpress_names_that_count_from_zero(tmp_path):
    for site in range(2):
        for wave in range(2):
            pixels = np.full((8, 8), 10 * wave + site, np.uint16)
            pixels[0] = range(8)
            tifffile.imwrite(tmp_path / f"P_C05_s{site}_w{wave}.tif", pixels)
    reader = ImageXpressReader()
    found = reader.index(tmp_path)
    assert found[["site", "channel", "z"]].to_numpy().tolist() == [[1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]]
    for row in found.itertuples():
        assert reader.read_plane(tmp_path, row)[5, 5] == 10 * row.channel + row.site - 1


def test_one_step_of_an_acquisition_in_place_of_all_is_told(tmp_path):
    for step in (1, 2):
        (tmp_path / "1334" / f"ZStep_{step}").mkdir(parents=True)
        pixels = np.random.default_rng(step).integers(0, 999, (8, 8), np.uint16)
        tifffile.imwrite(tmp_path / "1334" / f"ZStep_{step}" / "P_B02_s1_w1.tif", pixels)
    reader, folder = ImageXpressReader(), tmp_path / "1334" / "ZStep_1"
    (note,) = reader.plate_metadata(folder, reader.index(folder))["notes"]
    assert note.startswith("The folder ZStep_1 is one step of an acquisition; ZStep_2 beside it is not read")
    assert reader.plate_metadata(folder.parent, reader.index(folder.parent))["notes"] == []


@pytest.mark.parametrize(
    ("folder", "path", "told"),
    [
        ("Plate 7__2024-05-01T10_00_00-Measurement 2", "Images/a.tif", ["Plate 7__2024-05-01T10_00_00-Measurement 2"]),
        ("raw", "Meas_03(2024)/a.tif", ["Meas_03(2024)"]),
        ("raw", "measured/a.tif", []),
        ("P1", "a.tif", []),
    ],
)
def test_names_of_measurements(tmp_path, folder, path, told):
    assert measurements(tmp_path / folder, [path]) == told
