"""Dagster's daemon, whose databases keep their engines: `python -m phenodose_assets.ui_daemon OPTIONS OF ITS COMMAND`.

Where runs are kept in SQLite Dagster makes an engine of SQLAlchemy for every question, which compiles its statement
anew: a quarter of what the daemon took of the processor while nothing happened (`benchmarks/idle_daemon.py`). In this
process an engine is made once for each database. It holds no connection: each question still opens one of its own.

Belongs here: the daemon's process. Does not belong here: which processes the UI consists of (`ui`), and the event log
of a run (`event_log`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from importlib.metadata import entry_points
from typing import Any

import sqlalchemy
from sqlalchemy.pool import NullPool

#: Each run has a database of its own; no more engines are kept than this.
MOST_ENGINES = 64


def keeping_engines(create_engine: Callable[..., Any]) -> Callable[..., Any]:
    """SQLAlchemy's `create_engine`, which gives the same engine for the same database and options.

    Only of engines without a pool of connections: whoever has one may close it.
    """
    kept: dict[tuple[str, str], Any] = {}
    one_at_a_time = threading.Lock()

    @wraps(create_engine)
    def engine(url: Any, **options: Any) -> Any:
        if options.get("poolclass") is not NullPool:
            return create_engine(url, **options)
        key = str(url), repr(sorted(options.items(), key=lambda option: option[0]))
        with one_at_a_time:
            if key not in kept:
                if len(kept) >= MOST_ENGINES:
                    kept.clear()
                kept[key] = create_engine(url, **options)
            return kept[key]

    return engine


def main() -> None:
    """Run Dagster's command."""
    # Before Dagster is imported, which takes the function by its name.
    sqlalchemy.create_engine = keeping_engines(sqlalchemy.create_engine)
    (command,) = entry_points(group="console_scripts", name="dagster-daemon")
    command.load()()


if __name__ == "__main__":
    main()
