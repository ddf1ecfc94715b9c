"""Finding plugins: by entry points, without importing them, each by name, faults named.

Belongs here: discovery, loading, and the account of what was found. Choosing is not done here: which
reader reads a folder is asked of the readers, which scorers run is the graph's affair.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from phenodose.errors import Faults, PluginError
from phenodose.plugins.base import Plugin, contract_fault
from phenodose.plugins.embedders import AnyEmbedder
from phenodose.plugins.measures import CombinationMeasure
from phenodose.plugins.preferences import declaration_fault
from phenodose.plugins.readers import Reader
from phenodose.plugins.readouts import PlateReaderReadout, Readout, StagedReadout
from phenodose.plugins.scorers import Scorer
from phenodose.plugins.selective import SelectiveScorer
from phenodose.settings.plugin_choices import PluginChoices
from phenodose.settings.plugin_limits import PluginLimits
from phenodose.training_records import Phase

if TYPE_CHECKING:
    from phenodose.plugins.import_trials import Told
    from phenodose.store.store import Store

AnyPlugin = TypeVar("AnyPlugin", bound=Plugin)

#: The distribution of the built-in plugins.
OURS = "phenodose"

Kind = Literal["reader", "readout", "scorer", "measure", "embedder"]

KINDS: dict[Kind, type[Plugin]] = {
    "reader": Reader,
    "readout": Readout,
    "scorer": Scorer,
    "measure": CombinationMeasure,
    "embedder": AnyEmbedder,
}


def group_of(kind: Kind) -> str:
    """The entry-point group of a kind: 'scorer' -> 'phenodose.scorers'."""
    return f"phenodose.{kind}s"


@dataclass(frozen=True)
class Found:
    """One entry point: what it offers and whether it can be used.

    Attributes:
        kind: reader, readout, scorer, measure or embedder.
        name: the plugin's name.
        distribution: installed distribution that offers it, with its version.
        target: the object it names, 'module:Class'.
        status: 'found' until it is loaded, then 'ok'; 'broken' if it cannot be used; 'clash' if another
            distribution offers the same name; 'disabled' if the site's configuration says so.
        error: what is wrong and how to mend it; '' if nothing.
    """

    kind: Kind
    name: str
    distribution: str
    target: str
    status: Literal["found", "ok", "broken", "clash", "disabled"] = "found"
    error: str = ""


class Registry:
    """What is installed, by kind and name, and what a site says of it.

    Attributes:
        choices: what the site disables and chooses.
        limits: what plugins of other distributions may take.
    """

    def __init__(
        self,
        entry_points: Iterable[metadata.EntryPoint] | None = None,
        choices: PluginChoices | None = None,
        limits: PluginLimits | None = None,
    ) -> None:
        """Collect the entry points (of all installed distributions by default); nothing is imported.

        Args:
            entry_points: what is offered.
            choices: what the site disables and chooses; nothing by default.
            limits: what plugins of other distributions may take.
        """
        self.choices = choices or PluginChoices()
        self.limits = limits or PluginLimits()
        wanted = {group_of(kind): kind for kind in KINDS}
        offered: dict[tuple[Kind, str], list[metadata.EntryPoint]] = {}
        for point in _installed() if entry_points is None else entry_points:
            if point.group in wanted:
                points = offered.setdefault((wanted[point.group], point.name), [])
                # The same distribution can stand on the path twice (an editable install); it is one offer.
                if all(_distribution(point) != _distribution(other) or point.value != other.value for other in points):
                    points.append(point)
        for points in offered.values():
            points.sort(key=_distribution)
        self._points = {key: self._chosen(key, points) for key, points in sorted(offered.items())}
        self._classes: dict[tuple[Kind, str], type[Plugin]] = {}
        self._told: dict[metadata.EntryPoint, Told] = {}
        self._found: dict[tuple[Kind, str], Found] = {key: self._first_look(key) for key in self._points}

    def names(self, kind: Kind) -> list[str]:
        """Names offered for a kind, broken ones included, in order."""
        return [name for (k, name) in self._points if k == kind]

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        """The plugin class of that name; of another distribution's, the class that stands for it (`declarations`).

        Raises:
            PluginError: there is none of that name, two distributions offer it, it fails to import, or
                it breaks the contract.
        """
        key = (kind, name)
        if key not in self._points:
            known = ", ".join(self.names(kind)) or "none"
            raise PluginError(f"{kind} {name!r} is not installed; installed are: {known}.")
        if key not in self._classes:
            if self._found[key].status == "found":
                self._load(key)
            if self._found[key].error:
                raise PluginError(self._found[key].error)
        return self._classes[key]

    def create(self, kind: Kind, name: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The plugin of that name with these parameters."""
        return self.make(self.get(kind, name), parameters or {})

    def make(self, plugin: type[AnyPlugin], parameters: Mapping[str, Any]) -> AnyPlugin:
        """The plugin with these parameters; a scorer that asks another one finds that here.

        Raises:
            PluginError: a parameter is unknown, of the wrong type or out of range.
        """
        made = plugin(parameters)
        # A class that stands for a plugin asks its process by what this registry says of it.
        vars(made)["_registry"] = self
        if isinstance(made, SelectiveScorer):
            made.plugins = self
        return made

    def usable(self, kind: Kind) -> dict[str, Any]:
        """All plugin classes of a kind that load, by name; the others are told by `report`."""
        classes: dict[str, Any] = {}
        for name in self.names(kind):
            try:
                classes[name] = self.get(kind, name)
            except PluginError:
                continue
        return classes

    def wanted(self, kind: Kind) -> dict[str, Any]:
        """The usable plugin classes of a kind without those that are used by choice and that the site did not enable.

        They make the asset graph.
        """
        enabled = set(self.choices.enable)
        return {
            name: cls for name, cls in self.usable(kind).items() if not cls.by_choice or f"{kind}:{name}" in enabled
        }

    def not_enabled(self, kind: Kind) -> list[str]:
        """Names of the usable plugins that are used by choice, and that the site did not enable."""
        return sorted(self.usable(kind).keys() - self.wanted(kind).keys())

    def plate_reader_folders(self) -> dict[str, str]:
        """The sub-folder of a screen that holds the files of a plate reader, by readout."""
        classes = self.usable("readout").items()
        return {name: readout.folder for name, readout in classes if issubclass(readout, PlateReaderReadout)}

    def problems(self) -> list[Found]:
        """Every plugin that cannot be used and was not disabled, with the reason; loads all plugins."""
        return [found for found in self.report(load=True) if found.error and found.status != "disabled"]

    def refuse_clashes(self) -> None:
        """Raise PluginError if a name is offered by two distributions; one message names them all."""
        faults = Faults("plugins")
        faults.extend(found.error for found in self._found.values() if found.status == "clash")
        faults.raise_if_any(PluginError)

    def report(self, load: bool = False) -> list[Found]:
        """Every plugin found, by kind and name; with `load` each is imported to learn its status."""
        if load:
            for kind in KINDS:
                self.usable(kind)
        return list(self._found.values())

    def notes(self) -> list[str]:
        """Sentences on what the site's configuration names and nothing offers."""
        known = {f"{kind}:{name}" for kind, name in self._points}
        named = [*self.choices.disable, *self.choices.enable, *self.choices.choose]
        return [f"site.toml, [plugins]: {one} is not installed; take it out." for one in named if one not in known]

    def _chosen(self, key: tuple[Kind, str], points: list[metadata.EntryPoint]) -> list[metadata.EntryPoint]:
        """The offer of the distribution that the site chose; all of them where it chose none of these."""
        wanted = self.choices.choose.get(":".join(key))
        return [point for point in points if wanted and _distribution(point).split(" ")[0] == wanted] or points

    def _first_look(self, key: tuple[Kind, str]) -> Found:
        """What can be told of a name without importing anything."""
        found = _found(*key, self._points[key])
        label = ":".join(key)
        if label in self.choices.disable:
            error = (
                f"{found.kind} {found.name!r} of {found.distribution} is disabled by this site; take {label!r} out of "
                "`disable` in the table [plugins] of site.toml to use it."
            )
            return replace(found, status="disabled", error=error)
        wanted = self.choices.choose.get(label)
        if wanted is not None and wanted not in [one.split(" ")[0] for one in map(_distribution, self._points[key])]:
            error = (
                f"{found.kind} {found.name!r}: site.toml chooses the distribution {wanted!r}, which does not offer it; "
                f"installed is that of {found.distribution}. Install {wanted} or mend `choose` in the table [plugins]."
            )
            return replace(found, status="broken", error=error)
        return found

    def imported(self, kind: Kind, name: str) -> type[Plugin]:
        """The plugin class itself, imported into this process: for a process that works for this plugin alone.

        Raises:
            PluginError: as `get`.
            Exception: what the import raised.
        """
        if (points := self._points.get((kind, name))) and self._found[kind, name].status in ("found", "ok"):
            points[0].load()
            self._classes.pop((kind, name), None)
            self._found[kind, name] = replace(self._found[kind, name], status="found", error="")
        return self.get(kind, name)

    def _offered(self, key: tuple[Kind, str]) -> tuple[Any, str]:
        """What an entry point offers, and what is wrong with it, if anything.

        That is a class of ours, or of a module that this process has imported already (its own plugin, or somebody's
        test); else a class that stands for the plugin, which is not imported here (`declarations`).
        """
        kind, name = key
        point = self._points[key][0]
        own = _is_ours(self._found[key])
        if not own and point.module not in sys.modules:
            return self._declared(key)
        try:
            loaded = point.load()
        except (Exception, SystemExit) as error:
            return None, f"fails to import: {type(error).__name__}: {error}"
        return loaded, _contract_fault(kind, name, loaded, own)

    def _declared(self, key: tuple[Kind, str]) -> tuple[Any, str]:
        """The class that stands for a plugin of another distribution; all are asked together, at the first."""
        # Late: few sites have plugins of others.
        from phenodose.plugins.declarations import class_of
        from phenodose.plugins.import_trials import declarations

        point = self._points[key][0]
        if point not in self._told:
            wanted = [key for key, found in self._found.items() if found.status == "found" and not _is_ours(found)]
            points = [self._points[key][0] for key in wanted]
            here = [one for one in points if one.module not in sys.modules]
            self._told |= declarations(here, self.limits.import_seconds)
        told = self._told[point]
        if told.declared is None:
            return None, told.fault
        try:
            made = class_of(point.value, told.declared)
        except ValueError as error:
            return None, f"declares something that cannot be read: {error}"
        return made, _contract_fault(*key, made, ours=False)

    def _load(self, key: tuple[Kind, str]) -> None:
        kind, name = key
        found = self._found[key]
        loaded, problem = self._offered(key)
        if not problem:
            self._classes[key] = loaded
            self._found[key] = replace(found, status="ok", error="")
            return
        message = (
            f"{kind} {name!r} of {found.distribution} ({found.target}) {problem}. "
            f"Mend or uninstall that distribution; `phenodose plugins check {name}` shows more."
        )
        self._found[key] = replace(found, status="broken", error=message)


