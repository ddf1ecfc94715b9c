"""With whom a well is compared over time: as for its viability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from phenodose.pipeline.time_courses import course_table, starts_of

UNTREATED, WITH_ADD_ON, DRUG = 8.0, 4.0, 2.0


def layout(add_on: str, add_on_doses: tuple[float, ...], of_control: float | None) -> pd.DataFrame:
    """Two plain controls, two with the add-on T, two killed ones, a drug in two doses with an add-on and without."""
    rows: list[tuple[Any, ...]] = [("neg", "DMSO", np.nan, None, np.nan)] * 2
    rows += [("neg", "DMSO", np.nan, "T", np.nan if of_control is None else of_control)] * 2
    rows += [("pos", "BzCl", np.nan, None, np.nan)] * 2
    rows += [("therapy", "A", dose, add_on, extra) for dose in (1.0, 10.0) for extra in add_on_doses]
    rows += [("therapy", "A", dose, None, np.nan) for dose in (1.0, 10.0)]
    names = ["well_type", "treatment", "concentration_nM", "add_on", "add_on_concentration_nM"]
    frame = pd.DataFrame(rows, columns=names).assign(sample="S", plate="P1", row="A", column=range(1, len(rows) + 1))
    return frame.assign(well=[f"A{column:02d}" for column in frame["column"]])


def compared(wells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the time course at the end, of the wells with a drug and an add-on; and all rows."""
    kind = wells["well_type"]
    control = kind.map({"neg": "negative", "pos": "positive"})
    held = wells["add_on"].notna()
    raw = np.where(kind.eq("pos"), 0.0, np.where(held & kind.eq("neg"), WITH_ADD_ON, UNTREATED))
    raw = np.where(kind.eq("therapy"), DRUG, raw)
    viability = wells[["plate", "row", "column", "well"]].assign(raw=raw, control=control, masked=False)
    places = wells[["plate", "row", "column"]]
    course = {0.0: places.assign(raw=1.0), 72.0: places.assign(raw=raw)}
    rows = course_table(course, viability, wells, "ctg")
    together = rows["drug"].notna() & rows["drug"].str.contains("+", regex=False, na=False)
    return rows[rows["time_h"].eq(72) & together], rows


def test_a_dose_matrix_without_controls_of_its_own_is_compared_with_cells_without_any_drug() -> None:
    found, _ = compared(layout("B", (5.0, 50.0), None))
    assert len(found) == 4
    assert found["compared_with"].isna().all()
    assert set(found["viability_fraction"]) == {DRUG / UNTREATED}


def test_controls_with_an_add_on_of_no_concentration_serve_those_that_have_one() -> None:
    found, _ = compared(layout("T", (5.0, 50.0), None))
    assert set(found["compared_with"]) == {"T"}
    assert set(found["viability_fraction"]) == {DRUG / WITH_ADD_ON}


def test_controls_with_an_add_on_serve_its_concentration() -> None:
    found, _ = compared(layout("T", (5.0,), 5.0))
    assert set(found["compared_with"]) == {"T 5 nM"}
    assert set(found["viability_fraction"]) == {DRUG / WITH_ADD_ON}


def test_the_start_serves_the_readout_without_effects_of_place_too() -> None:
    _, rows = compared(layout("T", (5.0,), 5.0))
    starts = starts_of(rows, "ctg_corrected")
    assert starts is not None
    assert set(starts["readout"]) == {"ctg_corrected"}
    assert starts["raw"].tolist() == [1.0] * 8  # all but the killed wells


def test_wells_with_an_add_on_leave_a_stated_value_of_no_cells_as_it_is() -> None:
    """Two samples and an add-on have untreated cells, and so a window, of their own above the lower anchor."""
    wells = layout("T", (5.0,), 5.0)
    wells = wells[wells["well_type"] != "pos"]
    wells = pd.concat([wells, wells.assign(sample="R", row="B", well=wells["well"].str.replace("A", "B"))])
    wells = wells.reset_index(drop=True)
    anchor = 3.0
    window = np.where(wells["add_on"].notna(), WITH_ADD_ON, UNTREATED) * np.where(wells["sample"] == "R", 2.0, 1.0)
    share = np.where(wells["well_type"] == "neg", 1.0, 0.5)
    share[wells["concentration_nM"].eq(10.0)] = 0.25
    control = wells["well_type"].map({"neg": "negative"})
    viability = wells[["plate", "row", "column", "well"]].assign(
        raw=anchor + share * window, viability_fraction=share, control=control, masked=False
    )
    places = wells[["plate", "row", "column"]]
    course = {0.0: places.assign(raw=anchor + 1.0), 72.0: places.assign(raw=viability["raw"])}
    rows = course_table(course, viability, wells, "ctg")
    end = rows[rows["time_h"] == 72]
    np.testing.assert_allclose(end["cells"], share * window)
    np.testing.assert_allclose(end["viability_fraction"], share)
