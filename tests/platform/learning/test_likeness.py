"""The linear model on frozen features, on wells whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.errors import NotMade
from phenodose.learning.likeness import Blends, Likeness, likeness, likeness_of_views

FEATURES = 60


class Screen:
    """Wells whose features lie on a line from killed to living, with noise; some drugs leave it."""

    def __init__(self, seed: int = 1, controls: int = 12, drugs: int = 8) -> None:
        rng = np.random.default_rng(seed)
        alive, aside, nuisance = rng.normal(size=(3, FEATURES))
        doses = np.array([1.0, 0.75, 0.5, 0.25, 0.0])
        self.truth = np.concatenate([np.ones(controls), np.zeros(controls), np.tile(np.repeat(doses, 2), drugs)])
        n = len(self.truth)
        self.negative = np.arange(n) < controls
        self.positive = (np.arange(n) >= controls) & (np.arange(n) < 2 * controls)
        drug = ~(self.negative | self.positive)
        self.content = np.where(drug, np.arange(n) // 2, -1)
        # Every other drug kills in another way.
        self.unlike = drug & ((np.arange(n) - 2 * controls) // 10 % 2 == 1)
        way = np.where(self.unlike[:, None], aside, -alive)
        killed = (1 - self.truth)[:, None]
        # One direction varies from well to well far more than the others: the staining.
        noise = 0.15 * rng.normal(size=(n, FEATURES)) + 3 * rng.normal(size=(n, 1)) * nuisance
        self.features = killed * way + noise
        share = rng.uniform(0.05, 0.95, 40)
        self.blends = Blends((share[:, None] - 1) * alive + 0.15 * rng.normal(size=(40, FEATURES)), share)
        self.alive = alive

    def seen(self) -> Likeness:
        return likeness(self.features, self.negative, self.positive, self.content, self.blends)


def test_viability_is_read_through_noise_that_replicates_show() -> None:
    screen = Screen()
    seen = screen.seen()
    like = ~screen.unlike
    assert np.corrcoef(seen.viability[like], screen.truth[like])[0, 1] > 0.99
    assert np.abs(seen.viability[like] - screen.truth[like]).mean() < 0.05
    assert np.median(seen.viability[screen.negative]) == pytest.approx(1, abs=1e-3)
    assert np.median(seen.viability[screen.positive]) == pytest.approx(0, abs=1e-3)


def test_half_of_the_bend_that_blends_show_is_taken_out_of_the_scale() -> None:
    screen = Screen(seed=2)
    half = np.abs(screen.truth - 0.5) < 0.1
    straight = screen.seen().viability[half & ~screen.unlike].mean()
    share = screen.blends.living
    late = share + 0.8 * share * (1 - share)
    screen.blends = Blends((late[:, None] - 1) * screen.alive, share)
    bent = screen.seen().viability[half & ~screen.unlike].mean()
    # v = s + 0.4 s (1 - s) is solved for s
    assert straight == pytest.approx(0.5, abs=0.05)
    assert bent == pytest.approx(0.41, abs=0.05)


def test_without_replicates_and_without_blends_there_is_still_an_answer() -> None:
    screen = Screen()
    alone = np.full(len(screen.truth), -1)
    none = Blends(np.empty((0, FEATURES)), np.empty(0))
    seen = likeness(screen.features, screen.negative, screen.positive, alone, none)
    like = ~screen.unlike
    assert np.corrcoef(seen.viability[like], screen.truth[like])[0, 1] > 0.9
    assert np.isfinite(seen.viability_sd).all()


def test_the_spread_tells_where_models_of_other_wells_disagree() -> None:
    screen = Screen()
    sharp = screen.seen().viability_sd[~screen.unlike]
    rng = np.random.default_rng(5)
    screen.features = screen.features + 1.5 * rng.normal(size=screen.features.shape)
    assert np.median(screen.seen().viability_sd[~screen.unlike]) > 2 * np.median(sharp)


@pytest.mark.parametrize(("living", "killed"), [(2, 12), (12, 0)])
def test_too_few_controls_are_told(living: int, killed: int) -> None:
    screen = Screen()
    negative, positive = np.flatnonzero(screen.negative)[:living], np.flatnonzero(screen.positive)[:killed]
    rows = np.arange(len(screen.truth))
    screen.negative, screen.positive = np.isin(rows, negative), np.isin(rows, positive)
    with pytest.raises(NotMade, match=f"{living} living and {killed} killed"):
        screen.seen()


def test_images_that_are_all_the_same_are_told() -> None:
    screen = Screen()
    screen.features = np.ones_like(screen.features)
    with pytest.raises(NotMade, match="the same"):
        screen.seen()


def test_controls_that_are_copies_of_one_image_are_told() -> None:
    screen = Screen(controls=3)
    for kind in (screen.negative, screen.positive):
        screen.features[kind] = screen.features[kind][0]
    with pytest.raises(NotMade, match="copies of others"):
        screen.seen()


def together(views: list[tuple[np.ndarray, Blends]], screen: Screen) -> Likeness:
    return likeness_of_views(views, screen.negative, screen.positive, screen.content)


def test_of_two_views_the_one_in_which_like_wells_differ_less_counts_more() -> None:
    screen = Screen()
    rng = np.random.default_rng(7)
    noisy = screen.features + 1.5 * rng.normal(size=screen.features.shape)
    like = ~screen.unlike

    def error(said: Likeness) -> float:
        return float(np.abs(said.viability - screen.truth)[like].mean())

    views = [(noisy, screen.blends), (screen.features, screen.blends)]
    both, alone = together(views, screen), [together([view], screen) for view in views]
    assert error(both) < 0.3 * error(alone[0])
    assert error(both) < 1.2 * error(alone[1])
    assert np.median(both.viability[screen.negative]) == pytest.approx(1, abs=1e-9)
    assert np.median(both.viability[screen.positive]) == pytest.approx(0, abs=1e-9)


def test_a_view_in_which_controls_look_the_same_is_left_out() -> None:
    screen = Screen()
    blind = (np.zeros_like(screen.features), screen.blends)
    seen = together([blind, (screen.features, screen.blends)], screen)
    np.testing.assert_allclose(seen.viability, screen.seen().viability)
    with pytest.raises(NotMade, match="the same"):
        together([blind, blind], screen)
