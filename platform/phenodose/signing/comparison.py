"""Two or more states of screens side by side: drugs with their scores, differences, calls, verdicts, inputs.

The interval of a difference between two screens is made of the intervals of both scores (MOVER: Zou & Donner 2008,
doi 10.1002/sim.3095), which holds if the two were measured apart. Two versions of one screen rest on the same wells: of
these the difference is what it is, and has no interval.

Belongs here: which rows are compared, and the numbers. Does not belong here: what changed from version to version
(`differences`), and pages (`phenodose.reports.comparison`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError
from phenodose.io.frames import rows_of
from phenodose.signing.differences import Differences, differences
from phenodose.signing.state import ScreenState, call_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Score:
    """The score of a drug in one state.

    Attributes:
        score: the value; None where there is none.
        lower: lower end of its 95 % interval; None where unknown or open.
        upper: upper end.
        call: hit, borderline, no hit; None without.
        status: ok, or why there is no score.
    """

    score: float | None
    lower: float | None
    upper: float | None
    call: str | None
    status: str


@dataclass(frozen=True)
class Difference:
    """A score minus that of the first state.

    Attributes:
        difference: in the unit of the score.
        lower: lower end of its 95 % interval; None where both rest on the same wells, or an interval is not known.
        upper: upper end.
        is_clear: whether the interval leaves out 0; None without an interval.
    """

    difference: float
    lower: float | None
    upper: float | None
    is_clear: bool | None


@dataclass(frozen=True)
class DrugRow:
    """One drug: its score in every state, None where the state has not the drug, and the differences to the first."""

    drug: str
    scores: list[Score | None]
    differences: list[Difference | None]


@dataclass
class Comparison:
    """States side by side.

    Attributes:
        names: 'SCREEN' or 'SCREEN@VERSION' of each.
        facts: samples, entity, verdict, ranked_by, signed of each.
        readout: by which the drugs are compared.
        scorer: by which the drugs are compared.
        unit: of the scores; '' without.
        drugs: a row a drug, in order of the first state's ranking, then of the others'.
        missing: by state, the drugs that it lacks and another one has.
        changes: by every state but the first, what differs from the first, if it is the same screen.
        notes: what a reader should know, in sentences.
    """

    names: list[str]
    facts: list[dict[str, Any]]
    readout: str
    scorer: str
    unit: str
    drugs: list[DrugRow]
    missing: dict[str, list[str]]
    changes: dict[str, Differences]
    notes: list[str] = field(default_factory=list)


def compare(states: Sequence[ScreenState], readout: str | None = None, scorer: str | None = None) -> Comparison:
    """States of screens side by side.

    Args:
        states: two or more; differences are to the first.
        readout: by which readout; None for the one that ranks the first state's drugs, if all have it, else the first
            that all have.
        scorer: by which scorer; None for the one that ranks the first state's drugs.

    Raises:
        InputError: there are fewer than two, two are the same, or they have no such readout or scorer in common.
    """
    names = [state.name for state in states]
    if len(states) < 2:
        raise InputError("name at least two screens or versions, such as SCREEN@1 SCREEN@2.")
    if len(set(names)) < len(names):
        raise InputError(f"{next(name for name in names if names.count(name) > 1)} is named twice; name each once.")
    readout, scorer, notes = _basis(states, readout, scorer)
    # Where one screen has several samples, a drug is one of a sample in all of them.
    several = any(len(set(state.pooled(readout, scorer)["sample"])) > 1 for state in states)
    keyed = [_by_drug(state, readout, scorer, several) for state in states]
    order = list(dict.fromkeys(key for of_state in keyed for key in of_state))
    shown = {key: next(of_state[key][0] for of_state in keyed if key in of_state) for key in order}
    drugs = []
    for key in order:
        scores = [of_state[key][1] if key in of_state else None for of_state in keyed]
        apart = [state.screen != states[0].screen for state in states[1:]]
        found = [_difference(scores[0], other, own) for other, own in zip(scores[1:], apart, strict=True)]
        drugs.append(DrugRow(shown[key], scores, found))
    missing = {
        state.name: [shown[key] for key in order if key not in of_state]
        for state, of_state in zip(states, keyed, strict=True)
    }
    first = states[0]
    same = {state.name: differences(first, state) for state in states[1:] if state.screen == first.screen}
    unit = next((u for s in states for u in s.pooled(readout, scorer)["unit"] if isinstance(u, str)), "")
    notes += _notes(states)
    return Comparison(names, [_facts(s) for s in states], readout, scorer, unit, drugs, missing, same, notes)


def _basis(states: Sequence[ScreenState], readout: str | None, scorer: str | None) -> tuple[str, str, list[str]]:
    """Readout and scorer that all have, and what is to be said of the choice."""
    without = [state.name for state in states if state.ranked_by is None]
    if without:
        raise InputError(f"{' and '.join(without)}: there is no score to compare; `phenodose run` makes some.")
    firsts = [state.ranked_by or ("", "") for state in states]
    by = scorer or firsts[0][1]
    scored = [state["scores"] for state in states]
    common_scorers = set.intersection(*(set(rows["scorer"]) for rows in scored))
    if by not in common_scorers:
        raise InputError(
            f"not all have scores by {by!r}; name one that they have in common: {_listed(common_scorers)}."
        )
    of_scorer = [set(rows.loc[rows["scorer"] == by, "readout"]) for rows in scored]
    common = [name for name in states[0].readouts if all(name in found for found in of_scorer)]
    if readout is not None and readout not in common:
        raise InputError(f"not all have scores by the readout {readout!r}; they have in common: {_listed(common)}.")
    if not common:
        each = "; ".join(f"{state.name}: {_listed(found)}" for state, found in zip(states, of_scorer, strict=True))
        raise InputError(f"the screens have no readout in common ({each}).")
    chosen = readout or (firsts[0][0] if firsts[0][0] in common else common[0])
    notes = [
        f"{state.name} ranks its drugs by {first[0]}; here they are compared by {chosen}."
        for state, first in zip(states, firsts, strict=True)
        if first[0] != chosen
    ]
    return chosen, by, notes


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _by_drug(state: ScreenState, readout: str, scorer: str, several: bool) -> dict[str, tuple[str, Score]]:
    """Name and score of every drug of a state, best first, by a key that spellings share.

    Of several samples a drug is there once for each of them: 'DRUG in SAMPLE'.
    """
    rows = state.pooled(readout, scorer).sort_values(["score", "drug"], ascending=[False, True], na_position="last")
    known = _library_names(state["drugs"])
    found = {}
    for row in rows_of(rows):
        whose = f" in {row.sample}" if several else ""
        score = Score(_number(row.score), _number(row.lower), _number(row.upper), call_of(row), str(row.status))
        found[f"{known.get(row.drug, row.drug)}{whose}".casefold()] = (f"{row.drug}{whose}", score)
    return found


def _library_names(drugs: pd.DataFrame) -> dict[str, str]:
    """The name in the drug library of every drug that is in it, by the layout's name."""
    if "library_name" not in drugs.columns:
        return {}
    rows = drugs[drugs["library_name"].notna()]
    return dict(zip(rows["drug"], rows["library_name"], strict=True))


