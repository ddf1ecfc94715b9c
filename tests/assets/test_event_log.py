"""The event log in SQLite: connections stay open, and what is stored is what Dagster would store without us."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from phenodose.store.store import Store
from phenodose_assets.event_log import ShardedEventLog, connections_kept
from phenodose_assets.instance import open_instance


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="number")])
def number() -> Iterator[object]:
    yield dg.MaterializeResult(metadata={"value": 1})
    yield dg.AssetCheckResult(check_name="sound", passed=True)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files to which connections were opened since."""
    files: list[str] = []
    connect = sqlite3.dbapi2.connect

    def counted(database: str, *arguments: object, **named: object) -> sqlite3.Connection:
        files.append(Path(database).name)
        return connect(database, *arguments, **named)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3.dbapi2, "connect", counted)
    return files


def _events(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [str(entry.dagster_event_type) for entry in instance.all_logs(run_id)]


def test_a_run_opens_few_connections_and_stores_every_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    store = Store.open(tmp_path / "store")
    with open_instance(store) as instance:
        dg.materialize([number], instance=instance)
        opened.clear()
        run = dg.materialize([number], instance=instance).run_id
        few = opened.count("index.db") + opened.count(f"{run}.db")
        opened.clear()
    with dg.DagsterInstance.local_temp(str(store.local / ".dagster")) as alone:
        plain = dg.materialize([number], instance=alone).run_id
        assert opened.count("index.db") + opened.count(f"{plain}.db") > 2 * few
        assert _events(alone, run) == _events(alone, plain)
        record = alone.get_latest_materialization_event(number.key)
        assert record is not None
        assert record.run_id == plain
        history = alone.fetch_materializations(number.key, limit=5).records
        assert [found.run_id for found in history][:2] == [plain, run]


def test_two_processes_see_each_others_events_at_once(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(dg.DagsterInstance.local_temp(str(tmp_path))) for _ in range(2))
        stack.enter_context(connections_kept(first.event_log_storage))
        stack.enter_context(connections_kept(second.event_log_storage))
        for writer, reader in ((first, second), (second, first)):
            run = dg.materialize([number], instance=writer).run_id
            seen = reader.get_latest_materialization_event(number.key)
            assert seen is not None
            assert seen.run_id == run
            assert _events(reader, run) == _events(writer, run)


def _delete_and_fail(log: ShardedEventLog) -> None:
    with log.index_connection() as connection:
        connection.exec_driver_sql("DELETE FROM event_logs")
        connection.exec_driver_sql("DELETE FROM nowhere")


def test_after_a_failed_use_nothing_of_it_is_stored_and_the_next_goes_on(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance, connections_kept(instance.event_log_storage):
        before = dg.materialize([number], instance=instance).run_id
        log = instance.event_log_storage
        assert isinstance(log, ShardedEventLog)
        with pytest.raises(OperationalError, match="no such table"):
            _delete_and_fail(log)
        seen = instance.get_latest_materialization_event(number.key)
        assert seen is not None
        assert seen.run_id == before


def test_another_event_log_is_left_as_it_is() -> None:
    with dg.DagsterInstance.ephemeral() as instance, connections_kept(instance.event_log_storage):
        assert dg.materialize([number], instance=instance).success
