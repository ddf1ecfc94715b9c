"""Two drugs together: what dose matrices show against what the drugs alone would give.

Belongs here: dose matrices, reference models, their excess with intervals, the combination sensitivity score,
isobolograms. Does not belong here: single curves (`phenodose.dose_response`), which wells make a matrix
(`phenodose.pipeline`) and pictures.
"""

from phenodose.combinations.dose_matrix import DoseMatrix
from phenodose.combinations.excess import Excess, excess_of
from phenodose.combinations.isobole import isobologram

__all__ = ["DoseMatrix", "Excess", "excess_of", "isobologram"]
