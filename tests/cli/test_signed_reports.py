"""`phenodose sign`, `signed`, `compare`, `sql --as-of`, `screen remove`: what becomes of a report that was signed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.cohort.build import rebuild_cohort
from phenodose.io.files import write_json
from phenodose.lineage.verify_store import verify_store
from phenodose.store.signed import REPORT, signed_report
from phenodose.store.store import Store

FIRST, OTHER = "INF_R_153_V1_DS1", "BT-40_V1_DS1"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(made_up_store: Store) -> Store:
    for screen in (FIRST, OTHER):
        write_json(made_up_store.screen_dir(screen) / "source.json", {"screen": screen, "source": "/nowhere"})
    return made_up_store


@pytest.fixture
def run(store: Store, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--store", str(store.root)])
        told = capsys.readouterr()
        return int(str(ended.value.code or 0)), told.out, told.err

    return call


def raise_score(store: Store, drug: str, by: float) -> None:
    for file in (store.root / "tables/scores" / f"screen={FIRST}").glob("*.parquet"):
        rows = store.read_table("scores", FIRST, file.stem)
        rows.loc[rows["drug"] == drug, ["score", "lower", "upper"]] += by
        store.write_table("scores", FIRST, file.stem, rows)


def test_from_a_signature_to_an_amended_report(run: Run, store: Store, tmp_path: Path) -> None:
    assert run("signed")[1].startswith("No report in")
    assert run("report", FIRST)[0] == 0
    page = store.report_path(FIRST).read_bytes()
    code, said, _ = run("sign", FIRST, "--by", "A. Pathologist", "--because", "board of 3 March", "--json")
    assert code == 0
    first = json.loads(said)

    raise_score(store, "Trametinib", 3.0)
    code, _, told = run("sign", FIRST, "--by", "A. Pathologist")
    assert code == 2
    assert "phenodose report" in told
    run("report", FIRST)
    code, said, _ = run("sign", FIRST, "--by", "A. Pathologist")
    assert code == 0
    assert "It amends version 1:" in said
    assert "1 scores by ctg: Trametinib" in said
    second = signed_report(store, FIRST, 2)
    assert second.record["previous"] == first["seal"]
    assert second.record["made_again"]["same"]
    amended = second.file(REPORT).decode("utf-8")
    assert "amends version 1, signed by A. Pathologist" in amended
    assert "Trametinib" in amended.split('id="amendment"')[1].split("</div>")[0]
    run("report", FIRST)
    assert store.report_path(FIRST).read_bytes() == second.file(REPORT), "the page of version 2 stays"

    # Listed, shown, given back and made again.
    code, said, _ = run("signed", FIRST)
    assert [line.split("\t")[0] for line in said.splitlines()] == [f"{FIRST}@1", f"{FIRST}@2"]
    code, said, _ = run("signed", f"{FIRST}@1")
    assert "because: board of 3 March" in said
    assert "viability/ctg" in said
    for options in ([], ["--again"]):
        into = tmp_path / f"back{len(options)}.html"
        assert run("signed", f"{FIRST}@1", "--into", str(into), *options)[0] == 0
        assert into.read_bytes() == page
    assert run("signed", f"{FIRST}@1", "--seal", first["seal"].upper())[0] == 0
    assert run("signed", f"{FIRST}@1", "--seal", "0" * 64)[0] == 2

    # Side by side.
    code, said, _ = run("compare", f"{FIRST}@1", FIRST, "--json", "--html", str(tmp_path / "both.html"))
    found = json.loads(said)
    (change,) = [row for row in found["drugs"] if row["differences"][0]["difference"]]
    assert change["drug"] == "Trametinib"
    assert change["differences"][0]["difference"] == pytest.approx(3.0)
    assert change["differences"][0]["lower"] is None, "both rest on the same wells"
    assert [change["what"] for change in found["changes"][FIRST]["scores"]] == ["ctg, Trametinib"]
    assert "Trametinib" in (tmp_path / "both.html").read_text(encoding="utf-8")

    # The cohort as it was signed.
    asked = f"SELECT score FROM scores WHERE screen = '{FIRST}' AND drug = 'Trametinib' AND replicate = 'pooled'"
    scores = {
        when: float(run("sql", asked, "--as-of", when, "--format", "csv")[1].splitlines()[1])
        for when in (first["signed_at"], "signed")
    }
    assert scores["signed"] == pytest.approx(scores[first["signed_at"]] + 3.0)
    code, _, told = run("sql", "SELECT 1", "--as-of", "signed")
    assert f"as signed: {FIRST}@2; not signed by then, and left out: {OTHER}" in told
    for when, why in (
        ("2000-01-01", "no report was signed by"),
        ("last week", "is no date"),
        ("2999-01-01", "lies in the future"),
    ):
        code, _, told = run("sql", "SELECT 1", "--as-of", when)
        assert code == 2
        assert why in told

    # What somebody changed is told by whoever looks.
    rebuild_cohort(store)
    verified = verify_store(store)
    assert (verified.checked["signed reports"], verified.checked["reports"]) == (2, 1)
    assert not [fault for fault in verified.faults if "signed" in fault or "reports" in fault]
    kept = store.root / "signed" / FIRST / "1/report.html"
    kept.write_bytes(page.replace(b"Trametinib", b"Tramadol"))
    assert str(kept) in " ".join(verify_store(store).faults)
    for name in (f"{FIRST}@1", f"{FIRST}@2"):
        code, _, told = run("signed", name, "--into", str(tmp_path / "forged.html"))
        assert code == 2, "a later version rests on the older ones"
        assert "holds other bytes than were signed" in told


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["signed", FIRST], "nothing of it is signed"),
        (["signed", f"{FIRST}@x"], "the number of a signed report"),
        (["signed", "--again"], "name the report"),
        (["compare", FIRST], "at least two"),
        (["compare", FIRST, FIRST], "named twice"),
        (["compare", FIRST, f"{OTHER}@1"], "is not signed"),
        (["compare", FIRST, "NOPE"], "is not in the store"),
        (["compare", FIRST, OTHER, "--readout", "cnn_phase3"], "they have in common: ctg"),
        (["compare", FIRST, OTHER, "--scorer", "nope"], "in common: dss_asym"),
        (["sql", "SELECT 1", "--as-of", "signed", "--rebuild"], "leave out --rebuild"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, arguments: list[str], why: str) -> None:
    code, _, told = run(*arguments)
    assert code == 2
    assert why in told


def test_screens_of_different_samples_side_by_side(run: Run) -> None:
    code, said, _ = run("compare", FIRST, OTHER)
    assert code == 0
    assert "are of different samples" in said
    found = json.loads(run("compare", OTHER, FIRST, "--json")[1])
    assert found["readout"] == "ctg", "the readout that both have"
    assert "BT-40_V1_DS1 ranks its drugs by" in " ".join(found["notes"])
    row = next(row for row in found["drugs"] if row["drug"] == "Trametinib")
    one, other = row["scores"]
    difference = row["differences"][0]
    assert difference["difference"] == pytest.approx(other["score"] - one["score"])
    assert difference["lower"] <= difference["difference"] <= difference["upper"]
    width = other["score"] - other["lower"], one["upper"] - one["score"]
    assert difference["difference"] - difference["lower"] == pytest.approx((width[0] ** 2 + width[1] ** 2) ** 0.5)


def test_drugs_that_one_screen_has_not_are_named(run: Run, store: Store) -> None:
    for file in (store.root / "tables/scores" / f"screen={FIRST}").glob("*.parquet"):
        rows = store.read_table("scores", FIRST, file.stem)
        store.write_table("scores", FIRST, file.stem, rows[rows["drug"] != "Trametinib"])
    code, said, _ = run("compare", OTHER, FIRST)
    assert code == 0
    assert f"{FIRST} has not: Trametinib" in said
    assert "not tested" in said


def test_a_screen_with_signed_reports_is_removed_only_with_them(run: Run, store: Store) -> None:
    run("report", FIRST)
    run("sign", FIRST, "--by", "A. Pathologist")
    code, said, _ = run("screen", "remove", FIRST)
    assert code == 0
    assert f"--signed-too` removes it with its signed reports {FIRST}@1" in said
    code, _, told = run("screen", "remove", FIRST, "--yes")
    assert code == 2
    assert f"{FIRST}@1 by A. Pathologist" in told
    assert "Nothing was removed" in told
    assert len(store.read_table("scores", FIRST))

    # A signed report of another screen holds its scores: that is told.
    shutil.copytree(store.root / "signed" / FIRST, store.root / "signed" / OTHER)
    code, said, _ = run("screen", "remove", FIRST, "--yes", "--signed-too")
    assert code == 0
    assert not (store.root / "signed" / FIRST).exists()
    assert f"the signed report {OTHER}@1 compares with it" in said
