"""What keeping products in step with their inputs costs in a store of many screens: our sensors and Dagster's own way.

Made-up raw folders are registered, and every asset of the graph has an event for every one of them, in Dagster's own
SQLite files. Our way are the sensors `changed_inputs` and `stale_screens`. Dagster's own are an
`observable_source_asset` for each external asset, and on each asset an automation condition: a dependency's data
version or its own code version has changed, and it was made before. Both are asked what to make again after the same
changes. Dagster stops a tick after 60 s.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import dagster as dg
import sqlalchemy

from phenodose.plugins import registry
from phenodose.store.store import Store
from phenodose_assets.build import build_definitions, external_of, screen_assets
from phenodose_assets.external import LAYOUT_FILE, ExternalAsset, look_at, new_observations
from phenodose_assets.partitions import screens as partitions
from phenodose_assets.resources import StoreResource

WELLS = 384
Asked = Counter[str]
#: All of ours.
SENSORS = ("new_screens", "changed_inputs", "stale_screens", "cohort_follows_screens")
_CONDITIONS = dg.AutomationCondition


@click.command()
@click.option("--screens", type=click.IntRange(min=11), default=300, show_default=True, help="Screens in the store.")
@click.option("--automation/--no-automation", default=True, help="Whether to measure Dagster's own way, too.")
def main(screens: int, automation: bool) -> None:
    """Print what a tick costs, and what it asks for."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "home").mkdir()
        names = [f"MADE_V{number}_DS1" for number in range(screens)]
        for name in names:
            write_folder(place / "inbox" / name)
        with dg.DagsterInstance.local_temp(str(place / "home")) as instance:
            click.echo(f"{screens} screens\n{'':46s}{'seconds':>8s}{'CPU s':>8s}{'queries':>9s}  asks for")
            store = MadeUp(place, instance, names)
            ways: list[Any] = [Sensors(store)]
            ways[0].register()
            store.materialize_all()
            if automation:
                ways.append(_Automation(store))
            for way in ways:
                way.tick("first look")
            while not ways[0].has_come_to_all():
                ways[0].tick("first look goes on")
            for way in ways:
                way.tick("nothing new")
            layouts = [place / "inbox" / name / "layout.csv" for name in names]
            _tick(ways, "one layout edited", lambda: _edit(layouts[:1]))
            _tick(ways, "ten layouts edited", lambda: _edit(layouts[1:11]))
            _tick(ways, "layout made again, same version", lambda: store.materialize("layout", names[:1]))
            _tick(
                ways, "site.toml edited", lambda: _say(place / "store" / "site.toml", "[quality.zprime]\nfail = 0.1\n")
            )
            _tick(ways, "nothing new", lambda: None)
            auc: Any = registry().get("scorer", "auc")
            version, auc.version = auc.version, "99"
            _tick(ways, "scorer auc has another version", lambda: None)
            auc.version = version
            if automation:
                store.tell("observable_source_asset", "raw/layout alone", store.observe_layouts)


def _tick(ways: Iterable[Any], what: str, change: Callable[[], object]) -> None:
    change()
    for way in ways:
        way.tick(what)


