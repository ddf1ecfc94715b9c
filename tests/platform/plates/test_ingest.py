"""A plate is what was imaged, is never half there, and is brought up to date with the least work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import filelock
import numpy as np
import pytest
import zarr

from phenodose.errors import BusyError, InputError, StoreError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.ngff import own_attributes
from phenodose.plates.plate import Plate
from phenodose.plugins import choose_reader, registry
from phenodose_readers.imagexpress import ImageXpressReader


def ingest(raw: Path, out: Path, **options):
    return ingest_plate(raw, out, ImageXpressReader(), "P1", **options)


def test_every_pixel_of_the_raw_images_is_in_the_plate(raw_plate, tmp_path):
    raw, out = raw_plate(size=(300, 257), channels=2, planes=2), tmp_path / "P1.ome.zarr"
    record = ingest(raw, out)
    assert record.wells == record.wells_written == ["B02", "B03", "C02"]
    assert (record.n_wells, record.n_planes, record.n_z) == (3, 18, 2)
    assert (record.size_y_px, record.size_x_px) == (300, 257)
    assert (record.pixel_size_um, record.z_step_um) == (1.372, 2.5)
    plate = Plate.open(out)
    for well in record.wells:
        for channel in range(2):
            stack = np.stack([raw_plate.pixels(well, channel, z, (300, 257), 100) for z in range(2)])
            np.testing.assert_array_equal(plate.stack(well, channel), stack)
            np.testing.assert_array_equal(
                plate.mip(well, channel), raw_plate.pixels(well, channel, 999, (300, 257), 100)
            )
            assert plate.mean_of_stack(well, channel) == pytest.approx(stack.mean(dtype=np.float64), rel=1e-12)


def test_without_the_instruments_projection_the_maximum_is_computed(raw_plate, tmp_path):
    plate_path = tmp_path / "P1.ome.zarr"
    ingest(raw_plate(projection=None), plate_path)
    plate = Plate.open(plate_path)
    assert plate.metadata("B02")["channels"][0]["maximum"] == "computed"
    np.testing.assert_array_equal(plate.mip("B02"), np.asarray(plate.stack("B02")).max(axis=0))


def test_another_projection_is_kept_beside_the_maximum(raw_plate, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest(raw_plate(projection="Best Focus"), out)
    plate = Plate.open(out)
    assert plate.shape.kinds == ("stack", "maximum", "best-focus")
    focus = zarr.open_array(out / "B/02/2/0", mode="r")[0, 0]
    np.testing.assert_array_equal(focus, raw_plate.pixels("B02", 0, 999, (40, 48), 100))
    np.testing.assert_array_equal(plate.mip("B02"), np.asarray(plate.stack("B02")).max(axis=0))


def test_several_sites_are_fields_and_their_projections_follow(raw_plate, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest(raw_plate(sites=2), out)
    fields = own_attributes(out / "B/02")["fields"]
    assert [(f["path"], f["site"], f["kind"]) for f in fields] == [
        ("0", 1, "stack"),
        ("1", 2, "stack"),
        ("2", 1, "maximum"),
        ("3", 2, "maximum"),
    ]
    second = raw_plate.pixels("B02", 0, 1, (40, 48), 200)
    np.testing.assert_array_equal(zarr.open_array(out / "B/02/1/0", mode="r")[0, 1], second)
    np.testing.assert_array_equal(Plate.open(out).stack("B02", site=2)[1], second)


def test_missing_planes_and_projection_only_wells_are_listed_and_read_as_zero(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    next(raw.rglob("ZStep_2/*_B02_*")).unlink()
    for path in list(raw.rglob("ZStep_*/*_C02_*")):
        path.unlink()
    ingest(raw, out)
    plate = Plate.open(out)
    assert plate.metadata("B02")["channels"][0]["missing_z"] == [1]
    assert plate.metadata("C02")["channels"][0]["missing_z"] == [0, 1, 2]
    assert plate.metadata("B03")["channels"][0]["missing_z"] == []
    assert not plate.stack("B02")[1].any()
    assert plate.stack("B02")[2].any()
    assert plate.mean_of_stack("C02") is None
    there = [raw_plate.pixels("B02", 0, z, (40, 48), 100) for z in (0, 2)]
    assert plate.mean_of_stack("B02") == pytest.approx(np.mean(there), rel=1e-12)
    np.testing.assert_array_equal(plate.middle("C02"), plate.mip("C02"))


def test_instrument_metadata_is_kept_with_every_plane(raw_plate, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest(raw_plate(), out)
    own = own_attributes(out / "B/02")
    assert own["tags"]["Instrument"] == "IXM"
    plane = next(p for p in own["planes"] if p["projection"] == "" and p["z"] == 1)
    assert (plane["z_um"], plane["exposure_ms"], plane["wavelength_nm"]) == (102.5, 15.0, 447.0)
    assert (plane["stage_x_um"], plane["stage_y_um"]) == (1000.5, 2000.5)
    assert (raw_file := next((tmp_path / "raw/P1").rglob("ZStep_2/*_B02_*"))).name == Path(plane["path"]).name
    assert raw_file.is_file()


def test_an_unchanged_plate_is_not_touched(raw_plate, tmp_path, contents):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    first = ingest(raw, out)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    second = ingest(raw, out)
    assert second.wells_written == []
    assert second.raw_hash == first.raw_hash
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == times


def test_a_touched_file_with_the_same_pixels_costs_no_writing(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    os.utime(next(raw.rglob("ZStep_2/*_B03_*")), (1, 1))
    assert ingest(raw, out).wells_written == []
    shutil.rmtree(tmp_path / ".P1.ome.zarr.ingest")
    assert ingest(raw, out).wells_written == []


def test_a_changed_plane_rewrites_its_own_well_alone(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    first = ingest(raw, out)
    before = {p: p.stat().st_mtime_ns for p in (out / "B/02").rglob("*")}
    path = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    second = ingest(raw, out)
    assert second.wells_written == ["B03"]
    assert second.raw_hash != first.raw_hash
    assert {p: p.stat().st_mtime_ns for p in (out / "B/02").rglob("*")} == before
    assert Plate.open(out).raw_hash == second.raw_hash


def test_a_well_taken_out_of_the_raw_folder_leaves_the_plate(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    for path in list(raw.rglob("*_C02_*")):
        path.unlink()
    assert ingest(raw, out).wells == ["B02", "B03"]
    assert Plate.open(out).wells == ["B02", "B03"]
    assert not (out / "C").exists()


@pytest.mark.parametrize("damage", ["shard-missing", "shard-cut", "well-missing", "attributes"])
def test_ingesting_again_mends_what_is_damaged(raw_plate, tmp_path, contents, damage):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    whole = contents(out)
    shard = out / "B/03/0/0/c/0/0/0/0"
    if damage == "shard-missing":
        shard.unlink()
    elif damage == "shard-cut":
        shard.write_bytes(shard.read_bytes()[:-5])
    elif damage == "well-missing":
        shutil.rmtree(out / "B/03")
    else:
        text = (out / "B/03/zarr.json").read_text()
        (out / "B/03/zarr.json").write_text(text.replace("447.0", "448.0"))
    assert ingest(raw, out).wells_written == ["B03"]
    assert contents(out) == whole


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from phenodose.plates.ingest import ingest_plate
    from phenodose_readers.imagexpress import ImageXpressReader

    class Killer(ImageXpressReader):
        def __init__(self, left):
            super().__init__()
            self.left = left
        def read_plane(self, folder, plane):
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().read_plane(folder, plane)

    raw, out = map(Path, sys.argv[1:3])
    for plane in map(int, sys.argv[3:]):
        if not os.fork():
            ingest_plate(raw, out / str(plane) / "P1.ome.zarr", Killer(plane), "P1", workers=1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def test_killed_in_the_middle_of_a_well_it_goes_on_to_the_same_bytes(raw_plate, tmp_path, contents):
    raw = raw_plate()
    ingest(raw, tmp_path / "whole" / "P1.ome.zarr")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(raw), str(tmp_path), "2", "7"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert told == [str(-signal.SIGKILL)] * 2
    for plane in (2, 7):
        out = tmp_path / str(plane) / "P1.ome.zarr"
        in_place = sorted(p.parent.name + p.name for p in out.glob("[A-Z]/[0-9]*"))
        # Wells are on their way to the disk while the next are encoded.
        assert in_place in ([], ["B02"] if plane == 7 else [])
        with pytest.raises((StoreError, InputError)):
            Plate.open(out)
        record = ingest(raw, out)
        assert record.wells_written == [well for well in ["B02", "B03", "C02"] if well not in in_place]
        assert contents(out) == contents(tmp_path / "whole" / "P1.ome.zarr")


def test_two_ingests_of_one_plate_at_a_time_are_refused(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    with (
        filelock.FileLock(tmp_path / ".P1.ome.zarr.ingest" / "lock"),
        pytest.raises(BusyError, match=r"plate P1: another process"),
    ):
        ingest(raw, out)


@pytest.mark.parametrize("fault", ["truncated", "size", "double", "label"])
def test_bad_input_leaves_everything_as_it_was(raw_plate, tmp_path, contents, fault):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    before = contents(tmp_path)
    path = next(raw.rglob("ZStep_2/*_B03_*"))
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
        expected = r"B03.*truncated.*copy the file again"
    elif fault == "size":
        raw_plate.image(path, np.zeros((20, 20), np.uint16), **{"stage-label": "B03 : Site 1"})
        expected = r"well B03: .*ZStep_2.* is 20 x 20 px.*most images are 40 x 48 px"
    elif fault == "double":
        shutil.copy(path, path.with_name("Plate_x_B03_s1_w100000000-0000-0000-0000-000000000000.tif"))
        expected = r"well B03: .* and .* both claim site 1, wave 1"
    else:
        raw_plate.image(path, np.zeros((40, 48), np.uint16), **{"stage-label": "B04 : Site 1"})
        expected = r"name says well B03 site 1, the instrument's label inside says 'B04 : Site 1'"
    changed = contents(tmp_path / "raw")
    for target in (out, tmp_path / "new" / "P1.ome.zarr"):
        with pytest.raises(InputError, match=expected):
            ingest(raw, target)
    after = contents(tmp_path)
    assert {k: v for k, v in after.items() if not k.startswith("raw")} == {
        k: v for k, v in before.items() if not k.startswith("raw")
    }
    assert contents(tmp_path / "raw") == changed
    assert not (tmp_path / "new").exists()


def test_pixels_that_cannot_be_decoded_do_not_stop_the_other_wells(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    tifffile = pytest.importorskip("tifffile")
    path = next(raw.rglob("ZStep_2/*_B03_*"))
    with tifffile.TiffFile(path) as tiff:
        text = tiff.pages[0].description
    noise = np.random.default_rng(0).integers(0, 999, (40, 48), dtype=np.uint16)
    tifffile.imwrite(path, noise, compression="zlib", description=text, metadata=None, software="MetaSeries")
    good = path.read_bytes()
    path.write_bytes(good[:-300] + b"\0" * 300)
    with pytest.raises(InputError, match=r"ZStep_2.*B03.*cannot be decoded"):
        ingest(raw, out)
    with pytest.raises(StoreError, match="not complete"):
        Plate.open(out)
    path.write_bytes(good)
    assert ingest(raw, out).wells_written == ["B03"]


def test_a_complete_plate_survives_a_raw_image_that_cannot_be_decoded(raw_plate, tmp_path, contents):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    before = contents(out)

    class Broken(ImageXpressReader):
        version = "1"

        def read_plane(self, folder, plane):
            raise InputError(f"{plane.path}: well {plane.well}: damaged.")

    os.utime(next(raw.rglob("ZStep_2/*_B03_*")), (1, 1))
    with pytest.raises(InputError, match="well B03: damaged"):
        ingest_plate(raw, out, Broken(), "P1")
    assert contents(out) == before


def test_a_foreign_folder_is_not_written_into(raw_plate, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    (out / "thesis").mkdir(parents=True)
    with pytest.raises(InputError, match="no plate that phenodose made"):
        ingest(raw_plate(), out)
    assert [p.name for p in out.iterdir()] == ["thesis"]


def test_another_acquisition_does_not_replace_a_plate(raw_plate, tmp_path, contents):
    out = tmp_path / "P1.ome.zarr"
    ingest(raw_plate(), out)
    before = contents(out)
    with pytest.raises(InputError, match="holds the acquisition '77', the raw folder is the acquisition '78'"):
        ingest(raw_plate("P2", acquisition="78"), out)
    assert contents(out) == before


def test_the_reader_is_found_or_its_absence_explained(raw_plate, tmp_path):
    assert choose_reader(raw_plate(), registry()).name == "imagexpress"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no installed reader knows these files \(readers: .*imagexpress"):
        choose_reader(tmp_path / "empty", registry())
    with pytest.raises(InputError, match="no such folder"):
        choose_reader(tmp_path / "nowhere", registry())


def test_the_same_raw_images_give_the_same_bytes(raw_plate, tmp_path, contents):
    first, second = raw_plate("a"), raw_plate("b")
    ingest(first, tmp_path / "1.ome.zarr", workers=1)
    ingest(second, tmp_path / "2.ome.zarr", workers=3)
    assert contents(tmp_path / "1.ome.zarr") == contents(tmp_path / "2.ome.zarr")


MEASURED = """
import sys, tracemalloc
from pathlib import Path
from phenodose.plates.ingest import ingest_plate
from phenodose_readers.imagexpress import ImageXpressReader

