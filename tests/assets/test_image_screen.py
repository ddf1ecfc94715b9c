"""One control experiment and one screen with images, from raw folders to the map: the whole graph."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from phenodose.errors import InputError, StoreError
from phenodose.simulation import simulate_screen
from phenodose.store import Store
from phenodose_assets.launch import materialize_screen
from phenodose_assets.registration import register_screen

CE, DS = "SIM_CE", "SIM_V1_DS1"
QUICK = {"cnn": {"epochs_phase1": 3, "epochs_phase2": 3, "epochs_phase3": 2, "micro_widths": [4, 8]}}

pytestmark = [
    pytest.mark.slow,
    # TensorFlow's variables know the old form of numpy's protocol.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw folders of a control experiment, and of a screen of images without plate-reader files."""
    folder = tmp_path_factory.mktemp("raw")
    simulate_screen(folder / CE, kind="control-experiment", control_wells=30, size_px=48, planes=2)
    simulate_screen(folder / DS, plates=2, drugs=2, size_px=48, planes=2)
    shutil.rmtree(folder / DS / "ctg")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("images") / "store")


@pytest.fixture(scope="module")
def control_experiment(raw: Path, store: Store, instance: dg.DagsterInstance, look_at: Callable[..., Any]) -> Any:
    register_screen(store, raw / CE)
    return look_at(store, materialize_screen(store, CE, parameters=QUICK, instance=instance), instance)


@pytest.fixture(scope="module")
def drug_screen(
    raw: Path, store: Store, control_experiment: Any, instance: dg.DagsterInstance, look_at: Callable[..., Any]
) -> Any:
    register_screen(store, raw / DS)
    return look_at(store, materialize_screen(store, DS, parameters=QUICK, instance=instance), instance)


def checkpoint(store: Store, screen: str, phase: str) -> dict[str, Any]:
    rows = store.read_table("checkpoints", screen)
    (row,) = rows[rows["phase"] == phase].to_dict("records")
    return row


def test_a_control_experiment_trains_phase_1_and_skips_what_needs_drugs(control_experiment: Any) -> None:
    outcome = control_experiment.outcome
    assert outcome.success, outcome.failed
    assert {"plate_images", "pseudo_rgb", "checkpoint/cnn/phase1", "viability/mean_of_stack"} <= set(outcome.made)
    assert "control experiment" in outcome.skipped["checkpoint/cnn/phase2"]
    assert "no drug wells" in outcome.skipped["curves/mean_of_stack"]
    assert "curves/" in outcome.skipped["scores/dss_asym"]
    training = control_experiment.materialization("checkpoint/cnn/phase1").metadata
    assert str(training["training"].value).startswith("![cnn phase1 of SIM_CE](data:image/png;base64,")
    assert float(training["epochs"].value) == 3


def test_a_screen_of_images_alone_is_made_to_the_end(drug_screen: Any, store: Store) -> None:
    outcome = drug_screen.outcome
    assert outcome.success, outcome.failed
    of_other_samples = {f"scores/{name}" for name in ("sdss_asym", "sdss_asym_adj", "zdss", "rdss")}
    of_growth = {f"scores/{name}" for name in ("gr50", "gr_max", "gr_aoc")}
    assert set(outcome.skipped) == {"viability/ctg", "curves/ctg"} | of_other_samples | of_growth
    scores = store.read_table("scores", DS)
    assert set(scores["readout"]) == {"mean_of_stack", "cnn_phase2", "cnn_phase3"}
    assert set(scores["drug"]) == set(store.read_table("drugs", DS)["drug"])
    assert len(store.read_table("embeddings", DS)) > 0
    assert store.report_path(DS).stat().st_size > 10_000


def test_a_screen_adopts_phase_1_and_trains_from_it(drug_screen: Any, store: Store) -> None:
    trained, adopted = checkpoint(store, CE, "phase1"), checkpoint(store, DS, "phase1")
    assert adopted["trained_on"] == CE
    assert adopted["weights_hash"] == trained["weights_hash"]
    assert checkpoint(store, DS, "phase2")["parent_hash"] == trained["weights_hash"]
    assert checkpoint(store, DS, "phase3")["parent_hash"] == checkpoint(store, DS, "phase2")["weights_hash"]
    assert not (store.checkpoint_dir(DS, "cnn", "phase1")).exists()


def test_rows_name_the_checkpoint_they_come_from(drug_screen: Any, store: Store) -> None:
    for table in ("viability", "curves", "scores"):
        rows = store.read_table(table, DS)
        for phase in ("phase2", "phase3"):
            of_phase = rows[rows["readout"] == f"cnn_{phase}"]
            assert set(of_phase["checkpoint"]) == {checkpoint(store, DS, phase)["weights_hash"]}
        assert rows.loc[rows["readout"] == "mean_of_stack", "checkpoint"].isna().all()
    assert set(store.read_table("runs", DS)["asset"]) == set(drug_screen.outcome.made)


def test_plates_and_quality_are_shown(drug_screen: Any) -> None:
    shown = drug_screen.materialization("plate_images").metadata
    assert str(shown["images"].value).count("data:image/png;base64,") == 2
    assert len(str(shown["images"].value)) < 60_000
    for label in ("plate P1", "plate P2"):
        # The UI shows Markdown of less than 1000 characters at once, more behind a link.
        assert str(shown[label].value).startswith("![plate P")
        assert len(str(shown[label].value)) < 1000
    assert {"zprime_robust", "replicate_pearson", "schema", "made"} <= set(drug_screen.checks("viability/cnn_phase3"))
    assert drug_screen.checks("plate_images")["schema"].passed


