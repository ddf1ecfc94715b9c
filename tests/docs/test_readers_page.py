"""docs/readers.md is true: its columns, its expressions and its reader work."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plugins import PLANES, registry
from phenodose.screens.screen import Settings
from phenodose_readers.pattern import GROUPS, PatternReader

TEXT = (Path(__file__).parents[2] / "docs" / "readers.md").read_text(encoding="utf-8")
NAMES = ["raw/r02c03f01p02-ch1sk1fk1fl1.tiff", "raw/Plate_1_B03_T0001F001L01A01Z02C01.tif"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_every_column_of_the_index_is_explained():
    row = r"^\| (\w+) \| (?:text|integer|number) \|[^|]*\| (.*?)(?: \(may be empty\))? \|$"
    rows = re.findall(row, TEXT, re.MULTILINE)
    assert rows == [(column.name, column.description) for column in PLANES.columns]


def test_every_built_in_reader_and_every_group_has_its_place():
    for name in registry().names("reader"):
        assert f"\n## {name}: " in TEXT
    for group in GROUPS:
        assert f"`{group}`" in TEXT


@pytest.mark.parametrize(("number", "name"), list(enumerate(NAMES)))
def test_the_expressions_read_the_names_of_their_microscopes(tmp_path, number, name):
    (tmp_path / "raw").mkdir()
    tifffile.imwrite(tmp_path / name, np.ones((8, 8), np.uint16))
    settings = Settings.model_validate(tomllib.loads(blocks("toml")[number]))
    reader = PatternReader(settings.parameters["pattern"])
    (row,) = reader.index(tmp_path / "raw").itertuples()
    assert (row.well, row.site, row.time, row.channel) == ("B03", 1, 0, 0)


def test_the_reader_of_the_page_makes_a_plate(tmp_path):
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    reader = names["OnePlaneReader"]()
    (tmp_path / "raw").mkdir()
    assert reader.sniff(tmp_path / "raw") == 0
    tifffile.imwrite(tmp_path / "raw" / "B07.tif", np.arange(64, dtype=np.uint16).reshape(8, 8))
    assert reader.sniff(tmp_path / "raw") == 0.3
    assert PLANES.faults(reader.index(tmp_path / "raw")) == []
    ingest_plate(tmp_path / "raw", tmp_path / "P1.ome.zarr", reader, "P1")
    assert Plate.open(tmp_path / "P1.ome.zarr").mean_of_stack("B07") == 31.5
