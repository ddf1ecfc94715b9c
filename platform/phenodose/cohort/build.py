"""Building the cohort database: every declared table of every screen in one DuckDB file.

The database remembers which Parquet files it was made from. A rebuild starts from a copy of the old one, takes out
the rows of screens whose files have changed, came or went, and reads those files alone; so it takes seconds whatever
the number of screens. The copy is moved into place whole, so that a reader sees the old cohort or the new one.

Belongs here: which files are read, what is kept of the old database, faults of files. Does not belong here: asking
(`phenodose.cohort.query`) and what the views mean (`phenodose.cohort.views`).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from phenodose.cohort.hit_views import RankingOrder
from phenodose.cohort.view import View, identifier, literal
from phenodose.cohort.views import cohort_views
from phenodose.errors import PhenodoseError, StoreError, TableError
from phenodose.io.copies import copied_versions
from phenodose.io.files import clear_partials, hash_bytes, hash_json, written_aside
from phenodose.io.machine_faults import is_of_one_file, machine_fault
from phenodose.io.places import is_remote
from phenodose.plugins import Preferences, plugins_of
from phenodose.settings.quality import resolve_limits
from phenodose.settings.site import read_site
from phenodose.store.store import Store
from phenodose.store.table_files import check_table
from phenodose.table import Table
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import duckdb

    from phenodose.plugins import Registry

#: The file format: readable by every DuckDB from 1.5 on, whichever version wrote it.
STORAGE_VERSION = "v1.5.0"
#: Raised when a database made before must not be gone on from.
_BUILD_FORMAT = 2
_READ_PARQUET = "read_parquet(?, union_by_name = true, hive_partitioning = false)"
#: Share of the parts above which everything is read anew, and share of the rows that may have been replaced since.
_MOST_CHANGED, _MOST_REPLACED = 0.5, 0.5

#: (table, screen) -> what its files are now.
Parts = dict[tuple[str, str], str]


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


#: Columns of `screens` that only the cohort has, as they rest on all tables of a screen and on its raw folder.
JUDGED = ("stale", "verdict", "verdict_reason", "ranked_by", "n_hits")


class Judge(Protocol):
    """Tells what a screen's rows do not (`phenodose.pipeline.verdict.ScreenJudge`)."""

    def state(self, screen: str) -> tuple[str, str]:
        """What a screen's own inputs look like from outside, and those of all screens; '' where that cannot be seen.

        As long as they and its rows are the same, so is `judge`.
        """

    def judge(self, screen: str) -> Mapping[str, str | int | None]:
        """Cells of the columns of `screens` in `JUDGED`."""


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
                _bring_up_to_date(con, table, of_table, folder, str(store.root / "tables"))
            _note_parts(con, parts, changed)
            if judge is not None:
                _note_verdicts(con, judge, {screen for _, screen in changed})
            screens = tuple(sorted({screen for _, screen in changed}))
            _make_views(con, store, screens, whole=not known)
            rows = {name: _number(con, f"SELECT count(*) FROM {identifier(name)}") for name in TABLES}
            faults = con.execute("SELECT fault FROM build.faults ORDER BY table_name, screen, fault").fetchall()
            con.execute("CHECKPOINT")
        if not is_remote(store.cohort_path):
            # Left by someone who opened the old file for writing; it does not fit the new one.
            store.cohort_path.with_name(store.cohort_path.name + ".wal").unlink(missing_ok=True)
    return CohortSummary(store.cohort_path, rows, tuple(fault for (fault,) in faults), screens)


def parts_now(folder: Path) -> Parts:
    """What the files of every table and screen are now: a hash of names, sizes and times of writing.

    Of a copy of a bucket's tables, whose times are those of this machine, a hash of names and of the objects' versions.
    """
    found: Parts = {}
    if (versions := copied_versions(folder)) is not None:
        of_part: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for path, version in versions.items():
            table, *place, name = path.split("/")
            if table in TABLES and len(place) == 1 and place[0].startswith("screen=") and name.endswith(".parquet"):
                of_part.setdefault((table, place[0].removeprefix("screen=")), []).append((name, version))
        return {part: hash_json(sorted(of_part[part])) for part in sorted(of_part)}
    for table in TABLES:
        for screen in sorted((folder / table).glob("screen=*")):
            files = sorted(_file_states(screen))
            if files:
                found[table, screen.name.removeprefix("screen=")] = hash_json(files)
    return found


