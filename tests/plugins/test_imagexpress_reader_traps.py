"""The ImageXpress reader on whole folders as instruments leave them, generated with the simulator's tags."""

from __future__ import annotations

import json
import os
import random
import shutil
import string
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phenodose.cli import cli
from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plugins import PLANES
from phenodose.simulation.metaseries import Acquisition, Plane, describe
from phenodose_readers.imagexpress import ImageXpressReader

ACQUISITION = Acquisition("9987", "", pixel_um=1.372, binning=4, z_step_um=5.0)
SIZE = (24, 32)
START = datetime(2026, 1, 1, 10)


def photons(*seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(400, SIZE).astype(np.uint16)


def write(
    path: Path,
    pixels: np.ndarray,
    *,
    well: str = "B02",
    site: int = 1,
    z: int = 1,
    wave: int = 1,
    method: str | None = None,
    **changed: str,
) -> Path:
    """One file with all tags that the instrument writes: a plane at step `z`, or a projection by `method`."""
    when = START + timedelta(seconds=100 * wave + z)
    guid = str(uuid.uuid5(uuid.NAMESPACE_OID, str(path))).upper()
    plane = Plane(
        well, None if method else z, 100.0 + 5 * z, 105.0, 3, 1.5, 2.5, 0.0, 0.0, when, when, guid, guid, 90.0
    )
    text = describe(ACQUISITION, plane, pixels).replace(f"{well} : Site 1", f"{well} : Site {site}")
    text = text.replace('"Maximum"', f'"{method}"')
    for old, new in changed.items():
        text = text.replace(f'id="{old}"', f'id="{new}"')
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, description=text, metadata=None, software="MetaSeries", rowsperstrip=8)
    return path


def index(folder: Path):
    found = ImageXpressReader().index(folder)
    assert PLANES.faults(found) == []
    return found


def notes(folder: Path) -> list[str]:
    metadata = ImageXpressReader().plate_metadata(folder, index(folder))
    assert json.loads(json.dumps(metadata)) == metadata
    return metadata["notes"]


def ingest(raw: Path, out: Path) -> Plate:
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    return Plate.open(out)


def rows(frame, *columns: str) -> list[tuple]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


HTD = b""""HTSInfoFile", Version 1.0\r
"Description", "2t-4w\x82\x81caf\xe9: 3z"\r
"TimePoints", 1\r
"ZSeries", TRUE\r
"ZSteps", 3\r
"XWells", 12\r
"YWells", 8\r
"WellsSelection2", FALSE, TRUE, TRUE, FALSE\r
"Sites", TRUE\r
"XSites", 2\r
"YSites", 2\r
"SiteSelection1", TRUE, TRUE\r
"SiteSelection2", FALSE, FALSE\r
"NWavelengths", 4\r
"WaveName1", "DAPI"\r
"WaveName2", "FITC"\r
"EndFile"\r
"""


@pytest.fixture
def export(tmp_path) -> Path:
    """An export with a stack (w1), a projection in every ZStep folder (w2) and one plane in every folder (w3)."""
    base = tmp_path / "raw" / "9987_Plate_3434" / "TimePoint_1"
    for well in ("B02", "B03"):
        for site in (1, 2):
            number = 10 * int(well[1:]) + site
            stem = f"9987_{well}_s{site}"
            common = {"well": well, "site": site}
            for step in (0, 1, 2):
                place = base / f"ZStep_{step}"
                if step:
                    write(place / f"{stem}_w1.TIF", photons(number, 1, step), z=step, **common)
                else:
                    write(place / f"{stem}_w1.TIF", photons(number, 1, 99), method="Maximum", **common)
                write(place / f"{stem}_w2.TIF", photons(number, 2), method="Maximum", wave=2, **common)
                write(place / f"{stem}_w3.TIF", photons(number, 3), wave=3, **common)
                (place / "9987.HTD").write_bytes(HTD)
    return tmp_path / "raw"


def test_an_export_with_a_different_kind_of_image_in_every_channel(export, tmp_path):
    found = index(export)
    one = found[(found["well"] == "B03") & (found["site"] == 2)]
    assert rows(one, "channel", "projection", "z") == [
        (0, "", 0),
        (0, "", 1),
        (0, "maximum", 0),
        (1, "maximum", 0),
        (2, "", 0),
    ]
    plate = ingest(export, tmp_path / "P1.ome.zarr")
    assert plate.shape.n_planes == 2
    np.testing.assert_array_equal(plate.stack("B03", 0, site=2)[1], photons(32, 1, 2))
    np.testing.assert_array_equal(plate.mip("B03", 1, site=2), photons(32, 2))
    np.testing.assert_array_equal(plate.middle("B03", 2, site=2), photons(32, 3))
    # One plane is no stack of its copies: its mean is that of the one image.
    assert plate.mean_of_stack("B03", 2, site=2) == pytest.approx(photons(32, 3).mean())


