"""The registry: what is installed is found by name, faults are named, the rest loads."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pytest

from phenodose.errors import PluginError
from phenodose.plugins import CONTRACT, Registry, Scorer, registry, scorer
from phenodose.plugins.registry import KINDS


def make_distribution(folder: Path, name: str, entry_points: str, module: str = "", module_name: str = "") -> None:
    """A real installed distribution: a module and its .dist-info on a path."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
    if module:
        (folder / f"{module_name}.py").write_text(textwrap.dedent(module))


SCORER = """
    from phenodose.plugins import Scorer

    class {cls}(Scorer):
        name = "{name}"
        version = "1"
        description = "For a test"
        {extra}

        def score(self, curves):
            return curves.top
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path in which distributions can be put."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def look() -> Registry:
    """A fresh look at what is installed now."""
    return Registry()


def test_every_built_in_plugin_loads() -> None:
    assert registry().problems() == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("reader", "imagexpress"),
        ("readout", "ctg"),
        ("readout", "mean_of_stack"),
        ("readout", "cnn"),
        ("readout", "rescue"),
        ("readout", "spheroid_area"),
        ("scorer", "dss_asym"),
        ("measure", "bliss"),
        ("measure", "css"),
        ("embedder", "tsne"),
        ("embedder", "pca"),
        ("embedder", "umap"),
        ("embedder", "shared"),
    ],
)
def test_built_in_plugins_are_found_by_name(kind: str, name: str) -> None:
    plugin = registry().get(kind, name)  # type: ignore[arg-type]
    assert issubclass(plugin, KINDS[kind])  # type: ignore[index]
    assert plugin.name == name


def test_an_installed_scorer_is_found_with_its_distribution(installed: Path) -> None:
    make_distribution(
        installed,
        "demo-mean",
        "[phenodose.scorers]\ndemo_mean = demo_mean_plugin:Mean\n",
        SCORER.format(cls="Mean", name="demo_mean", extra=""),
        "demo_mean_plugin",
    )
    found = look()
    assert issubclass(found.get("scorer", "demo_mean"), Scorer)
    report = {f.name: f for f in found.report(load=True)}
    assert report["demo_mean"].status == "ok"
    assert report["demo_mean"].distribution == "demo-mean 1.2"


def test_a_plugin_that_fails_to_import_is_named_and_the_rest_load(installed: Path) -> None:
    make_distribution(
        installed,
        "sick-plugin",
        "[phenodose.scorers]\nsick = sick_plugin_module:Sick\n",
        "raise RuntimeError('no such licence')",
        "sick_plugin_module",
    )
    found = look()
    assert "sick" not in found.usable("scorer")
    assert "dss_asym" in found.usable("scorer")
    with pytest.raises(PluginError, match=r"'sick' of sick-plugin 1\.2 .* RuntimeError: no such licence"):
        found.get("scorer", "sick")
    assert [problem.name for problem in found.problems()] == ["sick"]


def test_two_distributions_with_one_name_are_an_error_that_names_both(installed: Path) -> None:
    for number in ("one", "two"):
        make_distribution(
            installed,
            f"twin-{number}",
            f"[phenodose.scorers]\ntwin = twin_{number}:Twin\n",
            SCORER.format(cls="Twin", name="twin", extra=""),
            f"twin_{number}",
        )
    found = look()
    with pytest.raises(PluginError, match=r"twin-one 1\.2 .* and twin-two 1\.2"):
        found.get("scorer", "twin")
    with pytest.raises(PluginError, match=r"scorer 'twin' is offered by 2 distributions"):
        found.refuse_clashes()
    assert "twin" not in found.usable("scorer")
    assert "dss_asym" in found.usable("scorer")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (f"contract = {CONTRACT + 1}", f"contract {CONTRACT + 1}, this phenodose speaks {CONTRACT}"),
        ("name = 'other'", "declares the name 'other' but its entry point says 'odd'"),
        ("version = 3", "does not declare `version`"),
        ("Parameters = dict", "declares `Parameters` as <class 'dict'>"),
        ("def __init__(self): ...", "cannot be made of its parameters alone"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_refused(
    installed: Path, extra: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_distribution(
        installed,
        "odd-plugin",
        "[phenodose.scorers]\nodd = odd_plugin_module:Odd\n",
        SCORER.format(cls="Odd", name="odd", extra=extra),
        "odd_plugin_module",
    )
    monkeypatch.delitem(sys.modules, "odd_plugin_module", raising=False)
    with pytest.raises(PluginError, match=message):
        look().get("scorer", "odd")
    monkeypatch.delitem(sys.modules, "odd_plugin_module", raising=False)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ("None", "does not declare `phases` as a tuple of `Phase`"),
        ("('one',)", "does not declare `phases` as a tuple of `Phase`"),
        ("(P('b', 'screen', 'a', 'controls', 2, True, ''),)", "declares the phase 'b' twice, or before its parent 'a'"),
    ],
)
def test_phases_that_would_break_the_graph_are_refused(
    installed: Path, phases: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"""
        from phenodose.plugins import Phase as P, StagedReadout

        class Net(StagedReadout):
            name, version, description = "net", "1", "For a test"
            phases = {phases}

            def train(self, phase, data, parent, out, progress): ...

            def infer(self, checkpoint, tensors, progress): ...
    """
    make_distribution(
        installed, "odd-net", "[phenodose.readouts]\nnet = odd_net_module:Net\n", module, "odd_net_module"
    )
    monkeypatch.delitem(sys.modules, "odd_net_module", raising=False)
    with pytest.raises(PluginError, match=message):
        look().get("readout", "net")
    monkeypatch.delitem(sys.modules, "odd_net_module", raising=False)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(PluginError, match=r"reader 'fax' is not installed; installed are: .*imagexpress"):
        registry().get("reader", "fax")


def test_wrong_parameters_name_the_field_and_the_choices() -> None:
    with pytest.raises(PluginError, match=r"parameters of dss_asym: amim: .*its parameters are: .*amin"):
        registry().create("scorer", "dss_asym", {"amim": 10})


def test_one_offer_seen_twice_is_no_clash() -> None:
    points = list(metadata.entry_points(group="phenodose.scorers"))
    doubled = Registry([*points, *points])
    assert "dss_asym" in doubled.usable("scorer")


def test_listing_imports_nothing_heavy() -> None:
    script = (
        "import sys; from phenodose.plugins import registry; "
        "assert all(f.status == 'ok' for f in registry().report(load=True)), registry().problems(); "
        "heavy = {'tensorflow', 'keras', 'pandas', 'zarr', 'dagster', 'sklearn', 'matplotlib', 'duckdb'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@scorer("short_form", version="1", description="For a test")
def short_form(curve):
    return curve.top


def test_a_scorer_made_of_a_function_travels_to_other_processes() -> None:
    again = pickle.loads(pickle.dumps(short_form()))
    assert isinstance(again, short_form)
