"""The folder `platform/` must never hide the standard library's module of that name."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IS_STDLIB = "import platform; assert callable(platform.system), platform; print(platform.__file__)"


def test_platform_is_no_package() -> None:
    assert (ROOT / "platform").is_dir()
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_pytest_sees_the_standard_library() -> None:
    assert callable(platform.system)
    assert not Path(str(platform.__file__)).is_relative_to(ROOT / "platform")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", IS_STDLIB],
        # `python -m` puts the current folder first on the path, as the children of `dagster dev` do.
        ["-m", "dagster", "--version"],
    ],
)
def test_python_in_the_repository_root_sees_the_standard_library(arguments: list[str]) -> None:
    told = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert str(ROOT / "platform") not in told.stdout


def test_a_dagster_process_in_the_repository_root_loads_the_code_location(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "phenodose_assets.definitions"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DAGSTER_HOME": str(tmp_path), "PHENODOSE_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    assert "All code locations passed validation" in told.stderr + told.stdout