def test_an_htd_file_that_promises_more_than_is_there_is_a_note(export):
    told = " ".join(notes(export))
    assert "The HTD file plans 4 wavelengths, images of 3 are there." in told
    assert "The HTD file plans 3 z steps, images of 2 are there." in told
    assert "sites" not in told
    assert "16 files repeat an image of another ZStep folder" in told
    assert "wells without any image" not in told


@pytest.mark.parametrize(
    "spoilt",
    [
        HTD.replace(b'"YWells", 8', b'"YWells", many'),
        HTD.replace(b'"YWells", 8\r\n', b""),
        b"",
        b"\xff\xfe\x00",
        HTD.replace(b'"ZSteps", 3', b'"ZSteps", x'),
    ],
)
def test_an_odd_htd_file_stops_nothing(export, spoilt):
    for path in export.rglob("*.HTD"):
        path.write_bytes(spoilt)
    assert len(index(export)) == 20
    notes(export)


def test_several_different_htd_files_are_a_note(export):
    (export / "9987_Plate_3434" / "1111.HTD").write_bytes(HTD.replace(b'"NWavelengths", 4', b'"NWavelengths", 9'))
    told = " ".join(notes(export))
    assert "plans 4 wavelengths" in told
    assert "1 HTD files say something else than 9987_Plate_3434/TimePoint_1/ZStep_0/9987.HTD" in told


@pytest.mark.parametrize("hidden", ["acquisition-time-local", "ImageXpress Micro Z"])
def test_copies_are_found_by_their_pixels_even_if_the_tags_do_not_tell(tmp_path, hidden):
    for step in (0, 1, 2, 3):
        place = tmp_path / f"ZStep_{step}"
        gone = {hidden: "x", "z-position": "y"}
        write(place / "9987_B02_w1.TIF", photons(1), method="Maximum", **gone)
        # Here each copy even tells another height.
        write(place / "9987_B02_w2.TIF", photons(2), z=step, wave=2)
        if step in (1, 2):
            write(place / "9987_B02_w3.TIF", photons(3, step), z=step, wave=3)
    assert rows(index(tmp_path), "channel", "projection", "z", "path") == [
        (0, "maximum", 0, "ZStep_0/9987_B02_w1.TIF"),
        (1, "", 0, "ZStep_1/9987_B02_w2.TIF"),
        (2, "", 0, "ZStep_1/9987_B02_w3.TIF"),
        (2, "", 1, "ZStep_2/9987_B02_w3.TIF"),
    ]


def test_a_projection_told_by_its_folder_stays_one_beside_planes_that_look_alike(tmp_path):
    for step in (1, 2):
        write(tmp_path / f"ZStep_{step}" / "9987_B02.TIF", photons(1), z=step, **{"Z Step": "x"})
    write(tmp_path / "9987_B02.TIF", photons(2), z=3, **{"Z Step": "x"})
    assert rows(index(tmp_path), "projection", "z") == [("", 0), ("", 1), ("maximum", 0)]


def test_without_any_other_stack_planes_of_different_height_are_a_stack_however_alike(tmp_path):
    for step in (1, 2, 3):
        write(tmp_path / f"ZStep_{step}" / "9987_B02_w1.TIF", photons(1), z=step)
        write(tmp_path / f"ZStep_{step}" / "9987_B02_w2.TIF", photons(2), z=1, wave=2)
    assert rows(index(tmp_path), "channel", "z", "z_um") == [
        (0, 0, 105.0),
        (0, 1, 110.0),
        (0, 2, 115.0),
        (1, 0, 105.0),
    ]


def test_copies_are_found_whatever_their_compression(tmp_path):
    for step, compression in ((1, None), (2, "deflate")):
        path = write(tmp_path / f"ZStep_{step}" / "9987_B02.TIF", photons(1))
        with tifffile.TiffFile(path) as tiff:
            text = tiff.pages[0].description
        tifffile.imwrite(path, photons(1), description=text, metadata=None, compression=compression)
    assert len(index(tmp_path)) == 1


def test_planes_that_share_their_tags_but_not_their_pixels_are_planes(tmp_path):
    for step in (1, 2, 3):
        write(tmp_path / f"ZStep_{step}" / "9987_B02.TIF", photons(step), z=1)
    assert list(index(tmp_path)["z"]) == [0, 1, 2]


