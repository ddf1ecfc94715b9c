"""Images that nobody would look at: folders of other names, dead links, a level too high or too low."""

from __future__ import annotations

import pytest

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.plugins.raw_folder import raw_files
from phenodose.screens.screen import Screen


def screen(folder, *files: str) -> Screen:
    for file in ("layout.csv", *files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    return Screen.load(folder, {"ctg": "ctg"})


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["P1_rescan/P1_B02.tif"], "'P1_rescan'"),
        (["images/P1/P1_B02.TIF", "images/P2/P2_B02.TIF"], "'images/P1'"),
        (["P1_B02.tif"], "'.'"),
        (["left/P1.ome.zarr/zarr.json"], "'left'"),
        (["left/P1.ozx"], "'left'"),
    ],
)
def test_images_in_folders_that_are_no_plates_are_named(tmp_path, files, named):
    with pytest.raises(InputError, match=f"no folder of a plate, and images are in .*{named}"):
        screen(tmp_path / "S1", *files).match_plates(["P1"])


def test_a_screen_of_readings_alone_stays_one(tmp_path):
    found = screen(tmp_path / "S1", "ctg/S1_P1.xlsx", "notes/gel.tif")
    assert found.match_plates(["P1"]) == {}
    assert found.other_image_folders() == ["notes"]
    assert screen(tmp_path / "S2").match_plates(["P1"]) == {}


def test_a_dead_link_in_the_place_of_a_plate_is_named(tmp_path):
    found = screen(tmp_path / "S1", "P1/P1_B02.tif")
    (tmp_path / "S1" / "P2").symlink_to(tmp_path / "archive" / "P2")
    with pytest.raises(InputError, match=r"P2 is a dead link: .*archive/P2 is not there") as told:
        found.match_plates(["P1", "P2"])
    assert "plate P2 of the layout has no image folder" in str(told.value)


def test_a_layout_one_level_up_or_down_is_named(tmp_path):
    screen(tmp_path / "S1", "P1/P1_B02.tif")
    for wrong in (tmp_path, tmp_path / "S1" / "P1"):
        with pytest.raises(MissingInputError, match=r"there is one in .*S1: is that the screen's folder"):
            Screen("x", wrong, Screen.load(tmp_path / "S1", {}).settings, None).require_layout()


def test_a_link_to_a_folder_that_is_gone_is_a_fault_of_the_raw_folder(tmp_path):
    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / "ZStep_1").symlink_to(tmp_path / "gone")
    (tmp_path / "P1" / "ZStep_2").symlink_to("nowhere")
    (tmp_path / "P1" / "notes.txt").symlink_to("nowhere.txt")
    faults = Faults("P1")
    assert raw_files(tmp_path / "P1", faults) == []
    assert len(faults.messages) == 2
    assert all("is a dead link" in message for message in faults.messages)
