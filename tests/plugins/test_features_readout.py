"""The readout `features` on simulated screens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phenodose.plugins import TensorWells
from phenodose.simulation.in_memory import ScreenInMemory, simulate_in_memory
from phenodose_readouts.features import FeaturesReadout


@pytest.fixture(scope="module")
def screen() -> ScreenInMemory:
    return simulate_in_memory("X_V1_DS1", morphology="fragmenting", plates=2, drugs=4, seed=5, size_px=48, planes=2)


def wells_of(screen: ScreenInMemory) -> TensorWells:
    layout = screen.layout
    drugs = (layout["well_type"] == "therapy").to_numpy()
    return TensorWells(
        images=screen.tensors.to_numpy(),
        channels=("MIP", "MID", "MIP"),
        negative=(layout["well_type"] == "neg").to_numpy(),
        positive=(layout["well_type"] == "pos").to_numpy(),
        content=np.where(drugs, layout.groupby(["treatment", "concentration_nM"], dropna=False).ngroup(), -1),
        treatment=np.where(drugs, layout.groupby("treatment").ngroup(), -1),
        plate=layout["plate"].to_numpy().astype(str),
    )


def few_of(wells: TensorWells) -> np.ndarray:
    """Twelve controls of each kind, and the wells of two drugs."""
    first = [np.flatnonzero(kind)[:12] for kind in (wells.negative, wells.positive)]
    two = np.unique(wells.treatment[wells.treatment >= 0])[:2]
    return np.sort(np.concatenate([*first, np.flatnonzero(np.isin(wells.treatment, two))]))


def few(wells: TensorWells) -> TensorWells:
    """These wells alone: a network of the registry takes long for many."""
    kept = few_of(wells)
    arrays = ("images", "negative", "positive", "content", "treatment", "plate")
    return replace(wells, **{name: getattr(wells, name)[kept] for name in arrays})


def test_it_reads_viability_without_any_training(screen: ScreenInMemory) -> None:
    wells = wells_of(screen)
    seen = FeaturesReadout().read(wells)
    drugs = wells.content >= 0
    assert np.corrcoef(seen.raw[drugs], screen.viability[drugs])[0, 1] > 0.93
    assert np.median(seen.raw[wells.negative]) == pytest.approx(0.8, abs=1e-3)
    assert np.median(seen.raw[wells.positive]) == pytest.approx(0.2, abs=1e-3)
    assert seen.raw_sd is not None
    assert ((seen.raw >= 0) & (seen.raw <= 1) & (seen.raw_sd > 0)).all()


@pytest.mark.slow
def test_a_network_of_the_registry_can_look_at_the_images(screen: ScreenInMemory) -> None:
    """Sister: tests/platform/learning/test_frozen.py has maps of every size from such a network."""
    wells = few(wells_of(screen))
    seen = FeaturesReadout({"network": "vgg16", "copies": 1, "blends": 8}).read(wells)
    drugs = wells.content >= 0
    assert drugs.sum() == 20
    assert np.corrcoef(seen.raw[drugs], screen.viability[few_of(wells_of(screen))][drugs])[0, 1] > 0.9


def test_without_blends_the_scale_is_straight_and_all_wells_are_read(screen: ScreenInMemory) -> None:
    wells = wells_of(screen)
    seen = FeaturesReadout({"blends": 0, "copies": 1, "threads": 1}).read(wells)
    assert np.isfinite(seen.raw).all()
    assert np.median(seen.raw[wells.negative]) == pytest.approx(0.8, abs=1e-3)


def with_empty_and_blurred(screen: ScreenInMemory) -> TensorWells:
    """A few wells of the screen, then ten without cells and ten out of focus, of which five each bear a name."""
    from scipy.ndimage import gaussian_filter

    wells = few(wells_of(screen))
    rng = np.random.default_rng(0)
    living = wells.images[wells.negative][:10]
    empty = rng.normal(np.percentile(living, 5), 12, living.shape).astype(np.uint16)
    blurred = gaussian_filter(living, (0, 4, 4, 0))
    n = len(wells.images)
    nothing, unknown = np.zeros(20, dtype=bool), np.full(20, -1)
    return replace(
        wells,
        images=np.concatenate([wells.images, empty, blurred]),
        negative=np.concatenate([wells.negative, nothing]),
        positive=np.concatenate([wells.positive, nothing]),
        content=np.concatenate([wells.content, unknown]),
        treatment=np.concatenate([wells.treatment, unknown]),
        plate=np.concatenate([wells.plate, wells.plate[:20]]),
        classes=np.array([""] * n + ["empty"] * 5 + [""] * 5 + ["out of focus"] * 5 + [""] * 5, dtype=object),
    )


def test_by_choice_it_says_which_class_a_well_is_of(screen: ScreenInMemory) -> None:
    wells = with_empty_and_blurred(screen)
    asked = {"copies": 1, "blends": 8}
    seen = FeaturesReadout({**asked, "well_classes": True}).read(wells)
    assert seen.class_names == ("killed", "living", "empty", "out of focus")
    assert seen.class_probability is not None
    read = seen.class_probability.argmax(axis=1)
    assert (read[-20:-10] == 2).all()
    assert (read[-10:] == 3).mean() >= 0.8
    assert (read[wells.negative] == 1).mean() >= 0.8
    assert (read[wells.positive] == 0).mean() >= 0.9
    plain = FeaturesReadout(asked).read(wells)
    assert plain.class_names is None
    np.testing.assert_array_equal(seen.raw, plain.raw)


def test_without_names_no_class_is_told(screen: ScreenInMemory) -> None:
    wells = few(wells_of(screen))
    assert FeaturesReadout({"copies": 1, "blends": 0, "well_classes": True}).read(wells).class_probability is None
