"""Which plugin comes first: what the plugins declare, and what the table [preferences] of site.toml says instead.

Belongs here: the order and colours that follow from both. Does not belong here: the table
(`phenodose.settings.plugin_preferences`), drawing, and which plugins are used at all
(`phenodose.settings.plugin_choices`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phenodose.names import corrected_name, measured_name
from phenodose.plugins.base import LONGEST_LABEL, Plugin
from phenodose.plugins.embedders import AnyEmbedder
from phenodose.plugins.measures import CombinationMeasure
from phenodose.plugins.readouts import PlateReaderReadout, Readout, StagedReadout
from phenodose.plugins.scorers import Scorer
from phenodose.plugins.selective import SelectiveScorer
from phenodose.settings.plugin_preferences import PluginPreferences, is_colour

if TYPE_CHECKING:
    from phenodose.plugins.registry import Registry
    from phenodose.store.store import Store

#: Place of what no installed plugin declares, a result of a plugin that is gone, say.
_UNKNOWN = 100


@dataclass(frozen=True)
class DeclaredReadout:
    """What is declared of one readout.

    Attributes:
        precedence: its place among the readouts, the least first.
        colour: its colour; None if it declares none.
        metabolic: whether a plate reader measures it.
        label_range: range of raw numbers that its labels span; None if there is none.
        scale_error: how far its scale is usually off, in fractions of viability; None if it is measured.
        label: what reports call it; '' where nothing is declared.
    """

    precedence: int = _UNKNOWN
    colour: str | None = None
    metabolic: bool = False
    label_range: tuple[float, float] | None = None
    scale_error: tuple[float, float, float] | None = None
    label: str = ""


@dataclass(frozen=True)
class Preferences:
    """Order and colours of what the installed plugins offer.

    Attributes:
        readouts: what is declared of every readout, those of staged readouts one by one.
        scorers: the scorers.
        measures: the measures of two drugs together.
        embedders: the embedders.
        site: what the site says instead.
        readout_plugins: the readout plugins.
    """

    readouts: Mapping[str, DeclaredReadout] = field(default_factory=dict)
    scorers: Mapping[str, type[Scorer]] = field(default_factory=dict)
    embedders: Mapping[str, type[AnyEmbedder]] = field(default_factory=dict)
    site: PluginPreferences = field(default_factory=PluginPreferences)
    readout_plugins: Mapping[str, type[Readout]] = field(default_factory=dict)
    measures: Mapping[str, type[CombinationMeasure]] = field(default_factory=dict)

    @classmethod
    def of(cls, plugins: Registry, site: PluginPreferences | None = None) -> Preferences:
        """Those of these plugins at a site; all of them are loaded."""
        readouts = plugins.usable("readout")
        return cls(
            declared_readouts(readouts),
            plugins.usable("scorer"),
            plugins.usable("embedder"),
            site or PluginPreferences(),
            readouts,
            plugins.usable("measure"),
        )

    @classmethod
    def of_store(cls, store: Store) -> Preferences:
        """Those of the installed plugins at the site of a store.

        Raises:
            InputError: site.toml is faulty.
        """
        # Late: the settings of a site know much more than plugins.
        from phenodose.plugins.registry import plugins_of
        from phenodose.settings.site import read_site

        return cls.of(plugins_of(store), read_site(store.root).preferences)

    def ordered_readouts(self, names: Iterable[str]) -> list[str]:
        """The readouts, the one that ranks the drugs first; one without effects of place follows what was measured."""
        unknown = DeclaredReadout()
        first: list[str] = []
        for name in self.site.readouts:
            own = corrected_name(name)
            first += [name] if own in self.site.readouts else [name, own]
        return _ordered(names, tuple(first), lambda name: self.readouts.get(measured_name(name), unknown).precedence)

    def ordered_scorers(self, names: Iterable[str] | None = None) -> list[str]:
        """The scorers, the one that is taken where none is named first; all that are installed by default."""
        known = self.scorers if names is None else names
        return _ordered(known, self.site.scorers, lambda name: _precedence(self.scorers.get(name)))

    def default_scorer(self) -> str | None:
        """The scorer that is taken where none is named; None if none is installed."""
        return next(iter(self.ordered_scorers()), None)

    def half_effect_scorers(self) -> list[str]:
        """The scorers that give the dose of half the effect, those relative to the curve's asymptotes first."""
        found = [name for name in self.ordered_scorers() if self.scorers[name].half_effect]
        return sorted(found, key=lambda name: self.scorers[name].half_effect != "relative")

    def comparing_scorers(self) -> dict[str, str | None]:
        """The scorers that compare with reference samples -> the scorer whose difference they give, if any."""
        found = {name: self.scorers[name] for name in self.ordered_scorers()}
        return {
            name: plugin.compared if plugin.comparison == "difference" else None
            for name, plugin in found.items()
            if issubclass(plugin, SelectiveScorer)
        }

    def ordered_measures(self, names: Iterable[str] | None = None) -> list[str]:
        """The measures of two drugs together, the one that ranks pairs first; all that are installed by default."""
        known = self.measures if names is None else names
        return _ordered(known, self.site.measures, lambda name: _precedence(self.measures.get(name)))

    def ordered_embedders(self, names: Iterable[str] | None = None) -> list[str]:
        """The embedders in order of precedence; all that are installed by default."""
        known = self.embedders if names is None else names
        return _ordered(known, self.site.embedders, lambda name: _precedence(self.embedders.get(name)))

    def measuring_embedders(self) -> list[str]:
        """The embedders on whose maps distances mean something, the first to measure on first."""
        return [name for name in self.ordered_embedders() if self.embedders[name].measures_distance]

    def label_range(self, readout: str) -> tuple[float, float] | None:
        """Range of a readout's raw numbers that its labels span; None if there is none."""
        return self.readouts.get(readout, DeclaredReadout()).label_range

    def scale_error(self, readout: str) -> tuple[float, float, float] | None:
        """How far a readout's scale is usually off (`Readout.scale_error`), plates corrected or not."""
        return self.readouts.get(measured_name(readout), DeclaredReadout()).scale_error

    def readout_label(self, readout: str) -> str:
        """What reports call a readout: its label, else its name; one without effects of place says so."""
        label = self.readouts.get(measured_name(readout), DeclaredReadout()).label
        if not label:
            return readout
        return label if measured_name(readout) == readout else f"{label}, plate effects removed"

    def scorer_label(self, scorer: str) -> str:
        """What reports call a scorer: its label, else its name."""
        found = self.scorers.get(scorer)
        return (found.label if found else "") or scorer

    def measure_label(self, measure: str) -> str:
        """What reports call a measure: its label, else its name."""
        found = self.measures.get(measure)
        return (found.label if found else "") or measure

    def embedder_label(self, embedder: str) -> str:
        """What reports call an embedder: its label, else its name."""
        found = self.embedders.get(embedder)
        return (found.label if found else "") or embedder

    def metabolic_readouts(self) -> list[str]:
        """The readouts that a plate reader measures, by name."""
        return sorted(name for name, declared in self.readouts.items() if declared.metabolic)

    def colours(self) -> dict[str, str]:
        """Colour by readout: the site's, then those that the readouts declare."""
        declared = {name: one.colour for name, one in sorted(self.readouts.items()) if one.colour is not None}
        return {**self.site.colours, **{n: colour for n, colour in declared.items() if n not in self.site.colours}}


