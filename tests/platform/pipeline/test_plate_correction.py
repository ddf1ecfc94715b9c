"""A corrected readout beside the uncorrected one, by `score`: names, scores, quality figures and notes of both."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from phenodose.cli import cli
from phenodose.names import row_label
from phenodose.simulation.pharmacology import drug_library

N_ROWS, N_COLUMNS = 14, 22


def layout(gradient: float) -> pd.DataFrame:
    """24 drugs in 5 doses and duplicate at random places of one plate, with a gradient over its columns."""
    rng = np.random.default_rng(7)
    places = [divmod(int(i), N_COLUMNS) for i in rng.permutation(N_ROWS * N_COLUMNS)]
    content: list[tuple[object, ...]] = [("neg", "DMSO", 0, 1, 1.0)] * 14 + [("pos", "BzCl", 100_000, 1, 0.0)] * 14
    for drug in drug_library(24, 7):
        content += [
            ("therapy", drug.name, dose, replicate, float(drug.viability(dose)))
            for replicate in (1, 2)
            for dose in drug.doses_nM
        ]
    rows = []
    for (row, column), (kind, name, dose, replicate, truth) in zip(places, content, strict=False):
        factor = 1 + gradient / 2 * (column / (N_COLUMNS - 1) * 2 - 1)
        value = 50_000 * float(truth) * factor * (1 + 0.05 * rng.normal()) + 500
        rows.append(("P1", row_label(row + 1), column + 2, "S", kind, name, dose, replicate, value))
    names = ["Plate", "Row", "Column", "Sample", "WellType", "Treatment", "Concentration", "Replicate", "Readout"]
    return pd.DataFrame(rows, columns=names)


def score(folder, frame: pd.DataFrame, *more: str):
    frame.to_csv(folder / "layout.csv", index=False)
    files = [
        "--out",
        str(folder / "scores.csv"),
        "--qc",
        str(folder / "qc.csv"),
        "--curves",
        str(folder / "curves.csv"),
    ]
    asked = ["score", "--layout", str(folder / "layout.csv"), "--draws", "0", "--json", *files, *more]
    return CliRunner().invoke(cli, asked)


def test_the_corrected_readout_stands_beside_the_uncorrected_one(tmp_path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    frame = layout(0.5)
    assert score(plain, frame).exit_code == 0
    done = score(tmp_path, frame, "--correction", "residuals")
    assert done.exit_code == 0, done.output
    scores, qc = pd.read_csv(tmp_path / "scores.csv"), pd.read_csv(tmp_path / "qc.csv")
    assert scores.groupby("readout").size().to_dict() == {"readout": 24, "readout_corrected": 24}
    assert set(pd.read_csv(tmp_path / "curves.csv")["readout"]) == {"readout", "readout_corrected"}
    notes = json.loads(done.stdout)["notes"]
    assert any(note.startswith("readout readout_corrected, effects of place, in proportion") for note in notes)
    # The uncorrected readout is what it is without a correction.
    alone = pd.read_csv(plain / "scores.csv")
    own = scores[scores["readout"] == "readout"].drop(columns="readout").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone)
    pattern = qc[(qc["metric"] == "fit_residual_pattern") & (qc["plate"] == "P1")].set_index("readout")["value"]
    assert pattern["readout"] > 6 > 3 > pattern["readout_corrected"]


def test_a_good_plate_keeps_its_scores(tmp_path) -> None:
    done = score(tmp_path, layout(0.0), "--correction", "residuals")
    assert done.exit_code == 0, done.output
    assert "no effect of place was found; nothing is corrected" in done.output
    scores = pd.read_csv(tmp_path / "scores.csv").pivot_table(index="drug", columns="readout", values="score")
    assert scores["readout_corrected"].to_numpy() == pytest.approx(scores["readout"].to_numpy(), abs=1e-6)


def test_an_unknown_correction_is_refused(tmp_path) -> None:
    done = score(tmp_path, layout(0.0), "--correction", "magic")
    assert done.exit_code == 2
    assert "residuals" in done.output
