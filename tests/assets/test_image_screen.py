"""The control experiment and the screen with images of the small demo, from raw folders to the map: the whole graph."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from phenodose.cli import main
from phenodose.cli.transfer_study import parse_epochs
from phenodose.errors import InputError, StoreError
from phenodose.plates.plate import Plate
from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose.viewer.mosaics import mosaic_path, tile_px
from phenodose_assets.run import Graph, materialize_screen

CE, DS = "DEMO_CE", "DEMO_V1_DS1"

#: TensorFlow's variables know the old form of numpy's protocol.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def store(small_demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A copy of the store of the small demo."""
    made: Store = small_demo.copy_store(tmp_path_factory.mktemp("images") / "store")
    return made


@pytest.fixture(scope="module")
def instance(small_demo: Any) -> Iterator[dg.DagsterInstance]:
    """An instance that has heard of the demo's runs."""
    with small_demo.instance() as opened:
        yield opened


@pytest.fixture(scope="module")
def graph(store: Store) -> Graph:
    """The store's graph for further runs."""
    return Graph(store, training="inline")


@pytest.fixture(scope="module")
def control_experiment(small_demo: Any, store: Store, instance: dg.DagsterInstance, look_at: Callable[..., Any]) -> Any:
    return look_at(store, small_demo.outcomes[CE], instance)


@pytest.fixture(scope="module")
def drug_screen(small_demo: Any, store: Store, instance: dg.DagsterInstance, look_at: Callable[..., Any]) -> Any:
    return look_at(store, small_demo.outcomes[DS], instance)


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
    assert str(training["training"].value).startswith(f"![cnn phase1 of {CE}](data:image/png;base64,")
    assert float(training["epochs"].value) == 3


def test_a_screen_of_images_is_made_to_the_end(drug_screen: Any, store: Store) -> None:
    outcome = drug_screen.outcome
    assert outcome.success, outcome.failed
    of_other_samples, of_growth = {"scores/zdss"}, {"scores/gr50"}
    # the one that needs an optional package
    skipped = dict(outcome.skipped)
    assert "phenodose[umap]" in skipped.pop("embedding/umap", "phenodose[umap] is installed")
    assert set(skipped) == of_other_samples | of_growth
    scores = store.read_table("scores", DS)
    assert set(scores["readout"]) == {"ctg", "mean_of_stack", "spheroid_area", "features", "cnn_phase2", "cnn_phase3"}
    assert set(scores["drug"]) == set(store.read_table("drugs", DS)["drug"])
    assert {"tsne", "pca", "shared"} <= set(store.read_table("embeddings", DS)["embedder"])
    assert store.report_path(DS).stat().st_size > 10_000


def test_images_alone_are_enough_and_a_network_of_another_size_does_not_fit_them(
    small_demo: Any, tmp_path: Path, store: Store, drug_screen: Any, instance: dg.DagsterInstance, graph: Graph
) -> None:
    """Without plate-reader files the readouts of images have the same numbers; tensors are smaller than adopted."""
    folder = tmp_path / "ALONE_V1_DS1"
    shutil.copytree(small_demo.raw(DS), folder, ignore=shutil.ignore_patterns("ctg"))
    settings = folder / "screen.toml"
    settings.write_text(settings.read_text().replace("size_px = 48", "size_px = 32"))
    register_screen(store, folder)
    readouts = [f"{step}/{readout}" for step in ("viability", "curves") for readout in ("ctg", "mean_of_stack")]
    wanted = ",".join(["ingest,tensors,models", *readouts, "scores/dss_asym", "patient_report"])
    outcome = materialize_screen(store, folder.name, select=wanted, instance=instance, graph=graph)
    assert list(outcome.failed) == ["checkpoint/cnn/phase2"]
    assert outcome.skipped.pop("checkpoint/cnn/phase3") == "needs checkpoint/cnn/phase2"
    assert set(outcome.skipped) == {"viability/ctg", "curves/ctg"}
    with pytest.raises(StoreError, match=r"size_px|image size"):
        outcome.raise_if_failed()
    assert store.report_path(folder.name).stat().st_size > 10_000
    scores = [store.read_table("scores", name, "scores/dss_asym") for name in (folder.name, DS)]
    mine, other = (rows[rows["readout"] == "mean_of_stack"]["score"].to_numpy() for rows in scores)
    assert len(mine)
    assert np.array_equal(mine, other, equal_nan=True)


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


