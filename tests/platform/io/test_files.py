"""Files are whole or not there; what a kill leaves half written is in nobody's way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

from phenodose.io.exchange import exchanged
from phenodose.io.files import _CLEARED, _this_machine, clear_partials, is_vacant, write_text, written_aside

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
        assert place.is_dir() or not exchanges(tmp_path)
        clear_partials(place.parent)
        assert [child.name for child in place.parent.iterdir()] == ["resume"]
        found.append((place / "weights").read_text())
        if not done.returncode:
            break
    assert not done.returncode  # the last one was not killed
    # Before either rename the old one is there; then the new one, while the old one is removed.
    n_renames = 0 if exchanges(tmp_path) else 2
    assert found[:n_renames] == ["old"] * n_renames
    assert set(found[n_renames:]) == {"new"}


def exchanges(folder):
    """Whether the file system can exchange two names."""
    for name in ("one", "other"):
        (folder / name).mkdir(exist_ok=True)
    try:
        return exchanged(folder / "one", folder / "other")
    finally:
        for name in ("one", "other"):
            (folder / name).rmdir()


def test_a_folder_that_is_replaced_is_there_at_every_moment(tmp_path):
    if not exchanges(tmp_path):
        pytest.skip("this file system cannot exchange two names")
    place, seen, over = tmp_path / "resume", Counter(), threading.Event()

    def look():
        while not over.is_set():
            seen[place.is_dir() and (place / "weights").is_file()] += 1

    def replace():
        with written_aside(place) as aside:
            aside.mkdir()
            (aside / "weights").write_text("new")

    replace()
    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(100):
        replace()
    over.set()
    looking.join()
    assert set(seen) == {True}


def test_without_an_exchange_of_names_a_folder_is_replaced_too(tmp_path, monkeypatch):
    monkeypatch.setattr("phenodose.io.files.exchanged", lambda one, other: False)
    for text in ("old", "new"):
        with written_aside(tmp_path / "resume") as aside:
            aside.mkdir()
            (aside / "weights").write_text(text)
    assert (tmp_path / "resume" / "weights").read_text() == "new"
    assert [child.name for child in tmp_path.iterdir()] == ["resume"]


def test_a_folder_behind_a_link_is_replaced_where_it_lies(tmp_path):
    (tmp_path / "disk" / "resume").mkdir(parents=True)
    (tmp_path / "disk" / "resume" / "old").touch()
    (tmp_path / "resume").symlink_to(tmp_path / "disk" / "resume")
    with written_aside(tmp_path / "resume") as aside:
        aside.mkdir()
        (aside / "new").touch()
    assert (tmp_path / "resume").is_symlink()
    assert [path.name for path in (tmp_path / "disk").rglob("*")] == ["resume", "new"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_what_a_killed_process_left_goes_with_the_next_that_writes_there(tmp_path):
    for kind in ("file", "folder"):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "zarr.json"), kind], check=False)
    mine = tmp_path / f".other.0123abcd-{_this_machine()}-{os.getpid()}.partial"
    theirs = tmp_path / f".other.0123abcd-{'0' * 12}-1.partial"
    ancient = tmp_path / ".other.0123abcd.partial"
    for path in (mine, theirs, ancient):
        path.touch()
    os.utime(ancient, (1, 1))
    _CLEARED.discard(tmp_path)
    write_text(tmp_path / "report.html", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", mine.name, theirs.name}


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
