"""Which executor runs the steps of a screen: as site.toml or the environment says.

Belongs here: the choice. Does not belong here: the executors themselves.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from phenodose.errors import InputError
from phenodose.io.places import is_remote
from phenodose.settings.cluster import EXECUTORS, ClusterSettings
from phenodose.settings.site import SITE_NAME, read_site
from phenodose.store.store import Store
from phenodose_assets.executors.work import LIGHT, TAG

#: A step needs about a second to start when forked from a process that has the definitions loaded.
_LOCAL = {
    "max_concurrent": 2,
    "start_method": {"forkserver": {"preload_modules": ["phenodose_assets.definitions"]}},
}
#: Seconds between two looks at whether steps are still there: of all steps of a run, one question to Slurm.
_HEALTH_S = 10
#: A step tells its own errors without failing; what is tried again is a process that was killed or ran out of memory.
AFTER_A_CRASH = dg.RetryPolicy(max_retries=1, delay=5)
#: A scheduler needs a while to see that a node is dead; who asks sooner is given the same node again. After 30 s, and
#: then 90 and 210.
AFTER_A_DEAD_NODE = dg.RetryPolicy(max_retries=3, delay=30, backoff=dg.Backoff.EXPONENTIAL)
#: Under Slurm a job is gone when Slurm says so, and then it gives that node to nobody. After 10, 30 and 70 s.
AFTER_A_DEAD_JOB = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL)
#: Of steps that may be tried again on another machine than the first time.
ELSEWHERE = (AFTER_A_DEAD_NODE, AFTER_A_DEAD_JOB)


def cluster_settings(store: Store, executor: str | None = None) -> ClusterSettings:
    """The table [cluster] of a store's site.toml.

    Args:
        store: the store.
        executor: what the environment says instead of the file; None for nothing.

    Raises:
        InputError: the table is faulty, or there is no such executor.
    """
    settings = read_site(store.root, {"cluster"}).cluster
    if executor is None:
        return settings
    if executor not in EXECUTORS:
        raise InputError(f"PHENODOSE_EXECUTOR={executor}: there is no such executor; known are {', '.join(EXECUTORS)}.")
    return settings.model_copy(update={"executor": executor})


def retries_of(settings: ClusterSettings) -> dg.RetryPolicy:
    """How a step is tried again whose process, job or machine is gone."""
    return {"local": AFTER_A_CRASH, "slurm": AFTER_A_DEAD_JOB}.get(settings.executor, AFTER_A_DEAD_NODE)


def pods_of(settings: ClusterSettings) -> dict[str, dict[str, object]]:
    """What pods of a kind of work have of their own, by kind; empty where steps are no pods."""
    return {str(kind): own for kind, own in settings.kubernetes_pods.items() if settings.executor == "kubernetes"}


def executor_of(settings: ClusterSettings, store: Store) -> dg.ExecutorDefinition:
    """The executor that the settings name.

    Raises:
        InputError: its package is not installed.
    """
    if settings.executor == "slurm":
        return _slurm_executor(settings, store)
    if settings.executor == "kubernetes":
        return _kubernetes_executor(settings)
    return dg.multiprocess_executor.configured(_LOCAL)


def _slurm_executor(settings: ClusterSettings, store: Store) -> dg.ExecutorDefinition:
    logs = settings.slurm.logs
    if logs is None and not is_remote(store.root):
        logs = store.root / ".cluster" / "logs"

    @dg.executor(name="slurm", requirements=dg.multiple_process_executor_requirements())
    def slurm(_: dg.InitExecutorContext) -> Any:
        # Not before a run: what is asked of the graph alone should not wait for them.
        from dagster._core.execution.retries import RetryMode

        from phenodose_assets.executors.resuming import ResumingExecutor
        from phenodose_assets.executors.slurm_steps import SlurmSteps

        return ResumingExecutor(
            SlurmSteps(settings.slurm, logs),
            retries=RetryMode.ENABLED,
            check_step_health_interval_seconds=_HEALTH_S,
            tag_concurrency_limits=[{"key": TAG, "value": LIGHT, "limit": settings.light_steps}],
        )

    return slurm


def _kubernetes_executor(settings: ClusterSettings) -> dg.ExecutorDefinition:
    try:
        from dagster_k8s import k8s_job_executor  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise InputError(
            f'{SITE_NAME}: [cluster] executor = "kubernetes" needs the package dagster-k8s; install phenodose with '
            "the extra `kubernetes`."
        ) from None
    from phenodose_assets.executors.resuming import mend_dagster

    mend_dagster()
    configured: dg.ExecutorDefinition = k8s_job_executor.configured(dict(settings.kubernetes))
    return configured
