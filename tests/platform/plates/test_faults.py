"""Whatever interrupts an ingest, running it again gives the plate of an uninterrupted one, byte by byte.

A few kills and corruptions are tried in `make test`, 50 and 1,000 in `make test-slow`; so is a kill before every
twelfth change of the disk, and before every one.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from phenodose.errors import PhenodoseError, StoreError
from phenodose.io.places import place, remove_tree, sizes
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readers.ome_zarr import OmeZarrReader

KILLS = [2, pytest.param(50, marks=pytest.mark.slow)]
UPLOADS_KILLED = [1, pytest.param(16, marks=pytest.mark.slow)]
#: An ingest is killed before every so many-th change of the disk.
STEPS = [12, pytest.param(1, marks=pytest.mark.slow)]
CORRUPTIONS = [20, pytest.param(1000, marks=pytest.mark.slow)]


def ingest(raw, out, **options):
    reader = OmeZarrReader() if raw.suffix == ".zarr" else ImageXpressReader()
    return ingest_plate(raw, out, reader, "P1", **options)


def check_fates(killer, raw, folder, whole, contents, rng, kills):
    """Kill ingests at random points, some of them twice, and check every plate that comes of going on."""
    start = time.monotonic()
    assert killer(raw, f"{folder}/timed.ome.zarr", 600.0) == "0"
    usual = time.monotonic() - start
    for number in range(kills):
        out = f"{folder}/{number}.ome.zarr"
        while killer(raw, out, rng.uniform(0.0, usual)) != "killed":
            # Done before its time: it was shorter than usual.
            usual *= 0.8
            remove_tree(place(out))
        if rng.random() < 0.5:
            killer(raw, out, rng.uniform(0.0, usual))
        # By the same process, whose cache is the same: another one would wait until a lock in a bucket is left over.
        assert killer(raw, out, 600.0) == "0"
        assert contents(out) == whole
        assert verify_plate(out, raw, ImageXpressReader()).faults == []


@pytest.mark.parametrize("kills", KILLS)
def test_killed_at_random_points_it_ends_with_the_same_bytes(raw_plate, tmp_path, contents, killer, kills):
    raw = raw_plate(wells=["B02", "B03", "C02", "C03"], size=(300, 260))
    ingest(raw, tmp_path / "whole.ome.zarr")
    check_fates(killer, raw, tmp_path, contents(tmp_path / "whole.ome.zarr"), contents, random.Random(1), kills)


def check_every_change(killer, raw, out, whole, contents, step=1):
    """Kill an ingest before its first change of the disk, another before its second, and so on; returns how many.

    With a step of 12 it is the first, the thirteenth, and so on.
    """
    store, before = out.parent, out.parent.with_name("before")
    store.mkdir(exist_ok=True)
    shutil.copytree(store, before)
    for number in range(1, 1000, step):
        said = killer(raw, out, f"#{number}")
        if said != "killed":
            assert said == "0"
            return number - 1
        ingest(raw, out)
        assert contents(out) == whole, f"killed before change {number}"
        assert not list(store.rglob("*.partial"))
        shutil.rmtree(store)
        shutil.copytree(before, store)
    raise AssertionError("no end")


@pytest.mark.parametrize(
    ("wells", "step"),
    [(["B02"], 12), *(pytest.param(some, 1, marks=pytest.mark.slow) for some in (["B02"], ["B02", "C02"]))],
)
def test_killed_before_any_change_of_a_new_plate(raw_plate, tmp_path, contents, killer, wells, step):
    raw = raw_plate(wells=wells, planes=2)
    ingest(raw, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    n_changes = check_every_change(killer, raw, tmp_path / "store" / "P1.ome.zarr", whole, contents, step)
    assert n_changes > 15 * len(wells) - step


@pytest.mark.parametrize("step", STEPS)
def test_killed_before_any_change_of_a_plate_that_is_brought_up_to_date(raw_plate, tmp_path, contents, killer, step):
    raw, out = raw_plate(wells=["B02", "C02"], planes=2), tmp_path / "store" / "P1.ome.zarr"
    ingest(raw, out)
    raw_plate(wells=["B02", "B03"], planes=2, seed=5)
    for image in raw.rglob("*_C02_*"):
        image.unlink()
    ingest(raw, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    assert check_every_change(killer, raw, out, whole, contents, step) > 30 - step


def test_killed_before_any_change_of_a_reference(raw_plate, tmp_path, contents, killer):
    made = tmp_path / "elsewhere" / "P1.ome.zarr"
    ingest(raw_plate(planes=2), made)
    ingest(made, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    assert check_every_change(killer, made, tmp_path / "store" / "P1.ome.zarr", whole, contents) > 2


@pytest.mark.parametrize("kills", UPLOADS_KILLED)
def test_killed_while_uploading_to_a_store_that_fails_now_and_then(s3, raw_plate, tmp_path, contents, killer, kills):
    raw = raw_plate(wells=["B02"], planes=1)
    ingest(raw, tmp_path / "whole.ome.zarr")
    s3.fail_every = 10
    whole = contents(tmp_path / "whole.ome.zarr")
    check_fates(killer, raw, "s3://bucket", whole, contents, random.Random(2), kills)
    assert s3.failed >= 5


def test_an_interrupted_plate_says_so(raw_plate, tmp_path):
    def cancel(done, total, message):
        raise KeyboardInterrupt

    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    with pytest.raises(KeyboardInterrupt):
        ingest(raw, out, progress=cancel, workers=1)
    with pytest.raises(StoreError, match="not complete"):
        Plate.open(out)
    assert not (tmp_path / ".P1.ome.zarr.ingest" / "wells").exists()
    assert len(ingest(raw, out).wells_written) < 3
    assert verify_plate(out, raw, ImageXpressReader()).faults == []


def test_a_lock_left_by_a_killed_process_does_not_block(raw_plate, tmp_path, killer):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    assert killer(raw, out, 0.0) == "killed"
    assert len(ingest(raw, out).wells) == 3


def test_no_room_for_a_file_is_told_and_leaves_the_plate_as_it_was(raw_plate, tmp_path, contents, killer):
    raw, out = raw_plate(size=(400, 400)), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    whole = contents(out)
    path = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ((code, said),) = killer.commands(["ingest", str(raw), str(out)], most_bytes=100_000)
    assert code == 2
    assert f"{out}: File too large" in said
    assert "make room or give another place, then run the same again" in said
    assert contents(out) == whole
    assert not list((tmp_path / ".P1.ome.zarr.ingest").glob("wells/*"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1.5 MB; skips where the system does not let us mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_keeps_the_finished_wells(raw_plate, tmp_path, small_disk, contents):
    raw = raw_plate(wells=["B02", "B03", "C02", "C03"], size=(250, 250))
    out = small_disk / "P1.ome.zarr"
    ingest(raw, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    assert sum(map(len, whole.values())) > 1_600_000
    with pytest.raises(StoreError, match=r"No space left on device.*finished wells are kept"):
        ingest(raw, out, workers=1)
    with pytest.raises(StoreError, match="not complete"):
        Plate.open(out)
    kept = list(out.glob("*/[0-9]*"))
    assert kept
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert len(ingest(raw, out).wells_written) == 4 - len(kept)
    assert contents(out) == whole


@pytest.mark.parametrize("number_of_files", CORRUPTIONS)
def test_every_corruption_is_found(raw_plate, tmp_path, number_of_files):
    raw, out = raw_plate(wells=["B02", "C02"], planes=2), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    rng = random.Random(3)
    names = sorted(sizes(out))
    missed = []
    for number in range(number_of_files):
        file = out / rng.choice(names)
        whole = file.read_bytes()
        kind = rng.choice(["flip", "cut", "delete"])
        if kind == "flip":
            damaged = bytearray(whole)
            damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            file.write_bytes(damaged)
        elif kind == "cut":
            file.write_bytes(whole[: rng.randrange(len(whole))])
        else:
            file.unlink()
        if not found(out):
            missed.append((number, kind, file))
        file.write_bytes(whole)
    assert missed == []
    assert verify_plate(out).faults == []


def found(out: Path) -> bool:
    """Whether `verify` finds a fault; it may also say that this is no whole plate."""
    try:
        return bool(verify_plate(out).faults)
    except StoreError:
        return True
    except PhenodoseError as error:
        return "no such plate" in str(error)


def test_two_ingests_at_once_in_two_processes(raw_plate, tmp_path, contents, killer):
    raw, out = raw_plate(size=(600, 515)), tmp_path / "P1.ome.zarr"
    ended = killer.commands(*[["ingest", str(raw), str(out)]] * 2)
    codes = sorted(code for code, _ in ended)
    # They may also have missed each other; then both are done.
    assert codes in ([0, 0], [0, 2])
    if codes == [0, 2]:
        assert any("plate P1: another process is ingesting it" in said for _, said in ended)
    ingest(raw, tmp_path / "whole.ome.zarr")
    assert ingest(raw, out).wells_written == []
    assert {name: content for name, content in contents(out).items() if name != "zarr.json"} == {
        name: content for name, content in contents(tmp_path / "whole.ome.zarr").items() if name != "zarr.json"
    }