def test_the_mosaics_that_the_viewer_shows_are_there_before_it_is_opened(drug_screen: Any, store: Store) -> None:
    for path in store.plates(DS):
        plate, name = Plate.open(path), path.name.removesuffix(".ome.zarr")
        for channel in range(len(plate.channels)):
            kept = mosaic_path(store, DS, name, plate, channel)
            assert np.array_equal(np.asarray(Image.open(kept)), plate.mosaic(tile_px(plate), channel))


def test_features_are_kept_by_well(drug_screen: Any, store: Store) -> None:
    import xarray as xr

    features = xr.open_zarr(store.feature_path(DS, "cnn_phase3"), consolidated=False)["features"]
    assert features.dims == ("well", "feature")
    assert np.isfinite(features.to_numpy()).all()
    wells = store.read_table("wells", DS)
    assert set(features["well"].to_numpy()) <= set(wells["plate"] + "/" + wells["well"])


def test_rows_of_the_maps_say_what_a_well_holds_and_what_they_can_be_compared_with(
    drug_screen: Any, store: Store
) -> None:
    rows = store.read_table("embeddings")
    wells = store.read_table("wells", DS)
    of_screen = rows[rows["screen"] == DS]
    told = of_screen.merge(wells, on=["plate", "well"], suffixes=("", "_of_layout"), validate="many_to_one")
    assert len(told) == len(of_screen)
    for column in ("sample", "well_type", "treatment", "concentration_nM", "replicate"):
        assert (
            told[column].isna() & told[f"{column}_of_layout"].isna() | (told[column] == told[f"{column}_of_layout"])
        ).all()
    drugs = of_screen[of_screen["well_type"] == "therapy"]
    assert drugs["drug_class"].notna().all()
    assert set(drugs.groupby(["embedder", "treatment"])["replicate"].nunique()) == {2}
    tsne = of_screen[of_screen["embedder"] == "tsne"]
    assert tsne["n_components"].iloc[0] >= 1
    assert set(tsne["readout"]) == {"cnn_phase3"}
    # the control experiment and the screen lie on one map, which names the network they share
    shared = rows[rows["embedder"] == "shared"]
    assert set(shared["screen"]) == {CE, DS}
    assert shared["space"].nunique() == 1
    assert set(shared["checkpoint"]) == {checkpoint(store, CE, "phase1")["weights_hash"]}
    assert set(shared["readout"]) == {"cnn_phase1"}
    assert not set(shared["space"]) & set(tsne["space"])
    assert store.feature_path(DS, "cnn_phase1").is_dir()


def test_viability_tells_its_uncertainty_and_how_strange_the_image_is(drug_screen: Any, store: Store) -> None:
    rows = store.read_table("viability", DS)
    seen = rows[rows["readout"].str.startswith("cnn") & rows["viability_fraction"].notna()]
    assert (seen["raw_sd"] > 0).all()
    # one window a plate and readout scales both numbers
    window = seen["raw_sd"] / seen["viability_sd_fraction"]
    groups = seen.assign(window=window).groupby(["readout", "plate"])
    assert (groups["window"].max() / groups["window"].min() - 1 < 1e-6).all()
    for _, group in groups:
        two = group.loc[[group["raw"].idxmax(), group["raw"].idxmin()]]
        slope = np.ptp(two["raw"]) / np.ptp(two["viability_fraction"])
        assert slope == pytest.approx(group["window"].iloc[0])
    assert seen["image_distance"].notna().all()
    other = rows[rows["readout"] == "mean_of_stack"]
    assert other[["raw_sd", "viability_sd_fraction", "image_distance"]].isna().all().all()


