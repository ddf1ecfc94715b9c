"""`phenodose demo` agrees with the truth of its simulation, and the tutorials work from their text alone.

A tutorial's files are written and its commands run in the order of the page, in an environment where nothing but
phenodose is installed, on a copy of the small demo's store. That is for `make test-slow`, as is the demo as users run
it: of every day are the plugins of the pages (test_tutorial_plugins.py) and an installed one from pip to SQL
(test_plugins_page.py).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from phenodose.cli import main
from phenodose.cohort.query import query
from phenodose.store.store import Store

DOCS = Path(__file__).parents[2] / "docs"
#: A file of a tutorial, or a block of its commands.
STEPS = re.compile(
    r"^### `(?P<path>[^`]+)`\n+```python\n(?P<text>.*?)^```$|^```sh\n(?P<commands>.*?)^```$", re.M | re.S
)
LONGEST = 100
#: Programs whose commands share a process.
TOGETHER = ("phenodose", "pytest")
#: What the fixture `demo` stands for; it is not run again for every tutorial.
DEMO = "phenodose demo --store ./store\n"
#: The drug that the tutorials look at, and one of the small demo.
THEIR_DRUG, OUR_DRUG = "SIM-TUB-1", "SIM-MEK-1"


@pytest.fixture(scope="module")
def demo(small_demo: Any, fresh_environment: Any) -> dict[str, Any]:
    """What `phenodose demo --json` told in small; a copy of its store is `store` in the environment's folder."""
    small_demo.copy_store(fresh_environment.folder / "store")
    told: dict[str, Any] = small_demo.told
    return told


def test_the_demo_says_what_it_made_and_how_it_agrees(small_demo: Any) -> None:
    told = small_demo.told
    agreement = {row["readout"]: row for row in told["agreement"]}
    assert set(agreement) == {"ctg", "mean_of_stack", "spheroid_area", "features", "cnn_phase2", "cnn_phase3"}
    assert agreement["ctg"]["viability_pearson"] > 0.95
    assert all(row["n_drugs"] == len(told["ranking"]) == 2 and row["n_wells"] == 20 for row in agreement.values())
    assert set(told["ranking"][0]) == {"drug", "truth", *agreement}
    assert any("Replicates agree" in line for line in told["quality"])
    for place in told["products"].values():
        assert (small_demo.folder / place).exists()
    store = Store.open(small_demo.folder / "store")
    assert store.screens() == ["DEMO_CE", "DEMO_V1_DS1"]
    assert store.cohort_path.is_file()


