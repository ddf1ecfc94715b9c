"""A whole store at an s3:// address: the same store, and copies of it on this machine; on a real S3 server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phenodose.errors import BusyError, CheckpointError, StoreError
from phenodose.io import copies, guarded_writes, leases
from phenodose.io.files import write_text, written_aside
from phenodose.io.places import place, read_bytes, remove, sizes
from phenodose.io.zarr_groups import write_group
from phenodose.learning.checkpoint import read_record
from phenodose.lineage.verify_store import verify_store
from phenodose.store.store import Store
from phenodose.tables import TABLES

ADDRESS = "s3://bucket/lab/store"


def drug(screen: str, *names: str) -> pd.DataFrame:
    rows = [{"screen": screen, "drug": name, "drug_class": None, "run_id": "r"} for name in names]
    return TABLES["drugs"].frame(rows)


# --- the same store --------------------------------------------------------------------------------


def test_tables_in_a_bucket_are_those_in_a_folder(s3, tmp_path):
    here, there = Store.open(tmp_path / "store"), Store.open(ADDRESS)
    for store in (here, there):
        store.write_table("drugs", "S1", "layout", drug("S1", "A", "B"))
        store.write_table("drugs", "S1.2", "layout", drug("S1.2", "C"))
        store.write_table("drugs", "S1", "other/part", drug("S1", "D"))
        store.write_table("drugs", "S1", "layout", drug("S1", "B"))
        store.write_table("drugs", "S3", "layout", drug("S3", "E"))
        store.drop_table_part("drugs", "S3", "layout")
        store.drop_table_part("drugs", "S4", "never")
    for asked in ({}, {"screen": "S1"}, {"screen": "S1", "part": "layout"}, {"screen": "S3"}, {"screen": "S9"}):
        pd.testing.assert_frame_equal(there.read_table("drugs", **asked), here.read_table("drugs", **asked))
    assert list(there.read_table("drugs")["drug"]) == ["B", "D", "C"]
    assert sizes(there.root) == sizes(here.root)
    assert there.stored_schema("drugs", "S1", "layout") == here.stored_schema("drugs", "S1", "layout")
    assert there.stored_schema("drugs", "S9", "layout") is None


def test_a_store_in_a_bucket_is_verified_whole(s3):
    store = Store.open(ADDRESS)
    store.write_table("drugs", "S1", "layout", drug("S1", "Trametinib"))
    tensors = xr.Dataset({"pseudo_rgb": (("well", "y"), np.arange(12.0).reshape(3, 4))})
    with written_aside(store.tensor_path("S1")) as aside:
        write_group(tensors, aside)
    found = verify_store(store)
    assert (found.faults, found.checked) == ([], {"tables": 1, "tensors": 1})
    table, chunk = store.table_part("drugs", "S1", "layout"), store.tensor_path("S1") / "pseudo_rgb/c/0/0"
    table.write_bytes(table.read_bytes().replace(b"Trametinib", b"Trametiniq"))
    chunk.unlink()
    faults = verify_store(store).faults
    assert [fault.partition(": ")[0] for fault in faults] == [str(table), str(store.tensor_path("S1"))]
    assert "pseudo_rgb/c/0/0 is missing" in faults[1]


def test_screens_are_registered_in_a_bucket(s3, tmp_path):
    store = Store.open(ADDRESS)
    assert store.screens() == []
    for screen in ("B_V1_DS1", "A_V1_DS1"):
        store.register(screen, tmp_path / screen)
    assert Store.open(f"{ADDRESS}/").screens() == ["A_V1_DS1", "B_V1_DS1"]
    assert store.source_of("A_V1_DS1") == tmp_path / "A_V1_DS1"
    with pytest.raises(StoreError, match=r"'C_V1_DS1' is not in the store s3://bucket/lab/store .*A_V1_DS1, B_V1_DS1"):
        store.source_of("C_V1_DS1")


def test_a_file_is_read_or_missed_by_one_request(s3):
    path = Store.open(ADDRESS).root / "site.toml"
    path.write_bytes(b"there")
    before = s3.requests
    assert read_bytes(path) == b"there"
    assert read_bytes(path.with_name("missing.toml")) is None
    assert s3.requests - before == 2


def test_screens_that_were_seen_cost_no_request_of_their_own(s3, tmp_path):
    store = Store.open(ADDRESS)
    names = [f"S{number}_V1_DS1" for number in range(5)]
    for name in names:
        store.register(name, tmp_path / name)
    assert store.screens() == names
    before = s3.requests
    assert store.screens() == names
    assert s3.requests - before == 1
    remove(store.screen_dir(names[0]) / "source.json")  # with the last object its folder is gone
    store.register("T_V1_DS1", tmp_path / "T_V1_DS1")
    assert store.screens() == [*names[1:], "T_V1_DS1"]
    store.register(names[0], tmp_path / names[0])
    assert store.screens() == [*names, "T_V1_DS1"]


def test_a_store_may_be_a_whole_bucket(s3):
    store = Store.open("s3://bucket")
    store.write_table("drugs", "S1", "layout", drug("S1", "A"))
    assert list(sizes(place("s3://bucket"))) == ["tables/drugs/screen=S1/layout.parquet"]
    assert store.here(store.checkpoint_dir("S1", "cnn", "phase1")).is_relative_to(store.local / "screens" / "S1")
    assert store.local_copy(store.root / "tables" / "drugs").name == "drugs"


def test_plates_are_named_by_their_place_in_the_store(s3, tmp_path):
    store = Store.open(ADDRESS)
    inside = store.plate_path("S1", "P1")
    assert str(inside) == f"{ADDRESS}/screens/S1/plates/P1.ome.zarr"
    assert store.plate_text(inside) == "screens/S1/plates/P1.ome.zarr"
    for elsewhere in (str(tmp_path / "plates"), "s3://bucket/plates"):
        apart = Store.open(ADDRESS, plates=elsewhere)
        outside = apart.plate_path("S1", "P1")
        assert Store.from_json(json.loads(json.dumps(apart.to_json()))) == apart != store
        assert apart.plate_text(outside) == store.plate_text(outside)
        assert store.plate_text(outside) == f"{elsewhere}/screens/S1/plates/P1.ome.zarr"
        assert store.plate_at(store.plate_text(outside)) == outside
    assert store.plate_at("screens/S1/plates/P1.ome.zarr") == inside


def test_what_stays_on_the_machine_lies_apart_for_every_address_and_server(s3, tmp_path, monkeypatch):
    folder = Store.open(tmp_path / "store")
    assert folder.here(folder.cohort_path) == folder.cohort_path == folder.local_copy(folder.cohort_path)
    first, second = Store.open(ADDRESS), Store.open("s3://bucket/lab_store")
    assert first.local.parent == second.local.parent == tmp_path / "cache" / "phenodose"
    assert first.local != second.local
    before = first.local
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert first.local != before
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert first.local.parent == tmp_path / "xdg" / "phenodose"
    assert Store.open(ADDRESS, cache=tmp_path / "own").local.parent == tmp_path / "own"


# --- copies ----------------------------------------------------------------------------------------


def test_a_copy_is_fetched_once_for_each_version(s3):
    store = Store.open(ADDRESS)
    path = store.root / "cohort.duckdb"
    assert not store.local_copy(path).exists()
    write_text(path, "one")
    first = store.local_copy(path)
    assert first.read_text() == "one"
    got = []
    s3.before = lambda method, name: got.append(method) if method == "GET" and name.endswith(".duckdb") else None
    assert store.local_copy(path) == first
    assert got == []
    write_text(path, "two")
    second = store.local_copy(path)
    assert got == ["GET"]
    # Who has opened the first goes on reading it.
    assert (first.read_text(), second.read_text(), second.name) == ("one", "two", "cohort.duckdb")


def test_of_a_folder_only_what_has_changed_is_fetched(s3):
    store = Store.open(ADDRESS)
    folder = store.root / "tables"
    for name in ("a", "b", "c"):
        write_text(folder / "drugs" / name, name)
    first = store.local_copy(folder)
    (folder / "drugs" / "a").unlink()
    write_text(folder / "drugs" / "b", "new")
    write_text(folder / "more" / "d", "d")
    got = []
    s3.before = lambda method, name: got.append(name[-1]) if method == "GET" and name[-2] == "/" else None
    second = store.local_copy(folder)
    assert sorted(got) == ["b", "d"]
    assert {name: (second / name).read_text() for name in sizes(second)} == {
        "drugs/b": "new",
        "drugs/c": "c",
        "more/d": "d",
    }
    assert {name: (first / name).read_text() for name in sizes(first)} == {f"drugs/{x}": x for x in "abc"}


def test_a_copy_is_of_one_moment_even_if_the_place_changes_meanwhile(s3, monkeypatch):
    """Files of two generations are never side by side, and a file replaced while it is fetched is fetched again."""
    store = Store.open(ADDRESS)
    folder = store.root / "pair"
    left = [3]

    def write(generation: int) -> None:
        for name in ("a", "b"):
            write_text(folder / name, str(generation))

    fetched = copies.download

    def slowly(path: Path, target: Path) -> None:
        fetched(path, target)
        if left[0]:
            left[0] -= 1
            write(3 - left[0])

    write(0)
    monkeypatch.setattr(copies, "download", slowly)
    monkeypatch.setattr(copies, "_AT_A_TIME", 1)
    copy = store.local_copy(folder)
    assert [(copy / name).read_text() for name in ("a", "b")] == ["3", "3"]
    left[0] = 1000
    write(1)
    with pytest.raises(StoreError, match="s3://bucket/lab/store/pair: it changes faster than it can be fetched"):
        store.local_copy(folder)


def test_copies_that_nobody_asks_for_are_forgotten(s3):
    store = Store.open(ADDRESS)
    path, other = store.root / "a", store.root / "b"
    kept = []
    for generation in ("one", "two"):
        write_text(path, generation)
        kept.append(store.local_copy(path))
    write_text(other, "x")
    unused = store.local_copy(other)
    for copy, seconds in ((kept[0], copies.REPLACED_S), (kept[1], copies.REPLACED_S), (unused, copies.UNUSED_S)):
        then = time.time() - seconds - 60
        os.utime(copy.parent, (then, then))
    store.local_copy(path)  # asked for again
    write_text(path, "three")
    newest = store.local_copy(path)
    assert [copy.exists() for copy in (*kept, newest, unused)] == [False, True, True, False]


# --- nothing half ----------------------------------------------------------------------------------

#: For every line that it is told, a fork replaces a checkpoint and a Zarr group with that text; it tells before each
#: object that it writes or removes, and is killed there if it is told to die.
WRITER = """
import os, signal, sys, threading
import s3fs, upath
from phenodose.io import files, places
from phenodose.store.store import Store

