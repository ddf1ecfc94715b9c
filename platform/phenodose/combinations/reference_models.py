"""What two drugs would do together if they did not interact, by the reference models of the literature.

Belongs here: the formulas, on arrays that broadcast. Does not belong here: curves and wells (`excess`).

A drug's effect is inhibition as a fraction of untreated cells.
"""

from __future__ import annotations

import numpy as np

from phenodose.dose_response.models import inhibition, log10_dose_at

#: Halvings of the range in which Loewe's effect lies.
HALVINGS = 50
HALVINGS_OF_DRAWS = 20


def hsa(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Highest single agent: together as much as the better drug alone.

    Source: Gaddum 1940 (Pharmacology); Berenbaum 1989 (Pharmacol. Rev. 41:93): E = max(E1, E2).

    Args:
        first: effect of the first drug alone.
        second: effect of the second drug alone.
    """
    return np.asarray(np.maximum(first, second))


def hsa_of_draws(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Draws of the highest single agent's effect, from draws of the effects alone.

    The larger of two uncertain effects is too large on average where both are about the same: two drugs without any
    effect would look antagonistic. With D = E1 - E2 of mean d and standard deviation s, and z = d / s, the larger
    effect is taken as E2 + d Phi(z) - s phi(z) / 2, whose bias over repeated experiments is at most 0.14 s whatever
    the true difference (that of max(E1, E2) over draws is 0.56 s for equal drugs), and the draws vary about it as its
    derivative says.

    Args:
        first: float64 (draws, p), effect of the first drug alone.
        second: likewise of the second.
    """
    from scipy.special import ndtr

    if not len(first):
        return hsa(first, second)
    difference = first - second
    mean, sd = difference.mean(axis=0), np.maximum(difference.std(axis=0), 1e-12)
    z = mean / sd
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    below = ndtr(z)
    centre = second + mean * below - sd * density / 2
    return np.asarray(centre + (below + 1.5 * z * density) * (difference - mean))


def bliss(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bliss independence: a cell survives if it survives both, and these are independent.

    Source: Bliss 1939 (Ann. Appl. Biol. 26:585): 1 - E = (1 - E1) (1 - E2), that is E = E1 + E2 - E1 E2.

    Args:
        first: effect of the first drug alone.
        second: effect of the second drug alone.
    """
    return np.asarray(first + second - first * second)


def loewe(
    first: np.ndarray, second: np.ndarray, x1: np.ndarray, x2: np.ndarray, halvings: int = HALVINGS
) -> np.ndarray:
    """Loewe additivity: the effect y at which the doses a, b are together one: a / A(y) + b / B(y) = 1.

    A(y) is the dose of the first drug alone for the effect y. Source: Loewe 1953 (Arzneimittelforschung 3:285);
    Greco et al. 1995 (Pharmacol. Rev. 47:331, equation 5). A drug that never reaches y would need infinitely much of
    it, so that its share a / A(y) is 0; as A(y) grows without end towards the largest effect of a drug, nothing jumps
    there, every dose pair has one y, and y is never below the effect of either drug alone. A curve that falls with dose
    reaches no more than it has. Two drugs that both fall below untreated cells are treated alike, downwards; where only
    one does, no dose of it can stand for the other, and the effects are added up.

    Args:
        first: float64 (..., 5), parameters of the first drug's curve, in the order of `models.PARAMETERS`; slopes
            above 0.
        second: those of the second drug.
        x1: log10 dose of the first drug, broadcasts with `first[..., 0]`.
        x2: log10 dose of the second drug.
        halvings: how often the range of y is halved.
    """
    one, other = (tuple(np.moveaxis(curve, -1, 0)) for curve in (first, second))
    alone = inhibition(x1, *one), inhibition(x2, *other)
    falls = tuple(curve[1] < curve[0] for curve in (one, other))
    takes = tuple(fall & (effect < 0) for fall, effect in zip(falls, alone, strict=True))
    down = np.where(takes[0] & takes[1], -1.0, 1.0)
    one, other = ((down * curve[0], down * curve[1], *curve[2:]) for curve in (one, other))
    low = np.maximum(down * alone[0], down * alone[1])
    low, high = np.broadcast_arrays(low, np.maximum(np.maximum(one[1], other[1]), low))
    for _ in range(halvings):
        middle = (low + high) / 2
        more = _share(x1, middle, one) + _share(x2, middle, other) > 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    added = alone[0] + alone[1]
    return np.asarray(np.where(takes[0] == takes[1], down * (low + high) / 2, added))


def _share(x: np.ndarray, effect: np.ndarray, curve: tuple[np.ndarray, ...]) -> np.ndarray:
    """The dose over the dose of that curve alone for the effect, which is not below the effect of the dose."""
    with np.errstate(over="ignore"):
        share = 10 ** np.minimum(x - log10_dose_at(effect, *curve), 300.0)
    never = (effect >= curve[1]) | (curve[1] < curve[0])
    return np.where(never, 0.0, np.where(np.isfinite(share), share, 1.0))
