"""`phenodose verify` of a whole store finds every damage of every product, and says what is older than its inputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
import xarray as xr

from phenodose.cli import main
from phenodose.cohort.build import rebuild_cohort
from phenodose.dose_response.curves import CurveBatch
from phenodose.io.zarr_groups import write_group
from phenodose.lineage.verify_store import verify_store
from phenodose.plates.ingest import ingest_plate
from phenodose.reports.sealed_page import sealed_page
from phenodose.store.activation_maps import StoredMap, maps_folder, write_maps
from phenodose.store.curves import curves_key, write_points
from phenodose.store.store import Store
from phenodose.tables import CURVE_FIT_COLUMNS, TABLES
from phenodose_readers.pattern import PatternReader

SCREEN = "BT-40_V1_DS1"


@pytest.fixture(scope="module")
def made(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one product of every kind; the plates of its table are made of small images. To be copied."""
    folder = tmp_path_factory.mktemp("every_kind")
    copied = shutil.copytree(made_up_root, folder / "store", ignore=shutil.ignore_patterns("cohort.duckdb"))
    store, hashes = Store.open(copied), {}
    for plate in ("P1", "P2"):
        raw = folder / "raw" / plate
        raw.mkdir(parents=True)
        pixels = np.random.default_rng(int(plate[1])).integers(1, 900, (16, 16), np.uint16)
        tifffile.imwrite(raw / "B02_z1.tif", pixels, metadata=None)
        reader = PatternReader({"expression": r"(?P<well>[A-P]\d\d)_z(?P<z>\d)"})
        hashes[plate] = ingest_plate(raw, store.plate_path(SCREEN, plate), reader, plate, workers=1).raw_hash
    plates = store.read_table("plates", SCREEN)
    store.write_table("plates", SCREEN, "images", plates.assign(raw_hash=plates["plate"].map(hashes)))
    for screen in store.read_table("curves")["screen"].unique():
        rows = store.read_table("curves", screen)
        for part in store.table_part("curves", screen, "x").parent.glob("*.parquet"):
            part.unlink()
        for readout, own in rows.groupby("readout"):
            store.write_table("curves", screen, curves_key(str(readout)), own)
            batch = CurveBatch.from_frame(own[["sample", "readout", "replicate", "drug", *CURVE_FIT_COLUMNS]])
            write_points(store, screen, str(readout), batch)
    data = xr.Dataset({"features": (("well", "feature"), np.random.default_rng(0).random((4, 3)))})
    for path in (store.tensor_path(SCREEN), store.feature_path(SCREEN, "cnn_phase3")):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_group(data, path)
    folder = maps_folder(store, SCREEN, "cnn", "phase3", "pos", "grad-cam")
    folder.mkdir(parents=True)
    write_maps(folder, {"P1/B02": StoredMap(np.ones((4, 4), np.float32), "image")}, {})
    rebuild_cohort(store)
    return store.root


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    """A copy, as the copying of a store leaves it: with the times of writing, by which the cohort knows its files."""
    return Store.open(shutil.copytree(made, tmp_path / "store"))


def sources(store: Store) -> dict[str, Path]:
    """A file of every kind of product."""
    own = store.screen_dir(SCREEN)
    return {
        "plates": store.plate_path(SCREEN, "P1") / "B/02/0/0/c/0/0/0/0",
        "tables": next((store.root / "tables/wells" / f"screen={SCREEN}").glob("*.parquet")),
        "curves": own / "curves/ctg.npz",
        "tensors": store.tensor_path(SCREEN) / "features/c/0/0",
        "features": store.feature_path(SCREEN, "cnn_phase3") / "features/zarr.json",
        "maps": own / "activation_maps/cnn_phase3_pos_grad-cam/maps.zarr/activation/c/0/0/0",
        "cohort": store.cohort_path,
    }


def test_a_store_as_it_was_written_has_no_fault(store: Store) -> None:
    found = verify_store(store)
    assert found.faults == []
    assert found.without_seal == []
    assert set(found.checked) == set(sources(store))
    assert found.checked["plates"] == 2


