"""What is older than its inputs is told with the input's name, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.io.files import hash_file
from phenodose.lineage.freshness import changes_since
from phenodose.lineage.record import Made, content_version, record_step, versions_now
from phenodose.pipeline.verdict import ScreenJudge
from phenodose.plugins import registry
from phenodose.reports.patient import render_report
from phenodose.screens.external_inputs import CONTROLS, LAYOUT_FILE, QUALITY, readings
from phenodose.screens.overview import listed_screens
from phenodose.screens.screen import Screen
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose.viewer.plates import ScreenPlates

SCREEN = "TST_V1_DS1"
DRUGS, VIABILITY = ("drugs", "layout"), ("qc", "viability/ctg")


class Lab:
    """A screen whose steps are recorded as the graph does it; what they make is one row each."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder / "store")
        self.raw = folder / SCREEN
        (self.raw / "ctg").mkdir(parents=True)
        self.layout, self.readings = self.raw / "layout.csv", self.raw / "ctg" / f"{SCREEN}_P1.csv"
        self.layout.write_text("first")
        self.readings.write_text("1,2")
        self.store.register(SCREEN, self.raw)

    def make(self, asset: str, needs: tuple[str, ...], external: tuple[Any, ...], table: Any, value: str) -> None:
        step: Any = SimpleNamespace(
            store=self.store, screen_id=SCREEN, run_id="r", asset=asset, screen=Screen.load(self.raw)
        )
        made_from = versions_now(step, needs, external)
        name, part = table
        rows = {
            "drugs": {"screen": SCREEN, "drug": value, "run_id": "r"},
            "qc": {
                "screen": SCREEN, "sample": "TST", "plate": "P1", "readout": "ctg", "metric": value, "verdict": "pass",
                "threshold_from": "default", "explanation": "", "run_id": "r", "plugin": "ctg", "plugin_version": "1",
                "parameters": "{}",
            },
        }  # fmt: skip
        self.store.write_table(name, SCREEN, part, TABLES[name].frame([rows[name]]))
        now = datetime(2026, 1, 1, tzinfo=UTC)
        made = Made(content_version(step, [table], {}), made_from, [table])
        record_step(step, now, now, None, {self.layout.name: "x"} if asset == "layout" else {}, (), made)

    def make_layout(self, value: str = "A") -> None:
        self.make("layout", (), (LAYOUT_FILE,), DRUGS, value)

    def make_viability(self, value: str = "z") -> None:
        self.make("viability/ctg", ("layout",), (readings("ctg"), CONTROLS, QUALITY), VIABILITY, value)

    def sentences(self) -> list[str]:
        return [change.sentence for change in changes_since(self.store, SCREEN)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.make_layout()
    made.make_viability()
    return made


def test_nothing_is_said_where_all_fits(lab: Lab) -> None:
    assert lab.sentences() == []
    lab.make_layout()
    assert lab.sentences() == [], "made again with the same result"


def test_a_changed_layout_file_is_told_with_all_that_comes_after(lab: Lab) -> None:
    lab.layout.write_text("second")
    assert lab.sentences() == [
        "`layout` is older than the layout file layout.csv, changed since, and with it `viability/ctg`; make them "
        "again with `phenodose run TST_V1_DS1`."
    ]


def test_a_step_that_was_made_again_alone_is_told(lab: Lab) -> None:
    lab.layout.write_text("second")
    lab.make_layout("B")
    assert lab.sentences() == [
        "`viability/ctg` is older than `layout` (layout.csv), changed since; make it again with `phenodose run "
        "TST_V1_DS1`."
    ]
    lab.make_viability()
    assert lab.sentences() == []


def test_changed_readings_and_settings_are_told(lab: Lab) -> None:
    lab.readings.write_text("1,3")
    assert "`viability/ctg` is older than the plate-reader files of ctg" in lab.sentences()[0]
    lab.readings.write_text("1,2")
    (lab.raw / "screen.toml").write_text('[controls.ctg]\nnegative = ["DMSO"]\n')
    assert "`viability/ctg` is older than [controls] of screen.toml, changed since" in lab.sentences()[0]
    (lab.raw / "screen.toml").write_text("")
    (lab.store.root / "site.toml").write_text("[quality]\nzprime_robust = { poor = 0.1 }\n")
    assert "[quality] and [wells] of screen.toml and of the store's site.toml, changed since" in lab.sentences()[0]


def test_an_archived_raw_folder_is_no_change(lab: Lab) -> None:
    lab.raw.rename(lab.raw.with_name("archive"))
    assert lab.sentences() == []


@pytest.mark.parametrize("fault", ["a broken screen.toml", "two layouts", "an unknown source"])
def test_a_raw_folder_that_cannot_be_read_is_no_proof_that_nothing_changed(lab: Lab, fault: str) -> None:
    lab.layout.write_text("second")
    if fault == "two layouts":
        (lab.raw / "layout.tsv").write_text("third")
    elif fault == "a broken screen.toml":
        (lab.raw / "screen.toml").write_text("[parameters")
    else:
        (lab.store.screen_dir(SCREEN) / "source.json").unlink()
    (sentence,) = lab.sentences()
    assert sentence.startswith("Whether results fit their inputs cannot be told: ")
    assert {"two layouts": "2 layouts", "a broken screen.toml": "not a TOML file"}.get(fault, SCREEN) in sentence


def test_an_input_that_is_gone_from_a_folder_that_is_there_is_told(lab: Lab) -> None:
    (lab.raw / "ctg").rename(lab.raw / "later")
    assert f"`viability/ctg` is older than the plate-reader files of ctg (gone from {lab.raw})" in lab.sentences()[0]
    (lab.raw / "later").rename(lab.raw / "ctg")
    lab.layout.unlink()
    assert f"`layout` is older than the layout file (gone from {lab.raw})" in lab.sentences()[0]


def test_a_product_without_a_record_is_told(lab: Lab) -> None:
    record = lab.store.table_part("runs", SCREEN, "layout")
    before = record.read_bytes()
    record.unlink()
    assert lab.sentences() == [
        "There is no record any more of how `layout` was made; from it `viability/ctg` was made; make it again with "
        "`phenodose run TST_V1_DS1`."
    ]
    record.write_bytes(before)
    assert lab.sentences() == []


def test_what_another_version_of_its_plugin_made_is_told(lab: Lab) -> None:
    part = ("runs", SCREEN, "viability/ctg")
    rows = lab.store.read_table(*part)
    lab.store.write_table(*part, rows.assign(plugin="ctg", plugin_version="0"))
    installed = registry().get("readout", "ctg").version
    assert lab.sentences() == [
        f"`viability/ctg` is older than version {installed} of ctg (made by 0), changed since; make it again with "
        "`phenodose run TST_V1_DS1`."
    ]
    lab.store.write_table(*part, rows.assign(plugin="of a plugin that is gone", plugin_version="0"))
    assert lab.sentences() == []


def test_a_table_that_its_step_did_not_write_is_told(lab: Lab) -> None:
    file = lab.store.table_part(*(VIABILITY[0], SCREEN, VIABILITY[1]))
    before = file.read_bytes()
    lab.make_viability("another figure")
    file.write_bytes(before)  # of a backup
    (sentence,) = lab.sentences()
    assert sentence.startswith("tables/qc/screen=TST_V1_DS1/viability.ctg.parquet is not the file that `viability/ctg`")
    file.unlink()
    assert "is gone, which `viability/ctg` wrote" in lab.sentences()[0]


def test_what_an_older_version_recorded_is_compared_by_its_hashes(lab: Lab) -> None:
    rows = lab.store.read_table("runs", SCREEN, "layout").assign(made_from=None, version=None, files=None)
    lab.store.write_table("runs", SCREEN, "layout", rows.assign(inputs=f'{{"layout.csv":"{hash_file(lab.layout)}"}}'))
    assert lab.sentences() == []
    lab.layout.write_text("second")
    assert "`layout` is older than the layout file layout.csv" in lab.sentences()[0]


# --- where it is said -----------------------------------------------------------------------------


def test_the_cohort_says_it_in_the_column_stale(lab: Lab) -> None:
    row = {"screen": SCREEN, "sample": "TST", "kind": "drug-screen", "n_plates": 1, "n_drugs": 1, "source": SCREEN}
    lab.store.write_table("screens", SCREEN, "layout", TABLES["screens"].frame([row | {"run_id": "r"}]))

    def stale() -> Any:
        rebuild_cohort(lab.store, judge=ScreenJudge(lab.store))
        return query(lab.store, "SELECT stale FROM screens").table.to_pydict()["stale"][0]

    assert stale() is None
    lab.layout.write_text("another one")
    assert "`layout` is older than the layout file layout.csv" in stale()
    assert "layout.csv" in stale(), "of a screen that is not read again, too"
    rebuild_cohort(lab.store)
    assert query(lab.store, "SELECT stale FROM screens").table.to_pydict()["stale"][0], "kept where nobody looks"
    lab.layout.write_text("first")
    assert stale() is None


def test_the_list_of_screens_says_it_before_the_cohort_is_built_again(lab: Lab) -> None:
    row = {"screen": SCREEN, "sample": "TST", "kind": "drug-screen", "n_plates": 1, "n_drugs": 1, "source": SCREEN}
    lab.store.write_table("screens", SCREEN, "layout", TABLES["screens"].frame([row | {"run_id": "r"}]))
    judge = ScreenJudge(lab.store)
    rebuild_cohort(lab.store, judge=judge)
    assert listed_screens(lab.store, judge)[0]["verdict"] != "warn"
    lab.layout.write_text("another one")
    assert listed_screens(lab.store, judge)[0]["verdict"] == "warn"
    lab.store.table_part("qc", SCREEN, "viability/ctg").write_bytes(b"of a broken disk")
    assert listed_screens(lab.store, judge)[0]["verdict"] == "fail"


def test_report_and_viewer_say_it(made_up_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = "BT-40_V1_DS1"
    rows = made_up_store.read_table("runs", screen)
    first = rows.iloc[:1].assign(version="new")
    second = rows.iloc[1:2].assign(made_from=f'{{"{first["asset"].iloc[0]}":"old"}}')
    made_up_store.write_table("runs", screen, "one", pd.concat([first, second, rows.iloc[2:]]))
    for part in made_up_store.table_part("runs", screen, "one").parent.glob("*.parquet"):
        if part.name != "one.parquet":
            part.unlink()
    (change,) = changes_since(made_up_store, screen)
    assert "is older than" in change.sentence
    page = render_report(made_up_store, screen)
    assert "This page shows results that are older than what they were made from" in page
    monkeypatch.setattr(ScreenPlates, "__init__", lambda self: None)
    viewed = ScreenPlates()  # type: ignore[call-arg]
    viewed.screen, viewed._store, viewed.plates, viewed.faults = screen, made_up_store, {}, {}
    viewed._facts, viewed._groups, viewed._drugs = {}, {}, []  # type: ignore[assignment]
    assert viewed.overview()["stale"] == [change.sentence]
