"""Ten scorers more: the graph, the tables, the cohort database and the report take them all.

Each is a process; `make test` sees the same with two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from phenodose.plugins import registry
from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose_assets.run import Graph, materialize_screen

sys.path.insert(0, str(Path(__file__).parent))
from broken_distributions import install, scorer

SCREEN = "TST_TEN_DS1"


@pytest.fixture(scope="module", params=[2, pytest.param(10, marks=pytest.mark.slow)])
def names(request: pytest.FixtureRequest) -> list[str]:
    """The scorers of other distributions."""
    return [f"extra_{number}" for number in range(request.param)]


@pytest.fixture(scope="module")
def store(
    names: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    write_ctg_screen: Callable[[Path], Path],
    instance: dg.DagsterInstance,
    site_of: Callable[..., str],
) -> Store:
    root = tmp_path_factory.mktemp("ten")
    site = root / "site"
    site.mkdir()
    for number, name in enumerate(names):
        body = f"return np.where(curves.fitted, {number} + curves.top, np.nan)"
        install(site, name.replace("_", "-"), {name: "scorers"}, scorer(name, body))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        registry.cache_clear()
        store = Store.open(root / "store")
        store.root.mkdir()
        plugins = ("readout:ctg", "scorer:dss_asym", *(f"scorer:{name}" for name in names))
        (store.root / "site.toml").write_text(site_of(*plugins))
        folder = write_ctg_screen(root / "raw" / SCREEN)
        (folder / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n")
        register_screen(store, folder)
        keys = [f"scores/{name}" for name in names]
        graph = Graph(store)
        assert set(keys) <= {key.to_user_string() for key in graph.definitions.resolve_all_asset_keys()}
        select = ",".join(["layout", "viability/ctg", "curves/ctg", *keys, "scores/dss_asym", "patient_report"])
        outcome = materialize_screen(store, SCREEN, select=select, instance=instance, graph=graph)
        assert set(keys) <= set(outcome.made)
    registry.cache_clear()
    return store


def test_every_scorer_has_its_rows_with_intervals(store: Store, names: list[str]) -> None:
    scores = store.read_table("scores", SCREEN)
    ours = scores[scores["scorer"] == "dss_asym"]
    for number, name in enumerate(names):
        rows = scores[scores["scorer"] == name]
        assert len(rows) == len(ours) > 0
        assert rows["score"].between(number - 0.5, number + 1.5).all()
        assert (rows["lower"] <= rows["upper"]).all()


def test_the_cohort_database_holds_every_scorer(store: Store, names: list[str]) -> None:
    from phenodose.cohort.build import rebuild_cohort
    from phenodose.cohort.query import query

    rebuild_cohort(store)
    found = query(store, "SELECT DISTINCT scorer FROM scores", row_limit=None).table.to_pylist()
    assert set(names) <= {row["scorer"] for row in found}


def test_the_report_shows_every_scorer(store: Store, names: list[str]) -> None:
    text = store.report_path(SCREEN).read_text(encoding="utf-8")
    assert [name for name in names if name not in text] == []