def _file_states(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of writing of every Parquet file of a folder, of a link those of what it points to."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):  # taken away meanwhile, or no folder
        return
    for entry in entries:
        if entry.name.endswith(".parquet"):
            with suppress(FileNotFoundError):  # its writer took it away meanwhile
                state = entry.stat(follow_symlinks=not _leads_nowhere(entry))
                link = f" -> {Path(entry.path).readlink()}" if entry.is_symlink() else ""
                yield entry.name + link, state.st_size, state.st_mtime_ns


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not Path(entry.path).exists()


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
    """What a database must agree in to be gone on from."""
    kept = [view.sql for view in cohort_views([], []) if view.kept]
    return hash_json([_BUILD_FORMAT, STORAGE_VERSION, [asdict(table) for table in TABLES.values()], kept])


@contextmanager
def _connected(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    con = duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION})
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
    con.execute("CREATE TABLE build.faults (table_name VARCHAR, screen VARCHAR, fault VARCHAR)")
    con.commit()


def _bring_up_to_date(
    con: duckdb.DuckDBPyConnection, table: Table, screens: Sequence[str], folder: Path, told_as: str
) -> None:
    """Replace the rows of these screens by those of their files; faults name the folder as `told_as`."""
    if not screens:
        return
    name = identifier(table.name)
    replaced = _number(con, f"SELECT count(*) FROM {name} WHERE screen IN (SELECT unnest(?))", [screens])
    if replaced:
        con.execute(f"DELETE FROM {name} WHERE screen IN (SELECT unnest(?))", [screens])
        con.execute("UPDATE build.made SET replaced_rows = replaced_rows + ?", [replaced])
    con.execute("DELETE FROM build.faults WHERE table_name = ? AND screen IN (SELECT unnest(?))", [table.name, screens])
    files = [file for s in screens for file in sorted((folder / table.name / f"screen={s}").glob("*.parquet"))]
    faults = [(file.parent.name.removeprefix("screen="), fault) for file, fault in _fill(con, table, files)]
    for screen, fault in [*faults, *_double_keys(con, table, screens)]:
        text = fault.replace(str(folder), told_as)
        con.execute("INSERT INTO build.faults VALUES (?, ?, ?)", [table.name, screen, text])


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


def _note_verdicts(con: duckdb.DuckDBPyConnection, judge: Judge, changed: set[str]) -> None:
    """Say of every screen what is to be made of it; a screen of which nothing has changed says what it said."""
    known = {screen: rest for screen, *rest in con.execute("SELECT * FROM build.inputs").fetchall()}
    now = {}
    for (screen,) in con.execute("SELECT screen FROM screens ORDER BY screen").fetchall():
        before, state = str(known.get(screen, [""])[0]), judge.state(screen)
        if screen not in changed and screen in known and _says_nothing_new(state, before):
            now[screen] = known[screen]
        else:
            now[screen] = ["\n".join(state), *_judged(judge, screen)]
    con.execute("DELETE FROM build.inputs")
    rows = [(screen, *one) for screen, one in now.items()]
    if rows:
        con.executemany(f"INSERT INTO build.inputs VALUES (?, ?, {', '.join('?' * len(JUDGED))})", rows)
    cells = ", ".join(f"{column} = i.{column}" for column in JUDGED)
    con.execute(f"UPDATE screens SET {cells} FROM build.inputs i WHERE i.screen = screens.screen")


def _says_nothing_new(state: tuple[str, str], before: str) -> bool:
    """Whether a screen's inputs look as before; a machine without its raw folder contradicts none that has it."""
    own, of_site = state
    own_before, _, of_site_before = before.partition("\n")
    return of_site == of_site_before and own in ("", own_before)


def _judged(judge: Judge, screen: str) -> list[str | int | None]:
    try:
        found = judge.judge(screen)
    except PhenodoseError as error:  # a damaged file of this screen
        found = {"stale": str(error), "verdict": "fail", "verdict_reason": str(error)}
    return [found.get(column) for column in JUDGED]


