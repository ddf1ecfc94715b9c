"""The step `phenotypes`: which drugs of a screen look other than untreated, by its pictures and by its networks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phenodose.errors import NotMade
from phenodose.pipeline.phenotypes import make_phenotypes
from phenodose.plates.tensors import NAME
from phenodose.plugins import registry
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_readouts.cnn import CnnReadout

SCREEN, READOUT = "TST_V1_DS1", "cnn_phase2"
SIDE = 32
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE / 2
#: Radius of the disc and strength of its grain, and viability.
LOOKS = {"DMSO": (10, 0.0, 1.0), "Small": (5, 0.0, 0.4), "Grain": (10, 1.0, 0.4), "Inert": (10, 0.0, 1.0)}
UNTREATED = 12


def picture(radius, grain, rng):
    light = 3000 * (radius**2 > X**2 + Y**2) * (1 + grain * np.sin(np.pi * X / 2) * np.sin(np.pi * Y / 2))
    return (rng.normal(300, 20, (SIDE, SIDE)) + light * rng.normal(1, 0.1)).clip(0, 65535).astype(np.uint16)


def layout():
    rows = [("neg", "DMSO", np.nan)] * UNTREATED
    rows += [("therapy", drug, dose) for drug in list(LOOKS)[1:] for dose in (10.0, 1000.0, 1000.0, 1000.0)]
    frame = pd.DataFrame(rows, columns=["well_type", "treatment", "concentration_nM"])
    frame["well"] = [f"{'BCDE'[n // 12]}{n % 12 + 1:02}" for n in range(len(frame))]
    frame["row"], frame["column"] = frame["well"].str[0], frame["well"].str[1:].astype(int)
    return frame.assign(screen=SCREEN, plate="P1", sample="S", run_id="r", replicate=None, add_on=None)


def viability(wells, readout):
    alive = wells["treatment"].map({drug: look[2] for drug, look in LOOKS.items()})
    rows = wells[["screen", "plate", "well", "row", "column"]].assign(
        readout=readout, viability_fraction=alive, masked=False, run_id="r", plugin="p", plugin_version="1",
        parameters="{}", checkpoint="abc",
    )  # fmt: skip
    return TABLES["viability"].frame(rows.to_dict("records"))


@pytest.fixture
def step(tmp_path):
    """A screen with tensors, viability of one network, and features in which `Grain` alone is different."""
    store, rng, wells = Store.open(tmp_path), np.random.default_rng(1), layout()
    store.write_table("wells", SCREEN, "layout", TABLES["wells"].frame(wells.to_dict("records")))
    drug = {"screen": SCREEN, "drug": "Small", "drug_class": "shrinker", "run_id": "r"}
    store.write_table("drugs", SCREEN, "layout", TABLES["drugs"].frame([drug]))
    store.write_table("viability", SCREEN, f"viability/{READOUT}", viability(wells, READOUT))
    labels = np.array([f"P1/{well}" for well in wells["well"]], dtype=object)
    pictures = np.stack([picture(*LOOKS[drug][:2], rng) for drug in wells["treatment"]])
    tensors = xr.DataArray(np.stack([pictures] * 3, axis=-1), dims=("well", "y", "x", "channel"), name=NAME)
    tensors = tensors.assign_coords(well=labels, channel=np.array(["MIP", "MID", "MIP"], dtype=object))
    tensors.to_dataset().to_zarr(store.tensor_path(SCREEN), zarr_format=3, consolidated=False)
    features = (
        rng.normal(size=(len(wells), 6)) + 20 * (wells["treatment"] == "Grain").to_numpy()[:, None] * np.eye(6)[0]
    )
    seen = xr.Dataset({"features": (("well", "feature"), features)}, coords={"well": labels})
    seen.to_zarr(store.feature_path(SCREEN, READOUT), zarr_format=3, consolidated=False)
    return SimpleNamespace(
        store=store,
        screen_id=SCREEN,
        run_id="run",
        plugins=registry(),
        wells=lambda: store.read_table("wells", SCREEN),
        normalisation=lambda readout, name: SimpleNamespace(negative=("neg",)),
    )


def judged(step):
    rows = make_phenotypes(step, {READOUT: CnnReadout, "cnn_phase3": CnnReadout}).rows
    stored = step.store.read_table("phenotypes", SCREEN)
    assert len(stored) == len(rows)
    return stored.set_index(["features", "beyond_viability", "drug"]).sort_index()


def test_a_row_a_drug_kind_of_features_and_whether_viability_counts(step):
    rows = judged(step)
    assert len(rows) == 2 * 2 * 3
    assert set(rows["concentration_nM"]) == {1000.0}
    assert set(rows["n_wells"]) == {3}
    assert rows.loc[("image", False, "Small"), "drug_class"] == "shrinker"
    assert rows.loc[(READOUT, True, "Small"), ["checkpoint", "viability_readout"]].to_list() == ["abc", READOUT]
    assert rows.loc[("image", False, "Small"), ["checkpoint", "viability_readout"]].isna().all()


def test_the_pictures_tell_what_the_network_does_not_see(step):
    rows = judged(step)
    image, network = rows.loc[("image", False)], rows.loc[(READOUT, False)]
    assert (image.loc[["Small", "Grain"], "q_value"] < 0.02).all()
    assert network.loc["Grain", "q_value"] < 0.02
    assert (network.loc[["Small", "Inert"], "q_value"] > 0.05).all()
    assert image.loc["Inert", "q_value"] > 0.05


def test_masked_wells_take_no_part(step):
    masked = step.store.read_table("viability", SCREEN)
    wells = step.wells()
    masked["masked"] = ((wells["treatment"] == "Grain") & (wells["concentration_nM"] == 1000.0)).to_numpy()
    step.store.write_table("viability", SCREEN, f"viability/{READOUT}", masked)
    assert "Grain" not in judged(step).index.get_level_values("drug")


def test_a_screen_without_untreated_wells_is_told(step):
    step.normalisation = lambda readout, name: SimpleNamespace(negative=("vehicle",))
    with pytest.raises(NotMade, match="no phenotypes by image: 0 untreated wells have an image, and 4 are the least"):
        judged(step)


def test_a_screen_without_drugs_is_told(step):
    wells = step.wells()
    step.wells = lambda: wells[wells["well_type"] == "neg"]
    with pytest.raises(NotMade, match="no drug well has an image"):
        judged(step)
