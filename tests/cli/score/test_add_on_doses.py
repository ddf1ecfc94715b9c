"""A drug with an add-on in several concentrations: each is a curve of its own, measured against its own controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.cli.score.conftest import DOSES, Score

#: Concentration of the add-on -> what it leaves alive alone, and dose of half effect of the drug beside it in nM.
ADDED = {10.0: (0.95, 800.0), 100.0: (0.8, 200.0), 1000.0: (0.5, 20.0)}


def write_layout(folder: Path, wanted: tuple[float, ...] = tuple(ADDED), with_dose: bool = True) -> None:
    """One plate with readings: drug A alone, and with the add-on B in the wanted concentrations."""
    rng = np.random.default_rng(3)
    rows: list[dict[str, object]] = []

    def put(number: int, kind: str, drug: str, dose: object, alive: float, add_on: float | None = None) -> None:
        reading = 100 + 5000 * alive * rng.normal(1, 0.02)
        if add_on is not None and add_on not in wanted:
            return
        place = {"Plate": "P1", "Row": "ABCDEFGHIJKLMNOP"[number % 16], "Column": number // 16 + 1, "Sample": "X"}
        second = {"AddOn": "" if add_on is None else "B", "AddOnConcentration": "" if add_on is None else add_on}
        rows.append(
            place | {"WellType": kind, "Treatment": drug, "Concentration": dose} | second | {"Readout": reading}
        )

    for number in range(8):
        put(number, "neg", "DMSO", "", 1.0)
        put(8 + number, "pos", "BzCl", "", 0.0)
    for number, dose in enumerate(DOSES * 2):
        put(16 + number, "therapy", "A", dose, 1 / (1 + dose / 2000))
    for block, (add_on, (alone, half)) in enumerate(ADDED.items(), 2):
        for number in range(4):
            put(16 * block + number, "neg", "DMSO", "", alone, add_on)
        for number, dose in enumerate(DOSES * 2, 4):
            put(16 * block + number, "therapy", "A", dose, alone / (1 + dose / half), add_on)
    table = pd.DataFrame(rows)
    (table if with_dose else table.drop(columns="AddOnConcentration")).to_csv(folder / "layout.csv", index=False)


def scores_of(folder: Path, score: Score, *more: str) -> pd.DataFrame:
    assert score(folder, *more, readouts=None) == 0
    return pd.read_csv(folder / "scores.csv").set_index(["drug", "scorer"])


def test_each_is_scored_as_if_the_others_were_not_there(tmp_path: Path, score: Score) -> None:
    write_layout(tmp_path)
    together = scores_of(tmp_path, score, "--draws", "0")
    drugs = {"A", *(f"A + B {add_on:g} nM" for add_on in ADDED)}
    assert set(together.index.get_level_values("drug")) == drugs
    for add_on in (10.0, 1000.0):
        write_layout(tmp_path, (add_on,))
        alone: Any = scores_of(tmp_path, score, "--draws", "0")
        for scorer in ("dss_asym", "dcdss_asym"):
            assert together.loc[(f"A + B {add_on:g} nM", scorer), "score"] == alone.loc[("A + B", scorer), "score"]
    difference = together.xs("dcdss_asym", level="scorer")["score"]
    assert list(difference.sort_values().index) == [f"A + B {add_on:g} nM" for add_on in ADDED]
    assert difference.max() - difference.min() > 10


def test_one_concentration_gives_what_none_gives(tmp_path: Path, score: Score) -> None:
    files = []
    for with_dose in (True, False):
        write_layout(tmp_path, (100.0,), with_dose)
        scores_of(tmp_path, score)
        files.append([path.read_bytes() for path in sorted(tmp_path.glob("*.csv")) if path.name != "layout.csv"])
    assert files[0] == files[1]
    assert len(files[0]) >= 1
