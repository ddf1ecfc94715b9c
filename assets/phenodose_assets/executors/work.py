"""What kind of work a step is, which decides where it runs: a tag of its op.

Belongs here: the kinds. Does not belong here: which asset is of which kind (`graph.steps` asks the asset's nature).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

#: Tag of an op.
TAG = "phenodose/work"
#: Tag of an op by which dagster-k8s knows what its pod has of its own.
POD_TAG = "dagster-k8s/config"

#: `plates` needs the raw folders; `tensors` many cores; `gpu` a graphics card; `light` takes about a second.
Work = Literal["light", "plates", "tensors", "gpu"]
LIGHT: Work = "light"
_KINDS: dict[str, Work] = {"plates": "plates", "tensors": "tensors", "gpu": "gpu"}


def tags_of(work: Work, pods: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The tags of an op.

    Args:
        work: its kind.
        pods: what pods of a kind of work have of their own, by kind; None or empty where steps are no pods.
    """
    return {TAG: work} | ({POD_TAG: dict(pods[work])} if pods and work in pods else {})


def work_of(tags: Mapping[str, str]) -> Work:
    """The kind of a step by its tags; light where nothing is said."""
    return _KINDS.get(tags.get(TAG, ""), LIGHT)
