"""What the section on phenotypes says: the maps with their views, and pairs of effective drugs that look different.

Belongs here: groups, colours, duplicates and the rule for pairs. Does not belong here: making maps (embedder plugins),
drawing (`svg_figures`), pictures of wells (`image_choice`).
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.io.frames import rows_of
from phenodose.plots import palette, svg_figures
from phenodose.plots.phenotype_map import phenotype_map
from phenodose.plots.small_curves import dose_words
from phenodose.plots.svg import swatch
from phenodose.reports.data import Missing, is_true, number_of, text_of, with_drug
from phenodose.reports.drug_places import drug_places
from phenodose.reports.words import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from phenodose.reports.data import ScreenData

_MOST_GROUPS = 24
#: More names than these hide each other.
_MOST_LABELS = 20
_LABEL_SIGNS = 14
#: Drugs with an image beside the map.
_MOST_PICTURED = 6
#: From dark to bright, as viridis, told apart in grey print; without its yellow, which is weak on white.
_SCALE = ("#440154", "#3b528b", "#21918c", "#5ec962", "#c8b020")
_QC = {"no doubt": palette.BLUE, "doubtful": palette.ORANGE, "left out": palette.INK}


def phenotypes(data: ScreenData, links: Mapping[str, str]) -> dict[str, Any] | Missing:
    """The phenotype maps of the screen.

    Args:
        data: the rows of the screen.
        links: drug -> address of its card within the page.
    """
    import pandas as pd

    places = data["embeddings"]
    if places.empty:
        if data["plates"].empty:
            return Missing("the screen has no images in the store.")
        if data["checkpoints"].empty:
            return Missing("no network was trained on this screen, so its wells have no features.")
        asset = next((f" and the asset embedding/{name}" for name in data.preferences.ordered_embedders()), "")
        return Missing(f"the map was not made; make it with `phenodose run`{asset}.")
    columns = ["plate", "well", "well_type", "treatment", "drug", "concentration_nM", "replicate", "add_on"]
    wells = with_drug(data["wells"])[columns]
    places = places[["plate", "well", "embedder", "readout", "x", "y"]].merge(wells, on=["plate", "well"], how="left")
    classes = data["drugs"].set_index("drug")["drug_class"] if not data["drugs"].empty else None
    scores = dict(zip(data.ranking["drug"], data.ranking["score"], strict=True))
    steps = _score_steps(scores)
    maps: list[dict[str, Any]] = []
    for (embedder, readout), rows in places.groupby(["embedder", "readout"], sort=True):
        doubts = _doubts(data, str(readout))
        shown = rows.reset_index(drop=True)
        shown = shown.assign(
            group=[_group(row, classes) for row in rows_of(shown)],
            label=_labels(shown, data),
            title=[_well_title(row) for row in rows_of(shown)],
        )
        colours, facts = [], []
        for row in rows_of(shown):
            is_drug = row.well_type == "therapy"
            score = scores.get(row.drug) if is_drug else None
            doubt = doubts.get((row.plate, row.well), ("no doubt", ""))
            colours.append({"qc": _QC[doubt[0]], "dss": _score_colour(score, steps)})
            facts.append(
                {"well": f"{row.plate}/{row.well}", "x": row.x, "y": row.y}
                | ({"link": links[row.drug]} if is_drug and row.drug in links else {})
                | ({"score": score} if score is not None and score == score else {})
                | {"doubt": ": ".join(filter(None, doubt))}
            )
        shown = shown.assign(colours=pd.Series(colours, dtype=object), facts=pd.Series(facts, dtype=object))
        looks = {name: palette.look(index) for index, name in enumerate(_groups(shown))}
        pairs = _duplicates(shown)
        maps.append(
            {
                "embedder": embedder,
                "readout": readout,
                "figure": phenotype_map(shown, looks, pairs, _pictured(shown, data)),
                "legend": [(name, swatch(look, line=False)) for name, look in list(looks.items())[:_MOST_GROUPS]],
                "qc_legend": list(_QC.items()),
                "dss_legend": [
                    *((f"{low:g} to {high:g}", c) for (low, high), c in zip(pairwise(steps), _SCALE, strict=False)),
                    ("no score", palette.PALE),
                ],
                "n": len(rows),
                "n_pairs": len(pairs),
            }
        )
    order = data.preferences.ordered_embedders(one["embedder"] for one in maps)
    measuring = data.preferences.measuring_embedders()
    maps.sort(key=lambda one: (one["embedder"] not in measuring, order.index(one["embedder"])))
    return {"maps": maps, "scorer": data.scorer, "readout": data.ranking_readout}


def distant_pairs(data: ScreenData) -> dict[str, Any] | Missing:
    """Pairs of hits whose phenotypes differ by more than duplicates do, the most different first.

    A drug's phenotype is the mean place of its wells of the highest concentration, on a map whose distances mean
    something. Two drugs differ if they lie farther apart than nine of ten pairs of duplicates do, and than the
    duplicates of either of the two.
    """
    hits = list(data.ranking.loc[is_true(data.ranking["hit"]), "drug"])
    if len(hits) < 2:
        return Missing(f"{len(hits)} drugs are hits, and a pair needs two.")
    places = drug_places(data)
    if isinstance(places, Missing):
        return places
    found: list[dict[str, Any]] = []
    compared = [drug for drug in hits if drug in places.where]
    scores = dict(zip(data.ranking["drug"], data.ranking["score"], strict=True))
    for one, other in combinations(compared, 2):
        distance = places.distance(one, other)
        least = np.nanmax([places.limit, places.own[one], places.own[other]])
        if distance > least:
            found.append({"drugs": (one, other), "scores": (scores[one], scores[other]), "distance": distance})
    found.sort(key=lambda pair: (-pair["distance"], pair["drugs"]))
    for pair in found:
        pair["text"] = number_of(pair["distance"], 3)
        pair["times"] = number_of(pair["distance"] / places.limit, 3) if places.limit > 0 else ""
    n_all = len(compared) * (len(compared) - 1) // 2
    return {
        "pairs": found,
        "embedder": places.embedder,
        "limit": places.limit,
        "n_all": n_all,
        "n_hits": len(compared),
    }


def _doubts(data: ScreenData, readout: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(plate, well) -> 'doubtful' or 'left out' and the reason, by this readout, else by any."""
    rows = data["viability"]
    own = rows[rows["readout"] == readout]
    rows = own if len(own) else rows
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for row in rows_of(rows[rows["flag"].notna()]):
        found[row.plate, row.well] = ("doubtful", text_of(row.flag_reason) or text_of(row.flag))
    for row in rows_of(rows[rows["masked"].astype(bool)]):
        found[row.plate, row.well] = ("left out", text_of(row.mask_reason))
    return found


