"""docs/learning.md is true: every default it names is the code's, and no parameter of the network is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from phenodose.learning.backbones import CLASSES
from phenodose.learning.preprocess import SHIFT
from phenodose.plates.tensor_inputs import DEFAULT_INPUTS
from phenodose.screens.screen import TensorSettings
from phenodose_embedders.tsne import TsneParameters
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.cnn_parameters import CnnParameters

PAGE = Path(__file__).parents[2] / "docs" / "learning.md"
SAID = re.compile(r"`([\w.]+) = ([^`]+)`")


def ours() -> list[str]:
    """The column `ours` of the table, row by row."""
    lines = PAGE.read_text(encoding="utf-8").split("## Line by line")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert rows[0] == ["what", "paper", "reference program", "ours", "why ours"]
    assert {len(row) for row in rows} == {5}
    assert all(all(row) for row in rows)
    return [row[3] for row in rows[1:]]


def defaults() -> dict[str, Any]:
    named: dict[str, Any] = {name: field.default for name, field in CnnParameters.model_fields.items()}
    named |= {f"tsne.{name}": field.default for name, field in TsneParameters.model_fields.items()}
    named |= {
        f"{phase.name}.validation_wells_per_class": phase.validation_wells_per_class for phase in CnnReadout.phases
    }
    named |= {"tensors.size_px": TensorSettings.model_fields["size_px"].default, "SHIFT": SHIFT}
    return named | {"CLASSES": ", ".join(CLASSES), "DEFAULT_INPUTS": ", ".join(DEFAULT_INPUTS)}


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    found = [pair for cell in ours() for pair in SAID.findall(cell)]
    assert len(found) == len(dict(found)), "a default is named twice"
    return dict(found)


@pytest.mark.parametrize("name", sorted(defaults()))
def test_the_page_names_the_default(said: dict[str, str], name: str) -> None:
    assert said[name] == str(defaults()[name])


def test_the_page_names_nothing_that_there_is_not(said: dict[str, str]) -> None:
    assert set(said) <= set(defaults())


def test_the_table_of_presets_is_that_of_the_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").split("## Presets")[1].split("\n## ")[0].splitlines()
    head, _, *rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert head[1:] == list(CnnParameters.presets)
    told = {name: dict(zip(head[1:], values, strict=True)) for name, *values in rows}
    assert told == {
        name: {preset: str(values[name]) for preset, values in CnnParameters.presets.items()}
        for name in CnnParameters.presets["paper"]
    }


def test_every_command_of_the_page_names_tests_that_are_there() -> None:
    named = re.findall(r"tests/[\w/]+\.py", PAGE.read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (PAGE.parents[1] / path).is_file()] == []
