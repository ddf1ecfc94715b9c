"""`phenodose plugins`: what is listed, what is checked, and which imports it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.plugins import registry
from phenodose.testing import trial

MODULE = """
from phenodose.plugins import Parameters, scorer, Scorer
from pydantic import Field

@scorer("double", version="3", description="Twice the top")
def double(curve):
    return 2 * curve.top

class NeedsMore(Scorer):
    name = "needs_more"
    version = "1"
    description = "Has a parameter without default"

    class Parameters(Parameters):
        level: int = Field(description="Wanted level")

    def score(self, curves):
        return curves.top

class Tuned(Scorer):
    name = "tuned"
    version = "1"
    description = "Has a parameter"

    class Parameters(Parameters):
        level: int = Field(7, description="Wanted level")

    def score(self, curves):
        return curves.top
"""


def offer(folder: Path, distribution: str, points: str, module: str = "") -> None:
    """Lay an installed distribution into `folder`, the way an installer does."""
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    if module:
        (folder / f"{distribution.replace('-', '_')}.py").write_text(module, encoding="utf-8")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        registry.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main(["plugins", *arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    yield call
    registry.cache_clear()


@pytest.fixture
def with_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    points = (
        "[phenodose.scorers]\n"
        "double = other_plugins:double\n"
        "tuned = other_plugins:Tuned\n"
        "needs_more = other_plugins:NeedsMore\n"
        "lost = other_plugins:Nothing\n"
        "[phenodose.embedders]\n"
        "double = other_plugins:double\n"
    )
    offer(folder, "other-plugins", points, MODULE)
    offer(folder, "rival", "[phenodose.readouts]\nctg = other_plugins:double\n")
    monkeypatch.syspath_prepend(str(folder))


def test_every_installed_entry_point_is_listed(run) -> None:
    code, out, err = run("list", "--json")
    listed = {(row["kind"], row["name"]) for row in json.loads(out)}
    groups = {"reader", "readout", "scorer", "measure", "embedder"}
    installed = {(kind, p.name) for kind in groups for p in metadata.entry_points(group=f"phenodose.{kind}s")}
    assert (code, err) == (0, "")
    assert listed == installed


def test_the_list_for_people_names_kinds_and_descriptions(run) -> None:
    _, out, _ = run("list")
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "readers",
        "readouts",
        "scorers",
        "measures",
        "embedders",
    ]
    assert "CellTiter-Glo" in out


def test_listing_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom phenodose.cli import main\n"
        "try:\n    main(['plugins', 'list'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'dask', 'ome_zarr', 'dagster'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.usefixtures("with_plugins")
def test_broken_and_clashing_plugins_are_named_and_the_rest_is_listed(run) -> None:
    code, out, _ = run("list", "--json")
    rows = {(row["kind"], row["name"]): row for row in json.loads(out)}
    assert code == 0
    assert rows["scorer", "double"]["status"] == "ok"
    assert rows["scorer", "lost"]["status"] == "broken"
    assert "AttributeError" in rows["scorer", "lost"]["error"]
    assert rows["embedder", "double"]["status"] == "broken"
    assert "is not a subclass of phenodose.plugins.AnyEmbedder" in rows["embedder", "double"]["error"]
    assert rows["readout", "ctg"]["status"] == "clash"
    _, out, _ = run("list")
    assert "BROKEN: scorer 'lost'" in out
    assert "CLASH: readout 'ctg' is offered by 2 distributions" in out


@pytest.mark.usefixtures("with_plugins")
def test_a_check_shows_parameters_with_defaults(run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("check", "tuned", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["parameters"]["level"] == {
        "default": 7,
        "description": "Wanted level",
        "type": "whole number",
        "range": "",
        "unit": "",
    }
    assert set(told["rules"].values()) == {"kept"}
    assert (told["version"], told["contract"], told["distribution"]) == ("1", 1, "other-plugins 1.0")
    tried = [trial.Tried(rule, outcome) for rule, outcome in told["rules"].items()]
    monkeypatch.setattr(trial, "try_plugin", lambda *_: tried)
    _, out, _ = run("check", "tuned")
    assert "scorer tuned 1: ok, contract 1" in out
    assert "level = 7  Wanted level" in out


@pytest.mark.usefixtures("with_plugins")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (["lost"], "fails to import"),
        (["needs_more"], "level: Field required"),
        (["ctg"], "offered by 2 distributions"),
        (["double"], "add --kind embedder or --kind scorer"),
        (["nothing_like_it"], "installed are: "),
    ],
)
def test_what_cannot_be_used_is_exit_code_2_with_the_reason(run, name: list[str], said: str) -> None:
    code, out, err = run("check", *name)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.fixture
def not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules are tried in a process of their own, which the tests of them start."""
    monkeypatch.setattr(trial, "try_plugin", lambda *_: [trial.Tried("it can be pickled", "kept")])


@pytest.mark.usefixtures("with_plugins", "not_tried")
def test_a_name_of_two_kinds_is_told_apart(run) -> None:
    code, out, _ = run("check", "double", "--kind", "scorer")
    assert code == 0
    assert "scorer double 3: ok" in out
    assert "no parameters" in out


def test_a_staged_readout_shows_its_phases(run) -> None:
    code, out, _ = run("check", "cnn", "--json")
    assert code == 0
    assert json.loads(out)["phases"] == ["phase1", "phase2", "phase3"]


BROKEN = """
import itertools
from phenodose.plugins import Scorer

_drawn = itertools.count()

class Unsteady(Scorer):
    name = "unsteady"
    version = "1"
    description = "Another score every time"

    def score(self, curves):
        return curves.top + next(_drawn)
"""


def test_a_plugin_that_breaks_a_rule_is_exit_code_2_with_rule_and_example(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(tmp_path, "unsteady-plugin", "[phenodose.scorers]\nunsteady = unsteady_plugin:Unsteady\n", BROKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    code, out, err = run("check", "unsteady")
    assert (code, out) == (2, "")
    assert "scorer 'unsteady' of unsteady-plugin 1.0 breaks" in err
    assert "the same curves get the same scores" in err
    assert "smallest example" in err


@pytest.mark.usefixtures("not_tried")
def test_the_list_follows_the_site_and_tells_versions_and_parameters(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.toml").write_text('[plugins]\ndisable = ["scorer:auc", "reader:fax"]\n', encoding="utf-8")
    monkeypatch.setenv("PHENODOSE_STORE", str(tmp_path))
    code, out, err = run("list")
    assert code == 0
    assert "DISABLED: scorer 'auc'" in out
    assert "reader:fax is not installed" in err
    _, out, _ = run("list", "--json")
    rows = {(row["kind"], row["name"]): row for row in json.loads(out)}
    assert rows["scorer", "auc"]["status"] == "disabled"
    assert rows["scorer", "dss_asym"]["version"]
    assert rows["scorer", "dss_asym"]["parameters"]["amin"]["range"] == "from 0 below 100"
    # Another store is another site.
    assert "DISABLED" not in run("list", "--store", str(tmp_path / "another"))[1]
    assert run("check", "auc", "--store", str(tmp_path / "another"))[0] == 0
    code, _, err = run("check", "auc")
    assert (code, "is disabled by this site" in err) == (2, True)
