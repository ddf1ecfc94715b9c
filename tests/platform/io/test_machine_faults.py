"""What a machine refuses is told in one sentence, whichever library tells of it; a bug stays a bug."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from phenodose.errors import StoreError
from phenodose.io.machine_faults import fault_of_surroundings, is_of_one_file, machine_fault, machine_fault_in


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the disk is mounted read-only"),
        (errno.EACCES, "this user may not do that there"),
        (errno.EPERM, "this user may not do that there"),
        (errno.EMFILE, "too many files are open"),
        (errno.ENFILE, "too many files are open"),
        (errno.ENOMEM, "the machine has no memory left"),
        (errno.EIO, "the disk is full or does not answer"),
        (errno.ESTALE, "the disk is full or does not answer"),
        (errno.ENOTDIR, "the file system does not take this place"),
        (errno.EAGAIN, "the machine starts no more processes"),
    ],
)
def test_what_the_system_refuses_is_one_sentence_with_place_and_remedy(number: int, said: str) -> None:
    fault = machine_fault(OSError(number, os.strerror(number), "/disk/a"), "the store")
    assert isinstance(fault, StoreError)
    assert str(fault).startswith(f"/disk/a: {said} ({os.strerror(number)}); ")
    assert str(fault).count("\n") == 0
    nameless = machine_fault(OSError(number, os.strerror(number)), "the store")
    assert str(nameless).startswith("the store: ")
    assert str(machine_fault_in(f"Error: [Errno {number}] {os.strerror(number)}", "a")).startswith("a: ") or number in (
        errno.EPERM,
        errno.ESTALE,
        errno.ENOTDIR,
        errno.EAGAIN,
    )


class OperationalError(Exception):
    """As SQLAlchemy names what SQLite tells."""

    __module__ = "sqlalchemy.exc"


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database or disk is full"),
        OperationalError("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT ...]"),
        duckdb.IOException('IO Error: Could not write file "a.duckdb": No space left on device'),
        duckdb.IOException("IO Error: Failed to create directory: Permission denied"),
        duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate data"),
        OSError("Unable to synchronously create file (errno = 28, error message = 'No space left on device')"),
        OSError("1000 requested and 500 written"),
        MemoryError(),
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']"),
        RuntimeError("can't start new thread"),
        OSError(None, "Error writing bytes to file. Detail: [errno 28] No space left on device"),
    ],
)
def test_what_libraries_make_of_it_is_recognised(error: Exception) -> None:
    assert machine_fault(error, "the store") is not None
    wrapped = RuntimeError("the step failed")
    wrapped.__cause__ = error
    assert fault_of_surroundings(wrapped, "the store") is not None


def test_a_library_that_is_refused_a_file_by_the_system(tmp_path: Path) -> None:
    with pytest.raises(Exception) as raised:
        pq.read_table(str(tmp_path / ("a" * 400)))
    assert machine_fault(raised.value, "a") is not None


def test_a_bug_stays_a_bug() -> None:
    for error in (
        KeyError("a"),
        ValueError("No space left on device"),
        FileNotFoundError(2, "none", "a"),
        OSError("a"),
    ):
        assert machine_fault(error, "the store") is None
    bug = KeyError("a")
    bug.__context__ = OSError(errno.EACCES, "denied")  # came up while something else was handled
    assert machine_fault(bug, "the store") is None
    assert machine_fault(BrokenPipeError(errno.EPIPE, "nobody reads"), "a") is None


def test_what_is_wrong_with_one_file_is_told_from_what_is_wrong_with_the_disk() -> None:
    assert is_of_one_file(PermissionError(errno.EACCES, "denied"))
    assert not is_of_one_file(OSError(errno.ENOSPC, "full"))
    assert not is_of_one_file(MemoryError())
