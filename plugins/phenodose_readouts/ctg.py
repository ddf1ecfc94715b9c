"""CellTiter-Glo: luminescence of the plate reader, one number a well, taken as it is.

Belongs here: the readout `ctg`. Does not belong here: reading the files (`phenodose.screens.matrices`) and
viability, which are the same for every plate-reader readout.
"""

from __future__ import annotations

from typing import ClassVar

from phenodose.plugins import PlateReaderReadout


class CtgReadout(PlateReaderReadout):
    """Metabolic viability by ATP luminescence; killed wells are those with benzethonium chloride."""

    name: ClassVar[str] = "ctg"
    label: ClassVar[str] = "metabolic (ATP)"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "CellTiter-Glo luminescence from plate-reader files in the folder ctg"
    unit: ClassVar[str] = "RLU"
    precedence: ClassVar[int] = 40
    colour: ClassVar[str | None] = "#CC79A7"
    rises_with = "viability"
    folder: ClassVar[str] = "ctg"
    reads_layout: ClassVar[bool] = True
