"""Which wells go on the phenotype map."""

from __future__ import annotations

import pandas as pd

from phenodose.pipeline.wells_on_map import wells_on_map


def test_the_map_shows_every_drug_at_its_highest_dose_and_the_controls() -> None:
    wells = pd.DataFrame(
        [
            ("neg", "DMSO", None, None),
            ("pos", "STS", 250.0, None),
            ("BzCl", "BzCl", 1e5, None),
            ("TRC", "STS", 1000.0, None),
            ("empty", None, None, None),
            ("untreated", None, None, None),
            ("therapy", "A", 10.0, None),
            ("therapy", "A", 100.0, None),
            ("therapy", "A", 100.0, None),
            ("therapy", "A", 10.0, "X"),
            ("therapy", "B", 1.0, None),
        ],
        columns=["well_type", "treatment", "concentration_nM", "add_on"],
    )
    shown = [True, True, True, False, False, True, False, True, True, True, True]
    assert wells_on_map(wells).tolist() == shown