def test_another_seed_in_the_same_store_is_refused(
    small_demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    (store / "raw").mkdir(parents=True)
    shutil.copyfile(small_demo.folder / "store" / "raw" / "demo.json", store / "raw" / "demo.json")
    monkeypatch.setenv("PHENODOSE_STORE", str(store))
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--store", str(store), "--seed", "2"])
    assert ended.value.code == 2
    assert "seed 1" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_ranks_the_drugs_as_they_are(fresh_environment: Any) -> None:
    """The demo as users run it; its small sisters are above and in tests/plugins/test_cnn_readout.py."""
    folder = fresh_environment.folder / "whole"
    folder.mkdir()
    demo = json.loads(fresh_environment.run(*DEMO.split(), "--json", cwd=folder))
    assert len(demo["ranking"]) >= 8
    assert THEIR_DRUG in {row["drug"] for row in demo["ranking"]}
    agreement = {row["readout"]: row for row in demo["agreement"]}
    assert set(agreement) == {"ctg", "mean_of_stack", "spheroid_area", "features", "cnn_phase2", "cnn_phase3"}
    assert agreement["ctg"]["viability_pearson"] > 0.95
    assert agreement["cnn_phase2"]["viability_pearson"] >= 0.9
    assert agreement["cnn_phase3"]["viability_pearson"] >= 0.9
    assert agreement["mean_of_stack"]["viability_pearson"] < 0.8
    assert agreement["cnn_phase3"]["score_spearman"] >= 0.9
    assert any("Replicates agree" in line for line in demo["quality"])
    for place in demo["products"].values():
        assert (folder / place).exists()
    assert Store.open(folder / "store").cohort_path.is_file()


class Page:
    """A tutorial, of which what comes next is done.

    Attributes:
        printed: what each command so far has printed, in order.
    """

    def __init__(self, name: str) -> None:
        text = (DOCS / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) < LONGEST
        self.printed: list[str] = []
        self._left: list[tuple[Path, str] | list[str]] = []
        for step in STEPS.finditer(text):
            if step["path"]:
                self._left.append((Path(step["path"]), step["text"]))
            else:
                lines = step["commands"].replace(DEMO, "").replace(THEIR_DRUG, OUR_DRUG).splitlines()
                self._left += [shlex.split(line) for line in lines]

    def write_and_run(self, site: Any, exports: dict[str, str]) -> None:
        """Write the files that come next and run the commands that have a process of their own."""
        while self._left and not self.waits_for(*TOGETHER, "pip"):
            step = self._left.pop(0)
            if isinstance(step, tuple):
                path = site.folder / step[0]
                assert path.resolve().is_relative_to(site.folder)
                path.write_text(step[1], encoding="utf-8")
            elif step[0] == "export":
                name, _, value = step[1].partition("=")
                exports[name] = value
            else:
                self.printed.append(site.run(*step, variables=exports))

    def waits_for(self, *programs: str) -> bool:
        """Whether a command of one of these programs comes next."""
        return bool(self._left) and isinstance(self._left[0], list) and self._left[0][0] in programs

    def taken(self, *programs: str) -> list[list[str]]:
        """The commands of these programs that come next, which are done then."""
        found: list[list[str]] = []
        while self.waits_for(*programs):
            step = self._left.pop(0)
            assert isinstance(step, list)
            found.append(step)
        return found


@pytest.fixture(scope="module")
def printed(demo: dict[str, Any], fresh_environment: Any) -> dict[str, list[str]]:
    """What each command of a tutorial prints, by tutorial; their files are written on the way.

    All are followed from top to bottom, side by side: commands of phenodose and pytest that come next on any page share
    a process, and what is to be installed is installed at once.
    """
    pages = {name: Page(f"tutorial_{name}.md") for name in ("scorer", "readout", "reader", "embedder")}
    exports: dict[str, str] = {}
    while True:
        for page in pages.values():
            page.write_and_run(fresh_environment, exports)
        together = [(page, command) for page in pages.values() for command in page.taken(*TOGETHER)]
        if together:
            # On every page the tests come before what is made with the plugin.
            together.sort(key=lambda one: one[1][0] != "pytest")
            told = fresh_environment.together([command for _, command in together], exports)
            for (page, _), text in zip(together, told, strict=True):
                page.printed.append(text)
            continue
        installed = [command for page in pages.values() for command in page.taken("pip")]
        if not installed:
            return {name: page.printed for name, page in pages.items()}
        assert {tuple(command[:-1]) for command in installed} == {("pip", "install", "-e")}
        fresh_environment.run("pip", "install", *(word for command in installed for word in command[2:]))


def asked(site: Any, sql: str) -> list[dict[str, Any]]:
    """Rows of the cohort, which the tutorial's last run has rebuilt."""
    return query(Store.open(site.folder / "store"), sql, row_limit=None).table.to_pylist()


@pytest.mark.slow
def test_a_scorer_from_an_empty_folder_to_sql_and_the_report(
    demo: dict[str, Any], printed: dict[str, list[str]], fresh_environment: Any
) -> None:
    assert OUR_DRUG in printed["scorer"][-1]
    rows = asked(
        fresh_environment,
        "SELECT readout, drug, score, lower, upper, unit FROM scores "
        "WHERE scorer = 'steepness' AND replicate = 'pooled' AND readout = 'ctg'",
    )
    assert len(rows) == len(demo["ranking"])
    assert all(row["lower"] <= row["score"] <= row["upper"] and row["unit"] == "percent per decade" for row in rows)
    assert "steepness" in (fresh_environment.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("printed")
def test_a_readout_becomes_viability_and_scores(demo: dict[str, Any], fresh_environment: Any) -> None:
    rows = asked(
        fresh_environment,
        "SELECT drug FROM scores WHERE readout = 'contrast' AND scorer = 'dss_asym' AND replicate = 'pooled'",
    )
    assert len(rows) == len(demo["ranking"])
    assert asked(fresh_environment, "SELECT 1 FROM qc WHERE readout = 'contrast' AND metric LIKE 'zprime%'")


@pytest.mark.slow
@pytest.mark.usefixtures("printed")
def test_a_reader_ingests_its_plate(fresh_environment: Any) -> None:
    assert (fresh_environment.folder / "P1.ome.zarr" / "zarr.json").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("printed")
def test_an_embedder_becomes_a_map(fresh_environment: Any) -> None:
    (row,) = asked(
        fresh_environment,
        "SELECT count(*) AS n, count(DISTINCT x) AS places FROM embeddings WHERE embedder = 'two_directions'",
    )
    (other,) = asked(
        fresh_environment,
        "SELECT count(*) AS n FROM embeddings WHERE embedder = 'pca' AND screen = 'DEMO_V1_DS1'",
    )
    assert row["n"] == row["places"] == other["n"] > 50
