"""An asset made in parts: one step names them, then each is a step of its own.

A part that fails does not fail the run: it gives nothing, and the asset's own step makes it again and tells the
fault, as it does for every other fault.

Belongs here: the Dagster form of `SubSteps`. Does not belong here: what the parts are (the asset's module).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from phenodose.pipeline.context import Context, SubSteps
from phenodose_assets.executors.work import tags_of

#: Name of the input of the asset's own step.
PARTS = "parts"


def sub_step_ops(
    node_name: str,
    parts: SubSteps,
    inputs: Sequence[str],
    config_class: type[dg.Config],
    step_of: Callable[[dg.OpExecutionContext, Any], Context],
    retries: dg.RetryPolicy | None = None,
    is_kept: Callable[[Context, dg.OpExecutionContext], bool] = lambda step, context: False,
    tags: Mapping[str, Any] | None = None,
) -> tuple[dg.OpDefinition, dg.OpDefinition]:
    """The step that names the parts, and the one that makes a part.

    Args:
        node_name: name of the asset in a run.
        parts: how they are named and made.
        inputs: names of the upstream products.
        config_class: the asset's parameters.
        step_of: what a make-function sees.
        retries: how a part is tried again whose process or machine is gone.
        is_kept: whether the run keeps the asset that there is, so that no part is made.
        tags: of both; if left out those of the kind of work.
    """

    def name(context: dg.OpExecutionContext, config: Any) -> Iterator[dg.DynamicOutput[str]]:
        step = step_of(context, config)
        try:
            names = [] if is_kept(step, context) else parts.names(step)
        except Exception as error:
            context.log.warning(f"there are no parts: {error}")
            names = []
        keys = [re.sub(r"\W", "_", each, flags=re.ASCII) for each in names]
        for number, (each, key) in enumerate(zip(names, keys, strict=True), start=1):
            yield dg.DynamicOutput(each, mapping_key=key if keys.count(key) == 1 else f"{key}_{number}")

    def make(context: dg.OpExecutionContext, config: Any, part: str) -> dict[str, Any]:
        try:
            return {"name": part, "result": parts.make(step_of(context, config), part)}
        except Exception as error:
            context.log.error(f"{part}: {error}")
            return {"name": part, "result": None}

    name.__annotations__["config"] = make.__annotations__["config"] = config_class
    needed = {"store", "listener", "networks"}
    naming = dg.op(
        name=f"parts_{node_name}",
        description="Names the parts",
        ins={each: dg.In(dg.Nothing) for each in inputs},
        out=dg.DynamicOut(str),
        required_resource_keys=needed,
        retry_policy=retries,
        tags=tags or tags_of(parts.work),
    )(name)
    making = dg.op(
        name=f"part_{node_name}",
        description="Makes one part",
        ins={"part": dg.In(str)},
        out=dg.Out(dict),
        required_resource_keys=needed,
        retry_policy=retries,
        tags=tags or tags_of(parts.work),
    )(make)
    return naming, making