def test_one_image_twice_in_a_stack_of_others_is_a_fault_naming_both(tmp_path):
    for step, seed in ((1, 1), (2, 2), (3, 2)):
        write(tmp_path / f"ZStep_{step}" / "9987_B02.TIF", photons(seed), z=step)
    with pytest.raises(
        InputError, match=r"well B02: ZStep_2/9987_B02.TIF and ZStep_3/9987_B02.TIF hold the same image"
    ):
        index(tmp_path)


def test_black_planes_are_planes_and_missing_planes_are_missing(tmp_path):
    raw = tmp_path / "raw"
    for well in ("B02", "B03"):
        for step in (1, 2, 3, 4):
            black = step in (2, 3)
            pixels = np.zeros(SIZE, np.uint16) if black else photons(step)
            if (well, step) != ("B03", 4):
                write(raw / f"ZStep_{step}" / f"9987_{well}.TIF", pixels, well=well, z=step)
    assert rows(index(raw), "well", "z")[4:] == [("B03", 0), ("B03", 1), ("B03", 2)]
    assert notes(raw) == [
        "1 of 2 wells lack images that others have: B03 lacks 1 (site 1, time 0, channel 0, plane 3, ...). They stay "
        "unwritten and count as missing, not as black."
    ]
    plate = ingest(raw, tmp_path / "P1.ome.zarr")
    assert [plate.metadata(well)["channels"][0]["missing_z"] for well in ("B02", "B03")] == [[], [3]]
    assert plate.mean_of_stack("B03") == pytest.approx(photons(1).mean() / 3)


def test_some_wells_with_projections_only(tmp_path):
    raw = tmp_path / "raw"
    for well in ("B02", "B03"):
        write(raw / f"9987_{well}.tif", photons(9), well=well, method="Maximum")
    write(raw / "ZStep_1" / "9987_B02.tif", photons(1))
    plate = ingest(raw, tmp_path / "P1.ome.zarr")
    assert [plate.middle_z(well) for well in ("B02", "B03")] == [0, None]
    np.testing.assert_array_equal(plate.middle("B03"), photons(9))


def test_two_kinds_of_projection_of_one_channel(tmp_path):
    guids = [str(uuid.UUID(int=number)) for number in (1, 2)]
    write(tmp_path / f"9987_B02{guids[0]}.tif", photons(1), method="Maximum")
    write(tmp_path / f"9987_B02{guids[1]}.tif", photons(2), method="Best Focus")
    for step in (1, 2):
        write(tmp_path / f"ZStep_{step}" / f"9987_B02{guids[0]}.tif", photons(3, step), z=step)
    assert rows(index(tmp_path), "projection", "z") == [("", 0), ("", 1), ("best-focus", 0), ("maximum", 0)]


def test_a_projection_in_a_step_folder_is_told_by_its_tag(tmp_path):
    for step in (1, 2):
        write(tmp_path / f"ZStep_{step}" / "9987_B02_w1.TIF", photons(step), z=step)
    write(tmp_path / "ZStep_2" / "9987_B02_w2.TIF", photons(7), method="Maximum", wave=2)
    assert rows(index(tmp_path), "channel", "projection") == [(0, ""), (0, ""), (1, "maximum")]


def test_channels_may_be_imaged_at_some_time_points_only(tmp_path):
    raw = tmp_path / "raw"
    for time in (1, 2, 4):
        write(raw / f"TimePoint_{time}" / "9987_B02_w1.TIF", photons(time))
        if time == 1:
            write(raw / f"TimePoint_{time}" / "9987_B02_w2.TIF", photons(time, 2), wave=2)
    assert rows(index(raw), "time", "channel") == [(0, 0), (0, 1), (1, 0), (2, 0)]
    assert notes(raw) == ["No image is there of time point 3; the plate numbers the others from 0 in their order."]
    plate = ingest(raw, tmp_path / "P1.ome.zarr")
    np.testing.assert_array_equal(plate.mip("B02", 0, time=2), photons(4))
    assert not plate.has_mip("B02", 1, time=2)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plate=st.text(string.ascii_letters + string.digits + " _.-", min_size=1, max_size=12),
    wave=st.integers(1, 30),
    guid=st.uuids().map(lambda found: "40" + str(found).upper()[2:]),
    row=st.sampled_from(["A", "P", "Z", "AA", "AF"]),
    column=st.integers(1, 48),
    ending=st.sampled_from([".tif", ".TIF", ".Tif", ".tiff"]),
)
def test_names_of_any_plate_and_wave_on_any_microplate(tmp_path_factory, plate, wave, guid, row, column, ending):
    folder = tmp_path_factory.mktemp("plate")
    well = f"{row}{column:02d}"
    write(folder / f"x{plate}_{well}_w{wave}{guid}{ending}", photons(1), well=well)
    (found,) = index(folder).itertuples()
    assert (found.plate, found.well, found.row, found.column, found.channel) == (f"x{plate}", well, row, column, 0)


