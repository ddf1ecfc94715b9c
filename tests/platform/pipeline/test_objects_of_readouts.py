"""What a readout finds in the images becomes rows of the table `objects`, and what cannot be measured is told."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenodose.errors import NotMade
from phenodose.lineage.provenance import Provenance
from phenodose.pipeline.raw_values import measure_images
from phenodose.plates.ingest import ingest_plate
from phenodose.plugins.results import objects_fault
from phenodose.screens.screen import Settings
from phenodose.tables import OBJECT_COLUMNS, TABLES
from phenodose_readers.pattern import PatternReader
from phenodose_readouts.spheroids import SpheroidAreaReadout

Y, X = np.mgrid[:64, :64] - 32


def plate_of(folder, name, light, **more):
    """The place of a plate with a disc of that much light in each of two wells."""
    raw = folder / name
    raw.mkdir()
    for seed, well in enumerate(("B02", "C11")):
        pixels = np.random.default_rng(seed).normal(400, 10, (64, 64)) + light * (X**2 + Y**2 < 15**2)
        tifffile.imwrite(raw / f"{well}_MIP.tif", pixels.astype(np.uint16))
    reader = PatternReader({"expression": r"(?P<well>[A-P]\d\d)_(?P<projection>MIP)\.tif", **more})
    ingest_plate(raw, folder / f"{name}.ome.zarr", reader, name)
    return str(folder / f"{name}.ome.zarr")


def measured(plates):
    hashes = pd.DataFrame({"plate": list(plates), "raw_hash": ""})
    step = SimpleNamespace(
        screen=SimpleNamespace(channel=0, settings=Settings()),
        screen_id="S",
        store=SimpleNamespace(plate_at=lambda path: path, read_table=lambda *of: hashes),
        parameters=lambda name: {},
        create=lambda plugin: plugin(),
        progress=lambda *told: None,
    )
    return measure_images(SpheroidAreaReadout, plates, step)


def test_objects_of_all_plates_fit_their_table(tmp_path):
    plates = {"P1": plate_of(tmp_path, "P1", 5000, pixel_size_um=2.0), "P2": plate_of(tmp_path, "P2", 900)}
    values = measured(plates)
    rows = values.objects.assign(screen="S", readout="spheroid_area")
    stored = TABLES["objects"].conform(Provenance.of("run", values.plugin).stamp(rows)).to_pandas()
    assert list(zip(stored["plate"], stored["well"], strict=True)) == [
        *(("P1", "B02"), ("P1", "C11"), ("P2", "B02"), ("P2", "C11"))
    ]
    assert stored["area_px"].to_list() == pytest.approx([np.pi * 15**2] * 4, rel=0.15)
    assert stored["area_um2"].notna().to_list() == [True, True, False, False]
    assert values.raw["raw"].to_list() == [*stored["area_um2"][:2], *stored["area_px"][2:]]
    assert len(values.notes) == 1
    assert values.notes[0].startswith("the images of P2 do not say how wide their pixels are")


def test_images_without_any_object_are_not_measured(tmp_path):
    with pytest.raises(NotMade, match="spheroid_area finds no object in any image of the screen"):
        measured({"P1": plate_of(tmp_path, "P1", 0, pixel_size_um=2.0)})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"well": "H12"}, "an object of a well that it was not asked for: H12"),
        ({"object": 1}, "the same object twice: B02 1 1"),
        ({"area_um2": "large"}, "`area_um2` is"),
        ({"site": 1.0}, "`site` is float64"),
    ],
)
def test_objects_of_anyone_are_checked_at_the_door(change, fault):
    numbers = {name: [1.0, 2.0] for name in OBJECT_COLUMNS[3:]}
    frame = pd.DataFrame({"well": "B02", "site": [1, 1], "object": [1, 2], **numbers}).assign(**change)
    assert fault in objects_fault(["B02"], frame)
    assert bool(objects_fault(["B02"], frame)) == bool(fault)


def test_a_missing_column_is_named():
    assert "roundness missing" in objects_fault(
        ["B02"], pd.DataFrame(columns=list(OBJECT_COLUMNS)).drop(columns="roundness")
    )
