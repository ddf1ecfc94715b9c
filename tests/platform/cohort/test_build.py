"""A rebuild of the cohort reads what has changed and gives what reading everything gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from phenodose.cohort import build, fill
from phenodose.cohort.build import rebuild_cohort, views_now
from phenodose.cohort.parts import Parts, parts_now
from phenodose.cohort.view import View
from phenodose.cohort.views import cohort_views
from phenodose.errors import StoreError
from phenodose.store.store import Store
from phenodose.table import Table
from phenodose.tables import TABLES

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"


def _contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every table and view, its rows in an order of their own; sums of another order may differ in the last digit."""
    with duckdb.connect(str(store.cohort_path), read_only=True) as con:
        names = [*TABLES, *(view.name for view in cohort_views([], []))]
        rows = {name: con.execute(f'SELECT * FROM "{name}" ORDER BY ALL').fetchall() for name in names}
    return {
        name: sorted((tuple(round(c, 9) if isinstance(c, float) else c for c in row) for row in of), key=repr)
        for name, of in rows.items()
    }


def _asked(store: Store, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(store.cohort_path), read_only=True) as con:
        return con.execute(sql).fetchall()


def _comments(store: Store) -> list[tuple[object, ...]]:
    with duckdb.connect(str(store.cohort_path), read_only=True) as con:
        tables = con.execute("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
        views = con.execute("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall()
    return sorted([*tables, *views])


def _copy_screen(store: Store, source: str, name: str, shift: float = 0.0) -> None:
    """The files of a screen under another name: its rows, and viabilities moved by `shift`."""
    tables = store.root / "tables"
    for file in tables.glob(f"*/screen={source}/*.parquet"):
        rows = pq.ParquetFile(file).read()
        changed = {"screen": pa.array([name] * len(rows), rows.schema.field("screen").type)}
        if file.parts[-3] == "viability":
            changed["viability_fraction"] = pc.add(rows["viability_fraction"], shift)
        for column, values in changed.items():
            rows = rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), values)
        place = tables / file.parts[-3] / f"screen={name}" / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.replace_schema_metadata(), place)  # without the seal of the other file


