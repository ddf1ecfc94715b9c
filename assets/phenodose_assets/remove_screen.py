"""A screen's partition in Dagster, when the screen is taken out of the store.

Belongs here: refusing while a run of it is under way, and forgetting the partition. Does not belong here: the store's
files (`phenodose.screens.remove_screen`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from phenodose.errors import BusyError
from phenodose_assets.dead_runs import end_dead_runs
from phenodose_assets.instance import open_instance
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME

if TYPE_CHECKING:
    from phenodose.store.store import Store


def without_partition(store: Store, screen: str, remove: Callable[[], object]) -> None:
    """Call `remove` while no run works on the screen, then forget its partition; the history of runs stays.

    Raises:
        BusyError: a run of the screen is waiting or under way.
    """
    import dagster as dg

    with open_instance(store) as instance:
        end_dead_runs(instance)
        unfinished = [
            status
            for status in dg.DagsterRunStatus
            if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        ]
        runs = instance.get_runs(dg.RunsFilter(statuses=unfinished, tags={"dagster/partition": screen}))
        if runs:
            raise BusyError(
                f"run {runs[0].run_id} of screen {screen} is {runs[0].status.value.lower()}; wait for it, or end it in "
                "the Dagster UI."
            )
        remove()
        instance.delete_dynamic_partition(SCREEN_PARTITIONS_NAME, screen)
