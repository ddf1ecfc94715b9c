"""What a readout is given of other readouts: features and measured viability, each at the well that it is of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phenodose.errors import NotMade
from phenodose.pipeline.taught_wells import with_what_others_know
from phenodose.plugins import TensorWells, registry
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_readouts.rescue import RescueReadout

SCREEN = "TST_V1_DS1"
LABELS = ("P1/B02", "P1/B03", "P2/B02")


def tensors(*labels: str) -> xr.DataArray:
    """As much of tensors as their wells."""
    return xr.DataArray(np.zeros(len(labels)), dims="well", coords={"well": np.array(labels)})


def wells(n: int) -> TensorWells:
    nothing = np.zeros(n, dtype=bool)
    return TensorWells(np.zeros((n, 4, 4, 3), np.uint16), (), nothing, nothing, nothing, nothing, nothing)


@pytest.fixture
def step(tmp_path: Path) -> Any:
    """A store in which features and viabilities lie in other orders than the tensors, and one well was masked."""
    store = Store.open(tmp_path)
    features = xr.Dataset(
        {"features": (("well", "feature"), np.array([[3.0, 0.0], [1.0, 0.0]], np.float32))},
        coords={"well": ("well", np.array(["P2/B02", "P1/B02"], dtype=object))},
    )
    features.to_zarr(store.feature_path(SCREEN, "features"), zarr_format=3, consolidated=False)
    rows = [
        {"plate": plate, "well": well, "row": "B", "column": column, "viability_fraction": value, "masked": masked}
        for plate, well, column, value, masked in (
            ("2", "B02", 2, 0.3, False),
            ("1", "B03", 3, 0.2, True),
            ("1", "B02", 2, 0.9, False),
        )
    ]
    by = {"screen": SCREEN, "readout": "ctg", "run_id": "r", "plugin": "ctg", "plugin_version": "1", "parameters": "{}"}
    store.write_table("viability", SCREEN, "viability/ctg", TABLES["viability"].frame([row | by for row in rows]))
    layout = pd.DataFrame(
        [("1", "B02", "neg", "DMSO", None), ("1", "B03", "therapy", "A", "B"), ("2", "B02", "therapy", "B", None)],
        columns=["plate", "well", "well_type", "treatment", "add_on"],
    )
    return SimpleNamespace(
        store=store, screen_id=SCREEN, plugins=registry(), block_of=lambda asset: "", wells=lambda: layout
    )


def test_features_and_measured_viability_stand_at_their_wells(step: Any) -> None:
    given, inputs = with_what_others_know(RescueReadout, step, tensors(*LABELS), wells(3))
    assert given.features is not None
    assert given.measured is not None
    np.testing.assert_array_equal(given.features[:, 0], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(given.measured, [0.9, np.nan, 0.3])
    control, combination, alone = np.asarray(given.compounds).tolist()
    assert control == [-1, -1]
    assert combination[1] == alone[0] != combination[0]
    assert alone[1] == -1
    assert set(inputs) == {"features of features", "viability/ctg"}


def test_other_readouts_are_given_nothing_more(step: Any) -> None:
    before = wells(3)
    given, inputs = with_what_others_know(registry().get("readout", "features"), step, tensors(*LABELS), before)
    assert given is before
    assert inputs == {}


def test_what_was_not_made_is_named(step: Any) -> None:
    step.block_of = lambda asset: "Z' fails"
    with pytest.raises(NotMade, match=r"no viability of a plate reader \(ctg\), and rescue is taught by one"):
        with_what_others_know(RescueReadout, step, tensors(*LABELS), wells(3))
    step.screen_id = "OTHER_V1_DS1"
    with pytest.raises(NotMade, match="has no features of features; materialize viability/features first"):
        with_what_others_know(RescueReadout, step, tensors(*LABELS), wells(3))


def test_a_well_without_features_is_read_by_nobody() -> None:
    from phenodose.testing.tensor_readouts import wells_of_discs

    given = wells_of_discs()
    assert given.features is not None
    given.features[20] = np.nan
    found = RescueReadout({}).read(given)
    assert np.flatnonzero(np.isnan(found.raw)).tolist() == [20]
    drugs = pd.Series(found.raw)[given.treatment >= 0].dropna()
    assert np.corrcoef(drugs, np.asarray(given.measured)[drugs.index])[0, 1] > 0.5
