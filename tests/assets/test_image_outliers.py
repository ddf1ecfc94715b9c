"""What the UI shows of wells with strange images."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.pipeline.raw_values import RawValues, image_views
from phenodose.quality.gates import Limits
from phenodose.quality.wells import checked_viability
from phenodose.simulation.in_memory import simulate_in_memory
from phenodose.simulation.spoilt_images import spoil
from phenodose.viability.controls import choose_controls
from phenodose_assets.assets.viability import _strange_images
from phenodose_readouts.cnn import CnnReadout


@pytest.mark.parametrize("spoilt", [True, False])
def test_a_spoilt_well_is_shown_with_its_picture_beside_an_untreated_one(spoilt: bool) -> None:
    made = simulate_in_memory("S_V1_DS1", seed=5, plates=1, drugs=4, size_px=48)
    layout = made.layout.assign(sample="S")
    place = int(layout.index[layout["well_type"] == "therapy"][7])
    images = made.tensors.to_numpy().copy()
    if spoilt:
        mip, mid = spoil(images[place].transpose(2, 0, 1)[:2], "empty", np.random.default_rng(0))
        images[place] = np.stack([mip, mid, mip], axis=-1)
    tensors = made.tensors.copy(data=images).assign_coords(channel=["MIP", "MID", "MIP"])
    rng = np.random.default_rng(1)
    features = (np.outer(made.viability, np.ones(4)) + rng.normal(0, 0.05, (len(layout), 4))).astype(np.float32)
    raw = layout[["plate", "row", "column"]].assign(raw=0.2 + 0.6 * made.viability)
    measured = RawValues(raw, CnnReadout(), {}, images=tensors, features=features)
    # the network has not looked at the last row of the layout
    shorter = RawValues(raw, CnnReadout(), {}, images=tensors[:-1], features=features[:-1])
    assert np.isnan(image_views(shorter, layout)["network's features"][-1]).all()
    controls = choose_controls(layout, ("neg",), ("Staurosporine", "pos"), "test")
    viability = checked_viability(raw, layout, controls, limits=Limits(), views=image_views(measured, layout))
    shown = _strange_images(viability, measured)
    if not spoilt:
        assert shown == {}
        return
    text = str(shown["strange images"].value)
    well = layout["well"][place]
    assert f"**P1 {well}: image distance" in text
    assert "a typical untreated well" in text
    assert text.count("data:image/png;base64,") == 2
    assert float(shown["n strange images"].value) == 1
