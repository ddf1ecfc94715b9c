"""The first page of the patient report: one A4 sheet for the tumour board.

It says what was found in how sure a way, what it rests on, and what could not be tested. It is one page however many
drugs are hits and however long their names are: what has no room is counted, and stands in the appendix.

Belongs here: what stands on the sheet. Does not belong here: strips of images (`strips`), everything behind the sheet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.dose_response.hits import BORDERLINE, HIT
from phenodose.io.frames import rows_of
from phenodose.plots.small_curves import dose_words, small_curve
from phenodose.reports.candidates import candidates
from phenodose.reports.data import Missing, calls_of, text_of
from phenodose.reports.reachable import reachable_doses
from phenodose.reports.sections import anchors, threshold, why_no_scores
from phenodose.reports.targets import targets_by_drug
from phenodose.reports.untested import untested
from phenodose.reports.words import listed, n_lines, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from phenodose.reports.data import ScreenData
    from phenodose.reports.fitted_curves import FittedCurves

#: Drugs with a curve: a row each where there are images, else two in a row.
MOST_WITH_IMAGES, MOST_WITHOUT = 9, 20
#: Drugs that are shown where none is a hit: those that come nearest to one.
BEST_OF_NONE = 3
#: Other hits and borderline drugs that are named.
MOST_NAMED = 8
#: Longest name of a drug, and longest class or list of targets; longer ones end in an ellipsis.
LONGEST_NAME, LONGEST_NOTE = 34, 46
#: Height of the sheet, of a row of a drug, of what stands above the rows without the verdict, and of a line of text.
SHEET_MM, ROW_MM, HEAD_MM, LINE_MM = 268.0, 20.0, 36.0, 3.6
#: How much larger a sheet with few drugs is written.
LARGE = 1.18
#: Signs of a line of text across the sheet, and in a drug's row, on the safe side.
LINE_SIGNS, ROW_SIGNS = 112, 34


def first_page(data: ScreenData, fitted: FittedCurves) -> dict[str, Any] | Missing:
    """What stands on the sheet.

    Args:
        data: the rows of the screen.
        fitted: its curves.

    Returns:
        The drugs with a curve in `drugs`, best first, `MOST_WITHOUT` at most; the names of other hits in `named`.
    """
    if data.ranking_readout is None:
        return Missing(why_no_scores(data))
    rows = data.ranking[data.ranking["score"].notna()]
    called = dict(zip(rows["drug"], calls_of(rows), strict=True))
    hits = [row for row in rows_of(rows) if called[row.drug] == HIT]
    shown = hits or list(rows_of(rows))[:BEST_OF_NONE]
    about = _About(data)
    return {
        "drugs": [_drug(data, fitted, about, row) for row in shown[:MOST_WITHOUT]],
        "named": [about.in_a_few_words(row) for row in hits],
        "heading": _heading(rows, len(hits)),
        "n_scored": len(rows),
        "borderline": listed(
            [about.in_a_few_words(row) for row in rows_of(rows) if called[row.drug] == BORDERLINE], MOST_NAMED
        ),
        "score": data.score_name,
        "meaning": _meaning(data),
        "readout": data.label(data.ranking_readout),
        "half_dose": about.half_scorer,
        "candidates": candidates(data),
        "untested": untested(data),
        "has_reachable": bool(about.reachable),
    }


def sheet_drugs(data: ScreenData) -> list[str]:
    """The drugs whose images may stand on the sheet, the best first."""
    rows = data.ranking[data.ranking["score"].notna()]
    hits = [drug for drug, call in zip(rows["drug"], calls_of(rows), strict=True) if call == HIT]
    return hits[:MOST_WITH_IMAGES] or list(rows["drug"].head(BEST_OF_NONE))


def laid_out(page: dict[str, Any] | Missing, has_images: bool, above: Sequence[str]) -> dict[str, Any] | Missing:
    """The page with as many drugs in full as there is room for beside its other words; the other hits by name.

    Args:
        page: what `first_page` gave.
        has_images: whether a drug has a strip of images, and with it a row of its own.
        above: what stands above the drugs beside the name of the score: sample, facts, verdict.
    """
    if isinstance(page, Missing):
        return page
    a_row = 1 if has_images else 2
    for n_rows in range((MOST_WITH_IMAGES if has_images else MOST_WITHOUT) // a_row, 1, -1):
        others = listed(page["named"][n_rows * a_row :], MOST_NAMED)
        texts = [*above, page["meaning"], others, page["borderline"], "", *page["candidates"], "", *page["untested"]]
        rows_mm = sum(
            max(map(_high_mm, page["drugs"][place : place + a_row]), default=0.0)
            for place in range(0, n_rows * a_row, a_row)
        )
        if HEAD_MM + rows_mm + LINE_MM * n_lines(texts, LINE_SIGNS) <= SHEET_MM:
            break
    drugs = page["drugs"][: n_rows * a_row]
    lines = LARGE * LINE_MM * n_lines(texts, int(LINE_SIGNS / LARGE))
    is_roomy = LARGE * (HEAD_MM + rows_mm * 1.15) + lines <= SHEET_MM
    return page | {"drugs": drugs, "others": others, "has_images": has_images, "is_roomy": is_roomy}


def _high_mm(one: dict[str, Any]) -> float:
    """Height that a drug's row takes at most: its words, or its curve."""
    first = f"{one['name']} {one['score']} ({one['interval']}) {one['chance']} {'not trusted' if one['doubt'] else ''}"
    reach = "" if one["reach"] is None else f"At the reachable dose: {one['reach'].words} needs more"
    about = min(n_lines([f"{one['drug_class']} · {one['targets']}"], ROW_SIGNS), 2)
    lines = n_lines([first, f"IC50 {one['half_dose']}", reach], ROW_SIGNS) + about
    return max(ROW_MM, LINE_MM * lines + 1.6)


