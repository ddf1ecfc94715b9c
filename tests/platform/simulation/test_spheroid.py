"""Images of spheroids: viability shows in morphology, hardly in brightness."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from phenodose.simulation import spheroid
from phenodose.simulation.pharmacology import Death

OPTICS = spheroid.Optics(size_px=96, planes=3)
LIGHT = spheroid.illumination(OPTICS, np.random.default_rng(0))


def stack(viability: float, death: Death = "apoptosis", gain: float = 1.0, seed: int = 0) -> np.ndarray:
    return spheroid.render_stack(viability, death, gain, OPTICS, LIGHT, np.random.default_rng(seed))


def unevenness(planes: np.ndarray) -> float:
    """Deviation of the projection over its mean where the spheroid is, at 32 px."""
    small = planes.max(axis=0).reshape(32, 3, 32, 3).mean(axis=(1, 3)) - 110
    inside = small[small > 0.15 * small.max()]
    return float(inside.std() / inside.mean())


def test_a_stack_is_uint16_and_bright_in_the_middle_only() -> None:
    planes = stack(1.0)
    assert planes.dtype == np.uint16
    assert planes.shape == (3, 96, 96)
    projection = planes.max(axis=0).astype(float)
    assert np.median(projection[40:56, 40:56]) > 10 * np.median(projection[:6])
    assert np.median(projection[:6]) > 100


def test_rendering_is_repeatable() -> None:
    np.testing.assert_array_equal(stack(0.4, seed=3), stack(0.4, seed=3))
    assert np.any(stack(0.4, seed=3) != stack(0.4, seed=4))


def test_controls_are_told_apart_by_morphology() -> None:
    alive = [unevenness(stack(1.0, seed=seed)) for seed in range(12)]
    killed = [unevenness(stack(0.0, seed=100 + seed)) for seed in range(12)]
    assert max(alive) < min(killed)


@pytest.mark.parametrize("death", [death for death in get_args(Death) if death != "lysis"])
def test_every_way_of_dying_is_graded(death: Death) -> None:
    steps = [np.mean([unevenness(stack(v, death, seed=seed)) for seed in range(4)]) for v in (1.0, 0.5, 0.0)]
    assert steps[0] < steps[1] < steps[2]
    # No jump: the middle lies in the middle half of the way.
    assert 0.2 < (steps[1] - steps[0]) / (steps[2] - steps[0]) < 0.85


def test_morphology_tells_viability_much_better_than_brightness() -> None:
    rng = np.random.default_rng(5)
    viability = rng.uniform(0, 1, 60)
    gains = np.exp(rng.normal(0, 0.29, 60))  # a well's and its plate's staining together
    stacks = [stack(v, gain=gain, seed=seed) for seed, (v, gain) in enumerate(zip(viability, gains, strict=True))]
    brightness = np.corrcoef(viability, [planes.mean() for planes in stacks])[0, 1]
    morphology = -np.corrcoef(viability, [unevenness(planes) for planes in stacks])[0, 1]
    assert morphology > 0.85
    assert 0.1 < brightness < 0.75
    assert morphology > brightness + 0.15


def test_the_field_is_the_same_at_every_image_size() -> None:
    for size in (48, 192, 768):
        optics = spheroid.Optics(size, 4)
        assert optics.pixel_um * size == pytest.approx(768 * 0.343)
        assert optics.z_step_um == 25.0
    areas = []
    for size in (64, 192):
        optics = spheroid.Optics(size, 2)
        light = spheroid.illumination(optics, np.random.default_rng(0))
        image = spheroid.render_stack(1.0, "apoptosis", 1.0, optics, light, np.random.default_rng(1)).max(axis=0)
        areas.append(np.mean(image > 0.3 * np.percentile(image, 99)))
    assert areas[0] == pytest.approx(areas[1], rel=0.15)
