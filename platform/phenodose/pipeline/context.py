"""One step: what a make-function sees of its run, and what it gives back.

Belongs here: `Context` (screen, store, parameters, log, progress), `Result` (metadata, checks, lineage)
and `Verdict`. Does not belong here: Dagster's events (`screen_asset` makes them) and any science.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from pydantic import ValidationError

from phenodose.errors import Faults, NotMade, PhenodoseError
from phenodose.lineage.provenance import Provenance
from phenodose.plugins import Parameters, Plugin, Progress, Readout, Registry, no_progress, plugins_of
from phenodose.screens.raw_copy import keep, screen_at
from phenodose.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from phenodose.lineage.record import Inputs
    from phenodose.pipeline.normalisation import Normalisation
    from phenodose.quality.gates import Limits
    from phenodose.screens.screen import Screen
    from phenodose.viability.controls import Controls

AnyPlugin = TypeVar("AnyPlugin", bound=Plugin)
AnyParameters = TypeVar("AnyParameters", bound=Parameters)


@dataclass(frozen=True)
class Verdict:
    """The result of one asset check.

    Attributes:
        check: name of the check, one of those the asset declares.
        passed: False raises the flag in the UI.
        description: the result in plain words.
        metadata: the figures it rests on.
        error: True if a failure is an error and not a warning.
    """

    check: str
    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: bool = False


@dataclass(frozen=True)
class Result:
    """What a make-function gives back beside the files and rows it wrote.

    Attributes:
        show: makes what the UI shows of the materialization; a fault in it does not undo the product.
        verdicts: results of the asset's checks.
        plugin: the plugin that ran, if one did.
        inputs: names and hashes of what was read.
        blocked: why nothing that needs the product may be made, though it is there; '' if all may.
        notes: a sentence on everything that was left out, shared or doubtful.
    """

    show: Callable[[], Mapping[str, Any]]
    verdicts: Sequence[Verdict] = ()
    plugin: Plugin | None = None
    inputs: Inputs = field(default_factory=dict)
    blocked: str = ""
    notes: Sequence[str] = ()


#: A network's job: what is asked, a progress listener, a log -> the answer; question and answer are JSON.
NetworkJob = Callable[[Mapping[str, Any], Progress, logging.Logger], Mapping[str, Any]]


class Networks(Protocol):
    """Runs the jobs of networks, each a function of a module."""

    @property
    def is_running(self) -> bool:
        """True if a process for networks is running, in which further jobs are best done."""

    def __call__(
        self, job: NetworkJob, request: Mapping[str, Any], progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """Run a job and wait for its answer."""


class NetworksHere:
    """Runs the jobs of networks in this process."""

    is_running = False

    def __call__(
        self, job: NetworkJob, request: Mapping[str, Any], progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """Run a job."""
        return job(request, progress, logging.getLogger("phenodose_assets"))


@dataclass(frozen=True)
class Context:
    """What a make-function sees: one asset of one screen in one run.

    Attributes:
        asset: asset key as text, such as `viability/ctg`.
        screen_id: screen id, the partition key.
        run_id: run that the step belongs to.
        store: where products lie.
        source: the raw screen folder.
        launchpad: parameters that the launchpad or the command line named.
        settings: fields of each table of parameters that the step has, by the table's name.
        log: the step's log.
        progress: told after every finished part of long work.
        networks: runs the jobs of networks, in a process of their own.
        say: says a sentence to the person at once, on the terminal of the command.
        observe: shows figures and pictures of the asset while it is being made.
        parts: what the asset's parts gave, by their names; parts that failed are missing.
    """

    asset: str
    screen_id: str
    run_id: str
    store: Store
    source: Callable[[], Path]
    launchpad: Mapping[str, Any]
    settings: Mapping[str, frozenset[str]]
    log: logging.Logger
    progress: Progress
    networks: Networks = field(default_factory=lambda: NetworksHere())
    say: Callable[[str], None] = field(default=lambda sentence: None)
    observe: Callable[[Mapping[str, Any]], None] = field(default=lambda shown: None)
    parts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def screen(self) -> Screen:
        """The raw screen folder, looked at afresh; where this machine has none, the store's copy of its small files.

        Who sees the folder brings the copy up to date, so that steps on other machines see the same.
        """
        screen = screen_at(self.source(), self.store, self.plugins.plate_reader_folders())
        try:
            keep(self.store, screen)
        except (PhenodoseError, OSError) as error:
            self.log.warning(f"the store's copy of the raw files stays as it was: {error}")
        return screen

    def told(self, text: str) -> str:
        """What is said of the screen's files, with the names that people know them by."""
        known = self.__dict__.get("screen")
        return text if known is None else known.told(text)

    @cached_property
    def plugins(self) -> Registry:
        """What is installed, as the store's site.toml says.

        Raises:
            InputError: the tables of site.toml about plugins are faulty.
        """
        return plugins_of(self.store)

    @cached_property
    def limits(self) -> Limits:
        """Limits of quality metrics: those of screen.toml over those of the store's site.toml over the defaults.

        Raises:
            InputError: a file names an unknown figure, or limits that contradict each other.
        """
        from phenodose.settings.quality import resolve_limits
        from phenodose.settings.site import read_site

        site, own = read_site(self.store.root), self.screen.settings
        return resolve_limits(site.quality, own.quality, site.wells, own.wells)

    def parameters(self, name: str, model: type[Parameters] = Parameters) -> dict[str, Any]:
        """The parameters of one table, the launchpad's over those of screen.toml's [parameters.<name>].

        Args:
            name: the table, which is a plugin's name or one of the graph's own.
            model: its model, which knows its presets.
        """
        said = {key: value for key, value in self.launchpad.items() if key in self.settings[name]}
        # A plugin's model need not be derived from ours.
        layered = getattr(model, "layered", Parameters.layered)
        parameters: dict[str, Any] = layered(self.screen.parameters.get(name, {}), said)
        return parameters

    def settings_of(self, name: str, model: type[AnyParameters]) -> AnyParameters:
        """The parameters of one of the graph's own tables, checked.

        Raises:
            InputError: a parameter is unknown, of the wrong type or out of range.
        """
        try:
            return model.model_validate(self.parameters(name))
        except ValidationError as error:
            faults = Faults(f"parameters of {name}")
            for fault in error.errors():
                faults.add(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}.")
            faults.raise_if_any()
            raise

    def create(self, plugin: type[AnyPlugin]) -> AnyPlugin:
        """The plugin with the step's parameters; one of another distribution works at arm's length."""
        return self.sandboxed(plugin, self.parameters(plugin.name, plugin.Parameters))

    def sandboxed(self, plugin: type[AnyPlugin], parameters: Mapping[str, Any]) -> AnyPlugin:
        """The plugin with these parameters, held to the limits of the store's site.toml if it is not ours.

        Raises:
            InputError: site.toml is faulty.
            PluginError: a parameter is unknown, of the wrong type or out of range.
        """
        from phenodose.plugins.isolation import sandboxed

        return sandboxed(plugin, parameters, self.plugins)

    def provenance(self, plugin: Plugin, checkpoint: str | None = None) -> Provenance:
        """Provenance of the rows that the step writes."""
        return Provenance.of(self.run_id, plugin, checkpoint)

    def wells(self) -> pd.DataFrame:
        """The wells of the screen's layout.

        Raises:
            NotMade: the asset `layout` has not been made for this screen.
        """
        wells = self.store.read_table("wells", self.screen_id)
        if wells.empty:
            raise NotMade(f"screen {self.screen_id} has no wells in the store; materialize its asset `layout` first.")
        return wells

    def notes_of(self, asset: str) -> list[str]:
        """The notes of another step of the screen, as it recorded them; [] if it has not run."""
        runs = self.store.read_table("runs", self.screen_id)
        texts = runs.loc[runs["asset"] == asset, "notes"].dropna()
        return [note for text in texts for note in json.loads(text)]

    def block_of(self, part: str) -> str:
        """Why the quality of a stored product stops what needs it; '' if it does not."""
        if not self.limits.blocking:
            return ""
        from phenodose.quality.blocking import quality_block

        return quality_block(self.store.read_table("qc", self.screen_id, part), self.limits)

    def normalisation(self, readout: type[Readout], name: str) -> Normalisation:
        """How a readout becomes viability: as screen.toml says, else as the plugin does.

        Args:
            readout: the plugin's class.
            name: readout name; a phase's name (`cnn_phase2`) falls back on the plugin's (`cnn`).
        """
        from phenodose.pipeline.normalisation import Normalisation
        from phenodose.pipeline.viability import VIABILITY, ViabilityParameters

        named = self.screen.controls.get(name) or self.screen.controls.get(readout.name)
        asked = (
            self.settings_of(VIABILITY, ViabilityParameters) if VIABILITY in self.settings else ViabilityParameters()
        )
        return Normalisation.of_readout(
            readout,
            asked.normalise_by,
            named.negative if named else (),
            named.positive if named else (),
            named.rises_with if named else None,
            asked.mask_uncontrolled,
            named.lower_anchor if named else None,
        )

    def controls(self, readout: type[Readout], name: str, wells: pd.DataFrame) -> Controls:
        """The control wells of a readout among all wells of the screen; networks learn from killed cells alone.

        Args:
            readout: the plugin's class.
            name: readout name, as for `normalisation`.
            wells: from `wells`.
        """
        from phenodose.viability.controls import choose_controls

        n = self.normalisation(readout, name)
        return choose_controls(wells, n.negative, n.positive, f"screen {self.screen_id}, readout {name}")


@dataclass(frozen=True)
class SubSteps:
    """How an asset is made in parts, each a step of its own, so that they may run on different machines.

    Attributes:
        names: names the parts of a screen.
        make: makes one part and returns what the asset's make-function needs to know of it (`Context.parts`). It may
            fail: the make-function then makes the part itself and tells the fault. What it returns is handed on as
            JSON, maybe to another machine: texts, numbers, lists and tables with names.
        work: what kind of work a part is, which decides where it runs.
    """

    names: Callable[[Context], Sequence[str]]
    make: Callable[[Context, str], Any]
    work: Literal["plates", "tensors"]


#: Makes one asset of one screen.
Make = Callable[[Context], Result]