def default_scorers(plugins: Registry, site: PluginPreferences) -> tuple[str, ...]:
    """What is scored with where no scorer is named: the first; nothing if none is installed."""
    return tuple(Preferences(scorers=plugins.usable("scorer"), site=site).ordered_scorers()[:1])


def declared_readouts(classes: Mapping[str, type[Readout]]) -> dict[str, DeclaredReadout]:
    """What readout plugins declare, by the readout as it stands in the tables."""
    found: dict[str, DeclaredReadout] = {}
    for name, plugin in classes.items():
        if issubclass(plugin, StagedReadout):
            for phase in plugin.phases:
                if phase.reads_out:
                    precedence = plugin.precedence if phase.precedence is None else phase.precedence
                    colour = phase.colour or plugin.colour
                    label = phase.label or (f"{plugin.label}, {phase.name}" if plugin.label else "")
                    found[f"{name}_{phase.name}"] = DeclaredReadout(
                        precedence, colour, False, plugin.label_range, plugin.scale_error, label
                    )
        else:
            metabolic = issubclass(plugin, PlateReaderReadout)
            own = plugin.precedence, plugin.colour, metabolic, plugin.label_range, plugin.scale_error, plugin.label
            found[name] = DeclaredReadout(*own)
    return found


def duplicate_phases(classes: Mapping[str, type[Readout]]) -> list[tuple[str, str]]:
    """Pairs of readouts of one network before and after it was taught with duplicates: (before, after)."""
    return [
        (f"{name}_{phase.parent}", f"{name}_{phase.name}")
        for name, plugin in sorted(classes.items(), key=lambda item: (item[1].precedence, item[0]))
        if issubclass(plugin, StagedReadout)
        for phase in plugin.phases
        if phase.labels == "duplicates" and phase.reads_out and phase.parent and plugin.phase(phase.parent).reads_out
    ]


