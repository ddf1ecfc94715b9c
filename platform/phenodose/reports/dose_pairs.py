"""What the report shows of dose matrices: pairs of drugs ranked, a verdict in words, heat maps of their dose pairs.

Belongs here: the table of pairs, and a card a pair. Does not belong here: what a pair's verdict is (`drug_pairs`), its
figures (`pair_figures`), drugs with one add-on (`combinations`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of
from phenodose.reports.data import Missing, number_of, text_of
from phenodose.reports.drug_pairs import Pair, known, listed, measures_of, pairs_of, ranking, verdict
from phenodose.reports.drug_places import drug_places
from phenodose.reports.pair_figures import excess, isobole, matrices_of, measured

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData
    from phenodose.reports.drug_places import DrugPlaces

_ORDER_OF_CARDS = {"synergy": 0, "antagonism": 1, "undecided": 2}
#: Cells of heat maps in one report; a cell takes about 200 bytes.
MOST_CELLS = 8000
#: Pairs of which an isobologram is computed: each takes a quarter of a second.
MOST_ISOBOLOGRAMS = 16
_ENOUGH = f"only the first {MOST_ISOBOLOGRAMS} pairs have one, so that the page is soon made"


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
    models, others = measures_of(data)
    if not models:
        return None
    ranked_by = next((name for name in models if any(known(pair.value(name)) for pair in pairs)), models[0])
    label = data.preferences.measure_label
    judges = [*models, *(name for name in others if any(pair.interaction(name) for pair in pairs))]
    ranked = ranking(pairs, ranked_by)
    places = drug_places(data)
    nearest = _nearest(data["phenotypes"])
    several = len({pair.sample for pair in pairs}) > 1
    readouts = {pair.readout for pair in pairs}
    counted_by = next((name for name in data.readouts if name in readouts), min(readouts))
    cards = _cards(data, ranked, models, judges, ranked_by, most_cells)
    rows = [
        {
            "drugs": [(name, links.get(name)) for name in (pair.drug, pair.add_on)],
            "card": next((card["anchor"] for card in cards if card["pair"] is pair), None),
            "sample": pair.sample,
            "readout": pair.readout,
            "verdict": verdict(pair, judges, ranked_by, label),
            "interaction": pair.interaction(ranked_by) or "no verdict",
            "models": [measure_cell(pair.measures.get(name)) for name in models],
            "others": [measure_cell(pair.measures.get(name), signed=name in judges) for name in others],
            "phenotype": _phenotype(pair, places, nearest),
        }
        for pair in ranked
    ]
    return {
        "rows": rows,
        "models": [{"name": name, "label": label(name), "means": _meaning(data, name)} for name in models],
        "others": [{"label": label(name), "means": _meaning(data, name)} for name in others],
        "ranked_by": ranked_by,
        "ranked_by_label": label(ranked_by),
        "several_samples": several,
        "cards": cards,
        "n_not_drawn": len(ranked) - len(cards),
        "map": "" if isinstance(places, Missing) else places.embedder,
        "readout": counted_by,
        "n_pairs": sum(pair.readout == counted_by for pair in ranked),
        "counts": {
            said: sum(pair.readout == counted_by and pair.interaction(ranked_by) == said for pair in ranked)
            for said in ("synergy", "antagonism", "undecided")
        },
    }


def _meaning(data: ScreenData, name: str) -> str:
    """What a measure says of itself; '' for one that is not installed any more."""
    found = data.preferences.measures.get(name)
    return "" if found is None else found.description.rstrip(".")


def measure_cell(row: Any, signed: bool = True) -> dict[str, Any]:
    """What a table shows of a measure; `sort` has all digits."""
    if row is None:
        return {"text": "–", "small": [], "sort": "", "reason": ""}
    if not known(row.value):
        return {"text": "–", "small": [], "sort": "", "reason": text_of(row.status)}
    sign = "+" if signed else ""
    interval = f"{row.lower:{sign}.1f} to {row.upper:{sign}.1f}" if known(row.lower, row.upper) else ""
    chance = _chance(row.probability_synergy) if known(row.probability_synergy) else ""
    return {
        "text": f"{row.value:{sign}.1f}",
        "small": [text for text in (interval, chance) if text],
        "sort": row.value,
        "reason": "",
    }


def _chance(probability: float) -> str:
    """The probability of synergy; draws cannot tell one of 1, nor of 0."""
    return "P > 0.99" if probability > 0.99 else "P < 0.01" if probability < 0.01 else f"P {probability:.2f}"


def _cards(
    data: ScreenData, ranked: list[Pair], models: list[str], judges: list[str], ranked_by: str, most_cells: int
) -> list[dict[str, Any]]:
    """A card a pair: the readout that ranks the drugs first, the decided pairs first."""
    tables = dict(iter(data["dose_pairs"].groupby(["sample", "readout", "drug", "add_on"], sort=False)))
    matrices = {readout: matrices_of(data, readout) for readout in {pair.readout for pair in ranked}}
    readouts = {name: place for place, name in enumerate(data.readouts)}
    label = data.preferences.measure_label

    def place(pair: Pair) -> tuple[int, int]:
        return readouts.get(pair.readout, len(readouts)), _ORDER_OF_CARDS.get(pair.interaction(ranked_by), 3)

    cards: list[dict[str, Any]] = []
    room = most_cells
    for pair in sorted(ranked, key=place):
        rows = tables.get(pair.key)
        if rows is None or len(rows) > room:
            continue
        room -= len(rows)
        matrix = matrices[pair.readout].get((pair.sample, pair.drug, pair.add_on))
        figure, why_none = isobole(pair, matrix) if len(cards) < MOST_ISOBOLOGRAMS else (None, _ENOUGH)
        cards.append(
            {
                "pair": pair,
                "anchor": f"pair-{len(cards) + 1}",
                "title": f"{pair.drug} and {pair.add_on}",
                "readout": pair.readout,
                "sample": pair.sample,
                "verdict": verdict(pair, judges, ranked_by, label),
                "remarks": _remarks(pair, why_none, label),
                "isobologram": figure,
                "measured": measured(pair, rows, matrix),
                "excess": [(name, excess(pair, rows, name, label(name))) for name in models],
            }
        )
    return cards


def _remarks(pair: Pair, why_no_isobologram: str, label: Callable[[str], str]) -> list[str]:
    """Why a measure or figure is not there, each reason once."""
    statuses = {label(name): text_of(row.status) for name, row in pair.measures.items()}
    statuses["isobologram"] = why_no_isobologram
    reasons: dict[str, list[str]] = {}
    for name, status in statuses.items():
        if status not in ("", "ok"):
            reasons.setdefault(status, []).append(name)
    return [f"no {listed(names)}: {reason}" for reason, names in reasons.items()]


def _nearest(phenotypes: pd.DataFrame) -> dict[tuple[str, str], list[str]]:
    """(drug, its nearest drug) -> by which features, and how similar."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows_of(phenotypes):
        if text_of(row.nearest_drug) and known(row.similarity):
            beyond = " beyond viability" if row.beyond_viability is True else ""
            text = f"cosine {row.similarity:.2f} by {row.features}{beyond}"
            found.setdefault((row.drug, row.nearest_drug), []).append(text)
    return found


def _phenotype(pair: Pair, places: DrugPlaces | Missing, nearest: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    """How alike the two drugs look: their distance on the map, and whether one is the other's nearest."""
    distance = float("nan") if isinstance(places, Missing) else places.distance(pair.drug, pair.add_on)
    said = []
    if known(distance) and not isinstance(places, Missing):
        times = f" ({number_of(distance / places.limit, 2)} × the duplicates)" if places.limit > 0 else ""
        said.append(f"{number_of(distance, 3)}{times}")
    for one, other in ((pair.drug, pair.add_on), (pair.add_on, pair.drug)):
        if (one, other) in nearest:
            said.append(f"{other} looks most like {one}: {', '.join(nearest[one, other])}")
    return {"text": "; ".join(said) or "–", "sort": distance if known(distance) else ""}
