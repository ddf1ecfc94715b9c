"""Decisions on wells: what a text means, what is refused, what holds after them, and that none is lost."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from phenodose.errors import InputError, StoreError
from phenodose.names import well_name
from phenodose.screens.curations import decisions_of, excluded_wells, in_force
from phenodose.screens.decide import decide
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN = "TST_V1_DS1"
READOUTS = ("ctg", "mean_of_stack")


def rows_of_plate(plate: str, replicate: int, samples: tuple[str, ...]) -> list[dict[str, Any]]:
    """Controls in column 1 and 2; of each sample a drug, the same with an add-on, and its untreated cells with it."""
    rows = []

    def add(row: str, column: int, well_type: str, treatment: str, dose: float | None, **more: Any) -> None:
        place = {"plate": plate, "well": well_name(row, column), "row": row, "column": column, "run_id": "r"}
        held = {"well_type": well_type, "treatment": treatment, "concentration_nM": dose, "sample": samples[0]}
        rows.append({"screen": SCREEN} | place | held | {"replicate": replicate} | more)

    for number, sample in enumerate(samples):
        top = "ABCD"[number]
        add(top, 1, "neg", "DMSO", None, sample=sample)
        add(top, 2, "pos", "STS", 250.0, sample=sample)
        add(top, 3, "neg", "DMSO", None, sample=sample, add_on="B")
        for column, dose in enumerate((1.0, 10.0, 100.0), start=4):
            add(top, column, "therapy", "Trametinib", dose, sample=sample)
            add(top, column + 3, "therapy", "Trametinib", dose, sample=sample, add_on="B")
    return rows


def screen_in(folder: Path, samples: tuple[str, ...] = ("S",)) -> Store:
    """A screen of two plates, read by two readouts."""
    store = Store.open(folder / "store")
    store.register(SCREEN, folder / SCREEN)
    wells = [*rows_of_plate("P1", 1, samples), *rows_of_plate("P2", 2, samples)]
    store.write_table("wells", SCREEN, "layout", TABLES["wells"].frame(wells))
    by = {"run_id": "r", "plugin": "p", "plugin_version": "1", "parameters": "{}"}
    kinds = {"neg": "negative", "pos": "positive"}
    for readout in READOUTS:
        read = [
            {name: well[name] for name in ("screen", "plate", "well", "row", "column")}
            | {"readout": readout, "raw": 1.0, "control": kinds.get(well["well_type"]), "masked": False}
            | by
            for well in wells
        ]
        store.write_table("viability", SCREEN, f"viability/{readout}", TABLES["viability"].frame(read))
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return screen_in(tmp_path)


def exclude(store: Store, *texts: str, **more: Any) -> None:
    decide(store, SCREEN, "exclude", texts, **({"because": "lint", "by": "A. Doe"} | more))


def restore(store: Store, *texts: str, **more: Any) -> None:
    decide(store, SCREEN, "restore", texts, **({"because": "no lint", "by": "B. Roe"} | more))


def left_out(store: Store, readout: str = "ctg") -> dict[str, str]:
    """The wells that are left out, with the reason."""
    layout = store.read_table("wells", SCREEN)
    reasons = excluded_wells(store, SCREEN, layout, readout).reasons
    return {f"{layout['plate'][row]}/{layout['well'][row]}": reason for row, reason in reasons.dropna().items()}


def test_a_well_is_left_out_with_who_and_why(store: Store) -> None:
    exclude(store, "p1/a4")
    assert left_out(store) == {"P1/A04": "excluded by decision 1 (A. Doe): lint"}
    (one,) = decisions_of(store, SCREEN)
    assert one.words == "decision 1 (P1/A04 excluded by A. Doe: lint)"
    assert one.at.utcoffset() is not None


@pytest.mark.parametrize(
    ("text", "wells"),
    [
        ("P1/A04-A05", ["P1/A04", "P1/A05"]),
        ("P1/A05-A04", ["P1/A04", "P1/A05"]),
        ("drug:trametinib", [f"{p}/A0{c}" for p in ("P1", "P2") for c in (4, 5, 6)]),
        ("drug:Trametinib + B", [f"{p}/A0{c}" for p in ("P1", "P2") for c in (7, 8, 9)]),
        ("replicate:2", [f"P2/A0{c}" for c in range(1, 10)]),
        ("plate:Plate 2", [f"P2/A0{c}" for c in range(1, 10)]),
    ],
)
def test_what_a_text_means(store: Store, text: str, wells: list[str]) -> None:
    exclude(store, text)
    assert sorted(left_out(store)) == wells


def test_a_drug_of_several_samples_needs_the_sample(tmp_path: Path) -> None:
    store = screen_in(tmp_path, ("S", "T"))
    with pytest.raises(InputError, match="wells of the samples S, T are of it; say which with --sample NAME, or"):
        exclude(store, "drug:Trametinib")
    exclude(store, "drug:Trametinib", sample="T")
    assert set(left_out(store)) == {f"{p}/B0{c}" for p in ("P1", "P2") for c in (4, 5, 6)}
    exclude(store, "drug:Trametinib", sample="all")
    assert len(left_out(store)) == 12


def test_a_readout_alone_loses_the_well(store: Store) -> None:
    exclude(store, "P1/A04", readout="ctg")
    assert list(left_out(store, "ctg_corrected")) == ["P1/A04"]
    assert left_out(store, "mean_of_stack") == {}


def test_all_faults_are_told_at_once_with_the_nearest_names(store: Store) -> None:
    with pytest.raises(InputError) as told:
        exclude(store, "P3/A04", "P1/C04", "drug:Trametinip", "replicate:7", "lint", readout="ctgg", because="...")
    text = str(told.value)
    for said in (
        "7 faults",
        "--because: the reason is missing",
        "readout 'ctgg': the screen has no such readout; the nearest: ctg",
        "plate 'P3': the layout has no such plate; the nearest: P",
        "P1/C04: plate P1 of the layout has no such well; the nearest: A04",
        "drug 'Trametinip': the layout has no such drug; the nearest: Trametinib",
        "replicate '7': the layout has no such replicate; there are: 1, 2",
        "'lint' names no wells: write PLATE/WELL such as P1/C07",
    ):
        assert said in text
    assert decisions_of(store, SCREEN) == [], "nothing is written"


def test_what_makes_no_difference_is_told(store: Store) -> None:
    exclude(store, "P1/A04", "P1/A05")
    with pytest.raises(InputError, match=r"P1/A04 is excluded already, by decision 1 \(P1/A04 excluded by A. Doe"):
        exclude(store, "P1/A04")
    with pytest.raises(InputError, match="P1/A06 is not excluded; the nearest: P1/A0"):
        restore(store, "P1/A06")
    with pytest.raises(InputError, match="decision 7: there is none of that number; exclusions that hold: 1, 2"):
        restore(store, "7")
    exclude(store, "P1/A04-A06")  # not all of it was excluded
    assert len(left_out(store)) == 3


def test_no_plate_loses_its_controls_alone_and_no_screen_everything(store: Store) -> None:
    with pytest.raises(InputError, match="ctg: no negative control of plate P1, sample S would") as told:
        exclude(store, "P1/A01")
    assert "mean_of_stack: no negative control" in str(told.value)
    with pytest.raises(InputError, match="no positive control of plate P1 would be left"):
        exclude(store, "P1/A02", readout="ctg")
    with pytest.raises(InputError, match="no negative control with B of plate P1, sample S would"):
        exclude(store, "P1/A03")
    with pytest.raises(InputError, match="ctg: no drug well would be left"):
        exclude(store, "plate:P1", "plate:P2")
    exclude(store, "plate:P1")  # with all that they serve
    assert len(left_out(store)) == 9


def test_restored_by_name_or_number_and_both_stay_in_the_record(store: Store) -> None:
    exclude(store, "P1/A04", "plate:P2")
    restore(store, "P1/A04")
    restore(store, "#2", because="it was the reader")
    assert left_out(store) == {}
    one, two, three, four = decisions_of(store, SCREEN)
    assert (one.undone_by, two.undone_by) == ("B. Roe", "B. Roe")
    assert (three.undoes, four.undoes) == ((1,), (2,))
    assert four.words == "decision 4 (plate P2 restored by B. Roe: it was the reader)"
    with pytest.raises(InputError, match="was undone already, by B"):
        restore(store, "1")
    exclude(store, "P1/A04", because="lint after all")
    assert left_out(store) == {"P1/A04": "excluded by decision 5 (A. Doe): lint after all"}


def test_some_wells_of_an_exclusion_are_restored(store: Store) -> None:
    exclude(store, "plate:P2")
    before = in_force(store, SCREEN)
    restore(store, "P2/A04")
    assert "P2/A04" not in left_out(store)
    assert len(left_out(store)) == 8
    assert decisions_of(store, SCREEN)[0].holds
    assert in_force(store, SCREEN) != before, "other wells, another version"


def test_a_well_with_two_reasons_stays_out_until_both_are_undone(store: Store) -> None:
    exclude(store, "P2/A04")
    exclude(store, "replicate:2", because="late")
    assert "; " in left_out(store)["P2/A04"]
    restore(store, "2")
    assert left_out(store) == {"P2/A04": "excluded by decision 1 (A. Doe): lint"}
    restore(store, "P2/A04")
    assert left_out(store) == {}


def test_restored_for_one_readout_it_stays_out_of_the_others(store: Store) -> None:
    exclude(store, "P1/A04")
    restore(store, "P1/A04", readout="ctg")
    assert left_out(store, "ctg") == {}
    assert list(left_out(store, "mean_of_stack")) == ["P1/A04"]
    assert decisions_of(store, SCREEN)[0].holds
    restore(store, "P1/A04")
    assert left_out(store, "mean_of_stack") == {}
    assert not decisions_of(store, SCREEN)[0].holds


def test_earlier_decisions_are_never_changed(store: Store) -> None:
    exclude(store, "P1/A04")
    fixed = ["number", "action", "what", "plate", "well", "decided_by", "decided_at", "because", "n_wells"]
    first = store.read_table("curations", SCREEN)[fixed]
    restore(store, "1")
    exclude(store, "P1/A05")
    assert store.read_table("curations", SCREEN)[fixed].head(1).equals(first)


def test_a_record_with_rows_missing_is_refused(store: Store) -> None:
    exclude(store, "P1/A04", "P1/A05")
    rows = store.read_table("curations", SCREEN)
    store.write_table("curations", SCREEN, "decisions", rows.tail(1))
    with pytest.raises(StoreError, match="decisions are missing"):
        exclude(store, "P1/A06")


def test_a_layout_that_lost_the_well_leaves_a_decision_without_effect(store: Store) -> None:
    exclude(store, "P1/A04")
    layout = store.read_table("wells", SCREEN)
    layout = layout[~((layout["plate"] == "P1") & (layout["well"] == "A04"))].reset_index(drop=True)
    store.write_table("wells", SCREEN, "layout", layout)
    found = excluded_wells(store, SCREEN, layout, "ctg")
    assert found.version == ""
    assert [one.number for one in found.nowhere] == [1]


_KILLED = """
import os, signal, sys
from phenodose.io import files
from phenodose.screens.decide import decide
from phenodose.store.store import Store
files.expect_held = lambda path: os.kill(os.getpid(), signal.SIGKILL)
decide(Store.open(sys.argv[1]), sys.argv[2], "exclude", ["P1/A05"], because="lint", by="A. Doe")
"""


def test_a_kill_in_the_middle_of_writing_leaves_what_was_there(store: Store) -> None:
    exclude(store, "P1/A04")
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(store.root), SCREEN], check=False)
    assert ended.returncode == -9
    assert list(left_out(store)) == ["P1/A04"]
    exclude(store, "P1/A05")
    assert list(left_out(store)) == ["P1/A04", "P1/A05"]


def test_two_at_once_lose_no_decision(store: Store) -> None:
    wells = [f"{plate}/A0{column}" for plate in ("P1", "P2") for column in (4, 5, 7, 8)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda well: exclude(store, well), wells))
    assert [one.number for one in decisions_of(store, SCREEN)] == list(range(1, 9))
    assert sorted(left_out(store)) == wells
