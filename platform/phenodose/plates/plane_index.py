"""The index of planes: one row a 2-D image of a raw plate folder, the same columns from every reader.

Belongs here: the columns, their order, and what an index as a whole tells. Does not belong here: making an index
(reader plugins), the plate made of it (`phenodose.plates.plan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from phenodose.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_WELLS_NAMED = 5

#: The index of planes: what every reader returns, a row per 2-D image, sorted by the key.
PLANES = Table(
    "planes",
    "One row a 2-D image of a raw plate folder.",
    (
        Column("plate", "text", "Name of the plate in the file names, where they have one", required=False),
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
        Column("metadata", "text", "Everything that the instrument wrote, as JSON", required=False),
        Column("checksum", "text", "xxh3-128 of the pixels; empty until the ingest has read them", required=False),
    ),
    ("well", "site", "time", "channel", "projection", "z"),
)


def planes_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The index of these planes: every column of `PLANES`, sorted by its key, whatever the order of the rows.

    The instrument's tags (column `metadata`) are kept packed; a reader of large plates packs them itself as it reads
    them (`TextPacker`).
    """
    import pandas as pd

    from phenodose.plates.packed_texts import PackedTexts

    # Column by column: the rows as they come would take more memory than the index.
    columns: dict[str, Any] = {name: [] for name in PLANES.column_names}
    for row in rows:
        for name, values in columns.items():
            values.append(row.get(name))
    if not columns["well"]:
        return PLANES.empty()
    columns["metadata"] = PackedTexts.of(columns["metadata"])
    return pd.DataFrame(columns).sort_values(list(PLANES.key), kind="stable", ignore_index=True)


def missing_images(index: pd.DataFrame) -> list[str]:
    """A sentence on the images that some wells lack although other wells of the plate have them; [] if none.

    An image is told by site, time point, channel, kind and place in the stack. What no well has is not missing: a
    channel may have a stack where another has one plane, and may be imaged at some time points only.
    """
    columns = ["site", "time", "channel", "projection", "z"]
    wanted = {tuple(row) for row in index[columns].drop_duplicates().itertuples(index=False)}
    found = []
    for well, rows in index.groupby("well", sort=True):
        lacking = sorted(wanted - {tuple(row) for row in rows[columns].itertuples(index=False)})
        if lacking:
            site, time, channel, projection, z = lacking[0]
            first = f"{projection} projection" if projection else f"plane {z}"
            found.append(f"{well} lacks {len(lacking)} (site {site}, time {time}, channel {channel}, {first}, ...)")
    if not found:
        return []
    more = f"; and {len(found) - _WELLS_NAMED} more wells" if len(found) > _WELLS_NAMED else ""
    return [
        f"{len(found)} of {index['well'].nunique()} wells lack images that others have: "
        f"{'; '.join(found[:_WELLS_NAMED])}{more}. They stay unwritten and count as missing, not as black."
    ]
