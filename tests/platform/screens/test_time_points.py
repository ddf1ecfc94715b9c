"""Folders of readings over time: what they say of their time, and what is refused rather than passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.screens.matrices import read_readings
from phenodose.screens.time_points import times_of


def matrix() -> str:
    lines = [",".join([row, *(str(column + 100 * i) for column in range(1, 13))]) for i, row in enumerate("ABCDEFGH")]
    return "\n".join([",".join(["", *map(str, range(1, 13))]), *lines])


def folder_of(root: Path, *files: str) -> Path:
    for name in files:
        path = root / "ctg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(matrix())
    return root / "ctg"


def test_every_word_for_a_time_is_understood(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "t0/X_P1.csv", "day 1/X_P1.csv", "72 h/export/x_p1.csv")
    assert list(times_of(folder)) == [0, 24, 72]


@pytest.mark.parametrize("name", ["72", "72 h later", "-24h", "t72", "backup"])
def test_a_folder_of_the_same_plates_that_says_no_time_is_not_passed_over(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path, "0h/X_P1.csv", "24h/X_P1.csv", f"{name}/X_P1.csv")
    with pytest.raises(InputError, match=f"the folder {name} holds x_p1 as 24h does, and its name says no time"):
        read_readings(folder)


def test_files_that_no_reader_wrote_make_no_time_course(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "24h/X_P1.csv", "48h/X_P2.csv", "24h/.hidden.csv", "48h/.hidden.csv")
    for place in ("24h", "48h"):
        (folder / place / ".DS_Store").write_bytes(b"x")
        (folder / place / "notes.docx").write_bytes(b"x")
    assert times_of(folder) == {}
    assert set(read_readings(folder).frame["plate"]) == {"P1", "P2"}


def test_times_of_different_samples_are_no_course(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "0h/A_P1.csv", "0h/B_P1.csv", "72h/B_P1.csv", "72h/C_P1.csv")
    with pytest.raises(InputError, match="the files in 0h are of A and B, those in 72h of B and C"):
        read_readings(folder)


def test_plates_in_two_folders_are_told_how_times_are_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "t0/X_P1.csv", "t24/X_P1.csv")
    with pytest.raises(InputError, match="the folder t24 holds x_p1 as t0 does"):
        read_readings(folder)
    folder = folder_of(tmp_path / "other", "first/X_P1.csv", "second/X_P1.csv")
    with pytest.raises(InputError, match=r"keep one, or, if they were read at several times, .* \(0h, 24h, 3d\)"):
        read_readings(folder)
