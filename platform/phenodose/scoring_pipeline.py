"""From a layout and its readouts to scores, curves and quality figures, without a store.

Belongs here: the order of the steps for a whole layout, and the tables the command `score` writes. Does not
belong here: any of the steps (`phenodose.screens`, `viability`, `quality`, `dose_response`), files, the
asset graph (which calls the same steps one by one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import FitName, fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.dose_response.scoring import score_curves
from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.plugins import Scorer
from phenodose.quality.report import qc_rows
from phenodose.screens.cells import SPREADSHEETS, Sheet, read_delimited, read_spreadsheet, to_number, to_text
from phenodose.screens.layout import Layout
from phenodose.screens.matrices import match_to_layout
from phenodose.tables import CURVE_FIT_COLUMNS
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import Grouping, to_viability

#: Stands in the column readout: a layout or a set of matrices does not say what was measured.
READOUT = "readout"

SCORE_COLUMNS = ("sample", "drug", "scorer", "score", "lower", "upper", "bound", "unit", "hit", "status")
_FIRST = ("model", "bottom", "top", "log10_mid", "slope", "asymmetry", "gof", "objective", "status")
CURVE_COLUMNS = ("sample", "drug", *_FIRST, *(name for name in CURVE_FIT_COLUMNS if name not in _FIRST))
QC_COLUMNS = ("sample", "plate", "metric", "value", "threshold", "verdict", "explanation")

#: Scorer whose scores have a reference, and the name of the difference.
SELECTIVE_OF, SELECTIVE = "dss_asym", "sdss_asym"


@dataclass(frozen=True)
class Scored:
    """What a layout gives.

    Attributes:
        scores: one row a sample, drug and scorer with `SCORE_COLUMNS`; with replicates a column more.
        curves: one row a sample and drug with `CURVE_COLUMNS`; with replicates a column more.
        qc: one row a figure with `QC_COLUMNS`.
        notes: a sentence on each thing that was left out.
    """

    scores: pd.DataFrame
    curves: pd.DataFrame
    qc: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def score_layout(
    layout: Layout,
    matrices: pd.DataFrame | None,
    scorers: Sequence[Scorer],
    *,
    fit: FitName = "robust",
    by: Grouping = "plate",
    per_replicate: bool = False,
    bootstrap: int = 200,
    seed: int = 0,
    reference: dict[str, float] | None = None,
) -> Scored:
    """Normalise, fit and score every sample of a layout; the controls are the wells of type neg and pos.

    Args:
        layout: the wells.
        matrices: from `read_matrices`; None takes the readouts of the layout itself.
        scorers: what to score with.
        fit: 'robust' or 'nplr'.
        by: group in which viability is normalised.
        per_replicate: add rows for each replicate by itself.
        bootstrap: draws for the intervals of the scores; 0 for none.
        seed: seed of the draws.
        reference: mean dss_asym of reference samples by drug; adds the scores `sdss_asym`.

    Raises:
        InputError: there are no readouts, no controls or no therapy wells, or the files do not fit.
    """
    if not (layout.frame["well_type"] == "therapy").any():
        raise InputError(
            f"{layout.path}: there are no therapy wells; set WellType to therapy for the wells with drugs."
        )
    if reference is not None and SELECTIVE_OF not in [scorer.name for scorer in scorers]:
        raise InputError(f"a reference is subtracted from {SELECTIVE_OF}; add the scorer {SELECTIVE_OF}.")
    controls_of = str(layout.path)
    choose_controls(layout.frame, ("neg",), ("pos",), controls_of)
    faults = Faults(controls_of)
    parts: list[Scored] = []
    for sample, wells, raw in _samples(layout, matrices):
        try:
            controls = choose_controls(wells, ("neg",), ("pos",), f"sample {sample}")
            viability = to_viability(raw, wells, controls, by).assign(readout=READOUT)
        except InputError as error:
            faults.add(f"sample {sample}: {error}" if not str(error).startswith("sample ") else str(error))
            continue
        points = curve_points(viability, wells, per_replicate)
        fitted = fit_curves(points, fit=fit, bootstrap=bootstrap, seed=seed)
        curves = fitted.select(fitted.n_points > 0)
        scores = pd.concat([score_curves(curves, scorer) for scorer in scorers], ignore_index=True)
        if reference is not None:
            scores = pd.concat([scores, _selective(scores, reference)], ignore_index=True)
        qc = qc_rows(viability, wells, READOUT).assign(sample=sample)
        parts.append(Scored(scores, curves.to_frame(), qc, _notes(sample, viability, wells, fitted)))
    faults.raise_if_any()
    return _joined(parts, [*(scorer.name for scorer in scorers), SELECTIVE], per_replicate)


def read_reference(path: Path) -> dict[str, float]:
    """Mean dss_asym of reference samples by drug, from a table with the columns Drug.Name and mean_DSS.

    Raises:
        InputError: the file is missing or no such table; all faults in one message.
    """
    sheet = _reference_sheet(Path(path))
    rows = [row for row in sheet.rows if any(cell is not None for cell in row)]
    header = [to_text(cell) for cell in rows[0]] if rows else []
    faults = Faults(sheet.place)
    for name in ("Drug.Name", "mean_DSS"):
        if name not in header:
            faults.add(
                f"column {name} is missing; the header row holds {', '.join(filter(None, header)) or 'nothing'}."
            )
    faults.raise_if_any()
    name_at, mean_at = header.index("Drug.Name"), header.index("mean_DSS")
    means: dict[str, float] = {}
    for number, row in enumerate(rows[1:], 2):
        drug = to_text(row[name_at]) if name_at < len(row) else None
        try:
            mean = to_number(row[mean_at]) if mean_at < len(row) else None
        except ValueError:
            faults.add(f"row {number}: mean_DSS is {row[mean_at]!r}; write a number.")
            continue
        if drug is not None and drug in means:
            faults.add(f"row {number}: {drug} stands in the table twice; keep one row.")
        if drug is not None and mean is not None:
            means[drug] = mean
    faults.raise_if_any()
    return means


def _reference_sheet(path: Path) -> Sheet:
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such reference file; check the path.")
    read = read_spreadsheet if path.suffix.lower() in SPREADSHEETS else read_delimited
    return read(path.read_bytes(), str(path))


def _samples(layout: Layout, matrices: pd.DataFrame | None) -> list[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Name, wells and raw readings (plate, row, column, raw) of every sample.

    The layout names the sample if it can; matrices of several samples on one layout are named by their files.
    """
    frame = layout.frame
    if matrices is None:
        if not layout.has_readouts:
            raise InputError(
                f"{layout.path}: has no readouts; fill its column Readout, or give the plate-reader files (--readouts)."
            )
        raw = frame[["plate", "row", "column"]].assign(raw=frame["readout"])
        by_name = {sample: frame["sample"] == sample for sample in layout.samples}
        if not by_name:
            return [(layout.path.stem, frame.assign(sample=layout.path.stem), raw)]
        return [(name, frame[wells].reset_index(drop=True), raw[wells]) for name, wells in by_name.items()]
    matched = match_to_layout(matrices, layout).rename(columns={"value": "raw"})
    names = list(dict.fromkeys(matched["sample"]))
    if len(names) == 1 and layout.samples:
        found = []
        for sample in layout.samples:
            wells = frame[frame["sample"] == sample].reset_index(drop=True)
            found.append((sample, wells, matched[matched["plate"].isin(wells["plate"])]))
        return found
    return [(name, frame.assign(sample=name), matched[matched["sample"] == name]) for name in names]


