"""A layout of two small plates with plate-reader files, and what `phenodose score` makes of it."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.cli import main

DOSES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
#: Drug -> dose of half effect in nM; on plate 1 its name ends in 1, on plate 2 in 2.
DRUGS = {"Potent": 20.0, "Weak": 3000.0, "Inert": 1e9}
Score = Callable[..., int]


def plate_of(plate: int) -> tuple[list[dict[str, object]], np.ndarray]:
    """Layout rows and the matrix of one 96-well plate; every drug twice a dose."""
    rng = np.random.default_rng(plate)
    matrix = np.full((8, 12), 50.0)
    rows: list[dict[str, object]] = []

    def put(row: int, column: int, viability: float, well_type: str, drug: str, dose: float, replicate: int) -> None:
        matrix[row, column] = np.round(100 + 5000 * viability * rng.normal(1, 0.02))
        place = {"Plate": f"P{plate}", "Row": "ABCDEFGH"[row], "Column": column + 1, "Sample": ""}
        content = {"WellType": well_type, "Treatment": drug, "Concentration": dose, "Replicate": replicate}
        rows.append(place | content | {"AddOn": "", "Readout": ""})

    for row in range(8):
        put(row, 0, 1.0, "neg", "DMSO", 0, 1)
        put(row, 11, 0.0, "pos", "BzCl", 1e5, 1)
    for row, (drug, half) in enumerate(DRUGS.items()):
        for step, dose in enumerate(DOSES):
            for replicate in (1, 2):
                at = row + 3 * (replicate - 1), 1 + step
                put(*at, 1 / (1 + dose / half), "therapy", f"{drug}{plate}", dose, replicate)
    return rows, matrix


def write_screen(folder: Path) -> None:
    """layout.csv (no readouts) and ctg/X_P1.csv, ctg/X_P2.csv."""
    (folder / "ctg").mkdir()
    rows = []
    for plate in (1, 2):
        more, matrix = plate_of(plate)
        rows += more
        table = pd.DataFrame(matrix, index=list("ABCDEFGH"), columns=range(1, 13))
        table.to_csv(folder / "ctg" / f"X_P{plate}.csv")
    pd.DataFrame(rows).to_csv(folder / "layout.csv", index=False)


def call(folder: Path, *arguments: str, layout: str = "layout.csv", readouts: str | None = "ctg") -> int:
    """Run the command in this process with few draws; the exit code."""
    command = ["score", "--layout", str(folder / layout), "--out", str(folder / "scores.csv"), "--bootstrap", "20"]
    if readouts:
        command += ["--readouts", str(folder / readouts)]
    with pytest.raises(SystemExit) as done:
        main([*command, *arguments])
    return int(done.value.code or 0)


@pytest.fixture(scope="session")
def score() -> Score:
    """`call`."""
    return call


@pytest.fixture
def screen(tmp_path: Path) -> Path:
    """A folder with a layout and its plate-reader files."""
    write_screen(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def plain(made_once: Callable[..., Path]) -> Path:
    """What the command makes of `screen` without a word more: its tables, summary (told.json) and notes (err.txt).

    For reading only.
    """

    def make(folder: Path) -> None:
        write_screen(folder)
        told, err = io.StringIO(), io.StringIO()
        tables = ["--curves", str(folder / "curves.csv"), "--qc", str(folder / "qc.csv")]
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(err):
            assert call(folder, *tables, "--json") == 0
        (folder / "told.json").write_text(told.getvalue(), encoding="utf-8")
        (folder / "err.txt").write_text(err.getvalue(), encoding="utf-8")

    return made_once("plain_scores", make)


@pytest.fixture(scope="session")
def several(made_once: Callable[..., Path], plain: Path) -> Path:
    """Scores by two scorers of three samples, pooled and by replicate: X as in `plain`, Y read the same, Z did not.

    For reading only.
    """

    def make(folder: Path) -> None:
        shutil.copytree(plain / "ctg", folder / "ctg")
        shutil.copyfile(plain / "layout.csv", folder / "layout.csv")
        rng = np.random.default_rng(4)
        for plate in (1, 2):
            file = folder / "ctg" / f"X_P{plate}.csv"
            shutil.copyfile(file, folder / "ctg" / f"Y_{plate}.csv")
            table = pd.read_csv(file, index_col=0)
            (table * rng.normal(1, 0.05, table.shape)).to_csv(folder / "ctg" / f"Z_P{plate}.csv")
        named = ["--scorer", "dss_asym", "--scorer", "dss_asym_adj", "--per-replicate"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert call(folder, *named, "--qc", str(folder / "qc.csv")) == 0

    return made_once("several_scores", make)
