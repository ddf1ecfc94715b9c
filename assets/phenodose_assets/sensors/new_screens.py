"""The sensor `new_screens`: folders of the inbox become screens.

Belongs here: the watch over the inbox. Does not belong here: what a screen folder must hold (`registration`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from phenodose.errors import PhenodoseError, TooLongError
from phenodose.screens.registration import register_screen
from phenodose.screens.screen import DONE_MARK
from phenodose_assets.external import ExternalAsset, new_observations
from phenodose_assets.hand_over import remove_hand_overs
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME, screens
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors.kept_instance import instance_of
from phenodose_assets.sensors.looked_at_apart import Looks
from phenodose_assets.sensors.one_watcher import OneWatcher, refusal
from phenodose_assets.sensors.ticks import in_time

#: A folder waits so long at most, and a quiet tick costs the same however rare.
_INTERVAL_SECONDS = 45
#: Folders that took too long to look at, with the time of their done-mark.
_TOOK_TOO_LONG: dict[Path, int] = {}
_WATCHER = OneWatcher()


def new_screens_sensor(
    store: StoreResource, job_name: str, external: Sequence[ExternalAsset] = ()
) -> dg.SensorDefinition:
    """Watches the inbox for folders with a done-mark and asks for a run of each.

    A folder is asked for once for each time its done-mark was written: touching the mark again asks for
    another run. A folder that is no screen, that may not be read, that takes too long or too much memory to look at, or
    whose layout and readings `phenodose run` would refuse, is named in the log of every tick and stops no other.
    Images, which take longer to look at, are judged by the run. Where another instance takes in the screens of the
    store, nothing is asked for.

    Args:
        store: where screens are registered, and the inbox.
        job_name: job of everything that is made for one screen.
        external: what is observed of the folder before its run begins, so that a later change of it shows.
    """

    @dg.sensor(
        name="new_screens",
        job_name=job_name,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Registers every folder of the inbox that holds _DONE as a screen and materializes it.",
    )
    def new_screens(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        inbox = Path(store.inbox)
        if not inbox.is_dir():
            return dg.SkipReason(f"There is no inbox {inbox}; create it or set PHENODOSE_INBOX.")
        requests: list[dg.RunRequest] = []
        observed: list[dg.AssetObservation] = []
        opened, instance = store.open(), instance_of(context)
        if (host := _WATCHER.other(instance, opened)) is not None:
            return dg.SkipReason(refusal(opened, host))
        remove_hand_overs(instance, opened)
        known = set(instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME))
        done: dict[Path, int] = {}
        for folder in sorted(inbox.iterdir()):
            try:
                if (folder / DONE_MARK).is_file():
                    done[folder] = (folder / DONE_MARK).stat().st_mtime_ns
            except OSError as error:
                context.log.error(f"{folder.name} is not taken in: {_said(error)}")
        before = dict(json.loads(context.cursor or "{}"))
        asked = {path.name: before[path.name] for path in done if path.name in before}
        settled = known & set(opened.screens())
        new = [path for path in done if asked.get(path.name) != done[path] or path.name not in settled]
        # What took too long in a tick before comes last, so that several of that kind leave time for others.
        new.sort(key=lambda path: _TOOK_TOO_LONG.get(path) == done[path])
        looks = Looks(opened)
        try:
            for folder in in_time(new):
                written = done[folder]
                try:
                    looks.check(folder)
                    screen = register_screen(opened, folder)
                    if asked.get(screen.id) != written:
                        observed += new_observations(instance, opened, folder, external)
                        asked[screen.id] = written
                except Exception as error:  # whatever is wrong with it is wrong with it alone
                    if isinstance(error, TooLongError):
                        _TOOK_TOO_LONG[folder] = written
                    context.log.error(f"{folder.name} is not taken in: {_said(error)}")
                    continue
                requests.append(dg.RunRequest(partition_key=screen.id, run_key=f"{screen.id}:{written}"))
        finally:
            looks.end()
        unknown = [str(request.partition_key) for request in requests if request.partition_key not in known]
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[screens.build_add_request(unknown)] if unknown else [],
            asset_events=observed,
            cursor=json.dumps(asked),
        )

    return new_screens


def _said(error: Exception) -> str:
    """Why a folder is not taken in, and what helps."""
    if isinstance(error, PhenodoseError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error}; give this service the right to read the folder and everything in it."
    return f"this is a bug in phenodose ({type(error).__name__}: {error}); `phenodose run` with the folder says where."
