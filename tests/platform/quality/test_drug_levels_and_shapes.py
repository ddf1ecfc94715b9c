"""What the drugs say of the controls: swapped ones, ones that do not kill, and series that run the wrong way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.pipeline.curves import CurveParameters, ReadoutCurves, curves_of
from phenodose.pipeline.viability import viability_of

DOSES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
#: Drug -> dose of half effect [nM].
HALF = {"A": 5.0, "B": 60.0, "C": 700.0, "D": 3000.0, "E": 1e9, "F": 1e9}


def screen(
    change: dict[str, list[float]] | None = None, killed: float = 0.02, swapped: bool = False, replicates: int = 2
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Wells and raw values of a plate; `change` sets a drug's viabilities, `killed` the killing control's."""
    rng, rows, values = np.random.default_rng(5), [], []

    def put(kind: str, drug: str, dose: float, replicate: int, alive: float) -> None:
        at = len(rows)
        rows.append(
            {"plate": "P1", "row": chr(65 + at // 24), "column": at % 24 + 1, "sample": "S", "well_type": kind}
            | {"treatment": drug, "concentration_nM": dose, "replicate": replicate, "add_on": None}
        )
        values.append(1000 + 50000 * alive * rng.normal(1, 0.03) + rng.normal(0, 200))

    for _ in range(12):
        put("pos" if swapped else "neg", "DMSO", np.nan, 1, 1.0)
        put("neg" if swapped else "pos", "STS", np.nan, 1, killed)
    for drug, half in HALF.items():
        viabilities = (change or {}).get(drug, [1 / (1 + dose / half) for dose in DOSES])
        for dose, alive in zip(DOSES, viabilities, strict=True):
            for replicate in range(1, replicates + 1):
                put("therapy", drug, dose, replicate, alive)
    wells = pd.DataFrame(rows)
    wells["well"] = [f"{row}{column:02d}" for row, column in zip(wells["row"], wells["column"], strict=True)]
    return wells, wells[["plate", "row", "column"]].assign(raw=values)


def judged(wells: pd.DataFrame, raw: pd.DataFrame) -> tuple[pd.DataFrame, ReadoutCurves]:
    """Figures of all plates together by name, and the curves."""
    viability = viability_of(raw, wells, "ctg", what="a test")
    curves = curves_of(viability.viability, wells, "ctg", CurveParameters(bootstrap=0), per_replicate=False)
    qc = pd.concat([viability.qc, curves.qc])
    return qc[qc["plate"] == "screen"].set_index("metric"), curves


def test_a_good_screen_passes_and_has_no_note() -> None:
    qc, curves = judged(*screen())
    names = ["effect_at_lowest_dose", "beyond_killing_control", "falling_curves_percent", "misfit_curves_percent"]
    assert qc.loc[names, "verdict"].tolist() == ["pass"] * 4
    assert curves.notes == []


def test_swapped_controls_of_a_single_plate_fail_twice() -> None:
    qc, curves = judged(*screen(swapped=True))
    assert qc.loc["effect_at_lowest_dose", "verdict"] == "fail"
    assert qc.loc["effect_at_lowest_dose", "value"] == pytest.approx(0.98, abs=0.05)
    assert qc.loc["falling_curves_percent", "value"] == 100
    assert "swapped controls" in qc.loc["falling_curves_percent", "explanation"]
    assert "inhibition falls with dose under A (" in curves.notes[0]


def test_swapped_controls_fail_where_no_drug_acts() -> None:
    inert = {drug: [1.0] * 5 for drug in HALF}
    qc, _ = judged(*screen(inert, swapped=True))
    assert qc.loc["effect_at_lowest_dose", "verdict"] == "fail"
    assert "falling_curves_percent" not in qc.index


@pytest.mark.parametrize("killed", [0.4, pytest.param(0.7, marks=pytest.mark.slow)])
def test_a_killing_control_that_does_not_kill_fails_though_its_wells_agree(killed: float) -> None:
    qc, _ = judged(*screen(killed=killed))
    assert qc.loc["beyond_killing_control", "verdict"] == "fail"
    assert qc.loc["beyond_killing_control", "value"] == pytest.approx(killed / (1 - killed), rel=0.2)
    assert "does not kill all cells" in qc.loc["beyond_killing_control", "explanation"]
    if killed == 0.4:
        assert qc.loc["zprime_robust", "verdict"] == "pass"


def test_dead_untreated_cells_fail() -> None:
    wells, raw = screen()
    raw.loc[wells["well_type"] == "neg", "raw"] *= 0.35
    qc, _ = judged(wells, raw)
    assert qc.loc["effect_at_lowest_dose", "value"] < -0.5
    assert qc.loc["effect_at_lowest_dose", "verdict"] == "fail"


def test_a_reversed_series_is_named_with_what_it_falls_between() -> None:
    falling = [1 / (1 + dose / 60) for dose in reversed(DOSES)]
    qc, curves = judged(*screen({"B": falling}))
    assert qc.loc["falling_curves_percent", "value"] == 25  # one of four that act
    assert qc.loc["falling_curves_percent", "verdict"] == "warn"
    (note,) = curves.notes
    assert note.startswith("sample S: inhibition falls with dose under B (101 % to ")
    assert "reversed dilution series" in note


def test_cells_that_grow_under_a_drug_are_noted_and_one_drug_beyond_the_killing_control_is_no_fault_of_it() -> None:
    qc, curves = judged(*screen({"A": [1.0, 0.6, 0.1, -0.4, -0.5], "E": [1.0, 1.1, 1.25, 1.45, 1.5]}))
    assert qc.loc["beyond_killing_control", "verdict"] == "pass"
    assert qc.loc["falling_curves_percent", "verdict"] == "pass"
    (note,) = curves.notes
    assert "viability rises with dose, beyond that of untreated cells, under E" in note


def test_a_hook_of_agreeing_replicates_is_named_with_its_doses() -> None:
    qc, curves = judged(*screen({"F": [1.0, 1.0, 0.15, 1.0, 1.0]}, replicates=3))
    assert qc.loc["misfit_curves_percent", "value"] == pytest.approx(100 / 6)
    (note,) = curves.notes
    assert "no curve describes the wells of these drugs" in note
    assert "F: inhibition rises" in note
    assert "at 100 nM and falls" in note
    assert dict(zip(curves.batch.keys["drug"], curves.batch.status, strict=True))["F"] == "misfit"


def test_without_replicates_nothing_is_said_of_misfits() -> None:
    qc, _ = judged(*screen({"F": [1.0, 1.0, 0.15, 1.0, 1.0]}, replicates=1))
    assert "misfit_curves_percent" not in qc.index
