"""A link that leaves a screen's folder is refused before what it leads to is read, whichever file it stands for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.plugins import registry
from phenodose.screens.inside import expect_inside, named_file
from phenodose.screens.registration import check_screen

SECRET = "SECRET_TOKEN=abcdef123"


@pytest.fixture
def screen(tmp_path: Path, small_ctg_screen: Path) -> Path:
    (tmp_path / "secret.env").write_text(f"{SECRET}\nx\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "P1.csv").write_text(f"{SECRET},1\n2,3\n")
    return small_ctg_screen


def refused(folder: Path) -> None:
    with pytest.raises(InputError, match="is a link that leaves the screen's folder") as told:
        check_screen(folder, registry())
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("name", ["layout.csv", "screen.toml", "ctg/P9.csv", "ctg/deep/P9.txt"])
def test_a_file_that_is_a_link_out_of_the_folder(screen: Path, tmp_path: Path, name: str) -> None:
    place = screen / name
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / "secret.env")
    refused(screen)


def test_links_by_way_of_other_links(screen: Path, tmp_path: Path) -> None:
    (screen / "hop").symlink_to(tmp_path / "secret.env")
    (screen / "layout.csv").unlink()
    (screen / "layout.csv").symlink_to("hop")
    refused(screen)


def test_a_folder_of_readings_that_is_a_link_out_of_the_folder(screen: Path, tmp_path: Path) -> None:
    (screen / "ctg").rename(screen / "other")
    (screen / "ctg").symlink_to(tmp_path / "secrets")
    refused(screen)


def test_a_folder_within_the_readings(screen: Path, tmp_path: Path) -> None:
    (screen / "ctg" / "more").symlink_to(tmp_path / "secrets")
    refused(screen)


def test_links_within_the_folder_and_a_folder_behind_a_link_are_read(screen: Path, tmp_path: Path) -> None:
    (screen / "layout.csv").rename(screen / "layout of May.csv")
    (screen / "layout.csv").symlink_to("layout of May.csv")
    check_screen(screen, registry())
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / screen.name).symlink_to(screen)
    check_screen(tmp_path / "links" / screen.name, registry())


def test_a_table_that_is_named(screen: Path, tmp_path: Path) -> None:
    (screen / "reference.csv").symlink_to(tmp_path / "secret.env")
    with pytest.raises(InputError, match="leaves the screen's folder"):
        named_file(screen, "reference.csv")
    elsewhere = tmp_path / "secrets" / "P1.csv"
    assert named_file(screen, str(elsewhere)) == elsewhere  # said in so many words
    assert named_file(screen, os.path.relpath(elsewhere, screen)).samefile(elsewhere)
    assert expect_inside(screen / "none.csv", screen) == screen / "none.csv"
