"""Reference samples: what the scores of a drug are in samples that a patient's is compared with.

Belongs here: reading the table of the reference samples in each of its forms, and the statistics of every
drug. Does not belong here: comparing with them (`selective`).

Forms of the table (xlsx, csv, tsv, txt):
- summary: Drug.Name, mean_DSS, and if wanted mean_DSS_adj, sd_DSS, median_DSS, mad_DSS;
- a column a sample: the first column names the drug (drug or Drug.Name), each further one is a sample;
- a row a sample: the first column names the sample, each further one is a drug;
- a row a score: sample, drug, score, and if wanted scorer and replicate, as `phenodose score` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.spreadsheet import SPREADSHEETS, Cell, Sheet, read_delimited, to_name, to_number
from phenodose.io.workbook import read_spreadsheet

#: A table of reference samples for a whole store, looked for in this order.
REFERENCE_NAMES = ("reference_samples.csv", "reference_samples.xlsx", "reference_samples.tsv")

#: Turns the median absolute deviation into the standard deviation of a normal distribution (as R's mad).
MAD_SCALE = 1.4826
DRUG_COLUMNS = ("drug", "drug.name", "drug_name", "drugname")
SAMPLE_COLUMNS = ("sample", "sample.name", "sample_name", "samplename", "sample.id", "sample_id")
#: Columns of a summary: the score that they are of as the table calls it (`Scorer.summary_name`), and the statistic.
SUMMARY_COLUMNS = {
    f"{statistic}_{score}": (score, statistic)
    for score in ("DSS", "DSS_adj")
    for statistic in ("mean", "sd", "median", "mad")
}
_SUMMARY_COLUMNS = {name.lower(): meaning for name, meaning in SUMMARY_COLUMNS.items()}
_POOLED = "pooled"


class DrugStatistics(NamedTuple):
    """What the reference samples say of one drug, in the unit of the score; NaN where it is not known.

    `sd` has n - 1 in the denominator (NaN for one sample); `mad` is scaled by 1.4826.
    """

    mean: float = np.nan
    sd: float = np.nan
    median: float = np.nan
    mad: float = np.nan


@dataclass(frozen=True)
class ReferenceSamples:
    """Statistics of reference samples.

    Attributes:
        place: the file, as messages name it.
        scores: by the score's name (that of the scorer, 'DSS' or 'DSS_adj' of a summary), the statistics of every
            drug; '' is a table that does not name its score.
    """

    place: str
    scores: Mapping[str, Mapping[str, DrugStatistics]]

    def renamed(self, summary_name: str, score: str) -> ReferenceSamples:
        """The same, with what a summary calls `summary_name` as the statistics of this score."""
        found = self.scores.get(summary_name) if summary_name else None
        return self if found is None else replace(self, scores={**self.scores, score: found})

    def of(self, score: str) -> Mapping[str, DrugStatistics]:
        """Statistics of a score by drug; empty if the table holds another score.

        A table that does not name its score holds the one that is asked for, unless that is an adjusted one.
        """
        unnamed = {} if score.endswith("_adj") else self.scores.get("", {})
        return self.scores.get(score, unnamed)

    def statistic(self, score: str, name: str, drugs: Sequence[str]) -> np.ndarray:
        """One statistic ('mean', 'sd', 'median', 'mad') of these drugs, float64; NaN where it is not known.

        Drugs are matched by their exact name.
        """
        known = self.of(score)
        return np.array([getattr(known.get(drug, DrugStatistics()), name) for drug in drugs], dtype=np.float64)

    def has(self, score: str, names: Sequence[str]) -> bool:
        """True if all of these statistics are known of some drug."""
        return any(all(np.isfinite(getattr(drug, name)) for name in names) for drug in self.of(score).values())


def read_reference(path: Path | str) -> ReferenceSamples:
    """Read a table of reference samples in any of its forms.

    Raises:
        InputError: the file is missing or no such table; all faults in one message.
    """
    sheet = _sheet(Path(path))
    rows = [(number, row) for number, row in enumerate(sheet.rows, 1) if any(cell is not None for cell in row)]
    if len(rows) < 2:
        raise InputError(f"{sheet.place}: holds no reference samples; write a header and a row a drug below it.")
    header = [to_name(cell) or "" for cell in rows[0][1]]
    read = _reader_of(header, sheet.place)
    faults = Faults(sheet.place)
    scores = read(_Table(header, rows[1:], faults))
    faults.raise_if_any()
    return ReferenceSamples(sheet.place, scores)


class _Table(NamedTuple):
    header: list[str]
    rows: list[tuple[int, list[Cell]]]
    faults: Faults

    def number(self, number: int, row: list[Cell], at: int) -> float | None:
        """The number in a cell; what is none goes to the faults."""
        try:
            return to_number(row[at]) if at < len(row) else None
        except ValueError:
            self.faults.add(f"row {number}: {self.header[at]} is {row[at]!r}; write a number or leave it empty.")
            return None

    def text(self, row: list[Cell], at: int) -> str | None:
        return to_name(row[at]) if at < len(row) else None


_Scores = dict[str, dict[str, DrugStatistics]]


def _reader_of(header: list[str], place: str) -> Callable[[_Table], _Scores]:
    lower = [name.lower() for name in header]
    drug_first, sample_first = lower[0] in DRUG_COLUMNS, lower[0] in SAMPLE_COLUMNS
    has_drug, has_sample = (any(name in lower for name in names) for names in (DRUG_COLUMNS, SAMPLE_COLUMNS))
    if has_drug and has_sample and "score" in lower:
        return _read_scores
    if has_drug and any(name in _SUMMARY_COLUMNS for name in lower):
        return _read_summary
    if drug_first and len(header) > 1:
        return lambda table: _read_matrix(table, row_is_drug=True)
    if sample_first and len(header) > 1:
        return lambda table: _read_matrix(table, row_is_drug=False)
    raise InputError(
        f"{place}: is no table of reference samples; the header row holds "
        f"{', '.join(filter(None, header)) or 'nothing'}. Write one of: Drug.Name and mean_DSS; "
        "Drug.Name and a column a sample; Sample and a column a drug; "
        "sample, drug and score."
    )


def _read_summary(table: _Table) -> _Scores:
    drug_at = next(at for at, name in enumerate(table.header) if name.lower() in DRUG_COLUMNS)
    names = [name.lower() for name in table.header]
    columns = {at: _SUMMARY_COLUMNS[name] for at, name in enumerate(names) if name in _SUMMARY_COLUMNS}
    found: _Scores = {}
    seen: set[str] = set()
    for number, row in table.rows:
        drug = table.text(row, drug_at)
        if drug is not None and drug in seen:
            table.faults.add(f"row {number}: {drug} stands in the table twice; keep one row.")
        for at, (score, statistic) in columns.items():
            value = table.number(number, row, at)
            if drug is not None and value is not None:
                of_score = found.setdefault(score, {})
                of_score[drug] = of_score.get(drug, DrugStatistics())._replace(**{statistic: value})
        seen.add(drug or "")
    return found


def _read_matrix(table: _Table, row_is_drug: bool) -> _Scores:
    row_word, column_word = ("drug", "sample") if row_is_drug else ("sample", "drug")
    for name in sorted({name for name in table.header[1:] if name and table.header.count(name) > 1}):
        table.faults.add(f"column {name} stands in the header twice; a column is one {column_word}.")
    values: dict[str, list[float]] = {}
    seen: set[str] = set()
    for number, row in table.rows:
        of_row = table.text(row, 0)
        if of_row is None:
            table.faults.add(f"row {number}: {table.header[0]} is empty; name the {row_word}.")
            continue
        if of_row in seen:
            table.faults.add(f"row {number}: {of_row} stands in the table twice; a row is one {row_word}.")
        seen.add(of_row)
        for at, column in enumerate(table.header[1:], 1):
            value = table.number(number, row, at) if column else None
            if value is not None:
                values.setdefault(of_row if row_is_drug else column, []).append(value)
    return {"": {drug: _statistics(scores) for drug, scores in values.items()}}


def _read_scores(table: _Table) -> _Scores:
    lower = [name.lower() for name in table.header]
    drug_at, sample_at = (
        next(at for at, name in enumerate(lower) if name in names) for names in (DRUG_COLUMNS, SAMPLE_COLUMNS)
    )
    score_at = lower.index("score")
    scorer_at, replicate_at = (lower.index(name) if name in lower else None for name in ("scorer", "replicate"))
    values: dict[tuple[str, str], dict[str, float]] = {}
    for number, row in table.rows:
        if replicate_at is not None and table.text(row, replicate_at) not in (None, _POOLED):
            continue
        drug, sample = table.text(row, drug_at), table.text(row, sample_at)
        if drug is None or sample is None:
            table.faults.add(f"row {number}: sample or drug is empty; name both.")
            continue
        scorer = "" if scorer_at is None else table.text(row, scorer_at) or ""
        value = table.number(number, row, score_at)
        of_drug = values.setdefault((scorer, drug), {})
        if sample in of_drug:
            table.faults.add(
                f"row {number}: a second score of {drug} in sample {sample}; keep one, of one readout and one screen."
            )
        if value is not None:
            of_drug[sample] = value
    found: _Scores = {}
    for (scorer, drug), of_samples in values.items():
        found.setdefault(scorer, {})[drug] = _statistics(list(of_samples.values()))
    return found


def _statistics(scores: list[float]) -> DrugStatistics:
    if not scores:
        return DrugStatistics()
    values = np.array(scores)
    median = float(np.median(values))
    return DrugStatistics(
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        median=median,
        mad=MAD_SCALE * float(np.median(np.abs(values - median))),
    )


def _sheet(path: Path) -> Sheet:
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such reference file; check the path.")
    read = read_spreadsheet if path.suffix.lower() in SPREADSHEETS else read_delimited
    return read(path.read_bytes(), str(path))
