"""Taking a screen out of the store and out of Dagster, in one go.

Belongs here: refusing while a run of it is under way, forgetting its partition and runs, and the report of the screens
that stay. Does not belong here: the store's files (`phenodose.screens.remove_screen`), and Dagster's records
(`forgotten_runs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.errors import BusyError, PhenodoseError
from phenodose.io.machine_faults import fault_of_surroundings
from phenodose.screens.names_of import Names
from phenodose.screens.remove_screen import Removal, held_by, refuse_signed, remove_screen
from phenodose_assets.dead_runs import end_dead_runs
from phenodose_assets.forgotten_runs import forget_runs
from phenodose_assets.instance import open_instance
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME

if TYPE_CHECKING:
    from phenodose.store.store import Store


def remove_everywhere(store: Store, screen: str, signed_too: bool = False) -> Removal:
    """Remove a screen from the store, from Dagster and from what is made of all screens.

    Where Dagster's records cannot be opened, such as on a full disk, what is in the way goes first.

    Args:
        store: the store.
        screen: its id.
        signed_too: remove its signed reports, too.

    Raises:
        BusyError: a run of the screen is waiting or under way.
        InputError, StoreError: as `phenodose.screens.remove_screen.remove_screen`.
    """
    held_by(store, screen)
    if not signed_too:
        refuse_signed(store, screen)
    try:
        _refuse_while_running(store, screen)
    except Exception as error:
        if isinstance(error, PhenodoseError) or not fault_of_surroundings(error, store.local):
            raise
    removal = remove_screen(store, screen, lambda names: _forget(store, names), signed_too)
    if removal.had_cohort_report:
        _report_of_the_others(store, removal)
    return removal


def _refuse_while_running(store: Store, screen: str) -> None:
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


def _forget(store: Store, names: Names) -> list[str]:
    """Forget the partition and its runs; a sentence on what is left."""
    try:
        with open_instance(store) as instance:
            instance.delete_dynamic_partition(SCREEN_PARTITIONS_NAME, names.screen)
            return forget_runs(instance, names)
    except Exception as error:
        fault = fault_of_surroundings(error, store.local)
        if fault is None:
            raise
        return [f"Dagster's partition and runs of it, which could not be opened: {fault}"]


def _report_of_the_others(store: Store, removal: Removal) -> None:
    from phenodose.reports import build_cohort_report

    try:
        if not store.read_table("screens").empty:
            build_cohort_report(store)
    except Exception as error:
        fault = fault_of_surroundings(error, store.root) or error
        if not isinstance(fault, PhenodoseError):
            raise
        removal.left.append(f"nothing, but the report of the cohort is gone and could not be made anew: {fault}")
