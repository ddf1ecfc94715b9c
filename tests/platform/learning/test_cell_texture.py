"""Figures of texture tell how cells look, and not how they lie or how strongly they are stained."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from phenodose.learning.cell_texture import mixed_counts, texture, texture_counts
from phenodose.learning.mosaics import mosaics, pairs_of

SIZE = 48


def pictured(rng: np.random.Generator, width: float, radius: float, middle: tuple[float, float]) -> np.ndarray:
    """A disc of points blurred to cells of a width, uint16 (y, x, 1)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    inside = np.hypot(y - middle[0], x - middle[1]) < radius
    points = (rng.random((SIZE, SIZE)) < 0.08) * inside
    light = gaussian_filter(points.astype(float), width) * width**2 * 2 * np.pi
    return np.asarray(rng.poisson(900 * light + 30)[..., None] + 100, dtype=np.uint16)


@pytest.fixture(scope="module")
def wells() -> dict[str, np.ndarray]:
    """Fine and coarse cells, each as ten wells in the middle and ten smaller ones elsewhere."""
    rng = np.random.default_rng(4)
    places = [(18.0, (24.0, 24.0))] * 10 + [(13.0, (18.0, 28.0))] * 10
    return {
        name: np.stack([pictured(rng, width, *place) for place in places])
        for name, width in (("fine", 0.8), ("coarse", 1.6))
    }


def test_the_look_of_cells_counts_and_their_layout_hardly(wells: dict[str, np.ndarray]) -> None:
    fine, coarse = (texture(texture_counts(wells[name]), 1) for name in ("fine", "coarse"))
    noise = np.concatenate([fine[:10] - fine[:10].mean(axis=0), coarse[:10] - coarse[:10].mean(axis=0)]).std(axis=0)
    by_look = np.abs(fine[:10].mean(axis=0) - coarse[:10].mean(axis=0)) / (noise + 0.02)
    by_layout = np.abs(fine[:10].mean(axis=0) - fine[10:].mean(axis=0)) / (noise + 0.02)
    assert np.median(by_look) > 2.5 * np.median(by_layout)


def test_staining_changes_nothing(wells: dict[str, np.ndarray]) -> None:
    faint = wells["fine"][:4].astype(np.float32)
    plain, strong = (texture(texture_counts(images), 1) for images in (faint, 3 * faint))
    np.testing.assert_allclose(strong, plain, atol=0.05)


def test_a_hot_pixel_moves_little(wells: dict[str, np.ndarray]) -> None:
    images = wells["coarse"][:1]
    hot = images.copy()
    hot[0, 3, 3] = 60_000
    moved = texture(texture_counts(hot), 1) - texture(texture_counts(images), 1)
    other = texture(texture_counts(wells["fine"][:1]), 1) - texture(texture_counts(images), 1)
    assert np.median(np.abs(moved)) < 0.2 * np.median(np.abs(other))


def test_numbers_do_not_depend_on_threads_nor_on_the_wells_beside(wells: dict[str, np.ndarray]) -> None:
    both = np.concatenate([wells["fine"], wells["coarse"]])
    whole = texture_counts(both, threads=2)
    np.testing.assert_array_equal(whole[13:14], texture_counts(both[13:14]))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_empty_images_have_finite_figures(channels: int) -> None:
    images = np.zeros((2, 20, 30, channels), dtype=np.uint16)
    assert np.isfinite(texture(texture_counts(images), channels)).all()


def test_large_images_are_looked_at_at_the_scale_of_small_ones(wells: dict[str, np.ndarray]) -> None:
    images = np.tile(wells["coarse"][:2], (1, 2, 2, 1))
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    assert large.shape[1] == 4 * SIZE
    np.testing.assert_allclose(texture_counts(large), texture_counts(images), rtol=1e-5, atol=1e-3)


def test_cells_of_two_wells_side_by_side_lie_between_them(wells: dict[str, np.ndarray]) -> None:
    counts = texture_counts(np.concatenate([wells["fine"][:1], wells["coarse"][:1]]))
    pairs = np.array([[0, 1]] * 3)
    ends = texture(counts, 1)
    made = texture(mixed_counts(counts, pairs, np.array([1.0, 0.5, 0.0])), 1)
    np.testing.assert_allclose(made[[0, 2]], ends)
    # The extreme of all pixels lies between the extremes of both kinds.
    between = np.sort(ends[:, :7], axis=0)
    assert ((made[1, :7] >= between[0] - 1e-9) & (made[1, :7] <= between[1] + 1e-9)).all()


def test_a_mosaic_shows_the_killed_where_cells_die_and_the_living_elsewhere() -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    disc = np.hypot(y - 24, x - 24) < 15
    elsewhere = np.roll(disc, (5, -4), axis=(0, 1))
    alive, killed = (np.where(cells, light, 0.0)[..., None] + 100 for cells, light in ((disc, 1000), (elsewhere, 400)))
    images, pairs = np.stack([alive, killed]).astype(np.uint16), np.array([[0, 1]])
    core, rim = (mosaics(images, pairs, np.array([0.5]), where, seed=0)[0, :, :, 0] for where in ("core", "rim"))
    assert core[24, 24] == pytest.approx(500, abs=30)
    assert rim[24, 24] == pytest.approx(1100, abs=30)
    assert (core > 800).sum() == pytest.approx(disc.sum() / 2, rel=0.3)
    assert np.hypot(y - 24, x - 24)[core > 800].min() > 7


def test_pairs_are_of_one_plate_where_it_has_both_controls() -> None:
    negative = np.array([True, True, False, False, False, True])
    positive = np.array([False, False, True, False, True, False])
    plate = np.array(["a", "b", "a", "a", "b", "c"])
    pairs, shares = pairs_of(negative, positive, plate, 60, seed=1)
    assert negative[pairs[:, 0]].all()
    assert positive[pairs[:, 1]].all()
    same = plate[pairs[:, 0]] == plate[pairs[:, 1]]
    assert (same | (plate[pairs[:, 0]] == "c")).all()
    assert set(plate[pairs[:, 0]]) == {"a", "b", "c"}
    assert ((shares > 0) & (shares < 1)).all()
