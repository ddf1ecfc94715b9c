"""`phenodose demo` agrees with the truth of its simulation, and the tutorials work from their text alone.

A tutorial's files are written and its commands run in the order of the page, in an environment where nothing but
phenodose is installed, on the demo's store. The demo itself is run once for all of them.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from phenodose.store.store import Store

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
#: A file of a tutorial, or a block of its commands.
STEPS = re.compile(
    r"^### `(?P<path>[^`]+)`\n+```python\n(?P<text>.*?)^```$|^```sh\n(?P<commands>.*?)^```$", re.M | re.S
)
LONGEST = 100
#: The command that the fixture `demo` has run, but for `--json`; it is not run again for every tutorial.
DEMO = "phenodose demo --store ./store\n"


@pytest.fixture(scope="module")
def demo(fresh_environment: Any) -> dict[str, Any]:
    """What `phenodose demo --json` tells; the store is `store` in the environment's folder."""
    told: dict[str, Any] = json.loads(fresh_environment.run(*DEMO.split(), "--json"))
    return told


def test_the_demo_ranks_the_drugs_as_they_are(demo: dict[str, Any], fresh_environment: Any) -> None:
    assert len(demo["ranking"]) >= 8
    agreement = {row["readout"]: row for row in demo["agreement"]}
    assert set(agreement) == {"ctg", "mean_of_stack", "cnn_phase2", "cnn_phase3"}
    assert agreement["ctg"]["viability_pearson"] > 0.95
    assert agreement["cnn_phase2"]["viability_pearson"] >= 0.9
    assert agreement["cnn_phase3"]["viability_pearson"] >= 0.9
    assert agreement["mean_of_stack"]["viability_pearson"] < 0.8
    assert agreement["cnn_phase3"]["score_spearman"] >= 0.9
    assert any("Replicates agree" in line for line in demo["quality"])
    for place in demo["products"].values():
        assert (fresh_environment.folder / place).exists()
    store = Store.open(fresh_environment.folder / "store")
    assert store.screens() == ["DEMO_CE", "DEMO_V1_DS1"]
    assert store.cohort_path.is_file()


def test_another_seed_in_the_same_store_is_refused(demo: dict[str, Any], fresh_environment: Any) -> None:
    command = [fresh_environment.python, "-m", "phenodose", "demo", "--store", "store", "--seed", "2"]
    ended = subprocess.run(
        command,
        cwd=fresh_environment.folder,
        env=fresh_environment.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "seed 1" in ended.stderr


def followed(page: str, site: Any) -> list[str]:
    """What the commands of each block of a tutorial print, in order; its files are written on the way."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST
    printed, exports = [], ""
    for step in STEPS.finditer(text):
        if step["path"]:
            path = site.folder / step["path"]
            assert path.resolve().is_relative_to(site.folder)
            path.write_text(step["text"], encoding="utf-8")
        else:
            printed.append(site.run("bash", "-e", "-c", exports + step["commands"].replace(DEMO, "")))
            exports += "".join(f"{line}\n" for line in step["commands"].splitlines() if line.startswith("export "))
    return printed


def asked(site: Any, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(site.phenodose("sql", sql, "--store", "store", "--format", "json"))
    return rows


def test_a_scorer_from_an_empty_folder_to_sql_and_the_report(demo: dict[str, Any], fresh_environment: Any) -> None:
    last = followed("tutorial_scorer.md", fresh_environment)[-1]
    assert "SIM-TUB-1" in last
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
    (other,) = asked(fresh_environment, "SELECT count(*) AS n FROM embeddings WHERE embedder = 'pca'")
    assert row["n"] == row["places"] == other["n"] > 50