def _duplicates(shown: pd.DataFrame) -> list[tuple[int, int]]:
    """Neighbouring replicates of the same drug and concentration, as positions of rows."""
    therapy = shown[shown["well_type"] == "therapy"]
    pairs = []
    for _, rows in therapy.groupby(["drug", "concentration_nM"], dropna=False, sort=True):
        pairs += list(pairwise(rows.sort_values(["replicate", "plate", "well"]).index))
    return pairs


def _score_steps(scores: Mapping[str, float]) -> list[float]:
    known = [score for score in scores.values() if score == score]
    ticks = svg_figures.nice_ticks(min([0.0, *known]), max([1.0, *known]), 4)
    return [float(tick) for tick in np.linspace(ticks[0], ticks[-1], len(_SCALE) + 1)]


def _score_colour(score: float | None, steps: list[float]) -> str:
    if score is None or score != score:
        return palette.PALE
    return _SCALE[min(max(int(np.searchsorted(steps, score, side="right")) - 1, 0), len(_SCALE) - 1)]


def _labels(shown: pd.DataFrame, data: ScreenData) -> list[str]:
    """A name beside every drug's well of the highest concentration; beside the best drugs' alone if there are many."""
    best = set(data.drugs[:_MOST_LABELS])
    therapy = shown[(shown["well_type"] == "therapy") & shown["drug"].isin(best)]
    top = therapy.sort_values(["concentration_nM", "replicate"], ascending=[False, True], kind="stable")
    named = set(top.drop_duplicates("drug").index)
    return [text_of(row.drug)[:_LABEL_SIGNS] if row.Index in named else "" for row in rows_of(shown)]


def map_wells(data: ScreenData) -> list[str]:
    """The wells whose images may stand beside a map, such as 'P1/B07'."""
    wells = with_drug(data["wells"])
    places = data["embeddings"][["plate", "well", "embedder", "readout"]]
    found: dict[str, None] = {}
    for _, rows in places.groupby(["embedder", "readout"], sort=True):
        shown = rows[["plate", "well"]].merge(wells, on=["plate", "well"], how="left").reset_index(drop=True)
        found |= {well: None for _, well, _ in _pictured(shown, data)}
    return list(found)


def _pictured(shown: pd.DataFrame, data: ScreenData) -> list[tuple[int, str, str]]:
    """Wells with an image beside the map: position, well and caption of the best drugs' highest doses, and controls."""
    if data["plates"].empty:
        return []
    names = [f"{plate}/{well}" for plate, well in zip(shown["plate"], shown["well"], strict=True)]
    kinds = data["viability"].dropna(subset=["control"])
    kind = {f"{row.plate}/{row.well}": row.control for row in rows_of(kinds)}
    found = []
    for control, caption in (("negative", "untreated"), ("positive", "killed")):
        found += [(place, name, caption) for place, name in enumerate(names) if kind.get(name) == control][:1]
    therapy = shown[shown["well_type"] == "therapy"]
    top = therapy.sort_values(["concentration_nM", "replicate"], ascending=[False, True], kind="stable")
    first = {row.drug: row for row in reversed(list(rows_of(top)))}
    for drug in [drug for drug in data.drugs if drug in first][:_MOST_PICTURED]:
        row = first[drug]
        caption = f"{shortened(drug, _LABEL_SIGNS)} {dose_words(row.concentration_nM)}"
        found.append((int(row.Index), names[int(row.Index)], caption))
    return found


def _group(row: Any, classes: pd.Series[str] | None) -> str:
    if row.well_type != "therapy":
        return text_of(row.treatment) or text_of(row.well_type) or "not in the layout"
    found = text_of(classes.get(row.treatment)) if classes is not None else ""
    return found or "drug without class"


def _groups(shown: pd.DataFrame) -> list[str]:
    """Controls first, then drug classes, each in order of name."""
    is_drug = dict(zip(shown["group"], shown["well_type"] == "therapy", strict=True))
    return sorted(is_drug, key=lambda name: (is_drug[name], name))


def _well_title(row: Any) -> str:
    dose = f" {row.concentration_nM:g} nM" if row.concentration_nM > 0 else ""
    return f"{row.plate} {row.well}: {text_of(row.drug) or text_of(row.well_type)}{dose}"