_NO_CHOICES, _DEFAULT_LIMITS = PluginChoices(), PluginLimits()


@cache
def registry(choices: PluginChoices = _NO_CHOICES, limits: PluginLimits = _DEFAULT_LIMITS) -> Registry:
    """What is installed, with what a site says of it; without a site, all of it.

    The same settings give the same registry, so that no plugin is looked at twice; `registry.cache_clear()` looks
    again.

    Args:
        choices: what the site disables and chooses.
        limits: what plugins of other distributions may take.
    """
    return Registry(choices=choices, limits=limits)


def plugins_of(store: Store) -> Registry:
    """What is installed, as the site.toml of this store says.

    Raises:
        InputError: site.toml is no TOML file, or its tables about plugins are faulty.
    """
    # Late: a plugin's own process needs no more of the settings than what it is told.
    from phenodose.settings.site import PLUGIN_TABLES, read_site

    site = read_site(store.root, PLUGIN_TABLES)
    return registry(site.plugins, site.plugin_limits)


def _is_ours(found: Found) -> bool:
    return found.distribution.split(" ")[0] == OURS


def _distribution(point: metadata.EntryPoint) -> str:
    return _label(point.dist) if point.dist is not None else "an unnamed distribution"


@lru_cache(maxsize=1024)
def _label(distribution: metadata.Distribution) -> str:
    """Its name and version; each is read from the whole of its metadata, so once a distribution, not once a plugin."""
    return f"{distribution.name} {distribution.version}"


