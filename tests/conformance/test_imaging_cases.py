"""Images from the field: every case gives the right number or one sentence, and nothing is left half written."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import well_picture
from phenodose.plates.verify import verify_plate
from phenodose.plugins import choose_reader, registry
from phenodose.screens.registration import check_screen
from phenodose_readers.hcs_ai import HcsAiReader
from phenodose_readers.pattern import PatternReader

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "imaging"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases from the field are not on this machine")
WELL = r"(?P<well>[A-H]\d\d)"
OPERETTA = r"r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)"
INCELL = r"(?P<row>[A-P]) - (?P<column>\d+)\(fld (?P<site>\d+) wv (?P<channel>[^)]+?)(?: z (?P<z>\d+))?\)"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes the input of a case in a folder of its own."""

    def made(number: str, *arguments: str) -> Path:
        (script,) = CASES.glob(f"{number}_*/make.py")
        monkeypatch.setattr(sys, "argv", ["make.py", str(tmp_path / "raw"), *arguments])
        runpy.run_path(str(script))
        return tmp_path / "raw"

    return made


def ingested(raw: Path, reader: Any = None) -> tuple[Plate, list[str]]:
    out = raw.parent / f"{raw.name}.plate.ome.zarr"
    record = ingest_plate(raw, out, reader or choose_reader(raw, registry()), "P1")
    return Plate.open(out), record.notes


def refused(raw: Path, told: str, reader: Any = None) -> str:
    with pytest.raises(InputError, match=told) as found:
        ingested(raw, reader)
    assert not (raw.parent / f"{raw.name}.plate.ome.zarr").exists()
    return str(found.value)


def pattern(expression: str, **parameters: Any) -> PatternReader:
    return PatternReader({"expression": expression, **parameters})


@pytest.mark.parametrize("program", ["ij", "shaped"])
def test_01_five_planes_behind_one_ifd(make, program):
    plate, _ = ingested(make("01") / program, pattern(WELL, pages="z"))
    assert (plate.wells, plate.shape.n_planes) == (["B02", "B03"], 5)
    for z in range(5):
        bright = plate.plane("B02", z)[z * 8 : z * 8 + 8]
        assert bright.min() >= 1000 * (z + 1)


def test_02_pyramids_that_halve_z(make):
    plate, _ = ingested(make("02") / "P1.ome.zarr")
    assert [well_picture(plate, "B02", "MID", size)[0, -1] for size in (64, 128, 256)] == [4000] * 3
    assert [plate.plane("B02", 5, level=level)[0, -1] for level in (0, 1)] == [6000, 5500]
    assert plate.mean_of_stack("B03") == 2275


def test_03_and_11_acquisitions(make):
    assert "'cycle 1', 2 'cycle 2'" in refused(make("03") / "P1.ome.zarr", "2 acquisitions")
    screen = make("11", "acq2") / "S_acq2_V1_DS1"
    with pytest.raises(InputError, match="of 2 acquisitions"):
        check_screen(screen, registry())


@pytest.mark.parametrize("kind", ["clean", "zdown"])
def test_11_means_of_plates_used_in_place(make, kind):
    plate, _ = ingested(make("11", kind) / f"S_{kind}_V1_DS1" / "P1")
    means = [plate.mean_of_stack(f"D{column:02d}") for column in range(2, 7)]
    assert means == pytest.approx([1000, 920, 600, 280, 200], abs=2)


def test_05_a_plate_of_bioformats2raw(make):
    plate, _ = ingested(make("05") / "P1.zarr")
    assert (plate.wells, plate.n_rows, plate.n_columns) == (["A01", "B12"], 8, 12)
    for well, row, column in (("A01", 0, 1), ("B12", 1, 12)):
        for site in (1, 2):
            for z in range(3):
                assert set(np.unique(plate.plane(well, z, site=site))) == {
                    256 * (row + 1) + 16 * column + 4 * (site - 1) + z
                }


READ = ("bigtiff", "bigendian", "lzw_pred", "zstd", "packbits", "jpegxl", "subifd_pyramid", "tiled")


def test_06_varieties_of_tiff(make):
    raw = make("06")
    for kind in READ:
        plate, _ = ingested(raw / kind, pattern(rf"{WELL}_z(?P<z>\d+)"))
        assert [int(plate.plane("B02", z)[2, 5]) for z in range(3)] == [100 + 2 + 15 + 500 * z for z in (1, 2, 3)], kind
    for kind in ("bilevel", "packed12"):
        told = refused(raw / kind, "bits are unsupported", pattern(rf"{WELL}_z(?P<z>\d+)"))
        assert "truncated" not in told
    for kind in ("ome_zc", "ome_cz"):
        plate, _ = ingested(raw / kind, pattern(WELL, pages="z"))
        assert (plate.shape.n_planes, len(plate.channels)) == (3, 2)
        for channel in range(2):
            planes = [int(plate.plane("B02", z, channel)[2, 5]) for z in range(3)]
            assert planes == [100 + 2 + 15 + 500 * z + 10000 * channel for z in range(3)]


