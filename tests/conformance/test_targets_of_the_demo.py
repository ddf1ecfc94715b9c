"""The table of targets that iTReX publishes with its demo is read as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.drug_targets.gene_tables import read_drug_targets

TABLE = Path(__file__).parents[3] / "shared/reference/dose_response/iTReX-Demo_Targets_ST03-min.xlsx"


@pytest.mark.skipif(not TABLE.is_file(), reason="the demo of iTReX does not lie beside the project")
def test_the_demo_is_read_from_the_sheet_that_holds_it() -> None:
    targets = read_drug_targets(TABLE).of
    assert len(targets) == 76
    assert list(targets["Alectinib"]) == ["ALK"]
    assert targets["Busulfan"] == {}
    genes = [gene for of_drug in targets.values() for gene in of_drug]
    assert "MCL-1" in genes, "as the table writes it"
    alone = [gene for gene in set(genes) if genes.count(gene) == 1]
    assert (len(alone), len(set(genes))) == (31, 46), "as docs/drug_targets.md says"
