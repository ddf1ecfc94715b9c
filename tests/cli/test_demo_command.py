"""`phenodose demo`: the main job, from simulated raw images to a ranking that agrees with the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phenodose.store import Store

pytestmark = pytest.mark.slow


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, away from the checkout."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DAGSTER", "PHENODOSE"))}
    command = [sys.executable, "-m", "phenodose", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_demo_ranks_the_drugs_as_they_are(tmp_path: Path) -> None:
    ended = run(tmp_path, "demo", "--store", "st", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert len(told["ranking"]) >= 8
    agreement = {row["readout"]: row for row in told["agreement"]}
    assert set(agreement) == {"ctg", "mean_of_stack", "cnn_phase2", "cnn_phase3"}
    assert agreement["ctg"]["viability_pearson"] > 0.95
    assert agreement["cnn_phase2"]["viability_pearson"] >= 0.9
    assert agreement["cnn_phase3"]["viability_pearson"] >= 0.9
    assert agreement["mean_of_stack"]["viability_pearson"] < 0.8
    assert agreement["cnn_phase3"]["score_spearman"] >= 0.9
    assert any("Replicates agree" in line for line in told["quality"])
    for place in told["products"].values():
        assert Path(place).exists()
    store = Store.open(tmp_path / "st")
    assert store.screens() == ["DEMO_CE", "DEMO_V1_DS1"]
    assert store.cohort_path.is_file()

    ended = run(tmp_path, "demo", "--store", "st", "--seed", "2")
    assert ended.returncode == 2
    assert "seed 1" in ended.stderr
