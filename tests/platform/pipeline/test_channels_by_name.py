"""A screen that names its nuclear channel is measured in it, wherever each plate has it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.pipeline.raw_values import measure_images
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose.screens.screen import Settings
from phenodose_readers.pattern import PatternReader
from phenodose_readouts.mean_of_stack import MeanOfStackReadout

GREY = {"Hoechst": 700, "Cy5": 100}


@pytest.fixture
def plates(tmp_path) -> dict[str, str]:
    """Two plates with the same dyes in another order."""
    found = {}
    for plate, order in (("P1", ("Hoechst", "Cy5")), ("P2", ("Cy5", "Hoechst"))):
        raw = tmp_path / plate
        raw.mkdir()
        for dye, grey in GREY.items():
            tifffile.imwrite(raw / f"B02_{dye}.tif", np.full((16, 16), grey, np.uint16), metadata=None)
        names = {dye: dye for dye in order}
        reader = PatternReader({"expression": r"(?P<well>[A-P]\d\d)_(?P<channel>\w+)\.tif", "channel_names": names})
        ingest_plate(raw, tmp_path / f"{plate}.ome.zarr", reader, plate)
        found[plate] = str(tmp_path / f"{plate}.ome.zarr")
    return found


def step(nuclei, parameters):
    """As much of a `Context` as measuring images asks."""
    return SimpleNamespace(
        screen=SimpleNamespace(channel=nuclei, settings=Settings()),
        screen_id="S",
        store=SimpleNamespace(
            plate_at=lambda path: path, read_table=lambda *of: pd.DataFrame({"plate": ["P1"], "raw_hash": [""]})
        ),
        parameters=lambda name: parameters,
        create=lambda plugin: plugin(parameters),
        sandboxed=lambda plugin, given: plugin(given),
        progress=lambda *told: None,
    )


@pytest.mark.parametrize(
    ("nuclei", "parameters", "raw"),
    [
        ("Hoechst", {}, [700, 700]),
        ("cy5", {}, [100, 100]),
        (0, {}, [700, 100]),
        ("Hoechst", {"channel": "Cy5"}, [100, 100]),
        ("Hoechst", {"channel": 1}, [100, 700]),
    ],
)
def test_mean_of_stack_takes_the_named_channel(plates, nuclei, parameters, raw):
    measured = measure_images(MeanOfStackReadout, plates, step(nuclei, parameters)).raw
    assert measured["raw"].tolist() == raw


def test_tensors_take_the_named_channel(plates, tmp_path):
    opened = {name: Plate.open(path) for name, path in plates.items()}
    build_tensors(opened, tmp_path / "tensors.zarr", 16, "Hoechst")
    assert set(np.unique(open_tensors(tmp_path / "tensors.zarr"))) == {700}
    with pytest.raises(InputError, match="plate P1: no channel is named 'PI'"):
        build_tensors(opened, tmp_path / "none.zarr", 16, "PI")
