"""`phenodose screen remove`: a screen leaves the store, the cohort and Dagster, and comes back from its raw folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phenodose.cli import main
from phenodose.cohort.query import query
from phenodose.screens import remove_screen
from phenodose.store.store import Store
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


def screens_in_cohort(store: Store) -> list[str]:
    rows: list[dict[str, Any]] = query(store, "SELECT DISTINCT screen FROM viability").table.to_pylist()
    return [row["screen"] for row in rows]


def test_a_screen_goes_and_comes_back(run: Run, small_ctg_screen: Path, tmp_path: Path) -> None:
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
    assert not [path for path in store.root.rglob("*") if SCREEN in path.name and ".dagster" not in path.parts]
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
    whole = remove_screen.remove_tree
    while (left := len(remove_screen.held_by(made_up_cohort, screen))) > 1:
        done = 0

        def killed(folder: Path) -> None:
            nonlocal done
            if done == 1:
                raise KeyboardInterrupt
            done += 1
            whole(folder)

        monkeypatch.setattr(remove_screen, "remove_tree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_screen.remove_screen(made_up_cohort, screen)
        assert screen in made_up_cohort.screens()
        assert len(remove_screen.held_by(made_up_cohort, screen)) < left
    monkeypatch.setattr(remove_screen, "remove_tree", whole)
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
