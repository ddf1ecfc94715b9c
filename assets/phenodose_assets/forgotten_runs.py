"""Taking a screen's names out of Dagster's own files: runs, events, cursors of sensors, and what they printed.

Dagster forgets a partition and deletes runs, but keeps what was reported without a run, the newest event of every
asset, checks, ticks and cursors; and SQLite keeps the bytes of rows that were deleted. Where Dagster keeps its records
in SQLite files, as it does for the command line, these are searched for the names themselves.

Belongs here: Dagster's records. Does not belong here: the order of a removal (`remove_screen`).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

_PARTITION = "dagster/partition"
_BUSY_S = 30.0
#: Rows of these that name the screen go, whoever wrote them.
_GO_WHOLE = ("job_ticks", "asset_daemon_asset_evaluations", "bulk_actions", "backfill_tags", "run_tags")
#: Rows of these go if they are of the screen's partition or of none.
_GO_BY_PARTITION = ("event_logs", "asset_check_executions", "dynamic_partitions")


def forget_runs(instance: dg.DagsterInstance, screen: str, names: Sequence[str]) -> list[str]:
    """Delete the runs of a screen and what Dagster has written down of it.

    Args:
        instance: keeps the runs.
        screen: the screen.
        names: what it is called, the id first.

    Returns:
        A sentence on everything that is left.
    """
    runs = [run.run_id for run in instance.get_runs(dg.RunsFilter(tags={_PARTITION: screen}))]
    folders = []
    for run in runs:
        with contextlib.suppress(Exception):  # not every keeper of logs can delete them
            instance.compute_log_manager.delete_logs(prefix=[run])
        instance.delete_run(run)
        folders.append(Path(instance.storage_directory()) / run)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    databases = _databases(instance)
    if not databases:
        return ["Dagster's database: observations, ticks and cursors; its runs are deleted there."]
    left = []
    for database in databases:
        for run in runs:
            for shard in database.parent.glob(f"{run}.db*"):
                shard.unlink()
        try:
            with _connected(database) as con:
                n_left = sum(_scrub(con, screen, names))
                con.commit()
                con.execute("VACUUM")
                con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            left.append(f"{database}: deleted rows may still be read in its bytes ({error}).")
            continue
        if n_left:
            left.append(f"{database}: {n_left} records of other screens that name it.")
    return left


def _databases(instance: dg.DagsterInstance) -> list[Path]:
    """The SQLite files in which the instance keeps its records; none if it keeps them elsewhere."""
    storages: list[Any] = [instance.event_log_storage.index_connection, instance.run_storage.connect]
    if instance.schedule_storage is not None:
        storages.append(instance.schedule_storage.connect)
    found: list[Path] = []
    for connect in storages:
        try:
            with connect() as con:
                kept = con.engine.url.database if con.engine.dialect.name == "sqlite" else None
        except (AttributeError, TypeError):  # a storage of another kind
            kept = None
        if kept and Path(kept).is_file():
            found.append(Path(kept))
    # Each run has a file of its own beside the index, and so has what was reported without one.
    beside = [path for place in found if place.name == "index.db" for path in place.parent.glob("*.db")]
    beside += [
        path for place in found if place.name == "index.db" for path in [place.with_name(".db")] if path.is_file()
    ]
    return list(dict.fromkeys([*found, *sorted(beside)]))


@contextlib.contextmanager
def _connected(database: Path) -> Iterator[sqlite3.Connection]:
    con = sqlite3.connect(database, timeout=_BUSY_S)
    try:
        yield con
    finally:
        con.close()


def _scrub(con: sqlite3.Connection, screen: str, names: Sequence[str]) -> Iterator[int]:
    """Delete or rewrite what names the screen; yields the number of rows that are left because they are of others."""
    tables = {name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    for table in (*_GO_WHOLE, *_GO_BY_PARTITION):
        if table not in tables:
            continue
        columns = [row[1] for row in con.execute(f'PRAGMA table_info("{table}")').fetchall()]
        named = " OR ".join(f'instr(CAST("{column}" AS TEXT), ?) > 0' for column in columns for _ in names)
        values = [name for _ in columns for name in names]
        if table in _GO_WHOLE or "partition" not in columns:
            con.execute(f'DELETE FROM "{table}" WHERE {named}', values)
            continue
        con.execute(f'DELETE FROM "{table}" WHERE partition = ?', [screen])
        con.execute(f'DELETE FROM "{table}" WHERE partition IS NULL AND ({named})', values)
        yield con.execute(f'SELECT count(*) FROM "{table}" WHERE {named}', values).fetchone()[0]
    if {"asset_event_tags", "event_logs"} <= tables:
        con.execute("DELETE FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)")
    if {"asset_keys", "event_logs"} <= tables:
        _newest_of_others(con, names)
    for table, body in (("instigators", "instigator_body"), ("jobs", "job_body")):
        if table in tables:
            for key, text in con.execute(f"SELECT id, {body} FROM {table}").fetchall():
                if any(name in (text or "") for name in names):
                    con.execute(f"UPDATE {table} SET {body} = ? WHERE id = ?", [_without(text, screen), key])


def _newest_of_others(con: sqlite3.Connection, names: Sequence[str]) -> None:
    """Let every asset's newest materialization be one that is still there."""
    rows = con.execute("SELECT id, asset_key, last_materialization, cached_status_data, last_run_id FROM asset_keys")
    for key, asset, newest, cached, run in rows.fetchall():
        values = {"last_materialization": newest, "cached_status_data": cached, "last_run_id": run}
        if any(name in (cached or "") for name in names):
            values["cached_status_data"] = None  # counted again when it is asked for
        if any(name in (newest or "") for name in names):
            event = con.execute(
                "SELECT id, event, run_id FROM event_logs WHERE asset_key = ? AND dagster_event_type = "
                "'ASSET_MATERIALIZATION' ORDER BY id DESC LIMIT 1",
                [asset],
            ).fetchone()
            values["last_materialization"] = None if event is None else _record(event[0], event[1])
            values["last_run_id"] = None if event is None else event[2]
        con.execute(
            "UPDATE asset_keys SET last_materialization = ?, cached_status_data = ?, last_run_id = ? WHERE id = ?",
            [*values.values(), key],
        )


def _record(number: int, event: str) -> str:
    """An event as the table of assets holds it."""
    return json.dumps({"__class__": "EventLogRecord", "event_log_entry": json.loads(event), "storage_id": number})


def _without(text: str, screen: str) -> str:
    """A JSON text without a screen's keys, items and run keys, also in JSON texts within it."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(one) for key, one in value.items() if key != screen}
        if isinstance(value, list):
            return [cleaned(one) for one in value if one != screen]
        if not isinstance(value, str) or screen not in value:
            return value
        if value[:1] in "{[":
            with contextlib.suppress(ValueError):
                return json.dumps(cleaned(json.loads(value)))
        return ""

    return json.dumps(cleaned(json.loads(text)))
