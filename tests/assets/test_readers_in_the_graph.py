"""Screens of other microscopes and sources go through the graph as screen.toml says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from phenodose.plates.tensors import open_tensors
from phenodose.plugins import registry
from phenodose.screens.itrade import arrange
from phenodose.screens.registration import check_screen, register_screen
from phenodose.store.store import Store
from phenodose_assets.run import RunOutcome

PLUGINS = ()
WELLS = ("B02", "B03", "C10")
LAYOUT = "Plate,Row,Column,WellType,Treatment,Concentration\n" + "".join(
    f"1,{well[0]},{int(well[1:])},{kind}\n"
    for well, kind in zip(WELLS, ("neg,DMSO,", "pos,STS,250", "therapy,Trametinib,10"), strict=True)
)


def pixels(well: str, kind: str, size: int = 224) -> np.ndarray:
    return np.random.default_rng([*well.encode(), *kind.encode()]).integers(0, 65535, (size, size), np.uint16)


def run(workshop: Any, folder: Path) -> tuple[Store, RunOutcome]:
    check_screen(folder, registry())
    screen = register_screen(workshop.store, folder)
    return workshop.store, workshop.make(screen.id, "layout,plate_images,pseudo_rgb")


def test_a_screen_of_any_microscope_by_its_pattern(tmp_path: Path, workshop: Any) -> None:
    folder = tmp_path / "raw" / "PAT_V1_DS1"
    (folder / "P1").mkdir(parents=True)
    (folder / "layout.csv").write_text(LAYOUT)
    for well in WELLS:
        for z in (1, 2, 3):
            tifffile.imwrite(folder / "P1" / f"{well}-z{z}.tif", pixels(well, str(z), 32))
    (folder / "screen.toml").write_text(
        'reader = "pattern"\n[tensors]\nsize_px = 32\n[parameters.pattern]\n'
        "expression = '(?P<well>[A-P]\\d\\d)-z(?P<z>\\d)'\npixel_size_um = 0.5\n"
    )
    store, outcome = run(workshop, folder)
    outcome.raise_if_failed()
    plates = store.read_table("plates", "PAT_V1_DS1")
    assert plates[["plugin", "n_z", "pixel_size_um"]].to_numpy().tolist() == [["pattern", 3, 0.5]]
    tensors = open_tensors(next((store.screen_dir("PAT_V1_DS1") / "tensors").glob("*.zarr")))
    np.testing.assert_array_equal(tensors.sel(well="1/C10")[..., 1], pixels("C10", "2", 32))


def test_a_wrong_expression_fails_as_a_sentence(tmp_path: Path, workshop: Any) -> None:
    folder = tmp_path / "raw" / "BAD_V1_DS1"
    (folder / "P1").mkdir(parents=True)
    (folder / "layout.csv").write_text(LAYOUT)
    tifffile.imwrite(folder / "P1" / "B02.tif", pixels("B02", "x", 32))
    (folder / "screen.toml").write_text("reader = \"pattern\"\n[parameters.pattern]\nexpression = '(?P<pit>.)'\n")
    with pytest.raises(ValueError, match="there is no group pit; the groups are: well"):
        check_screen(folder, registry())
    register_screen(workshop.store, folder)
    outcome = workshop.make("BAD_V1_DS1", "layout,plate_images")
    assert outcome.failed["plate_images"].mendable


def test_the_itrade_data_set_from_its_folders_to_tensors(tmp_path: Path, workshop: Any) -> None:
    data, screen = tmp_path / "iTRADE-Data", "BT-40_V1_DS1"
    (data / "Images" / screen).mkdir(parents=True)
    (data / "Layouts").mkdir()
    (data / "Layouts" / "Layout_DS.csv").write_text(LAYOUT)
    for well in WELLS:
        for kind in ("proj", "midz"):
            tifffile.imwrite(data / "Images" / screen / f"{screen}_P1_{well}_{kind}_224x224.tif", pixels(well, kind))
    (arranged,) = arrange(data, tmp_path / "screens")
    store, outcome = run(workshop, arranged.folder)
    outcome.raise_if_failed()
    tensors = open_tensors(next((store.screen_dir(screen) / "tensors").glob("*.zarr")))
    for well in WELLS:
        for channel, kind in enumerate(("proj", "midz", "proj")):
            np.testing.assert_array_equal(tensors.sel(well=f"1/{well}")[..., channel], pixels(well, kind))


def test_a_plate_made_elsewhere_is_not_copied_into_the_store(tmp_path: Path, workshop: Any) -> None:
    folder = tmp_path / "raw" / "ZAR_V1_DS1"
    root = zarr.create_group(folder / "P1", zarr_format=2)
    wells = [{"path": f"{well[0]}/{well[1:]}", "rowIndex": 0, "columnIndex": 0} for well in WELLS]
    plate = {"version": "0.4", "rows": [{"name": "B"}], "columns": [{"name": "02"}], "wells": wells}
    root.attrs["plate"] = plate
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    scale = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    for well in WELLS:
        group = root.create_group(f"{well[0]}/{well[1:]}")
        group.attrs["well"] = {"version": "0.4", "images": [{"path": "0"}]}
        image = group.create_group("0")
        datasets = [{"path": "0", "coordinateTransformations": scale}]
        image.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
        stack = np.stack([pixels(well, str(z), 64) for z in range(3)])
        image.create_array("0", shape=stack.shape, chunks=(1, 64, 64), dtype=stack.dtype)[...] = stack
    (folder / "layout.csv").write_text(LAYOUT)
    (folder / "screen.toml").write_text("[tensors]\nsize_px = 64\n")
    store, outcome = run(workshop, folder)
    outcome.raise_if_failed()
    (row,) = store.read_table("plates", "ZAR_V1_DS1").itertuples()
    assert (row.plugin, row.n_planes, row.n_z) == ("ome_zarr", 9, 3)
    (reference,) = (path for path in (store.root / row.path).rglob("*") if path.is_file())
    assert json.loads(reference.read_text())["attributes"]["phenodose"]["in_place"]["folder"] == str(folder / "P1")
    tensors = open_tensors(next((store.screen_dir("ZAR_V1_DS1") / "tensors").glob("*.zarr")))
    stack = np.stack([pixels("C10", str(z), 64) for z in range(3)])
    np.testing.assert_array_equal(tensors.sel(well="1/C10")[..., 0], stack.max(axis=0))
    np.testing.assert_array_equal(tensors.sel(well="1/C10")[..., 1], stack[1])