def _selective(scores: pd.DataFrame, reference: dict[str, float]) -> pd.DataFrame:
    """Scores minus the mean of the reference, by exact name of the drug; empty where it has none."""
    rows = scores[scores["scorer"] == SELECTIVE_OF].copy()
    mean = rows["drug"].map(reference).astype("float64")
    for name in ("score", "lower", "upper"):
        rows[name] = rows[name] - mean
    rows["scorer"] = SELECTIVE
    rows["hit"] = None
    unmatched = mean.isna() & (rows["status"] == "ok")
    rows.loc[unmatched, "status"] = "no reference"
    return rows


def _notes(sample: str, viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch) -> list[str]:
    """What was left out, a sentence a reason, where it concerns wells with drugs."""
    therapy = (wells["well_type"] == "therapy").to_numpy()
    reasons = viability.loc[therapy & viability["masked"].to_numpy(), "mask_reason"].value_counts()
    notes = [f"sample {sample}: {count} therapy wells left out: {reason}." for reason, count in reasons.items()]
    lost = sorted(curves.keys.loc[(curves.n_points == 0) & (curves.keys["replicate"] == "pooled"), "drug"])
    return [*notes, f"sample {sample}: no well with a value for {', '.join(lost)}."] if lost else notes


def _joined(parts: Sequence[Scored], scorer_names: Sequence[str], per_replicate: bool) -> Scored:
    """The parts as whole tables, in order of sample, drug and scorer (pooled before single replicates)."""
    last = ["replicate"] if per_replicate else []
    order = {name: position for position, name in enumerate(scorer_names)}
    scores = pd.concat([part.scores for part in parts], ignore_index=True)
    curves = pd.concat([part.curves for part in parts], ignore_index=True)
    scores = scores.assign(_scorer=scores["scorer"].map(order), _single=scores["replicate"] != "pooled").sort_values(
        ["sample", "_single", "replicate", "drug", "_scorer"], kind="stable"
    )
    curves = curves.assign(_single=curves["replicate"] != "pooled").sort_values(
        ["sample", "_single", "replicate", "drug"], kind="stable"
    )
    return Scored(
        scores[[*SCORE_COLUMNS, *last]].reset_index(drop=True),
        curves[[*CURVE_COLUMNS, *last]].reset_index(drop=True),
        pd.concat([part.qc for part in parts], ignore_index=True)[list(QC_COLUMNS)],
        [note for part in parts for note in part.notes],
    )
