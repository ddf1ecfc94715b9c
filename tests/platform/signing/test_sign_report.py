"""A signed report is frozen with all that it rests on, and is made again byte for byte whatever becomes of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from phenodose.errors import InputError, MissingInputError, StoreError
from phenodose.io.files import write_json
from phenodose.reports import build_report
from phenodose.reports.signing import made_again, sign_report
from phenodose.store.signed import (
    REPORT,
    record_text,
    sealed_record,
    signed_faults,
    signed_report,
    signed_reports,
)
from phenodose.store.store import Store

SCREEN, OTHER = "INF_R_153_V1_DS1", "BT-40_V1_DS1"


@pytest.fixture(scope="module")
def looked_at(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two screens that were registered, and the report of one, which a person has looked at; to be copied."""
    root = tmp_path_factory.mktemp("looked_at") / "store"
    store = Store.open(shutil.copytree(made_up_root, root, ignore=shutil.ignore_patterns("cohort.duckdb")))
    for screen in (SCREEN, OTHER):
        write_json(store.screen_dir(screen) / "source.json", {"screen": screen, "source": "/nowhere"})
    build_report(store, SCREEN)
    return root


@pytest.fixture(scope="module")
def signed_once(looked_at: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after the first signature; to be copied."""
    root = shutil.copytree(looked_at, tmp_path_factory.mktemp("signed_once") / "store")
    sign_report(Store.open(root), SCREEN, "A. Pathologist", "tumour board of 3 March")
    return root


@pytest.fixture(scope="module")
def signed_twice(signed_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after the second, of B. Oncologist; to be copied."""
    root = shutil.copytree(signed_once, tmp_path_factory.mktemp("signed_twice") / "store")
    sign_report(Store.open(root), SCREEN, "B. Oncologist")
    return root


@pytest.fixture
def store(looked_at: Path, tmp_path: Path) -> Store:
    """Two screens, and the report of one."""
    return Store.open(shutil.copytree(looked_at, tmp_path / "store"))


@pytest.fixture
def signed(signed_once: Path, tmp_path: Path) -> Store:
    """Two screens, and the report of one, which A. Pathologist has signed."""
    return Store.open(shutil.copytree(signed_once, tmp_path / "store"))


def change_score(store: Store, screen: str, drug: str, by: float) -> None:
    """Write another score of a drug, as a new run of the scorer would."""
    for file in sorted((store.root / "tables/scores" / f"screen={screen}").glob("*.parquet")):
        rows = store.read_table("scores", screen, file.stem)
        rows.loc[rows["drug"] == drug, ["score", "lower", "upper"]] += by
        store.write_table("scores", screen, file.stem, rows)


def faults(store: Store, screen: str = SCREEN) -> list[str]:
    return [fault for _, found in signed_faults(store, screen) for fault in found]


def test_what_was_looked_at_is_kept_with_who_when_and_what_it_rests_on(looked_at: Path, signed: Store) -> None:
    page = Store.open(looked_at).report_path(SCREEN).read_bytes()
    report = signed_report(signed, SCREEN)
    assert report.name == f"{SCREEN}@1"
    assert report.file(REPORT) == page
    record = json.loads((signed.root / "signed" / SCREEN / "1/record.json").read_text(encoding="utf-8"))
    assert (record["by"], record["because"]) == ("A. Pathologist", "tumour board of 3 March")
    assert record["signed_at"].endswith("+00:00")
    assert record["verdict"]["level"] in ("pass", "warn", "fail", "none")
    assert record["made_again"] == {"same": True, "why": ""}
    assert record["previous"] is None
    assert record["rests_on"]["reference"] == [OTHER]
    assert "viability/ctg" in record["rests_on"]["steps"]
    assert faults(signed) == []


def test_a_signed_report_is_made_again_byte_for_byte_after_twenty_changes_of_the_store(signed: Store) -> None:
    report = signed_report(signed, SCREEN, 1)
    page = report.file(REPORT)
    tables = signed.root / "tables"
    for number in range(10):  # scores of this screen and of those that it is compared with
        change_score(signed, SCREEN if number % 2 else OTHER, "Trametinib", number)
    for number in range(4):  # the cohort grows
        grown = f"NEW_{number}_V1_DS1"
        rows = signed.read_table("scores", OTHER).assign(screen=grown, sample=f"NEW_{number}")
        signed.write_table("scores", grown, "scores/dss_asym", rows)
        write_json(signed.screen_dir(grown) / "source.json", {"screen": grown, "source": "/nowhere"})
    viability = signed.read_table("viability", SCREEN)  # viability and curves are made anew
    for file in (tables / "viability" / f"screen={SCREEN}").glob("*.parquet"):
        rows = signed.read_table("viability", SCREEN, file.stem)
        signed.write_table("viability", SCREEN, file.stem, rows.assign(viability_fraction=0.5))
    for file in (tables / "curves" / f"screen={SCREEN}").glob("*.parquet"):
        file.unlink()
    (signed.root / "site.toml").write_text('[preferences]\nreadouts = ["ctg"]\n', encoding="utf-8")
    checkpoints = signed.read_table("checkpoints", OTHER).assign(weights_hash="another")  # a network is trained anew
    signed.write_table("checkpoints", OTHER, "checkpoints", checkpoints)
    signed.cohort_path.write_bytes(b"another")
    build_report(signed, SCREEN)
    for file in (tables / "wells" / f"screen={SCREEN}").glob("*.parquet"):  # and most of it goes
        file.unlink()

    assert len(viability)
    assert signed.report_path(SCREEN).read_bytes() != page
    assert report.file(REPORT) == page
    assert made_again(signed, signed_report(signed, SCREEN, 1)) == {REPORT: page}
    assert faults(signed) == []


@pytest.mark.slow
def test_a_later_change_gives_an_amended_report_that_names_what_changed(signed: Store) -> None:
    """Sister: the first test of tests/cli/test_signed_reports.py goes the same way by commands."""
    before = signed.report_path(SCREEN).read_bytes()
    build_report(signed, SCREEN)
    assert signed.report_path(SCREEN).read_bytes() == before, "a signature changes nothing on the page"

    change_score(signed, SCREEN, "Trametinib", 2.5)
    with pytest.raises(StoreError, match="not what the store gives now"):
        sign_report(signed, SCREEN, "A. Pathologist")
    build_report(signed, SCREEN)
    page = signed.report_path(SCREEN).read_text(encoding="utf-8")
    assert "amends version 1, signed by A. Pathologist" in page
    assert "Trametinib" in page.split('id="amendment"')[1].split("</div>")[0]

    second = sign_report(signed, SCREEN, "A. Pathologist")
    assert (second.version, second.record["amends"]) == (2, 1)
    assert second.record["previous"] == signed_report(signed, SCREEN, 1).seal
    (change,) = second.record["changes"]["scores"]
    assert change["what"] == "ctg, Trametinib"
    assert change["now"]["score"] == pytest.approx(change["was"]["score"] + 2.5)
    assert set(second.record["changes"]) <= {"scores", "verdict", "calls"}
    assert second.record["made_again"]["same"]
    build_report(signed, SCREEN)
    assert signed.report_path(SCREEN).read_bytes() == second.file(REPORT), "the page of version 2 stays"
    assert made_again(signed, second) == {REPORT: second.file(REPORT)}, (
        "and of version 1 test_signed_reports.py says it"
    )
    assert faults(signed) == []


def test_inputs_wells_plugins_and_the_cohort_that_changed_are_named(signed: Store) -> None:
    wells = signed.read_table("wells", SCREEN)
    part = next((signed.root / "tables/wells" / f"screen={SCREEN}").glob("*.parquet")).stem
    at = wells.index[wells["treatment"] == "Trametinib"][0]
    wells.loc[at, "treatment"] = "Dabrafenib"
    signed.write_table("wells", SCREEN, part, wells)
    part = next((signed.root / "tables/viability" / f"screen={SCREEN}").glob("*.parquet")).stem
    viability = signed.read_table("viability", SCREEN, part)
    viability.loc[viability.index[3], ["masked", "mask_reason"]] = [True, "lint"]
    signed.write_table("viability", SCREEN, part, viability)
    for file in (signed.root / "tables/runs" / f"screen={SCREEN}").glob("*.parquet"):
        runs = signed.read_table("runs", SCREEN, file.stem)
        signed.write_table("runs", SCREEN, file.stem, runs.assign(plugin_version="99"))
    (signed.root / "site.toml").write_text('[preferences]\nreadouts = ["ctg"]\n', encoding="utf-8")
    change_score(signed, OTHER, "Trametinib", 1.0)
    build_report(signed, SCREEN)
    with pytest.raises(StoreError, match=r"older than version 1 of dss_asym \(made by 99\)"):
        sign_report(signed, SCREEN, "A. Pathologist")
    found = sign_report(signed, SCREEN, "A. Pathologist", anyway=True).record
    assert [change["now"].split(", ")[2] for change in found["changes"]["wells"]] == ["Dabrafenib"]
    assert [change["now"] for change in found["changes"]["left_out"]] == ["lint"]
    assert any("99" in change["now"] for change in found["changes"]["plugins"])
    named = {change["what"] for change in found["changes"]["inputs"]}
    assert {"site.toml", "scores of other samples"} <= named
    assert any("Dabrafenib" in sentence for sentence in found["changes_in_words"])


def test_the_same_report_is_signed_twice_by_two_people_and_not_by_one(signed: Store, signed_twice: Path) -> None:
    with pytest.raises(InputError, match="nothing to amend"):
        sign_report(signed, SCREEN, " A.  Pathologist ")
    first, second = signed_reports(Store.open(signed_twice), SCREEN)
    assert second.file(REPORT) == first.file(REPORT)
    assert (second.record["amends"], second.record["changes"]) == (1, {})


def test_what_is_not_there_or_nobody_signs_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(InputError, match="who signs"):
        sign_report(store, SCREEN, "  ")
    with pytest.raises(StoreError, match="holds no result"):
        sign_report(store, "NOPE", "A. Pathologist")
    with pytest.raises(MissingInputError, match="phenodose report"):
        sign_report(store, OTHER, "A. Pathologist")
    assert signed_reports(store, OTHER) == []


def test_results_older_than_their_inputs_are_signed_only_by_who_says_so(store: Store) -> None:
    part = next((store.root / "tables/runs" / f"screen={SCREEN}").glob("*.parquet")).stem
    runs = store.read_table("runs", SCREEN, part)
    store.write_table(
        "runs", SCREEN, part, runs.assign(made_from=json.dumps({"viability/ctg": "older"}), version="now")
    )
    build_report(store, SCREEN)
    with pytest.raises(StoreError, match=r"older than .*--anyway"):
        sign_report(store, SCREEN, "A. Pathologist")
    report = sign_report(store, SCREEN, "A. Pathologist", anyway=True)
    assert any("older than" in sentence for sentence in report.record["signed_anyway"])
    assert report.record["older_than_inputs"]
    assert b"older than what they were made from" in report.file(REPORT)
    assert made_again(store, report) == {REPORT: report.file(REPORT)}


def test_a_page_that_was_edited_is_signed_only_as_such(store: Store) -> None:
    path = store.report_path(SCREEN)
    path.write_bytes(path.read_bytes().replace(b"Trametinib", b"Tramadol"))
    with pytest.raises(StoreError, match="not what the store gives now"):
        sign_report(store, SCREEN, "A. Pathologist")
    report = sign_report(store, SCREEN, "A. Pathologist", anyway=True)
    assert not report.record["made_again"]["same"]
    assert b"Tramadol" in report.file(REPORT)


def test_a_pdf_beside_the_page_is_signed_with_it_unless_it_is_older(store: Store) -> None:
    page = store.report_path(SCREEN)
    pdf = page.with_suffix(".pdf")
    pdf.write_bytes(b"%PDF-1.7 made up")
    os.utime(pdf, (1, 1))
    with pytest.raises(StoreError, match=r"INF_R_153_V1_DS1\.pdf is older than the page"):
        sign_report(store, SCREEN, "A. Pathologist")
    os.utime(page, (0, 0))
    assert sign_report(store, SCREEN, "A. Pathologist").file("report.pdf") == b"%PDF-1.7 made up"


def test_whoever_changes_a_signed_report_is_told(signed_twice: Path, tmp_path: Path) -> None:
    signed = Store.open(shutil.copytree(signed_twice, tmp_path / "store"))
    folder = signed.root / "signed" / SCREEN
    whole = shutil.copytree(folder, tmp_path / "whole")

    def page() -> None:
        path = folder / "1/report.html"
        path.write_bytes(path.read_bytes().replace(b"Trametinib", b"Tramadol"))

    def table() -> None:
        path = next((folder / "2/store/tables/scores").rglob("*.parquet"))
        content = bytearray(path.read_bytes())
        content[40] ^= 1
        path.write_bytes(bytes(content))

    def record() -> None:
        path = folder / "2/record.json"
        path.write_text(path.read_text(encoding="utf-8").replace("B. Oncologist", "C. Forger"), encoding="utf-8")

    def record_and_its_seal() -> None:
        held = json.loads((folder / "1/record.json").read_text(encoding="utf-8"))
        forged = record_text(sealed_record(held | {"by": "C. Forger"}))
        (folder / "1/record.json").write_text(forged, encoding="utf-8")

    def removed() -> None:
        (folder / "1/report.html").unlink()

    def a_whole_version_removed() -> None:
        shutil.rmtree(folder / "1")

    def exchanged() -> None:
        (folder / "1").rename(folder / "3")
        (folder / "2").rename(folder / "1")
        (folder / "3").rename(folder / "2")

    def added() -> None:
        (folder / "1/note.txt").write_text("added later", encoding="utf-8")

    for tamper in (page, table, record, record_and_its_seal, removed, a_whole_version_removed, exchanged, added):
        assert faults(signed) == []
        tamper()
        assert faults(signed), tamper.__name__
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)


def test_every_number_of_the_page_is_in_the_snapshot_and_of_others_only_what_it_shows(signed: Store) -> None:
    report = signed_report(signed, SCREEN, 1)
    kept = Store(report.folder / "store", frozen=True)
    own = signed.read_table("scores", SCREEN).reset_index(drop=True)
    assert kept.read_table("scores", SCREEN).reset_index(drop=True).equals(own)
    others = kept.read_table("scores", OTHER)
    assert set(others["readout"]) == {"ctg"}
    assert set(others["replicate"]) == {"pooled"}
    assert np.isfinite(others["score"]).all()
    assert not [
        path for path in report.folder.rglob("*") if path.is_file() and OTHER in str(path) and "viab" in str(path)
    ]