def _found(kind: Kind, name: str, points: list[metadata.EntryPoint]) -> Found:
    if len(points) == 1:
        return Found(kind, name, _distribution(points[0]), points[0].value)
    offers = " and ".join(f"{_distribution(point)} ({point.value})" for point in points)
    error = (
        f"{kind} {name!r} is offered by {len(points)} distributions: {offers}. Uninstall or rename all but one, or "
        f'choose one in the table [plugins] of site.toml: choose = {{ "{kind}:{name}" = '
        f'"{_distribution(points[0]).split(" ")[0]}" }}'
    )
    return Found(kind, name, " and ".join(_distribution(p) for p in points), points[0].value, "clash", error)


def _contract_fault(kind: Kind, name: str, loaded: Any, ours: bool) -> str:
    """In what the loaded object breaks the contract, or '' if in nothing; our own plugins follow our contract."""
    base = KINDS[kind]
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        return f"is not a subclass of phenodose.plugins.{base.__name__}"
    for attribute in ("name", "version", "description"):
        if not isinstance(getattr(loaded, attribute, None), str):
            return f"does not declare `{attribute}`"
    if not ours and (fault := contract_fault(loaded.contract)):
        return fault
    if loaded.name != name:
        return f"declares the name {loaded.name!r} but its entry point says {name!r}"
    missing = sorted(getattr(loaded, "__abstractmethods__", ()))
    if missing:
        return f"does not implement {', '.join(missing)}"
    return "" if ours else _declaration_fault(loaded)


