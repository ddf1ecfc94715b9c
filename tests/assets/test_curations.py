"""Excluding and restoring wells changes what it should in viability, curves and scores, and nothing else.

Steps are made one after the other, without a run of the graph.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.lineage.freshness import changes_since
from phenodose.lineage.link import Link
from phenodose.lineage.record import Made, content_version, record_step, versions_now
from phenodose.lineage.trace import why
from phenodose.lineage.verify_store import verify_store
from phenodose.pipeline.context import Context
from phenodose.pipeline.verdict import ScreenJudge, verdict_of
from phenodose.plugins import no_progress, registry
from phenodose.reports.patient import render_report
from phenodose.screens.decide import decide
from phenodose.screens.external_inputs import CURATIONS, look_at
from phenodose.screens.remove_screen import held_by
from phenodose.store.store import Store
from phenodose_assets.build import screen_assets
from phenodose_assets.external import CURATIONS as IN_THE_GRAPH
from phenodose_assets.graph.screen_asset import ScreenAsset

SCREEN = "TST_V1_DS1"
STEPS = ("viability/ctg", "curves/ctg", "scores/dss_asym")
TABLES = ("viability", "qc", "curves", "scores")
#: What tells of the run alone.
OF_THE_RUN = ["run_id"]


@pytest.fixture(scope="session")
def assets() -> dict[str, ScreenAsset]:
    return {asset.key: asset for asset in screen_assets(registry())}


class Lab:
    """A metabolic screen in a store, and its steps."""

    def __init__(self, folder: Path, assets: dict[str, ScreenAsset]) -> None:
        self.store, self.raw, self.assets = Store.open(folder / "store"), folder / SCREEN, assets
        self.store.register(SCREEN, self.raw)

    def make(self, *keys: str) -> list[str]:
        """Make steps as the graph does; their notes."""
        notes: list[str] = []
        for key in keys or STEPS:
            asset = self.assets[key]
            settings = {name: frozenset(model.model_fields) for name, model in asset.settings}
            log = logging.getLogger(__name__)
            step = Context(key, SCREEN, "r", self.store, lambda: self.raw, {}, settings, log, no_progress)
            made_from = versions_now(step, (*asset.needs, *asset.any_of), asset.external)
            result, now = asset.make(step), datetime.now(UTC)
            written = [one for one in asset.tables if self.store.table_part(one[0], SCREEN, one[1]).is_file()]
            made = Made(content_version(step, written, result.inputs), made_from, written)
            record_step(step, now, now, result.plugin, result.inputs, result.notes, made)
            notes += result.notes
        return notes

    def numbers(self) -> dict[str, pd.DataFrame]:
        return {name: self.store.read_table(name, SCREEN).drop(columns=OF_THE_RUN) for name in TABLES}

    def decide(self, action: str, *texts: str, because: str = "lint", by: str = "A. Doe", **more: str) -> None:
        decide(self.store, SCREEN, action, texts, because=because, by=by, **more)  # type: ignore[arg-type]

    def stale(self) -> list[str]:
        return [change.sentence for change in changes_since(self.store, SCREEN)]


@pytest.fixture(scope="module")
def made_once_here(
    tmp_path_factory: pytest.TempPathFactory,
    write_ctg_screen: Callable[[Path], Path],
    assets: dict[str, ScreenAsset],
) -> Path:
    """Folder of a screen and a store in which it is made; for copying only."""
    folder = tmp_path_factory.mktemp("made")
    raw = write_ctg_screen(folder / SCREEN)
    (raw / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n")
    Lab(folder, assets).make("layout", *STEPS)
    return folder


@pytest.fixture
def lab(tmp_path: Path, made_once_here: Path, assets: dict[str, ScreenAsset]) -> Lab:
    return Lab(shutil.copytree(made_once_here, tmp_path / "lab"), assets)


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> bool:
    return all(one[name].equals(other[name]) for name in TABLES)


def test_a_well_changes_its_drug_and_nothing_else_and_restored_all_numbers_are_as_before(lab: Lab) -> None:
    before = lab.numbers()
    lab.decide("exclude", "P1/D07")
    assert lab.stale() == [
        "`viability/ctg` is older than decision 1 (P1/D07 excluded by A. Doe: lint), and with it `curves/ctg`, "
        f"`scores/dss_asym`; make them again with `phenodose run {SCREEN} --stale`."
    ]
    assert "older than decision 1" in verdict_of(lab.store, SCREEN).words
    assert any("excluded by decision 1 (A. Doe): lint" in note for note in lab.make())
    assert lab.stale() == []
    out = lab.numbers()
    well = out["viability"].set_index(["plate", "well"]).loc[("P1", "D07")]
    assert well["masked"]
    assert pd.isna(well["viability_fraction"])
    assert well["raw"] == before["viability"].set_index(["plate", "well"]).loc[("P1", "D07"), "raw"]
    others = ~(out["viability"]["plate"].eq("P1") & out["viability"]["well"].eq("D07"))
    assert out["viability"][others].equals(before["viability"][others])
    for name, columns in (
        ("curves", ["model", "bottom", "top", "log10_mid", "slope", "n_points"]),
        ("scores", ["score"]),
    ):
        rest = out[name]["drug"] != "Potent"
        # The width of intervals is learned from the wells of all drugs together.
        assert out[name].loc[rest, columns].equals(before[name].loc[rest, columns])
    curve = out["curves"].set_index(["drug", "replicate"])
    assert curve.loc[("Potent", "pooled"), "n_points"] == 9
    assert curve.loc[("Potent", "2"), "n_points"] == 5
    lab.decide("restore", "P1/D07", because="it was on the lid", by="B. Roe")
    assert "older than decision 2 (P1/D07 restored by B. Roe: it was on the lid)" in lab.stale()[0]
    lab.make()
    assert lab.stale() == []
    assert same(lab.numbers(), before), "bit for bit"


def test_restored_before_anything_was_made_nothing_is_older(lab: Lab) -> None:
    lab.decide("exclude", "P1/D07")
    lab.decide("restore", "1")
    assert lab.stale() == []


def test_a_control_well_counts_in_no_median(lab: Lab) -> None:
    before = lab.numbers()["viability"]
    lab.decide("exclude", "P1/B02-D02")
    lab.make("viability/ctg")
    now = lab.numbers()["viability"]
    kept = now[(now["plate"] == "P1") & (now["control"] == "negative") & ~now["masked"]]
    assert kept["raw"].median() != before[(before["plate"] == "P1") & (before["control"] == "negative")]["raw"].median()
    assert len(kept) == 7
    positive = now[(now["plate"] == "P1") & (now["control"] == "positive")]["raw"].median()
    well = now.set_index(["plate", "well"]).loc[("P1", "D05")]
    assert well["viability_fraction"] == (well["raw"] - positive) / (kept["raw"].median() - positive)
    assert now[now["plate"] == "P2"].equals(before[before["plate"] == "P2"])


def test_a_drug_has_no_score_and_a_replicate_none_of_its_own(lab: Lab) -> None:
    lab.decide("exclude", "drug:Weak", because="wrong stock")
    lab.decide("exclude", "replicate:2", because="read late")
    lab.make()
    scores = lab.numbers()["scores"].set_index(["drug", "replicate"])["score"]
    assert pd.isna(scores.get(("Weak", "pooled")))
    assert ("Potent", "2") not in scores.dropna().index
    assert scores[("Potent", "pooled")] == pytest.approx(scores[("Potent", "1")])
    lab.decide("restore", "1", "2")
    lab.make()
    assert not pd.isna(lab.numbers()["scores"].set_index(["drug", "replicate"])["score"][("Weak", "pooled")])


def links(chains: list[Link], name: str) -> list[Link]:
    return [link for chain in chains for link in chain.every() if link.what == name]


def test_exclusion_and_restoration_are_both_in_why_of_the_drug_and_of_what_the_control_served(lab: Lab) -> None:
    lab.decide("exclude", "P1/D07", "P1/B02")
    lab.decide("restore", "1", because="on the lid", by="B. Roe")
    name = "decisions on these wells and their controls"
    rows = links(why(lab.store, SCREEN, "Potent"), name)[0].rows
    assert [(row["decision"], row["action"], row["what"]) for row in rows] == [
        (1, "exclude", "P1/D07"),
        (2, "exclude", "P1/B02"),
        (3, "restore", "P1/D07"),
    ]
    assert rows[0]["undone"].startswith("by B. Roe, ")
    assert (rows[2]["by"], rows[2]["because"]) == ("B. Roe", "on the lid")
    assert [row["decision"] for row in links(why(lab.store, SCREEN, "Weak"), name)[0].rows] == [2]


def test_the_report_lists_decisions_and_gives_a_command_for_flagged_wells(lab: Lab) -> None:
    rows = lab.store.read_table("viability", SCREEN, "viability/ctg")
    rows.loc[rows["well"].eq("D07") & rows["plate"].eq("P1"), ["flag", "flag_reason"]] = ["unlike", "its replicate"]
    lab.store.write_table("viability", SCREEN, "viability/ctg", rows)
    lab.decide("exclude", "P2/D07", because="lint <b>", by="A. Doe")
    page = render_report(lab.store, SCREEN)
    assert f"phenodose curate {SCREEN} exclude P1/D07 --readout ctg --because &#39;flagged unlike&#39;" in page
    assert "lint &lt;b&gt;" in page
    assert "older than decision 1" in page


def test_sql_has_the_decisions_and_what_is_older(lab: Lab) -> None:
    rebuild_cohort(lab.store, judge=ScreenJudge(lab.store))
    assert query(lab.store, "SELECT count(*) AS n FROM curations").table.to_pylist() == [{"n": 0}]
    lab.decide("exclude", "P1/D07")
    rebuild_cohort(lab.store, judge=ScreenJudge(lab.store))
    (row,) = query(lab.store, "SELECT number, what, decided_by, because, undone_at FROM curations").table.to_pylist()
    assert row == {"number": 1, "what": "P1/D07", "decided_by": "A. Doe", "because": "lint", "undone_at": None}
    (screen,) = query(lab.store, "SELECT stale, verdict_reason FROM screens").table.to_pylist()
    assert "older than decision 1" in screen["stale"]
    assert "older than decision 1" in screen["verdict_reason"]
    assert any("curations" in str(held.path) for held in held_by(lab.store, SCREEN)), "a removal takes it along"


def test_the_graph_sees_decisions_as_an_input_of_viability_alone(lab: Lab) -> None:
    reading = {key for key, asset in lab.assets.items() if IN_THE_GRAPH in asset.external}
    assert reading == {key for key in lab.assets if key.startswith("viability/")}
    versions = []
    for act in (lambda: None, lambda: lab.decide("exclude", "plate:P2"), lambda: lab.decide("restore", "P2/D07")):
        act()
        found = look_at(lab.raw, lab.store, [CURATIONS])
        versions.append(found[CURATIONS][0] if found else None)
    assert versions[0] is None, "screens on which nothing was decided have no such input"
    assert len(set(versions)) == 3


def test_a_correction_of_the_plate_leaves_the_well_out_too(lab: Lab) -> None:
    (lab.raw / "screen.toml").write_text('[parameters.viability]\ncorrection = "b_score"\n')
    lab.decide("exclude", "P1/D07", readout="ctg")
    lab.make("viability/ctg")
    rows = lab.store.read_table("viability", SCREEN).set_index(["readout", "plate", "well"])
    assert rows.loc[("ctg_corrected", "P1", "D07"), "mask_reason"] == "excluded by decision 1 (A. Doe): lint"
    assert rows.loc[("ctg_corrected", "P1", "D07"), "masked"]
    assert not rows.loc[("ctg_corrected", "P2", "D07"), "masked"]


def test_a_record_of_decisions_that_is_lost_is_told(lab: Lab) -> None:
    lab.decide("exclude", "P1/D07")
    lab.make("viability/ctg")
    lab.store.drop_table_part("curations", SCREEN, "decisions")
    (sentence,) = (said for said in lab.stale() if "decisions.parquet" in said)
    assert "decisions.parquet is gone or older than `viability/ctg`, which heeded decisions up to 1" in sentence
    assert sentence in verify_store(lab.store).faults


def test_a_whole_plate_can_go(lab: Lab) -> None:
    before = lab.numbers()["viability"]
    lab.decide("exclude", "plate:P2", because="edge of the incubator")
    lab.make("viability/ctg")
    now = lab.numbers()["viability"]
    assert now[now["plate"] == "P2"]["masked"].all()
    assert now[now["plate"] == "P1"].equals(before[before["plate"] == "P1"])
