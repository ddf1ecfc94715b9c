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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from phenodose.screens.names_of import Names
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME

_PARTITION = "dagster/partition"
_BUSY_S = 30.0
#: Rows of these that name the screen go, whoever wrote them.
_GO_WHOLE = ("job_ticks", "asset_daemon_asset_evaluations", "bulk_actions", "backfill_tags", "run_tags")
#: Rows of these go if they are of the screen's partition or of none.
_GO_BY_PARTITION = ("event_logs", "asset_check_executions", "dynamic_partitions")


def forget_runs(instance: dg.DagsterInstance, names: Names) -> list[str]:
    """Delete the runs of a screen and what Dagster has written down of it.

    Args:
        instance: keeps the runs.
        names: what the screen is called.

    Returns:
        A sentence on everything that is left.
    """
    names = names.beside(instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME))
    runs = [run.run_id for run in instance.get_runs(dg.RunsFilter(tags={_PARTITION: names.screen}))]
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
                n_left = sum(_scrub(con, names))
                con.commit()
                if con.total_changes:
                    con.execute("VACUUM")
                con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            left.append(f"{database}: deleted rows may still be read in its bytes ({error}).")
            continue
        if n_left:
            left.append(f"{database}: {n_left} records of other screens, or of backfills under way, that name it.")
    return left


def _databases(instance: dg.DagsterInstance) -> list[Path]:
    """The SQLite files in which the instance keeps its records; none if it keeps them elsewhere."""
    # Storages of other kinds have no such connections.
    asked: list[tuple[Any, str]] = [
        (instance.event_log_storage, "index_connection"),
        (instance.run_storage, "connect"),
        (instance.schedule_storage, "connect"),
    ]
    found: list[Path] = []
    for storage, name in asked:
        connect = getattr(storage, name, None)
        if connect is None:
            continue
        with connect() as con:
            kept = con.engine.url.database if con.engine.dialect.name == "sqlite" else None
        if kept and Path(kept).is_file():
            found.append(Path(kept))
    # Each run has a file of its own beside the index, and so has what was reported without one.
    folders = [place.parent for place in found if place.name == "index.db"]
    beside = [path for folder in folders for path in (*folder.glob("*.db"), folder / ".db") if path.is_file()]
    return list(dict.fromkeys([*found, *sorted(beside)]))


@contextlib.contextmanager
def _connected(database: Path) -> Iterator[sqlite3.Connection]:
    con = sqlite3.connect(database, timeout=_BUSY_S)
    try:
        yield con
    finally:
        con.close()


def _scrub(con: sqlite3.Connection, names: Names) -> Iterator[int]:
    """Delete or rewrite what names the screen; yields the number of rows that are left because they are of others."""
    con.create_function("is_named", 1, lambda text: text is not None and names.are_in(str(text)), deterministic=True)
    tables = {name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    for table in (*_GO_WHOLE, *_GO_BY_PARTITION):
        if table not in tables:
            continue
        columns = [row[1] for row in con.execute(f'PRAGMA table_info("{table}")').fetchall()]
        named = "(" + " OR ".join(f'is_named(CAST("{column}" AS TEXT))' for column in columns) + ")"
        if table in _GO_WHOLE or "partition" not in columns:
            idle = " AND status NOT IN ('REQUESTED', 'CANCELING', 'STARTED')" if "status" in columns else ""
            con.execute(f'DELETE FROM "{table}" WHERE {named}{idle}')
        else:
            con.execute(f'DELETE FROM "{table}" WHERE partition = ?', [names.screen])
            con.execute(f'DELETE FROM "{table}" WHERE partition IS NULL AND {named}')
        yield con.execute(f'SELECT count(*) FROM "{table}" WHERE {named}').fetchone()[0]
    if {"asset_event_tags", "event_logs"} <= tables:
        con.execute("DELETE FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)")
    if {"asset_keys", "event_logs"} <= tables:
        _newest_of_others(con, names)
    for table, body in (("instigators", "instigator_body"), ("jobs", "job_body")):
        if table in tables:
            for key, text in con.execute(f"SELECT id, {body} FROM {table}").fetchall():
                if names.are_in(text or ""):
                    con.execute(f"UPDATE {table} SET {body} = ? WHERE id = ?", [_without(text, names), key])


def _newest_of_others(con: sqlite3.Connection, names: Names) -> None:
    """Let every asset's newest materialization be one that is still there."""
    rows = con.execute("SELECT id, asset_key, last_materialization, cached_status_data, last_run_id FROM asset_keys")
    for key, asset, newest, cached, run in rows.fetchall():
        values = {"last_materialization": newest, "cached_status_data": cached, "last_run_id": run}
        if names.are_in(cached or ""):
            values["cached_status_data"] = None  # counted again when it is asked for
        if names.are_in(newest or ""):
            event = con.execute(
                "SELECT id, event, run_id FROM event_logs WHERE asset_key = ? AND dagster_event_type = "
                "'ASSET_MATERIALIZATION' ORDER BY id DESC LIMIT 1",
                [asset],
            ).fetchone()
            values["last_materialization"] = None if event is None else _record(event[0], event[1])
            values["last_run_id"] = None if event is None else event[2]
        if list(values.values()) == [newest, cached, run]:
            continue
        con.execute(
            "UPDATE asset_keys SET last_materialization = ?, cached_status_data = ?, last_run_id = ? WHERE id = ?",
            [*values.values(), key],
        )


def _record(number: int, event: str) -> str:
    """An event as the table of assets holds it."""
    return json.dumps({"__class__": "EventLogRecord", "event_log_entry": json.loads(event), "storage_id": number})


def _without(text: str, names: Names) -> str:
    """A JSON text without a screen's keys, items and run keys, also in JSON texts within it."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(one) for key, one in value.items() if key != names.screen}
        if isinstance(value, list):
            return [cleaned(one) for one in value if one != names.screen]
        if not isinstance(value, str) or not names.are_in(value):
            return value
        if value[:1] in "{[":
            with contextlib.suppress(ValueError):
                return json.dumps(cleaned(json.loads(value)))
        return ""

    return json.dumps(cleaned(json.loads(text)))
