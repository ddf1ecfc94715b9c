"""What lies in a store is read as it was written, or not at all: flipped bits, cut and lost files, exchanged files."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.errors import PhenodoseError, StoreError
from phenodose.io.seals import is_changed
from phenodose.io.zarr_groups import open_group, write_group
from phenodose.store.activation_maps import StoredMap, maps_folder, read_maps, write_maps
from phenodose.store.curves import curves_key, points_fault, read_curves, write_points
from phenodose.store.store import Store
from phenodose.tables import CURVE_FIT_COLUMNS, TABLES

FACTS = {"checkpoint": "abc"}


def wells_of(screen: str) -> pd.DataFrame:
    doses = [(drug, dose) for drug in ("Potent", "Weak") for dose in (1.0, 10.0, 100.0, 1000.0, 10000.0)]
    return TABLES["wells"].frame(
        [
            {
                "screen": screen, "plate": "P1", "well": f"B{n:02d}", "row": "B", "column": n, "sample": "TST",
                "well_type": "therapy", "treatment": drug, "concentration_nM": dose, "replicate": 1, "run_id": "r",
            }
            for n, (drug, dose) in enumerate(doses, start=2)
        ]
    )  # fmt: skip


def curves_of(store: Store, half: float) -> Any:
    """Rows and points of two curves, written as the pipeline does."""
    wells = wells_of("S1")
    viability = wells[["screen", "plate", "well", "row", "column"]].assign(
        viability_fraction=1 / (1 + wells["concentration_nM"] / half), masked=False, readout="ctg"
    )
    batch = fit_curves(curve_points(viability, wells), bootstrap=8)
    rows = batch.to_frame().assign(
        screen="S1", readout="ctg", run_id="r", plugin="curves", plugin_version="1", parameters="{}", checkpoint=None
    )
    store.write_table("curves", "S1", curves_key("ctg"), rows[TABLES["curves"].column_names])
    write_points(store, "S1", "ctg", batch)
    return batch


def flips(content: bytes, n: int, seed: int = 0) -> list[bytes]:
    """The bytes with one bit changed, `n` times at another place."""
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        changed = bytearray(content)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        found.append(bytes(changed))
    return found


def untold(file: Path, read: Callable[[], Any], same: Callable[[Any], bool], n: int = 60) -> list[str]:
    """Damages of a file after which something else is read and nothing is said."""
    whole = file.read_bytes()
    damages = {f"flip {number}": content for number, content in enumerate(flips(whole, n))}
    damages |= {"cut": whole[: len(whole) // 2], "empty": b"", "zeros": whole[:40] + bytes(len(whole) - 40)}
    found = []
    for name, content in [*damages.items(), ("lost", None)]:
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with suppress(PhenodoseError):
            if not same(read()):
                found.append(name)
    file.write_bytes(whole)
    assert same(read())
    return found


# --- tables ---------------------------------------------------------------------------------------


def test_a_damaged_table_is_never_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    wells = wells_of("S1")
    file = store.write_table("wells", "S1", "layout", wells)
    good = store.read_table("wells", "S1", "layout")
    wrong = untold(file, lambda: store.read_table("wells", "S1", "layout"), good.equals)
    assert wrong == ["lost"], "a part that is not there has no rows; what needs it says that it was not made"


def test_a_table_says_what_to_do_and_other_programs_read_it(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    file = store.write_table("wells", "S1", "layout", wells_of("S1"))
    assert pq.read_table(file).num_rows == 10
    assert not is_changed(file.read_bytes())
    file.write_bytes(flips(file.read_bytes(), 1)[0])
    with pytest.raises(StoreError, match=r"layout\.parquet: its bytes have changed.*make the screen again"):
        store.read_table("wells", "S1")


def test_a_file_of_another_part_or_table_is_never_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    one, other = (store.write_table("wells", "S1", part, wells_of("S1")) for part in ("layout", "layout/other"))
    shutil.copyfile(one, other)
    with pytest.raises(StoreError, match=r"layout\.other\.parquet: is the file wells/screen=S1/layout\.parquet"):
        store.read_table("wells", "S1")
    moved = Store.open(tmp_path / "moved")
    shutil.copytree(store.root / "tables" / "wells" / "screen=S1", moved.root / "tables" / "wells" / "screen=S1")
    assert len(moved.read_table("wells", "S1", "layout")) == len(wells_of("S1"))


def test_a_table_of_another_screen_is_told(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    file = store.write_table("wells", "S1", "layout", wells_of("S1"))
    # As an older version wrote it: without a seal, and so without its place.
    pq.write_table(TABLES["wells"].conform(wells_of("S2")), file)
    with pytest.raises(StoreError, match=r"holds rows of screen 'S2', but lies in the folder of 'S1'; take the file"):
        store.read_table("wells", "S1")


def test_a_table_of_an_older_version_is_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    file = store.write_table("wells", "S1", "layout", wells_of("S1"))
    good = store.read_table("wells", "S1")
    pq.write_table(TABLES["wells"].conform(good), file)
    assert store.read_table("wells", "S1").equals(good)


# --- curves ---------------------------------------------------------------------------------------


def same_curves(good: Any) -> Callable[[Any], bool]:
    def same(found: Any) -> bool:
        return all(
            np.array_equal(getattr(found, name), getattr(good, name), equal_nan=True)
            for name in ("log10_dose", "inhibition", "draws", "top", "log10_mid")
        )

    return same


def test_damaged_points_are_never_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    batch = curves_of(store, 30.0)
    assert points_fault(store, "S1", "ctg") == ""
    points = store.screen_dir("S1") / "curves" / "ctg.npz"
    assert untold(points, lambda: read_curves(store, "S1", "ctg"), same_curves(batch)) == []


@pytest.mark.parametrize("older", ["rows", "points"])
def test_rows_and_points_of_two_fits_are_told(tmp_path: Path, older: str) -> None:
    store, backup = Store.open(tmp_path / "store"), tmp_path / "backup"
    rows = store.table_part("curves", "S1", curves_key("ctg"))
    file = rows if older == "rows" else store.screen_dir("S1") / "curves" / "ctg.npz"
    curves_of(store, 30.0)
    shutil.copy2(file, backup)
    curves_of(store, 300.0)
    assert read_curves(store, "S1", "ctg") is not None
    shutil.copy2(backup, file)
    with pytest.raises(StoreError, match=r"differ; materialize `curves/ctg` of S1 again"):
        read_curves(store, "S1", "ctg")
    assert "differ; materialize" in points_fault(store, "S1", "ctg")


def test_points_of_an_older_version_are_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    batch = curves_of(store, 30.0)
    np.savez_compressed(
        store.screen_dir("S1") / "curves" / "ctg.npz",
        log10_dose=batch.log10_dose,
        inhibition=batch.inhibition,
        draws=batch.draws,
    )
    found = read_curves(store, "S1", "ctg")
    assert found is not None
    assert same_curves(batch)(found)
    assert len(replace(found).to_frame()[list(CURVE_FIT_COLUMNS)]) == len(batch)


# --- Zarr groups ----------------------------------------------------------------------------------


def a_group(folder: Path, seed: int = 0) -> xr.Dataset:
    names = np.array([f"P1/B{n:02d}" for n in range(2, 8)], dtype=object)
    data = xr.Dataset(
        {"features": (("well", "feature"), np.random.default_rng(seed).random((6, 5)))},
        coords={"well": ("well", names)},
        attrs={"made_by": "abc"},
    )
    write_group(data, folder)
    return data


def test_a_group_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = a_group(tmp_path / "g.zarr")
    found = open_group(tmp_path / "g.zarr", "make it again")
    assert found.identical(data)
    assert xr.open_zarr(tmp_path / "g.zarr", consolidated=False)["features"].equals(data["features"])


def test_every_damage_of_every_file_of_a_group_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "g.zarr"
    data = a_group(folder)

    def read() -> xr.Dataset:
        return open_group(folder, "make it again").load()

    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) == 5
    for file in files:
        wrong = untold(file, read, data.identical, n=20)
        assert wrong == [] or (file == folder / "zarr.json" and wrong == ["lost"]), file


def test_a_chunk_of_another_group_is_told(tmp_path: Path) -> None:
    a_group(tmp_path / "one.zarr", 1)
    a_group(tmp_path / "two.zarr", 2)
    shutil.copy2(tmp_path / "two.zarr/features/c/0/0", tmp_path / "one.zarr/features/c/0/0")
    with pytest.raises(StoreError, match=r"one\.zarr: features/c/0/0 has .*; make it again"):
        open_group(tmp_path / "one.zarr", "make it again")


def test_a_chunk_where_there_was_none_is_told(tmp_path: Path) -> None:
    write_group(xr.Dataset({"a": ("x", np.zeros(4))}), tmp_path / "zeros.zarr")
    write_group(xr.Dataset({"a": ("x", np.ones(4))}), tmp_path / "ones.zarr")
    assert open_group(tmp_path / "zeros.zarr", "")["a"].to_numpy().tolist() == [0, 0, 0, 0]
    if not (tmp_path / "zeros.zarr/a/c").exists():
        shutil.copytree(tmp_path / "ones.zarr/a/c", tmp_path / "zeros.zarr/a/c")
        with pytest.raises(StoreError, match="is no file of it"):
            open_group(tmp_path / "zeros.zarr", "make it again")


def test_a_group_of_an_older_version_is_read(tmp_path: Path) -> None:
    data = xr.Dataset({"a": ("x", np.arange(4.0))})
    data.to_zarr(tmp_path / "g.zarr", zarr_format=3, consolidated=False)
    assert open_group(tmp_path / "g.zarr", "make it again").identical(data)


def test_damaged_maps_are_told(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    folder = maps_folder(store, "S", "cnn", "phase3", "pos", "grad-cam")
    folder.mkdir(parents=True)
    made = {"P1/B02": StoredMap(np.random.default_rng(0).random((5, 4), dtype=np.float32), "image-1")}
    write_maps(folder, made, FACTS)
    (folder / "maps.zarr/activation/c/0/0/0").unlink()
    with pytest.raises(StoreError, match=r"activation/c/0/0/0 is missing; take the folder away"):
        read_maps(store, folder, FACTS)
