"""HSA, Bliss, Loewe and ZIP: what two drugs do together beyond what a reference model expects.

The formulas are those of `phenodose.combinations.reference_models`; docs/combinations.md compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plugins import ExcessMeasure

if TYPE_CHECKING:
    import numpy as np

    from phenodose.combinations.effects import PairEffects


class BlissMeasure(ExcessMeasure):
    """Excess over Bliss independence."""

    name = "bliss"
    label = "Bliss"
    version = "1"
    description = "Excess over independence: cells survive both drugs as they survive each of them"
    precedence = 10
    formula = "expected = y1 + y2 - y1 y2"
    source = "Bliss 1939, Ann. Appl. Biol. 26:585"

    def expected(self, effects: PairEffects) -> np.ndarray:
        """y1 + y2 - y1 y2 of the drugs alone."""
        from phenodose.combinations.reference_models import bliss

        return bliss(effects.first[:, :, None], effects.second[:, None, :])


class ZipMeasure(ExcessMeasure):
    """Excess over zero interaction potency."""

    name = "zip"
    label = "ZIP"
    version = "1"
    description = "Excess of the fitted surface over zero interaction potency: neither drug changes the other's curve"
    precedence = 20
    basis = "surface"
    formula = "expected = y1 + y2 - y1 y2 of the fitted curves"
    source = "Yadav et al. 2015, Comput. Struct. Biotechnol. J. 13:504"

    def expected(self, effects: PairEffects) -> np.ndarray:
        """y1 + y2 - y1 y2 of the Hill curves that the curves along rows and columns begin on."""
        from phenodose.combinations.effects import at_doses
        from phenodose.combinations.reference_models import bliss

        first, second = at_doses(effects.first_bottoms, effects.x1), at_doses(effects.second_bottoms, effects.x2)
        return bliss(first[:, :, None], second[:, None, :])


class LoeweMeasure(ExcessMeasure):
    """Excess over Loewe additivity."""

    name = "loewe"
    label = "Loewe"
    version = "1"
    description = "Excess over additivity of doses: one drug is a dilution of the other"
    precedence = 30
    basis = "curves"
    formula = "expected = the y at which a / A(y) + b / B(y) = 1"
    source = "Loewe 1953, Arzneimittelforschung 3:285; Greco et al. 1995, Pharmacol. Rev. 47:331, eq. 5"

    def expected(self, effects: PairEffects) -> np.ndarray:
        """The effect at which the doses are together one, from the drugs' own curves."""
        from phenodose.combinations.reference_models import HALVINGS

        return _loewe(effects, HALVINGS)

    def expected_of_draws(self, effects: PairEffects) -> np.ndarray:
        """The same, as exactly as an interval shows."""
        from phenodose.combinations.reference_models import HALVINGS_OF_DRAWS

        return _loewe(effects, HALVINGS_OF_DRAWS)


def _loewe(effects: PairEffects, halvings: int) -> np.ndarray:
    from phenodose.combinations.reference_models import loewe

    first, second = effects.first_curve[:, None, None], effects.second_curve[:, None, None]
    return loewe(first, second, effects.x1[:, None], effects.x2, halvings)


class HsaMeasure(ExcessMeasure):
    """Excess over the highest single agent."""

    name = "hsa"
    label = "HSA"
    version = "1"
    description = "Excess over the better drug alone; more than that need be no interaction"
    precedence = 40
    formula = "expected = max(y1, y2)"
    source = "Gaddum 1940, Pharmacology; Berenbaum 1989, Pharmacol. Rev. 41:93"

    def expected(self, effects: PairEffects) -> np.ndarray:
        """The larger effect of the drugs alone."""
        from phenodose.combinations.reference_models import hsa

        return hsa(effects.first[:, :, None], effects.second[:, None, :])

    def expected_of_draws(self, effects: PairEffects) -> np.ndarray:
        """The larger effect, free of the bias that noise gives to the larger of two numbers."""
        from phenodose.combinations.reference_models import hsa_of_draws

        return hsa_of_draws(effects.first[:, :, None], effects.second[:, None, :])
