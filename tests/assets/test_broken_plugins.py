"""Faulty plugins: each is caught, named, and costs the screen its own asset only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.sandbox.write_protection import has_landlock
from phenodose.store.store import Store

sys.path.insert(0, str(Path(__file__).parent))
from broken_distributions import FAULTY, GOOD, TWICE, Made, hashes, install, module_of, other, run, scorer

#: What the sentence on each faulty scorer says; the rest of it names the plugin, the distribution and the way out.
SAYS = {
    "no_import": "fails to import: ModuleNotFoundError",
    "wrong_signature": "has the wrong signature",
    "wrong_columns": "gave the wrong columns",
    "only_nan": "gave NaN everywhere",
    "raises": "raised RuntimeError: two replicates are odd",
    "endless": "takes too long: it was ended after 3 s",
    "huge": "takes too much memory: it was ended at 0.5 GiB",
    "writes": "writes where it must not: it tried to change",
    "writes_natively": "raised PermissionError",
    "changes": "changes its input",
    "twice": "is offered by 2 distributions",
    "other_contract": "contract 99",
    "random": "is not deterministic",
    "dies": "ended its process (signal SIGABRT)",
}
if not has_landlock():
    # Such a kernel lets compiled code write; docs/faulty_plugins.md says so.
    del SAYS["writes_natively"], FAULTY["writes_natively"]
SITE = "[plugin_limits]\nmemory_GiB = 0.5\n[plugin_limits.of.endless]\nseconds = 3\n"


def register(root: Path, write_ctg_screen: Callable[[Path], Path], name: str) -> Store:
    from phenodose.screens.registration import register_screen

    store = Store.open(root / "store")
    register_screen(store, write_ctg_screen(root / "raw" / name))
    (store.root / "site.toml").write_text(SITE, encoding="utf-8")
    return store


@dataclass(frozen=True)
class Spoilt:
    """A screen made with all faulty scorers at once."""

    store: Store
    site: Path
    made: Made


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory, write_ctg_screen: Callable[[Path], Path]) -> Spoilt:
    root = tmp_path_factory.mktemp("spoilt")
    store = register(root, write_ctg_screen, "TST_BAD_DS1")
    site = root / "site"
    site.mkdir()
    for name, module in FAULTY.items():
        install(site, name.replace("_", "-"), {name: "scorers"}, module)
    install(site, "one-twice", {"twice": "scorers"}, TWICE)
    install(site, "other-twice", {"twice": "scorers"}, TWICE)
    install(site, "fine", {"good": "scorers"}, GOOD)
    return Spoilt(store, site, run(store.root, "TST_BAD_DS1", [site]))


@pytest.mark.parametrize("name", SAYS)
def test_a_faulty_scorer_is_caught_and_named(spoilt: Spoilt, name: str) -> None:
    key = f"scores/{name}"
    told = spoilt.made.message[key]
    assert spoilt.made.state[key] == "failed"
    assert spoilt.made.mendable[key]
    assert f"scorer {name!r}" in told
    assert SAYS[name] in told
    assert "ninstall" in told
    distributions = ["one-twice 1.5", "other-twice 1.5"] if name == "twice" else [f"{name.replace('_', '-')} 1.5"]
    assert all(distribution in told for distribution in distributions)
    assert not list((spoilt.store.root / "tables").rglob(f"*{name}*.parquet"))


def test_everything_else_is_made_as_without_them(spoilt: Spoilt, ctg_run: Any) -> None:
    others = {key: state for key, state in spoilt.made.state.items() if key.removeprefix("scores/") not in SAYS}
    assert "failed" not in others.values()
    assert {key for key, state in others.items() if state == "made"} == {*ctg_run.outcome.made, "scores/good"}
    assert others["patient_report"] == "made"


def test_a_good_scorer_of_another_distribution_gives_what_it_computes(spoilt: Spoilt) -> None:
    scores = spoilt.store.read_table("scores", "TST_BAD_DS1", "scores/good")
    curves = spoilt.store.read_table("curves", "TST_BAD_DS1", "curves/ctg")
    assert len(scores) == len(curves) > 0
    both = scores.merge(curves, on=["sample", "readout", "replicate", "drug"])
    fitted = both["model"] > 0
    np.testing.assert_allclose(both.loc[fitted, "score"], both.loc[fitted, "top"])
    assert scores["lower"].notna().any()


def test_a_mended_plugin_makes_its_asset_alone_and_no_other_file_changes(spoilt: Spoilt) -> None:
    (spoilt.site / f"{module_of('only-nan')}.py").write_text(
        scorer("only_nan", "return np.where(curves.fitted, curves.top, np.nan)"), encoding="utf-8"
    )
    before = hashes(spoilt.store.root)
    keys = [f"scores/{name}" for name in ("only_nan", "writes", "writes_natively", "changes")]
    again = run(spoilt.store.root, "TST_BAD_DS1", [spoilt.site], select=",".join(keys))
    assert again.state == {key: "made" if key == "scores/only_nan" else "failed" for key in keys}
    after = hashes(spoilt.store.root)
    assert {name: after.get(name) for name in before} == before
    assert all("only_nan" in name for name in after.keys() - before.keys())
    assert spoilt.store.read_table("scores", "TST_BAD_DS1", "scores/only_nan")["score"].notna().any()


def test_a_scorer_that_fails_on_one_screen_scores_the_others(
    spoilt: Spoilt, tmp_path: Path, write_ctg_screen: Callable[..., Path]
) -> None:
    from phenodose.screens.registration import register_screen

    register_screen(spoilt.store, write_ctg_screen(tmp_path / "TST_FINE_DS1", plates=1))
    made = run(spoilt.store.root, "TST_FINE_DS1", [spoilt.site], select="layout,viability/ctg,curves/ctg,scores/raises")
    assert made.state["scores/raises"] == "made"


def test_a_faulty_readout_costs_its_own_branch_only(tmp_path: Path, write_ctg_screen: Callable[[Path], Path]) -> None:
    store = register(tmp_path, write_ctg_screen, "TST_RO_DS1")
    site = tmp_path / "site"
    site.mkdir()
    module = other("PlateReaderReadout", "half", "measure(self, matrices)", "return matrices[['plate', 'value']]")
    install(site, "half-readout", {"half": "readouts"}, module)
    select = "layout,viability/ctg,viability/half,curves/ctg,curves/half,scores/dss_asym"
    made = run(store.root, "TST_RO_DS1", [site], select=select)
    assert made.state["viability/half"] == "failed"
    assert "readout 'half' of half-readout 1.5" in made.message["viability/half"]
    assert "row, column, raw missing among plate, value" in made.message["viability/half"]
    assert made.state["scores/dss_asym"] == "made"
    assert "curves/half" not in made.state
