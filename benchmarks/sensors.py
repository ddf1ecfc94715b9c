"""What a tick of the sensors costs in a store of many screens: seconds and queries to Dagster's event log.

Made-up raw folders are registered and every asset of the graph has an event for every one of them, in Dagster's own
SQLite files. Each sensor then ticks until it has come to all screens (the first time it knows none of them), and once
more with nothing new: that is what it costs every 15 or 30 s, for good. Dagster stops a tick after 60 s.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import dagster as dg
import sqlalchemy

from phenodose.store.store import Store
from phenodose_assets.build import build_definitions
from phenodose_assets.resources import StoreResource

WELLS = 384


@click.command()
@click.option("--screens", type=click.IntRange(min=1), default=300, show_default=True, help="Screens in the store.")
def main(screens: int) -> None:
    """Print what a tick costs."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "home").mkdir()
        for number in range(screens):
            _write_folder(place / "inbox" / f"MADE_V{number}_DS1", number)
        with dg.DagsterInstance.local_temp(str(place / "home")) as instance:
            ticks = _Ticks(place, instance)
            click.echo(f"{screens} screens\n{'sensor':16s}{'tick':16s}{'seconds':>8s}{'CPU s':>8s}{'queries':>9s}")
            ticks.tell("new_screens")
            ticks.tell("changed_inputs")
            ticks.materialize_all()
            ticks.tell("stale_screens")


class _Ticks:
    """The sensors of one instance."""

    def __init__(self, place: Path, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._resource = StoreResource.of(Store.open(place / "store"), place / "inbox")
        self._definitions = build_definitions(store=place / "store", inbox=place / "inbox")

    def tell(self, name: str) -> None:
        """Tick until nothing is new, and print the longest tick on the way and one more, with nothing to do."""
        cursor: str | None = None
        before: str | None = ""
        longest = (0.0, 0.0, 0)
        events = 1
        while events or cursor != before:  # a tick without news may have run out of time: then its cursor moves
            before = cursor
            cost, events, cursor = self._tick(name, cursor)
            longest = max(longest, cost)
        cost, _, _ = self._tick(name, cursor)
        _print(name, "longest", longest)
        _print(name, "nothing new", cost)

    def _tick(self, name: str, cursor: str | None) -> tuple[tuple[float, float, int], int, str | None]:
        needs_store = name != "stale_screens"
        context = dg.build_sensor_context(
            instance=self._instance,
            cursor=cursor,
            definitions=self._definitions,
            resources={"store": self._resource} if needs_store else None,
            sensor_name=name,
        )
        with context, _queries() as asked:
            clock, cpu = time.monotonic(), time.process_time()
            result = self._definitions.resolve_sensor_def(name)(context)
            cost = (time.monotonic() - clock, time.process_time() - cpu, len(asked))
        assert isinstance(result, dg.SensorResult), result
        for request in result.dynamic_partitions_requests or []:
            self._instance.add_dynamic_partitions("screen", list(request.partition_keys))
        for event in result.asset_events:
            self._instance.report_runless_asset_event(event)
        return cost, len(result.asset_events) + len(result.run_requests or []), result.cursor

    def materialize_all(self) -> None:
        """An event of every asset for every screen, from above."""
        graph = self._definitions.resolve_asset_graph()
        screens = self._instance.get_dynamic_partitions("screen")
        for key in graph.toposorted_asset_keys:
            node = graph.get(key)
            if node.is_partitioned and node.is_materializable:
                for screen in screens:
                    self._instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=screen))


@contextmanager
def _queries() -> Iterator[list[str]]:
    """The statements that are sent to a database meanwhile."""
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        sent.append(statement)

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", note)


def _write_folder(folder: Path, number: int) -> None:
    (folder / "ctg").mkdir(parents=True)
    wells = "".join(f"P1,{well},{number}\n" for well in range(WELLS))
    (folder / "layout.csv").write_text("Plate,Well,Number\n" + wells)
    for plate in range(1, 8):
        (folder / "ctg" / f"P{plate}.csv").write_text(wells * plate)
    (folder / "screen.toml").write_text('sample = "MADE"\n')
    (folder / "_DONE").touch()


def _print(name: str, tick: str, cost: tuple[float, float, int]) -> None:
    click.echo(f"{name:16s}{tick:16s}{cost[0]:8.2f}{cost[1]:8.2f}{cost[2]:9d}")


if __name__ == "__main__":
    main()