def contract_fault_of(group: str, name: str, loaded: Any) -> str:
    """In what an object that an entry point of another distribution names breaks the contract, or ''."""
    kind = next(kind for kind in KINDS if group_of(kind) == group)
    return _contract_fault(kind, name, loaded, ours=False)


def _declaration_fault(loaded: type[Plugin]) -> str:
    """What is declared in a way that would break the graph, or ''."""
    parameters: object = loaded.Parameters
    if not (isinstance(parameters, type) and issubclass(parameters, BaseModel)):
        return f"declares `Parameters` as {parameters!r}; derive a class from phenodose.plugins.Parameters"
    try:
        inspect.signature(loaded).bind({})
    except (TypeError, ValueError) as error:
        return f"cannot be made of its parameters alone ({error}); leave `__init__` out, or take `parameters=None`"
    if issubclass(loaded, PlateReaderReadout) and not isinstance(getattr(loaded, "folder", None), str):
        return "does not declare `folder`, the sub-folder of a screen that holds its files"
    if issubclass(loaded, StagedReadout):
        phases = getattr(loaded, "phases", None)
        if not isinstance(phases, tuple) or not phases or not all(isinstance(phase, Phase) for phase in phases):
            return "does not declare `phases` as a tuple of `Phase`"
        names: list[str] = []
        for phase in phases:
            if phase.name in names or (phase.parent is not None and phase.parent not in names):
                return f"declares the phase {phase.name!r} twice, or before its parent {phase.parent!r}"
            names.append(phase.name)
    return declaration_fault(loaded)


def _installed() -> list[metadata.EntryPoint]:
    points = metadata.entry_points()  # all at once: each call looks through all that is installed
    return [point for kind in KINDS for point in points.select(group=group_of(kind))]
