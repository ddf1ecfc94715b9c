"""Average precision is that of the definition, and its p-values are those of chance."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from phenodose.phenotypes.average_precision import (
    NULL_SIZE,
    average_precision,
    cosine_similarity,
    null_average_precision,
    p_value,
    q_values,
)


def one(similarity, like, candidate=None):
    like = np.array([like], dtype=bool)
    candidate = np.ones_like(like) if candidate is None else np.array([candidate], dtype=bool)
    return float(average_precision(np.array([similarity], dtype=float), like, candidate)[0])


def test_it_is_the_mean_precision_at_the_places_of_the_like():
    assert one([9, 8, 7, 6], [1, 0, 1, 0]) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert one([9, 8, 7, 6], [1, 1, 0, 0]) == 1.0
    assert one([9, 8, 7, 6], [0, 0, 0, 1]) == 0.25


def test_wells_that_are_no_candidates_have_no_place():
    assert one([9, 8, 7, 6], [0, 0, 1, 0], [0, 1, 1, 1]) == 0.5


def test_of_equal_ones_the_others_come_first():
    assert one([5, 5, 5], [1, 0, 0]) == pytest.approx(1 / 3)


def test_who_asks_for_nothing_has_none():
    assert np.isnan(one([1, 2], [0, 0]))


@pytest.mark.parametrize(("n_like", "n"), [(1, 4), (2, 6), (3, 5)])
def test_the_null_is_that_of_all_orders(n_like, n):
    like = np.arange(n) < n_like
    orders = np.array(list(permutations(range(n))), dtype=float)
    rows = np.broadcast_to(like, orders.shape)
    every = average_precision(orders, rows, np.ones_like(rows))
    null = null_average_precision(n_like, n)
    assert len(null) == NULL_SIZE
    assert null.mean() == pytest.approx(every.mean(), abs=0.005)
    for value in np.unique(every.round(9)):
        assert (null >= value - 1e-6).mean() == pytest.approx((every >= value - 1e-6).mean(), abs=0.01)


def test_the_p_value_counts_means_as_large():
    assert p_value(1.0, ((1, 4),)) == pytest.approx(1 / 4, abs=0.01)
    assert p_value(1.0, ((1, 4), (1, 4))) == pytest.approx(1 / 16, abs=0.01)
    assert p_value(0.0, ((1, 4),)) == 1.0
    assert np.isnan(p_value(float("nan"), ((1, 4),)))


def test_q_values_are_those_of_benjamini_and_hochberg():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.5])
    assert q_values(p)[[0, 1, 3, 4]] == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert np.isnan(q_values(p)[2])
    assert np.isnan(q_values(np.array([np.nan]))).all()


def test_the_angle_counts_and_not_the_length():
    found = cosine_similarity(np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
    assert found[0] == pytest.approx([1, 1, 0, 0])
