"""The profile of a picture tells grain from grain, and stays when other wells come."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from phenodose.phenotypes.image_profile import image_profile

SIDE = 64
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE / 2


def spots(period, light=4000.0, seed=1):
    """A disc of spots that are so many pixels apart."""
    disc = X**2 + Y**2 < 20**2
    grain = (np.sin(np.pi * X / period) * np.sin(np.pi * Y / period)) ** 4
    return np.random.default_rng(seed).normal(300, 5, (SIDE, SIDE)) + light * disc * grain


def tensors(*pictures):
    stacked = np.stack(pictures).clip(0, 65535).astype(np.uint16)[..., None]
    return xr.DataArray(np.repeat(stacked, 3, axis=-1), dims=("well", "y", "x", "channel"))


def test_equal_grain_is_closer_than_equal_light():
    fine, fine_bright, coarse = image_profile(tensors(spots(3), spots(3, light=6000, seed=2), spots(8)))
    assert np.linalg.norm(fine - fine_bright) < 0.3 * np.linalg.norm(fine - coarse)


def test_a_profile_is_its_own():
    pictures = [spots(3), spots(5), spots(8)]
    assert image_profile(tensors(*pictures))[1] == pytest.approx(image_profile(tensors(pictures[1]))[0])


def test_dark_and_empty_pictures_have_finite_profiles():
    found = image_profile(tensors(np.zeros((SIDE, SIDE)), np.full((SIDE, SIDE), 700.0), spots(4, light=0)))
    assert np.isfinite(found).all()


def test_a_channel_that_is_there_twice_counts_once():
    named = tensors(spots(3)).assign_coords(channel=["MIP", "MID", "MIP"])
    assert image_profile(named).shape[1] * 3 == image_profile(tensors(spots(3))).shape[1] * 2


def test_the_size_of_a_picture_hardly_matters():
    small = tensors(spots(6), spots(9))
    large = small.isel(y=np.repeat(np.arange(SIDE), 4), x=np.repeat(np.arange(SIDE), 4))
    assert image_profile(large) == pytest.approx(image_profile(small), abs=0.05)


def test_texture_within_cells_tells_smooth_cells_from_grainy_ones_of_the_same_layout_and_light():
    rng = np.random.default_rng(3)
    cells = 3000.0 * (X**2 + Y**2 < 20**2)
    grain = rng.choice([0.4, 1.6], size=(SIDE, SIDE))
    profiles = image_profile(tensors(300 + cells, 300 + 1.3 * cells, 300 + cells * grain))
    smooth, brighter, grainy = profiles[:, -60:]
    assert np.linalg.norm(smooth - brighter) < 0.1 * np.linalg.norm(smooth - grainy)