def _fill(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> list[tuple[Path, str]]:
    """Insert all files; where that fails, one half and the other, naming the files that do not fit."""
    import duckdb

    if not files:
        return []
    try:
        _insert(con, table, files)
        return []
    except (duckdb.Error, StoreError, MemoryError) as error:
        origin = (error.__cause__ or error) if isinstance(error, StoreError) else error
        fault = machine_fault(origin, files[0])
        if fault is not None and not is_of_one_file(origin):
            raise fault from error
        if len(files) > 1:
            middle = len(files) // 2
            return _fill(con, table, files[:middle]) + _fill(con, table, files[middle:])
        if not files[0].exists() and not files[0].is_symlink():  # its writer took it away meanwhile, which is no fault
            return []
        reason = str(fault or error).splitlines()[0].removeprefix(f"{files[0]}: ")
        told = fault or (isinstance(error, StoreError) and not isinstance(error, TableError))
        remedy = "" if told else " Make the screen again with this version of phenodose."
        text = f"{files[0]} is left out of the cohort: {reason}{remedy}"
        return [(files[0], text)]


def _insert(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> None:
    """Insert the rows of files in the order of files and rows; all or none."""
    for file in files:
        check_table(file)
    names = [literal_path(file) for file in files]
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {_READ_PARQUET}", [names]).fetchall()}
    missing = [column.name for column in table.columns if column.required and column.name not in present]
    if missing:
        raise TableError(f"it lacks the columns {', '.join(missing)} of the table {table.name}.")
    _check_screens(con, names)
    columns = ", ".join(identifier(name) for name in table.column_names if name in present)
    con.execute(f"INSERT INTO {identifier(table.name)} ({columns}) SELECT {columns} FROM {_READ_PARQUET}", [names])


def literal_path(file: Path) -> str:
    """A file's path as DuckDB reads it: it takes `*`, `?` and `[` in a path for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))


def _check_screens(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Every row is of the screen whose folder the file lies in; rows of others could never be taken out again.

    Raises:
        TableError: a file holds rows of another screen.
    """
    folder_screen = "regexp_extract(filename, '[/\\\\]screen=([^/\\\\]*)[/\\\\][^/\\\\]*$', 1)"
    strange: Any = con.execute(
        f"SELECT screen, {folder_screen} FROM read_parquet(?, union_by_name = true, hive_partitioning = false, "
        f"filename = true) WHERE screen IS DISTINCT FROM {folder_screen} LIMIT 1",
        [list(names)],
    ).fetchone()
    if strange is not None:
        raise TableError(f"it holds rows of screen {strange[0]!r} but lies in the folder of {strange[1]!r}.")


def _double_keys(con: duckdb.DuckDBPyConnection, table: Table, screens: Sequence[str]) -> list[tuple[str, str]]:
    """Screens with a key that stands in more than one file, and the sentence about it."""
    key = ", ".join(identifier(name) for name in table.key)
    found = con.execute(
        f"SELECT {key} FROM {identifier(table.name)} WHERE screen IN (SELECT unnest(?)) "
        f"GROUP BY {key} HAVING count(*) > 1 ORDER BY {key}",
        [screens],
    ).fetchall()
    by_screen: dict[str, list[tuple[Any, ...]]] = {}
    for row in found:
        by_screen.setdefault(str(row[table.key.index("screen")]), []).append(row)
    faults = []
    for screen, rows in by_screen.items():
        example = ", ".join(f"{name}={value}" for name, value in zip(table.key, rows[0], strict=True))
        text = f"table {table.name}: {len(rows)} keys stand in more than one file of the store, such as {example}."
        faults.append((screen, text))
    return faults


# --- views ----------------------------------------------------------------------------------------


def _make_views(con: duckdb.DuckDBPyConnection, store: Store, changed: Sequence[str], whole: bool) -> None:
    """All views; of those that are kept as tables, the rows of the changed screens."""
    for view in views_now(con, store):  # in their order: some are made from others, stored or not
        if view.kept:
            _keep(con, view, changed, whole)
        else:
            con.execute(f"CREATE OR REPLACE VIEW {identifier(view.name)} AS {view.sql}")
            con.execute(f"COMMENT ON VIEW {identifier(view.name)} IS {literal(view.description)}")


def views_now(con: duckdb.DuckDBPyConnection, store: Store) -> list[View]:
    """All views, as what the cohort holds and what the site prefers make them."""
    site = read_site(store.root)
    readouts = [row[0] for row in con.execute("SELECT DISTINCT readout FROM scores ORDER BY readout").fetchall()]
    preferences = Preferences.of(plugins_of(store), site.preferences)
    scorer = preferences.default_scorer() or ""
    naming = [row[0] for row in con.execute("SELECT DISTINCT scorer FROM scores WHERE hit IS NOT NULL").fetchall()]
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


def _keep(con: duckdb.DuckDBPyConnection, view: View, changed: Sequence[str], whole: bool) -> None:
    """The rows of the changed screens; all of them where the question is another than that of the rows there are.

    What a site prefers and which plugins it has is part of some questions.
    """
    name, asked = identifier(view.name), hash_bytes(view.sql.encode())
    con.execute("CREATE TABLE IF NOT EXISTS build.kept (name VARCHAR PRIMARY KEY, question VARCHAR)")
    before = con.execute("SELECT question FROM build.kept WHERE name = ?", [view.name]).fetchone()
    if whole or before != (asked,):
        con.execute(f"DROP TABLE IF EXISTS {name}")
        con.execute(f"CREATE TABLE {name} AS {view.sql}")
        con.execute(f"COMMENT ON TABLE {name} IS {literal(view.description)}")
        con.execute("INSERT OR REPLACE INTO build.kept VALUES (?, ?)", [view.name, asked])
    elif changed:
        names = ", ".join(literal(screen) for screen in changed)
        con.execute(f"DELETE FROM {name} WHERE screen IN ({names})")
        con.execute(f"INSERT INTO {name} SELECT * FROM ({view.sql}) WHERE screen IN ({names})")


def _number(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> int:
    row: Any = con.execute(sql, list(values)).fetchone()
    return int(row[0])
