"""Fixtures that more than one package of tests needs."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import absl.logging
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import settings

from phenodose.cohort.build import rebuild_cohort
from phenodose.plugins import registry
from phenodose.store.store import Store

# A shell that starts the tests in the background lets them ignore Ctrl-C, and `dagster dev` then ends by
# neither INT nor TERM; with Python's own handler, children start with the default again.
signal.signal(signal.SIGINT, signal.default_int_handler)

# TensorFlow is imported once for all tests, not once a run; tests/assets/test_training_process.py has processes.
# This is for commands and the code location; `networks_are_trained_here` is for calls from Python.
os.environ.setdefault("PHENODOSE_TRAINING", "inline")

# Two files at a time fill two cores. More threads of linear algebra only wait for each other, at full speed: of workers
# that are started from here, and of all that tests start.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

# A busy machine is no fault of the code: no example is judged by the clock; every run tries the same ones.
settings.register_profile("phenodose", deadline=None, derandomize=True, max_examples=30)
# More of them, for `make test-slow`.
settings.register_profile("more", deadline=None, derandomize=True)
# New examples at every run, to look for what the fixed ones miss: see CONTRIBUTING.md.
settings.register_profile("search", deadline=None)
settings.load_profile("phenodose")


def pytest_configure(config: pytest.Config) -> None:
    """Time and operations of every file; see file_costs.py."""
    judging = config.getoption("markexpr") == "not slow"
    config.pluginmanager.register(_beside("file_costs").FileCosts(judging), "file-costs")


def pytest_collection_finish() -> None:
    """What was imported for all tests stays: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_unconfigure() -> None:
    """Libraries that count their own objects at the end find none left over."""
    gc.unfreeze()


ROWS = "ABCDEFGHIJKLMNOP"
DOSES_NM = (1.0, 10.0, 100.0, 1000.0, 10000.0)
LAYOUT_COLUMNS = ["Plate", "Row", "Column", "Sample", "WellType", "Treatment", "Concentration"]
LAYOUT_COLUMNS += ["Replicate", "AddOn", "Readout"]
#: Drug -> dose of half effect; 'Inert' does nothing.
DRUGS = {"Potent": 20.0, "Weak": 4000.0, "Inert": np.inf}


@pytest.fixture(autouse=True, scope="session")
def networks_are_trained_here() -> Iterator[None]:
    """Where nobody says how, networks are trained in the process of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        # Dagster is not imported for tests that have nothing to do with it.
        if "phenodose.plugins.network_process" in sys.modules:
            patch.setattr("phenodose.plugins.network_process.DEFAULT_MODE", "inline")
        yield


@pytest.fixture(autouse=True, scope="session")
def the_disk_is_not_waited_for() -> Iterator[None]:
    """No power is cut in a test. What is synced, and in which order, tests see that listen to the call.

    Some 8 ms a call on a plain disk, and two calls for every file that is written aside.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


def _close_without_stream(handler: absl.logging.PythonHandler) -> None:
    """TensorFlow's log handler closes the stream it was made with when Dagster sets up logging anew.

    It spares the real stderr; pytest's stand-in for it would be closed under the next test.
    """
    logging.StreamHandler.close(handler)


absl.logging.PythonHandler.close = _close_without_stream


def write_ctg_screen(folder: Path, plates: int = 2, seed: int = 7) -> Path:
    """A raw screen folder without images: a layout, plate-reader matrices, a done-mark.

    Every drug is on every plate once per dose, so that plates are the replicates.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    (folder / "ctg").mkdir(parents=True)
    for plate in range(1, plates + 1):
        matrix = np.full((16, 24), 80.0)

        def fill(
            row: int,
            column: int,
            viability: float,
            matrix: np.ndarray = matrix,
            plate: int = plate,
            **what: object,
        ) -> None:
            matrix[row, column] = 500 + 20000 * viability * rng.normal(1, 0.03)
            rows.append({"Plate": f"P{plate}", "Row": ROWS[row], "Column": column + 1, "Replicate": plate} | what)

        for row in range(1, 11):
            fill(row, 1, 1.0, WellType="neg", Treatment="DMSO")
        for row in range(1, 9):
            fill(row, 2, 0.0, WellType="BzCl", Treatment="BzCl", Concentration=100000)
            fill(row, 3, 0.02, WellType="pos", Treatment="STS", Concentration=250)
        for column, dose in enumerate((0.1, 1.0, 10.0, 100.0, 1000.0), start=4):
            fill(1, column, 1 / (1 + dose / 30), WellType="TRC", Treatment="STS", Concentration=dose)
        for row, (drug, half) in enumerate(DRUGS.items(), start=3):
            for column, dose in enumerate(DOSES_NM, start=4):
                fill(row, column, 1 / (1 + dose / half), WellType="therapy", Treatment=drug, Concentration=dose)
        table = pd.DataFrame(np.round(matrix), index=list(ROWS), columns=range(1, 25))
        table.to_excel(folder / "ctg" / f"{folder.name}_P{plate}.xlsx", index_label="")
    layout = pd.DataFrame(rows).assign(Sample="TST", AddOn=None, Readout=None)
    columns = [
        "Plate",
        "Row",
        "Column",
        "Sample",
        "WellType",
        "Treatment",
        "Concentration",
        "Replicate",
        "AddOn",
        "Readout",
    ]
    layout[columns].to_csv(folder / "layout.csv", index=False)
    (folder / "_DONE").touch()
    return folder


@pytest.fixture
def small_ctg_screen(tmp_path: Path) -> Path:
    """A screen of three drugs with plate-reader files and no images."""
    return write_ctg_screen(tmp_path / "raw" / "TST_V1_DS1")


@pytest.fixture(scope="session")
def site_of() -> Callable[..., str]:
    """Text of the site.toml of a site that has, of the plugins that make assets, only these: 'scorer:auc'.

    What a run costs, before anything is made, grows with the graph.
    """

    def text(*plugins: str) -> str:
        every = (f"{kind}:{name}" for kind in ("readout", "scorer", "embedder") for name in registry().names(kind))
        return f"[plugins]\ndisable = {json.dumps([one for one in every if one not in plugins])}\n"

    return text


@pytest.fixture
def no_cohort_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs leave an empty page for the report of all screens, whose pictures take seconds; other tests look at it."""

    def empty(store: Store) -> Path:
        page = store.root / "reports" / "_cohort.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
        return page

    monkeypatch.setattr("phenodose.reports.build_cohort_report", empty)


