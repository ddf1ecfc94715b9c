"""The daemon's engines: one for each database, without a connection that stays open."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import NullPool, StaticPool

from phenodose_assets.ui import commands
from phenodose_assets.ui_daemon import MOST_ENGINES, keeping_engines


def test_a_database_has_one_engine_and_every_question_a_connection(tmp_path: Path) -> None:
    opened: list[object] = []
    create = keeping_engines(sqlalchemy.create_engine)
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    engine = create(url, poolclass=NullPool)
    sqlalchemy.event.listen(engine, "connect", lambda connection, _: opened.append(connection))
    for number in range(3):
        with create(url, poolclass=NullPool).begin() as connection:
            connection.execute(sqlalchemy.text(f"CREATE TABLE t{number} (n INTEGER)"))
    assert len(opened) == 3
    assert sorted(sqlalchemy.inspect(engine).get_table_names()) == ["t0", "t1", "t2"]


def test_another_database_other_options_and_a_pool_have_their_own(tmp_path: Path) -> None:
    create = keeping_engines(sqlalchemy.create_engine)
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    engine = create(url, poolclass=NullPool)
    assert create(f"sqlite:///{tmp_path / 'others.db'}", poolclass=NullPool) is not engine
    assert create(url, poolclass=NullPool, connect_args={"timeout": 5}) is not engine
    pooled = [create(url, poolclass=StaticPool) for _ in range(2)]
    assert pooled[0] is not pooled[1]
    for one in pooled:
        one.dispose()


def test_engines_of_runs_long_over_are_forgotten(tmp_path: Path) -> None:
    create = keeping_engines(sqlalchemy.create_engine)
    first = f"sqlite:///{tmp_path / 'run 0.db'}"
    before = create(first, poolclass=NullPool)
    for number in range(1, MOST_ENGINES + 1):
        create(f"sqlite:///{tmp_path / f'run {number}.db'}", poolclass=NullPool)
    assert create(first, poolclass=NullPool) is not before


def test_the_ui_starts_the_daemon_that_dagster_installs() -> None:
    _, daemon = commands("127.0.0.1", 3000, ["localhost"], Path("workspace.yaml"))
    assert daemon[1:] == ["-m", "phenodose_assets.ui_daemon", "run", "-w", "workspace.yaml"]
    (command,) = entry_points(group="console_scripts", name="dagster-daemon")
    assert callable(command.load())
