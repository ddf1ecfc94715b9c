"""ImageXpress HCS.ai: what the description and the tables say, and what is told where they do not fit the images."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.testing import ReaderConformance
from phenodose_readers.hcs_ai import HcsAiReader

WELLS = (("B", 2), ("C", 11))
SIDE = 24


def pixels(column: int, site: int, wave: int, z: int) -> np.ndarray:
    return np.random.default_rng([column, site, wave, z]).integers(0, 4000, (SIDE, SIDE), np.uint16)


def description(z_step: float = 2.5, **changed: Any) -> dict[str, Any]:
    waves = [
        {
            "Index": number,
            "EmissionFilter": {"Name": name, "Wavelength": nm, "Unit": "nm"},
            "ImagingMode": mode,
            "ZStep": 0,
        }
        for number, (name, nm, mode) in enumerate(
            (("DAPI", 447, "Confocal"), ("FITC", 536, "Max Intensity Projection"))
        )
    ]
    protocol = {
        "ObjectiveCalibration": {"PixelWidth": 0.325, "PixelHeight": 0.325, "Unit": "µm", "ObjectiveName": "20X Plan"},
        "Plate": {"Name": "Plate 7", "Rows": 16, "Columns": 24},
        "PlateMap": {"ZDimensionParameters": {"NumberOfSlices": 3, "Step": z_step}},
        "Wavelengths": waves,
    }
    stack = {"Uuid": "one", "ImageFormat": "TIFF", "AutoLeadAcquisitionProtocol": protocol} | changed
    return {"ImageStack": {"ImageMetadataFiles": ["image_metadata_1.csv"], **stack}}


def acquisition(folder: Path, sites: int = 2, from_top: bool = False, **changed: Any) -> Path:
    """An acquisition with a stack of three planes in wave 0 and a projection in wave 1, everything from 0."""
    images = folder / "timepoint0"
    images.mkdir(parents=True)
    rows = []
    for row, column in WELLS:
        for site in range(sites):
            for wave, planes in ((0, 3), (1, 1)):
                for z in range(planes):
                    name = f"My_Protocol_t0_{row}{column:02d}_s{site}_w{wave}_z{z}.tif"
                    tifffile.imwrite(images / name, pixels(column, site, wave, z), metadata=None)
                    rows.append(
                        {
                            "Row": ord(row) - 64,
                            "Column": column,
                            "Well": f"{row} - {column}",
                            "Field": site,
                            "Wavelength": wave,
                            "Timepoint": 0,
                            "ZIndex": z,
                            "ImageSubFolderPath": "timepoint0",
                            "ImageFileName": name,
                            "ExposureTimeMs": 15,
                            "PositionXUm": 100.0 * column,
                            "PositionZUm": 1000 + 2.5 * (-z if from_top else z),
                        }
                    )
    with (folder / "image_metadata_1.csv").open("w", newline="") as handle:
        table = csv.DictWriter(handle, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    (folder / "P.jdce").write_bytes(b"\xef\xbb\xbf" + json.dumps(description(**changed)).encode())
    return folder


def index(folder: Path, **parameters: Any) -> Any:
    return HcsAiReader(parameters).index(folder)


class TestItKeepsTheContract(ReaderConformance):
    plugin = HcsAiReader

    def make_raw(self, folder: Path) -> None:
        acquisition(folder / "experiment")


@pytest.mark.parametrize("from_top", [False, True])
def test_description_and_tables_become_a_plate(tmp_path, from_top):
    raw, out = acquisition(tmp_path / "raw" / "experiment", from_top=from_top).parent, tmp_path / "P7.ome.zarr"
    record = ingest_plate(raw, out, HcsAiReader(), "P7")
    plate = Plate.open(out)
    assert (plate.wells, plate.shape.sites, plate.shape.n_planes) == (["B02", "C11"], (1, 2), 3)
    assert (plate.n_rows, plate.n_columns) == (16, 24)
    assert (plate.pixel_size_um, plate.shape.z_step_um) == (0.325, 2.5)
    assert [(channel.name, channel.wavelength_nm) for channel in plate.channels] == [("DAPI", 447.0), ("FITC", 536.0)]
    assert plate.instrument["objective"] == "20X Plan"
    assert record.notes == []
    for site in (1, 2):
        for z in range(3):
            there = 2 - z if from_top else z
            np.testing.assert_array_equal(plate.plane("C11", there, 0, site=site), pixels(11, site - 1, 0, z))
        np.testing.assert_array_equal(plate.mip("C11", 1, site=site), pixels(11, site - 1, 1, 0))
    assert plate.planes("B02", 1) == []
    assert [plane["z_um"] for plane in plate.planes("B02")] == sorted(
        1000 + (-2.5 if from_top else 2.5) * z for z in range(3)
    )


def test_without_tables_and_with_an_empty_description_the_names_count(tmp_path):
    folder = acquisition(tmp_path / "experiment")
    (folder / "P.jdce").write_text("{}")
    (folder / "image_metadata_1.csv").unlink()
    assert HcsAiReader().sniff(tmp_path) == 0.9
    found = index(tmp_path)
    assert set(found["site"]) == {1, 2}
    assert found.groupby("channel")["z"].max().to_dict() == {0: 2, 1: 0}
    notes = HcsAiReader().plate_metadata(tmp_path, found)["notes"]
    assert notes[0].startswith("No description tells pixel size, step and channels")
    assert notes[1].startswith("No table of images is there")


def test_names_without_planes_are_one_plane(tmp_path):
    (tmp_path / "P.jdce").write_text("{}")
    for site in (0, 1):
        for wave in (0, 1):
            tifffile.imwrite(tmp_path / f"P_t0_C05_s{site}_w{wave}.tif", np.full((8, 8), 10 * wave + site, np.uint16))
    found = index(tmp_path)
    assert found[["site", "channel", "z"]].to_numpy().tolist() == [[1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]]


def test_two_acquisitions_are_told_and_one_is_chosen_by_its_name(tmp_path):
    acquisition(tmp_path / "experiment", Uuid="flat")
    acquisition(tmp_path / "experiment_z_stack", sites=1, Uuid="deep")
    with pytest.raises(InputError, match=r"2 acquisitions \('experiment', 'experiment_z_stack'\): which one counts"):
        index(tmp_path)
    reader = HcsAiReader({"acquisition": "experiment_z_stack"})
    found = reader.index(tmp_path)
    assert (set(found["site"]), reader.plate_metadata(tmp_path, found)["acquisition"]) == ({1}, "deep")
    with pytest.raises(InputError, match="there is no acquisition 'montage'"):
        index(tmp_path, acquisition="montage")


def test_an_image_that_is_listed_and_gone_is_a_note_and_one_that_is_not_listed_too(tmp_path):
    folder = acquisition(tmp_path)
    gone = next(folder.rglob("*_C11_s1_w0_z2.tif"))
    gone.rename(gone.with_name("stray.tif"))
    found = index(tmp_path)
    notes = "\n".join(HcsAiReader().plate_metadata(tmp_path, found)["notes"])
    assert "1 images are listed in the tables and not there: 'timepoint0/My_Protocol_t0_C11_s1_w0_z2.tif'" in notes
    assert "1 TIFF files are no images of the acquisition that is read; passed over: timepoint0/stray.tif" in notes
    assert "C11 lacks 1" in notes


def cut_the_table(folder: Path) -> None:
    table = folder / "image_metadata_1.csv"
    table.write_text(table.read_text()[: -len(table.read_text().splitlines()[-1])] + "\n3,11,C -")


def swap_names(folder: Path) -> None:
    one, other = (next(folder.rglob(f"*_B02_s{site}_w0_z0.tif")) for site in (0, 1))
    table = folder / "image_metadata_1.csv"
    table.write_text(table.read_text().replace(one.name, "X").replace(other.name, one.name).replace("X", other.name))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut_the_table, r"image_metadata_1\.csv: line 17: .*Field, Wavelength, .* is empty; copy the table again"),
        (swap_names, r"_B02_s1_w0_z0\.tif: the name says site 1, the table of images 0"),
        (
            lambda folder: (folder / "image_metadata_1.csv").unlink(),
            r"the tables .*image_metadata_1\.csv.* are not there",
        ),
        (
            lambda folder: (folder / "P.jdce").write_text('{"ImageStack": {'),
            "the description of the acquisition is damaged",
        ),
        (
            lambda folder: (folder / "P.jdce").write_text(json.dumps(description(ImageFormat="PNG"))),
            "the images are PNG; export them as TIFF files",
        ),
        (
            lambda folder: (folder / "image_metadata_1.csv").write_text("Row,Column\n2,2\n"),
            "no column Field, Wavelength, Timepoint, ZIndex, ImageFileName",
        ),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, spoil, told):
    spoil(acquisition(tmp_path))
    with pytest.raises(InputError, match=told):
        index(tmp_path)


def test_a_step_that_the_heights_contradict_is_a_note(tmp_path):
    acquisition(tmp_path, z_step=1.0)
    notes = HcsAiReader().plate_metadata(tmp_path, index(tmp_path))["notes"]
    assert notes == ["The description says planes 1 um apart, their heights are 2.5 um apart."]


def change_description(folder: Path, change: Any) -> None:
    path = next(folder.glob("*.jdce"))
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    change(document["ImageStack"]["AutoLeadAcquisitionProtocol"])
    path.write_text(json.dumps(document))


def test_a_description_that_does_not_fit_is_told(tmp_path):
    folder = acquisition(tmp_path / "experiment")
    change_description(folder, lambda said: said["ObjectiveCalibration"].update(PixelHeight=0.65))
    change_description(folder, lambda said: [wave.update(Index=wave["Index"] + 1) for wave in said["Wavelengths"]])
    (folder / "image_metadata_2.csv").write_text("Row\n")
    told = " ".join(HcsAiReader().plate_metadata(tmp_path, index(tmp_path))["notes"])
    assert "The pixels are 0.325 wide and 0.65 high; the width counts as their size." in told
    assert "The description tells the wavelengths 1 DAPI, 2 FITC; images are there of 0, 1" in told
    assert "1 tables of images are not named by the description; passed over: experiment/image_metadata_2.csv." in told


def test_a_wavelength_that_is_described_twice_is_a_fault(tmp_path):
    folder = acquisition(tmp_path / "experiment")
    change_description(folder, lambda said: [wave.update(Index=0) for wave in said["Wavelengths"]])
    with pytest.raises(InputError, match="the description has the wavelength 0 twice"):
        index(tmp_path)