def test_what_is_unchanged_is_not_trained_again(
    drug_screen: Any, store: Store, instance: dg.DagsterInstance, graph: Graph
) -> None:
    before = checkpoint(store, DS, "phase2")
    outcome = materialize_screen(store, DS, select="checkpoint/cnn/phase2", instance=instance, graph=graph)
    assert outcome.made == ["checkpoint/cnn/phase2"]
    messages = [event.user_message for event in instance.all_logs(outcome.run_id)]
    assert any("the checkpoint is kept" in message for message in messages)
    after = checkpoint(store, DS, "phase2")
    assert (after["weights_hash"], after["seconds"]) == (before["weights_hash"], before["seconds"])


def test_what_the_network_says_is_kept_with_its_spread(drug_screen: Any, store: Store) -> None:
    """`small_parameters` ask about several augmented copies, which lie apart."""
    import xarray as xr

    said = xr.open_zarr(store.feature_path(DS, "cnn_phase2"), consolidated=False)
    assert said["raw"].dims == said["raw_sd"].dims == ("well",)
    assert (said["raw_sd"] > 0).all()
    rows = store.read_table("viability", DS)
    rows = rows[rows["readout"] == "cnn_phase2"].dropna(subset="raw").set_index(["plate", "well"])
    by_well = dict(zip(said["well"].to_numpy(), said["raw"].to_numpy(), strict=True))
    assert by_well == {f"{plate}/{well}": raw for (plate, well), raw in rows["raw"].items()}


# That Score-CAM weighs what a network looks at is seen in tests/platform/learning/test_activation_maps.py.
@pytest.mark.parametrize("method", ["grad-cam", pytest.param("score-cam", marks=pytest.mark.slow)])
def test_wells_are_explained_by_the_command_line(drug_screen: Any, store: Store, method: str) -> None:
    import xarray as xr
    from click.testing import CliRunner

    from phenodose.cli.cam import command
    from phenodose.reports.activation import wanted_maps

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
    # Grad-CAM of the wells that the report shows is there already, and stays.
    held = [str(well) for well in maps["well"].to_numpy()]
    shown = wanted_maps(store, DS).wells if method == "grad-cam" else []
    assert held == list(dict.fromkeys([*shown, wells[0], wells[-1]]))
    assert maps["activation"].shape == (len(held), 48, 48)
    assert maps.attrs["checkpoint"] == checkpoint(store, DS, "phase3")["weights_hash"]
    np.testing.assert_array_equal(maps["flat"], ~maps["activation"].to_numpy().any(axis=(1, 2)))
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures == {f"{well.replace('/', '_')}.png" for well in (wells[0], wells[-1])}
    with pytest.raises(InputError, match="well P9/Z99 has no image"):
        CliRunner().invoke(command, [DS, "P9/Z99", "--store", str(store.root)], catch_exceptions=False)


def test_the_report_shows_what_the_network_looks_at(drug_screen: Any, store: Store) -> None:
    from phenodose.reports.activation import METHOD, OF_CLASS, explain_report, wanted_maps
    from phenodose.store.activation_maps import maps_folder

    html = store.report_path(DS).read_text(encoding="utf-8")
    wanted = wanted_maps(store, DS)
    assert (wanted.phase, wanted.weights) == ("phase3", checkpoint(store, DS, "phase3")["weights_hash"])
    assert all(f" {well}" in html for well in wanted.wells)
    assert html.count('class="map"') >= len(wanted.wells)
    # What is there is not made again.
    maps = maps_folder(store, DS, "cnn", "phase3", OF_CLASS, METHOD) / "maps.zarr" / "zarr.json"
    before = maps.stat().st_mtime_ns
    assert explain_report(store, DS) == ""
    assert maps.stat().st_mtime_ns == before


