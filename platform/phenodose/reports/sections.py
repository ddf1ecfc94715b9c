"""What the sections on scores say: verdict, ranking, table, agreement of readouts.

Every function takes the rows of a screen and returns what its part of the template shows; a section
without data is a `Missing` with a sentence. Does not belong here: the drugs one by one (`drug_cards`), quality and
lineage (`evidence`), HTML (templates), drawing (`svg_figures`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from phenodose.dose_response.agreement import AGREE, DIFFER, UNDECIDED, compared
from phenodose.io.frames import rows_of
from phenodose.lineage.freshness import changes_since
from phenodose.names import measured_name
from phenodose.pipeline.hits import of_an_older_version
from phenodose.pipeline.verdict import screen_verdict
from phenodose.plots import svg_figures
from phenodose.reports.data import Missing, is_true, number_of, text_of
from phenodose.reports.methods import OWN_STEP
from phenodose.reports.other_scores import other_scores
from phenodose.reports.reference import reference_cohort
from phenodose.reports.targets import targets_by_drug
from phenodose.reports.words import first_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from phenodose.reports.data import ScreenData

#: Sentences on what is older than its inputs that the first page has room for in print.
MOST_STALE = 2


def header(data: ScreenData) -> dict[str, Any]:
    """Sample, screen and the quality verdict in plain words."""
    about, runs = data.about, data["runs"]
    runs = runs[runs["asset"] != OWN_STEP]
    finished = None if runs.empty else runs["finished_at"].max().strftime("%Y-%m-%d %H:%M UTC")
    versions = sorted(set(runs["phenodose_version"]))
    stale = [change.sentence for change in changes_since(data.store, data.screen)]
    verdict = screen_verdict(data.tables, data.preferences, stale)
    # What is older than its inputs stands in a bar of its own above.
    first, rest = first_sentences([data.in_words(one) for one in verdict.sentences if one not in stale])
    return {
        "sample": data.sample,
        "entity": about["entity"] or "entity not given",
        "kind": about["kind"] or "",
        "n_plates": about["n_plates"],
        "n_drugs": about["n_drugs"],
        "finished": finished,
        "versions": ", ".join(versions),
        "level": verdict.level,
        "verdict": first,
        "verdict_rest": rest,
        "anchors": [data.in_words(anchor) for anchor in anchors_of(runs)],
        "notes": [data.in_words(note) for note in notes_of(runs) if not _is_of(note, data.others)],
        "older": _made_by_an_older_version(data),
        "stale": stale,
        "stale_rest": " ".join(stale[MOST_STALE:]),
    }


def _made_by_an_older_version(data: ScreenData) -> str:
    """What a page without calls says of itself, and the command that mends it; '' where there are calls."""
    if not of_an_older_version(data["scores"]):
        return ""
    return (
        "The scores on this page were made by an older version of phenodose, which did not say how sure a hit is, so "
        f"no drug is called one. Make them again: phenodose run {data.screen} --select scores,{OWN_STEP}"
    )


def _is_of(note: str, samples: Sequence[str]) -> bool:
    """Whether a note is on one of these samples."""
    return any(f"sample {sample}:" in note for sample in samples)


def anchors_of(runs: pd.DataFrame) -> list[str]:
    """A sentence on every readout whose viability 0 was stated, as no killed cells were measured."""
    found = []
    for run in rows_of(runs):
        said = json.loads(text_of(run.inputs) or "{}").get("lower_anchor")
        if said is not None:
            readout = str(run.asset).partition("/")[2]
            found.append(f"{readout}: viability 0 is stated ({said}), not measured in killed cells.")
    return found


def notes_of(runs: pd.DataFrame) -> list[str]:
    """What layout, images and readouts tell of their inputs and wells, each sentence once."""
    speaking = runs[runs["asset"].isin(["layout", "plate_images"]) | runs["asset"].str.startswith("viability/")]
    return list(dict.fromkeys(note for text in speaking["notes"].dropna() for note in json.loads(text)))


def ranking(data: ScreenData) -> dict[str, Any] | Missing:
    """The waterfall, and the hits in a sentence."""
    if data.ranking_readout is None:
        return Missing(why_no_scores(data))
    rows = data.ranking
    hits = rows[is_true(rows["hit"])]
    unscored = rows[rows["score"].isna()]
    reference = reference_cohort(data)
    return {
        "readout": data.label(data.ranking_readout),
        "scorer": data.score_name,
        "hits": [
            f"{row.drug} ({row.score:.1f}{', not trusted' if text_of(row.doubt) else ''})" for row in rows_of(hits)
        ],
        "untrusted": [
            f"{row.drug}: {text_of(row.doubt)}{_others_say(data, row.drug)}"
            for row in rows_of(rows)
            if text_of(row.doubt)
        ],
        "n_scored": int(rows["score"].notna().sum()),
        "unscored": [f"{row.drug} ({row.status})" for row in rows_of(unscored)],
        "figure": svg_figures.waterfall(rows, anchors(data), threshold(data), _unit(data), reference.scores),
        "reference": reference,
        "n_compared": len(reference.scores),
    }


def _others_say(data: ScreenData, drug: str) -> str:
    """What the readouts without doubts on the drug give it; '' if there are none."""
    rows = data.pooled[(data.pooled["drug"] == drug) & data.pooled["score"].notna()]
    sure = {str(row.readout): row for row in rows_of(rows) if not text_of(row.doubt)}
    said = []
    for readout in data.readouts:
        if readout in sure:
            cell = score_cell(sure[readout])
            interval = f" ({cell['interval']})" if cell["interval"] else ""
            said.append(f"{data.label(readout)} gives {cell['text']}{interval}{', a hit' if cell['hit'] else ''}")
    return f"; {', '.join(said)}" if said else "; no other readout has a score of it"


def drug_table(data: ScreenData) -> dict[str, Any] | Missing:
    """All drugs with the scores of all readouts."""
    if not data.drugs:
        return Missing(why_no_scores(data))
    notes = data["drugs"].set_index("drug") if not data["drugs"].empty else None
    aims = targets_by_drug(data)
    scores = {(row.drug, row.readout): row for row in rows_of(data.pooled)}
    half_doses, half_scorer = _half_doses(data)
    others = other_scores(data, {half_scorer})
    rows = []
    for rank, drug in enumerate(data.drugs, 1):
        known = notes is not None and drug in notes.index
        rows.append(
            {
                "rank": rank,
                "drug": drug,
                "anchor": anchors(data)[drug],
                "drug_class": text_of(notes.loc[drug, "drug_class"]) if known else "",  # type: ignore[union-attr]
                "targets": (text_of(notes.loc[drug, "targets"]) if known else "") or aims.get(drug, ""),  # type: ignore[union-attr]
                "scores": [score_cell(scores.get((drug, readout))) for readout in data.readouts],
                "half_dose": half_doses.get(drug, {"text": "", "sort": ""}),
                "others": others["of"][drug],
            }
        )
    return {
        "readouts": data.readouts,
        "rows": rows,
        "scorer": data.score_name,
        "half_scorer": half_scorer,
        "half_label": data.preferences.scorer_label(half_scorer),
        "others": others["scorers"],
        "others_of": "" if data.ranking_readout is None else data.label(data.ranking_readout),
    }


def agreement(data: ScreenData) -> dict[str, Any] | Missing:
    """Imaging against metabolic readouts: figures, and the drugs on which they disagree, by name."""
    pooled = data.pooled[data.pooled["score"].notna()].set_index(["readout", "drug"])
    scored = [name for name in data.readouts if name in pooled.index.get_level_values("readout")]
    metabolic = [name for name in scored if measured_name(name) in data.preferences.metabolic_readouts()]
    imaging = [name for name in scored if name not in metabolic]
    if not metabolic or not imaging:
        lacking = "an imaging" if metabolic else "a metabolic" if imaging else "any"
        return Missing(f"the screen has no scores of {lacking} readout, so there is nothing to compare.")
    comparisons = []
    for one in metabolic:
        for other in imaging:
            both = pooled.loc[one].add_suffix("_m").join(pooled.loc[other].add_suffix("_i"), how="inner").sort_index()
            comparisons.append(_comparison(data, one, other, both))
    return {"comparisons": comparisons}


def _comparison(data: ScreenData, metabolic: str, imaging: str, both: pd.DataFrame) -> dict[str, Any]:
    """What two readouts say of the same drugs; of `imaging_only` they differ, and imaging has the higher score."""
    both = compared(both, threshold(data))
    differ, undecided = both["agreement"].eq(DIFFER), both["agreement"].eq(UNDECIDED)
    higher = both["difference"] > 0

    def named(chosen: pd.Series[bool]) -> list[str]:
        return [
            f"{row.Index} ({data.label(imaging)} {row.score_i:.1f}, {data.label(metabolic)} {row.score_m:.1f})"
            for row in rows_of(both[chosen].sort_values("score_i", ascending=False))
        ]

    correlation = float(both["score_m"].corr(both["score_i"])) if len(both) >= 3 else float("nan")
    failed = [name for name, end in ((imaging, "_i"), (metabolic, "_m")) if both[f"readout_failed{end}"].any()]
    return {
        "metabolic": metabolic,
        "imaging": imaging,
        "n_drugs": len(both),
        "n_agree": int(both["agreement"].eq(AGREE).sum()),
        "n_differ": int(differ.sum()),
        "n_undecided": int(undecided.sum()),
        "percent_differ": 100 * float(differ.mean()) if len(both) else 0.0,
        "correlation": f"{correlation:.2f}" if correlation == correlation else "not defined",
        "imaging_only": named(differ & higher),
        "metabolic_only": named(differ & ~higher),
        "undecided": [] if failed else named(undecided),
        "failed": _and([data.label(name) for name in failed]) if failed else "",
        "figure": svg_figures.agreement(
            [(str(row.Index), row.score_m, row.score_i) for row in rows_of(both)],
            threshold(data),
            data.label(metabolic),
            data.label(imaging),
            data.looks[imaging],
        ),
    }


def threshold(data: ScreenData) -> float | None:
    """Score from which the ranking scorer calls a drug a hit; None if its plugin is not installed."""
    found = data.preferences.scorers.get(data.scorer or "")
    return None if found is None else found.hit_threshold


def anchors(data: ScreenData) -> dict[str, str]:
    """Drug -> address of its figure within the page, unique and without odd signs."""
    return {
        drug: f"#drug-{index}-{re.sub(r'[^A-Za-z0-9]+', '-', drug).strip('-').lower()}"
        for index, drug in enumerate(data.drugs, 1)
    }


def _half_doses(data: ScreenData) -> tuple[dict[str, dict[str, Any]], str]:
    """Drug -> IC50 of the ranking readout as text with its bound, and the scorer's name."""
    scores = data["scores"]
    rows = scores[(scores["replicate"] == "pooled") & (scores["readout"] == data.ranking_readout)]
    for scorer in data.preferences.half_effect_scorers():
        found = rows[(rows["scorer"] == scorer) & rows["score"].notna()]
        if len(found):
            return {row.drug: _half_dose(row) for row in rows_of(found)}, scorer
    return {}, ""


