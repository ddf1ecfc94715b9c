"""docs/plugins.md is true: its distribution installs with pip, loads, and its asset materializes."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from phenodose.cli import main

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


def test_the_measure_of_the_page_measures() -> None:
    """Two drugs that inhibit by 20 and 30 percent: expected half way between 30 and 50."""
    import numpy as np

    from phenodose.combinations import DoseMatrix, excess_of

    (text,) = [text for text in SNIPPETS.findall(PAGE.read_text(encoding="utf-8")) if "ExcessMeasure" in text]
    names: dict[str, Any] = {}
    exec(text, names)
    wells = DoseMatrix(np.array([10.0, 0.0, 10.0]), np.array([0.0, 5.0, 5.0]), np.array([0.2, 0.3, 0.6]))
    found = excess_of([wells], [names["HalfwayMeasure"]()], draws=0)
    assert found.pairs["excess_percent"].tolist() == pytest.approx([20.0])


def test_the_scorer_of_the_page_is_listed_kept_to_the_contract_and_scores(
    small_ctg_screen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an installer lays it out; what the page says of its distribution is what is installed."""
    from phenodose.plugins import registry

    site = tmp_path / "site"
    site.mkdir()
    for name, text in FILES.findall(PAGE.read_text(encoding="utf-8")):
        (site / name).write_text(text, encoding="utf-8")
    project = tomllib.loads((site / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == ["phenodose"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        f"[{group}]\n" + "\n".join(f"{name} = {target}" for name, target in some.items())
        for group, some in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(points))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(site))

    def told(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return said.out

    registry.cache_clear()
    listed = json.loads(told("plugins", "list", "--json"))
    (mine,) = (plugin for plugin in listed if plugin["name"] == "mean_inhibition")
    assert (mine["status"], mine["distribution"]) == ("ok", "phenodose-mean-inhibition 1.0")
    checked = json.loads(told("plugins", "check", "mean_inhibition", "--json"))
    assert set(checked["rules"].values()) == {"kept"}
    out = tmp_path / "scores.csv"
    given = [f"--layout={small_ctg_screen / 'layout.csv'}", f"--readouts={small_ctg_screen / 'ctg'}", f"--out={out}"]
    told("score", *given, "--scorer=mean_inhibition", "--draws=0")
    rows = pd.read_csv(out).set_index("drug")
    assert set(rows["unit"]) == {"percent"}
    assert rows["score"].between(-20, 120).all()
    assert rows["score"]["Potent"] > 20 > rows["score"]["Inert"]
    assert (rows["hit"] == (rows["score"] >= 20)).all()
    registry.cache_clear()


@pytest.mark.slow
def test_the_installed_scorer_is_listed_kept_to_the_contract_and_materializes(
    fresh_environment: Any, small_ctg_screen: Path
) -> None:
    """Above it is laid out as installed; pip is in test_scaffold.py, assets of others in test_ten_scorers.py."""
    source = fresh_environment.folder / "phenodose-mean-inhibition"
    source.mkdir()
    for name, text in FILES.findall(PAGE.read_text(encoding="utf-8")):
        (source / name).write_text(text, encoding="utf-8")
    assert sorted(p.name for p in source.iterdir()) == ["mean_inhibition.py", "pyproject.toml"]
    fresh_environment.run("pip", "install", "--no-deps", "./phenodose-mean-inhibition")
    needed = "layout,viability/ctg,curves/ctg,scores/mean_inhibition"
    sql = (
        "SELECT drug, score, unit, hit, plugin, plugin_version FROM scores "
        "WHERE scorer = 'mean_inhibition' AND replicate = 'pooled' ORDER BY drug"
    )
    commands: list[tuple[str | Path, ...]] = [
        ("plugins", "list", "--json"),
        ("plugins", "check", "mean_inhibition"),
        ("run", small_ctg_screen, "--select", needed),
        ("sql", sql, "--format", "json"),
    ]
    listed, *_, told = fresh_environment.together([("phenodose", *words) for words in commands])
    mine = next(plugin for plugin in json.loads(listed) if plugin["name"] == "mean_inhibition")
    assert mine["status"] == "ok"
    assert mine["distribution"] == "phenodose-mean-inhibition 1.0"
    rows = json.loads(told)
    assert len(rows) >= 2
    assert {(row["plugin"], row["plugin_version"], row["unit"]) for row in rows} == {
        ("mean_inhibition", "1.0", "percent")
    }
    assert all(-20 < row["score"] < 120 for row in rows)
    assert all(row["hit"] == (row["score"] >= 20) for row in rows)
