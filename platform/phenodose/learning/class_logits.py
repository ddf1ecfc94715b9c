"""A network goes on with other classes than it was taught: one logit a class.

Belongs here: taking over weights class by class. Does not belong here: which classes there are (`well_classes`), shapes
of networks (`backbones`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phenodose.learning.backbones import Architecture, build


def with_classes(network: Any, architecture: Architecture, places: Sequence[int | None], precision: str) -> Any:
    """A network with the same weights and other classes.

    Args:
        network: made by `build`.
        architecture: the shapes of the new one.
        places: for each class of the new one its place in the old one; None for a new class, whose logit is 0 until it
            is taught.
        precision: as for `build`.
    """
    made = build(architecture, precision)
    *others, kernel, bias = network.get_weights()
    kernels = [np.zeros_like(kernel[:, 0]) if place is None else kernel[:, place] for place in places]
    biases = [np.zeros_like(bias[0]) if place is None else bias[place] for place in places]
    made.set_weights([*others, np.stack(kernels, axis=1), np.stack(biases)])
    return made
