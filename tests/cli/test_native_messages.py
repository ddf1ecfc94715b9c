"""A command is not drowned in what TensorFlow says of its start, and nothing that matters is lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from phenodose.cli import native_messages
from phenodose.cli.native_messages import filter_stderr, says_something

INFORMATION = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    b"I0000 00:00:1795396241.620676    1008 port.cc:153] oneDNN custom operations are on.\n",
    b"2026-01-02 10:11:12.131415: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.\n",
)
NO_CARD = b"E0000 00:00:1795396245.725416 1008 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\n"
TROUBLE = b"E0000 00:00:1795396245.725416 1008 loader.cc:52] the file is damaged\nTraceback of another thread\n"


def test_information_is_dropped_and_trouble_is_not() -> None:
    program = (
        "import os, sys\nfrom phenodose.cli.native_messages import filter_stderr\n"
        "with filter_stderr() as own:\n"
        f"    os.write(2, {b''.join(INFORMATION) + TROUBLE!r})\n"
        "    own.write('40 of 80 wells\\n')\n"
        "    os.system('echo I0000 of a process; echo of a process 1>&2')\n"
        "os.write(2, b'I0000 afterwards\\n')\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stderr
    assert sorted(told.splitlines()) == sorted(
        [*TROUBLE.splitlines(), b"40 of 80 wells", b"of a process", b"I0000 afterwards"]
    )


@pytest.mark.parametrize("line", INFORMATION)
def test_a_line_of_information_says_nothing(line: bytes) -> None:
    assert not says_something(line)


@pytest.mark.parametrize("driver", [None, "/usr/bin/nvidia-smi"])
def test_a_card_that_cannot_be_used_is_told_of_where_there_is_one(
    driver: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_messages.shutil, "which", lambda name: driver)
    assert says_something(NO_CARD) == (driver is not None)


def test_an_error_comes_out_of_the_filter_with_what_was_said_before(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with filter_stderr():
            os.write(2, TROUBLE)
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == TROUBLE.decode()


def test_importing_phenodose_changes_nobody_elses_import() -> None:
    program = (
        "import sys, phenodose.learning, phenodose.cli, phenodose_assets.run\n"
        "finders = [type(finder).__module__ for finder in (*sys.meta_path, *sys.path_hooks)]\n"
        "assert not [name for name in finders if name.startswith('phenodose')], finders\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