def _half_dose(row: Any) -> dict[str, Any]:
    bound = "" if row.bound == "=" else f"{row.bound} "
    return {"text": f"{bound}{number_of(row.score, 3)} {text_of(row.unit)}".strip(), "sort": row.score}


def score_cell(row: Any) -> dict[str, Any]:
    """What a table shows of a score; `sort` has all digits, `failed` is true where its readout failed a check."""
    call = {"call": "" if row is None else text_of(row.call), "failed": row is not None and bool(row.readout_failed)}
    if row is None:
        return {"text": "–", "interval": "", "hit": False, "sort": "", "note": "not made", "doubt": "", **call}
    if row.score != row.score or row.score is None:
        return {"text": "–", "interval": "", "hit": False, "sort": "", "note": row.status, "doubt": "", **call}
    interval = f"{row.lower:.1f} to {row.upper:.1f}" if row.lower == row.lower and row.upper == row.upper else ""
    bound = "" if row.bound == "=" else row.bound + " "
    doubt = text_of(row.doubt)
    return {
        "text": f"{bound}{row.score:.1f}",
        "interval": interval,
        "hit": row.hit is True or row.hit == 1,
        "sort": row.score,
        "note": "",
        "doubt": doubt,
        **call,
    }


def why_no_scores(data: ScreenData) -> str:
    """What is missing for scores: a clause that ends with a stop."""
    if data["wells"].empty:
        return "the screen has no layout in the store."
    if data["viability"].empty:
        return "no readout of this screen was made: it has neither images nor plate-reader files that were read."
    if data["scores"].empty:
        return "viabilities were made, but no scores; make them with `phenodose run`."
    return "no scorer gave a score that ranks drugs."


def _unit(data: ScreenData) -> str:
    units = [unit for unit in data.ranking["unit"].dropna() if unit]
    return f"{data.score_name} ({units[0]})" if units else data.score_name


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
