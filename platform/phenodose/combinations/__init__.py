"""Two drugs together: what dose matrices show against what the drugs alone would give.

Belongs here: dose matrices, formulas of reference models, what measures tell of matrices with intervals, isobolograms.
Does not belong here: the measures (plugins), single curves (`phenodose.dose_response`), which wells make a matrix
(`phenodose.pipeline`) and pictures.
"""

from phenodose.combinations.dose_matrix import DoseMatrix
from phenodose.combinations.effects import PairEffects
from phenodose.combinations.excess import Excess, excess_of
from phenodose.combinations.isobole import isobologram

__all__ = ["DoseMatrix", "Excess", "PairEffects", "excess_of", "isobologram"]
