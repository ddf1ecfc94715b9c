"""On which machines the steps of a screen run: the table `[cluster]` of site.toml.

Belongs here: the settings, and what holds without them. Does not belong here: the executors
(`phenodose_assets.executors`), and Dagster's own instance (dagster.yaml).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: Where steps run. `local`: processes of this machine; `slurm`: heavy steps are jobs of Slurm; `kubernetes`: steps are
#: pods (needs the package dagster-k8s).
Executor = Literal["local", "slurm", "kubernetes"]
#: Kinds of work; see `phenodose_assets.executors.work`.
Kind = Literal["light", "plates", "tensors", "gpu"]
EXECUTORS: tuple[Executor, ...] = ("local", "slurm", "kubernetes")
#: Options of sbatch that are given by phenodose itself, and those that would break what it relies on.
_OURS = ("--job-name", "--output", "--error", "--parsable", "--wrap", "--array", "--requeue", "--no-requeue", "--wait")


def _options_of_jobs(options: tuple[str, ...]) -> tuple[str, ...]:
    for option in options:
        name = option.partition("=")[0]
        if not option.startswith("--") or any(character in option for character in "\n\r\0"):
            raise ValueError(f"{option!r} is no long option of sbatch; write '--name=value'")
        if name in _OURS:
            raise ValueError(f"{name} is given by phenodose itself; leave it out")
    return options


#: Long options of sbatch, such as "--partition=gpu".
JobOptions = Annotated[tuple[str, ...], AfterValidator(_options_of_jobs)]


class SlurmSettings(BaseModel):
    """How heavy steps become jobs of Slurm."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    options: JobOptions = Field((), description='Options of sbatch for every job, such as ["--partition=lab"]')
    plates: JobOptions = Field(
        (), description="Further ones for the ingest of plates, which needs the raw folders, such as --constraint=raw"
    )
    tensors: JobOptions = Field((), description="Further ones for tensors, such as --cpus-per-task=8")
    gpu: JobOptions = Field(("--gres=gpu:1",), description="Further ones for networks")
    python: str | None = Field(
        None, description="Python with phenodose on the nodes; if left out that of the coordinator, by its path"
    )
    logs: Path | None = Field(
        None,
        description="Folder that the nodes can write to, for what jobs print; if left out .cluster/logs in a store "
        "that is a folder, and nothing is kept for one in a bucket",
    )
    unreachable_s: float = Field(
        300, ge=0, description="How long Slurm may be out of reach before a step is given up, seconds"
    )


class ClusterSettings(BaseModel):
    """On which machines steps run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    executor: Executor = Field("local", description="Where steps run: local, slurm or kubernetes")
    light_steps: int = Field(
        2, ge=1, description="With slurm: how many light steps (layout, curves, scores, report) run at once here"
    )
    slurm: SlurmSettings = Field(SlurmSettings(), description="How heavy steps become jobs of Slurm")
    kubernetes: dict[str, object] = Field(
        {}, description="With kubernetes: configuration of dagster-k8s's k8s_job_executor, as its documentation has it"
    )
    kubernetes_pods: dict[Kind, dict[str, object]] = Field(
        {"gpu": {"container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}},
        description="With kubernetes: what pods of one kind of work (light, plates, tensors, gpu) have of their own, "
        "as dagster-k8s's tag dagster-k8s/config has it; if left out, networks ask for one graphics card",
    )