def test_one_changed_byte_or_a_lost_file_of_each_kind_is_told(store: Store) -> None:
    cohort = store.cohort_path.read_bytes()
    for kind, file in sources(store).items():
        if kind in ("tables", "cohort"):
            store.cohort_path.write_bytes(cohort)
        else:  # the cohort rests on tables alone, and takes long to compare with them
            store.cohort_path.unlink(missing_ok=True)
        whole = file.read_bytes()
        changed = bytearray(whole)
        for at in range(len(changed) // 2, len(changed) // 2 + 4):
            changed[at] ^= 0xFF
        file.write_bytes(bytes(changed))
        faults = verify_store(store).faults
        assert faults, kind
        assert all(";" in fault for fault in faults), "what to do about it"
        if kind in ("plates", "curves", "tensors"):
            file.unlink()
            assert any("missing" in fault for fault in verify_store(store).faults)
        file.write_bytes(whole)


def test_exchanged_plates_and_files_of_older_versions_are_told(store: Store) -> None:
    one, two = (store.plate_path(SCREEN, name) for name in ("P1", "P2"))
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    assert [fault.partition(" holds ")[2][:8] for fault in verify_store(store).faults] == ["plate P2", "plate P1"]
    file = sources(store)["tables"]
    pq.write_table(TABLES["wells"].conform(store.read_table("wells", SCREEN)), file)
    assert verify_store(store).without_seal == [str(file)]


def test_the_command_tells_faults_and_ends_with_2(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*more: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(store.root), *more])
        told = capsys.readouterr()
        return int(str(ended.value.code or 0)), told.out, told.err

    code, out, _ = run()
    assert code == 0
    assert "everything is as it was written" in out
    sources(store)["tensors"].unlink()
    code, _, err = run()
    assert code == 2
    assert "features/c/0/0 is missing; materialize `pseudo_rgb` of the screen again" in err
    code, out, _ = run("--json")
    told: dict[str, Any] = json.loads(out)
    assert (code, told["ok"], len(told["faults"])) == (2, False, 1)
    code, _, err = run("--raw", str(store.root))
    assert code == 2
    assert "name the plate" in err


def test_what_cannot_be_told_is_not_called_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "no_such_store")])
    assert ended.value.code == 2
    assert "there is no such" in capsys.readouterr().err
    store = Store.open(tmp_path / "store")
    rows = TABLES["drugs"].frame([{"screen": SCREEN, "drug": "A", "run_id": "r"}])
    file = store.write_table("drugs", SCREEN, "layout", rows)
    pq.write_table(TABLES["drugs"].conform(rows), file)  # as an older version wrote it
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(store.root)])
    out = capsys.readouterr().out
    assert not ended.value.code
    assert "no fault is found, but 1 of these have no hash to compare with" in out
    assert "everything is as it was written" not in out


def test_a_store_that_is_not_there_is_no_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PHENODOSE_STORE", str(tmp_path / "mistyped"))
    with pytest.raises(SystemExit) as ended:
        main(["verify"])
    assert ended.value.code == 2
    assert "there is no store here yet" in capsys.readouterr().err


def test_an_edited_page_and_an_edited_or_older_cohort_are_told(store: Store) -> None:
    page = store.report_path(SCREEN)
    page.parent.mkdir(exist_ok=True)
    page.write_bytes(sealed_page("<p>Trametinib 21.3</p>"))
    assert verify_store(store).faults == []
    page.write_bytes(page.read_bytes().replace(b"21.3", b"12.3"))
    with duckdb.connect(str(store.cohort_path)) as con:
        con.execute("UPDATE scores SET score = score + 1 WHERE screen = ? AND drug = 'Trametinib'", [SCREEN])
    rows = store.read_table("drugs", SCREEN)
    part = next((store.root / "tables/drugs" / f"screen={SCREEN}").glob("*.parquet")).stem
    store.write_table("drugs", SCREEN, part, rows.assign(drug_class="another"))
    found = verify_store(store)
    assert len(found.faults) == 2
    assert f"{page}: its bytes have changed" in found.faults[0]
    assert f"the rows of {SCREEN} in the table scores are not those of the store's tables" in found.faults[1]
    assert "the cohort is older than the tables" in " ".join(found.stale[SCREEN])
