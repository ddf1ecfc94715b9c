"""Whole screens run into a bucket: the same numbers as in a folder; on a real S3 server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from phenodose.cli import cam, report, screen, sql
from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.io.places import place, sizes
from phenodose.lineage.freshness import changes_since
from phenodose.reports.cohort import cohort_report_path
from phenodose.screens.registration import register_screen
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_assets.build import SCREEN_JOB
from phenodose_assets.resources import StoreResource
from phenodose_assets.run import Graph, materialize_cohort, materialize_screen
from phenodose_assets.sensors.new_screens import new_screens_sensor

ADDRESS = "s3://bucket/lab/store"
#: What differs from run to run.
OF_THE_RUN = ["run_id", "started_at", "finished_at", "seconds", "inputs", "made_from", "files"]


def told(command: Any, *arguments: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(command, [*arguments, "--store", ADDRESS], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def expect_equal(here: Store, there: Store) -> None:
    """Every row of every table is the same in two stores, save what belongs to the run.

    Args:
        here: may hold more scorers and assets.
        there: the other store.
    """
    for name in TABLES:
        left, right = (store.read_table(name).drop(columns=OF_THE_RUN, errors="ignore") for store in (here, there))
        for column in {"scorer", "asset"} & set(left):
            left = left[left[column].isin(right[column])].reset_index(drop=True).infer_objects()
        pd.testing.assert_frame_equal(left, right, obj=name)


@pytest.fixture
def stores(s3: Any, tmp_path: Path) -> tuple[Store, Store]:
    """A store in a folder and one in a bucket."""
    return Store.open(tmp_path / "store"), Store.open(ADDRESS)


@pytest.mark.usefixtures("words_alone")
def test_a_screen_without_images_is_the_same_in_a_bucket(
    s3: Any, ctg_run: Any, instance: dg.DagsterInstance, site_of: Callable[..., str]
) -> None:
    here, there = ctg_run.store, Store.open(ADDRESS)
    (there.root / "site.toml").write_text(site_of("readout:ctg", "scorer:dss_asym"), encoding="utf-8")
    raw = here.source_of(ctg_run.outcome.screen)
    register_screen(there, raw)
    wanted = ["layout", "drugs", "viability/ctg", "curves/ctg", "scores/dss_asym", "patient_report"]
    graph = Graph(there)
    outcome = materialize_screen(there, raw.name, select=",".join(wanted), instance=instance, graph=graph)
    assert outcome.success, outcome.failed
    assert outcome.made == wanted
    assert set(there.read_table("scores")["readout"]) == {"ctg"}
    expect_equal(here, there)
    assert set(sizes(there.root)) - {"site.toml"} <= set(sizes(here.root))
    assert materialize_cohort(there, instance=instance, graph=graph).success
    # Another machine, which does not have the raw folder, makes the same of the store's copy, and finds nothing stale.
    elsewhere = Store.from_json(there.to_json() | {"raw_roots": f"{raw.parent}=/not/here"})
    before = there.read_table("scores")
    assert changes_since(elsewhere, raw.name) == []
    outcome = materialize_screen(elsewhere, raw.name, select=",".join(wanted[2:5]), instance=instance)
    assert (outcome.success, outcome.made) == (True, wanted[2:5])
    pd.testing.assert_frame_equal(*(one.drop(columns="run_id") for one in (before, there.read_table("scores"))))
    assert changes_since(there, raw.name) == []
    # The commands read it back.
    scores = json.loads(told(sql.command, "SELECT * FROM scores", "--format", "json"))
    assert len(scores) == len(there.read_table("scores"))
    assert told(report.command, raw.name).strip() == f"{ADDRESS}/reports/{raw.name}.html"
    assert "Potent" in there.report_path(raw.name).read_text(encoding="utf-8")
    assert raw.name in cohort_report_path(there).read_text(encoding="utf-8")
    listed = told(screen.list_).split()
    assert (listed[0], listed[-1]) == (raw.name, str(raw))
    shown = json.loads(told(screen.show, raw.name, "--json"))
    assert shown["rows"]["scores"] == len(there.read_table("scores"))
    assert shown["report"] == f"{ADDRESS}/reports/{raw.name}.html"


@pytest.mark.usefixtures("patient_sensors")
def test_the_sensor_takes_screens_into_a_bucket(
    s3: Any, tmp_path: Path, write_ctg_screen: Callable[[Path], Path]
) -> None:
    write_ctg_screen(tmp_path / "inbox" / "NEW_V1_DS1")
    resource = StoreResource.of(Store.open(ADDRESS), tmp_path / "inbox")
    with dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral(), sensor_name="new_screens") as context:
        result = new_screens_sensor(resource, SCREEN_JOB)(context)
    assert isinstance(result, dg.SensorResult)
    assert [str(request.partition_key) for request in result.run_requests or []] == ["NEW_V1_DS1"]
    assert Store.open(ADDRESS).screens() == ["NEW_V1_DS1"]
    assert resource.source_of("NEW_V1_DS1") == (tmp_path / "inbox" / "NEW_V1_DS1").resolve()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_screen_of_images_is_the_same_in_a_bucket(
    stores: tuple[Store, Store], tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Plates, tensors, trained networks, features and maps; a network is kept when nothing has changed."""
    quick = {"cnn": {"epochs_phase1": 2, "epochs_phase2": 2, "micro_widths": [4, 8], "inference_copies": 2}}
    raw = {name: tmp_path / "raw" / name for name in ("SIM_CE", "SIM_V1_DS1")}
    simulate_screen(raw["SIM_CE"], kind="control-experiment", control_wells=15, size_px=48, planes=2)
    simulate_screen(raw["SIM_V1_DS1"], plates=1, drugs=1, size_px=48, planes=2)
    assets = ["ingest", "tensors", "checkpoint/cnn/phase1"]
    of_drugs = ["checkpoint/cnn/phase2", "viability/cnn_phase2", "embedding/tsne", "patient_report"]
    for store in stores:
        for name, folder in raw.items():
            register_screen(store, folder)
            select = ",".join(assets if name == "SIM_CE" else assets + of_drugs)
            outcome = materialize_screen(store, name, select=select, parameters=quick, instance=instance)
            assert outcome.success, outcome.failed
            assert not outcome.skipped
    here, there = stores
    expect_equal(here, there)
    for product in ("plates/P1.ome.zarr", "tensors/pseudo_rgb.zarr"):
        folder = Path("screens") / "SIM_V1_DS1" / product
        assert sizes(there.root / str(folder)) == sizes(here.root / folder)
    assert (there.checkpoint_dir("SIM_V1_DS1", "cnn", "phase2") / "record.json").stat().st_size > 0
    # What is under way stays on this machine, and is gone now.
    assert [path for path in there.local.rglob("*") if path.name.endswith((".training", ".partial"))] == []
    assert [name for name in sizes(there.root) if ".lock" in name or ".training" in name] == []
    before = there.read_table("checkpoints", "SIM_V1_DS1")
    outcome = materialize_screen(
        there, "SIM_V1_DS1", select="checkpoint/cnn/phase2", parameters=quick, instance=instance
    )
    assert outcome.made == ["checkpoint/cnn/phase2"]
    after = there.read_table("checkpoints", "SIM_V1_DS1")
    assert list(after["seconds"]) == list(before["seconds"])
    well = there.read_table("viability", "SIM_V1_DS1").dropna(subset="raw").iloc[0]
    folder = told(cam.command, "SIM_V1_DS1", f"{well.plate}/{well.well}").strip()
    assert folder == f"{ADDRESS}/screens/SIM_V1_DS1/activation_maps/cnn_phase2_neg_grad-cam"
    assert {f"{well.plate}_{well.well}.png", "maps.zarr/zarr.json"} <= set(sizes(place(folder)))


