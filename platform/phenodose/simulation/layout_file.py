"""The layout file of a simulated screen.

Belongs here: its columns. Does not belong here: what the wells hold (`design`, `pairs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phenodose.simulation.design import PlannedWell
from phenodose.simulation.workbook import write_workbook

_HEADER = (
    *("Plate", "Row", "Column", "Sample", "WellType"),
    *("Treatment", "Concentration", "Replicate", "AddOn", "Readout"),
)


def write_layout(path: Path, wells: Sequence[PlannedWell], sample: str) -> None:
    """Write one row a well; the column AddOnConcentration is there if any well has a second drug."""
    dosed = any(well.content.add_on for well in wells)
    rows: list[Sequence[object]] = [
        (
            *(well.plate, well.row, well.column, sample, held.well_type),
            *(held.treatment, held.concentration_nM, held.replicate, held.add_on, None),
            *((held.add_on_concentration_nM,) if dosed else ()),
        )
        for well in wells
        for held in [well.content]
    ]
    write_workbook(path, [(*_HEADER, "AddOnConcentration") if dosed else _HEADER, *rows])
