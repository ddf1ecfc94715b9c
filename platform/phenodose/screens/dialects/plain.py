"""The plain matrix: column numbers, and below them row letters with one value a column, whatever stands around it."""

from __future__ import annotations

from phenodose.screens.dialects.base import MatrixDialect


class PlainMatrix(MatrixDialect):
    """A matrix of no instrument in particular (Tecan, iTReX, spreadsheets)."""

    name = "plain matrix"
