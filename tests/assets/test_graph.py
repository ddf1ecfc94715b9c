"""The graph: keys and groups are a contract, and it is built from the plugins that are installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from phenodose.errors import InputError
from phenodose.plugins import PluginChoices, Registry, registry
from phenodose.store.store import Store
from phenodose_assets.build import build_definitions, screen_assets
from phenodose_assets.run import selected_keys

GROUPS = {
    "ingest": {"layout", "drugs", "plate_images"},
    "tensors": {"pseudo_rgb"},
    "models": {"checkpoint/cnn/phase1", "checkpoint/cnn/phase2", "checkpoint/cnn/phase3"},
    "readouts": {
        "viability/ctg",
        "viability/mean_of_stack",
        "viability/cnn_phase2",
        "viability/cnn_phase3",
        "viability/features",
        "viability/spheroid_area",
    },
    "phenotypes": {"embedding/tsne", "embedding/pca", "embedding/umap", "embedding/shared", "phenotypes"},
    "reports": {"patient_report"},
    "cohort": {"cohort_db", "cohort_report"},
}
CURVES = {
    f"curves/{name}" for name in ("ctg", "mean_of_stack", "cnn_phase2", "cnn_phase3", "features", "spheroid_area")
}

SCORER = """
    from phenodose.plugins import Scorer

    class Top(Scorer):
        name = "top"
        version = "7"
        description = "Upper asymptote"

        def score(self, curves):
            return curves.top
"""


def install(folder: Path, name: str, entry_points: str, module: str = "") -> None:
    """A real installed distribution on a path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
    (folder / f"{name}.py").write_text(textwrap.dedent(module))


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    return build_definitions(store="store").resolve_asset_graph()


def keys_of(graph: dg.AssetGraph, group: str) -> set[str]:
    keys = [key for key in graph.materializable_asset_keys if str(graph.get(key).group_name).split("/")[0] == group]
    return {key.to_user_string() for key in keys}


@pytest.mark.parametrize("group", GROUPS)
def test_keys_of_a_group(graph: dg.AssetGraph, group: str) -> None:
    assert keys_of(graph, group) == GROUPS[group]


def test_scores_are_curves_of_every_readout_and_every_installed_scorer(graph: dg.AssetGraph) -> None:
    scorers = {f"scores/{name}" for name in registry().names("scorer")}
    assert "scores/dss_asym" in scorers
    assert keys_of(graph, "scores") == CURVES | scorers | {"reachable_effects", "targets"}


def test_a_person_sees_at_most_forty_nodes_however_deep_they_look(graph: dg.AssetGraph) -> None:
    """The UI shows a group as one node until somebody opens it, and so the groups within it."""
    paths = [str(graph.get(key).group_name).split("/") for key in graph.get_all_asset_keys()]

    def shown(opened: list[str]) -> int:
        """Nodes of the graph where this group is open, and with it those that it lies in."""
        closed = {tuple(path[:depth]) for path in paths for depth in range(1, len(path) + 1)}
        closed = {one for one in closed if list(one) != opened[: len(one)] and list(one[:-1]) == opened[: len(one) - 1]}
        return len(closed) + sum(path == opened[: len(path)] for path in paths)

    assert shown([]) <= 12
    for path in paths:
        assert shown(path) <= 40, path


def test_every_asset_has_one_partition_a_screen_save_the_cohort(graph: dg.AssetGraph) -> None:
    for key in graph.materializable_asset_keys:
        partitions = graph.get(key).partitions_def
        if graph.get(key).group_name == "cohort":
            assert partitions is None
        else:
            assert isinstance(partitions, dg.DynamicPartitionsDefinition)
            assert partitions.name == "screen"


def test_what_is_used_by_choice_is_in_the_graph_where_the_site_enables_it() -> None:
    by_key = {asset.key: asset for asset in screen_assets(Registry(choices=PluginChoices(enable=("readout:rescue",))))}
    assert by_key["viability/rescue"].needs == ("layout", "pseudo_rgb", "viability/features")
    assert by_key["viability/rescue"].any_of == ("viability/ctg",)
    assert "curves/rescue" in by_key
    assert not any("rescue" in asset.key for asset in screen_assets(Registry()))


def test_who_selects_what_is_used_by_choice_is_told_the_line_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"used by choice; write \[plugins\] enable = \['readout:rescue'\]"):
        selected_keys(Store.open(tmp_path / "store"), "layout,viability/rescue")


