"""What the report shows of dose matrices: pairs of drugs ranked, a verdict in words, heat maps of their dose pairs.

Belongs here: rows of the tables `combination_scores` and `dose_pairs` in words and figures. Does not belong here: the
numbers themselves (`phenodose.combinations`), drugs with one add-on (`combinations`), drawing (`combination_figures`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.io.frames import rows_of
from phenodose.plots import combination_figures
from phenodose.reports.data import Missing, number_of, text_of
from phenodose.reports.drug_places import drug_places

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData
    from phenodose.reports.drug_places import DrugPlaces

#: Models of no interaction; the first that the screen has ranks the pairs.
MODELS = ("bliss", "zip", "loewe", "hsa")
CSS = "css"
#: How a model's verdict is sorted.
_ORDER = {"synergy": 0, "antagonism": 2}
_ORDER_OF_CARDS = {"synergy": 0, "antagonism": 1, "undecided": 2}
#: Cells of heat maps in one report; a cell takes about 200 bytes.
MOST_CELLS = 8000
#: Excess at which a cell has its full colour, unless a pair has a larger one [percentage points].
_FULL_EXCESS = 30.0

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
        measures: measure ('bliss', ..., 'css') -> its row of `combination_scores`.
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


def dose_pairs(data: ScreenData, links: dict[str, str], most_cells: int = MOST_CELLS) -> dict[str, Any] | None:
    """The pairs of the screen that were given in a dose matrix; None if there are none.

    Pairs are ranked by one model: synergy first, then the undecided, then antagonism, and by the lower end of the
    interval among them. Heat maps are drawn of the decided pairs first, as many as `most_cells` allows.

    Args:
        data: the rows of the screen.
        links: drug -> address of its card within the page.
        most_cells: cells of all heat maps together.
    """
    pairs = pairs_of(data["combination_scores"])
    if not pairs:
        return None
    models = [name for name in MODELS if any(name in pair.measures for pair in pairs)]
    ranked_by = next((name for name in models if any(_known(pair.value(name)) for pair in pairs)), models[0])
    ranked = ranking(pairs, ranked_by)
    places = drug_places(data)
    nearest = _nearest(data["phenotypes"])
    several = len({pair.sample for pair in pairs}) > 1
    cards = _cards(data, ranked, models, ranked_by, most_cells)
    rows = [
        {
            "drugs": [(name, links.get(name)) for name in (pair.drug, pair.add_on)],
            "card": next((card["anchor"] for card in cards if card["pair"] is pair), None),
            "sample": pair.sample,
            "readout": pair.readout,
            "verdict": verdict(pair, models, ranked_by),
            "interaction": pair.interaction(ranked_by) or "no verdict",
            "models": [measure_cell(pair.measures.get(name)) for name in models],
            "css": measure_cell(pair.measures.get(CSS), signed=False),
            "phenotype": _phenotype(pair, places, nearest),
        }
        for pair in ranked
    ]
    return {
        "rows": rows,
        "models": models,
        "ranked_by": ranked_by,
        "several_samples": several,
        "cards": cards,
        "n_not_drawn": len(ranked) - len(cards),
        "map": "" if isinstance(places, Missing) else places.embedder,
        "counts": {
            name: sum(row["interaction"] == name for row in rows) for name in ("synergy", "antagonism", "undecided")
        },
    }


def pairs_of(scores: pd.DataFrame) -> list[Pair]:
    """The pairs of a table `combination_scores`, in its order."""
    found: dict[Key, Pair] = {}
    for row in rows_of(scores):
        key = (row.sample, row.readout, row.drug, row.add_on)
        found.setdefault(key, Pair(*key)).measures[row.measure] = row
    return list(found.values())


def ranking(pairs: list[Pair], model: str) -> list[Pair]:
    """Synergy first, then the undecided, then antagonism, then those without a verdict."""

    def place(pair: Pair) -> tuple[int, float, Key]:
        said, lower = pair.interaction(model), pair.value(model, "lower")
        lower = lower if _known(lower) else pair.value(model)
        return (_ORDER.get(said, 1) if said else 3), -lower if _known(lower) else np.inf, pair.key

    return sorted(pairs, key=place)


def verdict(pair: Pair, models: list[str], ranked_by: str) -> str:
    """What the models say of a pair, in words."""
    said = {name: pair.interaction(name) for name in models if pair.interaction(name)}
    if not said:
        reason = next((text_of(row.status) for row in pair.measures.values() if text_of(row.status) != "ok"), "")
        return f"no verdict: {reason}" if reason else "no verdict"
    by = {kind: [name for name, one in said.items() if one == kind] for kind in dict.fromkeys(said.values())}
    if len(by) == 1:
        (kind,) = by
        if kind == "undecided":
            return "undecided: the interval of every model contains 0"
        return f"{kind}, by all models" if len(said) > 1 else f"{kind}, by {ranked_by}"
    own = said.get(ranked_by, "undecided")
    parts = [f"{kind} by {_and(by[kind])}" for kind in sorted(by, key=lambda kind: kind != own)]
    opposed = "synergy" in by and "antagonism" in by
    return f"{'the models contradict each other: ' if opposed else ''}{', '.join(parts)}"


def measure_cell(row: Any, signed: bool = True) -> dict[str, Any]:
    """What a table shows of a measure; `sort` has all digits."""
    if row is None:
        return {"text": "–", "small": "", "sort": ""}
    if not _known(row.value):
        return {"text": "–", "small": text_of(row.status), "sort": ""}
    sign = "+" if signed else ""
    interval = f"{row.lower:{sign}.1f} to {row.upper:{sign}.1f}" if _known(row.lower, row.upper) else ""
    chance = f"P {number_of(row.probability_synergy, 2)}" if _known(row.probability_synergy) else ""
    return {
        "text": f"{row.value:{sign}.1f}",
        "small": ", ".join(filter(None, (interval, chance))),
        "sort": row.value,
    }


def _cards(
    data: ScreenData, ranked: list[Pair], models: list[str], ranked_by: str, most_cells: int
) -> list[dict[str, Any]]:
    """A card a pair: the readout that ranks the drugs first, the decided pairs first."""
    tables = dict(iter(data["dose_pairs"].groupby(["sample", "readout", "drug", "add_on"], sort=False)))

    readouts = {name: place for place, name in enumerate(data.readouts)}

    def place(pair: Pair) -> tuple[int, int]:
        return readouts.get(pair.readout, len(readouts)), _ORDER_OF_CARDS.get(pair.interaction(ranked_by), 3)

    cards: list[dict[str, Any]] = []
    room = most_cells
    for pair in sorted(ranked, key=place):
        rows = tables.get(pair.key)
        if rows is None or len(rows) > room:
            continue
        room -= len(rows)
        cards.append(
            {
                "pair": pair,
                "anchor": f"pair-{len(cards) + 1}",
                "title": f"{pair.drug} and {pair.add_on}",
                "readout": pair.readout,
                "sample": pair.sample,
                "verdict": verdict(pair, models, ranked_by),
                "remarks": _remarks(pair),
                "isobologram": None,
                "measured": _measured(pair, rows),
                "excess": [(name, _excess(pair, rows, name)) for name in models],
            }
        )
    return cards


def _remarks(pair: Pair) -> list[str]:
    """Why a measure has no value, each reason once with its measures."""
    reasons: dict[str, list[str]] = {}
    for name, row in pair.measures.items():
        if text_of(row.status) not in ("", "ok"):
            reasons.setdefault(text_of(row.status), []).append(name)
    return [f"{_and(names)}: {reason}" for reason, names in reasons.items()]


def _measured(pair: Pair, rows: pd.DataFrame) -> Any:
    """The heat map of measured inhibition."""
    once = rows.sort_values("model", kind="stable").drop_duplicates(["concentration_nM", "add_on_concentration_nM"])
    cells = [
        combination_figures.Cell(
            row.concentration_nM,
            row.add_on_concentration_nM,
            _number(row.inhibition_percent),
            f"{_doses(pair, row)}: {_percent(row.inhibition_percent)} inhibition, {_wells(row.n_wells)}",
        )
        for row in rows_of(once)
    ]
    label = f"Inhibition of {pair.readout} by {pair.drug} and {pair.add_on} over both doses, in percent"
    return combination_figures.dose_matrix(cells, (pair.drug, pair.add_on), label, "inhibition (%)", 100.0)


def _excess(pair: Pair, rows: pd.DataFrame, model: str) -> Any:
    """The heat map of one model's excess; cells whose interval excludes 0 are ringed."""
    own = rows[rows["model"] == model]
    largest = np.nanmax([_FULL_EXCESS, *rows["excess_percent"].abs().to_numpy(dtype=np.float64)])
    cells = []
    for row in rows_of(own):
        known = _known(row.excess_percent)
        marked = bool(_known(row.lower_percent, row.upper_percent) and (row.lower_percent > 0 or row.upper_percent < 0))
        title = f"{_doses(pair, row)}: {_points(row) if known else text_of(row.status)}"
        cells.append(
            combination_figures.Cell(
                row.concentration_nM, row.add_on_concentration_nM, _number(row.excess_percent), title, marked
            )
        )
    n_marked = sum(cell.marked for cell in cells)
    label = (
        f"Excess over {model} of {pair.drug} and {pair.add_on} by {pair.readout} over both doses, in percentage "
        f"points; {n_marked} of {len(cells)} cells have an interval without 0"
    )
    return combination_figures.dose_matrix(
        cells, (pair.drug, pair.add_on), label, f"excess over {model} (points)", float(largest), signed=True
    )


