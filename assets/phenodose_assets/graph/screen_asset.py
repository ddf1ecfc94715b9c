"""One asset of a screen: what is declared of it, and what happens when it is made.

Belongs here: `ScreenAsset` (an asset declared as data) and the run of its make-function. Every asset follows the same
rules:

- A make-function that raises `NotMade` is skipped with its reason (warning, asset observation).
  Whatever needs the product is skipped with it; whatever takes any of several products goes on.
- A make-function that fails turns the run red, but stops only what needs its product (`steps` says how).
- A product whose quality blocks (`Result.blocked`) is such a failure too: its own files stay to be looked at,
  those of what needs it are removed.
- A written file that does not fit its table's declaration is such a failure: the check `schema` blocks.
  (Dagster's own `blocking` cannot be combined with a fan-in.)

Does not belong here: Dagster's steps (`steps`), and any product's own work (the modules named after the asset
groups).
"""

import re
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import dagster as dg

from phenodose.errors import BusyError, NotMade, PhenodoseError, TableError
from phenodose.io.machine_faults import fault_of_surroundings
from phenodose.lineage.record import Made, content_version, record_not_made, record_step, versions_now
from phenodose.pipeline.context import Context, Make, Result, SubSteps, Verdict
from phenodose.store.store import Store
from phenodose_assets.executors.work import LIGHT, Work
from phenodose_assets.external import ExternalAsset, settings_of
from phenodose_assets.graph.checks import MADE, SCHEMA, quality_verdicts, schema_verdict
from phenodose_assets.graph.config import Settings, config_class, said
from phenodose_assets.graph.kept import kept_version, shown_before
from phenodose_assets.graph.metadata import listed, numbers
from phenodose_assets.networks import StepNetworks
from phenodose_assets.partitions import screens
from phenodose_assets.resources import StepEvent

