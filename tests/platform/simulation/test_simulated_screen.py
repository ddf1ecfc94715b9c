"""A small simulated screen: layout, truth, files and tags fit together, and the same seed gives the same bytes."""

from __future__ import annotations

import hashlib
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.simulation import SimulatedScreen, simulate_screen

PLACE = ["plate", "row", "column"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedScreen:
    folder = tmp_path_factory.mktemp("simulated") / "SIM_R_001_V1_DS1"
    return simulate_screen(folder, drugs=5, seed=4, phase1="SIM_R_000_CE", size_px=64, planes=3)


@pytest.fixture(scope="module")
def layout(made: SimulatedScreen) -> pd.DataFrame:
    frame = pd.read_excel(made.folder / "layout.xlsx", engine="openpyxl")
    return frame.rename(columns={"Plate": "plate", "Row": "row", "Column": "column"})


@pytest.fixture(scope="module")
def truth(made: SimulatedScreen) -> pd.DataFrame:
    return pd.read_csv(made.folder / "truth_wells.csv")


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def properties(file: Path) -> dict[str, str]:
    with tifffile.TiffFile(file) as tiff:
        root = ET.fromstring(tiff.pages[0].description)
    return {element.attrib["id"]: element.attrib["value"] for element in root.iter() if "id" in element.attrib}


def test_the_folder_holds_what_a_screen_holds(made: SimulatedScreen) -> None:
    names = {entry.name for entry in made.folder.iterdir()}
    expected = {"screen.toml", "layout.xlsx", "ctg", "_DONE", "truth_wells.csv", "truth_drugs.csv", "P1", "P2", "P3"}
    assert names == expected
    assert {file.name for file in (made.folder / "ctg").iterdir()} == {f"{made.id}_P{n}.xlsx" for n in (1, 2, 3)}
    newest = max(file.stat().st_mtime_ns for file in made.folder.rglob("*") if file.is_file())
    assert (made.folder / "_DONE").stat().st_mtime_ns == newest
    assert list(made.folder.parent.iterdir()) == [made.folder]


def test_settings_name_the_sample_the_control_experiment_and_the_drugs(made: SimulatedScreen) -> None:
    settings = tomllib.loads((made.folder / "screen.toml").read_text(encoding="utf-8"))
    assert settings["sample"] == "SIM_R_001"
    assert settings["kind"] == "drug-screen"
    assert settings["reader"] == "imagexpress"
    assert settings["phase1"] == "SIM_R_000_CE"
    assert settings["tensors"]["size_px"] == 64
    assert set(settings["drugs"]) == set(pd.read_csv(made.folder / "truth_drugs.csv")["drug"])


def test_controls_are_as_many_as_in_the_assay(layout: pd.DataFrame) -> None:
    counts = layout.groupby("WellType").size()
    assert counts[["neg", "pos", "BzCl", "TRC", "therapy"]].to_dict() == {
        "neg": 30,
        "pos": 24,
        "BzCl": 15,
        "TRC": 30,
        "therapy": 5 * 5 * 2,
    }
    assert len(layout) == 3 * 384
    assert not layout.duplicated(PLACE).any()
    rim = layout["row"].isin(["A", "P"]) | layout["column"].isin([1, 24])
    assert (layout.loc[rim, "WellType"] == "empty").all()


def test_the_two_wells_of_a_condition_stand_on_different_plates(layout: pd.DataFrame) -> None:
    therapy = layout[layout["WellType"] == "therapy"]
    for _, pair in therapy.groupby(["Treatment", "Concentration"]):
        assert sorted(pair["Replicate"]) == [1, 2]
        assert pair["plate"].nunique() == 2


def test_the_truth_is_about_the_wells_of_the_layout(layout: pd.DataFrame, truth: pd.DataFrame) -> None:
    both = layout[layout["WellType"] != "empty"].merge(truth, on=PLACE, how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    pd.testing.assert_series_equal(both["Treatment"], both["drug"], check_names=False)
    pd.testing.assert_series_equal(both["Concentration"], both["dose_nM"], check_names=False)
    by_type = both.groupby("WellType")["viability_fraction"].mean()
    assert by_type["neg"] == pytest.approx(1.0, abs=0.03)
    assert by_type["untreated"] == pytest.approx(1.0, abs=0.05)
    assert by_type["pos"] < 0.02
    assert by_type["BzCl"] == 0.0


def test_wells_scatter_a_little_around_the_true_curves(made: SimulatedScreen, truth: pd.DataFrame) -> None:
    wells = truth.merge(pd.read_csv(made.folder / "truth_drugs.csv"), on="drug")
    assert len(wells) == 50
    below = (wells["log10_mid"] - np.log10(wells["dose_nM"])) * wells["slope"]
    curve = 1 - wells["bottom"] - (wells["top"] - wells["bottom"]) * (1 + 10**below) ** -wells["asymmetry"]
    error = wells["viability_fraction"] - curve
    assert error.abs().max() < 0.15
    assert 0.005 < error.std() < 0.05


def test_true_scores_are_spread_without_ties(made: SimulatedScreen) -> None:
    drugs = pd.read_csv(made.folder / "truth_drugs.csv")
    scores = np.sort(drugs["dss_asym"])
    assert scores[0] < 1
    assert scores[-1] > 30
    assert np.diff(scores).min() > 3
    inside = drugs["ic50_nM"].dropna()
    assert (inside > 0).all()
    assert drugs["ic50_nM"].isna().sum() == (drugs["top"] <= 0.5).sum() > 0


def test_files_carry_the_tags_of_the_instrument(made: SimulatedScreen) -> None:
    raw = made.folder / "P2"
    planes = {step: sorted(raw.glob(f"*/*/ZStep_{step}/*.tif")) for step in (1, 2, 3)}
    projections = sorted(raw.glob("*/*/*.tif"))
    assert len(planes[1]) == len(planes[3]) == len(projections) > 0
    well = projections[0].name.removeprefix(f"{made.id}_P2_")[:3]
    own = [next(file for file in planes[step] if f"_P2_{well}" in file.name) for step in (1, 2, 3)]
    stack = np.stack([tifffile.imread(file) for file in own])
    np.testing.assert_array_equal(tifffile.imread(projections[0]), stack.max(axis=0))
    assert stack.dtype == np.uint16
    with tifffile.TiffFile(own[0]) as tiff:
        page = tiff.pages[0]
        assert (page.compression, page.rowsperstrip, page.software) == (1, 8, "MetaSeries")
    tags, projected = properties(own[1]), properties(projections[0])
    assert tags["stage-label"] == f"{well} : Site 1"
    assert float(tags["spatial-calibration-x"]) == pytest.approx(0.343 * 12)
    assert tags["pixel-size-x"] == "64"
    assert tags["camera-binning-x"] == "12"
    assert tags["wavelength"] == "447"
    assert tags["Z Step"] == "2"
    assert "Z Projection Method" not in tags
    assert projected["Z Projection Method"] == "Maximum"
    assert float(projected["Z Projection Step Size"]) == pytest.approx(100 / 3, rel=1e-4)
    assert "Z Step" not in projected
    heights = [float(properties(file)["z-position"]) for file in own]
    np.testing.assert_allclose(np.diff(heights), 100 / 3, atol=0.5)
    assert float(projected["z-position"]) == pytest.approx(np.mean(heights), abs=0.02)
    guids = [properties(file)["plane-guid"] for file in (*own, *projections)]
    assert len(set(guids)) == len(guids)


def test_every_well_with_cells_is_imaged_once(made: SimulatedScreen, truth: pd.DataFrame) -> None:
    files = list(made.folder.rglob("*.tif"))
    assert len(files) == made.n_images == 4 * len(truth)
    assert made.n_wells == len(truth)
    for plate, wells in truth.groupby("plate"):
        names = {file.name[len(f"{made.id}_{plate}_") :][:3] for file in (made.folder / str(plate)).rglob("*.tif")}
        assert names == {f"{row}{column:02d}" for row, column in zip(wells["row"], wells["column"], strict=True)}


def test_luminescence_follows_the_truth(made: SimulatedScreen, truth: pd.DataFrame) -> None:
    for plate, wells in truth.groupby("plate"):
        matrix = pd.read_excel(made.folder / "ctg" / f"{made.id}_{plate}.xlsx", index_col=0, engine="openpyxl")
        assert matrix.shape == (16, 24)
        light = np.array([matrix.loc[row, column] for row, column in zip(wells["row"], wells["column"], strict=True)])
        assert np.corrcoef(light, wells["viability_fraction"])[0, 1] > 0.97
        lysed = light[(wells["drug"] == "BzCl").to_numpy()]
        alive = light[(wells["drug"] == "DMSO").to_numpy()]
        assert lysed.max() < 0.01 * alive.min()


def test_same_seed_same_bytes_another_seed_others(tmp_path: Path) -> None:
    def simulate(folder: Path, seed: int) -> dict[str, str]:
        simulate_screen(folder / "S1", plates=1, drugs=2, seed=seed, size_px=48, planes=2)
        return hashes(folder / "S1")

    first = simulate(tmp_path / "a", 1)
    assert simulate(tmp_path / "b", 1) == first
    other = simulate(tmp_path / "b", 2)  # replaces a simulated folder
    assert hashes(tmp_path / "b" / "S1") == other
    assert not {name for name in first if name.endswith(".tif")} & set(other)
    assert other["truth_drugs.csv"] != first["truth_drugs.csv"]


def test_screens_of_one_seed_are_screens_of_one_sample(tmp_path: Path) -> None:
    for name in ("S_V1_DS1", "S_V1_DS2"):
        simulate_screen(tmp_path, screen=name, plates=1, drugs=2, size_px=48, planes=1)
    first, second = hashes(tmp_path / "S_V1_DS1"), hashes(tmp_path / "S_V1_DS2")
    assert first["truth_drugs.csv"] == second["truth_drugs.csv"]
    assert first["truth_wells.csv"] != second["truth_wells.csv"]


def test_a_control_experiment_is_one_plate_of_two_classes(tmp_path: Path) -> None:
    made = simulate_screen(
        tmp_path / "SIM_R_000_CE", kind="control-experiment", control_wells=15, plates=3, size_px=48, planes=1
    )
    truth = pd.read_csv(made.folder / "truth_wells.csv")
    assert truth.groupby("drug").size().to_dict() == {"DMSO": 7, "Staurosporine": 8}
    assert made.plates == ("P1",)
    assert tomllib.loads((made.folder / "screen.toml").read_text(encoding="utf-8"))["sample"] == "SIM_R_000"
    assert pd.read_csv(made.folder / "truth_drugs.csv").empty


def test_a_folder_that_was_not_simulated_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "S1").mkdir()
    (tmp_path / "S1" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not simulated"):
        simulate_screen(tmp_path / "S1", plates=1, drugs=1, size_px=48, planes=1)
    assert [file.name for file in (tmp_path / "S1").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"drugs": 28, "plates": 1}, "take at most 27 drugs"),
        ({"drugs": 0}, "drugs 0: take at least 1"),
        ({"size_px": 100}, "96, 128, 192"),
        ({"kind": "pilot"}, "a screen is a drug-screen or a control-experiment"),
        ({"kind": "control-experiment", "control_wells": 400}, "4 to 308"),
        ({"screen": "two words"}, "screen id"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        simulate_screen(tmp_path / "S1", **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