def test_stray_tiff_files_are_passed_over_and_told(tmp_path):
    write(tmp_path / "9987_B02.TIF", photons(1))
    for stray in ("overview_w1.tif", "plate_b2.tif", "montage.TIF"):
        tifffile.imwrite(tmp_path / stray, photons(2))
    assert rows(index(tmp_path), "well", "path") == [("B02", "9987_B02.TIF")]
    assert notes(tmp_path) == [
        "3 TIFF files are not named as ImageXpress names images; passed over: montage.TIF, overview_w1.tif, "
        "plate_b2.tif."
    ]


def test_images_of_two_plates_in_one_folder_are_a_fault(tmp_path):
    write(tmp_path / "9987_B02.TIF", photons(1))
    write(tmp_path / "overview_W01.TIF", photons(2), well="W01")
    with pytest.raises(InputError, match=r"2 plates \('9987' \(1 images, .*'overview' \(1 images, .*overview_W01\.TIF"):
        index(tmp_path)


def test_a_folder_with_other_tiff_files_only_names_one_and_the_way_out(tmp_path):
    tifffile.imwrite(tmp_path / "overview_w1.tif", photons(1))
    with pytest.raises(
        InputError, match=r"no ImageXpress image .*1 other TIFF files, such as overview_w1\.tif.*pattern"
    ):
        index(tmp_path)


def test_links_that_leave_the_folder_are_faults(tmp_path):
    raw = tmp_path / "raw"
    outside = write(tmp_path / "elsewhere" / "9987_B03.TIF", photons(2), well="B03")
    write(raw / "9987_B02.TIF", photons(1))
    (raw / "9987_B03.TIF").symlink_to(outside)
    (raw / "ZStep_1").symlink_to(outside.parent)
    with pytest.raises(InputError, match="2 faults") as told:
        index(raw)
    assert "9987_B03.TIF is a link that leaves the folder (to " in str(told.value)
    assert "ZStep_1 is a link that leaves the folder" in str(told.value)
    assert "copy the files into the folder" in str(told.value)


def test_links_within_the_folder_and_to_the_folder_are_followed(tmp_path):
    raw = tmp_path / "raw"
    target = write(raw / "kept" / "9987_B02.TIF", photons(1)).rename(raw / "kept" / "image.dat")
    (raw / "9987_B02.TIF").symlink_to(target)
    (tmp_path / "link").symlink_to(raw)
    assert list(index(tmp_path / "link")["path"]) == ["9987_B02.TIF"]


def test_every_bad_file_of_a_folder_is_told_in_one_message(tmp_path):
    for number, well in enumerate(("B02", "B03", "B04", "B05", "B06", "B07", "B08"), start=1):
        write(tmp_path / f"9987_{well}.TIF", photons(number), well=well)
    whole = (tmp_path / "9987_B02.TIF").read_bytes()
    (tmp_path / "9987_B02.TIF").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "9987_B03.TIF").write_bytes(b"")
    (tmp_path / "9987_B04.TIF").write_bytes(b"no image at all")
    write(tmp_path / "9987_B05.TIF", photons(5)[:-1], well="B05")
    write(tmp_path / "9987_B06.TIF", photons(6), well="C06")
    (tmp_path / "9987_C02.TIF").symlink_to(tmp_path / "gone.TIF")
    os.mkfifo(tmp_path / "9987_C03.TIF")
    tifffile.imwrite(tmp_path / "9987_C04.TIF", np.stack([photons(1), photons(2)]), photometric="minisblack")
    tifffile.imwrite(tmp_path / "9987_C05.TIF", photons(8).astype(np.float32))
    with pytest.raises(InputError) as told:
        index(tmp_path)
    message = str(told.value)
    for fault in (
        "9987_B02.TIF: well B02: the file is truncated",
        "9987_B03.TIF: well B03: the file is empty",
        "9987_B04.TIF: well B04: the file is no TIFF image or its header is damaged",
        "well B05: 9987_B05.TIF is 23 x 32 px uint16 of 1.372 um pixels, most images are 24 x 32 px",
        "9987_B06.TIF: the name says well B06 site 1, the instrument's label inside says 'C06 : Site 1'",
        "9987_C02.TIF is no ordinary file",
        "9987_C03.TIF is no ordinary file",
        "9987_C04.TIF: well C04: the file has 2 pages",
        "9987_C05.TIF has pixels of type float32",
    ):
        assert fault in message, fault
    for good in ("B07", "B08"):
        assert good not in message


