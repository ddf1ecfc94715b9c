"""What the reports say of quality: figures by their names, limits with their origin, doubtful wells, drift."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from phenodose.plots import plate_heatmap
from phenodose.reports.cohort import render_cohort_report
from phenodose.reports.data import Missing, ScreenData
from phenodose.reports.evidence import quality
from phenodose.store.store import Store

FULL = "BT-40_V1_DS1"


@pytest.fixture
def data(made_up_root: Path) -> ScreenData:
    """A screen with one doubtful well, one well without cells and without a value, and a limit of its own."""
    loaded = ScreenData.load(Store.open(made_up_root), FULL)
    tables = {name: frame.copy() for name, frame in loaded.tables.items()}
    wells, viability, qc = tables["wells"], tables["viability"], tables["qc"]
    doubtful = viability.index[(viability["readout"] == "ctg") & ~viability["masked"].astype(bool)][:2]
    viability.loc[doubtful[0], ["flag", "flag_reason"]] = ["empty", "the reading is 0"]
    viability.loc[doubtful[1], ["masked", "mask_reason"]] = [True, "no value in the readout"]
    place = viability.loc[doubtful[1]]
    wells.loc[(wells["plate"] == place["plate"]) & (wells["well"] == place["well"]), "well_type"] = "empty"
    qc.loc[qc["readout"] == "mean_of_stack", "threshold_from"] = "screen.toml"
    return dataclasses.replace(loaded, tables=tables)


def test_doubtful_wells_are_listed_and_wells_without_cells_are_not_missed(data: ScreenData) -> None:
    shown = quality(data)
    assert not isinstance(shown, Missing)
    (line,) = shown["flagged"]
    assert line.startswith("metabolic (ATP): 1 well, empty (P")
    assert not any("no value in the readout" in line for line in shown["masked"])
    assert any("out of focus" in line for line in shown["masked"])


def test_figures_stand_under_their_names_and_limits_tell_where_they_come_from(data: ScreenData) -> None:
    shown = quality(data)
    assert not isinstance(shown, Missing)
    rows = {
        (readout["readout"], row["metric"]): row for readout in shown["readouts"] for row in readout["figures"]["rows"]
    }
    row = rows["mean_of_stack", "zprime_robust"]
    assert row["title"] == "robust Z'"
    assert row["meaning"].startswith("Separation of the two controls")
    assert row["limit"].endswith("(screen.toml)")
    assert "(" not in rows["ctg", "zprime_robust"]["limit"]
    (complaint,) = [one for one in shown["complaints"] if one["plate"] == "P2"]
    assert (complaint["metric"], complaint["verdict"]) == ("robust Z'", "fail")


def test_doubtful_wells_are_ringed(data: ScreenData) -> None:
    rows = data["viability"]
    rows = rows[(rows["readout"] == "ctg")].rename(columns={"viability_fraction": "value"})
    plate = rows[rows["plate"] == rows.loc[rows["flag"].notna(), "plate"].iloc[0]]
    ringed = plate_heatmap(plate, "ctg")
    assert ringed != plate_heatmap(plate.assign(flag=None), "ctg")
    assert plate_heatmap(plate.assign(flag=None), "ctg") == plate_heatmap(plate.drop(columns="flag"), "ctg")


@pytest.mark.usefixtures("words_alone")
def test_the_cohort_report_compares_the_controls_of_the_screens(made_up_cohort: Store) -> None:
    page = render_cohort_report(made_up_cohort)
    section = page.split('<section id="drift">')[1]
    assert "<h2>Controls over screens</h2>" in section
    assert section.count('<td data-sort="ctg">') == 2
    assert section.count(f'<td data-sort="{FULL}">') == 4


def test_a_corrected_readout_shows_what_was_taken_off(data: ScreenData) -> None:
    rows = data["viability"]
    ctg = rows[rows["readout"] == "ctg"]
    corrected = ctg.assign(readout="ctg_corrected", viability_fraction=ctg["viability_fraction"] - 0.1)
    tables = {**data.tables, "viability": pd.concat([ctg, corrected], ignore_index=True)}
    shown = quality(dataclasses.replace(data, tables=tables))
    assert not isinstance(shown, Missing)
    maps = {one["readout"]: [each["alt"] for each in one["maps"]] for one in shown["readouts"]}
    n_plates = ctg["plate"].nunique()
    assert len(maps["ctg_corrected"]) == 3 * n_plates == 1.5 * len(maps["ctg"])
    assert sum("taken off metabolic (ATP) as an effect of place" in alt for alt in maps["ctg_corrected"]) == n_plates
