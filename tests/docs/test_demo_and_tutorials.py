"""`phenodose demo` agrees with the truth of its simulation, and the tutorials work from their text alone.

A tutorial's files are written and its commands run in the order of the page, in an environment where nothing but
phenodose is installed, on a copy of the small demo's store. The demo as users run it is one for `make test-slow`.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from phenodose.cli import main
from phenodose.cohort.query import query
from phenodose.store.store import Store

DOCS = Path(__file__).parents[2] / "docs"
#: A file of a tutorial, or a block of its commands.
STEPS = re.compile(
    r"^### `(?P<path>[^`]+)`\n+```python\n(?P<text>.*?)^```$|^```sh\n(?P<commands>.*?)^```$", re.M | re.S
)
LONGEST = 100
#: Programs whose commands share a process.
TOGETHER = ("phenodose", "pytest")
#: What the fixture `demo` stands for; it is not run again for every tutorial.
DEMO = "phenodose demo --store ./store\n"
#: The drug that the tutorials look at, and one of the small demo.
THEIR_DRUG, OUR_DRUG = "SIM-TUB-1", "SIM-MEK-1"


@pytest.fixture(scope="module")
def demo(small_demo: Any, fresh_environment: Any) -> dict[str, Any]:
    """What `phenodose demo --json` told in small; a copy of its store is `store` in the environment's folder."""
    small_demo.copy_store(fresh_environment.folder / "store")
    told: dict[str, Any] = small_demo.told
    return told


def test_the_demo_says_what_it_made_and_how_it_agrees(small_demo: Any) -> None:
    told = small_demo.told
    agreement = {row["readout"]: row for row in told["agreement"]}
    assert set(agreement) == {"ctg", "mean_of_stack", "spheroid_area", "features", "cnn_phase2", "cnn_phase3"}
    assert agreement["ctg"]["viability_pearson"] > 0.95
    assert all(row["n_drugs"] == len(told["ranking"]) == 2 and row["n_wells"] == 20 for row in agreement.values())
    assert set(told["ranking"][0]) == {"drug", "truth", *agreement}
    assert any("Replicates agree" in line for line in told["quality"])
    for place in told["products"].values():
        assert (small_demo.folder / place).exists()
    store = Store.open(small_demo.folder / "store")
    assert store.screens() == ["DEMO_CE", "DEMO_V1_DS1"]
    assert store.cohort_path.is_file()


def test_another_seed_in_the_same_store_is_refused(
    small_demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    (store / "raw").mkdir(parents=True)
    shutil.copyfile(small_demo.folder / "store" / "raw" / "demo.json", store / "raw" / "demo.json")
    monkeypatch.setenv("PHENODOSE_STORE", str(store))
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--store", str(store), "--seed", "2"])
    assert ended.value.code == 2
    assert "seed 1" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_ranks_the_drugs_as_they_are(fresh_environment: Any) -> None:
    """The demo as users run it; its small sisters are above and in tests/plugins/test_cnn_readout.py."""
    folder = fresh_environment.folder / "whole"
    folder.mkdir()
    demo = json.loads(fresh_environment.run(*DEMO.split(), "--json", cwd=folder))
    assert len(demo["ranking"]) >= 8
    assert THEIR_DRUG in {row["drug"] for row in demo["ranking"]}
    agreement = {row["readout"]: row for row in demo["agreement"]}
    assert set(agreement) == {"ctg", "mean_of_stack", "spheroid_area", "features", "cnn_phase2", "cnn_phase3"}
    assert agreement["ctg"]["viability_pearson"] > 0.95
    assert agreement["cnn_phase2"]["viability_pearson"] >= 0.9
    assert agreement["cnn_phase3"]["viability_pearson"] >= 0.9
    assert agreement["mean_of_stack"]["viability_pearson"] < 0.8
    assert agreement["cnn_phase3"]["score_spearman"] >= 0.9
    assert any("Replicates agree" in line for line in demo["quality"])
    for place in demo["products"].values():
        assert (folder / place).exists()
    assert Store.open(folder / "store").cohort_path.is_file()


def followed(page: str, site: Any) -> list[str]:
    """What each command of a tutorial prints, in order; its files are written on the way.

    Commands of phenodose and pytest that follow each other share a process.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST
    printed: list[str] = []
    exports: dict[str, str] = {}
    for step in STEPS.finditer(text):
        if step["path"]:
            path = site.folder / step["path"]
            assert path.resolve().is_relative_to(site.folder)
            path.write_text(step["text"], encoding="utf-8")
            continue
        lines = step["commands"].replace(DEMO, "").replace(THEIR_DRUG, OUR_DRUG).splitlines()
        for shared, some in groupby((shlex.split(line) for line in lines), lambda words: words[0] in TOGETHER):
            if shared:
                printed += site.together(list(some), exports)
                continue
            for words in some:
                if words[0] == "export":
                    name, _, value = words[1].partition("=")
                    exports[name] = value
                else:
                    printed.append(site.run(*words, variables=exports))
    return printed


def asked(site: Any, sql: str) -> list[dict[str, Any]]:
    """Rows of the cohort, which the tutorial's last run has rebuilt."""
    return query(Store.open(site.folder / "store"), sql, row_limit=None).table.to_pylist()


def test_a_scorer_from_an_empty_folder_to_sql_and_the_report(demo: dict[str, Any], fresh_environment: Any) -> None:
    last = followed("tutorial_scorer.md", fresh_environment)[-1]
    assert OUR_DRUG in last
    rows = asked(
        fresh_environment,
        "SELECT readout, drug, score, lower, upper, unit FROM scores "
        "WHERE scorer = 'steepness' AND replicate = 'pooled' AND readout = 'ctg'",
    )
    assert len(rows) == len(demo["ranking"])
    assert all(row["lower"] <= row["score"] <= row["upper"] and row["unit"] == "percent per decade" for row in rows)
    assert "steepness" in (fresh_environment.folder / "report.html").read_text(encoding="utf-8")


def test_a_readout_becomes_viability_and_scores(demo: dict[str, Any], fresh_environment: Any) -> None:
    followed("tutorial_readout.md", fresh_environment)
    rows = asked(
        fresh_environment,
        "SELECT drug FROM scores WHERE readout = 'contrast' AND scorer = 'dss_asym' AND replicate = 'pooled'",
    )
    assert len(rows) == len(demo["ranking"])
    assert asked(fresh_environment, "SELECT 1 FROM qc WHERE readout = 'contrast' AND metric LIKE 'zprime%'")


def test_a_reader_ingests_its_plate(fresh_environment: Any) -> None:
    followed("tutorial_reader.md", fresh_environment)
    assert (fresh_environment.folder / "P1.ome.zarr" / "zarr.json").is_file()


def test_an_embedder_becomes_a_map(demo: dict[str, Any], fresh_environment: Any) -> None:
    followed("tutorial_embedder.md", fresh_environment)
    (row,) = asked(
        fresh_environment,
        "SELECT count(*) AS n, count(DISTINCT x) AS places FROM embeddings WHERE embedder = 'two_directions'",
    )
    (other,) = asked(
        fresh_environment,
        "SELECT count(*) AS n FROM embeddings WHERE embedder = 'pca' AND screen = 'DEMO_V1_DS1'",
    )
    assert row["n"] == row["places"] == other["n"] > 50
