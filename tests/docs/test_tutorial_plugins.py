"""The plugins of the tutorials keep the contract, read from the pages and tried in this process.

That the pages can be followed, from an empty folder to SQL, is for `make test-slow` (test_demo_and_tutorials.py).
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.plugins.registry import contract_fault_of
from phenodose.testing import PluginConformance
from phenodose.testing.isolation import Seen

DOCS = Path(__file__).parents[2] / "docs"
FILES = re.compile(r"^### `(?:[\w-]+/)*(\w+)\.py`\n+```python\n(.*?)^```$", re.M | re.S)
#: Page -> its plugin's group, module, class and name.
PLUGINS = {
    "scorer": ("phenodose.scorers", "phenodose_scorer_steepness", "SteepnessScorer", "steepness"),
    "readout": ("phenodose.readouts", "phenodose_readout_contrast", "ContrastReadout", "contrast"),
    "reader": ("phenodose.readers", "phenodose_reader_slices", "SlicesReader", "slices"),
    "embedder": ("phenodose.embedders", "phenodose_embedder_two_directions", "TwoDirectionsEmbedder", "two_directions"),
}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[str]]]:
    """Writes the modules of a tutorial where they can be imported; gives their names."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made: list[str] = []

    def write(page: str) -> list[str]:
        files = FILES.findall((DOCS / f"tutorial_{page}.md").read_text(encoding="utf-8"))
        for module, text in files:
            (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        made.extend(module for module, _ in files)
        return made

    yield write
    for module in made:
        sys.modules.pop(module, None)


@pytest.mark.parametrize("page", PLUGINS)
def test_the_plugin_of_a_tutorial_could_be_installed(page: str, written: Callable[[str], list[str]]) -> None:
    group, module, cls, name = PLUGINS[page]
    assert module in written(page)
    plugin = getattr(importlib.import_module(module), cls)
    assert plugin.name == name
    assert contract_fault_of(group, name, plugin) == ""


@pytest.mark.parametrize("page", ["scorer", "readout", "embedder"])
def test_the_tests_of_a_tutorial_pass(
    page: str, written: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tests,) = [module for module in written(page) if module.startswith("test_")]
    module = importlib.import_module(tests)

    def called_here(self: Any, function: Callable[..., Any], *arguments: Any) -> Seen:
        return Seen(function(*arguments), (), ())

    monkeypatch.setattr(PluginConformance, "isolated", called_here)
    for name, test in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("test_"):
            test()
    kept = 0
    for name, rule in inspect.getmembers(module.TestContract(), inspect.ismethod):
        if name.startswith("test_") and not inspect.signature(rule).parameters:
            rule()
            kept += 1
    assert kept >= 5


def test_the_reader_of_the_tutorial_finds_every_image(written: Callable[[str], list[str]]) -> None:
    written("reader")
    importlib.import_module("microscope")
    reader = importlib.import_module("phenodose_reader_slices").SlicesReader()
    assert reader.sniff(Path("plate")) > 0
    assert reader.sniff(Path()) == 0
    planes = reader.index(Path("plate"))
    assert sorted(set(planes["well"])) == ["B02", "B03", "G11"]
    assert planes.groupby("well")["z"].apply(list).map(np.sort).map(list).tolist() == [[0, 1, 2]] * 3