class MadeUp:
    """A store of made-up screens and its Dagster instance."""

    def __init__(self, place: Path, instance: dg.DagsterInstance, names: list[str]) -> None:
        self.place, self.instance, self.names = place, instance, names
        self.resource = StoreResource.of(Store.open(place / "store"), place / "inbox")
        #: Name of a sensor -> CPU seconds of its last tick, and statements that it sent.
        self.cost: dict[str, tuple[float, int]] = {}

    def definitions(self) -> dg.Definitions:
        """The whole graph."""
        return build_definitions(store=self.place / "store", inbox=self.place / "inbox")

    def report(self, events: Iterable[dg.AssetObservation | dg.AssetMaterialization]) -> None:
        """Tell Dagster of these."""
        for event in events:
            self.instance.report_runless_asset_event(event)

    def materialize_all(self) -> None:
        """An event of every asset for every screen, from above, with the tags that a run writes."""
        for asset in screen_assets(registry()):
            self.materialize(asset.key, self.names)

    def materialize(self, key: str, names: list[str]) -> None:
        """Events of an asset, as a run reports them; the first and the last by Dagster, the others copied."""
        asset = next(asset for asset in screen_assets(registry()) if asset.key == key)
        inputs = [*asset.needs, *asset.any_of, *(thing.key for thing in asset.external)]
        with self.database() as database:
            ((newest,),) = database.execute("SELECT max(id) FROM event_logs")
        tags = {
            "dagster/data_version": key,
            "dagster/code_version": asset.code_version or "run",
            **{f"dagster/input_event_pointer/{name}": str(newest) for name in inputs},
            **{f"dagster/input_data_version/{name}": "any" for name in inputs},
        }
        self.for_all(names, lambda name: [dg.AssetMaterialization(asset.asset_key, partition=name, tags=tags)])

    def for_all(self, names: list[str], events: Callable[[str], list[Any]]) -> None:
        """Report events of the first and the last screen, and copy the former's rows for those between."""
        with self.database() as database:
            ((before,),) = database.execute("SELECT ifnull(max(id), 0) FROM event_logs")
        self.report(events(names[0]))
        with self.database() as database:
            for (event,) in database.execute(
                "SELECT id FROM event_logs WHERE id > ? ORDER BY id", (before,)
            ).fetchall():
                for name in names[1:-1]:
                    _copy(database, event, names[0], name)
        if len(names) > 1:
            self.report(events(names[-1]))

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Dagster's own file of events."""
        (path,) = (self.place / "home").rglob("index.db")
        with sqlite3.connect(path, timeout=60) as database:
            yield database
        database.close()

    def observe_layouts(self) -> Asked:
        """A run that observes the layout of every screen, in this process."""

        @dg.observable_source_asset(name="layout", key_prefix="raw", partitions_def=partitions)
        def observed() -> dg.DataVersionsByPartition:
            found = {
                name: look_at(self.place / "inbox" / name, self.resource.open(), [LAYOUT_FILE]) for name in self.names
            }
            return dg.DataVersionsByPartition({name: one[LAYOUT_FILE][0] for name, one in found.items()})

        definitions = dg.Definitions([observed], jobs=[dg.define_asset_job("observe", [observed])])
        job = definitions.resolve_job_def("observe")
        assert job.execute_in_process(
            instance=self.instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        ).success
        return Counter()

    def tell(self, name: str, what: str, work: Callable[[], Asked]) -> None:
        """Do it, and print what it cost."""
        with _queries() as sent:
            clock, cpu = time.monotonic(), time.process_time()
            asked = work()
            seconds, cpu_seconds = time.monotonic() - clock, time.process_time() - cpu
        self.cost[name] = cpu_seconds, len(sent)
        shown = ", ".join(f"{key} x{count}" for key, count in sorted(asked.items())[:4]) + (
            " ..." if len(asked) > 4 else ""
        )
        click.echo(f"{name:26s}{what:20.20s}{seconds:8.2f}{cpu_seconds:8.2f}{len(sent):9d}  {shown or '-'}")


class Sensors:
    """Our sensors."""

    def __init__(self, store: MadeUp) -> None:
        self._store, self._definitions = store, store.definitions()
        self._cursors: dict[str, str | None] = {}

    def register(self) -> None:
        """Make partitions of the folders, each with its observations."""
        store = self._store
        opened = store.resource.open()
        for name in store.names:
            opened.register(name, store.place / "inbox" / name)
        store.instance.add_dynamic_partitions("screen", store.names)
        external = external_of(screen_assets(registry()))
        inbox = store.place / "inbox"
        store.for_all(store.names, lambda name: new_observations(store.instance, opened, inbox / name, external))

    def tick(self, what: str) -> None:
        """One tick of each sensor."""
        self._definitions = self._store.definitions()
        for name in SENSORS:
            self._store.tell(name, what, lambda name=name: self._asked(name))

    def has_come_to_all(self) -> bool:
        """Whether no tick has run out of time before the last screen."""
        seen = json.loads(self._cursors["changed_inputs"] or "{}")["seen"]
        return len(seen) == len(self._store.names) and not json.loads(self._cursors["stale_screens"] or "{}")["waiting"]

    def _asked(self, name: str) -> Asked:
        context = dg.build_sensor_context(
            instance=self._store.instance,
            cursor=self._cursors.get(name),
            definitions=self._definitions,
            sensor_name=name,
        )
        with context:
            result = self._definitions.resolve_sensor_def(name)(context)
        if isinstance(result, dg.SkipReason):
            return Counter()
        assert isinstance(result, dg.SensorResult), result
        self._cursors[name] = result.cursor
        self._store.report(result.asset_events)
        keys = [key for request in result.run_requests or [] for key in request.asset_selection or []]
        return Counter(key.to_user_string() for key in keys)


