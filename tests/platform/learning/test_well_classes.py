"""Classes of wells beside living and killed: which there are, and a model that is asked about wells it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.errors import NotMade
from phenodose.learning.well_classes import (
    class_labels,
    class_names,
    class_probabilities,
    confusion,
    too_few,
    with_enough_wells,
)

NAMES = ("killed", "living", "empty")


def wells(apart: float, seed: int = 0, counts: tuple[int, ...] = (20, 30, 5, 40)) -> tuple[np.ndarray, np.ndarray]:
    """Features of killed, living and empty wells and of as many as the last number that nobody names, and labels."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat([0, 1, 2, 3], counts)
    centres = apart * np.eye(4, 60)
    features = rng.normal(size=(len(kinds), 60)) + centres[np.where(kinds == 3, np.arange(len(kinds)) % 3, kinds)]
    return features.astype(np.float32), np.where(kinds == 3, -1, kinds)


def test_a_name_is_a_class_from_three_wells_on_however_it_is_spelled() -> None:
    named = ["Out of focus", "out_of_focus", "OUT-OF-FOCUS", "empty", "empty", "", "living"]
    assert class_names(named) == ("killed", "living", "Out of focus")
    assert too_few(named) == {"empty": 2}
    assert class_names(["", ""]) == ("killed", "living")


def test_what_a_person_calls_a_control_counts_before_the_layout() -> None:
    named = ["", "", "Empty", "", "killed", "rare"]
    negative = np.array([True, False, True, False, False, True])
    positive = np.array([False, True, False, False, False, False])
    assert class_labels(NAMES, named, negative, positive).tolist() == [1, 0, 2, -1, 0, -1]


def test_wells_are_told_apart_and_probabilities_sum_to_one() -> None:
    features, labels = wells(14.0)
    found = class_probabilities(features, labels, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    right = confusion(NAMES, labels, found)
    assert right["empty"] == {"killed": 0, "living": 0, "empty": 5}
    assert right["living"]["living"] == 30
    others = found[labels < 0].argmax(axis=1)
    assert (others == np.flatnonzero(labels < 0) % 3).mean() > 0.95


def test_no_well_is_read_by_a_model_that_has_seen_it() -> None:
    """Features that hold nothing: a model that had seen its wells would know them all."""
    features, labels = wells(0.0)
    found = class_probabilities(features, labels, 3)
    right = sum(confusion(NAMES, labels, found)[name][name] for name in NAMES)
    assert right < 0.6 * (labels >= 0).sum()
    # A well of another name changes what is said of all others, and nothing of itself.
    moved = labels.copy()
    moved[0] = 1
    again = class_probabilities(features, moved, 3)
    assert not np.allclose(found[1:], again[1:])


def test_its_probabilities_are_as_sure_as_they_are_right() -> None:
    features, labels = wells(1.5, seed=3, counts=(60, 60, 60, 0))
    found = class_probabilities(features, labels, 3)
    right = (found.argmax(axis=1) == labels).mean()
    assert 0.5 < right < 0.98
    assert found.max(axis=1).mean() == pytest.approx(right, abs=0.15)


def test_a_class_is_left_out_where_a_person_calls_all_its_wells_otherwise() -> None:
    """Untreated wells of two entities, each named by its own: there is no class `living` then."""
    named = ["EPN"] * 4 + ["MB"] * 4 + [""] * 5
    negative = np.arange(13) < 8
    every = class_names(named)
    names, labels = with_enough_wells(every, class_labels(every, named, negative, np.arange(13) > 8))
    assert names == ("killed", "EPN", "MB")
    assert labels.tolist() == [1] * 4 + [2] * 4 + [-1] + [0] * 4
    assert class_labels(names, [""] * 13, negative, ~negative).tolist() == [-1] * 8 + [0] * 5


def test_two_wells_are_no_class() -> None:
    features, labels = wells(14.0, counts=(20, 20, 2, 5))
    with pytest.raises(NotMade, match="3 are the least"):
        class_probabilities(features, labels, 3)
