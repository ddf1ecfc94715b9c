"""Every drug of the published layouts is in the drug library, under the names that they have there."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.drug_library.library_table import built_in
from phenodose.pipeline.drugs import known_drugs
from phenodose.screens.layout import read_layout

FOLDER = Path(__file__).parents[3] / "shared/reference/dose_response"
LAYOUT = FOLDER / "iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx"


@pytest.mark.skipif(not LAYOUT.is_file(), reason="the demo of iTReX does not lie beside the project")
def test_the_drugs_of_the_published_layout_are_known() -> None:
    found = known_drugs(read_layout(LAYOUT).drugs, built_in())
    assert len(found.rows) == 75
    assert {row["matched_by"] for row in found.rows} == {"exact", "synonym"}
    assert [row["drug"] for row in found.rows if row["matched_by"] == "synonym"] == ["Rapamycin (Sirolimus)"]
    assert sum(row["c_max_nM"] is not None for row in found.rows) == 46
