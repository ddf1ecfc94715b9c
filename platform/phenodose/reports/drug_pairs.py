"""Pairs of drugs that were given in a dose matrix: their numbers together, their order, a verdict in words.

Belongs here: what follows from the table `combination_scores`. Does not belong here: the numbers themselves
(`phenodose.combinations`), what the report shows of a pair (`dose_pairs`, `pair_figures`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from phenodose.io.frames import rows_of
from phenodose.reports.data import text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

#: How a model's verdict is sorted.
_ORDER = {"synergy": 0, "antagonism": 2}

#: sample, readout, drug, add_on.
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Pair:
    """Two drugs in one sample by one readout.

    Attributes:
        sample: the sample.
        readout: the readout.
        drug: the first drug.
        add_on: the second drug.
        measures: measure -> its row of `combination_scores`.
    """

    sample: str
    readout: str
    drug: str
    add_on: str
    measures: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What tells the pair from others."""
        return self.sample, self.readout, self.drug, self.add_on

    def value(self, measure: str, column: str = "value") -> float:
        """A number of a measure; NaN without one."""
        row = self.measures.get(measure)
        found = None if row is None else getattr(row, column)
        return float("nan") if found is None else float(found)

    def interaction(self, model: str) -> str:
        """What a model says: synergy, antagonism or undecided; '' where it says nothing."""
        row = self.measures.get(model)
        return "" if row is None else text_of(row.interaction)


def pairs_of(scores: pd.DataFrame) -> list[Pair]:
    """The pairs of a table `combination_scores`, in its order."""
    found: dict[Key, Pair] = {}
    for row in rows_of(scores):
        key = (row.sample, row.readout, row.drug, row.add_on)
        found.setdefault(key, Pair(*key)).measures[row.measure] = row
    return list(found.values())


class Measures(NamedTuple):
    """The measures of a screen's pairs, each in its order: `models` tell an excess of dose pairs, `others` do not."""

    models: list[str]
    others: list[str]


def measures_of(data: ScreenData) -> Measures:
    """The measures of the pairs of a screen; the first model that has values ranks the pairs."""
    known_measures, names = data.preferences.measures, set(data["combination_scores"]["measure"])
    models = set(data["dose_pairs"]["model"]) | {
        name for name in names if name in known_measures and known_measures[name].per_pair
    }
    others = names - models
    ordered = data.preferences.ordered_measures
    return Measures(ordered(models), ordered(others))


def ranking(pairs: list[Pair], model: str) -> list[Pair]:
    """Synergy first, then the undecided, then antagonism, then those without a verdict."""

    def place(pair: Pair) -> tuple[int, float, Key]:
        said, lower = pair.interaction(model), pair.value(model, "lower")
        lower = lower if known(lower) else pair.value(model)
        return (_ORDER.get(said, 1) if said else 3), -lower if known(lower) else float("inf"), pair.key

    return sorted(pairs, key=place)


def verdict(pair: Pair, models: list[str], ranked_by: str, label: Callable[[str], str] = str) -> str:
    """What the models say of a pair, in words, each called by its label."""
    said = {name: pair.interaction(name) for name in models if pair.interaction(name)}
    if not said:
        reason = next((text_of(row.status) for row in pair.measures.values() if text_of(row.status) != "ok"), "")
        return f"no verdict: {reason}" if reason else "no verdict"
    by = {kind: [label(name) for name, one in said.items() if one == kind] for kind in dict.fromkeys(said.values())}
    if len(by) == 1:
        (kind,) = by
        if kind == "undecided":
            return "undecided: the interval of every model contains 0"
        return f"{kind} by all models" if len(said) == len(models) > 1 else f"{kind} by {listed(by[kind])}"
    own = said.get(ranked_by, "undecided")
    parts = [f"{kind} by {listed(by[kind])}" for kind in sorted(by, key=lambda kind: kind != own)]
    opposed = "synergy" in by and "antagonism" in by
    return f"{'the models contradict each other: ' if opposed else ''}{', '.join(parts)}"


def known(*values: Any) -> bool:
    """Whether every value is there and a number."""
    return all(value is not None and value == value for value in values)


def listed(names: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
