"""The UMAP map: groups stay together, the same features give the same map, and without the package it says so."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from phenodose.errors import NotMade
from phenodose.plugins import registry

needs_package = pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="umap-learn is not installed")


def two_groups(n: int = 40) -> np.ndarray:
    features = np.random.default_rng(0).normal(0, 1, (n, 30)).astype(np.float32)
    features[n // 2 :] += 8
    return features


@needs_package
# Numba and umap-learn compile with what other versions of Python deprecate.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_like_wells_lie_close_and_the_same_features_give_the_same_map() -> None:
    embedder = registry().create("embedder", "umap")
    places = embedder.embed(two_groups())
    assert places.shape == (40, 2)
    assert places.dtype == np.float64
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert np.all((distance.argmin(axis=1) < 20) == (np.arange(40) < 20))
    np.testing.assert_array_equal(places, embedder.embed(two_groups()))


def test_without_the_package_the_map_is_not_made_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(NotMade, match=r"pip install 'phenodose\[umap\]'"):
        registry().create("embedder", "umap").embed(two_groups())