FAULTS = {
    "a truncated file": lambda raw, path: path.write_bytes(path.read_bytes()[:-50]),
    "an empty file": lambda raw, path: path.write_bytes(b""),
    "another shape": lambda raw, path: write(path, photons(5)[1:], well="B03"),
    "another pixel type": lambda raw, path: write(path, photons(5).astype(np.uint8), well="B03"),
    "a plane twice": lambda raw, path: write(raw / f"9987_B03{uuid.UUID(int=9)}.TIF", photons(6), well="B03"),
    "another label inside": lambda raw, path: write(path, photons(5), well="B04"),
    "a link that leaves the folder": lambda raw, path: path.symlink_to(path.rename(raw.parent / path.name)),
    "a file that cannot be read": lambda raw, path: path.symlink_to(path.rename(raw / "moved").with_name("gone")),
    "a second acquisition": lambda raw, path: path.rename(raw / "second" / path.name),
    "a file of another plate": lambda raw, path: path.rename(raw / "8888_B03.TIF"),
    "a well that no plate has": lambda raw, path: path.rename(raw / "9987_ZZ03.TIF"),
}


@pytest.fixture(scope="module")
def ingested(tmp_path_factory) -> Path:
    """A folder with the raw images `raw` of three wells and their plate; for reading only."""
    folder = tmp_path_factory.mktemp("ingested")
    (folder / "raw" / "second").mkdir(parents=True)
    for number, well in enumerate(("B02", "B03", "B05"), start=1):
        write(folder / "raw" / f"9987_{well}.TIF", photons(number), well=well)
    ingest(folder / "raw", folder / "P1.ome.zarr")
    return folder


@pytest.mark.parametrize("spoil", FAULTS.values(), ids=list(FAULTS))
def test_bad_input_is_told_by_name_and_leaves_the_plate_as_it_was(tmp_path, ingested, spoil):
    folder = shutil.copytree(ingested, tmp_path / "own")
    raw, out = folder / "raw", folder / "P1.ome.zarr"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert before
    spoil(raw, raw / "9987_B03.TIF")
    with pytest.raises(InputError, match=r"(B03|ZZ03)\S*\.TIF") as told:
        ingest(raw, out)
    assert len(str(told.value).splitlines()) <= 3
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_damaged_first_file_does_not_hide_whose_folder_it_is(tmp_path):
    for well in ("B02", "B03"):
        write(tmp_path / f"9987_{well}.TIF", photons(1), well=well)
    (tmp_path / "9987_B02.TIF").write_bytes(b"")
    assert ImageXpressReader().sniff(tmp_path) == 1
    (tmp_path / "9987_B03.TIF").write_bytes(b"")
    assert ImageXpressReader().sniff(tmp_path) == 0
    (tmp_path / "9987.HTD").write_bytes(HTD)
    assert ImageXpressReader().sniff(tmp_path) == 0.5


@contextmanager
def listed_in_another_order(seed: int) -> Iterator[None]:
    """File systems list a folder in any order; here it is drawn."""
    real = os.scandir

    @contextmanager
    def shuffled(path):
        with real(path) as entries:
            found = list(entries)
        random.Random(seed).shuffle(found)
        yield iter(found)

    os.scandir = shuffled  # type: ignore[assignment]
    try:
        yield
    finally:
        os.scandir = real


def test_the_index_does_not_depend_on_the_order_of_the_file_system(export):
    expected, told = index(export), notes(export)
    assert expected["path"].is_unique
    key = list(PLANES.key)
    assert expected.equals(expected.sort_values(key, ignore_index=True))

    @settings(max_examples=6)
    @given(seed=st.integers(0, 2**32))
    def in_any_order(seed: int) -> None:
        with listed_in_another_order(seed):
            found = index(export)
            assert found.equals(expected)
            assert ImageXpressReader().plate_metadata(export, found)["notes"] == told

    in_any_order()


def test_the_ingest_shows_the_notes_and_keeps_them(tmp_path):
    raw = tmp_path / "raw"
    write(raw / "9987_B02.TIF", photons(1))
    tifffile.imwrite(raw / "overview.tif", photons(2))
    result = CliRunner().invoke(cli, ["ingest", str(raw), str(tmp_path / "P1.ome.zarr")])
    assert result.exit_code == 0, result.output
    assert "note: 1 TIFF files are not named as ImageXpress names images; passed over: overview.tif." in result.stderr
    assert Plate.open(tmp_path / "P1.ome.zarr").instrument["notes"] == notes(raw)
