"""Expected hits: a list of drugs that should work in a sample or entity, and what the cohort found.

Belongs here: reading the list and comparing. Does not belong here: the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.dose_response.hits import BORDERLINE, HIT
from phenodose.errors import Faults, InputError
from phenodose.io.frames import rows_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.cohort.source import Cohort
    from phenodose.store.store import Store

FILE = "expected_hits.csv"
_MOST_ROWS = 5_000
_STATES = ("found", "borderline", "missed", "readout failed", "no score", "not tested")
_ALWAYS = ("found", "missed", "no score", "not tested")


@dataclass(frozen=True)
class Expected:
    """A line of the list: the drug, and the sample or the entity in which it should hit; the other is ''."""

    drug: str
    sample: str
    entity: str


def find(store: Store, given: Path | None) -> list[Expected] | None:
    """The list: the given file, else the store's, else None."""
    path = given or store.root / FILE
    if given is None and not path.is_file():
        return None
    return read_expected(path)


def read_expected(path: Path) -> list[Expected]:
    """Read a list of expected hits: a CSV file with the columns drug and sample, or drug and entity.

    Both may be there; then a line fills one of them, or both, and means screens that fit all that it fills.

    Raises:
        InputError: the file cannot be read, lacks a column, or a line says too little; all faults in one message.
    """
    import csv

    faults, found = Faults(f"expected hits {path}"), []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = [name.strip().lower() for name in next(reader, [])]
            lines = [dict(zip(columns, line, strict=False)) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); name a CSV file with the columns sample and drug."
        ) from error
    if "drug" not in columns or not {"sample", "entity"} & set(columns):
        faults.add(
            f"columns are {', '.join(columns) or 'none'}; it needs drug and at least one of sample and entity, "
            "such as `sample,drug` and below it `BT-40,Trametinib`."
        )
        faults.raise_if_any(InputError)
    for number, line in enumerate(lines, start=2):
        drug, sample, entity = (line.get(name, "").strip() for name in ("drug", "sample", "entity"))
        if not (drug or sample or entity):
            continue
        if drug and (sample or entity):
            found.append(Expected(drug, sample, entity))
        else:
            faults.add(
                f"line {number} names no {'drug' if not drug else 'sample or entity'}; fill it in or delete the line."
            )
    faults.raise_if_any(InputError)
    return list(dict.fromkeys(found))


def table(cohort: Cohort, expected: list[Expected] | None) -> dict[str, Any] | None:
    """A row an expected hit, screen and readout: `_STATES`, with DSS and rank."""
    if expected is None:
        return None
    ranked, treated = _ranked(cohort), _treated(cohort)
    rows = [row for line in expected for row in _of(cohort.screens, ranked, treated, line)]
    states = [row["state"] for row in rows]
    return {
        "rows": rows[:_MOST_ROWS],
        "left_out": max(len(rows) - _MOST_ROWS, 0),
        "counts": {state: states.count(state) for state in _STATES if state in _ALWAYS or state in states},
    }


def _of(
    screens: pd.DataFrame, ranked: dict[str, pd.DataFrame], treated: dict[str, frozenset[str]], line: Expected
) -> list[dict[str, Any]]:
    wanted = f"{line.sample or 'any sample'}{f' ({line.entity})' if line.entity else ''}"
    base = {"expected": wanted, "drug": line.drug, "dss": "", "rank": "", "n": ""}
    for column in ("sample", "entity"):
        if getattr(line, column):
            screens = screens[screens[column].map(_same) == _same(getattr(line, column))]
    if screens.empty:
        return [base | {"screen": "", "readout": "", "state": "not tested"}]
    found: list[dict[str, Any]] = []
    for screen in screens["screen"]:
        here = base | {"screen": str(screen)}
        scores = ranked.get(str(screen))
        tested = _same(line.drug) in treated.get(str(screen), frozenset())
        if scores is None:
            found.append(here | {"readout": "", "state": "no score" if tested else "not tested"})
            continue
        mine = scores[scores["key"] == _same(line.drug)]
        # A readout may have seen some of the plates only: there the drug was not tested.
        found += [
            here | {"readout": str(readout), "state": "not tested"}
            for readout in sorted(set(scores["readout"]) - set(mine["readout"]))
        ]
        for row in rows_of(mine):
            if row.score != row.score:
                found.append(here | {"readout": row.readout, "state": "no score"})
                continue
            state = _state(row)
            number = {"dss": f"{row.score:.1f}", "rank": int(row.rank), "n": int(row.n)}
            found.append(here | {"readout": row.readout, "state": state} | number)
    return found


def _state(row: Any) -> str:
    """What a scored drug is: a readout that failed a quality check neither finds nor misses it."""
    if row.readout_failed:
        return "readout failed"
    return "found" if row.call == HIT else "borderline" if row.call == BORDERLINE else "missed"


def _same(name: object) -> str:
    """Names are the same whatever their case and blanks at the ends."""
    return str(name).strip().casefold() if isinstance(name, str) else ""


def _ranked(cohort: Cohort) -> dict[str, pd.DataFrame]:
    """Scores by screen with their rank, 1 the most sensitive, within readout; ties share the better rank."""
    scores = cohort.scores
    by = scores.groupby(["screen", "readout"])["score"]
    ranked = scores.assign(key=scores["drug"].map(_same), rank=by.rank("min", ascending=False), n=by.transform("count"))
    return {str(screen): own for screen, own in ranked.groupby("screen")}


def _treated(cohort: Cohort) -> dict[str, frozenset[str]]:
    by = cohort.treatments.groupby("screen")["drug"]
    return {str(screen): frozenset(map(_same, own)) for screen, own in by}
