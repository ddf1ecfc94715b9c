"""BioTek / Agilent Gen5 (Synergy, Cytation, Epoch): text and Excel exports.

Behind the last column stands the name of the read (`Lum`) or its wavelength (`600`). Several reads of a well stand in
lines below each other, the row letter before the first alone. The hybrid readers (H1) write an empty column first.
Above the values there may be a plan of the plate with words for wells.

Source: exports of Gen5 3.10 and 3.12 as users published them.
"""

from __future__ import annotations

from phenodose.screens.dialects.base import MatrixDialect, mark
from phenodose.screens.dialects.matrix import Rules


class Gen5(MatrixDialect):
    """Results of BioTek's and Agilent's Gen5."""

    name = "BioTek/Agilent Gen5"
    marks = (
        mark(r"Software Version[:\s,;]+[\"\s]*\d+\.\d+"),
        mark(r"Experiment File Path"),
        mark(r"Protocol File Path"),
        mark(r"Reader Serial Number"),
        mark(r"Plate Number[\s,;:]+Plate \d+"),
        mark(r"Procedure Details"),
    )
    mark_words = "line 'Software Version', 'Experiment File Path', 'Plate Number' or 'Procedure Details'"
    rules = Rules(number_behind=True, stacked=True)
