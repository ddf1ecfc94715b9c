"""The raw screen folder: found, checked, described in screen.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.errors import InputError, MissingInputError
from phenodose.screens.screen import Screen, Settings, init_screen, read_settings, sample_of

READERS = {"ctg": "ctg"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "INF_R_1025_primary_V2_DS1"
    for name in ("P1", "P2", "P10", "ctg", "notes"):
        (folder / name).mkdir(parents=True)
    (folder / "layout.csv").write_text("Plate,Row,Column\n")
    return folder


def test_a_folder_that_follows_the_pattern_needs_no_settings(folder: Path) -> None:
    screen = Screen.load(folder, READERS)
    assert screen.id == "INF_R_1025_primary_V2_DS1"
    assert screen.sample == "INF_R_1025_primary"
    assert screen.kind == "drug-screen"
    assert list(screen.plate_folders) == ["P1", "P2", "P10"]
    assert screen.readout_folders == {"ctg": folder / "ctg"}
    assert screen.size_px == 224
    assert not screen.is_done


def test_plates_are_matched_whatever_their_spelling(folder: Path) -> None:
    matched = Screen.load(folder, READERS).match_plates(["1", "2", "10"])
    assert matched == {"1": folder / "P1", "2": folder / "P2", "10": folder / "P10"}


def test_a_missing_and_a_surplus_plate_folder_are_told_together(folder: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)plate P3 of the layout has no image folder.*folder P10 belongs to no"):
        Screen.load(folder, READERS).match_plates(["P1", "P2", "P3"])


def test_a_screen_without_images_matches_nothing(tmp_path: Path) -> None:
    (tmp_path / "S1").mkdir()
    assert Screen.load(tmp_path / "S1", READERS).match_plates(["P1"]) == {}


def test_settings_say_what_is_wrong_all_at_once(folder: Path) -> None:
    (folder / "screen.toml").write_text('kind = "film"\ncolour = 3\n[tensors]\nsize_px = 2\n')
    with pytest.raises(InputError, match=r"(?s)3 faults.*colour: there is no such setting"):
        Screen.load(folder, READERS)


def test_a_broken_settings_file_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "screen.toml"
    path.write_text("sample = \n")
    with pytest.raises(InputError, match="line 1"):
        read_settings(path)


def test_init_writes_what_was_found_and_load_reads_it_back(folder: Path) -> None:
    before = Screen.load(folder, READERS)
    init_screen(folder)
    after = Screen.load(folder, READERS)
    assert (after.sample, after.kind, after.size_px) == (before.sample, before.kind, before.size_px)
    with pytest.raises(InputError, match="there is one already"):
        init_screen(folder)


def test_what_a_readout_rises_with_stands_beside_its_controls_and_survives_init(folder: Path) -> None:
    path = folder / "screen.toml"
    path.write_text('[controls.ctg]\npositive = ["BzCl"]\n[controls.dye]\nrises_with = "death"\n')
    before = Screen.load(folder, READERS)
    assert before.controls["dye"].rises_with == "death"
    assert before.controls["ctg"].rises_with is None
    init_screen(folder, overwrite=True)
    assert Screen.load(folder, READERS).controls == before.controls
    path.write_text('[controls.ctg]\nrises_with = "luminescence"\n')
    with pytest.raises(InputError, match=r"controls\.ctg\.rises_with: Input should be 'viability' or 'death'"):
        Screen.load(folder, READERS)


def test_everything_that_was_said_survives_init(folder: Path) -> None:
    (folder / "screen.toml").write_text(
        """
        entity = "glioma"
        reader = "imagexpress"
        phase1 = "X_CE"
        layout.sheet = "Layout"
        readings.ctg.block = "plate 2"
        tensors.size_px = 96
        images = { time = 3, site = 2 }
        channels.nuclei = "Hoechst"
        parameters.cnn.preset = "small"
        controls.ctg.lower_anchor = 0
        drugs.A = { class = "MEK inhibitor", targets = ["MEK"] }
        quality.zprime_robust.good = 0.4
        wells.mask = ["saturated"]
        """
    )
    before = Screen.load(folder, READERS)
    # each of them is said here: a new one has to be added
    assert before.settings.model_fields_set | {"sample", "kind"} == set(Settings.model_fields)
    init_screen(folder, overwrite=True)
    after = Screen.load(folder, READERS)
    found = {"sample": before.sample, "kind": before.kind}
    assert after.settings == before.settings.model_copy(update=found)


def test_a_missing_folder_and_a_second_layout_are_faults(folder: Path) -> None:
    with pytest.raises(MissingInputError, match="no such screen folder"):
        Screen.load(folder / "nowhere", READERS)
    (folder / "layout.txt").write_text("")
    with pytest.raises(InputError, match="2 layouts"):
        Screen.load(folder, READERS)


@pytest.mark.parametrize(
    ("screen", "sample"),
    [("BT-40_V3_DS1", "BT-40"), ("INF_R_153_CE", "INF_R_153"), ("DEMO", "DEMO"), ("_CE", "_CE")],
)
def test_the_sample_stands_in_the_screen_id(screen: str, sample: str) -> None:
    assert sample_of(screen) == sample
