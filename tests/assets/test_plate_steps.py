"""Every plate of a screen is ingested in a step of its own; what fails there is told once, by the asset."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import tifffile

from phenodose.errors import MissingInputError
from phenodose.pipeline.context import Context
from phenodose.progress import no_progress
from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose_assets.assets.plate_images import _make_plate_images, _plate_names

WELLS = ("B02", "B03", "C10")
PLATES = ("1", "2")
PLUGINS = ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "TWO_V1_DS1"
    rows = ["Plate,Row,Column,WellType,Treatment,Concentration"]
    for plate in PLATES:
        (folder / f"P{plate}").mkdir(parents=True)
        for well, kind in zip(WELLS, ("neg,DMSO,", "pos,STS,250", "therapy,Trametinib,10"), strict=True):
            rows.append(f"{plate},{well[0]},{int(well[1:])},{kind}")
            pixels = np.random.default_rng([int(plate), *well.encode()]).integers(0, 65535, (32, 32), np.uint16)
            tifffile.imwrite(folder / f"P{plate}" / f"{well}-z1.tif", pixels)
    (folder / "layout.csv").write_text("\n".join(rows) + "\n")
    (folder / "screen.toml").write_text(
        'reader = "pattern"\n[tensors]\nsize_px = 32\n[parameters.pattern]\n'
        "expression = '(?P<well>[A-P]\\d\\d)-z(?P<z>\\d)'\npixel_size_um = 0.5\n"
    )
    return folder


def steps_of(instance: dg.DagsterInstance) -> dict[str, str]:
    (record,) = instance.get_run_records(limit=1)
    stats = instance.get_run_step_stats(record.dagster_run.run_id)
    return {each.step_key: str(each.status.value) for each in stats if each.status}


def without_raw_folder(store: Store, folder: Path) -> Context:
    """The step on a machine that does not have the raw folder."""
    there = Store.from_json(store.to_json() | {"raw_roots": f"{folder.parent}=/not/here"})
    return Context(
        asset="plate_images",
        screen_id=folder.name,
        run_id="r",
        store=there,
        source=lambda: there.source_of(folder.name),
        launchpad={},
        settings={"ingest": frozenset()},
        log=logging.getLogger("tests"),
        progress=no_progress,
    )


def test_each_plate_is_a_step(folder: Path, workshop: Any) -> None:
    store, screen = workshop.store, register_screen(workshop.store, folder)
    workshop.make(screen.id, "layout,plate_images").raise_if_failed()
    parts = {key for key in steps_of(workshop.instance) if key.startswith("plate_images.part[")}
    assert parts == {"plate_images.part[1]", "plate_images.part[2]"}
    # Nothing failed, and no step stands there for it.
    assert set(steps_of(workshop.instance)) == {"layout.make", "plate_images.parts", "plate_images.make", *parts}
    assert [path.name for path in store.plates(screen.id)] == ["1.ome.zarr", "2.ome.zarr"]
    assert store.read_table("plates", screen.id)["n_wells"].tolist() == [3, 3]
    elsewhere = without_raw_folder(store, folder)
    assert _plate_names(elsewhere) == []
    assert set(_make_plate_images(elsewhere).inputs) == set(PLATES)
    shutil.rmtree(store.plate_path(screen.id, "2"))
    with pytest.raises(MissingInputError, match=r"/not/here/TWO_V1_DS1: this machine does not have .* of plate 2, and"):
        _make_plate_images(elsewhere)


def test_a_plate_that_fails_fails_the_asset_and_keeps_the_others(folder: Path, workshop: Any) -> None:
    folder = folder.rename(folder.with_name("CUT_V1_DS1"))
    cut = folder / "P2" / "B03-z1.tif"
    cut.write_bytes(cut.read_bytes()[:-100])
    store, screen = workshop.store, register_screen(workshop.store, folder)
    outcome = workshop.make(screen.id, "layout,plate_images")
    assert outcome.failed["plate_images"].mendable
    assert "B03-z1.tif" in outcome.failed["plate_images"].message
    assert [path.name for path in store.plates(screen.id)] == ["1.ome.zarr"]
    steps = steps_of(workshop.instance)
    assert (steps["plate_images.part[1]"], steps["plate_images.part[2]"]) == ("SUCCESS", "SUCCESS")
    assert steps["plate_images.failed[error]"] == "FAILURE"
