"""Two machines on one store: who comes back too late changes nothing, and nobody disturbs the other one.

The other machine is a process with a name, a cache and locks of its own, which stops itself in the midst of its work;
meanwhile this one takes its lock over and does the same work. The store is in a bucket, or in a folder that is taken
for one on a file server whose locks do not reach its other clients.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from phenodose.cohort.build import rebuild_cohort
from phenodose.errors import BusyError, StoreError
from phenodose.io import leases, lock_places, locks
from phenodose.io.files import write_json, written_aside
from phenodose.io.host_check import check_with_other_host
from phenodose.io.places import sizes, versions
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plugins import registry
from phenodose.screens.decide import decide
from phenodose.screens.raw_copy import keep
from phenodose.screens.registration import register_screen
from phenodose.screens.screen import Screen
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN = "TST_V1_DS1"

#: What the other machine knows; it stops itself where `stop` is called, once.
PREPARE = """
import os, signal
from pathlib import Path
from phenodose.io import leases, places
from phenodose.store.store import Store
leases.SURE_S = 0.0

def stop():
    os.kill(os.getpid(), signal.SIGSTOP)

def stopping(function):
    left = [1]
    def stopped(*arguments, **named):
        if left:
            left.clear()
            stop()
        return function(*arguments, **named)
    return stopped
"""


@pytest.fixture(scope="module")
def one_other_host(
    beside: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory, _s3_server: Any
) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_ENDPOINT_URL", _s3_server.url)
        host = beside("other_host").OtherHost(tmp_path_factory.mktemp("other"))
    host.do(PREPARE)
    yield host
    host.close()


@pytest.fixture(params=["bucket", "folder"])
def store(request: pytest.FixtureRequest, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(locks, "is_of_one_machine", lambda folder: False)
    # A lock that is seen twice without a change is left over.
    monkeypatch.setattr(leases, "STALE_S", 0.0)
    monkeypatch.setattr(leases, "_LOOK_S", 0.01)
    return Store.open("s3://bucket/lab" if request.param == "bucket" else tmp_path / "lab")


def contents(store: Store) -> dict[str, Any]:
    """Every file of a store with what it holds, but locks and what is on its way."""
    if "://" in str(store.root):
        found: dict[str, Any] = versions(store.root)
    else:
        found = {name: (store.root / name).read_bytes() for name in sizes(store.root)}
    on_its_way = ("lock", ".partial", ".ingest/")
    return {name: held for name, held in found.items() if not any(part in name for part in on_its_way)}


def comes_back_late(host: Any, store: Store, code: str, mine: Callable[[], object], **values: Any) -> None:
    """Let the other machine stop in the midst of `code`, do the same here, and let it go on: it changes nothing."""
    host.begin(f"store = Store.from_json(told)\n{code}", told=store.to_json(), **values)
    until = time.monotonic() + 120
    while "T (stopped)" not in Path(f"/proc/{host.process.pid}/status").read_text():
        assert time.monotonic() < until, "it did not stop"
        time.sleep(0.02)
    try:
        for turn in range(50):
            try:
                mine()
                break
            except BusyError:
                assert turn < 49
        before = contents(store)
    finally:
        host.wake()
    with pytest.raises(AssertionError, match=r"BusyError: .*(another one has taken over its lock|has written it)"):
        host.end()
    assert contents(store) == before


def drug(name: str) -> Any:
    rows = [{"screen": SCREEN, "drug": name, "drug_class": None, "run_id": name}]
    return TABLES["drugs"].frame(rows)


def test_a_late_step_writes_no_rows(store: Store, one_other_host: Any) -> None:
    def mine() -> None:
        with store.making(SCREEN, "layout"):
            store.write_table("drugs", SCREEN, "layout", drug("mine"))

    code = """
from phenodose.tables import TABLES
with store.making(screen, "layout"):
    stop()
    rows = [{"screen": screen, "drug": "late", "drug_class": None, "run_id": "late"}]
    store.write_table("drugs", screen, "layout", TABLES["drugs"].frame(rows))
"""
    comes_back_late(one_other_host, store, code, mine, screen=SCREEN)
    assert list(store.read_table("drugs", SCREEN)["drug"]) == ["mine"]


def test_a_late_training_puts_no_checkpoint_into_place(store: Store, one_other_host: Any) -> None:
    place = store.checkpoint_dir(SCREEN, "cnn", "phase1")

    def mine() -> None:
        with store.locked(place.with_name(".phase1.lock"), "trained by {}".format), written_aside(place) as aside:
            aside.mkdir()
            write_json(aside / "record.json", {"by": "me"})

    code = """
