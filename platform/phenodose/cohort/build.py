"""Building the cohort database: every declared table of every screen in one DuckDB file.

The database remembers which Parquet files it was made from. A rebuild starts from a copy of the old one, takes out
the rows of screens whose files have changed, came or went, and reads those files alone; so it takes seconds whatever
the number of screens. The copy is moved into place whole, so that a reader sees the old cohort or the new one.

Belongs here: what is kept of the old database, and the order of a rebuild. Does not belong here: states of files
(`parts`), reading them (`fill`), what is made of their rows (`kept_views`, `verdicts`), what views mean (`views`),
asking (`query`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.cohort.fill import bring_up_to_date
from phenodose.cohort.hit_views import RankingOrder
from phenodose.cohort.kept_views import make_views
from phenodose.cohort.parts import Parts, parts_now
from phenodose.cohort.verdicts import JUDGED, Judge, note_verdicts
from phenodose.cohort.view import View, identifier, literal, literals
from phenodose.cohort.views import cohort_views
from phenodose.io.files import clear_partials, hash_json, written_aside
from phenodose.io.places import is_remote
from phenodose.plugins import Preferences, plugins_of
from phenodose.settings.quality import resolve_limits
from phenodose.settings.site import read_site
from phenodose.store.store import Store
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import duckdb

    from phenodose.plugins import Registry

#: The file format: readable by every DuckDB from 1.5 on, whichever version wrote it.
STORAGE_VERSION = "v1.5.0"
#: Least bytes that a column of a table takes. A quarter of DuckDB's own: a hundred tables of few rows are no 5 MB, and
#: hundreds of screens neither larger nor slower.
_BLOCK_BYTES = 65536
#: Raised when a database made before must not be gone on from.
_BUILD_FORMAT = 3
#: Share of the parts above which everything is read anew, and share of the rows that may have been replaced since.
_MOST_CHANGED, _MOST_REPLACED = 0.5, 0.5
#: Most memory that DuckDB takes for a rebuild; what needs more goes by way of the disk.
_MOST_MEMORY = "600MB"


@dataclass(frozen=True)
class CohortSummary:
    """What a rebuild put into the cohort.

    Attributes:
        path: the database.
        rows: rows of every table.
        faults: a sentence for every file that was left out and every key that is not unique; empty if
            all is well.
        screens_read: screens whose files were read; the others were kept from the database before.
    """

    path: Path
    rows: Mapping[str, int]
    faults: tuple[str, ...]
    screens_read: tuple[str, ...]


def metabolic_readouts(plugins: Registry) -> list[str]:
    """Readouts that come from a plate reader, by the installed plugins."""
    return Preferences.of(plugins).metabolic_readouts()


def rebuild_cohort(
    store: Store, wait_seconds: float = 600, whole: bool = False, judge: Judge | None = None
) -> CohortSummary:
    """Bring `cohort.duckdb` up to date with the store's tables and put it in place of the old one.

    A file that does not fit its table is left out and named in the summary. One rebuild runs at a time;
    readers are never blocked and go on with the cohort that they opened.

    Args:
        store: the store.
        wait_seconds: how long to wait for another rebuild.
        whole: read every file, also those that have not changed.
        judge: fills the columns of `screens` in `JUDGED`; without it the screens that are
            not read keep what they said.

    Raises:
        BusyError: another rebuild did not end in time.
    """

    def busy(who: str) -> str:
        return (
            f"{store.cohort_path}: {who} has been rebuilding the cohort for {wait_seconds:g} s; "
            "wait for it to end, then run this again."
        )

    with store.locked(store.root / ".cohort.lock", busy, wait_seconds):
        return _rebuild(store, whole, judge)


def _rebuild(store: Store, whole: bool, judge: Judge | None) -> CohortSummary:
    folder = store.local_copy(store.root / "tables")
    parts = parts_now(folder)
    clear_partials(store.cohort_path.parent, store.cohort_path.name)
    with written_aside(store.cohort_path) as aside:
        known = {} if whole else _begin_with_old(store.local_copy(store.cohort_path), aside, parts)
        with _connected(aside) as con:
            if not known:
                _create_tables(con)
            changed = [part for part in parts.keys() | known.keys() if parts.get(part) != known.get(part)]
            for table in TABLES.values():
                of_table = sorted(screen for name, screen in changed if name == table.name)
                there = {screen for screen in of_table if (table.name, screen) in known}
                bring_up_to_date(con, table, of_table, there, folder, str(store.root / "tables"))
            _note_parts(con, parts, changed)
            screens = tuple(sorted({screen for _, screen in changed}))
            if judge is not None:
                note_verdicts(con, judge, set(screens))
            elif screens:  # what was said of them is said of other rows
                con.execute(f"DELETE FROM build.inputs WHERE screen IN ({literals(screens)})")
            _make_views(con, store, screens, whole=not known)
            rows = {name: _number(con, f"SELECT count(*) FROM {identifier(name)}") for name in TABLES}
            faults = con.execute("SELECT fault FROM build.faults ORDER BY table_name, screen, fault").fetchall()
            con.execute("CHECKPOINT")
        if not is_remote(store.cohort_path):
            # Left by someone who opened the old file for writing; it does not fit the new one.
            store.cohort_path.with_name(store.cohort_path.name + ".wal").unlink(missing_ok=True)
    return CohortSummary(store.cohort_path, rows, tuple(fault for (fault,) in faults), screens)


# --- going on from the old database ---------------------------------------------------------------


def _begin_with_old(old: Path, aside: Path, parts: Parts) -> Parts:
    """Copy the old database to `aside` if it is worth going on from; the parts it was made of, else none."""
    import duckdb

    if not old.is_file():
        return {}
    shutil.copyfile(old, aside)
    try:
        with _connected(aside) as con:
            known = parts_known(con)
    except duckdb.Error:  # damaged, or made before there was a record of parts
        known = {}
    changed = sum(parts.get(part) != known.get(part) for part in parts.keys() | known.keys())
    if not known or changed > _MOST_CHANGED * len(known):
        aside.unlink()
        return {}
    return known


def parts_known(con: duckdb.DuckDBPyConnection) -> Parts:
    """The parts of a database that this version of phenodose made; none of another's, or of a worn one."""
    made: Any = con.execute("SELECT fingerprint, replaced_rows FROM build.made").fetchone()
    rows = sum(_number(con, f"SELECT count(*) FROM {identifier(name)}") for name in TABLES)
    if made[0] != _fingerprint() or made[1] > _MOST_REPLACED * rows:
        return {}
    return {(t, s): state for t, s, state in con.execute("SELECT * FROM build.parts").fetchall()}