OWNER = "team:phenodose"
#: Pool of what a graphics card makes: as many at once as there are cards.
GPU_POOL = "gpu"
#: What a check says that was not carried out.
_NO_SUCH_FIGURE, _NOT_MADE = "not looked at: the screen has no such figure", "not looked at: the asset was not made"


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
        optional_tables: likewise of those that it writes only where a screen asks for them.
        code_version: version of the plugin; the UI shows what an older one made.
        pool: pool of which a run takes one slot; None for unlimited.
        parts: how it is made in parts, each a step; None for one step.
        reads: what it is made from that no asset makes, beside its parameters.
        batch: cheap assets of one batch are made one after the other in one step; '' for a step of its own.
        family: assets of one family lie together within their group, where people look at the graph; '' for none.
        lacks: whether a screen of the store can surely have no such product; asked before a run, None for never.
        cores: whether it keeps many cores busy for long, so that a cluster gives it a job of its own.
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
    optional_tables: tuple[tuple[str, str], ...] = ()
    code_version: str | None = None
    pool: str | None = None
    parts: SubSteps | None = None
    reads: tuple[ExternalAsset, ...] = ()
    batch: str = ""
    family: str = ""
    lacks: Callable[[Store, str], bool] | None = None
    cores: bool = False

    @property
    def work(self) -> Work:
        """What kind of work it is, which decides where it runs."""
        if self.parts is not None:
            return self.parts.work
        return "gpu" if self.pool == GPU_POOL else "tensors" if self.cores else LIGHT

    @property
    def external(self) -> tuple[ExternalAsset, ...]:
        """What it is made from that no asset makes: raw files and settings."""
        tables = [(name, tuple(model.model_fields)) for name, model in self.settings]
        return (*self.reads, *(settings_of(name, fields) for name, fields in tables if fields))

    @property
    def place(self) -> str:
        """Where it lies in the graph that people see: its group, or a group within that."""
        return f"{self.group}/{self.family}" if self.family else self.group

    @property
    def asset_key(self) -> dg.AssetKey:
        """The Dagster asset key."""
        return dg.AssetKey(self.key.split("/"))

    @property
    def node_name(self) -> str:
        """Its name in a run's configuration: `ops.<node_name>.config`, in a batch `ops.<batch>.config.<node_name>`."""
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

    def tags(self) -> dict[str, str]:
        """Tags of the asset: its kinds, and by what the UI can search: `tag:"phenodose/plugin"="cnn"`."""
        tags = {f"dagster/kind/{kind}": "" for kind in sorted(self.kinds)}
        if self.code_version is not None:
            tags["phenodose/plugin"] = self.settings[0][0] if self.settings else self.key.split("/")[-1]
        if self.pool is not None:
            tags["phenodose/pool"] = self.pool
        return tags

    @property
    def config(self) -> type[dg.Config]:
        """The launchpad form of its parameters."""
        return config_class(self.settings)

    @property
    def failure_output(self) -> str:
        """Output of the step that tells why the asset failed."""
        return f"failure_{self.node_name}"

    def run(self, step: Context, context: dg.OpExecutionContext, drops: tuple[tuple[str, str], ...]) -> Iterator[Any]:
        """Make it and tell Dagster what became of it.

        Args:
            step: what the make-function sees.
            context: of the Dagster step.
            drops: (table, part) of the files that hold rows derived from this asset; they are removed when
                it cannot be made, so that no table tells what the screen no longer shows.
        """
        listener, screen = context.resources.listener, step.screen_id
        started_at, clock = datetime.now(UTC), time.monotonic()
        verdicts: list[Verdict] = []
        listener(StepEvent(self.key, "started"))
        try:
            made_from = versions_now(step, (*self.needs, *self.any_of), self.external)
            if version := kept_version(step, context, made_from):
                again = list(self._verdicts_again(step))
                yield self._output(version, shown_before(step, context))
                yield from self._told(screen, again, _NO_SUCH_FIGURE)
                listener(StepEvent(self.key, "made", seconds=time.monotonic() - clock))
                return
            with step.store.making(screen, self.key):
                try:
                    product = self.make(step)
                    tables = self._written(step)
                    if tables:
                        schema = schema_verdict(step.store, screen, tables)
                        verdicts.append(schema)
                        if not schema.passed:
                            raise TableError(schema.description)
                    verdicts = [*product.verdicts, *verdicts]
                    now = datetime.now(UTC)
                    version = content_version(step, tables, product.inputs)
                    made = Made(None if version == step.run_id else version, made_from, tables)
                    record_step(step, started_at, now, product.plugin, product.inputs, product.notes, made)
                except NotMade:
                    for table, part in drops:
                        step.store.drop_table_part(table, step.screen_id, part)
                    raise
        except NotMade as reason:
            why = step.told(str(reason))
            self._note(step, context, "skipped", why)
            yield from self._skipped(context, why)
            listener(StepEvent(self.key, "skipped", message=why))
            return
        except Exception as raised:
            error = fault_of_surroundings(raised, step.store.root) or raised
            mendable = isinstance(error, PhenodoseError)
            message = step.told(str(error)) if mendable else f"{type(error).__name__}: {error}"
            details = "" if mendable else traceback.format_exc()
            context.log.error(details or message)
            if not isinstance(error, BusyError):  # another process makes it, and tells what becomes of it
                self._note(step, context, "failed", message)
            yield from self._told(screen, verdicts, _NOT_MADE)
            yield self._failure(message, type(error).__name__, mendable)
            seconds = time.monotonic() - clock
            listener(StepEvent(self.key, "failed", 0, 0, message, seconds, mendable, details))
            return
        seconds = time.monotonic() - clock
        if product.blocked:
            for table, part in set(drops) - {*self.tables, *self.optional_tables, ("runs", self.key)}:
                step.store.drop_table_part(table, step.screen_id, part)
            yield from self._told(screen, verdicts, _NO_SUCH_FIGURE)
            context.log.error(product.blocked)
            self._note(step, context, "failed", product.blocked)
            yield self._failure(product.blocked, "QualityBlock", mendable=True)
            listener(StepEvent(self.key, "failed", 0, 0, product.blocked, seconds, True))
            return
        for note in product.notes:
            context.log.warning(note)
        shown = {**self._shown(context, product), **numbers({"seconds": seconds})}
        if product.notes:
            shown["notes"] = listed(product.notes, "none")
        yield self._output(version, shown)
        yield from self._told(screen, [*verdicts, Verdict(MADE, True, "made")], _NO_SUCH_FIGURE)
        listener(StepEvent(self.key, "made", seconds=seconds, notes=tuple(product.notes)))

    def is_kept(self, step: Context, context: dg.OpExecutionContext) -> bool:
        """Whether the run keeps the product that there is."""
        return kept_version(step, context, versions_now(step, (*self.needs, *self.any_of), self.external)) is not None

    def _verdicts_again(self, step: Context) -> Iterator[Verdict]:
        """The outcomes of the checks of a product that is kept: Dagster shows those of the last run only."""
        if tables := self._written(step):
            yield schema_verdict(step.store, step.screen_id, tables)
        if ("qc", self.key) in self.tables:
            yield from quality_verdicts(step.store.read_table("qc", step.screen_id, self.key), step.limits)
        yield Verdict(MADE, True, "made before, and kept: nothing that it was made from has changed")

    def _output(self, version: str, shown: Mapping[str, Any]) -> dg.Output[None]:
        with warnings.catch_warnings():
            # Dagster calls versions of its own outputs a beta.
            warnings.simplefilter("ignore", dg.BetaWarning)
            return dg.Output(None, self.node_name, metadata=shown, data_version=dg.DataVersion(version))

    def _written(self, step: Context) -> tuple[tuple[str, str], ...]:
        """(table, part) of the files that it should have written, and of those that it was asked to write."""
        store, screen = step.store, step.screen_id
        asked = (one for one in self.optional_tables if store.stored_schema(one[0], screen, one[1]) is not None)
        return (*self.tables, *asked)

    def step(self, context: dg.OpExecutionContext, config: dg.Config) -> Context:
        """What its make-function sees."""
        listener, resource = context.resources.listener, context.resources.store
        store = resource.open()
        screen, last_tenth = context.partition_key, -1

        def progress(done: int, total: int, message: str) -> None:
            nonlocal last_tenth
            listener(StepEvent(self.key, "progress", done, total, message))
            tenth = 10 * done // total if total else 0
            if tenth != last_tenth:
                last_tenth = tenth
                context.log.info(f"{done} of {total} {message}".rstrip())

        def say(sentence: str) -> None:
            listener(StepEvent(self.key, "said", message=sentence))

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
            say=say,
            observe=observe,
        )

    def _shown(self, context: dg.OpExecutionContext, product: Result) -> Mapping[str, Any]:
        try:
            return product.show()
        except Exception as error:
            context.log.error(f"{self.key} is made, but cannot be shown:\n{traceback.format_exc()}")
            return {"cannot be shown": f"{type(error).__name__}: {error}"}

    def _note(
        self, step: Context, context: dg.OpExecutionContext, outcome: Literal["failed", "skipped"], why: str
    ) -> None:
        """Let the store know; where it cannot be written (a full disk may be why), the run tells all the same."""
        try:
            record_not_made(step, outcome, why)
        except (PhenodoseError, OSError) as error:
            context.log.warning(f"{self.key}: the store cannot note that it was not made: {error}")

    def _skipped(self, context: dg.OpExecutionContext, reason: str) -> Iterator[Any]:
        context.log.warning(f"{self.key} is skipped: {reason}")
        yield dg.AssetObservation(self.asset_key, partition=context.partition_key, metadata={"skipped": reason})
        yield from self._told(context.partition_key, [Verdict(MADE, True, f"skipped: {reason}")], _NOT_MADE)

    def _failure(self, message: str, error: str, mendable: bool) -> dg.Output[dict[str, Any]]:
        facts = {"asset": self.key, "message": message, "error": error, "mendable": mendable}
        return dg.Output(facts, self.failure_output)

    def _told(self, screen: str, verdicts: Sequence[Verdict], otherwise: str) -> Iterator[dg.AssetCheckEvaluation]:
        """The outcomes of all checks but `made`, which is told where it is among the verdicts.

        Dagster shows a check of which nothing is told as failed, as soon as anything else of the run fails; and beside
        the asset it shows what came last, of whichever screen.
        """
        known = {verdict.check for verdict in verdicts}
        declared = [SCHEMA, *self.checks] if self.tables else list(self.checks)
        others = [Verdict(name, True, otherwise) for name in declared if name not in known]
        for verdict in (*verdicts, *others):
            yield self._evaluation(screen, verdict)

    def _evaluation(self, screen: str, verdict: Verdict) -> dg.AssetCheckEvaluation:
        """The outcome of a check as an event; as an output of the step it would be two."""
        return dg.AssetCheckEvaluation(
            asset_key=self.asset_key,
            check_name=verdict.check,
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR if verdict.error else dg.AssetCheckSeverity.WARN,
            description=verdict.description,
            metadata=dict(verdict.metadata),
            partition=screen,
        )