def staged_readouts(classes: Mapping[str, type[Readout]]) -> dict[str, type[StagedReadout]]:
    """The staged readouts among readout plugins, the first to take first."""
    found = {name: one for name, one in classes.items() if issubclass(one, StagedReadout)}
    return dict(sorted(found.items(), key=lambda item: (item[1].precedence, item[0])))


def declaration_fault(plugin: type[Plugin]) -> str:
    """What a plugin declares here that cannot be used, as a part of a sentence; '' if all can."""
    declared: list[tuple[str, str, Any]] = [("precedence", "", plugin.precedence), ("label", "", plugin.label)]
    if issubclass(plugin, Readout):
        declared += [
            (name, "", getattr(plugin, name)) for name in ("colour", "label_range", "scale_error", "untrained")
        ]
    if issubclass(plugin, StagedReadout):
        for phase in plugin.phases:
            own = plugin.precedence if phase.precedence is None else phase.precedence
            declared += [("precedence", f" of {phase.name}", own), ("colour", f" of {phase.name}", phase.colour)]
            declared += [("label", f" of {phase.name}", phase.label)]
    others = ("measures_distance", "summary_name", "half_effect", "remedy", "synergy", "basis")
    declared += [(name, "", getattr(plugin, name)) for name in others if hasattr(plugin, name)]
    for name, of, value in declared:
        usable, words = _USABLE[name]
        if not usable(value):
            return f"declares `{name}`{of} as {value!r}; it is {words}"
    return ""


def _is_range(value: Any) -> bool:
    is_pair = isinstance(value, tuple) and len(value) == 2 and all(isinstance(end, int | float) for end in value)
    return is_pair and value[0] < value[1]


def _is_scale_error(value: Any) -> bool:
    is_triple = isinstance(value, tuple) and len(value) == 3 and all(isinstance(each, int | float) for each in value)
    return is_triple and all(0 <= each <= 1 for each in value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_LABEL and value.isprintable() and value == value.strip()


#: What may be declared: whether a value can be used, and what is meant.
_USABLE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "precedence": (_is_whole, "a whole number, 100 where nothing is declared"),
    "colour": (lambda value: value is None or is_colour(value), "a text such as '#0072B2', or None"),
    "label_range": (lambda value: value is None or _is_range(value), "a pair of numbers, the lower first, or None"),
    "scale_error": (
        lambda value: value is None or _is_scale_error(value),
        "three standard deviations from 0 to 1: living, half-way, killed; or None",
    ),
    "measures_distance": (lambda value: isinstance(value, bool), "True or False"),
    "summary_name": (_is_text, "a text, '' for none"),
    "label": (_is_label, f"a text of one line and at most {LONGEST_LABEL} signs, '' for none"),
    "untrained": (_is_text, "a text, '' for none"),
    "half_effect": (lambda value: value in ("relative", "absolute", None), "'relative', 'absolute' or None"),
    "remedy": (_is_text, "a text, '' for none"),
    "synergy": (lambda value: value in ("above", "below", ""), "'above', 'below' or ''"),
    "basis": (lambda value: value in ("wells", "curves", "surface"), "'wells', 'curves' or 'surface'"),
}


def _precedence(plugin: Any) -> int:
    return _UNKNOWN if plugin is None else int(plugin.precedence)


def _ordered(names: Iterable[str], first: tuple[str, ...], precedence: Callable[[str], int]) -> list[str]:
    """Each name once: those that come first, then by precedence, then by name."""
    places = {name: index for index, name in enumerate(first)}
    return sorted(set(names), key=lambda name: (places.get(name, len(places)), precedence(name), name))