from phenodose.io.files import write_json, written_aside
place = store.checkpoint_dir(screen, "cnn", "phase1")
with store.locked(place.with_name(".phase1.lock"), str), written_aside(place) as aside:
    aside.mkdir()
    write_json(aside / "record.json", {"by": "the late one"})
    write_json(aside / "more.json", {"by": "the late one"})
    stop()
"""
    comes_back_late(one_other_host, store, code, mine, screen=SCREEN)


def test_a_late_rebuild_leaves_the_newer_cohort(store: Store, one_other_host: Any) -> None:
    store.write_table("drugs", SCREEN, "layout", drug("A"))
    code = """
from phenodose.cohort import build
build._note_parts = stopping(build._note_parts)
build.rebuild_cohort(store)
"""
    comes_back_late(one_other_host, store, code, lambda: rebuild_cohort(store))


def test_a_late_decision_does_not_undo_others(store: Store, one_other_host: Any, small_ctg_screen: Path) -> None:
    from phenodose.screens.contents import layout_of_screen

    screen = register_screen(store, small_ctg_screen)
    wells = layout_of_screen(screen).frame.assign(screen=SCREEN, run_id="r")
    rows: Any = wells.to_dict("records")
    store.write_table("wells", SCREEN, "layout", TABLES["wells"].frame(rows))
    code = """
from phenodose.screens import decide
decide.left_without = stopping(decide.left_without)
decide.decide(store, screen, "exclude", ["P1/D05"], because="late", by="late")
"""

    def mine() -> None:
        decide(store, SCREEN, "exclude", ["P1/D04"], because="lint", by="me")

    comes_back_late(one_other_host, store, code, mine, screen=SCREEN)


def test_a_late_look_at_a_raw_folder_does_not_bring_back_what_it_saw(
    store: Store, one_other_host: Any, small_ctg_screen: Path
) -> None:
    register_screen(store, small_ctg_screen)
    (small_ctg_screen / "screen.toml").write_text('sample = "old"')
    code = """
from phenodose.screens import raw_copy
from phenodose.screens.screen import Screen
raw_copy.write_json = stopping(raw_copy.write_json)
raw_copy.keep(store, Screen.load(Path(folder)))
"""

    def mine() -> None:
        (small_ctg_screen / "screen.toml").write_text('sample = "new"')
        keep(store, Screen.load(small_ctg_screen))

    comes_back_late(one_other_host, store, code, mine, folder=str(small_ctg_screen))


@pytest.fixture
def raw_plate(tmp_path: Path) -> Path:
    folder = tmp_path / "P1"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 65535, (32, 32), np.uint16)
        tifffile.imwrite(folder / f"B0{number + 2}-z1.tif", pixels)
    return folder


def test_a_late_ingest_moves_no_well_and_takes_none_away(store: Store, one_other_host: Any, raw_plate: Path) -> None:
    out = store.plate_path(SCREEN, "P1")
    parameters = {"expression": r"(?P<well>[A-P]\d\d)-z(?P<z>\d)", "pixel_size_um": 0.5}
    code = """
from phenodose.plates import ingest, plate_ingest
from phenodose.plugins import registry
plate_ingest.PlateIngest._settle = stopping(plate_ingest.PlateIngest._settle)
reader = registry().create("reader", "pattern", parameters)
ingest.ingest_plate(Path(raw), store.plate_path(screen, "P1"), reader, "P1", workers=1)
"""

    def mine() -> None:
        ingest_plate(raw_plate, out, registry().create("reader", "pattern", parameters), "P1", workers=1)

    values = {"raw": str(raw_plate), "screen": SCREEN, "parameters": parameters}
    comes_back_late(one_other_host, store, code, mine, **values)
    assert Plate.open(out).wells == ["B02", "B03", "B04"]


# --- what does not need a lock, and where there is none ---------------------------------------------


def test_rows_of_different_steps_are_written_at_once(store: Store, one_other_host: Any) -> None:
    code = """
from phenodose.tables import TABLES
store = Store.from_json(told)
for number in range(6):
    rows = [{"screen": screen, "drug": f"other {number}", "drug_class": None, "run_id": "r"}]
    store.write_table("drugs", screen, "of another", TABLES["drugs"].frame(rows))
