"""Plates: everything has one place, duplicates lie apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from phenodose.errors import InputError
from phenodose.simulation.design import control_experiment, drug_screen
from phenodose.simulation.pharmacology import drug_library
from phenodose.simulation.plate_reader import luminescence
from phenodose.simulation.workbook import write_workbook


@given(plates=st.integers(1, 4), drugs=st.integers(1, 20), seed=st.integers(0, 1000))
def test_every_condition_has_its_wells(plates: int, drugs: int, seed: int) -> None:
    library = drug_library(drugs, seed)
    wells = drug_screen(library, plates, np.random.default_rng(seed))
    assert len({(well.plate, well.row, well.column) for well in wells}) == len(wells) == 384 * plates
    held = Counter(
        (well.content.treatment, well.content.concentration_nM, well.content.replicate)
        for well in wells
        if well.content.well_type == "therapy"
    )
    assert held == Counter({(drug.name, dose, r): 1 for drug in library for dose in drug.doses_nM for r in (1, 2)})
    if plates > 1:
        for drug in library:
            own = {(w.content.replicate, w.plate) for w in wells if w.content.treatment == drug.name}
            assert len(own) == len({plate for _, plate in own}) == 2


def test_a_full_library_of_the_assay_fits() -> None:
    wells = drug_screen(drug_library(76, 1), 3, np.random.default_rng(0))
    assert sum(well.content.well_type == "therapy" for well in wells) == 760


@given(st.integers(4, 308))
def test_a_control_experiment_holds_both_classes(n: int) -> None:
    held = Counter(well.content.well_type for well in control_experiment(n, np.random.default_rng(0)))
    assert held["neg"] + held["pos"] == n
    assert min(held["neg"], held["pos"]) >= 2


def test_a_full_control_experiment_is_that_of_the_assay() -> None:
    held = Counter(well.content.well_type for well in control_experiment(210, np.random.default_rng(0)))
    assert (held["neg"], held["pos"]) == (98, 112)


def test_too_many_wells_are_refused() -> None:
    with pytest.raises(InputError, match="control experiment"):
        control_experiment(309, np.random.default_rng(0))


def test_luminescence_falls_towards_the_edge_and_scatters_by_a_few_percent() -> None:
    inner = {(row, column): 1.0 for row in range(1, 15) for column in range(1, 23)}
    plates = np.stack([luminescence(inner, np.random.default_rng(seed)) for seed in range(20)]).astype(float)
    middle = plates[:, 5:11, 8:16]
    assert 0.06 < np.mean(middle.std(axis=(1, 2)) / middle.mean(axis=(1, 2))) < 0.08
    edge = plates[:, 1, 1:23].mean() / middle.mean()
    assert 0.90 < edge < 0.94
    assert plates[:, 0].max() < 0.01 * middle.min()
    assert np.std(np.log(middle.mean(axis=(1, 2)))) > 0.05


def test_a_workbook_depends_on_its_cells_only(tmp_path: Path) -> None:
    write_workbook(tmp_path / "a.xlsx", [["x", None, 1], [2.5, "y", 3]])
    book = load_workbook(tmp_path / "a.xlsx")
    assert [[cell.value for cell in row] for row in book.active.iter_rows()] == [["x", None, 1], [2.5, "y", 3]]
    assert book.properties.modified.year == book.properties.created.year == 1980
