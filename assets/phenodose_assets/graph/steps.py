"""The Dagster steps of the assets of a screen: one asset a step, or a batch of cheap ones.

Belongs here: how declared assets (`ScreenAsset`) become Dagster graphs. An asset has a graph of its own; the assets of
a batch, which need the same, share one, whose step makes those that are selected one after the other in one process.
Dagster abandons everything below a failed step, so the step `make` itself succeeds without an output for what failed,
and a second step, `failed`, raises the errors. An asset of its own gives them as a dynamic output, over which `failed`
is mapped, so that a run has the step only where there is an error; a batch gives one list to a `failed` that is skipped
where it is empty. Dagster skips a step if one upstream product is missing, save where an input is a list (a
fan-in): then only if all are missing. `any_of` is such an input.

Does not belong here: what happens while an asset is made (`screen_asset`).
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import dagster as dg

from phenodose.pipeline.context import Context
from phenodose_assets.executors.choice import AFTER_A_CRASH, ELSEWHERE
from phenodose_assets.executors.work import tags_of
from phenodose_assets.graph.checks import MADE
from phenodose_assets.graph.patience import patiently
from phenodose_assets.graph.screen_asset import OWNER, ScreenAsset
from phenodose_assets.graph.sub_steps import PARTS, sub_step_ops
from phenodose_assets.partitions import screens

_ANY_OF = "any_of"
_RESOURCES = {"store", "listener", "networks"}

#: What was wrong may have been mended since: the old error is not told as if it were of this run.
_TOLD_AGAIN = (
    "nothing was made again. In the run before this one failed: {}. 'From failure' begins after what failed; choose "
    "'From asset failure', or materialize these assets."
)

#: (table, part) of the files that hold rows derived from an asset.
Drops = Callable[[ScreenAsset], tuple[tuple[str, str], ...]]


def screen_definitions(
    assets: Sequence[ScreenAsset],
    drops: Drops = lambda asset: (),
    retries: dg.RetryPolicy | None = AFTER_A_CRASH,
    pods: Mapping[str, Any] | None = None,
) -> list[dg.AssetsDefinition]:
    """The Dagster assets.

    Args:
        assets: what is declared of them.
        drops: what is removed when an asset cannot be made.
        retries: how a step is tried again whose process, job or machine is gone; None for not at all.
        pods: what pods of a kind of work have of their own; see `executors.work.tags_of`.
    """
    batches: dict[tuple[Any, ...], list[ScreenAsset]] = {}
    for asset in assets:
        alone = not asset.batch or asset.pool is not None or asset.parts is not None
        batches.setdefault((asset.key,) if alone else (asset.batch, asset.needs, asset.any_of), []).append(asset)
    names: list[str] = []
    definitions = []
    for key, batch in batches.items():
        name = batch[0].node_name if len(key) == 1 else batch[0].batch
        names.append(name)
        many = names.count(name)
        definitions.append(
            _Steps(name if many == 1 else f"{name}_{many}", tuple(batch), drops, len(key) > 1, retries, pods).assets()
        )
    return definitions


@dg.op(
    name="arrived",
    description="Stands for one of several products of which one is enough",
    ins={"product": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
)
def _arrived() -> None:
    """Nothing to do: the step is skipped where the product is missing."""


@dataclass(frozen=True)
class _Steps:
    """The steps that make some assets which need the same."""

    name: str
    batch: tuple[ScreenAsset, ...]
    drops: Drops
    named: bool
    retries: dg.RetryPolicy | None
    pods: Mapping[str, Any] | None

    def assets(self) -> dg.AssetsDefinition:
        first = self.batch[0]
        external = dict.fromkeys(thing.key for asset in self.batch for thing in asset.external)
        needed = (*first.needs, *external)
        inputs = {f"need_{i}": key for i, key in enumerate(needed)}
        inputs |= {f"{_ANY_OF}_{i}": key for i, key in enumerate(first.any_of)}
        specs = [spec for asset in self.batch for spec in asset.check_specs()]
        output_names = [spec.get_python_identifier() for spec in specs]
        make, failed = self._make_op(specs, len(needed)), self._failed_op()
        results = [*(asset.node_name for asset in self.batch), *output_names]
        steps = ["make"] if first.parts is None else ["make", "parts", "part"]

        def compose(**upstream: Any) -> dict[str, Any]:
            arguments: dict[str, Any] = {name: value for name, value in upstream.items() if name.startswith("need_")}
            if first.any_of:
                arguments[_ANY_OF] = [value for name, value in upstream.items() if name.startswith(_ANY_OF)]
                if self.named:
                    # Dagster 1.13 loses a fan-in of a graph's own inputs when a part of its assets is selected.
                    arrivals = enumerate(arguments[_ANY_OF])
                    arguments[_ANY_OF] = [_arrived.alias(f"arrived_{i}")(product=value) for i, value in arrivals]
            if first.parts is not None:
                names, part = sub_step_ops(
                    self.name,
                    first.parts,
                    list(arguments),
                    first.config,
                    first.step,
                    self.retries,
                    first.is_kept,
                    tags_of(first.parts.work, self.pods),
                )
                arguments[PARTS] = names.alias("parts")(**arguments).map(part.alias("part")).collect()
            made = make.alias("make")(**arguments)
            errors = [getattr(made, asset.failure_output) for asset in self.batch]
            ended = failed.alias("failed")(errors) if self.named else errors[0].map(failed.alias("failed"))
            if len(self.batch) == 1:  # of a site without scorers, say: one output is no tuple
                ended = (ended,)
            outputs = {name: getattr(made, name) for name in results if hasattr(made, name)}
            return {**outputs, **dict(zip(map(_made_output, self.batch), ended, strict=True))}

        compose.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in inputs]
        )
        graph = dg.graph(
            name=self.name,
            ins={name: dg.GraphIn() for name in inputs},
            out={name: dg.GraphOut() for name in results},
            config=dg.ConfigMapping(
                config_fn=lambda config: {step: {"config": dict(config)} for step in steps},
                config_schema=self._form(),
            ),
        )(compose)
        return dg.AssetsDefinition.from_graph(
            graph,
            keys_by_input_name={name: _key(key) for name, key in inputs.items()},
            keys_by_output_name={asset.node_name: asset.asset_key for asset in self.batch},
            internal_asset_deps={asset.node_name: set(map(_key, _parents(asset))) for asset in self.batch},
            partitions_def=screens,
            group_names_by_output_name={asset.node_name: asset.place for asset in self.batch},
            descriptions_by_output_name={asset.node_name: asset.description for asset in self.batch},
            tags_by_output_name={asset.node_name: asset.tags() for asset in self.batch},
            owners_by_output_name={asset.node_name: [OWNER] for asset in self.batch},
            code_versions_by_output_name={asset.node_name: asset.code_version for asset in self.batch},
            can_subset=len(self.batch) > 1,
            check_specs=specs,
        )

    def _form(self) -> Any:
        """The launchpad form: of an asset its parameters, of a batch those of each of its assets."""
        if not self.named:
            return self.batch[0].config.to_config_schema()
        return {asset.node_name: dg.Field(asset.config.to_fields_dict(), is_required=False) for asset in self.batch}

    def _make_op(self, specs: Sequence[dg.AssetCheckSpec], n_needed: int) -> dg.OpDefinition:
        first = self.batch[0]
        inputs = {f"need_{i}": dg.In(dg.Nothing) for i in range(n_needed)}
        if first.any_of:
            inputs[_ANY_OF] = dg.In(dg.Nothing)
        keys = [asset.key for asset in self.batch]
        outputs = {}
        for asset in self.batch:
            outputs[asset.node_name] = dg.Out(dg.Nothing, is_required=False)
            error = dg.Out if self.named else dg.DynamicOut
            outputs[asset.failure_output] = error(dict, is_required=False)
        for spec in specs:
            if spec.name != MADE:
                outputs[spec.get_python_identifier()] = dg.Out(dg.Nothing, is_required=False)

        def made(asset: ScreenAsset, step: Context, context: dg.OpExecutionContext) -> Iterator[Any]:
            several = self.retries in ELSEWHERE
            events = patiently(lambda: asset.run(step, context, self.drops(asset)), context.log.warning, several)
            return events if self.named else map(partial(_mapped, asset), events)

        def alone(context: dg.OpExecutionContext, config: Any) -> Iterator[Any]:
            yield from made(first, first.step(context, config), context)

        def of_parts(context: dg.OpExecutionContext, config: Any, parts: list[dict[str, Any]]) -> Iterator[Any]:
            results = {part["name"]: part["result"] for part in parts if part["result"] is not None}
            yield from made(first, replace(first.step(context, config), parts=results), context)

        def together(context: dg.OpExecutionContext) -> Iterator[Any]:
            for asset in self.batch:
                if asset.node_name in context.selected_output_names:
                    config = asset.config(**context.op_config.get(asset.node_name, {}))
                    yield from made(asset, asset.step(context, config), context)

        run: Any = together if self.named else alone if first.parts is None else of_parts
        if first.parts is not None:
            inputs[PARTS] = dg.In(list)
        if not self.named:
            # Dagster makes the launchpad form of the annotation.
            run.__annotations__["config"] = first.config
        return dg.op(
            name=f"make_{self.name}",
            description=f"Makes one after the other {', '.join(keys)}" if self.named else first.description,
            ins=inputs,
            out=outputs,
            config_schema=self._form() if self.named else None,
            pool=first.pool,
            retry_policy=self.retries,
            required_resource_keys=_RESOURCES,
            tags=tags_of(first.work, self.pods),
        )(run)

    def _failed_op(self) -> dg.OpDefinition:
        keys = {asset.key: asset.asset_key for asset in self.batch}

        def raised(context: dg.OpExecutionContext, failures: Sequence[dict[str, Any]]) -> Iterator[Any]:
            if _only_told_again(context, f"{self.name}.make"):
                described = "; ".join(f"{failure['asset']} ({failure['message']})" for failure in failures)
                raise dg.Failure(description=_TOLD_AGAIN.format(described), allow_retries=False)
            for failure in failures:
                yield dg.AssetCheckResult(
                    asset_key=keys[failure["asset"]],
                    check_name=MADE,
                    passed=False,
                    description=failure["message"],
                    metadata={"error": failure["error"], "mendable": failure["mendable"]},
                )
            messages = [failure["message"] for failure in failures]
            if len(failures) > 1:
                messages = [f"{failure['asset']}: {failure['message']}" for failure in failures]
            raise dg.Failure(description="\n".join(messages), allow_retries=False)

        def of_batch(context: dg.OpExecutionContext, failures: list[dict[str, Any]]) -> Iterator[Any]:
            yield from raised(context, failures)

        def alone(context: dg.OpExecutionContext, failure: dict[str, Any]) -> Iterator[Any]:
            yield from raised(context, [failure])

        run: Any = of_batch if self.named else alone
        return dg.op(
            name=f"failed_{self.name}",
            description=f"Raises the error that ended {' or '.join(keys)}; runs only if there was one",
            ins={"failures": dg.In(list)} if self.named else {"failure": dg.In(dict)},
            out={_made_output(asset): dg.Out(dg.Nothing, is_required=False) for asset in self.batch},
        )(run)


def _only_told_again(context: dg.OpExecutionContext, make: str) -> bool:
    """Whether this run executes steps of an earlier one, and not that which makes the assets."""
    steps = context.run.step_keys_to_execute
    return context.run.parent_run_id is not None and steps is not None and make not in steps


def _mapped(asset: ScreenAsset, event: Any) -> Any:
    """What a step tells; its error as that of a dynamic output."""
    if isinstance(event, dg.Output) and event.output_name == asset.failure_output:
        return dg.DynamicOutput(event.value, mapping_key="error", output_name=event.output_name)
    return event


def _made_output(asset: ScreenAsset) -> str:
    """Output that stands for the check that the asset was made."""
    return next(spec.get_python_identifier() for spec in asset.check_specs() if spec.name == MADE)


def _parents(asset: ScreenAsset) -> tuple[str, ...]:
    return (*asset.needs, *asset.any_of, *(thing.key for thing in asset.external))


def _key(key: str) -> dg.AssetKey:
    return dg.AssetKey(key.split("/"))