def _heading(rows: pd.DataFrame, n_hits: int) -> str:
    """How many drugs are hits, or why none is named."""
    if n_hits:
        return f"{n_hits} of {len(rows)} drugs {'are hits' if n_hits != 1 else 'is a hit'}"
    if rows["readout_failed"].any():
        return "No drug counts as a hit, for the readout failed a quality check; the highest scores"
    if not any(calls_of(rows)):
        return f"Hits among {len(rows)} drugs were not judged; the highest scores"
    return f"None of {len(rows)} drugs is a hit; the highest scores"


class _About:
    """What the store knows of the drugs of a screen beside their scores."""

    def __init__(self, data: ScreenData) -> None:
        self.data = data
        notes = data["drugs"]
        self.classes = dict(zip(notes["drug"], map(text_of, notes["drug_class"]), strict=True))
        targets = {drug: text_of(said) for drug, said in zip(notes["drug"], notes["targets"], strict=True)}
        self.targets = targets_by_drug(data) | {drug: said for drug, said in targets.items() if said}
        self.reachable = reachable_doses(data)
        self.half_doses, self.half_scorer = self._half_doses()

    def _half_doses(self) -> tuple[dict[str, Any], str]:
        """Drug -> its row of the half-effect dose by the ranking readout, and what that score is called."""
        scores = self.data["scores"]
        rows = scores[(scores["replicate"] == "pooled") & (scores["readout"] == self.data.ranking_readout)]
        rows = rows[(rows["unit"] == "nM") & rows["score"].notna()]
        for name in self.data.preferences.half_effect_scorers():
            found = {row.drug: row for row in rows_of(rows[rows["scorer"] == name])}
            if found:
                return found, self.data.preferences.scorer_label(name)
        return {}, ""

    def half_dose(self, drug: str) -> str:
        """The half-effect dose with its interval in a clinician's unit; '' where it is not known."""
        row = self.half_doses.get(drug)
        if row is None:
            return ""
        bound = "" if row.bound == "=" else f"{row.bound} "
        return f"{bound}{dose_words(row.score)}{_interval(row)}"

    def in_a_few_words(self, row: Any) -> str:
        """A drug that has no room for more: name, score, and dose."""
        row_of_dose = self.half_doses.get(row.drug)
        bound = "" if row_of_dose is None or row_of_dose.bound == "=" else f"{row_of_dose.bound} "
        dose = f", {bound}{dose_words(row_of_dose.score)}" if row_of_dose is not None else ""
        chance = getattr(row, "p_hit_fraction", None)
        sure = f", P(hit) {chance:.2f}" if chance is not None and chance == chance else ""
        return f"{shortened(row.drug, LONGEST_NAME)} ({row.score:.1f}{sure}{dose})"


def _drug(data: ScreenData, fitted: FittedCurves, about: _About, row: Any) -> dict[str, Any]:
    readout, drug = str(data.ranking_readout), str(row.drug)
    wells = data.dosed_wells
    own = wells[(wells["drug"] == drug) & (wells["readout"] == readout)]
    points = zip(own["concentration_nM"], 100 * (1 - own["viability_fraction"]), strict=True)
    reach = about.reachable.get(drug)
    chance = getattr(row, "p_hit_fraction", None)
    return {
        "drug": drug,
        "name": shortened(drug, LONGEST_NAME),
        "link": anchors(data)[drug],
        "drug_class": shortened(about.classes.get(drug, ""), LONGEST_NOTE),
        "targets": shortened(about.targets.get(drug, ""), LONGEST_NOTE),
        "score": f"{row.score:.1f}",
        "sort": row.score,
        "interval": f"{row.lower:.1f} to {row.upper:.1f}" if row.lower == row.lower and row.upper == row.upper else "",
        "chance": f"P(hit) {_chance(chance)}" if chance is not None and chance == chance else "",
        "doubt": bool(text_of(row.doubt)),
        "half_dose": about.half_dose(drug),
        "reach": reach,
        "figure": small_curve(
            f"Inhibition by {drug} over its doses, {data.label(readout)}",
            points,
            fitted.lines.get((drug, readout, "pooled")),
            fitted.bands.get((drug, readout)),
            data.looks[readout],
            None if reach is None else reach.dose_nm,
        ),
        "strip": [],
    }


def _chance(value: float) -> str:
    """A probability; draws cannot tell one of 1, nor of 0."""
    return "> 0.99" if value > 0.99 else "< 0.01" if value < 0.01 else f"{value:.2f}"


def _interval(row: Any) -> str:
    """The interval of a dose in words; an end beyond which it may go on says so."""
    if not (row.lower == row.lower and row.upper == row.upper):
        return ""
    if row.bound != "=":
        # Of a dose beyond the tested ones one end of the interval says nothing more.
        near, word = (row.lower, "at least") if row.bound == ">" else (row.upper, "at most")
        return "" if dose_words(near) == dose_words(row.score) else f" ({word} {dose_words(near)})"
    low = "< " if text_of(getattr(row, "lower_bound", "")) == "<" else ""
    high = "> " if text_of(getattr(row, "upper_bound", "")) == ">" else ""
    return f" ({low}{dose_words(row.lower)} to {high}{dose_words(row.upper)})"


def _meaning(data: ScreenData) -> str:
    """What the score means, in one line."""
    scorer = data.preferences.scorers.get(data.scorer or "")
    if scorer is None:
        return ""
    from_value = threshold(data)
    span = f" ({scorer.span})" if scorer.span and "0" not in scorer.description else ""
    hit = f" A hit from {from_value:g}." if from_value is not None else ""
    return f"{data.score_name}: {scorer.description.rstrip('.')}{span}.{hit}"