read = []

class Counting(ImageXpressReader):
    def read_plane(self, folder, plane):
        read.append(plane.path)
        return super().read_plane(folder, plane)

small, large, out = map(Path, sys.argv[1:])
ingest_plate(small, out / "small.ome.zarr", Counting(), "P1", workers=1)  # what is imported once
read.clear()
tracemalloc.start()
record = ingest_plate(large, out / "large.ome.zarr", Counting(), "P1", workers=1)
print(record.n_planes, len(read), len(set(read)), tracemalloc.get_traced_memory()[1])
"""


def test_every_raw_image_is_read_once_and_memory_does_not_grow_with_the_stack(raw_plate, tmp_path):
    small = raw_plate("small", wells=["B02"])
    large = raw_plate("large", wells=["B02"], planes=24, size=(512, 512))
    # In a process of its own: threads that other tests left behind allocate too.
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, small, large, tmp_path], check=True, capture_output=True, text=True
    ).stdout
    n_planes, n_read, n_different, peak = map(int, told.split())
    assert n_read == n_different == n_planes == 25
    assert peak < 10 * 512 * 512 * 2


def test_damaged_root_attributes_are_mended(raw_plate, tmp_path, contents):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    whole = contents(out)
    (out / "zarr.json").write_bytes(b"\0" * 100)
    (out / ".zarr.json.0123abcd.partial").touch()
    with pytest.raises(StoreError, match="its attributes are damaged"):
        Plate.open(out)
    assert ingest(raw, out).wells_written == []
    assert contents(out) == whole


def test_progress_is_told_for_every_well(raw_plate, tmp_path):
    told = []
    ingest(raw_plate(), tmp_path / "P1.ome.zarr", progress=lambda *what: told.append(what))
    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert all("MB/s" in message for _, _, message in told)


def test_the_plate_lists_its_wells_for_every_ome_zarr_reader(raw_plate, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest(raw_plate(), out)
    plate = json.loads((out / "zarr.json").read_text())["attributes"]["ome"]["plate"]
    assert [well["path"] for well in plate["wells"]] == ["B/02", "B/03", "C/02"]
    assert (len(plate["rows"]), len(plate["columns"])) == (8, 12)
    image = json.loads((out / "B/02/0/zarr.json").read_text())["attributes"]["ome"]
    window = image["omero"]["channels"][0]["window"]
    assert 100 <= window["start"] < window["end"] <= 5000
    assert image["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] == [1.0, 2.5, 1.372, 1.372]
