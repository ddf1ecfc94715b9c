"""`phenodose screen remove`: a screen leaves the store, the cohort and Dagster, and comes back from its raw folder."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from phenodose.cli import main
from phenodose.cohort.query import query
from phenodose.errors import StoreError
from phenodose.io.erase import Erased
from phenodose.io.files import write_text
from phenodose.screens import remove_screen
from phenodose.screens.names_of import Names
from phenodose.store.store import Store
from phenodose_assets.forgotten_runs import _without, forget_runs
from phenodose_assets.instance import open_instance

SCREEN = "TST_V1_DS1"
#: What these leave is enough to see a screen go; all tables of a screen go in the tests of the made-up store.
ASSETS = "layout,viability/ctg"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PHENODOSE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        told = capsys.readouterr()
        return int(str(ended.value.code)), told.out, told.err

    return call


def partitions(store: Store) -> list[str]:
    with open_instance(store) as instance:
        return list(instance.get_dynamic_partitions("screen"))


def still_told(folder: Path, name: str) -> list[str]:
    """Files and folders that bear a name or hold its bytes."""
    return [
        str(path)
        for path in folder.rglob("*")
        if name in path.name or (path.is_file() and name.encode() in path.read_bytes())
    ]


def screens_in_cohort(store: Store) -> list[str]:
    rows: list[dict[str, Any]] = query(store, "SELECT DISTINCT screen FROM viability").table.to_pylist()
    return [row["screen"] for row in rows]


@pytest.mark.usefixtures("no_cohort_report")
def test_a_screen_goes_and_comes_back(
    run: Run, small_ctg_screen: Path, tmp_path: Path, site_of: Callable[..., str]
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "site.toml").write_text(site_of("readout:ctg", "scorer:dss_asym"))
    assert run("run", str(small_ctg_screen), "--select", ASSETS)[0] == 0
    store = Store.open(tmp_path / "store")
    store.report_path(SCREEN).parent.mkdir(exist_ok=True)
    store.report_path(SCREEN).touch()
    raw = {path: path.read_bytes() for path in small_ctg_screen.rglob("*") if path.is_file()}

    status, out, _ = run("screen", "remove", SCREEN)
    assert status == 0
    assert "would go" in out
    assert "Nothing was removed" in out
    assert store.screens() == [SCREEN]

    status, out, _ = run("screen", "remove", SCREEN, "--yes", "--json")
    assert status == 0
    assert json.loads(out)["removed"]
    assert store.screens() == []
    assert screens_in_cohort(store) == []
    assert partitions(store) == []
    assert still_told(store.root, SCREEN) == []
    assert {path: path.read_bytes() for path in raw} == raw

    assert run("run", str(small_ctg_screen), "--select", ASSETS)[0] == 0
    assert screens_in_cohort(store) == [SCREEN]
    assert partitions(store) == [SCREEN]


def test_an_unknown_screen_is_told(run: Run) -> None:
    status, _, told = run("screen", "remove", "NO_SUCH", "--yes")
    assert status == 2
    assert "is not in the store" in told


@pytest.mark.parametrize("name", ["../x", "a/b", "", "."])
def test_a_path_is_no_screen(run: Run, name: str) -> None:
    assert run("screen", "remove", name, "--yes")[0] == 2


def test_a_removal_that_was_killed_goes_on(made_up_cohort: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each of its steps, it is run again to the end, and the other screen is whole."""
    screen, other = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
    made_up_cohort.register(screen, made_up_cohort.root)
    rows = len(made_up_cohort.read_table("scores", other))
    empty = remove_screen._empty
    while (left := len(remove_screen.held_by(made_up_cohort, screen))) > 2:
        done = 0

        def killed(folder: Path, erased: Erased) -> None:
            nonlocal done
            if folder.exists():
                if done == 1:
                    raise KeyboardInterrupt
                done += 1
            empty(folder, erased)

        monkeypatch.setattr(remove_screen, "_empty", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_screen.remove_screen(made_up_cohort, screen)
        assert screen in made_up_cohort.screens()
        assert len(remove_screen.held_by(made_up_cohort, screen)) < left
    monkeypatch.setattr(remove_screen, "_empty", empty)
    remove_screen.remove_screen(made_up_cohort, screen)
    assert made_up_cohort.read_table("scores", screen).empty
    assert len(made_up_cohort.read_table("scores", other)) == rows
    assert screens_in_cohort(made_up_cohort) == [other]


def test_a_store_in_a_bucket(s3: Any, made_up_store: Store) -> None:
    from phenodose.io.places import place, upload_tree

    upload_tree(made_up_store.root, place("s3://bucket/store"))
    store = Store.open("s3://bucket/store")
    remove_screen.remove_screen(store, "BT-40_V1_DS1")
    assert store.read_table("scores", "BT-40_V1_DS1").empty
    assert not store.read_table("scores", "INF_R_153_V1_DS1").empty


LEAVING, STAYING = "BT-40_V1_DS1", "INF_R_153_V1_DS1"


@pytest.fixture
def two_screens(made_up_cohort: Store, tmp_path: Path) -> Store:
    """Both screens of the made-up store, registered, with pages that name them."""
    store = made_up_cohort
    for screen in (LEAVING, STAYING):
        raw = tmp_path / "raw" / screen
        raw.mkdir(parents=True)
        store.register(screen, raw)
        write_text(store.report_path(screen), screen)
    write_text(store.root / "reports" / "_cohort.html", f"{LEAVING} beside {STAYING}")
    return store


def test_nothing_in_the_store_names_a_screen_that_is_gone(two_screens: Store) -> None:
    assert still_told(two_screens.root, LEAVING)
    removal = remove_screen.remove_screen(two_screens, LEAVING)
    assert removal.had_cohort_report
    assert still_told(two_screens.root, LEAVING) == []
    assert still_told(two_screens.root, STAYING)
    assert screens_in_cohort(two_screens) == [STAYING]
    assert not any(str(two_screens.root) in sentence for sentence in removal.left)


def test_what_links_lead_to_goes_with_the_screen(two_screens: Store, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    for name in ("plates/P1.ome.zarr", "tables", "tensors"):
        (disk / name).mkdir(parents=True)
        (disk / name / "zarr.json").write_text(LEAVING)
    (disk / "tables" / "loop").symlink_to(disk / "tables")
    own = two_screens.screen_dir(LEAVING)
    (own / "plates").symlink_to(disk / "plates")
    (own / "tensors").mkdir()
    (own / "tensors" / "pseudo_rgb.zarr").symlink_to(disk / "tensors")
    (own / "gone").symlink_to(tmp_path / "nowhere")
    scores = two_screens.root / "tables" / "scores" / f"screen={LEAVING}"
    for part in scores.iterdir():
        part.rename(disk / "tables" / part.name)
    scores.rmdir()
    scores.symlink_to(disk / "tables")
    told = remove_screen.held_by(two_screens, LEAVING)
    assert {disk / "plates", disk / "tensors", disk / "tables"} <= {held.path for held in told}
    remove_screen.remove_screen(two_screens, LEAVING)
    assert still_told(two_screens.root, LEAVING) == []
    assert list(disk.iterdir()) == []


def test_a_screen_on_another_disk_goes_as_a_whole(two_screens: Store, tmp_path: Path) -> None:
    own = two_screens.screen_dir(LEAVING)
    own.rename(tmp_path / "disk")
    own.symlink_to(tmp_path / "disk")
    remove_screen.remove_screen(two_screens, LEAVING)
    assert not (tmp_path / "disk").exists()
    assert two_screens.screens() == [STAYING]


def test_a_link_to_what_others_have_too_is_refused_before_anything_goes(two_screens: Store, tmp_path: Path) -> None:
    for target in (two_screens.root, two_screens.screen_dir(STAYING), tmp_path, tmp_path / "raw"):
        link = two_screens.screen_dir(LEAVING) / "plates"
        link.symlink_to(target)
        with pytest.raises(StoreError, match="holds more than this screen"):
            remove_screen.remove_screen(two_screens, LEAVING)
        link.unlink()
    assert not two_screens.read_table("scores", LEAVING).empty
    assert two_screens.report_path(LEAVING).is_file()


def test_raw_images_behind_a_link_stay_and_are_told(two_screens: Store) -> None:
    raw = two_screens.source_of(LEAVING) / "P1"
    raw.mkdir()
    (raw / "a.tif").touch()
    (two_screens.screen_dir(LEAVING) / "raw").symlink_to(raw)
    removal = remove_screen.remove_screen(two_screens, LEAVING)
    assert (raw / "a.tif").is_file()
    assert any(f"{raw}, in the raw folder" in sentence for sentence in removal.left)


def test_what_cannot_be_removed_is_told_and_all_else_is_gone(
    two_screens: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = next((two_screens.root / "tables" / "scores" / f"screen={LEAVING}").iterdir())
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == kept:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        with pytest.raises(StoreError, match="removed but for 1 files") as told:
            remove_screen.remove_screen(two_screens, LEAVING)
    assert str(kept) in str(told.value)
    left = {path for path in two_screens.root.rglob("*") if path.is_file() and LEAVING in str(path)}
    assert left == {kept, two_screens.screen_dir(LEAVING) / "source.json"}
    remove_screen.remove_screen(two_screens, LEAVING)
    assert still_told(two_screens.root, LEAVING) == []


def test_a_cohort_that_cannot_be_made_anew_goes_too(two_screens: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(store: Store, whole: bool) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(store.cohort_path))

    monkeypatch.setattr("phenodose.cohort.build.rebuild_cohort", full)
    removal = remove_screen.remove_screen(two_screens, LEAVING)
    assert not two_screens.cohort_path.exists()
    assert any("the disk is full" in sentence and "sql --rebuild" in sentence for sentence in removal.left)
    assert still_told(two_screens.root, LEAVING) == []


def test_screens_that_name_it_are_told(two_screens: Store) -> None:
    runs = two_screens.read_table("runs", STAYING).head(1).assign(asset="checkpoint/cnn/phase1", plugin=LEAVING)
    two_screens.write_table("runs", STAYING, "checkpoint/cnn/phase1", runs)
    write_text(two_screens.report_path(STAYING), f"the networks of {LEAVING}")
    removal = remove_screen.remove_screen(two_screens, LEAVING)
    assert any(f"{STAYING}: `plugin` of the table runs names it" in sentence for sentence in removal.left)
    assert any(str(two_screens.report_path(STAYING)) in sentence for sentence in removal.left)


def test_dagster_forgets_a_screen_and_keeps_the_others(tmp_path: Path) -> None:
    key = dg.AssetKey("layout")
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        instance.add_dynamic_partitions("screen", [LEAVING, STAYING])
        for screen in (STAYING, LEAVING):
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=screen, metadata={"of": screen}))
        instance.report_runless_asset_event(dg.AssetMaterialization("cohort_db", metadata={"of": f"in {LEAVING}"}))
        instance.delete_dynamic_partition("screen", LEAVING)
        assert forget_runs(instance, Names(LEAVING)) == []
        assert still_told(tmp_path, LEAVING) == []
        events = instance.fetch_materializations(key, limit=5).records
        assert [record.partition_key for record in events] == [STAYING]
        newest = instance.get_latest_materialization_event(key)
        assert newest is not None
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.partition == STAYING
        assert instance.get_dynamic_partitions("screen") == [STAYING]


def test_a_cursor_forgets_a_screen() -> None:
    cursor = json.dumps({"last": LEAVING, "seen": {LEAVING: "a", STAYING: "b"}, "waiting": [STAYING, LEAVING]})
    body = json.dumps({"cursor": cursor, "last_run_key": f"{LEAVING}:12", "name": "new_screens"})
    left = json.loads(_without(body, Names(LEAVING)))
    assert json.loads(left["cursor"]) == {"last": "", "seen": {STAYING: "b"}, "waiting": [STAYING]}
    assert left["last_run_key"] == ""
    assert left["name"] == "new_screens"


def test_a_screen_is_told_from_others_that_are_called_alike(tmp_path: Path) -> None:
    names = Names("A_V1_DS1", ("INF-4",)).beside(["A_V1_DS10", "BA_V1_DS1", "INF-41", "C_V1_DS1"])
    assert names.longer == ("A_V1_DS10", "BA_V1_DS1", "INF-41")
    for text in ("A_V1_DS1", "A_V1_DS1_P1.xlsx", "A_V1_DS10 and A_V1_DS1:7", "of INF-4.", '"INF-4"'):
        assert names.are_in(text)
    for text in ("A_V1_DS10", "screens/BA_V1_DS1/x", "INF-41", "INF-4b", "XINF-4", "C_V1_DS1"):
        assert not names.are_in(text)
    alike = "A_V1_DS10"
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        instance.add_dynamic_partitions("screen", ["A_V1_DS1", alike])
        for screen in ("A_V1_DS1", alike):
            instance.report_runless_asset_event(dg.AssetMaterialization("layout", partition=screen))
        instance.report_runless_asset_event(dg.AssetMaterialization("cohort_db", metadata={"of": alike}))
        assert forget_runs(instance, Names("A_V1_DS1")) == []
        assert instance.get_latest_materialization_event(dg.AssetKey("cohort_db")) is not None
        records = instance.fetch_materializations(dg.AssetKey("layout"), limit=5).records
        assert [record.partition_key for record in records] == [alike]