def test_features_are_kept_by_well(drug_screen: Any, store: Store) -> None:
    import xarray as xr

    features = xr.open_zarr(store.feature_path(DS, "cnn_phase3"), consolidated=False)["features"]
    assert features.dims == ("well", "feature")
    assert np.isfinite(features.to_numpy()).all()
    wells = store.read_table("wells", DS)
    assert set(features["well"].to_numpy()) <= set(wells["plate"] + "/" + wells["well"])


def test_what_is_unchanged_is_not_trained_again(drug_screen: Any, store: Store, instance: dg.DagsterInstance) -> None:
    before = checkpoint(store, DS, "phase2")
    outcome = materialize_screen(store, DS, select="checkpoint/cnn/phase2", parameters=QUICK, instance=instance)
    assert outcome.made == ["checkpoint/cnn/phase2"]
    messages = [event.user_message for event in instance.all_logs(outcome.run_id)]
    assert any("the checkpoint is kept" in message for message in messages)
    after = checkpoint(store, DS, "phase2")
    assert (after["weights_hash"], after["seconds"]) == (before["weights_hash"], before["seconds"])


def test_tensors_of_another_size_do_not_fit_the_adopted_network(
    raw: Path, tmp_path: Path, drug_screen: Any, store: Store, instance: dg.DagsterInstance
) -> None:
    other = tmp_path / "OTHER_V1_DS1"
    shutil.copytree(raw / DS, other)
    settings = other / "screen.toml"
    settings.write_text(settings.read_text().replace("size_px = 48", "size_px = 32"))
    register_screen(store, other)
    outcome = materialize_screen(store, other.name, select="ingest,tensors,models", parameters=QUICK, instance=instance)
    assert list(outcome.failed) == ["checkpoint/cnn/phase2"]
    assert outcome.skipped == {"checkpoint/cnn/phase3": "needs checkpoint/cnn/phase2"}
    with pytest.raises(StoreError, match=r"size_px|image size"):
        outcome.raise_if_failed()


def test_what_the_network_says_is_kept_with_its_spread(drug_screen: Any, store: Store) -> None:
    """`small_parameters` ask about 16 augmented copies, which lie apart."""
    import xarray as xr

    said = xr.open_zarr(store.feature_path(DS, "cnn_phase2"), consolidated=False)
    assert said["raw"].dims == said["raw_sd"].dims == ("well",)
    assert (said["raw_sd"] > 0).all()
    rows = store.read_table("viability", DS)
    rows = rows[rows["readout"] == "cnn_phase2"].dropna(subset="raw").set_index(["plate", "well"])
    by_well = dict(zip(said["well"].to_numpy(), said["raw"].to_numpy(), strict=True))
    assert by_well == {f"{plate}/{well}": raw for (plate, well), raw in rows["raw"].items()}


@pytest.mark.parametrize("method", ["grad-cam", "score-cam"])
def test_wells_are_explained_by_the_command_line(drug_screen: Any, store: Store, method: str) -> None:
    import xarray as xr
    from click.testing import CliRunner

    from phenodose.cli.cam import command

    rows = store.read_table("viability", DS)
    wells = [
        f"{row.plate}/{row.well}" for row in rows[rows["readout"] == "cnn_phase3"].dropna(subset="raw").itertuples()
    ]
    asked = [DS, wells[0], wells[-1], "--method", method, "--class", "pos", "--store", str(store.root)]
    told = CliRunner().invoke(command, asked, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    folder = Path(told.output.strip().splitlines()[-1])
    assert folder == store.screen_dir(DS) / "activation_maps" / f"cnn_phase3_pos_{method}"
    maps = xr.open_zarr(folder / "maps.zarr", consolidated=False)
    assert maps["activation"].shape == (2, 48, 48)
    assert [str(well) for well in maps["well"].to_numpy()] == [wells[0], wells[-1]]
    assert maps.attrs["checkpoint"] == checkpoint(store, DS, "phase3")["weights_hash"]
    np.testing.assert_array_equal(maps["flat"], ~maps["activation"].to_numpy().any(axis=(1, 2)))
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures == {f"{well.replace('/', '_')}.png" for well in (wells[0], wells[-1])}
    with pytest.raises(InputError, match="well P9/Z99 has no image"):
        CliRunner().invoke(command, [DS, "P9/Z99", "--store", str(store.root)], catch_exceptions=False)


def test_a_training_that_ends_before_its_row_is_written_is_not_lost(
    drug_screen: Any, store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phenodose_assets import models

    def fail(*_: Any) -> None:
        raise StoreError("the disk is full.")

    other = {"cnn": {**QUICK["cnn"], "seed": 5}}
    place = store.checkpoint_dir(DS, "cnn", "phase2")
    with monkeypatch.context() as broken:
        broken.setattr(models, "_write_row", fail)
        outcome = materialize_screen(store, DS, select="checkpoint/cnn/phase2", parameters=other, instance=instance)
    assert list(outcome.failed) == ["checkpoint/cnn/phase2"]
    trained = (place / "record.json").read_bytes()
    (place.parent / ".phase2.0123abcd.partial").mkdir()  # what a kill in the midst of copying leaves
    outcome = materialize_screen(store, DS, select="checkpoint/cnn/phase2", parameters=other, instance=instance)
    assert outcome.made == ["checkpoint/cnn/phase2"]
    # The record tells the seconds of the training, so the same bytes mean that it was not done again.
    assert (place / "record.json").read_bytes() == trained
    assert [path.name for path in place.parent.iterdir() if path.name.endswith((".training", ".partial"))] == []
