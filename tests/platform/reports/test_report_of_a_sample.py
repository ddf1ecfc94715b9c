"""A page of one sample of a screen that holds several: no number of another one stands on it."""

from __future__ import annotations

import pytest

from phenodose.errors import StoreError
from phenodose.reports.data import ScreenData
from phenodose.reports.fitted_curves import fitted_curves
from phenodose.reports.patient import render_report
from phenodose.store.store import Store

SCREEN, DRUG = "BT-40_V1_DS1", "Trametinib"


@pytest.fixture
def two_samples(made_up_store: Store) -> Store:
    """The screen, in which every drug but one is of another sample."""
    for table in ("wells", "scores", "curves"):
        for part in made_up_store.table_part(table, SCREEN, "x").parent.glob("*.parquet"):
            frame = made_up_store.read_table(table, SCREEN, part.stem)
            drug = frame["treatment" if table == "wells" else "drug"]
            of_a_drug = frame["well_type"] == "therapy" if table == "wells" else drug.notna()
            frame.loc[of_a_drug & (drug != DRUG), "sample"] = "OTHER"
            made_up_store.write_table(table, SCREEN, part.stem, frame)
    return made_up_store


def test_drugs_wells_and_curves_are_those_of_the_sample(two_samples: Store) -> None:
    every = ScreenData.load(two_samples, SCREEN)
    own = str(every["scores"].loc[every["scores"]["drug"] == DRUG, "sample"].iloc[0])
    data = ScreenData.load(two_samples, SCREEN, own)
    assert data.drugs == [DRUG]
    assert set(data.dosed_wells["drug"]) == {DRUG}
    assert {drug for drug, *_ in fitted_curves(data).lines} == {DRUG}
    assert set(data["wells"]["well_type"]) >= {"neg", "pos", "therapy"}
    assert DRUG not in ScreenData.load(two_samples, SCREEN, "OTHER").drugs


def test_the_page_of_a_sample_names_it_and_warns_of_nothing(two_samples: Store) -> None:
    assert "this page does not keep them apart" in render_report(two_samples, SCREEN)
    page = render_report(two_samples, SCREEN, only="OTHER")
    assert "this page does not keep them apart" not in page
    assert "<h1>OTHER" in page


def test_an_unknown_sample_is_told(two_samples: Store) -> None:
    with pytest.raises(StoreError, match="there is no sample 'NOBODY'; it holds "):
        ScreenData.load(two_samples, SCREEN, "NOBODY")
