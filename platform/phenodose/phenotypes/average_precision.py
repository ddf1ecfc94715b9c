"""Are like wells closer to each other than to others? Mean average precision, and how likely it is by chance.

A well asks for its like: the candidates are ordered by similarity, and average precision is the mean, over those that
are its like, of the share of like ones among the candidates down to that place. It is 1 if all its like come first.
The mean over the wells of a drug is its mean average precision (mAP). The p-value is the share of random orders with a
mean as large; that the wells of a drug ask about each other makes it a little small, as in the package.

Belongs here: orders, null distributions, corrections for many tests. Does not belong here: features (`alignment`) and
what is a drug (`drug_phenotypes`).

Sources: Kalinin et al. 2025, A versatile information retrieval framework for evaluating profile strength and
similarity, Nature Communications 16:5181, and its package copairs (BSD-3-Clause), whose definitions these are; written
anew. Benjamini and Hochberg 1995, J. R. Statist. Soc. B 57:289.
"""

from __future__ import annotations

from functools import cache

import numpy as np

#: Random orders that a p-value rests on.
NULL_SIZE = 20_000
_SEED = 0


def cosine_similarity(profiles: np.ndarray) -> np.ndarray:
    """Cosine of the angle between every two profiles (well, feature); float64 array (well, well)."""
    length = np.linalg.norm(profiles, axis=1, keepdims=True)
    unit = profiles / np.where(length > 0, length, 1.0)
    return np.asarray(unit @ unit.T)


def average_precision(similarity: np.ndarray, like: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Average precision of every query.

    Args:
        similarity: float array (query, well).
        like: bool array (query, well): the wells that the query asks for.
        candidate: bool array (query, well): the wells that are ordered; those that it asks for are among them.

    Returns:
        float64 array (query,), NaN for a query that asks for nothing. Of equal similarities those that are not asked
        for come first.
    """
    order = np.lexsort((like, -np.where(candidate, similarity, -np.inf)), axis=-1)
    hit = np.take_along_axis(like & candidate, order, axis=1)
    precision = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    wanted = hit.sum(axis=1)
    total = np.where(hit, precision, 0.0).sum(axis=1)
    return np.where(wanted > 0, total / np.maximum(wanted, 1), np.nan)


@cache
def null_average_precision(n_like: int, n_candidates: int, size: int = NULL_SIZE) -> np.ndarray:
    """Average precision of random orders: float64 array (size,), the same for the same arguments."""
    rng = np.random.default_rng([_SEED, n_like, n_candidates])
    if 2 * n_like > n_candidates:
        places = np.argsort(rng.random((size, n_candidates)), axis=1)[:, :n_like]
    else:
        places = np.empty((0, n_like), dtype=np.int64)
        while len(places) < size:
            drawn = np.sort(rng.integers(0, n_candidates, (size, n_like)), axis=1)
            places = np.concatenate([places, drawn[(np.diff(drawn, axis=1) > 0).all(axis=1)]])
    ranks = np.sort(places[:size], axis=1) + 1
    null = (np.arange(1, n_like + 1) / ranks).mean(axis=1)
    null.setflags(write=False)
    return np.asarray(null)


@cache
def null_mean(sizes: tuple[tuple[int, int], ...], size: int = NULL_SIZE) -> np.ndarray:
    """Means of independent random average precisions, ascending: float64 array (size,).

    Args:
        sizes: (n_like, n_candidates) of each query.
        size: random means.
    """
    rng = np.random.default_rng([_SEED, len(sizes)])
    total = np.zeros(size)
    for n_like, n_candidates in sizes:
        total += rng.permutation(null_average_precision(n_like, n_candidates, size))
    null = np.sort(total / len(sizes))
    null.setflags(write=False)
    return null


def p_value(observed: float, sizes: tuple[tuple[int, int], ...]) -> float:
    """Share of random means that are at least as large, the observed one counted among them; NaN if it is NaN.

    Args:
        observed: a mean average precision.
        sizes: (n_like, n_candidates) of each of its queries.
    """
    if not np.isfinite(observed) or not sizes:
        return float("nan")
    null = null_mean(tuple(sorted(sizes)))
    # Rounded sums may differ from the same mean in the last digit.
    at_least = len(null) - int(np.searchsorted(null, observed - 1e-9, side="left"))
    return (at_least + 1) / (len(null) + 1)


def q_values(p: np.ndarray) -> np.ndarray:
    """Share of false discoveries, if everything with so small a p counts (Benjamini and Hochberg); NaN stays NaN."""
    q = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    if len(known):
        order = known[np.argsort(p[known], kind="stable")]
        raised = p[order] * len(order) / np.arange(1, len(order) + 1)
        q[order] = np.minimum.accumulate(np.minimum(raised, 1.0)[::-1])[::-1]
    return q
