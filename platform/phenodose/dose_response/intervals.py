"""Ends of 95 % intervals, from draws.

Belongs here: the percentiles and how they are read off. Does not belong here: draws (`posterior`, `bootstrap`) and
what is drawn (`scoring`, `identifiability`).
"""

from __future__ import annotations

import numpy as np

#: Ends of the 95 % interval, as shares of the draws.
SHARES = (0.025, 0.975)


def interval_ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of each row of draws.

    The p-quantile of k draws is the draw of rank p (k + 1), between draws by interpolation: the next draw
    lies below it with probability p (Hyndman and Fan 1996, Am. Stat. 50:361, definition 6).

    Args:
        values: float64 (n, draws); NaN for a draw without a value. Rows may not be all NaN.

    Returns:
        float64 (n,) each.
    """
    ordered = np.sort(values, axis=1)  # NaN last
    known = np.isfinite(values).sum(axis=1)
    ends = []
    for share in SHARES:
        rank = np.clip(share * (known + 1) - 1, 0, known - 1)
        below = np.floor(rank).astype(np.int64)
        above = np.minimum(below + 1, known - 1)
        first, second = (np.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (below, above))
        ends.append(first + (rank - below) * (second - first))
    return ends[0], ends[1]
