"""The reader contract: a raw folder of one microplate becomes an index of planes.

Belongs here: the columns of the index and the base class. Does not belong here: any microscope's file
names (those are plugins) and writing plates (`phenodose.storage`).
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.plugins.base import Plugin
from phenodose.tables import Column, Table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: The index of planes: what every reader returns, a row per 2-D image, sorted by the key.
PLANES = Table(
    "planes",
    "One row a 2-D image of a raw plate folder.",
    (
        Column("well", "text", "Row letter(s) and two-digit column, such as B07"),
        Column("row", "text", "Row letter(s), A to AF"),
        Column("column", "integer", "Column number from 1"),
        Column("site", "integer", "Field of view within the well, from 1"),
        Column("time", "integer", "Time point, from 0"),
        Column("channel", "integer", "Channel, from 0"),
        Column("projection", "text", "'' for a plane of the stack, else maximum, best-focus, ..."),
        Column("z", "integer", "Place in the stack from 0, lowest z first; 0 for a projection"),
        Column("path", "text", "File, relative to the raw folder, with / as separator"),
        Column("page", "integer", "Page within the file, from 0"),
        Column("size_y_px", "integer", "Height", "px"),
        Column("size_x_px", "integer", "Width", "px"),
        Column("dtype", "text", "numpy name of the pixel type, such as uint16"),
        Column("pixel_size_um", "number", "Width of a pixel in the sample, binning included", "um", required=False),
        Column("z_um", "number", "Stage height of the plane", "um", required=False),
        Column("z_step_um", "number", "Nominal distance of planes", "um", required=False),
        Column("channel_name", "text", "Name of the illumination setting", required=False),
        Column("wavelength_nm", "number", "Emission wavelength", "nm", required=False),
        Column("exposure_ms", "number", "Exposure time", "ms", required=False),
        Column("stage_x_um", "number", "Stage position across", "um", required=False),
        Column("stage_y_um", "number", "Stage position along", "um", required=False),
        Column("acquired_at", "text", "Local acquisition time as the instrument wrote it", required=False),
        Column("metadata", "text", "Everything else the instrument wrote, as JSON", required=False),
    ),
    ("well", "site", "time", "channel", "projection", "z"),
)


class Reader(Plugin):
    """Turns a raw folder of one microplate into an index of planes, and reads a plane."""

    @abstractmethod
    def sniff(self, folder: Path) -> float:
        """How sure the reader is that `folder` is its own: 0 (no) to 1 (certain). Never raises."""

    @abstractmethod
    def index(self, folder: Path) -> pd.DataFrame:
        """All planes of the folder with the columns of `PLANES`, sorted by its key.

        Checks every file at the door without decoding pixels: headers, sizes, truncation.

        Raises:
            InputError: all faults of the folder in one message, each naming the file, the well and the
                remedy.
        """

    def read_plane(self, folder: Path, plane: Any) -> np.ndarray:
        """The pixels of one row of the index (any object with `path`, `page`, `well`): dims y, x."""
        from phenodose.storage.tiff import read_page

        return read_page(folder / plane.path, plane.page, plane.well)

    def plate_metadata(self, folder: Path) -> dict[str, Any]:
        """What the instrument says of the whole plate, as JSON-able values; empty if nothing."""
        return {}
