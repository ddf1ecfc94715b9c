"""Response additivity: without interaction the effects of two drugs add up (Slinker 1998: linear interaction effect).

Of two weak drugs it expects what Bliss independence does; of two strong ones more, so that it calls fewer pairs
synergistic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from phenodose.plugins import ExcessMeasure, Parameters

if TYPE_CHECKING:
    from phenodose.combinations import PairEffects


class AdditivityParameters(Parameters):
    """How far effects add up."""

    largest: float = Field(1.0, gt=0, le=1, description="Largest inhibition that two drugs can reach, a fraction")


class AdditivityMeasure(ExcessMeasure):
    """Excess over the sum of the effects, in percentage points of inhibition."""

    name = "additivity"
    label = "Additivity"
    version = "1"
    contract = "1.5"
    description = "Excess over the sum of the effects of the two drugs"
    formula = "expected = min(y1 + y2, largest)"
    source = "Slinker 1998, J. Mol. Cell. Cardiol. 30:723"
    Parameters = AdditivityParameters

    def expected(self, effects: PairEffects) -> np.ndarray:
        """The sum of the effects of the drugs alone; what one of them does alone is never too much."""
        first, second = effects.first[:, :, None], effects.second[:, None, :]
        together = np.minimum(first + second, self.parameters.largest)
        return np.asarray(np.maximum(together, np.maximum(first, second)))