def test_a_training_that_ends_before_its_row_is_written_is_not_lost(
    drug_screen: Any,
    store: Store,
    instance: dg.DagsterInstance,
    graph: Graph,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from phenodose.pipeline import checkpoints

    def fail(*_: Any) -> None:
        raise StoreError("the disk is full.")

    wanted: dict[str, Any] = {"select": "checkpoint/cnn/phase2", "parameters": {"cnn": {"seed": 5}}}
    wanted |= {"instance": instance, "graph": graph}
    place = store.checkpoint_dir(DS, "cnn", "phase2")
    with monkeypatch.context() as broken:
        broken.setattr(checkpoints, "_write_row", fail)
        outcome = materialize_screen(store, DS, **wanted)
    assert list(outcome.failed) == ["checkpoint/cnn/phase2"]
    trained = (place / "record.json").read_bytes()
    (place.parent / ".phase2.0123abcd.partial").mkdir()  # what a kill in the midst of copying leaves
    outcome = materialize_screen(store, DS, **wanted)
    assert outcome.made == ["checkpoint/cnn/phase2"]
    # The record tells the seconds of the training, so the same bytes mean that it was not done again.
    assert (place / "record.json").read_bytes() == trained
    assert [path.name for path in place.parent.iterdir() if path.name.endswith((".training", ".partial"))] == []


def told_by(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What a command prints as JSON."""
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--json"])
    printed = capsys.readouterr()
    assert not stop.value.code, printed.err
    answer: dict[str, Any] = json.loads(printed.out)
    return answer


def test_evaluate_tells_how_well_every_phase_has_learned(
    drug_screen: Any, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    told = told_by(["evaluate", DS, "--store", str(store.root)], capsys)
    by_phase = {row["phase"]: row for row in told["phases"]}
    assert [by_phase[phase]["screen"] for phase in ("phase1", "phase2", "phase3")] == [CE, DS, DS]
    assert all(row["train_auroc"] is not None and 0 <= row["train_auroc"] <= 1 for row in told["phases"])
    assert by_phase["phase3"]["validation_loss"] is None
    for phase, screen in (("phase1", CE), ("phase2", DS)):
        row = checkpoint(store, screen, phase)
        assert by_phase[phase]["validation_auroc"] == pytest.approx(row["validation_auroc"])
        assert by_phase[phase]["n_train"] == row["n_train"]
    agreement = {row["readout"]: row for row in told["replicates"]}
    qc = store.read_table("qc", DS).set_index(["readout", "plate", "metric"])["value"]
    for readout in ("cnn_phase2", "cnn_phase3"):
        assert agreement[readout]["replicate_pearson"] == pytest.approx(qc[readout, "screen", "replicate_pearson"])
    names = {Path(file).name for file in told["files"]}
    assert names == {"phases.csv", "replicates.csv", f"raw_{DS}_cnn_phase2.png", f"raw_{DS}_cnn_phase3.png"}
    assert all(Path(file).stat().st_size > 0 for file in told["files"])


def test_a_screen_that_is_not_there_cannot_be_evaluated(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "NONE_V1_DS1", "--store", str(store.root)])
    assert stop.value.code == 2
    assert "'NONE_V1_DS1' is not in the store" in capsys.readouterr().err


def test_the_transfer_study_of_a_store_leaves_its_screens_alone(
    small_demo: Any, drug_screen: Any, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = store.read_table("checkpoints", DS)
    network = small_demo.network | {"epochs_phase2": 1}
    small = [f"--set={name}={value}" for name, value in network.items() if name != "epochs_phase1"]
    study = ["transfer-study", CE, DS, "--epochs", "0,1", *small, "--store", str(store.root)]
    told = told_by(study, capsys)
    assert [(row["screen"], row["phase1_epochs"]) for row in told["rows"]] == [(DS, 0), (DS, 1)]
    assert all(row["validation_loss"] > 0.5 and row["first_weights"] == "none" for row in told["rows"])
    assert Path(told["picture"]).read_bytes().startswith(b"\x89PNG")
    assert len(Path(told["table"]).read_text(encoding="utf-8").splitlines()) == 3
    assert store.read_table("checkpoints", DS).equals(before)


def test_dots_stand_for_equal_steps_of_epochs() -> None:
    assert parse_epochs("0,2,...,8, 20") == [0, 2, 4, 6, 8, 20]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([DS, DS], "is a drug-screen, and phase I is trained in control experiments"),
        ([CE, DS, "--epochs", "0,...,4"], "write numbers such as 0,20,40"),
        ([CE, DS, "--set", "epoch=3"], "epoch"),
    ],
)
def test_a_study_that_cannot_be_is_refused(
    drug_screen: Any, store: Store, arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["transfer-study", *arguments, "--store", str(store.root)])
    assert stop.value.code == 2
    assert fault in capsys.readouterr().err
