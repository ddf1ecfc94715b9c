"""The classes of a screen's wells: what a person calls them, and what a readout of images makes of it.

Belongs here: names of wells as the layout has them, what a readout says of all wells, and the sentences on it. Does not
belong here: models (`phenodose.learning.well_classes`), and flags (`phenodose.quality.wells`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.plugins import Inference

#: The parameter by which a readout is asked for classes.
WELL_CLASSES = "well_classes"
#: The class of wells of the type `empty` that nobody calls otherwise.
EMPTY = "empty"


@dataclass(frozen=True)
class SeenClasses:
    """What a readout says of the class of every well that has an image.

    Attributes:
        names: the classes.
        probability: float array (well, class).
        right: known class -> class that was read -> wells, of wells that their model has not seen.
    """

    names: Sequence[str]
    probability: np.ndarray
    right: dict[str, dict[str, int]]

    def frame(self, rows: np.ndarray) -> pd.DataFrame:
        """Columns well_class and class_probability of the wells at some rows; missing for a row of -1."""
        import numpy as np
        import pandas as pd

        best = self.probability.argmax(axis=1)
        named = np.array([str(self.names[one]) for one in best], dtype=object)
        seen = rows >= 0
        return pd.DataFrame(
            {
                "well_class": pd.Series(np.where(seen, named[rows], None), dtype=object),
                "class_probability": np.where(seen, self.probability.max(axis=1)[rows], np.nan),
            }
        )

    def sentence(self) -> str:
        """How many wells of each class were read right."""
        counts = [
            f"{name} {read.get(name, 0)} of {sum(read.values())}"
            for name, read in self.right.items()
            if any(read.values())
        ]
        return f"classes of wells, each read by a model that has not seen it: {', '.join(counts)} right."


def named_classes(wells: pd.DataFrame) -> list[str]:
    """What a person calls each well of the layout; 'empty' for wells of that type; '' where nobody says."""
    names = wells["named_class"] if "named_class" in wells else [None] * len(wells)
    return [
        name if isinstance(name, str) and name else EMPTY if kind == EMPTY else ""
        for name, kind in zip(names, wells["well_type"], strict=True)
    ]


def seen_classes(
    found: Inference, named: Sequence[str] | None, negative: np.ndarray, positive: np.ndarray
) -> SeenClasses | None:
    """What a readout says of the classes of all wells; None if it was not asked.

    Args:
        found: what it says.
        named: what a person calls each well, in the same order.
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
    """
    import numpy as np

    from phenodose.learning.well_classes import class_labels, confusion

    if found.class_names is None or found.class_probability is None:
        return None
    names = [str(name) for name in found.class_names]
    labels = class_labels(names, named or [""] * len(negative), negative, positive)
    if found.class_unseen is not None:
        labels = np.where(found.class_unseen, labels, -1)
    return SeenClasses(names, found.class_probability, confusion(names, labels, found.class_probability))


def class_notes(seen: SeenClasses | None, named: Sequence[str] | None, unlisted: int = 0) -> list[str]:
    """What is to be said where classes were asked for: how well they are told, or why there are none.

    Args:
        seen: what the readout says of the wells.
        named: what a person calls each of them.
        unlisted: wells with an image that the layout does not have.
    """
    from phenodose.learning.well_classes import LEAST_WELLS, too_few

    rare = too_few(named or [])
    notes = [seen.sentence()] if seen else []
    if rare:
        listed = ", ".join(f"{name!r} ({count})" for name, count in rare.items())
        notes.append(f"too few wells with an image to learn a class from, {LEAST_WELLS} are the least: {listed}.")
    if unlisted:
        notes.append(
            f"{unlisted} wells have an image and no row in the layout, so nobody says what they hold: where they are "
            "empty, as columns 1 and 24 often are, list them with the well type empty."
        )
    if seen is None:
        notes.append(
            f"{WELL_CLASSES} is on, but no name stands at {LEAST_WELLS} wells with an image: name wells in the column "
            "WellClass of the layout or in well_classes.csv, or give the empty columns the well type empty."
        )
    return notes
