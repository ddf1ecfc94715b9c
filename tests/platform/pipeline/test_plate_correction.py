"""A corrected readout beside the uncorrected one, by `score`: names, scores, quality figures and notes of both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from phenodose.cli import cli
from phenodose.errors import InputError
from phenodose.names import row_label
from phenodose.pipeline.normalisation import Normalisation
from phenodose.pipeline.plate_correction import CorrectionParameters, corrected_readings
from phenodose.simulation.pharmacology import drug_library

N_ROWS, N_COLUMNS = 14, 22


def layout(gradient: float) -> pd.DataFrame:
    """24 drugs in 5 doses and duplicate at random places of one plate, with a gradient over its columns."""
    rng = np.random.default_rng(7)
    places = [divmod(int(i), N_COLUMNS) for i in rng.permutation(N_ROWS * N_COLUMNS)]
    content: list[tuple[str, str, float, int, float]] = [("neg", "DMSO", 0.0, 1, 1.0)] * 14
    content += [("pos", "BzCl", 100_000.0, 1, 0.0)] * 14
    for drug in drug_library(24, 7):
        content += [
            ("therapy", drug.name, dose, replicate, float(drug.viability(dose)))
            for replicate in (1, 2)
            for dose in drug.doses_nM
        ]
    rows = []
    for (row, column), (kind, name, dose, replicate, truth) in zip(places, content, strict=False):
        factor = 1 + gradient / 2 * (column / (N_COLUMNS - 1) * 2 - 1)
        value = 50_000 * truth * factor * (1 + 0.05 * rng.normal()) + 500
        rows.append(("P1", row_label(row + 1), column + 2, "S", kind, name, dose, replicate, value))
    names = ["Plate", "Row", "Column", "Sample", "WellType", "Treatment", "Concentration", "Replicate", "Readout"]
    return pd.DataFrame(rows, columns=names)


def score(folder: Path, frame: pd.DataFrame, *more: str) -> Result:
    frame.to_csv(folder / "layout.csv", index=False)
    files = [text for name in ("curves", "qc") for text in (f"--{name}", str(folder / f"{name}.csv"))]
    files += ["--out", str(folder / "scores.csv")]
    asked = ["score", "--layout", str(folder / "layout.csv"), "--draws", "0", "--json", *files, *more]
    return CliRunner().invoke(cli, asked)


def test_the_corrected_readout_stands_beside_the_uncorrected_one(tmp_path: Path) -> None:
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


def test_a_good_plate_keeps_its_scores(tmp_path: Path) -> None:
    done = score(tmp_path, layout(0.0), "--correction", "residuals")
    assert done.exit_code == 0, done.output
    assert "no effect of place was found; nothing is corrected" in done.output
    scores = pd.read_csv(tmp_path / "scores.csv").pivot_table(index="drug", columns="readout", values="score")
    assert scores["readout_corrected"].to_numpy() == pytest.approx(scores["readout"].to_numpy(), abs=1e-6)


def test_an_unknown_correction_is_refused(tmp_path: Path) -> None:
    done = score(tmp_path, layout(0.0), "--correction", "magic")
    assert done.exit_code == 2
    assert "residuals" in done.output


def test_wells_are_written_with_robust_z_and_b_score(tmp_path: Path) -> None:
    frame = layout(0.0)
    done = score(tmp_path, frame, "--wells", str(tmp_path / "wells.csv"))
    assert done.exit_code == 0, done.output
    wells = pd.read_csv(tmp_path / "wells.csv")
    assert len(wells) == len(frame)
    negative = wells[wells["well_type"] == "neg"]
    spread = 1.4826 * (negative["raw"] - negative["raw"].median()).abs().median()
    wanted = (wells["raw"] - negative["raw"].median()) / spread
    assert wells["robust_z_negative"].to_numpy() == pytest.approx(wanted.to_numpy())
    assert wells["b_score"].isna().equals(wells["well_type"] == "pos")
    assert wells["robust_z_plate"].median() < 1


def test_percent_of_control_needs_no_killed_cells_and_says_what_it_means(tmp_path: Path) -> None:
    frame = layout(0.0)
    frame = frame[frame["WellType"] != "pos"]
    by_number, by_name = tmp_path / "number", tmp_path / "name"
    for folder, anchor in ((by_number, "0"), (by_name, "percent of control")):
        folder.mkdir()
        done = score(folder, frame, "--lower-anchor", anchor)
        assert done.exit_code == 0, done.output
    assert (by_number / "scores.csv").read_text() == (by_name / "scores.csv").read_text()
    (note,) = [one for one in json.loads(done.stdout)["notes"] if "percent of control / 100" in one]
    assert "Nothing says what killed cells read" in note


@pytest.mark.parametrize("of", ["untreated", "residuals"])
def test_plates_with_too_few_wells_for_a_loess_are_told_whatever_it_goes_by(of: str) -> None:
    raw, wells, normalisation = of_few_wells()
    parameters = CorrectionParameters(correction="loess", loess_of=of)  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r"screen: too few .* for a loess on plate P1; take correction = \"residuals\""
    ):
        corrected_readings(raw, wells, normalisation, parameters, "screen")


def of_few_wells() -> tuple[pd.DataFrame, pd.DataFrame, Normalisation]:
    """Two controls of either kind and one drug that kills, in one plate."""
    content = [("neg", "DMSO", 0.0, 1000.0)] * 2 + [("pos", "BzCl", 1e5, 0.0)] * 2 + [("therapy", "A", 10.0, 1.0)]
    rows = [("P1", "A", i + 1, "S", kind, name, dose, 1, value) for i, (kind, name, dose, value) in enumerate(content)]
    names = ["plate", "row", "column", "sample", "well_type", "treatment", "concentration_nM", "replicate", "raw"]
    frame = pd.DataFrame(rows, columns=names)
    wells = frame.drop(columns="raw").assign(well=[f"A{i + 1:02d}" for i in range(len(frame))], add_on="")
    return frame[["plate", "row", "column", "raw"]], wells, Normalisation.of_readout(None)