def tell(function):
    def told(*arguments, **more):
        with one_at_a_time:
            print("next", flush=True)
            if sys.stdin.readline() == "die\\n":
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **more)
    return told

def write(text):
    store = Store.open(sys.argv[1])
    places.upload = tell(places.upload)
    filesystem = store.root.fs
    filesystem.rm_file = tell(filesystem.rm_file)
    for folder, mark in (("checkpoint", "record.json"), ("group.zarr", "zarr.json")):
        with files.written_aside(store.root / folder) as aside:
            aside.mkdir()
            for name in ("one", "two", mark):
                (aside / name).write_text(text)

one_at_a_time = threading.Lock()
for line in sys.stdin:
    child = os.fork()
    if not child:
        write(line.strip())
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def writer(s3):
    """The process of `WRITER`."""
    command = [sys.executable, "-c", WRITER, ADDRESS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def test_a_killed_writer_leaves_no_half_product_that_is_taken_for_whole(s3, writer):
    store = Store.open(ADDRESS)

    def ask(line: str) -> str:
        print(line, file=writer.stdin, flush=True)
        return writer.stdout.readline().strip()

    def write(text: str, steps: int) -> bool:
        """Write both products, killed after some steps; True if it came to its end."""
        told = ask(text)
        while told == "next":
            told = ask("" if steps else "die")
            steps -= 1
        assert told in ("0", str(-signal.SIGKILL))
        return told == "0"

    def seen(folder: str, mark: str) -> set[str] | None:
        copy = store.local_copy(store.root / folder)
        if not (copy / mark).is_file():
            return None
        return {(copy / name).read_text() for name in ("one", "two", mark)}

    assert write("old", 1000)
    found = []
    for steps in (1, 2, 6):
        assert not write(f"new{steps}", steps)
        found.append((seen("checkpoint", "record.json"), seen("group.zarr", "zarr.json")))
    # Killed when the mark was gone, when only the mark was missing, and in the midst of the second product.
    assert found == [(None, {"old"}), (None, {"old"}), ({"new6"}, None)]
    with pytest.raises(CheckpointError, match=r"record\.json is missing"):
        read_record(store.root / "nothing")
    assert write("newest", 1000)
    assert (seen("checkpoint", "record.json"), seen("group.zarr", "zarr.json")) == ({"newest"}, {"newest"})


def test_a_large_object_is_uploaded_in_parts_and_whole(s3):
    path = place(f"{ADDRESS}/large")
    content = os.urandom(1 << 20) * 10
    with written_aside(path) as aside:
        aside.write_bytes(content)
    assert path.read_bytes() == content

    def fail() -> None:
        with written_aside(path) as aside:
            aside.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.stat().st_size == len(content)
    write_text(path, "")
    assert path.read_bytes() == b""


# --- locks -----------------------------------------------------------------------------------------


def holder(store: Store, **facts: object) -> None:
    content = {"host": "elsewhere", "pid": 7, "token": "x"} | facts
    (store.root / "lock").write_bytes(json.dumps(content).encode())


def test_a_lock_in_a_bucket_holds_on_all_machines(s3, monkeypatch):
    store = Store.open(ADDRESS)
    with store.locked(store.root / "lock", "taken by {}.".format):
        assert "lock" in sizes(store.root)
        with (
            pytest.raises(BusyError, match="taken by process"),
            store.locked(store.root / "lock", "taken by {}.".format),
        ):
            pass
    assert sizes(store.root) == {}
    # Of whatever time, or of this very process by its names: it is there.
    for number, facts in enumerate(({}, {"renewed": 0}, {"host": socket.gethostname(), "pid": os.getpid()})):
        holder(store, count=number, **facts)
        with (
            pytest.raises(BusyError, match=r"taken by process \d+ on .*\. A lock that is left over gives way"),
            store.locked(store.root / "lock", "taken by {}.".format),
        ):
            pass
    # It has been looked at once, and has not changed since, for longer than is waited for.
    monkeypatch.setattr(leases, "STALE_S", 0.0)
    with store.locked(store.root / "lock", "taken by {}.".format):
        assert json.loads((store.root / "lock").read_bytes())["pid"] == os.getpid()


def test_a_holder_that_comes_back_too_late_writes_nothing(s3, monkeypatch):
    # It asks at every writing whether the lock is still its own.
    monkeypatch.setattr(leases, "SURE_S", 0.0)
    store = Store.open(ADDRESS)
    lost = "another one has taken over its lock; nothing more is written"

    def work() -> None:
        with store.locked(store.root / "lock", "taken by {}.".format):
            write_text(store.root / "a", "mine")
            holder(store)
            for late in (lambda: write_text(store.root / "a", "late"), lambda: remove(store.root / "a")):
                with pytest.raises(BusyError, match=lost):
                    late()

    with pytest.raises(BusyError, match=lost):
        work()
    assert (store.root / "a").read_bytes() == b"mine"
    assert json.loads((store.root / "lock").read_bytes())["token"] == "x"


def test_a_holder_that_is_suspended_just_before_it_writes_changes_nothing(s3, monkeypatch):
    store = Store.open(ADDRESS)
    write_text(store.root / "a", "old")

    def theirs(path: Path) -> None:
        (store.root / "a").write_bytes(b"theirs")

    with store.locked(store.root / "lock", "taken by {}.".format):
        with monkeypatch.context() as patched:
            patched.setattr(guarded_writes, "expect_held", theirs)
            with pytest.raises(BusyError, match="another process has written it at the same time"):
                write_text(store.root / "a", "mine")
        assert (store.root / "a").read_bytes() == b"theirs"
        write_text(store.root / "a", "x" * (20 << 20))
        assert (store.root / "a").stat().st_size == 20 << 20


def test_what_a_killed_process_of_this_machine_held_is_free_at_once(s3):
    store = Store.open(ADDRESS)
    code = (
        "import os, sys; from phenodose.store.store import Store\n"
        "store = Store.open(sys.argv[1])\n"
        "with store.locked(store.root / 'lock', str): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, ADDRESS], check=False).returncode == 9
    assert "lock" in sizes(store.root)
    with store.locked(store.root / "lock", "taken by {}.".format):
        pass
    assert sizes(store.root) == {}


def test_who_waits_gets_the_lock_when_it_is_free(s3):
    store = Store.open(ADDRESS)
    holder(store)
    looked = []

    def free(method: str, name: str) -> None:
        if method == "GET" and name.endswith("/lock"):
            looked.append(name)
            if len(looked) == 2:
                s3.before = None
                (store.root / "lock").unlink()

    s3.before = free
    with store.locked(store.root / "lock", "taken by {}.".format, wait_seconds=30):
        assert len(looked) == 2