# --- the cohort ------------------------------------------------------------------------------------


def upload(store: Store) -> Store:
    """The tables of a store, in a bucket."""
    there = Store.open(ADDRESS)
    for name in sizes(store.root / "tables"):
        (there.root / "tables" / name).write_bytes((store.root / "tables" / name).read_bytes())
    return there


def test_the_cohort_of_a_bucket_is_that_of_a_folder(s3: Any, made_up_cohort: Store) -> None:
    there = upload(made_up_cohort)
    summary, expected = rebuild_cohort(there), rebuild_cohort(made_up_cohort)
    assert (summary.rows, summary.faults, str(summary.path)) == (expected.rows, (), f"{ADDRESS}/cohort.duckdb")
    for relation in ("scores", "hits", "control_drift"):
        question = f"SELECT * FROM {relation} ORDER BY ALL"
        assert query(there, question).table == query(made_up_cohort, question).table
    broken = there.root / "tables" / "scores" / "screen=BAD" / "x.parquet"
    broken.write_bytes(b"no Parquet")
    (fault,) = rebuild_cohort(there).faults
    assert fault.startswith(f"{broken} is left out of the cohort")


def test_readers_see_whole_cohorts_and_keep_the_one_that_they_have_opened(s3: Any, made_up_cohort: Store) -> None:
    """Asked again and again while it is rebuilt, the cohort answers with the rows before or after a change."""
    there = upload(made_up_cohort)
    rebuild_cohort(there)
    count = "SELECT count(*) AS n FROM drugs"
    done = threading.Event()

    def add(number: int) -> None:
        row = {"screen": f"NEW{number}", "drug": "X", "drug_class": None, "run_id": "r"}
        there.write_table("drugs", f"NEW{number}", "layout", TABLES["drugs"].frame([row]))
        rebuild_cohort(there)

    def add_one() -> None:
        add(1)
        done.set()

    def asked() -> int:
        return int(query(there, count).table.to_pylist()[0]["n"])

    first = asked()
    writer = threading.Thread(target=add_one)
    writer.start()
    seen = []
    while not done.wait(0.3):
        seen.append(asked())
    writer.join()
    seen.append(asked())
    assert seen == sorted(seen)
    assert seen[0] >= first
    assert seen[-1] == first + 1
    with duckdb.connect(str(there.local_copy(there.cohort_path)), read_only=True) as reader:
        assert reader.execute(count).fetchone() == (first + 1,)
        add(2)
        assert reader.execute(count).fetchone() == (first + 1,)
        assert asked() == first + 2
