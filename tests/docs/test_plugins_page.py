"""docs/plugins.md is true: its distribution installs with pip, loads, and its asset materializes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "plugins.md"
SNIPPETS = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = re.compile(r"^### `([^`]+)`\n+```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_scorers_written_in_passing_keep_the_contract(tmp_path: Path) -> None:
    """The short forms of the page, on the example curve: by hand 99 % at the highest dose."""
    from phenodose.plugins.scores_page import example_curve

    inline = [text for text in SNIPPETS.findall(PAGE.read_text(encoding="utf-8")) if text.startswith("from phenodose")]
    names: dict[str, Any] = {}
    for text in inline:
        exec(text, names)
    reference = tmp_path / "reference_samples.csv"
    reference.write_text("drug,s1,s2\nExample,20,40\n")
    (last,) = names["emax_at_top_dose"]().score(example_curve())
    (selective,) = names["SelectiveEmaxScorer"]({"reference": str(reference)}).score(example_curve()).value
    assert last == pytest.approx(100 / 1.01)
    assert selective == pytest.approx(100 / 1.01 - 30)


def run(*command: str, env: dict[str, str]) -> str:
    # Away from the checkout, so that the runs are kept beside the test's store.
    place = Path(env["PHENODOSE_STORE"]).parent
    result = subprocess.run(command, capture_output=True, text=True, env=env, cwd=place, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a site where the page's distribution is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    source, site = folder / "phenodose-mean-inhibition", folder / "site"
    source.mkdir()
    for name, text in FILES.findall(PAGE.read_text(encoding="utf-8")):
        (source / name).write_text(text, encoding="utf-8")
    assert sorted(p.name for p in source.iterdir()) == ["mean_inhibition.py", "pyproject.toml"]
    env = {**os.environ, "PYTHONPATH": str(site), "PHENODOSE_STORE": str(folder / "store")}
    env.pop("DAGSTER_HOME", None)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--target", str(site), str(source), env=env)
    return env


def test_the_installed_scorer_is_listed_with_its_distribution(installed: dict[str, str]) -> None:
    listed = json.loads(run(sys.executable, "-m", "phenodose", "plugins", "list", "--json", env=installed))
    mine = next(plugin for plugin in listed if plugin["name"] == "mean_inhibition")
    assert mine["status"] == "ok"
    assert mine["distribution"] == "phenodose-mean-inhibition 1.0"
    run(sys.executable, "-m", "phenodose", "plugins", "check", "mean_inhibition", env=installed)


def test_the_installed_scorer_materializes_as_an_asset_and_its_rows_are_in_sql(
    installed: dict[str, str], tmp_path: Path, small_ctg_screen: Path
) -> None:
    command = (sys.executable, "-m", "phenodose")
    needed = "layout,viability/ctg,curves/ctg,scores/mean_inhibition"
    run(*command, "run", str(small_ctg_screen), "--select", needed, env=installed)
    rows = json.loads(
        run(
            *command,
            "sql",
            "SELECT drug, score, unit, hit, plugin, plugin_version FROM scores "
            "WHERE scorer = 'mean_inhibition' AND replicate = 'pooled' ORDER BY drug",
            "--format",
            "json",
            env=installed,
        )
    )
    assert len(rows) >= 2
    assert {(row["plugin"], row["plugin_version"], row["unit"]) for row in rows} == {
        ("mean_inhibition", "1.0", "percent")
    }
    assert all(-20 < row["score"] < 120 for row in rows)
    assert all(row["hit"] == (row["score"] >= 20) for row in rows)