def _number(value: Any) -> float | None:
    return None if value is None or value != value or math.isinf(value) else float(value)


def _difference(first: Score | None, other: Score | None, apart: bool) -> Difference | None:
    """The difference of two scores; with an interval if they were measured apart from each other."""
    if first is None or other is None or first.score is None or other.score is None:
        return None
    found = other.score - first.score
    ends = (first.lower, first.upper, other.lower, other.upper)
    if not apart or any(end is None for end in ends):
        return Difference(found, None, None, None)
    below = math.hypot(other.score - (other.lower or 0.0), (first.upper or 0.0) - first.score)
    above = math.hypot((other.upper or 0.0) - other.score, first.score - (first.lower or 0.0))
    lower, upper = found - below, found + above
    return Difference(found, lower, upper, lower > 0 or upper < 0)


def _facts(state: ScreenState) -> dict[str, Any]:
    about = state["screens"]
    entity = about["entity"].iloc[0] if len(about) else None
    report = state.report
    return {
        "name": state.name,
        "screen": state.screen,
        "version": report.version if report else None,
        "signed": f"by {report.by} on {report.when}" if report else None,
        "samples": state.samples,
        "entity": entity if isinstance(entity, str) else None,
        "verdict": state.verdict.level,
        "verdict_reason": state.verdict.words,
        "ranked_by": state.ranked_by[0] if state.ranked_by else None,
        "n_drugs": int(state.ranked["drug"].nunique()),
        "hits": [str(row.drug) for row in rows_of(state.ranked) if call_of(row) == "hit"],
    }


def _notes(states: Sequence[ScreenState]) -> list[str]:
    first, found = states[0], []
    for state in states[1:]:
        if state.screen == first.screen:
            found.append(
                f"{state.name} and {first.name} are of one screen and rest on the same wells: the differences are what "
                "they are, and have no interval."
            )
        elif set(state.samples) == set(first.samples):
            found.append(f"{state.name} and {first.name} are screens of the same sample ({', '.join(state.samples)}).")
        elif set(state.samples).isdisjoint(first.samples):
            found.append(
                f"{state.name} ({', '.join(state.samples)}) and {first.name} ({', '.join(first.samples)}) are of "
                "different samples: differences are those of samples and of screens together."
            )
        else:
            found.append(
                f"{state.name} and {first.name} share some of their samples: compared drug by drug and sample."
            )
    return found


def to_json(found: Comparison) -> dict[str, Any]:
    """The comparison as plain values."""
    from dataclasses import asdict

    return {
        "names": found.names,
        "screens": found.facts,
        "readout": found.readout,
        "scorer": found.scorer,
        "unit": found.unit,
        "drugs": [asdict(row) for row in found.drugs],
        "missing": {name: drugs for name, drugs in found.missing.items() if drugs},
        "changes": {name: one.to_json() for name, one in found.changes.items()},
        "notes": found.notes,
    }
