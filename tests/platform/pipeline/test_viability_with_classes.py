"""Classes of wells reach the tables where a readout was asked for them, and change no viability."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phenodose.pipeline.context import Context
from phenodose.pipeline.raw_values import measure_tensors
from phenodose.pipeline.viability import ScreenViability, make_viability
from phenodose.plugins import Inference, TensorWells
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_readouts.features import FeaturesReadout

SCREEN = "TST_V1_DS1"
#: Kind, treatment, dose, what a person calls the well, what the readout takes it for.
WELLS: list[tuple[str, str | None, float | None, str | None, int]] = [("neg", "DMSO", None, None, 1)] * 5 + [
    ("pos", "STS", 250.0, None, 0)
] * 5
WELLS += [("therapy", "A", 1.0 + dose, None, 1) for dose in range(4)]
WELLS += [("therapy", "A", 9.0, "Out of focus", 3), ("therapy", "A", 99.0, None, 3), ("empty", None, None, None, 2)]
NAMES = ("killed", "living", "empty", "Out of focus")


@pytest.fixture
def layout() -> pd.DataFrame:
    rows = [
        {"plate": "1", "well": f"B{n:02d}", "row": "B", "column": n, "sample": "S", "well_type": kind}
        | {"treatment": treatment, "concentration_nM": dose, "named_class": named}
        | {"replicate": 1 if kind == "therapy" else None, "screen": SCREEN, "run_id": "r"}
        for n, (kind, treatment, dose, named, _) in enumerate(WELLS, start=2)
    ]
    return TABLES["wells"].frame(rows)


@pytest.fixture
def made(layout: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the viability of the screen as screen.toml says."""
    store = Store.open(tmp_path / "store")
    store.write_table("wells", SCREEN, "layout", layout)
    n = len(layout)
    tensors = xr.DataArray(
        np.random.default_rng(0).integers(0, 99, (n, 4, 4, 3)).astype(np.uint16),
        dims=("well", "y", "x", "channel"),
        coords={"well": [f"P1/{well}" for well in layout["well"]], "plate": ("well", ["P1"] * n)},
    ).assign_coords(well_name=("well", layout["well"].to_numpy()))
    monkeypatch.setattr("phenodose.plates.tensors.open_tensors", lambda _: tensors)
    given: list[TensorWells] = []

    def read(self: FeaturesReadout, wells: TensorWells, progress: Any = None) -> Inference:
        given.append(wells)
        probability = np.full((n, 4), 0.05)
        probability[np.arange(n), [one[4] for one in WELLS]] = 0.85
        asked = self.parameters.well_classes
        return Inference(
            np.linspace(0.8, 0.2, n),
            np.random.default_rng(1).normal(size=(n, 3)),
            class_names=NAMES if asked else None,
            class_probability=probability if asked else None,
        )

    monkeypatch.setattr(FeaturesReadout, "read", read)
    folder = tmp_path / SCREEN
    folder.mkdir()

    def make(toml: str) -> tuple[ScreenViability, pd.DataFrame, list[TensorWells]]:
        (folder / "screen.toml").write_text(toml, encoding="utf-8")
        step = Context(
            asset="viability/features",
            screen_id=SCREEN,
            run_id="r",
            store=store,
            source=lambda: folder,
            launchpad={},
            settings={"features": frozenset(FeaturesReadout.Parameters.model_fields)},
            log=logging.getLogger(__name__),
            progress=lambda *_: None,
        )
        found = make_viability(step, FeaturesReadout, "features", partial(measure_tensors, FeaturesReadout))
        return found, store.read_table("viability", SCREEN, "viability/features").set_index("well"), given

    return make


def test_where_nobody_asks_there_is_no_class(made: Any) -> None:
    _, rows, given = made("")
    assert rows[["well_class", "class_probability"]].isna().all().all()
    assert given[0].classes is not None
    assert given[0].classes.tolist() == [""] * 14 + ["Out of focus", "", "empty"]


def test_classes_stand_in_the_table_with_flags_and_a_note_and_viability_is_the_same(made: Any) -> None:
    _, plain, _ = made("")
    found, rows, _ = made("[parameters.features]\nwell_classes = true\n")
    assert rows["well_class"].tolist() == [NAMES[one[4]] for one in WELLS]
    assert set(rows["class_probability"]) == {0.85}
    assert rows.loc[["B16", "B17"], "flag"].tolist() == ["out_of_focus", "out_of_focus"]
    assert "wells named 'Out of focus' (probability 0.85)" in rows.loc["B17", "flag_reason"]
    np.testing.assert_array_equal(rows["viability_fraction"], plain["viability_fraction"])
    assert not rows.loc[["B16", "B17"], "masked"].any()
    said = " ".join(found.notes)
    assert found.qc.loc[found.qc["metric"] == "input_notes", "value"].tolist() in ([], [0])
    assert "killed 5 of 5, living 5 of 5, empty 1 of 1, Out of focus 1 of 1 right" in said
    assert "'empty' (1), 'out of focus' (1)" in said
    assert "well_classes" in found.inputs


def test_they_are_left_out_where_it_is_said(made: Any) -> None:
    toml = '[parameters.features]\nwell_classes = true\n[wells]\nmask = ["out_of_focus"]\n'
    _, rows, _ = made(toml)
    assert rows.loc[["B16", "B17"], "masked"].all()
    assert rows.loc["B16", "mask_reason"].startswith("flagged out_of_focus")
    assert not rows.loc["B12", "masked"]
