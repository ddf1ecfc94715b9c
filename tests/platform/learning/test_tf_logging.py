"""TensorFlow starts without a word, and nothing that matters is lost."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phenodose.learning import tf_logging
from phenodose.learning.tf_logging import worth_saying

INFORMATION = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795396241.620676    1008 port.cc:153] oneDNN custom operations are on.\n"
    b"2026-01-02 10:11:12.131415: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.\n"
)
NO_CARD = b"E0000 00:00:1795396245.725416 1008 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\n"
TROUBLE = b"E0000 00:00:1795396245.725416 1008 loader.cc:52] the file is damaged\nTraceback of another thread\n"


def start(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND")}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_tensorflow_starts_and_computes_without_a_word() -> None:
    done = start("import phenodose.learning, keras; print(float(keras.ops.ones(()) + 1))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")


def test_the_package_alone_imports_no_engine() -> None:
    done = start("import sys, phenodose.learning; print({'keras', 'tensorflow'} & set(sys.modules))")
    assert done.stdout == "set()\n"


def test_an_engine_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    code = (
        "import os, sys, phenodose.learning\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"open({str(tmp_path)!r} + '/tensorflow.py', 'w').write("
        '\'import os; os.write(2, b"I0000 loading\\\\n"); raise ImportError("no such symbol")\')\n'
        "import tensorflow\n"
    )
    done = start(code)
    assert done.returncode == 1
    assert "I0000 loading" in done.stderr
    assert "no such symbol" in done.stderr


def test_information_is_dropped_and_trouble_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    with worth_saying():
        os.write(2, INFORMATION + TROUBLE)
    assert capfd.readouterr().err == TROUBLE.decode()


def test_everything_is_told_where_something_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with worth_saying():
            os.write(2, INFORMATION + TROUBLE)
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == (INFORMATION + TROUBLE).decode()


@pytest.mark.parametrize("driver", [None, "/usr/bin/nvidia-smi"])
def test_a_card_that_cannot_be_used_is_told_of_where_there_is_one(
    driver: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tf_logging.shutil, "which", lambda name: driver)
    with worth_saying():
        os.write(2, NO_CARD)
    assert capfd.readouterr().err == (NO_CARD.decode() if driver else "")


def test_who_asks_for_every_line_gets_every_line() -> None:
    code = "import sys, phenodose.learning; print([type(finder).__name__ for finder in sys.meta_path])"
    assert "_Finder" in start(code).stdout
    assert "_Finder" not in start(code, TF_CPP_MIN_LOG_LEVEL="0").stdout