def _points(row: Any) -> str:
    interval = f" ({row.lower_percent:+.1f} to {row.upper_percent:+.1f})" if _known(row.lower_percent) else ""
    expected = f", {row.expected_percent:.1f} % expected" if _known(row.expected_percent) else ""
    return f"{row.excess_percent:+.1f}{interval}{expected}"


def _doses(pair: Pair, row: Any) -> str:
    return f"{pair.drug} {row.concentration_nM:.4g} nM, {pair.add_on} {row.add_on_concentration_nM:.4g} nM"


def _nearest(phenotypes: pd.DataFrame) -> dict[tuple[str, str], list[str]]:
    """(drug, its nearest drug) -> by which features, and how similar."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows_of(phenotypes):
        if text_of(row.nearest_drug) and _known(row.similarity):
            beyond = " beyond viability" if row.beyond_viability is True else ""
            text = f"cosine {row.similarity:.2f} by {row.features}{beyond}"
            found.setdefault((row.drug, row.nearest_drug), []).append(text)
    return found


def _phenotype(pair: Pair, places: DrugPlaces | Missing, nearest: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    """How alike the two drugs look: their distance on the map, and whether one is the other's nearest."""
    distance = float("nan") if isinstance(places, Missing) else places.distance(pair.drug, pair.add_on)
    said = []
    if _known(distance) and not isinstance(places, Missing):
        times = f" ({number_of(distance / places.limit, 2)} × the duplicates)" if places.limit > 0 else ""
        said.append(f"{number_of(distance, 3)}{times}")
    for one, other in ((pair.drug, pair.add_on), (pair.add_on, pair.drug)):
        if (one, other) in nearest:
            said.append(f"{other} looks most like {one}: {', '.join(nearest[one, other])}")
    return {"text": "; ".join(said) or "–", "sort": distance if _known(distance) else ""}


def _percent(value: Any) -> str:
    return f"{value:.1f} %" if _known(value) else "no"


def _wells(n: Any) -> str:
    return f"{int(n)} well{'s' if n != 1 else ''}" if _known(n) else "no well"


def _number(value: Any) -> float:
    return float(value) if _known(value) else float("nan")


def _known(*values: Any) -> bool:
    return all(value is not None and value == value for value in values)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
