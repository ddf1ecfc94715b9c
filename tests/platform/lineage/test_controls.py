"""The controls that `phenodose why` tells are those that the viability was computed from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.lineage.controls import ControlWells
from phenodose.names import ADD_ON_DOSE
from phenodose.pipeline.normalisation import Normalisation
from phenodose.pipeline.viability import viability_of
from phenodose.viability.normalise import Grouping


def layout(by: Grouping) -> pd.DataFrame:
    """Two plates and two samples; sample A has an add-on, and sample B has no killing control of its own on P2."""
    rows: list[dict[str, object]] = []

    def put(plate: str, sample: str, kind: str, treatment: str, add_on: str | None, n: int) -> None:
        # relative to a treatment, the controls of a treatment carry its name
        name = treatment if kind == "therapy" or by == "plate" else "Drug"
        rows.extend(
            {"plate": plate, "sample": sample, "well_type": kind, "treatment": name, "add_on": add_on} for _ in range(n)
        )

    for plate in ("P1", "P2"):
        for sample in ("A", "B"):
            put(plate, sample, "neg", "DMSO", None, 3)
            if (plate, sample) != ("P2", "B") or by != "plate":
                put(plate, sample, "pos", "STS", None, 3)
            put(plate, sample, "therapy", "Drug", None, 2)
        put(plate, "A", "neg", "DMSO", "Extra", 4)
        put(plate, "A", "pos", "STS", "Extra", 2)
        put(plate, "A", "therapy", "Drug", "Extra", 2)
    frame = pd.DataFrame(rows)
    frame["concentration_nM"], frame["replicate"] = 10.0, 1
    place = frame.groupby("plate").cumcount()
    frame["row"], frame["column"] = [chr(65 + at // 12) for at in place], place % 12 + 1
    return frame.assign(well=[f"{row}{column:02d}" for row, column in zip(frame["row"], frame["column"], strict=True)])


@pytest.mark.parametrize("by", ["plate", "treatment", "both"])
def test_a_concentration_of_an_add_on_has_its_own_controls_else_those_without_one(by: Grouping) -> None:
    wells = layout(by)
    added = (wells["add_on"] == "Extra") & (wells["well_type"] != "pos")
    number = wells[added].groupby(["plate", "well_type"]).cumcount()
    wells.loc[added, ADD_ON_DOSE] = (number % 2).map({0: 50.0, 1: 100.0})
    negative = added & (wells["well_type"] == "neg")
    wells.loc[negative & (wells[ADD_ON_DOSE] == 100.0), ADD_ON_DOSE] = np.nan
    base = 9000.0 - 4000 * (wells["well_type"] == "therapy") - 8000 * (wells["well_type"] == "pos")
    raw = wells[["plate", "row", "column"]].assign(raw=base + np.random.default_rng(1).normal(0, 150, len(wells)))
    viability = viability_of(raw, wells, "ctg", Normalisation(by), what="a test").viability
    joined = viability.merge(wells, on=["plate", "well", "row", "column"])
    drugs = joined[(joined["well_type"] == "therapy") & joined[ADD_ON_DOSE].notna()]
    for dose, own in drugs.groupby(ADD_ON_DOSE):
        told = ControlWells(joined).rows(own, by)
        assert all(one["group"].endswith(f" with Extra {dose:g} nM") for one in told)
        for plate, rows in own.groupby("plate"):
            here = {one["control"]: one for one in told if one.get("plate", plate) == plate}
            top, bottom = here["negative"]["median_raw"], here["positive"]["median_raw"]
            assert here["negative"]["n_wells"] == (2 if "plate" in here["negative"] else 4)
            np.testing.assert_allclose((rows["raw"] - bottom) / (top - bottom), rows["viability_fraction"], rtol=1e-12)


@pytest.mark.parametrize("by", ["plate", "treatment", "both"])
@pytest.mark.parametrize(("sample", "add_on"), [("A", None), ("A", "Extra"), ("B", None)])
def test_their_medians_give_the_viability_of_every_drug_well(by: Grouping, sample: str, add_on: str | None) -> None:
    wells = layout(by)
    base = wells["well_type"].map({"neg": 9000.0, "pos": 500.0, "therapy": 4000.0})
    base += 700 * (wells["plate"] == "P2") + 900 * (wells["sample"] == "B") + 1300 * wells["add_on"].notna()
    raw = wells[["plate", "row", "column"]].assign(raw=base + np.random.default_rng(1).normal(0, 150, len(wells)))
    viability = viability_of(raw, wells, "ctg", Normalisation(by), what="a test").viability
    joined = viability.merge(wells, on=["plate", "well", "row", "column"])
    drug = joined[(joined["well_type"] == "therapy") & (joined["sample"] == sample)]
    drug = drug[drug["add_on"].isna() if add_on is None else drug["add_on"] == add_on]
    told = ControlWells(joined).rows(drug, by)
    if by == "treatment":
        assert {one["group"] for one in told} == {"treatment Drug" + (" with Extra" if add_on else "")}
    for plate, own in drug.groupby("plate"):
        here = {one["control"]: one for one in told if one.get("plate", plate) == plate}
        top, bottom = here["negative"]["median_raw"], here["positive"]["median_raw"]
        np.testing.assert_allclose((own["raw"] - bottom) / (top - bottom), own["viability_fraction"], rtol=1e-12)
        for one in here.values():
            values = [float(item.rpartition(" ")[2]) for item in one["values"].split("; ")]
            assert len(values) == one["n_wells"]
            assert np.median(values) == pytest.approx(one["median_raw"], rel=1e-6)


def test_masked_controls_are_counted_and_have_no_value_in_the_list() -> None:
    wells = layout("plate").assign(raw=100.0, control=None, masked=False)
    wells.loc[wells["well_type"] == "neg", "control"] = "negative"
    wells.loc[wells["well_type"] == "pos", "control"] = "positive"
    first = wells.index[(wells["control"] == "negative") & (wells["sample"] == "A")][0]
    wells.loc[first, "masked"] = True
    drug = wells[(wells["plate"] == "P1") & (wells["sample"] == "A") & (wells["well_type"] == "therapy")]
    negative = ControlWells(wells).rows(drug[drug["add_on"].isna()], "plate")[0]
    assert (negative["group"], negative["n_wells"], negative["n_masked"]) == ("plate P1", 2, 1)
    assert negative["values"] == "A02 100; A03 100"