@pytest.fixture(scope="module")
def five_once(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of five screens, three of them alike, and its database made whole; to be copied."""
    store = Store.open(shutil.copytree(made_up_root, tmp_path_factory.mktemp("five") / "store"))
    for name in ("A_V1_DS1", "B_V1_DS1", "C_V1_DS1"):
        _copy_screen(store, METABOLIC_ONLY, name)
    rebuild_cohort(store, whole=True)
    return store.root


@pytest.fixture
def five_screens(five_once: Path, tmp_path: Path) -> Store:
    """Five screens: one that has changed is a small part of them."""
    return Store.open(shutil.copytree(five_once, tmp_path / "five"))


@pytest.fixture(scope="module")
def expected(made_up_root: Path) -> dict[str, list[tuple[object, ...]]]:
    """What the database of the two made-up screens holds."""
    return _contents(Store.open(made_up_root))


def test_only_changed_screens_are_read(five_screens: Store) -> None:
    assert rebuild_cohort(five_screens).screens_read == ()
    _copy_screen(five_screens, METABOLIC_ONLY, "E_V1_DS1")
    assert rebuild_cohort(five_screens).screens_read == ("E_V1_DS1",)
    five_screens.write_table("drugs", "C_V1_DS1", "layout", five_screens.read_table("drugs", "C_V1_DS1"))
    assert rebuild_cohort(five_screens).screens_read == ("C_V1_DS1",)


def _changed_at_random(store: Store, kinds: Sequence[str], rng: np.random.Generator) -> None:
    """Change a screen in each of these ways."""
    for kind in kinds:
        screen = f"{rng.choice(list('ABCDE'))}_V1_DS1"
        if kind == "again":
            _copy_screen(store, rng.choice([FULL, METABOLIC_ONLY]), screen, shift=float(rng.normal()))
        elif kind == "gone":
            for folder in (store.root / "tables").glob(f"*/screen={screen}"):
                shutil.rmtree(folder)
        else:
            store.drop_table_part("viability", screen, "ctg")


@pytest.mark.parametrize(
    ("seed", "turns"), [(0, 2), *(pytest.param(seed, 5, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_after_any_changes_it_is_what_reading_everything_gives(five_screens: Store, seed: int, turns: int) -> None:
    """Every kind of change comes before, after and together with others; the long runs add chance."""
    rng = np.random.default_rng(seed)
    for turn in range(turns):
        _changed_at_random(five_screens, rng.permutation(["again", "gone", "part gone"])[: 3 - turn % 2], rng)
        rebuild_cohort(five_screens, whole=False)
        if turn % 2 == 0 and turn < turns - 1:
            continue  # the next changes come upon a database that was gone on from
        found, comments = _contents(five_screens), _comments(five_screens)
        rebuild_cohort(five_screens, whole=True)
        assert found == _contents(five_screens), turn
        assert comments == _comments(five_screens)


def test_faults_of_unchanged_files_are_still_told(five_screens: Store) -> None:
    broken = five_screens.table_part("scores", "A_V1_DS1", "dss_asym.ctg")
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    doubled = five_screens.read_table("wells", "B_V1_DS1", "layout")
    five_screens.write_table("wells", "B_V1_DS1", "again", doubled)
    first = rebuild_cohort(five_screens)
    assert len(first.faults) == 2
    assert str(broken) in first.faults[0]
    assert "keys stand in more than one file" in first.faults[1]
    second = rebuild_cohort(five_screens)
    assert (second.faults, second.screens_read) == (first.faults, ())
    broken.write_bytes(whole)
    five_screens.drop_table_part("wells", "B_V1_DS1", "again")
    assert rebuild_cohort(five_screens).faults == ()


def test_one_broken_file_among_many_costs_no_other(five_screens: Store) -> None:
    """It lies in the half of the files that is tried again in parts."""
    broken = "B_V1_DS1"
    five_screens.table_part("drugs", broken, "layout").write_bytes(b"no parquet")
    summary = rebuild_cohort(five_screens, whole=True)
    assert [broken in fault for fault in summary.faults] == [True]
    found = {screen for (screen,) in _asked(five_screens, "SELECT DISTINCT screen FROM drugs")}
    assert found == {FULL, METABOLIC_ONLY, "A_V1_DS1", "C_V1_DS1"}


def _unfit(store: Store, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the database one that must not be gone on from."""
    if how == "damaged":
        store.cohort_path.write_bytes(b"DUCK" * 1000)
    elif how == "of other tables":
        monkeypatch.setattr(build, "_BUILD_FORMAT", 999)
    else:
        with duckdb.connect(str(store.cohort_path)) as con:
            con.execute("UPDATE build.made SET replaced_rows = 1000000000")


@pytest.mark.parametrize(
    "old",
    ["damaged", *(pytest.param(how, marks=pytest.mark.slow) for how in ("of other tables", "worn"))],
)
def test_an_old_database_that_is_not_fit_is_made_anew(
    made_up_cohort: Store, expected: dict[str, list[tuple[object, ...]]], old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the slow ones the next test says in `make test` that nothing is known of them."""
    _unfit(made_up_cohort, old, monkeypatch)
    assert rebuild_cohort(made_up_cohort).screens_read == (FULL, METABOLIC_ONLY)
    assert _contents(made_up_cohort) == expected


@pytest.mark.parametrize("old", ["of other tables", "worn"])
def test_of_a_database_that_is_not_fit_nothing_is_known(
    made_up_cohort: Store, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is known, everything is read, as of a damaged one."""

    def known() -> Parts:
        with duckdb.connect(str(made_up_cohort.cohort_path), read_only=True) as con:
            return build.parts_known(con)

    assert known() == parts_now(made_up_cohort.root / "tables")
    _unfit(made_up_cohort, old, monkeypatch)
    assert known() == {}


def test_the_database_does_not_grow_without_end(made_up_cohort: Store) -> None:
    """A screen is two thirds of it: three of them kept would be too many."""
    _copy_screen(made_up_cohort, METABOLIC_ONLY, "A_V1_DS1")
    rebuild_cohort(made_up_cohort, whole=True)
    size = made_up_cohort.cohort_path.stat().st_size
    for turn in range(3):
        _copy_screen(made_up_cohort, METABOLIC_ONLY, "A_V1_DS1", shift=turn / 100)
        rebuild_cohort(made_up_cohort)
    assert made_up_cohort.cohort_path.stat().st_size < 2 * size


KEPT = [
    *("hits", "pooled_scores", "drug_scores", "agreement", "agreement_counts"),
    *("replicate_pairs", "replicate_agreement", "qc_summary", "strange_images", "control_levels"),
]


def _expect_kept_views_are_what_their_queries_tell(store: Store) -> None:
    with duckdb.connect(str(store.cohort_path), read_only=True) as con:
        kept = [view for view in views_now(con, store) if view.kept]
        assert [view.name for view in kept] == KEPT
        for view in kept:
            stored, asked = con.execute(f"SELECT * FROM {view.name}").df(), con.execute(view.sql).df()
            assert len(stored)
            pd.testing.assert_frame_equal(_in_order(stored), _in_order(asked))


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows by all columns; numbers that are summed in another order may differ in their last digit."""
    exact = [name for name in rows.columns if rows[name].dtype != float]
    order = rows.round(6).sort_values([*exact, *rows.columns.drop(exact)]).index
    return rows.loc[order].reset_index(drop=True)


def test_a_kept_view_tells_what_its_query_tells(five_screens: Store) -> None:
    """Some of its rows are of a database that was made whole, some of screens that came after."""
    _copy_screen(five_screens, FULL, "D_V1_DS1", shift=0.1)
    assert rebuild_cohort(five_screens).screens_read == ("D_V1_DS1",)
    _expect_kept_views_are_what_their_queries_tell(five_screens)


def test_views_of_another_version_are_made_without_reading_a_file(
    made_up_cohort: Store, expected: dict[str, list[tuple[object, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> set[str]:
        return {name for (name,) in _asked(made_up_cohort, "SELECT table_name FROM information_schema.tables")}

    told, all_names = cohort_views, names()

    def of_another_version(*arguments: Any, **named: Any) -> list[View]:
        """One asks less, two are of the other kind, one has another name."""
        views = told(*arguments, **named)
        (less,) = (view.sql for view in views if view.name == "drug_scores")
        changed = {
            "drug_scores": {"sql": f"SELECT * FROM ({less}) WHERE false"},
            "qc_summary": {"kept": False, "order": ""},
            "doubtful_wells": {"kept": True},
            "replicate_agreement": {"name": "agreement_of_replicates"},
        }
        assert {view.name for view in views} > changed.keys()
        return [replace(view, **changed.get(view.name, {})) for view in views]

    monkeypatch.setattr(build, "cohort_views", of_another_version)
    assert rebuild_cohort(made_up_cohort).screens_read == ()
    assert _asked(made_up_cohort, "SELECT count(*) FROM drug_scores") == [(0,)]
    assert names() == all_names - {"replicate_agreement"} | {"agreement_of_replicates"}
    monkeypatch.setattr(build, "cohort_views", told)
    assert rebuild_cohort(made_up_cohort).screens_read == ()
    assert _contents(made_up_cohort) == expected
    assert names() == all_names


def test_a_kept_view_is_made_anew_when_a_view_that_it_asks_tells_something_else(
    made_up_cohort: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = cohort_views

    def of_another_version(*arguments: Any, **named: Any) -> list[View]:
        return [
            replace(view, sql=f"SELECT * FROM ({view.sql}) WHERE false") if view.name == "dose_points" else view
            for view in told(*arguments, **named)
        ]

    assert _asked(made_up_cohort, "SELECT * FROM replicate_pairs")
    monkeypatch.setattr(build, "cohort_views", of_another_version)
    rebuild_cohort(made_up_cohort)
    assert not _asked(made_up_cohort, "SELECT * FROM replicate_pairs")


def test_a_kept_view_is_asked_anew_when_the_site_prefers_another_readout(made_up_cohort: Store) -> None:
    def ranked_by() -> set[str]:
        rows = _asked(made_up_cohort, f"SELECT DISTINCT readout FROM hits WHERE screen = '{FULL}'")
        return {name for (name,) in rows}

    before = ranked_by()
    assert before != {"ctg"}
    (made_up_cohort.root / "site.toml").write_text('[preferences]\nreadouts = ["ctg"]\n', encoding="utf-8")
    assert rebuild_cohort(made_up_cohort).screens_read == ()
    assert ranked_by() == {"ctg"}


def test_memory_does_not_grow_with_the_screens_that_are_read(
    five_screens: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some screens at a time give what all at once give."""
    expected, read = _contents(five_screens), []
    insert = fill._insert

    def counted(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> None:
        read.append(len({file.parent for file in files}))
        insert(con, table, files)

    monkeypatch.setattr(fill, "_insert", counted)
    monkeypatch.setattr(fill.in_parts, "__defaults__", (2,))
    rebuild_cohort(five_screens, whole=True)
    assert max(read) == 2
    assert _contents(five_screens) == expected


def test_a_sorted_view_is_sorted_again_once_much_has_come(made_up_cohort: Store) -> None:
    def screens_in_place() -> list[str]:
        one = "scorer = 'dss_asym' AND readout = 'ctg' AND drug = 'Venetoclax'"
        rows = _asked(made_up_cohort, f"SELECT screen FROM pooled_scores WHERE {one} ORDER BY rowid")
        return [screen for (screen,) in rows]

    assert screens_in_place() == [FULL, METABOLIC_ONLY]
    _copy_screen(made_up_cohort, METABOLIC_ONLY, "A_V1_DS1")
    rebuild_cohort(made_up_cohort)
    for name in ("AB_V1_DS1", "AC_V1_DS1"):
        _copy_screen(made_up_cohort, FULL, name)
    rebuild_cohort(made_up_cohort)
    assert screens_in_place() == ["AB_V1_DS1", "AC_V1_DS1", "A_V1_DS1", FULL, METABOLIC_ONLY]


def test_the_record_of_itself_is_no_table_of_the_cohort(made_up_cohort: Store) -> None:
    shown = {name for name, *_ in _asked(made_up_cohort, "SHOW TABLES")}
    assert shown == {*TABLES, *(view.name for view in cohort_views([], []))}


def test_parts_are_known_by_name_size_and_time(made_up_cohort: Store, tmp_path: Path) -> None:
    before = parts_now(made_up_cohort.root / "tables")
    assert {table for table, _ in before} == {name for name in TABLES if len(made_up_cohort.read_table(name))}
    made_up_cohort.table_part("drugs", FULL, "layout").touch()
    after = parts_now(made_up_cohort.root / "tables")
    assert {part for part in before if before[part] != after[part]} == {("drugs", FULL)}


KILLED = """
import os, signal, sys
from phenodose.cohort import build as cohort_build
from phenodose.store.store import Store

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

cohort_build._make_views = die
cohort_build.rebuild_cohort(Store.open(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_killed_rebuild_costs_neither_the_old_cohort_nor_room(
    made_up_cohort: Store, expected: dict[str, list[tuple[object, ...]]]
) -> None:
    _copy_screen(made_up_cohort, METABOLIC_ONLY, "E_V1_DS1")
    done = subprocess.run([sys.executable, "-c", KILLED, str(made_up_cohort.root)], check=False)
    assert done.returncode == -9
    assert list(made_up_cohort.root.glob(".cohort.duckdb.*.partial"))
    assert _contents(made_up_cohort) == expected
    assert rebuild_cohort(made_up_cohort).screens_read == ("E_V1_DS1",)
    assert not list(made_up_cohort.root.glob(".*.partial*"))


def test_a_full_disk_is_told_and_is_no_fault_of_a_file(made_up_cohort: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException('Could not write file "a": No space left on device')

    before = made_up_cohort.cohort_path.read_bytes()
    monkeypatch.setattr(fill, "_insert", full)
    with pytest.raises(StoreError, match="the disk is full"):
        rebuild_cohort(made_up_cohort, whole=True)
    assert made_up_cohort.cohort_path.read_bytes() == before


def test_a_file_that_may_not_be_read_costs_no_other(made_up_cohort: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = made_up_cohort.table_part("scores", "BT-40_V1_DS1", "scores/made_up")
    closed = next(closed.parent.glob("*.parquet"))
    insert = fill._insert

    def refused(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> None:
        if closed in files:
            raise duckdb.IOException(f'Cannot open file "{closed}": Permission denied')
        insert(con, table, files)

    monkeypatch.setattr(fill, "_insert", refused)
    (fault,) = rebuild_cohort(made_up_cohort, whole=True).faults
    assert fault.startswith(f"{closed} is left out of the cohort: ")
    assert "this user may not do that there" in fault
