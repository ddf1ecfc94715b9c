"""Which wells died unlike the killing control, on figures of wells whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.errors import NotMade
from phenodose.learning.control_span import Mixtures, control_distance

FEATURES = 60
_DOSES = np.array([1.0, 0.75, 0.5, 0.25, 0.0])


class Screen:
    """Wells that lie on a way from living to killed, with noise; every other drug kills in a way of its own."""

    def __init__(self, seed: int = 1, controls: int = 12, bend: float = 0.0, noise: float = 0.15) -> None:
        rng = np.random.default_rng(seed)
        killing, nuisance, bent = rng.normal(size=(3, FEATURES))
        aside = rng.normal(size=(8, FEATURES))
        self.truth = np.concatenate([np.ones(controls), np.zeros(controls), np.tile(np.repeat(_DOSES, 2), 8)])
        n = len(self.truth)
        self.negative = np.arange(n) < controls
        self.positive = (np.arange(n) >= controls) & (np.arange(n) < 2 * controls)
        self.drug = ~(self.negative | self.positive)
        self.content = np.where(self.drug, np.arange(n) // 2, -1)
        self.treatment = np.where(self.drug, (np.arange(n) - 2 * controls) // 10, -1)
        self.unlike = self.drug & (self.treatment % 2 == 1)
        killed = (1 - self.truth)[:, None]
        beside = 4 * killed * (1 - killed) * bend * bent
        # One direction varies from well to well far more than the others: how cells lie.
        chance = noise * rng.normal(size=(n, FEATURES)) + 3 * rng.normal(size=(n, 1)) * nuisance
        own = killed * aside[self.treatment]
        self.texture = np.where(self.unlike[:, None], own, killed * killing + beside) + chance
        living = rng.uniform(0.05, 0.95, 40)
        dead = (1 - living)[:, None]
        on_way = dead * killing + 4 * dead * (1 - dead) * bend * bent
        self.mixtures = [Mixtures(on_way + noise * rng.normal(size=(40, FEATURES)), living)]
        self.rng = rng

    def beyond(self, mixtures: list[Mixtures] | None = None) -> np.ndarray:
        of = self.mixtures if mixtures is None else mixtures
        given = (self.texture, of, self.negative, self.positive, self.content, self.treatment)
        return np.asarray(control_distance(*given) > 1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_wells_that_died_in_another_way_are_beyond_and_others_are_not(seed: int) -> None:
    screen = Screen(seed)
    beyond = screen.beyond()
    assert beyond[screen.unlike & (screen.truth < 0.6)].mean() > 0.85
    assert beyond[screen.drug & ~screen.unlike].mean() < 0.05


def test_wells_half_way_are_not_beyond_where_mixtures_of_controls_look_as_they_do() -> None:
    screen = Screen(bend=1.0)
    half = screen.drug & ~screen.unlike & (np.abs(screen.truth - 0.5) < 0.3)
    assert screen.beyond(mixtures=[])[half].mean() > 0.5
    assert screen.beyond()[half].mean() < 0.1
    # It takes one kind of mixture that is right; another kind does no harm.
    straight = Mixtures(Screen().mixtures[0].texture, screen.mixtures[0].living)
    assert screen.beyond([straight, *screen.mixtures])[half].mean() < 0.1
    assert screen.beyond()[screen.unlike & (screen.truth < 0.3)].mean() > 0.85


def test_a_speck_of_dust_in_one_of_two_replicates_is_no_death() -> None:
    screen = Screen()
    some = np.flatnonzero(screen.drug & ~screen.unlike)[::2]
    screen.texture[some] += 3 * screen.rng.normal(size=(len(some), FEATURES))
    assert screen.beyond()[some].mean() < 0.15


def test_a_departure_that_no_other_dose_of_the_drug_shares_counts_for_less() -> None:
    screen = Screen()
    once = screen.drug & ~screen.unlike & (screen.truth == 0.5)
    screen.texture[once] += np.repeat(0.11 * screen.rng.normal(size=(once.sum() // 2, FEATURES)), 2, axis=0)
    known = screen.beyond()[once].mean()
    screen.treatment = np.full(len(screen.truth), -1)
    assert screen.beyond()[once].mean() > known


def test_without_replicates_a_well_is_judged_alone() -> None:
    screen = Screen()
    screen.content = np.full(len(screen.truth), -1)
    distance = control_distance(screen.texture, [], screen.negative, screen.positive, screen.content)
    gone = screen.unlike & (screen.truth < 0.3)
    assert np.median(distance[gone]) > 1
    assert np.median(distance[screen.drug & ~screen.unlike]) < 1


def test_controls_that_are_all_the_same_are_told() -> None:
    screen = Screen()
    with pytest.raises(NotMade, match="the same"):
        control_distance(np.ones_like(screen.texture), [], screen.negative, screen.positive, screen.content)


@pytest.mark.parametrize("controls", [3, 4, 6, 8, 16])
def test_few_controls_do_not_make_drugs_strange_that_kill_as_the_control_does(controls: int) -> None:
    found = []
    for seed in (1, 2, 3):
        screen = Screen(seed, controls=controls)
        found.append(screen.beyond()[screen.drug & ~screen.unlike].mean())
    assert np.mean(found) <= 0.05


@pytest.mark.parametrize("controls", [6, 12, 32])
def test_a_well_without_replicates_is_judged_as_a_control_that_nothing_was_learned_from(controls: int) -> None:
    found = []
    for seed in range(6):
        screen = Screen(seed, controls=controls)
        screen.content[:] = -1
        beyond = screen.beyond()
        rates = beyond[screen.unlike & (screen.truth < 0.6)].mean(), beyond[screen.drug & ~screen.unlike].mean()
        found.append(rates)
    assert np.mean(found, axis=0)[0] > 0.95
    assert np.mean(found, axis=0)[1] < 0.08
