"""The index of planes of a finished plate: what the reader told of every raw image, and the checksum of its pixels.

Belongs here: records of wells as rows of the index. Does not belong here: making the records (`well_writer`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phenodose.names import parse_well
from phenodose.plates.plane_index import planes_frame
from phenodose.plates.well_writer import KEPT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.plate import Plate


def index_of(plate: Plate) -> pd.DataFrame:
    """The index of planes that a plate was made from, with the columns of `PLANES`, checksums included.

    Size, pixel type, pixel size and step are the plate's; the channel's name is as the plate has it.

    Raises:
        StoreError: a well is missing or damaged.
    """
    return planes_frame(
        _row(plate, well, own["tags"], plane)
        for well in plate.wells
        for own in (plate.metadata(well),)
        for plane in own["planes"]
    )


def _row(plate: Plate, well: str, common_tags: dict[str, Any], plane: dict[str, Any]) -> dict[str, Any]:
    row, column = parse_well(well)
    shape = plate.shape
    tags = common_tags | plane["tags"]
    return {name: plane[name] for name in KEPT_COLUMNS} | {
        "plate": plate.instrument.get("plate_name"),
        "well": well,
        "row": row,
        "column": column,
        "size_y_px": shape.size_y_px,
        "size_x_px": shape.size_x_px,
        "dtype": shape.dtype,
        "pixel_size_um": shape.pixel_size_um,
        "z_step_um": shape.z_step_um,
        "channel_name": shape.channels[plane["channel"]].name,
        "metadata": json.dumps(tags) if tags else None,
        "checksum": plane["hash"],
    }