def _beside(name: str) -> ModuleType:
    """A module that lies beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def beside() -> Callable[[str], ModuleType]:
    """Gives a module that lies beside this file, such as `other_host`, by its name."""
    return lambda name: sys.modules.get(name) or _beside(name)


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[Any]:
    server = _beside("s3_server").S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(_s3_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """An S3 server that answers everything, reached through the environment; the bucket `bucket` is empty."""
    from phenodose.io.places import place

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", _s3_server.url),
        ("AWS_MAX_ATTEMPTS", "3"),  # what always fails is not waited for so long
        ("XDG_CACHE_HOME", str(tmp_path / "cache")),
    ):
        monkeypatch.setenv(name, value)

    def answer_everything() -> None:
        _s3_server.fail_every, _s3_server.denies, _s3_server.before = 0, False, None
        _s3_server.ignores_conditions = False

    answer_everything()
    filesystem = place("s3://bucket").fs  # type: ignore[attr-defined]
    if filesystem.exists("bucket"):
        filesystem.rm("bucket", recursive=True)
    filesystem.mkdir("bucket")
    _s3_server.requests = _s3_server.failed = 0
    yield _s3_server
    answer_everything()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that is made once in a run of the tests, by whichever process comes first; for reading only.

    It is told its name and what makes it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all workers

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        made, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(made, ignore_errors=True)  # of a worker that was killed over it
                made.mkdir()
                make(made)
                done.touch()
        return made

    return folder


@pytest.fixture(scope="session")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One process for all that conformance suites ask in a process of its own; see one_process.py."""
    process = _beside("one_process").OneProcess(tmp_path_factory.mktemp("apart"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def small_demo(made_once: Callable[..., Path]) -> Any:
    """What `phenodose demo` leaves, in small; see small_demo.py."""
    beside = _beside("small_demo")
    return beside.SmallDemo(made_once("small_demo", beside.make))


@pytest.fixture(scope="session")
def made_up_root(made_once: Callable[..., Path]) -> Iterator[Path]:
    """The folder of a store with two made-up drug screens and their cohort; see made_up_cohort.py.

    It is of all workers at once: whoever changes it, or builds its cohort again, takes a copy.
    """

    def write(folder: Path) -> None:
        store: Store = _beside("made_up_cohort").write_made_up_cohort(Store.open(folder / "store"))
        assert rebuild_cohort(store).faults == ()

    root: Path = made_once("made_up_cohort", write) / "store"
    before = (root / "cohort.duckdb").stat()
    yield root
    after = (root / "cohort.duckdb").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns), (
        "a test built the cohort of all tests again, while others may copy it"
    )


@pytest.fixture
def made_up_cohort(made_up_root: Path, tmp_path: Path) -> Store:
    """A copy of the made-up store, with its cohort database."""
    return Store.open(shutil.copytree(made_up_root, tmp_path / "store"))


@pytest.fixture
def made_up_store(made_up_root: Path, tmp_path: Path) -> Store:
    """A copy of the made-up store, tables only."""
    database = shutil.ignore_patterns("cohort.duckdb")
    return Store.open(shutil.copytree(made_up_root, tmp_path / "store", ignore=database))


@pytest.fixture(scope="session")
def drawn_cohort_page(made_once: Callable[..., Path], made_up_root: Path) -> Path:
    """The report of the made-up cohort with its figures, which take long to draw; for reading only."""

    def write(folder: Path) -> None:
        from phenodose.reports import build_cohort_report

        store = Store.open(shutil.copytree(made_up_root, folder / "store"))
        build_cohort_report(store, folder / "cohort.html")
        shutil.rmtree(folder / "store")

    return made_once("drawn_cohort_page", write) / "cohort.html"


@pytest.fixture
def words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of the cohort stay blank: a test of words and tables need not wait for ten drawings."""
    blank = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    monkeypatch.setattr("phenodose.plots.cohort_drawing.drawn", lambda figure, *kinds: [blank] * len(kinds))


@pytest.fixture
def patient_sensors() -> Iterator[None]:
    """Sensors wait for a sound folder, however busy the machine."""
    from phenodose_assets.sensors import looked_at_apart, ticks

    with pytest.MonkeyPatch.context() as patches:
        for module in (looked_at_apart, ticks):
            patches.setattr(module, "MOST_SECONDS", 600.0)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium; see browser.py. Without one, the test is skipped and says so."""
    beside = _beside("browser")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed; `pip install -e '.[dev]'` brings it")
    if beside.chromium() is None:
        pytest.skip("no Chromium here; install the package chromium, or name one in PHENODOSE_CHROMIUM")
    with beside.started() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def fresh_environment(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A virtual environment into which nothing but phenodose is installed; see fresh_environment.py."""
    return _beside("fresh_environment").FreshEnvironment(tmp_path_factory.mktemp("fresh"))
