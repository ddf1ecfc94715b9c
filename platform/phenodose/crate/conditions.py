"""The layout of a plate as a condition table: a row a well, by which a plate browser filters wells.

Made for napari-ome-zarr-navigator, the plate browser of the Fractal project: it filters wells by the columns of a
condition table other than `row` and `col`, and finds such a table in the plate's own group `tables` (ngio tables, type
condition_table, version 1, here with the backend csv). The same CSV with `row` and `col` is what Fractal's plate
converters take. `row` is letters, `col` a number without a leading zero. The reader plugin
napari-ome-zarr has no filter.

Sources: src/napari_ome_zarr_navigator/condition_filter.py and well_utils.py; ngio, docs/table_specs.

Belongs here: rows and files of condition tables. Does not belong here: the sheet for people (`mihcsme`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Name of the condition table within a plate.
NAME = "condition"
_COLUMNS = (
    "sample", "well_type", "treatment", "concentration_nM", "replicate", "add_on", "add_on_concentration_nM",
    "named_class",
)  # fmt: skip
_NUMBERS = ("concentration_nM", "replicate", "add_on_concentration_nM")
#: What stands where a well has nothing of the kind: an empty cell cannot be filtered for.
NONE = "none"
_ALWAYS = ("sample", "well_type", "treatment", "concentration_nM", "replicate")


def condition_rows(wells: pd.DataFrame) -> pd.DataFrame:
    """The condition table of the wells of one plate.

    Args:
        wells: rows of the table `wells` of one plate.

    Returns:
        row, col and the columns of the layout; 'none' where a text is empty. A column that is empty for all wells and
        that few layouts have is left out.
    """
    import pandas as pd

    rows = in_order(wells)
    table = pd.DataFrame({"row": rows["row"].astype(str), "col": rows["column"].astype(int)})
    for name in _COLUMNS:
        cells = rows[name]
        if name not in _ALWAYS and cells.isna().all():
            continue
        if name == "replicate":
            table[name] = cells.astype("Int64")
        else:
            table[name] = cells if name in _NUMBERS else cells.astype(object).where(cells.notna(), NONE)
    return table.reset_index(drop=True)


def in_order(wells: pd.DataFrame) -> pd.DataFrame:
    """Wells by plate, row (A, B, ..., Z, AA) and column."""
    from phenodose.names import row_index

    placed = wells.assign(_row=[row_index(str(row)) for row in wells["row"]])
    return placed.sort_values(["plate", "_row", "column"], kind="stable").drop(columns="_row")


def condition_csv(wells: pd.DataFrame) -> bytes:
    """The condition table of one plate as CSV."""
    from phenodose.io.spreadsheet_text import harmless_frame

    return harmless_frame(condition_rows(wells)).to_csv(index=False).encode()


def table_group(csv: bytes, zarr_format: int) -> Iterable[tuple[str, bytes]]:
    """The files of the group `tables` of a plate with a condition table in it, by path within the plate.

    Args:
        csv: the condition table.
        zarr_format: of the plate, 2 or 3.
    """
    about = {"type": "condition_table", "table_version": "1", "backend": "csv"}
    for folder, attributes in (("tables", {"tables": [NAME]}), (f"tables/{NAME}", about)):
        if zarr_format == 2:
            yield f"{folder}/.zgroup", _json({"zarr_format": 2})
            yield f"{folder}/.zattrs", _json(attributes)
        else:
            yield f"{folder}/zarr.json", _json({"zarr_format": 3, "node_type": "group", "attributes": attributes})
    yield f"tables/{NAME}/table.csv", csv


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2).encode()
