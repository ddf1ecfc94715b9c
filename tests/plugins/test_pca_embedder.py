"""The PCA map: exact, the same whatever the order of the wells, and honest about flat data."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.errors import NotMade
from phenodose.plugins import registry


def test_distances_of_two_dimensional_features_are_kept() -> None:
    rng = np.random.default_rng(0)
    plane, _ = np.linalg.qr(rng.normal(size=(20, 2)))
    true = rng.normal(0, [3, 1], (30, 2))
    places = registry().create("embedder", "pca").embed((true @ plane.T).astype(np.float32))
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.testing.assert_allclose(apart, np.linalg.norm(true[:, None] - true[None], axis=-1), atol=1e-4)
    assert places[:, 0].var() > places[:, 1].var()


def test_the_order_of_the_wells_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(25, 8)).astype(np.float32)
    order = rng.permutation(25)
    embedder = registry().create("embedder", "pca")
    np.testing.assert_allclose(embedder.embed(features[order]), embedder.embed(features)[order], atol=1e-5)


def test_features_along_one_direction_give_a_line() -> None:
    features = np.linspace(0, 1, 9, dtype=np.float32)[:, None]
    embedder = registry().create("embedder", "pca")
    assert embedder.n_components(features) == 1
    places = embedder.embed(features)
    assert (places[:, 1] == 0).all()
    assert np.ptp(places[:, 0]) == pytest.approx(1)


@pytest.mark.parametrize("features", [np.ones((4, 3), np.float32), np.ones((12, 3), np.float32)])
def test_what_cannot_be_mapped_says_why(features: np.ndarray) -> None:
    with pytest.raises(NotMade, match=r"at least 5 wells|nothing to map"):
        registry().create("embedder", "pca").embed(features)


def test_the_number_of_components_follows_the_variance_that_is_kept() -> None:
    spread = np.array([10.0, 3.0, 1.0, 0.1])
    rng = np.random.default_rng(2)
    features = (np.linalg.qr(rng.normal(size=(40, 4)) - 0)[0] * spread).astype(np.float32)
    features -= features.mean(axis=0)
    counts = [
        registry().create("embedder", "tsne", {"variance_fraction": kept}).n_components(features)
        for kept in (0.5, 0.95, 0.995, 1.0)
    ]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] == 4
