"""Dose matrices that measures of two drugs are tried on, made on the spot from a seed.

Belongs here: making them. Does not belong here: the rules (`measures`) and the other made-up data (`synthetic`).
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from phenodose.combinations import PairEffects

#: Curves of the two drugs: bottom, top, log10 of the mid dose in nM, slope, asymmetry.
FIRST, SECOND = (0.0, 0.9, 2.0, 1.2, 1.0), (0.0, 0.6, 1.0, 0.9, 1.0)
_NOISE = 0.02


def effects(n: int, doses: tuple[int, int] = (5, 4), seed: int = 1) -> PairEffects:
    """A full matrix of two drugs that are nearly independent.

    Args:
        n: 1 for wells, else so many draws.
        doses: doses of either drug; with fewer than three there are no curves.
        seed: same seed, same numbers.
    """
    import numpy as np

    from phenodose.combinations import PairEffects
    from phenodose.combinations.effects import at_doses

    random = np.random.default_rng(seed)
    a, b = doses
    x1, x2 = np.linspace(0.0, 4.0, a), np.linspace(0.0, 3.0, b)

    def curves(middle: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
        drawn = np.broadcast_to(np.array(middle), (*shape, 5)).copy()
        drawn[..., 1] += _NOISE * random.standard_normal(shape)
        return drawn

    first, second = curves(FIRST, (n,)), curves(SECOND, (n,))
    alone = at_doses(first, x1), at_doses(second, x2)
    both = alone[0][:, :, None] + alone[1][:, None, :] - 0.9 * alone[0][:, :, None] * alone[1][:, None, :]
    along_first, along_second = curves(FIRST, (n, b)), curves(SECOND, (n, a))
    along_first[..., 0], along_second[..., 0] = alone[1], alone[0]
    along_first[..., 1], along_second[..., 1] = 0.95, np.maximum(alone[0], 0.8)
    found = PairEffects(
        10.0**x1,
        10.0**x2,
        np.ones((a, b), dtype=np.int64),
        *alone,
        both + _NOISE * random.standard_normal(both.shape),
        first,
        second,
        along_first,
        along_second,
        first,
        second,
    )
    return found if min(doses) >= 3 else _without_curves(found)


def _without_curves(whole: PairEffects) -> PairEffects:
    import numpy as np

    names = ("first_curve", "second_curve", "along_first", "along_second", "first_bottoms", "second_bottoms")
    return replace(whole, **{name: np.full_like(getattr(whole, name), np.nan) for name in names})


def partial() -> PairEffects:
    """A matrix of which a corner was not tested, and with it the curves of its last row and column."""
    whole = effects(1)
    together, wells = whole.together.copy(), whole.n_wells.copy()
    along_first, along_second = whole.along_first.copy(), whole.along_second.copy()
    together[:, 2:, 2:], wells[2:, 2:] = float("nan"), 0
    along_first[:, 2:], along_second[:, 2:] = float("nan"), float("nan")
    return replace(whole, together=together, n_wells=wells, along_first=along_first, along_second=along_second)


def with_inert_second(whole: PairEffects) -> PairEffects:
    """The same with a second drug that does nothing."""
    import numpy as np

    nothing = np.zeros_like(whole.second)
    flat = np.array([0.0, 0.0, 1.0, 1.0, 1.0]) * np.ones((*whole.second.shape[:1], 5))
    both = np.broadcast_to(whole.first[:, :, None], whole.shape).copy()
    rows = np.repeat(whole.first_curve[:, None], len(whole.second_nM), axis=1)
    columns = np.repeat(flat[:, None], len(whole.first_nM), axis=1)
    columns[..., 0] = columns[..., 1] = whole.first
    curves = {"second_curve": flat, "second_bottoms": flat, "along_first": rows, "along_second": columns}
    return replace(whole, second=nothing, together=both, **curves)


def swapped(whole: PairEffects) -> PairEffects:
    """The same with the drugs in the other order."""
    other = {
        **{f"first{end}": f"second{end}" for end in ("_nM", "", "_curve", "_bottoms")},
        "along_first": "along_second",
    }
    names = other | {there: here for here, there in other.items()}
    turned = {name: getattr(whole, source) for name, source in names.items()}
    return replace(whole, **turned, n_wells=whole.n_wells.T, together=whole.together.transpose(0, 2, 1))


def draw(whole: PairEffects, number: int) -> PairEffects:
    """One draw of several, as draws of one."""
    same = ("first_nM", "second_nM", "n_wells")
    names = [one.name for one in fields(whole) if one.name not in same]
    return replace(whole, **{name: getattr(whole, name)[number : number + 1] for name in names})
