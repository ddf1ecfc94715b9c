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
from phenodose.screens.registration import register_screen
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
#: Left to `make test-slow`: a fault that costs a process, or two, and is seen elsewhere.
ELSEWHERE = {
    "no_import": "tests/platform/sandbox/test_import_trials.py",
    "other_contract": "tests/platform/plugins/test_registry.py",
    "endless": "tests/assets/test_broken_plugins_of_images.py, by a network",
    "dies": "tests/assets/test_broken_plugins_of_images.py, by a reader",
    "twice": "tests/platform/plugins/test_registry.py",
    "huge": "tests/platform/sandbox/test_worker.py",
    "wrong_signature": "tests/platform/plugins/test_isolated_calls.py",
    "wrong_columns": "tests/platform/plugins/test_isolated_calls.py",
    "changes": "tests/platform/plugins/test_isolated_calls.py",
    "random": "tests/platform/plugins/test_isolated_calls.py",
}
if not has_landlock():
    # Such a kernel lets compiled code write; docs/faulty_plugins.md says so.
    del SAYS["writes_natively"], FAULTY["writes_natively"]
SITE = "[plugin_limits]\nmemory_GiB = 0.5\n[plugin_limits.of.endless]\nseconds = 3\n"
#: Built-in plugins that stay beside the faulty ones.
KEPT = ("readout:ctg", "scorer:dss_asym", "scorer:emax")


BAD, FINE = "TST_BAD_DS1", "TST_FINE_DS1"
#: What is made of each screen in one run of a process; None is everything.
SELECTED: dict[str, str | None] = {BAD: None, FINE: "layout,viability/ctg,curves/ctg,scores/raises"}


@dataclass(frozen=True)
class Spoilt:
    """A screen made with all faulty plugins that are asked about; one of them works in another screen."""

    names: frozenset[str]
    store: Store
    site: Path
    made: Made
    fine: Made


@pytest.fixture(scope="module")
def spoilt(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_ctg_screen: Callable[..., Path],
    site_of: Callable[..., str],
) -> Spoilt:
    of_this_file = [test for test in request.session.items if test.path == request.path and hasattr(test, "callspec")]
    # `raises` is asked of the screen in which it works, whichever others are asked about.
    asked = {test.callspec.params["name"] for test in of_this_file} or set(SAYS) - set(ELSEWHERE)
    names = frozenset({"raises", *asked})
    root = tmp_path_factory.mktemp("spoilt")
    store = Store.open(root / "store")
    for screen, plates in ((BAD, 2), (FINE, 1)):
        folder = write_ctg_screen(root / "raw" / screen, plates=plates)
        (folder / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n", encoding="utf-8")
        register_screen(store, folder)
    (store.root / "site.toml").write_text(site_of(*KEPT) + SITE, encoding="utf-8")
    site = root / "site"
    site.mkdir()
    for name in sorted(names & FAULTY.keys()):
        install(site, name.replace("_", "-"), {name: "scorers"}, FAULTY[name])
    if "twice" in names:
        install(site, "one-twice", {"twice": "scorers"}, TWICE)
        install(site, "other-twice", {"twice": "scorers"}, TWICE)
    install(site, "fine", {"good": "scorers"}, GOOD)
    half = other("PlateReaderReadout", "half", "measure(self, matrices)", "return matrices[['plate', 'value']]")
    install(site, "half-readout", {"half": "readouts"}, half)
    made = run(store.root, SELECTED, [site])
    return Spoilt(names, store, site, made[BAD], made[FINE])


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in ELSEWHERE else []) for n in SAYS])
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
    written = (spoilt.store.root / "tables").rglob(f"screen={BAD}/*{name}*.parquet")
    assert {path.parts[-3] for path in written} == {"not_made"}
    assert set(spoilt.store.read_table("not_made", BAD, key)["reason"]) == {told}


def test_everything_else_is_made_as_without_them(spoilt: Spoilt, ctg_run: Any) -> None:
    faulty = {*(f"scores/{name}" for name in spoilt.names), "viability/half"}
    others = {key: state for key, state in spoilt.made.state.items() if key not in faulty}
    assert "failed" not in others.values()
    without = {key for key in ctg_run.outcome.made if not key.startswith("scores/")}
    kept = {f"scores/{name}" for name in ("dss_asym", "emax", "good")}
    assert {key for key, state in others.items() if state == "made"} == without | kept
    assert others["patient_report"] == "made"


def test_a_good_scorer_of_another_distribution_gives_what_it_computes(spoilt: Spoilt) -> None:
    scores = spoilt.store.read_table("scores", BAD, "scores/good")
    curves = spoilt.store.read_table("curves", BAD, "curves/ctg")
    assert len(scores) == len(curves) > 0
    both = scores.merge(curves, on=["sample", "readout", "replicate", "drug"])
    fitted = both["model"] > 0
    np.testing.assert_allclose(both.loc[fitted, "score"], both.loc[fitted, "top"])
    assert scores["lower"].notna().any()


def test_a_mended_plugin_makes_its_asset_alone_and_no_other_file_changes(spoilt: Spoilt) -> None:
    (spoilt.site / f"{module_of('only-nan')}.py").write_text(
        scorer("only_nan", "return np.where(curves.fitted, curves.top, np.nan)"), encoding="utf-8"
    )

    def made() -> dict[str, str]:
        return {name: value for name, value in hashes(spoilt.store.root).items() if "not_made" not in name}

    before = made()
    keys = ["scores/only_nan", "scores/writes"]
    again = run(spoilt.store.root, {BAD: ",".join(keys)}, [spoilt.site])[BAD]
    assert again.state == {key: "made" if key == "scores/only_nan" else "failed" for key in keys}
    after = made()
    assert {name: after.get(name) for name in before} == before
    assert all("only_nan" in name for name in after.keys() - before.keys())
    assert spoilt.store.read_table("scores", BAD, "scores/only_nan")["score"].notna().any()
    assert set(spoilt.store.read_table("not_made", BAD)["asset"]) & set(keys) == set(keys[1:])


def test_a_scorer_that_fails_on_one_screen_scores_the_others(spoilt: Spoilt) -> None:
    assert spoilt.made.state["scores/raises"] == "failed"
    assert spoilt.fine.state["scores/raises"] == "made"


def test_a_faulty_readout_costs_its_own_branch_only(spoilt: Spoilt) -> None:
    assert spoilt.made.state["viability/half"] == "failed"
    assert "readout 'half' of half-readout 1.5" in spoilt.made.message["viability/half"]
    assert "row, column, raw missing among plate, value" in spoilt.made.message["viability/half"]
    assert spoilt.made.state["scores/dss_asym"] == "made"
    assert "curves/half" not in spoilt.made.state
