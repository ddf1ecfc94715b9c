"""Drugs of which several wells look like no control: their image scores say so, and other drugs' do not."""

from __future__ import annotations

from typing import Any

import pandas as pd

from phenodose.cli.demo import SCREEN
from phenodose.quality.trust import LEAST_WELLS, doubt, untrusted_drugs
from phenodose.store.store import Store


def wells(*rows: tuple[str, str, str, str | None, str]) -> pd.DataFrame:
    """Well, sample, treatment, add-on, and type, all on one plate."""
    frame = pd.DataFrame(rows, columns=["well", "sample", "treatment", "add_on", "well_type"])
    return frame.assign(plate="P1")


def flagged(frame: pd.DataFrame, *names: str, flag: str = "unlike_controls") -> pd.DataFrame:
    """Viability of the wells in another order, some of them with a flag."""
    return frame[["plate", "well"]].assign(flag=frame["well"].map(lambda well: flag if well in names else None))[::-1]


LAYOUT = wells(
    ("A01", "S", "DMSO", None, "neg"),
    ("A02", "S", "Drug", None, "therapy"),
    ("A03", "S", "Drug", None, "therapy"),
    ("A04", "S", "Drug", None, "therapy"),
    ("A05", "S", "Drug", "Partner", "therapy"),
    ("A06", "S", "Drug", "Partner", "therapy"),
    ("A07", "T", "Drug", None, "therapy"),
    ("A08", "T", "Drug", None, "therapy"),
)


def test_a_drug_is_counted_by_sample_and_add_on() -> None:
    found = untrusted_drugs(flagged(LAYOUT, "A02", "A03", "A05", "A06", "A07"), LAYOUT)
    assert found == {("S", "Drug"): "2 of 3 wells", ("S", "Drug + Partner"): "2 of 2 wells"}
    assert doubt(found["S", "Drug"]).startswith("not trusted: 2 of 3 wells look neither alive nor killed")


def test_one_odd_well_controls_and_other_flags_are_no_doubt() -> None:
    assert LEAST_WELLS == 2
    assert untrusted_drugs(flagged(LAYOUT, "A01", "A02", "A07"), LAYOUT) == {}
    assert untrusted_drugs(flagged(LAYOUT, "A02", "A03", flag="strange_image"), LAYOUT) == {}


def test_scores_of_all_readouts_of_images_say_which_of_them_are_not_to_be_trusted(small_demo: Any) -> None:
    store = Store.open(small_demo.folder / "store")
    layout, scores = store.read_table("wells", SCREEN), store.read_table("scores", SCREEN)
    viability = store.read_table("viability", SCREEN)
    found = untrusted_drugs(viability[viability["readout"] == "features"], layout)
    for readout, rows in scores.groupby("readout"):
        of = found if readout != "ctg" else {}
        said = rows.set_index(["sample", "drug"])["doubt"]
        expected = [doubt(of[key]) if key in of else None for key in said.index]
        assert [text if isinstance(text, str) else None for text in said] == expected