def test_07_plates_of_other_programs(make):
    raw = make("07")
    for kind in ("ok04_dotsep", "ok05_sharded", "ok05_bigendian_crc", "axes_zcyx", "axes_xyz"):
        plate, _ = ingested(raw / kind)
        assert [int(plate.plane("B03", z)[0, 0]) for z in range(3)] == [3000, 3010, 3020], kind
    refused(raw / "same_well_twice", "B/2 and B/02 are both well B02")


@pytest.mark.slow
def test_07_more_plates_of_other_programs(make):
    """Sister: tests/plugins/test_ome_zarr_oddities.py makes a plate of each of these kinds."""
    raw = make("07")
    for kind in ("unit_um", "unit_µm", "unit_micron", "unit_Micrometer", "ngff06_4d", "ngff06_5d"):
        plate, _ = ingested(raw / kind)
        assert (plate.pixel_size_um, plate.shape.z_step_um) == (0.5, 2.0), kind
        assert plate.plane("B03", 2)[0, 0] == 3020
    plate, notes = ingested(raw / "unit_pixel")
    assert plate.pixel_size_um is None
    assert "'pixel', which is no length" in notes[1]
    plate, _ = ingested(raw / "other_z_per_well")
    assert [len(plate.planes(well)) for well in plate.wells] == [3, 5]
    plate, _ = ingested(raw / "axes_tczyx")
    assert [int(plate.plane("B03", z)[0, 0]) for z in range(3)] == [3000, 3010, 3020]
    refused(raw / "truncated_zattrs_well", "well B03: the well's metadata are damaged")
    refused(raw / "in_subfolder", r"such as .*export/2024/P1\.ome\.zarr")


def test_08_shading_images_of_a_cell_voyager(make):
    told = refused(make("08", "4") / "cv", "named as Yokogawa CellVoyager names planes")
    assert "plates (" not in told


def test_10_counts_from_zero(make):
    raw = make("10")
    plate, _ = ingested(raw / "flat")
    assert (plate.shape.sites, len(plate.channels)) == ((1, 2), 2)
    for site in (1, 2):
        for channel in (0, 1):
            assert plate.plane("C05", 0, channel, site=site)[5, 5] == 10000 * channel + 1000 * (site - 1) + 5
    full, _ = ingested(raw / "full", HcsAiReader())
    assert [full.plane("C06", z, 1, site=2)[5, 5] for z in range(3)] == [11006, 11106, 11206]


def test_12_a_plate_that_lacks_the_nuclear_channel(make):
    with pytest.raises(InputError, match=r"P1: Hoechst; P2: Cy5 \(channels: P1: Hoechst, Cy5; P2: Cy5\)"):
        check_screen(make("12") / "CH_V1_DS1", registry())


def test_13_a_file_copied_again(make, tmp_path):
    reader = pattern(rf"{WELL}_z(?P<z>\d)")
    raw = make("13", "bad") / "P1"
    _, notes = ingested(raw, reader)
    assert "B03_z1.tif (64 rows, well B03)" in notes[0]
    make("13", "good")
    plate, notes = ingested(raw, reader)
    assert plate.plane("B03", 0).min() >= 100
    assert notes == []
    assert verify_plate(plate.path, raw, reader).faults == []


def test_14_oddities_of_file_systems(make):
    raw = make("14")
    refused(raw / "links_inside", r"P1_B02_s1_w1\.TIF is a link that leaves the folder")
    refused(raw / "dangling", r"P1_B05_s1_w1\.TIF is a link that leaves the folder \(to /nowhere/.*where nothing is")
    for kind in ("leftovers", "loop", "link_to_plate", "deep", "names", "six_wells", "trailing space "):
        assert len(ingested(raw / kind)[0].wells) == 2, kind
    refused(raw / "two_acquisitions", "2 acquisitions")


def test_15_a_stack_beside_single_planes(make):
    names = {"DAPI - DAPI": "DAPI", "Cy3 - Cy3": "Cy3"}
    plate, _ = ingested(make("15") / "raw", pattern(INCELL, channel_names=names))
    assert [channel.name for channel in plate.channels] == ["DAPI", "Cy3"]
    assert [int(plate.plane("B02", z)[5, 5]) for z in range(plate.shape.n_planes)] == [102, 202, 302]
    assert [plane["z"] for plane in plate.planes("B03", 1)] == [0]
    assert plate.plane("B03", 0, 1)[5, 5] == 10003


def test_18_a_plate_measured_twice(make, tmp_path):
    export, reader = make("18") / "export", pattern(OPERETTA)
    told = refused(export, "2 measurements", reader)
    assert "Measurement 1" in told
    assert "Measurement 2" in told
    first, second = sorted(export.iterdir())
    out = tmp_path / "P7.ome.zarr"
    ingest_plate(first, out, reader, "P7")
    before = Plate.open(out).raw_hash
    with pytest.raises(InputError, match=r"holds the acquisition '.*Measurement 1', .*Measurement 2"):
        ingest_plate(second, out, reader, "P7")
    assert Plate.open(out).raw_hash == before