def test_lineage_edges(graph: dg.AssetGraph) -> None:
    def parents(key: str) -> set[str]:
        made = graph.get(dg.AssetKey(key.split("/"))).parent_keys & graph.materializable_asset_keys
        return {parent.to_user_string() for parent in made}

    assert parents("viability/ctg") == {"layout"}
    assert parents("viability/mean_of_stack") == {"layout", "plate_images"}
    assert parents("viability/spheroid_area") == {"layout", "plate_images"}
    assert parents("viability/features") == {"layout", "pseudo_rgb"}
    assert parents("checkpoint/cnn/phase3") == {"layout", "pseudo_rgb", "checkpoint/cnn/phase2"}
    assert parents("viability/cnn_phase3") == {"layout", "pseudo_rgb", "checkpoint/cnn/phase3"}
    assert parents("embedding/tsne") == {
        "layout",
        "drugs",
        "viability/cnn_phase2",
        "viability/cnn_phase3",
        "viability/features",
    }
    assert parents("embedding/shared") == {"layout", "drugs", "pseudo_rgb", "checkpoint/cnn/phase1"}
    assert parents("curves/ctg") == {"layout", "viability/ctg"}
    assert parents("scores/dss_asym") == {"layout"} | CURVES
    assert parents("drugs") == {"layout"}
    assert parents("reachable_effects") == {"layout"} | CURVES
    shown = {"scores/dss_asym", "curves/ctg", "viability/ctg", "embedding/tsne", "drugs", "reachable_effects"}
    assert shown <= parents("patient_report")
    assert {"scores/dss_asym", "checkpoint/cnn/phase1", "layout", "plate_images"} <= parents("cohort_db")


def test_every_asset_says_what_it_is_and_who_owns_it(graph: dg.AssetGraph) -> None:
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key


def test_a_third_party_scorer_becomes_an_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "toppings", "[phenodose.scorers]\ntop = toppings:Top\n", SCORER)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {asset.key: asset for asset in screen_assets(Registry())}
    assert found["scores/top"].code_version == "7"
    assert set(found["scores/top"].any_of) == CURVES


def test_a_broken_plugin_is_named_and_the_others_make_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "shambles", "[phenodose.scorers]\nshambles = shambles:Missing\n", "1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {asset.key: asset for asset in screen_assets(Registry())}
    assert "ZeroDivisionError" in found["scores/shambles"].description
    assert "scores/shambles" not in found["patient_report"].any_of
    assert "scores/dss_asym" in found
    assert "shambles" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_plugins_that_clash_or_have_odd_names_do_not_break_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"First": "top-dose", "Second": "top_dose", "Third": "top dose"}
    module = "".join(SCORER.replace("Top", cls).replace('"top"', f'"{name}"') for cls, name in names.items())
    points = "\n".join(f"{name} = odd:{cls}" for cls, name in names.items())
    install(tmp_path, "odd", f"[phenodose.scorers]\n{points}\n", module)
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = {
        key.to_user_string() for key in build_definitions(store="store", plugins=Registry()).resolve_all_asset_keys()
    }
    assert {key for key in keys if "dose" in key} == {"scores/top-dose"}
    assert "'scores/top_dose'" in caplog.text
    assert "'scores/top dose'" in caplog.text


def test_the_code_location_loads_without_heavy_libraries() -> None:
    code = (
        "import sys, json; from phenodose_assets.definitions import defs; "
        "print(json.dumps([m for m in ('tensorflow', 'keras', 'torch', 'pandas', 'zarr', 'matplotlib', 'sklearn') "
        "if m in sys.modules]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == []
    assert told.stderr == ""


def test_sensors_are_on_from_the_start() -> None:
    definitions = build_definitions(store="store")
    for name in ("new_screens", "cohort_follows_screens"):
        assert definitions.resolve_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING


def test_two_stores_of_one_process_have_the_graphs_that_their_own_sites_choose(tmp_path: Path) -> None:
    for store, scorer in (("one", "auc"), ("two", "emax")):
        (tmp_path / store).mkdir()
        (tmp_path / store / "site.toml").write_text(f'[plugins]\ndisable = ["scorer:{scorer}"]\n', encoding="utf-8")

    def scored(store: Store) -> tuple[set[str], set[str]]:
        keys = {key.to_user_string() for key in build_definitions(store=store).resolve_all_asset_keys()}
        both = {"scores/auc", "scores/emax"}
        return keys & both, selected_keys(store, None) & both

    one, two = Store.open(tmp_path / "one"), Store.open(tmp_path / "two")
    for _ in range(2):
        assert scored(one) == ({"scores/emax"}, {"scores/emax"})
        assert scored(two) == ({"scores/auc"}, {"scores/auc"})
    with pytest.raises(InputError, match="names no asset of a screen"):
        selected_keys(one, "scores/auc")


def test_a_site_may_do_without_any_scorer(site_of: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(site_of("readout:ctg"))
    keys = {key.to_user_string() for key in build_definitions(store=Store.open(tmp_path)).resolve_all_asset_keys()}
    assert {"viability/ctg", "curves/ctg", "reachable_effects"} <= keys
    assert not any(key.startswith("scores/") for key in keys)


def test_the_project_stands_on_names_that_dagster_documents() -> None:
    root = Path(__file__).parents[2]
    private = re.compile(r"\bdagster\._")
    # Dagster documents how its executors are used and not how one is made; its own packages for clusters stand on the
    # same names.
    executors = (root / "assets/phenodose_assets/executors", root / "tests/assets/executors")
    code = [
        path
        for top in ("platform", "assets", "plugins", "tests", "benchmarks", "examples")
        for path in (root / top).rglob("*.py")
    ]
    assert len(code) > 100
    assert [
        str(path)
        for path in code
        if path != Path(__file__)
        and not path.is_relative_to(executors[0])
        and not path.is_relative_to(executors[1])
        and private.search(path.read_text(encoding="utf-8"))
    ] == []
