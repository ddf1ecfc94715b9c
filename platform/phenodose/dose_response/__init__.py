"""Dose response: points become curves, curves become scores with intervals.

Belongs here: the curve family, both fits, draws for intervals, score formulas. Does not belong here: viability
(`phenodose.viability`), the built-in scorers (plugins) and any plotting.
"""

#: Version of how curves and their intervals are made of wells: another one makes all curves again.
ENGINE_VERSION = "5"
