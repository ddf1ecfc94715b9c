"""The folder `platform/` must never hide the standard library's module of that name."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from phenodose.screens.registration import register_screen
from phenodose.store.store import Store

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


def test_dagster_processes_in_the_repository_root_load_the_code_location_and_run_a_step(
    tmp_path: Path, small_ctg_screen: Path
) -> None:
    """As the processes of `phenodose ui`: one loads the code location and starts a run, another one makes the asset."""
    home, store = tmp_path / "home", Store.open(tmp_path / "store")
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    screen = register_screen(store, small_ctg_screen).id
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("screen", [screen])
        what = ["--select", "layout", "--partition", screen]
        told = subprocess.run(
            [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "phenodose_assets.definitions", *what],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "DAGSTER_HOME": str(home), "PHENODOSE_STORE": str(store.root)},
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0, told.stderr[-3000:]
        (run,) = instance.get_runs()
        assert len(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTED)) == 1
    assert not store.read_table("wells", screen).empty