"""
    one_other_host.begin(code, told=store.to_json(), screen=SCREEN)
    for number in range(6):
        store.write_table("drugs", SCREEN, "layout", drug(f"mine {number}"))
        assert f"mine {number}" in set(store.read_table("drugs", SCREEN)["drug"])
    one_other_host.end()
    assert set(store.read_table("drugs", SCREEN)["drug"]) == {"mine 5", "other 5"}


@pytest.mark.parametrize("screens", [pytest.param(4, id="few"), pytest.param(20, marks=pytest.mark.slow, id="many")])
def test_two_machines_rebuild_in_turn_and_read_one_screen_each(store: Store, one_other_host: Any, screens: int) -> None:
    code = """
from phenodose.cohort.build import rebuild_cohort
from phenodose.store.store import Store
gave = list(rebuild_cohort(Store.from_json(told)).screens_read)
"""
    # Without the stop of another test.
    one_other_host.do("import importlib\nfrom phenodose.cohort import build\nimportlib.reload(build)")
    for number in range(screens):
        name = f"S{number}_V1_DS1"
        rows = [{"screen": name, "drug": "A", "drug_class": None, "run_id": "r"}]
        store.write_table("drugs", name, "layout", TABLES["drugs"].frame(rows))
        here = number % 2 == 0
        read = list(rebuild_cohort(store).screens_read) if here else one_other_host.do(code, told=store.to_json())
        # With one or two screens half of it has changed, and all is read.
        assert read == [name] or number < 2


def test_who_holds_a_lock_is_named_with_its_machine(store: Store, one_other_host: Any) -> None:
    with store.locked(store.root / "lock", "held by {}.".format):
        code = 'with Store.from_json(told).locked(Store.from_json(told).root / "lock", "held by {}.".format):\n    pass'
        with pytest.raises(AssertionError, match=r"BusyError: held by process \d+ on "):
            one_other_host.do(code, told=store.to_json())


def test_a_server_that_keeps_to_no_condition_is_refused_by_name(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_places, "_KEEP_TO_CONDITIONS", set())
    s3.ignores_conditions = True
    store = Store.open("s3://bucket/lab")
    said = r"s3://bucket: this server writes an object that is to be made although it is there"
    with pytest.raises(StoreError, match=said), store.locked(store.root / "lock", str):
        pass
    assert sizes(store.root) == {}
    s3.ignores_conditions = False
    with store.locked(store.root / "lock", str):
        pass


def test_the_machine_whose_disk_it_is_learns_that_others_use_it(tmp_path: Path, one_other_host: Any) -> None:
    """It sees a disk like any other, with locks that do not reach those who have it from a file server."""
    code = """
with Store.open(root).locked(Store.open(root).root / "lock", str):
    pass
"""
    lock = tmp_path / "lock"
    with locks.locked(lock, lock, str):
        assert {path.name for path in tmp_path.iterdir()} == {"lock"}
    one_other_host.do(code, root=str(tmp_path))
    with locks.locked(lock, lock, str):
        assert "lock.lease.1" in {path.name for path in tmp_path.iterdir()}


def test_two_machines_find_out_what_reaches_from_one_to_the_other(tmp_path: Path, one_other_host: Any) -> None:
    code = """
from dataclasses import asdict
from phenodose.io.host_check import check_with_other_host
gave = asdict(check_with_other_host(Path(root), 120))
"""
    one_other_host.begin(code, root=str(tmp_path))
    mine = check_with_other_host(tmp_path, 120)
    theirs = one_other_host.end()
    assert (mine.other, mine.flock_reaches, mine.made_once) == ("other-host", False, 1.0)
    assert (theirs["flock_reaches"], theirs["made_once"]) == (False, 1.0)
    assert locks.seen_by_several_machines(tmp_path / "anything")
    assert [path.name for path in tmp_path.iterdir() if path.name != locks.SEVERAL_MACHINES] == []


def test_a_machine_that_has_seen_this_one_first_need_not_say_anything_new(tmp_path: Path) -> None:
    from phenodose.io.host_check import _Side

    mine, other = _Side(tmp_path, "a" * 32), _Side(tmp_path, "b" * 32)
    other.say(to=mine.token)
    found = mine.wait_for_other(time.monotonic() + 60)
    assert found is not None
    assert found.token == other.token
    assert mine.said["to"] == other.token


def test_alone_nothing_is_found_and_nothing_is_left(tmp_path: Path) -> None:
    found = check_with_other_host(tmp_path, 0.3)
    assert (found.other, found.flock_reaches) == (None, None)
    assert list(tmp_path.iterdir()) == []
