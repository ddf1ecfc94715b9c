"""Waterfalls of what add-ons change: one for every add-on, concentration and readout, and losses are seen."""

from __future__ import annotations

import re

from phenodose.reports.combinations import combinations
from phenodose.reports.data import ScreenData
from phenodose.reports.patient import render
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN = "ADDED_V1_DS1"
BY = {"screen": SCREEN, "run_id": "r", "plugin": "p", "plugin_version": "1", "parameters": "{}"}
#: Drug -> difference of its floored score, and of its mean inhibition.
CHANGES = {"Gains": (8.0, 0.2), "Loses": (0.0, -0.3), "Neither": (1.0, 0.02)}
ADDED = (100.0, 1000.0)


def screen(root: object) -> ScreenData:
    """Three drugs alone and with an add-on in two concentrations; the score cannot tell the loss."""
    wells, scores, effects = [], [], []
    for number, drug in enumerate(CHANGES):
        for place, added in enumerate((None, *ADDED)):
            row = "ABC"[number]
            well = {"plate": "P1", "well": f"{row}{place + 1:02d}", "row": row, "column": place + 1}
            wells.append(
                BY | well | {"sample": "S", "well_type": "therapy", "treatment": drug, "concentration_nM": 10.0}
                | {"replicate": 1, "add_on": None if added is None else "Extra", "add_on_concentration_nM": added}
            )  # fmt: skip
            key = {"sample": "S", "readout": "ctg", "replicate": "pooled", "bound": "=", "status": "ok"}
            if added is None:
                scores.append(BY | key | {"drug": drug, "scorer": "dss_asym", "score": 5.0, "hit": False})
                continue
            name = f"{drug} + Extra {added:g} nM"
            floored, free = CHANGES[drug]
            ends = {"lower": floored - 3, "upper": floored + 3}
            scores.append(BY | key | {"drug": name, "scorer": "dcdss_asym", "score": floored} | ends)
            effects.append(
                BY | {"sample": "S", "readout": "ctg", "drug": drug, "add_on": "Extra"}
                | {"add_on_concentration_nM": added, "curve": name, "concentration_nM": 10.0}
                | {"difference_percent": 50 * free, "lower_percent": 50 * free - 4, "upper_percent": 50 * free + 4}
            )  # fmt: skip
    frames = {name: table.frame([]) for name, table in TABLES.items()}
    for name, rows in (("wells", wells), ("scores", scores), ("combination_effects", effects)):
        columns = set(TABLES[name].column_names)
        frames[name] = TABLES[name].frame([{k: v for k, v in row.items() if k in columns} for row in rows])
    return ScreenData(Store.open(root), SCREEN, frames)  # type: ignore[arg-type]


def test_every_concentration_of_an_add_on_has_its_waterfalls_and_a_loss_shows_without_a_floor(tmp_path) -> None:
    found = combinations(screen(tmp_path), {})
    assert found is not None
    assert [figure["title"] for figure in found["figures"]] == [
        "Extra 100 nM by metabolic (ATP)",
        "Extra 1000 nM by metabolic (ATP)",
    ]
    score, inhibition = (str(found["figures"][0][name]) for name in ("score", "inhibition"))
    assert "Loses: +0.0, 95 % interval -3.0 to +3.0" in score
    assert "Loses: -15.0, 95 % interval -19.0 to -11.0" in inhibition
    order = re.findall(r"<title>(\w+):", inhibition)
    assert order == ["Gains", "Neither", "Loses"]
    assert {row["mean"][1] for row in found["rows"] if row["drug"].startswith("Loses")} == {"-15.0 (-19.0 to -11.0)"}


def test_the_page_holds_two_waterfalls_for_each(tmp_path) -> None:
    data = screen(tmp_path)
    found = combinations(data, {})
    html = render("combinations.html.j2", dose_matrices=None, combinations=found, data=data)
    assert html.count("<svg ") == 4
    assert "nan" not in html


def test_a_screen_without_add_ons_has_none(tmp_path) -> None:
    data = screen(tmp_path)
    scores = data["scores"]
    data.tables["scores"] = scores[~scores["scorer"].str.startswith("dc")]
    assert combinations(data, {}) is None
