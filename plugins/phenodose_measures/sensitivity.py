"""The combination sensitivity score: how much two drugs inhibit together, interaction or not.

Source: Malyutina et al. 2019 (PLoS Comput. Biol. 15:e1006752). One drug stays at its relative IC50, the dose of half
its own largest effect, while the other goes through its doses; the area under inhibition over log10 dose, as a share of
the area at 100 %, is the score of that drug on top of the other, and CSS is the mean of both, from 0 to 100.

A matrix seldom has wells at the IC50: inhibition there is read from the curves along the background drug, fitted at
every dose of the other; an IC50 outside the tested doses stands at their nearest end. The area goes from the lowest to
the highest dose by the trapezoidal rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.errors import NotMade
from phenodose.plugins import MatrixMeasure

if TYPE_CHECKING:
    import numpy as np

    from phenodose.combinations.effects import PairEffects

_LOG10_MID = 2


class CssMeasure(MatrixMeasure):
    """Combination sensitivity score, percent."""

    name = "css"
    label = "CSS"
    version = "1"
    description = "Combination sensitivity score: inhibition by one drug with the other at its IC50, 0 to 100"
    precedence = 50
    basis = "surface"
    unit = "percent"
    formula = "mean area under inhibition of either drug with the other at its relative IC50, of 100"
    source = "Malyutina et al. 2019, PLoS Comput. Biol. 15:e1006752"

    def value(self, effects: PairEffects) -> np.ndarray:
        """The mean area of both ways round."""
        import numpy as np

        one = _area(effects.along_second, effects.x1, effects.second_bottoms, effects.x2)
        other = _area(effects.along_first, effects.x2, effects.first_bottoms, effects.x1)
        return np.asarray(100 * (one + other) / 2)


def _area(along: np.ndarray, x: np.ndarray, background: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Mean inhibition (n,) over log10 doses `x` with the background drug at its IC50.

    Args:
        along: curves (n, m, 5) of the background drug at each dose of the other; NaN where there are too few doses.
        x: float64 (m,), log10 doses of the other.
        background: curve (n, 5) of the background drug alone.
        tested: log10 doses of the background drug.
    """
    import numpy as np

    from phenodose.dose_response.models import inhibition

    usable = np.isfinite(along).all(axis=(0, 2))
    if usable.sum() < 2:
        raise NotMade("CSS needs two doses with 3 doses of the other drug")
    ic50 = np.clip(background[:, _LOG10_MID], tested[0], tested[-1])
    curves = along[:, usable]
    effect = inhibition(ic50[:, None], *np.moveaxis(curves, -1, 0))
    x = x[usable]
    return np.asarray(np.trapezoid(effect, x, axis=1) / (x[-1] - x[0]))
