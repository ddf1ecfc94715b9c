"""The schedule `verify_weekly`: checks every product of the store once a week. Off until somebody switches it on.

Belongs here: when a store is checked, and how the UI tells it. Does not belong here: checking
(`phenodose.lineage.verify_store`).
"""

from typing import Any

import dagster as dg

from phenodose_assets.graph.metadata import listed, numbers

VERIFY_JOB = "verify_store"
#: Sunday night.
_WHEN = "0 3 * * 0"


@dg.op(
    name="verify_products",
    required_resource_keys={"store"},
    description="Compares every product of every screen with what was noted when it was made; changes nothing",
    out=dg.Out(dg.Nothing),
)
def _verify(context: dg.OpExecutionContext) -> Any:
    from phenodose.lineage.verify_store import verify_store

    found = verify_store(context.resources.store.open())
    stale = [f"{screen}: {sentence}" for screen, sentences in found.stale.items() for sentence in sentences]
    for sentence in [*stale, *found.faults]:
        context.log.warning(sentence)
    shown = {
        "faults": listed(found.faults, "none"),
        "older than their inputs": listed(stale, "nothing"),
        "without a hash": listed(found.without_seal, "nothing"),
        **numbers(found.checked),
    }
    if found.faults:
        raise dg.Failure(f"{len(found.faults)} faults: {found.faults[0]}", metadata=shown, allow_retries=False)
    context.add_output_metadata(shown)


def verify_job() -> dg.JobDefinition:
    """The job that checks the whole store."""

    @dg.job(name=VERIFY_JOB, description="Checks every product of the store; changes nothing")
    def job() -> None:
        _verify()

    return job


def verify_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Asks for that job once a week, once somebody switches it on."""
    return dg.ScheduleDefinition(
        name="verify_weekly",
        job=job,
        cron_schedule=_WHEN,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Checks every product of the store once a week. Off until you switch it on.",
    )
