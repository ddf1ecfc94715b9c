"""One asset of a screen: how a make-function becomes a Dagster asset.

Belongs here: `ScreenAsset` (an asset declared as data) and its Dagster form. Every asset follows the same
rules:

- A make-function that raises `NotMade` is skipped with its reason (warning, asset observation).
  Whatever needs the product is skipped with it; whatever takes any of several products goes on.
- A make-function that fails turns the run red, but stops only what needs its product. Dagster abandons
  everything below a failed step, so the step `make` itself succeeds without an output and a second
  step, `failed`, raises the error. It runs in no other case.
- A product whose quality blocks (`Result.blocked`) is such a failure too: its own files stay to be looked at,
  those of what needs it are removed.
- A written file that does not fit its table's declaration is such a failure: the check `schema` blocks.
  (Dagster's own `blocking` cannot be combined with a fan-in.)
- Dagster skips a step if one upstream product is missing, save where an input is a list (a fan-in): then
  only if all are missing. `any_of` is such an input.

Does not belong here: any product's own work (the modules named after the asset groups).
"""

import inspect
import re
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from phenodose.errors import NotMade, PhenodoseError, TableError
from phenodose.io.places import client_fault
from phenodose.lineage.record import content_version, record_step
from phenodose.pipeline.context import Context, Make, Result, SubSteps, Verdict
from phenodose_assets.external import ExternalAsset, settings_of
from phenodose_assets.graph.checks import MADE, SCHEMA, schema_verdict
from phenodose_assets.graph.config import Settings, config_class, said
from phenodose_assets.graph.metadata import numbers
from phenodose_assets.graph.sub_steps import PARTS, sub_step_ops
from phenodose_assets.networks import StepNetworks
from phenodose_assets.partitions import screens
from phenodose_assets.resources import StepEvent

OWNER = "team:phenodose"
_ANY_OF = "any_of"
#: A step tells its own errors without failing; what is tried again is a process that was killed or ran out of memory.
AFTER_A_CRASH = dg.RetryPolicy(max_retries=1, delay=5)


