"""What is said of the classes of a screen's wells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phenodose.pipeline.well_classes import class_notes, named_classes, seen_classes
from phenodose.plugins import Inference

NEGATIVE = np.array([True, True, False, False, False, False])
POSITIVE = np.array([False, False, True, False, False, False])
NAMED = ["", "", "", "empty", "empty", ""]
READ = [1, 1, 0, 2, 1, 2]


def said(unseen: np.ndarray | None = None) -> Inference:
    probability = np.full((6, 3), 0.1)
    probability[np.arange(6), READ] = 0.8
    return Inference(
        np.zeros(6), np.zeros((6, 1)), class_names=("killed", "living", "empty"), class_probability=probability,
        class_unseen=unseen,
    )  # fmt: skip


def test_wells_of_the_type_empty_are_called_so_unless_a_person_says_otherwise() -> None:
    wells = pd.DataFrame({"well_type": ["neg", "empty", "empty"], "named_class": [None, None, "fibre"]})
    assert named_classes(wells) == ["", "empty", "fibre"]
    assert named_classes(wells.drop(columns="named_class")) == ["", "empty", "empty"]


def test_the_most_probable_class_stands_at_its_well() -> None:
    found = seen_classes(said(), NAMED, NEGATIVE, POSITIVE)
    assert found is not None
    frame = found.frame(np.array([3, -1, 0]))
    assert frame["well_class"].tolist() == ["empty", None, "living"]
    assert frame["class_probability"].fillna(-1).round(9).tolist() == [0.8, -1, 0.8]


def test_it_is_said_how_many_wells_of_each_class_were_right() -> None:
    found = seen_classes(said(), NAMED, NEGATIVE, POSITIVE)
    assert class_notes(found, NAMED) == [
        "classes of wells, each read by a model that has not seen it: killed 1 of 1, living 2 of 2, empty 1 of 2 "
        "right.",
        "too few wells with an image to learn a class from, 3 are the least: 'empty' (2).",
    ]


def test_wells_that_a_network_was_taught_by_say_nothing_of_it() -> None:
    unseen = np.array([True, False, True, False, True, True])
    found = seen_classes(said(unseen), NAMED, NEGATIVE, POSITIVE)
    assert found is not None
    assert found.right["living"] == {"killed": 0, "living": 1, "empty": 0}
    assert found.right["empty"] == {"killed": 0, "living": 1, "empty": 0}


def test_where_nobody_names_wells_it_is_said_how() -> None:
    without = Inference(np.zeros(6), np.zeros((6, 1)))
    assert seen_classes(without, None, NEGATIVE, POSITIVE) is None
    assert "well_classes is on, but no name stands at 3 wells" in class_notes(None, None)[0]
    assert class_notes(None, None, 32)[0].startswith("32 wells have an image and no row in the layout")