def _fingerprint() -> str:
    """What a database must agree in to be gone on from; what its views ask is known apart (`kept_views`)."""
    return hash_json([_BUILD_FORMAT, STORAGE_VERSION, [asdict(table) for table in TABLES.values()]])


@contextmanager
def _connected(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    config: dict[str, Any] = {
        "storage_compatibility_version": STORAGE_VERSION,
        "memory_limit": _MOST_MEMORY,
        "default_block_size": _BLOCK_BYTES,
    }
    con = duckdb.connect(str(path), config=config)
    try:
        yield con
    finally:
        con.close()


# --- tables ---------------------------------------------------------------------------------------


def _create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """All declared tables, empty, and the database's record of itself in the schema `build`."""
    con.begin()  # several hundred small statements, each of which would be written to disk by itself
    for table in TABLES.values():
        con.execute(table.duckdb_ddl())
        con.execute(f"COMMENT ON TABLE {identifier(table.name)} IS {literal(table.description)}")
        for column in table.columns:
            meaning = f"{column.description} [{column.unit}]" if column.unit else column.description
            name = f"{identifier(table.name)}.{identifier(column.name)}"
            con.execute(f"COMMENT ON COLUMN {name} IS {literal(meaning)}")
    con.execute("CREATE SCHEMA build")
    con.execute("CREATE TABLE build.made (fingerprint VARCHAR, replaced_rows BIGINT)")
    con.execute("INSERT INTO build.made VALUES (?, 0)", [_fingerprint()])
    con.execute("CREATE TABLE build.parts (table_name VARCHAR, screen VARCHAR, state VARCHAR)")
    cells = ", ".join(f"{column} {'BIGINT' if column == 'n_hits' else 'VARCHAR'}" for column in JUDGED)
    con.execute(f"CREATE TABLE build.inputs (screen VARCHAR, state VARCHAR, {cells})")
    con.execute("CREATE TABLE build.scored (screen VARCHAR, readout VARCHAR, scorer VARCHAR, hit BOOLEAN)")
    con.execute("CREATE TABLE build.kept (name VARCHAR PRIMARY KEY, question VARCHAR, unsorted BIGINT)")
    con.execute("CREATE TABLE build.faults (table_name VARCHAR, screen VARCHAR, fault VARCHAR)")
    con.commit()


def _note_parts(con: duckdb.DuckDBPyConnection, parts: Parts, changed: Sequence[tuple[str, str]]) -> None:
    import pyarrow as pa

    def columns(rows: Sequence[tuple[str, ...]], names: Sequence[str]) -> pa.Table:
        values = zip(*rows, strict=True) if rows else [() for _ in names]
        return pa.table({name: pa.array(list(v), pa.string()) for name, v in zip(names, values, strict=True)})

    con.register("gone", columns(changed, ["table_name", "screen"]))
    con.execute("DELETE FROM build.parts WHERE (table_name, screen) IN (SELECT table_name, screen FROM gone)")
    now = [(*part, parts[part]) for part in sorted(changed) if part in parts]
    con.register("now", columns(now, ["table_name", "screen", "state"]))
    con.execute("INSERT INTO build.parts SELECT * FROM now")


# --- views ----------------------------------------------------------------------------------------


def _make_views(con: duckdb.DuckDBPyConnection, store: Store, changed: Sequence[str], whole: bool) -> None:
    _note_scored(con, changed, whole)
    make_views(con, views_now(con, store), changed, whole)


def _note_scored(con: duckdb.DuckDBPyConnection, changed: Sequence[str], whole: bool) -> None:
    """Note which readouts and scorers each screen has, so that nobody looks through all scores for them."""
    if changed and not whole:
        con.execute(f"DELETE FROM build.scored WHERE screen IN ({literals(changed)})")
    of_changed = "" if whole else f"WHERE screen IN ({literals(changed)})"
    con.execute(
        f"INSERT INTO build.scored SELECT DISTINCT screen, readout, scorer, hit IS NOT NULL FROM scores {of_changed}"
    )


def views_now(con: duckdb.DuckDBPyConnection, store: Store) -> list[View]:
    """All views, as what the cohort holds and what the site prefers make them."""
    site = read_site(store.root)
    readouts = [row[0] for row in con.execute("SELECT DISTINCT readout FROM build.scored ORDER BY readout").fetchall()]
    preferences = Preferences.of(plugins_of(store), site.preferences)
    scorer = preferences.default_scorer() or ""
    naming = [row[0] for row in con.execute("SELECT DISTINCT scorer FROM build.scored WHERE hit").fetchall()]
    thresholds = {name: one.hit_threshold for name, one in preferences.scorers.items()}
    return cohort_views(
        readouts,
        preferences.metabolic_readouts(),
        resolve_limits(site.quality),
        scorer,
        {name: difference == scorer for name, difference in preferences.comparing_scorers().items()},
        RankingOrder(preferences.ordered_readouts(readouts), preferences.ordered_scorers(naming)),
        {name: value for name, value in thresholds.items() if value is not None},
    )


def _number(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row: Any = con.execute(sql).fetchone()
    return int(row[0])
