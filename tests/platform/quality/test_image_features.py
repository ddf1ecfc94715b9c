"""Figures of pictures: they follow brightness, place and detail, and not the way the picture lies."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from phenodose.quality.image_features import image_features


def pictures(n: int = 20, size_px: int = 32, seed: int = 0) -> np.ndarray:
    """Blobs of different size and place on noise: uint16 (well, y, x, channel) as MIP, MID, MIP."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size_px, :size_px] / size_px - 0.5
    made = []
    for _ in range(n):
        at_y, at_x, wide = *rng.uniform(-0.15, 0.15, 2), rng.uniform(0.08, 0.2)
        blob = np.exp(-((y - at_y) ** 2 + 2 * (x - at_x) ** 2) / (2 * wide**2))
        made.append(100 + 3000 * rng.uniform(0.5, 1.5) * blob + rng.normal(0, 10, blob.shape))
    mip = np.stack(made)
    return np.clip(np.stack([mip, 0.6 * mip, mip], axis=-1), 0, 65535).astype(np.uint16)


def tensors(images: np.ndarray) -> xr.DataArray:
    return xr.DataArray(images, dims=("well", "y", "x", "channel"), coords={"channel": ["MIP", "MID", "MIP"]})


def test_turned_and_mirrored_pictures_have_the_same_figures() -> None:
    images = pictures()
    plain = image_features(tensors(images))
    for moved in (np.rot90(images, axes=(1, 2)), images[:, ::-1], images[:, :, ::-1]):
        np.testing.assert_allclose(image_features(tensors(np.ascontiguousarray(moved))), plain, rtol=1e-6, atol=1e-6)


def test_a_channel_that_is_there_twice_counts_once() -> None:
    images = pictures()
    assert image_features(tensors(images)).shape == image_features(tensors(images)[..., :2]).shape
    np.testing.assert_array_equal(image_features(tensors(images)), image_features(tensors(images)[..., :2]))


def test_more_wells_than_fit_a_batch_are_figured_like_few() -> None:
    images = pictures(n=130)
    whole = image_features(tensors(images))
    assert whole.shape[0] == 130
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(whole[:65], image_features(tensors(np.concatenate([images[65:], images[:65]])))[65:])


@pytest.mark.parametrize("black", [0, 7])
def test_black_and_equal_pictures_have_figures_too(black: int) -> None:
    images = pictures()
    images[3] = black
    assert np.isfinite(image_features(tensors(images))).all()
    assert np.isfinite(image_features(tensors(np.full_like(images, black)))).all()


def test_a_black_picture_lies_outside_the_others() -> None:
    images = pictures()
    images[3] = 100
    figures = image_features(tensors(images))
    apart = np.linalg.norm(figures - np.median(figures, axis=0), axis=1)
    assert apart.argmax() == 3
    assert apart[3] > 3 * np.delete(apart, 3).max()
