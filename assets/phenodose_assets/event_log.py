"""The event log in SQLite, whose connections stay open while an instance is open.

Dagster opens a connection of its own, with an engine of its own, for every event that it reads or writes: it compiles
each statement anew, and SQLite copies its write-ahead log into the database at each close. Of a metabolic screen that
was a quarter of the CPU seconds of a run (`benchmarks/run_screen.py` measures both). Nor is each event awaited until it
is on the disk: after a power cut the last ones may lack, and the database is whole.

Belongs here: keeping connections. Does not belong here: choosing the instance (`instance`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import sqlalchemy
from sqlalchemy.pool import StaticPool

#: Seconds that a writer waits for another process that writes.
_BUSY_TIMEOUT_S = 30
_INDEX = "index"


@runtime_checkable
class ShardedEventLog(Protocol):
    """What Dagster's event log in SQLite offers: a database file for each run, and one for all assets."""

    run_connection: Callable[[str | None], Any]
    index_connection: Callable[[], Any]
    has_table: Callable[[str], bool]

    def conn_string_for_shard(self, shard_name: str) -> str:
        """Address of one database, as SQLAlchemy takes it."""
        ...


@contextlib.contextmanager
def connections_kept(storage: object) -> Iterator[None]:
    """Keep the connections of an event log in SQLite open: that of all assets, and that of the last run asked for.

    Any other event log (PostgreSQL, MySQL) has a pool of its own and is left as it is. What is committed is the same
    as before: each use is a transaction, and one use waits for the other.
    """
    if not isinstance(storage, ShardedEventLog):
        yield
        return
    kept = _Connections(storage)
    before = storage.run_connection, storage.index_connection, storage.has_table
    storage.run_connection, storage.index_connection, storage.has_table = kept.of_run, kept.of_index, kept.has_table
    try:
        yield
    finally:
        storage.run_connection, storage.index_connection, storage.has_table = before
        kept.close()


class _Connections:
    """One engine a database, each with one connection."""

    def __init__(self, storage: ShardedEventLog) -> None:
        self._open = storage.run_connection
        self._address = storage.conn_string_for_shard
        self._engines: dict[str, sqlalchemy.Engine] = {}
        self._one_at_a_time = threading.Lock()
        self._looked_for, self._tables = storage.has_table, set[str]()

    def has_table(self, name: str) -> bool:
        """Whether the database of all assets has a table; Dagster asks at every event, and none goes again."""
        if name not in self._tables and self._looked_for(name):
            self._tables.add(name)
        return name in self._tables

    @contextlib.contextmanager
    def of_run(self, run_id: str | None = None) -> Iterator[sqlalchemy.Connection]:
        """A transaction in the database of a run."""
        shard = str(run_id)
        if shard not in self._engines:
            with self._open(run_id):
                pass  # Dagster makes the database at its first connection.
        with self._one_at_a_time:
            for other in [name for name in self._engines if name not in (shard, _INDEX)]:
                self._engines.pop(other).dispose()
            with self._engine(shard).begin() as connection:
                yield connection

    def of_index(self) -> contextlib.AbstractContextManager[sqlalchemy.Connection]:
        """A transaction in the database of all assets."""
        return self._transaction(_INDEX)

    @contextlib.contextmanager
    def _transaction(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._one_at_a_time, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        if shard not in self._engines:
            settings = {"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False}
            address = self._address(shard)
            engine = sqlalchemy.create_engine(address, poolclass=StaticPool, connect_args=settings)
            sqlalchemy.event.listen(engine, "connect", _settle)
            self._engines[shard] = engine
        return self._engines[shard]

    def close(self) -> None:
        """Close all connections."""
        with self._one_at_a_time:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()


def _settle(connection: sqlite3.Connection, _: object) -> None:
    """Set a new connection.

    The write-ahead log is copied into the database after 400 KB (an open one grows to 4 MB, on a small disk too), and
    waits for the disk then, not after each event.
    """
    connection.execute("PRAGMA wal_autocheckpoint = 100")
    connection.execute("PRAGMA synchronous = NORMAL")