@dataclass(frozen=True)
class ScreenAsset:
    """An asset with one partition a screen, declared as data.

    Attributes:
        key: asset key as text, such as `viability/ctg`.
        group: asset group, a stage of the pipeline.
        description: one sentence for the UI.
        make: the function that makes it.
        needs: assets without which it cannot be made.
        any_of: assets of which one is enough.
        settings: its tables of parameters: the launchpad form, and the tables of screen.toml's [parameters].
        kinds: what it is made of, shown as icons.
        checks: its quality checks, name -> description.
        tables: (table, part) of every Parquet file that it writes; each is checked against its declaration.
        code_version: version of the plugin; the UI shows what an older one made.
        pool: pool of which a run takes one slot; None for unlimited.
        parts: how it is made in parts, each a step; None for one step.
        reads: what it is made from that no asset makes, beside its parameters.
    """

    key: str
    group: str
    description: str
    make: Make
    needs: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    settings: Settings = ()
    kinds: frozenset[str] = frozenset()
    checks: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[tuple[str, str], ...] = ()
    code_version: str | None = None
    pool: str | None = None
    parts: SubSteps | None = None
    reads: tuple[ExternalAsset, ...] = ()

    @property
    def external(self) -> tuple[ExternalAsset, ...]:
        """What it is made from that no asset makes: raw files and settings."""
        tables = [(name, tuple(model.model_fields)) for name, model in self.settings]
        return (*self.reads, *(settings_of(name, fields) for name, fields in tables if fields))

    @property
    def _inputs(self) -> tuple[str, ...]:
        """Keys of everything without which the step does not start."""
        return (*self.needs, *(thing.key for thing in self.external))

    @property
    def asset_key(self) -> dg.AssetKey:
        """The Dagster asset key."""
        return dg.AssetKey(self.key.split("/"))

    @property
    def node_name(self) -> str:
        """Name of the asset in a run's configuration: `ops.<node_name>.config`."""
        return re.sub(r"\W", "_", self.key.replace("/", "__"), flags=re.ASCII)

    def check_specs(self) -> list[dg.AssetCheckSpec]:
        """The asset's checks, one result a screen: it was made, its tables fit, and its own."""
        checks = {MADE: "The step came to its end"}
        if self.tables:
            names = ", ".join(sorted({table for table, _ in self.tables}))
            checks[SCHEMA] = f"Files fit their declaration: {names}"
        with warnings.catch_warnings():
            # Dagster calls checks with partitions a preview.
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return [
                dg.AssetCheckSpec(name, asset=self.asset_key, description=text, partitions_def=screens)
                for name, text in {**checks, **self.checks}.items()
            ]

    def definition(self, drops: tuple[tuple[str, str], ...] = ()) -> dg.AssetsDefinition:
        """The Dagster asset.

        Args:
            drops: (table, part) of the files that hold rows derived from this asset; they are removed when
                it cannot be made, so that no table tells what the screen no longer shows.
        """
        specs = self.check_specs()
        inputs = {f"need_{i}": key for i, key in enumerate(self._inputs)}
        inputs |= {f"{_ANY_OF}_{i}": key for i, key in enumerate(self.any_of)}
        make, failed = self._make_op(specs, drops), self._failed_op()
        steps = ["make"] if self.parts is None else ["make", "parts", "part"]
        check_outputs = {spec.name: spec.get_python_identifier() for spec in specs}

        def compose(**upstream: Any) -> dict[str, Any]:
            arguments: dict[str, Any] = {name: value for name, value in upstream.items() if name.startswith("need_")}
            if self.any_of:
                arguments[_ANY_OF] = [value for name, value in upstream.items() if name.startswith(_ANY_OF)]
            if self.parts is not None:
                names, part = sub_step_ops(self.node_name, self.parts, list(arguments), self._config(), self._step)
                arguments[PARTS] = names.alias("parts")(**arguments).map(part.alias("part")).collect()
            made = make.alias("make")(**arguments)
            outputs = {name: getattr(made, name) for name in ("result", *check_outputs.values()) if hasattr(made, name)}
            return {**outputs, check_outputs[MADE]: failed.alias("failed")(made.failure)}

        compose.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in inputs]
        )
        graph = dg.graph(
            name=self.node_name,
            ins={name: dg.GraphIn() for name in inputs},
            out={name: dg.GraphOut() for name in ("result", *check_outputs.values())},
            config=dg.ConfigMapping(
                config_fn=lambda config: {step: {"config": dict(config)} for step in steps},
                config_schema=self._config().to_config_schema(),
            ),
        )(compose)
        return dg.AssetsDefinition.from_graph(
            graph,
            keys_by_input_name={name: dg.AssetKey(key.split("/")) for name, key in inputs.items()},
            keys_by_output_name={"result": self.asset_key},
            partitions_def=screens,
            group_name=self.group,
            descriptions_by_output_name={"result": self.description},
            tags_by_output_name={"result": self._tags()},
            owners_by_output_name={"result": [OWNER]},
            code_versions_by_output_name={"result": self.code_version},
            check_specs=specs,
        )

    def _tags(self) -> dict[str, str]:
        """Tags of the asset: its kinds, and by what the UI can search: `tag:"phenodose/plugin"="cnn"`."""
        tags = {f"dagster/kind/{kind}": "" for kind in sorted(self.kinds)}
        if self.code_version is not None:
            tags["phenodose/plugin"] = self.settings[0][0] if self.settings else self.key.split("/")[-1]
        if self.pool is not None:
            tags["phenodose/pool"] = self.pool
        return tags

    def _config(self) -> type[dg.Config]:
        return config_class(self.settings)

    def _make_op(self, specs: list[dg.AssetCheckSpec], drops: tuple[tuple[str, str], ...]) -> dg.OpDefinition:
        inputs = {f"need_{i}": dg.In(dg.Nothing) for i in range(len(self._inputs))}
        if self.any_of:
            inputs[_ANY_OF] = dg.In(dg.Nothing)
        outputs = {"result": dg.Out(dg.Nothing, is_required=False), "failure": dg.Out(dict, is_required=False)}
        for spec in specs:
            if spec.name != MADE:
                outputs[spec.get_python_identifier()] = dg.Out(dg.Nothing, is_required=False)

        def alone(context: dg.OpExecutionContext, config: Any) -> Iterator[Any]:
            yield from self._run(self._step(context, config), context, drops)

        def of_parts(context: dg.OpExecutionContext, config: Any, parts: list[dict[str, Any]]) -> Iterator[Any]:
            results = {part["name"]: part["result"] for part in parts if part["result"] is not None}
            yield from self._run(replace(self._step(context, config), parts=results), context, drops)

        run: Any = alone
        if self.parts is not None:
            inputs[PARTS], run = dg.In(list), of_parts
        # Dagster makes the launchpad form of the annotation.
        run.__annotations__["config"] = self._config()
        return dg.op(
            name=f"make_{self.node_name}",
            description=self.description,
            ins=inputs,
            out=outputs,
            pool=self.pool,
            retry_policy=AFTER_A_CRASH,
            required_resource_keys={"store", "listener", "networks"},
        )(run)

    def _failed_op(self) -> dg.OpDefinition:
        @dg.op(
            name=f"failed_{self.node_name}",
            description=f"Raises the error that ended {self.key}; runs only if there was one",
            ins={"failure": dg.In(dict)},
            out={MADE: dg.Out(dg.Nothing, is_required=False)},
        )
        def failed(context: dg.OpExecutionContext, failure: dict[str, Any]) -> Iterator[Any]:
            yield dg.AssetCheckResult(
                check_name=MADE,
                passed=False,
                description=failure["message"],
                metadata={"error": failure["error"], "mendable": failure["mendable"]},
            )
            raise dg.Failure(description=failure["message"], allow_retries=False)

        return failed

    def _run(self, step: Context, context: dg.OpExecutionContext, drops: tuple[tuple[str, str], ...]) -> Iterator[Any]:
        listener = context.resources.listener
        started_at, clock = datetime.now(UTC), time.monotonic()
        listener(StepEvent(self.key, "started"))
        try:
            product = self.make(step)
            verdicts = list(product.verdicts)
            if self.tables:
                schema = schema_verdict(step.store, step.screen_id, self.tables)
                verdicts.append(schema)
                if not schema.passed:
                    yield _check_result(schema)
                    raise TableError(schema.description)
            now = datetime.now(UTC)
            record_step(step, started_at, now, product.plugin, product.inputs)
        except NotMade as reason:
            for table, part in drops:
                step.store.drop_table_part(table, step.screen_id, part)
            yield from self._skipped(context, str(reason))
            listener(StepEvent(self.key, "skipped", message=str(reason)))
            return
        except Exception as raised:
            error = client_fault(raised, step.store.root) or raised
            mendable = isinstance(error, PhenodoseError)
            message = str(error) if mendable else f"{type(error).__name__}: {error}"
            details = "" if mendable else traceback.format_exc()
            context.log.error(details or message)
            yield dg.Output({"message": message, "error": type(error).__name__, "mendable": mendable}, "failure")
            seconds = time.monotonic() - clock
            listener(StepEvent(self.key, "failed", 0, 0, message, seconds, mendable, details))
            return
        seconds = time.monotonic() - clock
        if product.blocked:
            for table, part in set(drops) - set(self.tables):
                step.store.drop_table_part(table, step.screen_id, part)
            for verdict in verdicts:
                yield _check_result(verdict)
            context.log.error(product.blocked)
            yield dg.Output({"message": product.blocked, "error": "QualityBlock", "mendable": True}, "failure")
            listener(StepEvent(self.key, "failed", 0, 0, product.blocked, seconds, True))
            return
        version = content_version(step, self.tables, product.inputs)
        shown = {**self._shown(context, product), **numbers({"seconds": seconds})}
        with warnings.catch_warnings():
            # Dagster calls versions of its own outputs a beta.
            warnings.simplefilter("ignore", dg.BetaWarning)
            output = dg.Output(None, "result", metadata=shown, data_version=dg.DataVersion(version))
        yield output
        for verdict in verdicts:
            yield _check_result(verdict)
        yield self._made_evaluation(step.screen_id, "made")
        listener(StepEvent(self.key, "made", seconds=seconds))

    def _step(self, context: dg.OpExecutionContext, config: dg.Config) -> Context:
        listener, resource = context.resources.listener, context.resources.store
        store = resource.open()
        screen, told = context.partition_key, -1

        def progress(done: int, total: int, message: str) -> None:
            nonlocal told
            listener(StepEvent(self.key, "progress", done, total, message))
            tenth = 10 * done // total if total else 0
            if tenth != told:
                told = tenth
                context.log.info(f"{done} of {total} {message}".rstrip())

        def observe(shown: Mapping[str, Any]) -> None:
            context.log_event(dg.AssetObservation(self.asset_key, partition=screen, metadata=shown))

        return Context(
            asset=self.key,
            screen_id=screen,
            run_id=context.run_id,
            store=store,
            source=lambda: resource.source_of(screen),
            launchpad=said(config),
            settings={name: frozenset(model.model_fields) for name, model in self.settings},
            log=context.log,
            progress=progress,
            networks=StepNetworks(context.resources.networks, context, store),
            observe=observe,
        )

    def _shown(self, context: dg.OpExecutionContext, product: Result) -> Mapping[str, Any]:
        try:
            return product.show()
        except Exception as error:
            context.log.error(f"{self.key} is made, but cannot be shown:\n{traceback.format_exc()}")
            return {"cannot be shown": f"{type(error).__name__}: {error}"}

    def _skipped(self, context: dg.OpExecutionContext, reason: str) -> Iterator[Any]:
        context.log.warning(f"{self.key} is skipped: {reason}")
        yield dg.AssetObservation(self.asset_key, partition=context.partition_key, metadata={"skipped": reason})
        yield self._made_evaluation(context.partition_key, f"skipped: {reason}")

    def _made_evaluation(self, screen: str, outcome: str) -> dg.AssetCheckEvaluation:
        # The check's own output belongs to the step `failed`, so that its passing is told as an event.
        return dg.AssetCheckEvaluation(
            asset_key=self.asset_key,
            check_name=MADE,
            passed=True,
            description=outcome,
            metadata={},
            partition=screen,
        )


def _check_result(verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=verdict.check,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if verdict.error else dg.AssetCheckSeverity.WARN,
        description=verdict.description,
        metadata=dict(verdict.metadata),
    )
