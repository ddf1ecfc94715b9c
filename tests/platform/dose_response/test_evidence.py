"""The evidence of curves: what is proposed on the grid is what holds at its nodes."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.dose_response import posterior
from phenodose.dose_response.curve_prior import ASYMPTOTES, Noise
from phenodose.dose_response.evidence import (
    LOG_SD_GRID,
    Coordinates,
    Wells,
    evidence_at,
    evidence_on_grid,
    grid_over,
    setting,
    sum_up,
)
from phenodose.dose_response.fit import fit_curves
from phenodose.simulation.curves import simulate_curves


@pytest.fixture(params=[1, 2], ids=["single wells", "duplicates"])
def wells(request: pytest.FixtureRequest) -> Wells:
    """Six curves of five doses, whose wells are noisier at some of them."""
    random, at = np.random.default_rng(3), np.repeat(np.arange(5), request.param)
    rise = 1 / (1 + np.exp(2 - np.arange(5.0) * random.uniform(0.5, 2, (6, 1))))
    y = rise[:, at] + random.normal(0, 0.04, (6, len(at)))
    return sum_up(at, np.arange(5.0), y, y - rise[:, at], np.exp(random.normal(0, 0.4, (6, 5))))


def test_the_grid_proposes_what_is_true_at_its_nodes(wells: Wells):
    found, grid = evidence_on_grid(wells), grid_over(4.0)
    curves, views, kinds, sds, nodes = found.shape
    for view in range(views):
        for kind in range(kinds):
            everywhere = [np.tile(axis, (curves, sds)) for axis in grid[:3]]
            places = Coordinates(*everywhere, np.tile(np.repeat(LOG_SD_GRID, nodes), (curves, 1)))
            of = [np.full((curves, sds * nodes), number) for number in (view, kind)]
            exact, _ = evidence_at(places, setting(wells, *of, np.zeros((curves, views))))
            proposed = found[:, view, kind].reshape(curves, -1)
            worth = exact > exact.max(axis=1, keepdims=True) - 25
            assert np.abs(proposed - exact)[worth].max() < 0.02
    assert kinds == len(ASYMPTOTES)


def test_a_curve_is_judged_alone(wells: Wells):
    whole = evidence_on_grid(wells)
    for i in range(len(whole)):
        np.testing.assert_array_equal(evidence_on_grid(wells.some(slice(i, i + 1)))[0], whole[i])


def test_what_is_known_of_noise_and_bad_wells_is_added(wells: Wells):
    more = np.random.default_rng(4).normal(0, 3, (*wells.wells.shape, len(LOG_SD_GRID)))
    added = evidence_on_grid(wells, more) - evidence_on_grid(wells)
    np.testing.assert_allclose(added, np.broadcast_to(more[:, :, None, :, None], added.shape), atol=0.05)


def test_noise_that_the_prior_rules_out_for_any_wells_is_left_out_and_changes_no_draw(monkeypatch):
    points = simulate_curves("clean", 12, 3).points
    first = []
    whole = posterior._first_sd

    def told(*known: object) -> int:
        first.append(whole(*known))  # type: ignore[arg-type]
        return first[-1]

    monkeypatch.setattr(posterior, "_first_sd", told)
    drawn = fit_curves(points, bootstrap=40, noise=Noise(0.1, 20.0, 0.01)).draws
    assert min(first) > 3
    monkeypatch.setattr(posterior, "_first_sd", lambda *_: 0)
    np.testing.assert_array_equal(drawn, fit_curves(points, bootstrap=40, noise=Noise(0.1, 20.0, 0.01)).draws)
