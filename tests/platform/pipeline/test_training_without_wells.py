"""A network learns without the wells that a person left out; one that is trained is kept for such a decision."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phenodose.cli.run import _train_again
from phenodose.lineage.freshness import changes_since
from phenodose.pipeline import network_jobs
from phenodose.pipeline.tensor_wells import tensor_wells
from phenodose.plates import tensors as tensor_files
from phenodose.plugins import Phase, TrainingRecord, TrainingSet, no_progress
from phenodose.screens.decide import decide
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose.viability.controls import Controls

SCREEN, KEY = "TST_V1_DS1", "checkpoint/cnn/phase2"
PHASE = Phase("phase2", "screen", None, "controls", 0, True, "")
ROWS = "BCDEFG"


def wells() -> pd.DataFrame:
    """Six living and six killed controls, six wells of a drug."""
    kinds = {2: ("neg", "DMSO"), 3: ("pos", "STS"), 4: ("therapy", "Trametinib")}
    rows = [
        {"screen": SCREEN, "plate": "P1", "well": f"{row}{column:02d}", "row": row, "column": column, "sample": "S"}
        | {"well_type": kind, "treatment": name, "concentration_nM": 1.0 if column == 4 else None, "run_id": "r"}
        for column, (kind, name) in kinds.items()
        for row in ROWS
    ]
    return TABLES["wells"].frame(rows)


class Lab:
    """A store with a layout, and trainings that are counted instead of done."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = Store.open(folder / "store")
        self.store.register(SCREEN, folder / SCREEN)
        self.store.write_table("wells", SCREEN, "layout", wells())
        names = [f"P1/{well}" for well in wells()["well"]]
        pixels = np.random.default_rng(1).integers(1, 1000, (len(names), 4, 4, 1), dtype=np.uint16)
        places = {"plate": ("well", ["P1"] * len(names)), "well_name": ("well", list(wells()["well"]))}
        self.tensors = xr.DataArray(pixels, dims=("well", "y", "x", "channel"), coords={"well": names, **places})
        self.trained: list[tuple[str, ...]] = []
        self.kept: Any = None
        plugin = SimpleNamespace(name="cnn", version="1", phase=lambda name: PHASE)
        monkeypatch.setattr(network_jobs, "plugin_of", lambda readout, parameters: plugin)
        monkeypatch.setattr(tensor_files, "open_tensors", lambda place: self.tensors)
        monkeypatch.setattr(network_jobs, "clock_of", lambda *args: SimpleNamespace(estimate=None))
        monkeypatch.setattr(network_jobs, "_unchanged", self._unchanged)
        monkeypatch.setattr(network_jobs, "_train_into_place", self._train)

    def _unchanged(self, store: Any, screen: str, plugin: Any, phase: Phase, inputs: Any) -> TrainingRecord | None:
        same = self.kept is not None and self.kept.inputs_hash == inputs["training_set"]
        return self.kept if same else None

    def _train(self, store: Any, screen: str, plugin: Any, phase: Phase, data: TrainingSet, *more: Any) -> Any:
        from phenodose.learning.training import inputs_hash

        self.trained.append(data.wells)
        self.kept = TrainingRecord("phase2", "w", None, inputs_hash(data), {}, [], None, 0.0, 0, 0)
        return self.kept

    def train(self, without: list[str], before: list[str] | None) -> dict[str, Any]:
        """Train as the step does, and record it; what it says of its inputs."""
        rows = [list(range(6)), list(range(6, 12))]
        asked = network_jobs.Training(
            self.store.to_json(), SCREEN, "m:c", {}, "phase2", *rows, without=without, before=before
        )
        inputs = network_jobs.train(asked.__dict__, no_progress, logging.getLogger(__name__))["inputs"]
        self.record(inputs)
        return dict(inputs)

    def record(self, inputs: Any) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        row = {"screen": SCREEN, "run_id": "r", "asset": KEY, "started_at": now, "finished_at": now}
        row |= {"phenodose_version": "0", "inputs": json.dumps(inputs)}
        self.store.write_table("runs", SCREEN, KEY, TABLES["runs"].frame([row]))

    def said(self) -> list[str]:
        return [change.sentence for change in changes_since(self.store, SCREEN)]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def test_an_excluded_control_teaches_nothing(lab: Lab) -> None:
    inputs = lab.train(["P1/B02"], None)
    assert len(lab.trained[0]) == 11
    assert "P1/B02" not in lab.trained[0]
    assert inputs["without"] == ["P1/B02"]


def test_a_trained_network_is_kept_for_a_decision_and_it_is_said(lab: Lab) -> None:
    assert "without" not in lab.train([], None)
    decide(lab.store, SCREEN, "exclude", ["P1/B02", "P1/B04"], because="lint", by="A. Doe")
    assert lab.said() == [
        f"`{KEY}` has learned from P1/B02, left out since; it and what it reads are kept until you train it again, "
        f"with `phenodose run {SCREEN} --select {KEY}+`."
    ]
    assert "without" not in lab.train(["P1/B02", "P1/B04"], [])
    assert len(lab.trained) == 1, "nothing is trained"
    _train_again(lab.store, SCREEN, f"{KEY}+")
    assert lab.store.read_table("runs", SCREEN, KEY).empty
    lab.train(["P1/B02", "P1/B04"], None)
    assert len(lab.trained) == 2
    assert lab.said() == []


def test_a_network_that_learned_without_a_well_is_kept_when_the_well_is_taken_back(lab: Lab) -> None:
    decide(lab.store, SCREEN, "exclude", ["P1/B02"], because="lint", by="A. Doe")
    lab.train(["P1/B02"], None)
    assert lab.said() == []
    decide(lab.store, SCREEN, "restore", ["1"], because="no lint", by="A. Doe")
    assert "has learned without P1/B02, taken back since" in lab.said()[0]
    assert lab.train([], ["P1/B02"])["without"] == ["P1/B02"]
    assert len(lab.trained) == 1


def test_other_images_train_it_again_without_the_excluded_wells(lab: Lab) -> None:
    lab.train([], None)
    lab.tensors = lab.tensors + np.uint16(1)
    lab.train(["P1/B02"], [])
    assert len(lab.trained) == 2
    assert "P1/B02" not in lab.trained[1]


def test_a_readout_that_learns_whenever_it_reads_does_without_the_well_at_once(lab: Lab) -> None:
    layout, class_ = wells(), SimpleNamespace(name="features")
    living, killed = (layout["well_type"].eq(kind).to_numpy(dtype=bool) for kind in ("neg", "pos"))
    step: Any = SimpleNamespace(
        store=lab.store, screen_id=SCREEN, wells=lambda: layout, controls=lambda *args: Controls(living, killed, "", "")
    )
    decide(lab.store, SCREEN, "exclude", ["P1/B02", "P1/B04"], because="lint", by="A. Doe")
    found = tensor_wells(class_, step, lab.tensors)  # type: ignore[arg-type]
    assert found.negative.sum() == 5
    assert (found.content >= 0).sum() == 5
    assert len(found.images) == 18, "it is read all the same"
