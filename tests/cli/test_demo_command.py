"""`phenodose demo`: the main job, from simulated raw images to a ranking that agrees with the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.store import Store

pytestmark = [
    pytest.mark.slow,
    # TensorFlow's variables know the old form of numpy's protocol.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_the_demo_ranks_the_drugs_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert run("demo", "--store", "st", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["ranking"]) >= 8
    agreement = {row["readout"]: row for row in told["agreement"]}
    assert set(agreement) == {"ctg", "mean_of_stack", "cnn_phase2", "cnn_phase3"}
    assert agreement["ctg"]["viability_pearson"] > 0.95
    assert agreement["cnn_phase3"]["viability_pearson"] > 0.7
    assert agreement["cnn_phase3"]["viability_pearson"] > agreement["mean_of_stack"]["viability_pearson"]
    assert agreement["cnn_phase3"]["score_spearman"] > 0.8
    assert any("Replicates agree" in line for line in told["quality"])
    for place in told["products"].values():
        assert Path(place).exists()
    store = Store.open("st")
    assert store.screens() == ["DEMO_CE", "DEMO_V1_DS1"]
    assert store.cohort_path.is_file()

    assert run("demo", "--store", "st", "--seed", "2") == 2
    assert "seed 1" in capsys.readouterr().err
