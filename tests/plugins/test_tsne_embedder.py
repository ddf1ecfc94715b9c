"""The t-SNE map: groups stay together, the same features give the same map."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.errors import NotMade
from phenodose.plugins import registry


def two_groups(n: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (n, 30)).astype(np.float32)
    features[n // 2 :] += 8
    return features


def test_like_wells_lie_close() -> None:
    places = registry().create("embedder", "tsne").embed(two_groups())
    assert places.shape == (40, 2)
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert np.all((distance.argmin(axis=1) < 20) == (np.arange(40) < 20))


def test_the_same_features_give_the_same_map_and_another_seed_another() -> None:
    features = two_groups()
    first = registry().create("embedder", "tsne").embed(features)
    again = registry().create("embedder", "tsne").embed(features.copy())
    other = registry().create("embedder", "tsne", {"seed": 1}).embed(features)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_all_variance_may_be_kept() -> None:
    places = registry().create("embedder", "tsne", {"variance_fraction": 1.0}).embed(two_groups())
    assert np.isfinite(places).all()


@pytest.mark.parametrize("features", [np.ones((4, 3), np.float32), np.ones((12, 3), np.float32)])
def test_what_cannot_be_mapped_says_why(features: np.ndarray) -> None:
    with pytest.raises(NotMade, match=r"at least 5 wells|nothing to map"):
        registry().create("embedder", "tsne").embed(features)
