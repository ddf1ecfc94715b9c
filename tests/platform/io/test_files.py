"""Files are whole or not there; what a kill leaves half written is in nobody's way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from phenodose.io.files import clear_partials, is_vacant, written_aside

KILLED = """
import os, signal, sys
from pathlib import Path
from phenodose.io.files import written_aside

with written_aside(Path(sys.argv[1])) as aside:
    if sys.argv[2] == "folder":
        aside.mkdir()
        aside /= "file"
    aside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_folder_with_nothing_but_what_a_kill_left_is_vacant(tmp_path, kind):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "zarr.json"), kind], check=False)
    assert done.returncode == -9
    assert [child.name[:11] for child in tmp_path.iterdir()] == [".zarr.json."]
    assert is_vacant(tmp_path)
    clear_partials(tmp_path)
    assert list(tmp_path.iterdir()) == []


REPLACED = """
import os, signal, sys
from pathlib import Path
from phenodose.io.files import written_aside

def die_before_a_change(event, args):
    if event in ("os.rename", "os.rmdir", "os.remove"):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

left = [int(sys.argv[2])]
with written_aside(Path(sys.argv[1])) as aside:
    aside.mkdir()
    (aside / "weights").write_text("new")
    sys.addaudithook(die_before_a_change)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_folder_that_is_being_replaced_survives_a_kill_before_any_change(tmp_path):
    found = []
    for number in range(1, 10):
        place = tmp_path / str(number) / "resume"
        place.mkdir(parents=True)
        (place / "weights").write_text("old")
        done = subprocess.run([sys.executable, "-c", REPLACED, str(place), str(number)], check=False)
        clear_partials(place.parent)
        assert [child.name for child in place.parent.iterdir()] == ["resume"]
        found.append((place / "weights").read_text())
        if not done.returncode:
            break
    assert not done.returncode  # the last one was not killed
    # Before either rename the old one is there; then the new one, while the old one is removed.
    assert found[:2] == ["old", "old"]
    assert set(found[2:]) == {"new"}


@pytest.mark.parametrize(
    "name", ["notes.txt", ".hidden", "a.partial", ".movie.partial", ".x.0123abcd.partial.txt", ".x.old"]
)
def test_files_of_others_are_neither_passed_over_nor_removed(tmp_path, name):
    (tmp_path / name).write_text("mine")
    assert not is_vacant(tmp_path)
    clear_partials(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_only_what_is_left_of_one_file_is_removed(tmp_path):
    for name in (".cohort.duckdb.0123abcd.partial", ".cohort.duckdb.0123abcd.partial.wal", ".other.0123abcd.partial"):
        (tmp_path / name).write_text("half")
    clear_partials(tmp_path, "cohort.duckdb")
    assert [child.name for child in tmp_path.iterdir()] == [".other.0123abcd.partial"]


def test_nothing_is_vacant_and_a_file_is_not(tmp_path):
    assert is_vacant(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert not is_vacant(tmp_path / "file")


def write_half_and_fail(path):
    with written_aside(path) as aside:
        aside.write_text("half")
        raise ValueError("stop")


def test_a_block_that_raises_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "value.txt"
    path.write_text("before")
    with pytest.raises(ValueError, match="stop"):
        write_half_and_fail(path)
    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [("value.txt", "before")]
