"""What two drugs would do together if they did not interact, by the reference models of the literature.

Belongs here: the formulas, on arrays that broadcast. Does not belong here: curves and wells (`excess`).

A drug's effect is inhibition as a fraction of untreated cells.
"""

from __future__ import annotations

import numpy as np


def hsa(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Highest single agent: together as much as the better drug alone.

    Source: Gaddum 1940 (Pharmacology); Berenbaum 1989 (Pharmacol. Rev. 41:93): E = max(E1, E2).

    Args:
        first: effect of the first drug alone.
        second: effect of the second drug alone.
    """
    return np.asarray(np.maximum(first, second))


def bliss(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bliss independence: a cell survives if it survives both, and these are independent.

    Source: Bliss 1939 (Ann. Appl. Biol. 26:585): 1 - E = (1 - E1) (1 - E2), that is E = E1 + E2 - E1 E2.

    Args:
        first: effect of the first drug alone.
        second: effect of the second drug alone.
    """
    return np.asarray(first + second - first * second)