class _Automation:
    """Dagster's automation conditions; they take the observations that our sensor reports."""

    def __init__(self, store: MadeUp) -> None:
        self._store = store
        self._cursor: Any = None

    def tick(self, what: str) -> None:
        self._store.tell("automation conditions", what, self._asked)

    def _asked(self) -> Asked:
        changed = _CONDITIONS.any_deps_match(_CONDITIONS.data_version_changed()) | _CONDITIONS.code_version_changed()
        condition = changed.since_last_handled() & ~_CONDITIONS.missing() & ~_CONDITIONS.in_progress()
        assets = screen_assets(registry())
        made = dg.AssetSelection.assets(*(asset.asset_key for asset in assets))
        none = dg.ResourceDefinition.none_resource()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            definitions = dg.Definitions(
                [
                    *map(_observable, external_of(assets)),
                    *dg.map_asset_specs(
                        lambda spec: spec.replace_attributes(automation_condition=condition),
                        [asset.definition() for asset in assets],
                    ),
                ],
                resources={"store": self._store.resource, "listener": none, "networks": none},
            )
        result = dg.evaluate_automation_conditions(definitions, self._store.instance, made, cursor=self._cursor)
        self._cursor = result.cursor
        asked = {asset.key: len(result.get_requested_partitions(asset.asset_key)) for asset in assets}
        return Counter({key: count for key, count in asked.items() if count})


def _observable(external: ExternalAsset) -> Any:
    """An external asset that Dagster can observe; its conditions pass over observations of a plain `AssetSpec`."""

    @dg.observable_source_asset(key=external.asset_key, partitions_def=partitions)
    def observed() -> dg.DataVersionsByPartition:
        # Its conditions are evaluated here; what it holds is reported by the sensor beside it.
        return dg.DataVersionsByPartition({})

    return observed


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


def _copy(database: sqlite3.Connection, event: int, first: str, name: str) -> None:
    """One event with its tags, for another screen."""
    columns = "run_id, {}, dagster_event_type, timestamp, step_key, asset_key, {}"
    made = database.execute(
        f"INSERT INTO event_logs ({columns.format('event', 'partition')}) "
        f"SELECT {columns.format('replace(event, ?, ?)', '?')} FROM event_logs WHERE id = ?",
        (first, name, name, event),
    )
    database.execute(
        "INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp) "
        "SELECT ?, asset_key, key, replace(value, ?, ?), event_timestamp FROM asset_event_tags WHERE event_id = ?",
        (made.lastrowid, first, name, event),
    )


def write_folder(folder: Path) -> None:
    """A raw folder as new_screens takes it: a layout, seven plates of readings and screen.toml."""
    (folder / "ctg").mkdir(parents=True)
    wells = "".join(f"P1,{well},1\n" for well in range(WELLS))
    (folder / "layout.csv").write_text("Plate,Well,Number\n" + wells)
    for plate in range(1, 8):
        (folder / "ctg" / f"P{plate}.csv").write_text(wells * plate)
    (folder / "screen.toml").write_text('sample = "MADE"\n')


def _edit(layouts: Iterable[Path]) -> None:
    for path in layouts:
        _say(path, "P9,1,1\n")


def _say(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as handle:
        handle.write(text)


if __name__ == "__main__":
    main()
