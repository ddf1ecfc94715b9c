"""Dagster's web server behind our door: `python -m phenodose_assets.ui_server NAME,NAME OPTIONS OF dagster-webserver`.

Belongs here: the server's process. Does not belong here: what may come in (`ui_door`), and which processes the UI
consists of (`ui`).
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

from dagster_webserver import app
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from phenodose_assets.ui_door import Door
from phenodose_assets.ui_reports import report_route


def behind_the_door(names: Collection[str]) -> type[DagsterWebserver[Any, Any]]:
    """The class of a server that may be asked under these names."""

    class GuardedWebserver(DagsterWebserver):  # type: ignore[type-arg]
        """Dagster's server, with our reports; every request passes the door first."""

        def build_routes(self) -> list[Any]:
            """Our reports, then what Dagster has of its own."""
            return [report_route(), *super().build_routes()]  # type: ignore[no-untyped-call]

        def build_middleware(self) -> list[Middleware]:
            """The door, then what Dagster has of its own."""
            return [Middleware(Door, names=names), *super().build_middleware()]

    return GuardedWebserver


def main() -> None:
    """Serve until the process is ended."""
    names = sys.argv.pop(1).split(",")
    # Dagster's command makes its server by this name.
    app.DagsterWebserver = behind_the_door(names)  # type: ignore[attr-defined]
    from dagster_webserver.cli import main as serve

    serve()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
