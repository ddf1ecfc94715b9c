"""Which wells of a layout are a dose matrix, and their inhibition against cells without any drug."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.names import ADD_ON_DOSE
from phenodose.viability.controls import choose_controls
from phenodose.viability.dose_matrices import MatrixWells, matrix_wells, without_own_controls
from phenodose.viability.normalise import Grouping, to_viability

ALIVE, KILLED = 1000.0, 100.0
FIRST, SECOND = (10.0, 100.0), (5.0, 50.0, 500.0)


def left_alive(first: Any, second: Any) -> Any:
    """What a well of A and B leaves alive: Bliss independent."""
    return 1 / (1 + first / 50) / (1 + second / 50)


class Layout:
    """Wells with readings, each well the next place of its plate."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []
        self.raw: list[float] = []

    def add(self, alive: float, well_type: str, plate: str = "1", **what: object) -> None:
        n = sum(row["plate"] == plate for row in self.rows)
        place = {"plate": plate, "row": "ABCDEFGH"[n // 12], "column": n % 12 + 1}
        well = f"{place['row']}{place['column']:02d}"
        empty = {"treatment": None, "concentration_nM": np.nan, "add_on": None, ADD_ON_DOSE: np.nan, "sample": "S"}
        self.rows.append({**place, "well": well, "well_type": well_type, **empty, **what})
        self.raw.append(KILLED + (ALIVE - KILLED) * alive)

    def controls(self, plate: str = "1", scale: float = 1.0) -> None:
        for _ in range(2):
            self.add(1.0 * scale, "neg", plate, treatment="DMSO")
            self.add(0.0, "pos", plate, treatment="STS")

    def singles(self, drug: str, doses: tuple[float, ...], plate: str = "1") -> None:
        for dose in doses:
            alive = left_alive(dose, 0) if drug == "A" else left_alive(0, dose)
            self.add(alive, "therapy", plate, treatment=drug, concentration_nM=dose)

    def grid(self, plate: str = "1", pairs: list[tuple[float, float]] | None = None) -> None:
        for first, second in pairs or [(a, b) for a in FIRST for b in SECOND]:
            alive = left_alive(first, second)
            content: dict[str, Any] = {"treatment": "A", "concentration_nM": first, "add_on": "B", ADD_ON_DOSE: second}
            self.add(alive, "therapy", plate, **content)

    @property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

    def viability(self, by: Grouping = "plate") -> pd.DataFrame:
        raw = self.frame[["plate", "row", "column"]].assign(raw=self.raw)
        return to_viability(raw, self.frame, choose_controls(self.frame, ("neg",), ("pos",), "layout"), by)

    def matrices(self, by: Grouping = "plate") -> list[MatrixWells]:
        return matrix_wells(self.viability(by), self.frame, np.zeros(len(self.rows), dtype=bool))


def expect_truth(found: MatrixWells) -> None:
    expected = 1 - left_alive(found.first_nM, found.second_nM)
    np.testing.assert_allclose(found.inhibition, expected, atol=1e-9)


def full() -> Layout:
    layout = Layout()
    layout.controls()
    layout.singles("A", FIRST)
    layout.singles("B", SECOND)
    layout.grid()
    return layout


def test_a_matrix_has_the_wells_of_both_drugs_of_each_alone_and_the_untreated_ones() -> None:
    (found,) = full().matrices()
    assert (found.sample, found.drug, found.add_on, found.lacking) == ("S", "A", "B", [])
    wells = sorted(zip(found.first_nM, found.second_nM, strict=True))
    expected = [(0.0, 0.0)] * 2 + [(0.0, b) for b in SECOND] + [(a, b) for a in FIRST for b in (0.0, *SECOND)]
    assert wells == sorted(expected)
    expect_truth(found)


def test_wells_of_a_matrix_without_controls_of_the_second_drug_are_not_masked() -> None:
    layout = full()
    viability = layout.viability()
    assert not viability["masked"].any()
    both = (layout.frame["add_on"] == "B").to_numpy()
    found = without_own_controls(layout.frame, viability["control"].eq("negative").to_numpy())
    assert found.tolist() == both.tolist()


def test_where_controls_hold_the_second_drug_viability_stays_relative_to_it_alone() -> None:
    layout = Layout()
    layout.controls()
    layout.singles("A", FIRST)
    for dose in SECOND:
        layout.add(left_alive(0, dose), "neg", treatment="DMSO", add_on="B", add_on_concentration_nM=dose)
    layout.grid()
    viability = layout.viability()
    assert not without_own_controls(layout.frame, viability["control"].eq("negative").to_numpy()).any()
    both = (layout.frame["add_on"] == "B").to_numpy() & (layout.frame["well_type"] == "therapy").to_numpy()
    first = layout.frame.loc[both, "concentration_nM"]
    np.testing.assert_allclose(viability.loc[both, "viability_fraction"], left_alive(first, 0), atol=1e-12)
    (found,) = layout.matrices()
    assert found.lacking == []
    expect_truth(found)  # the matrix itself is against cells without any drug


@pytest.mark.parametrize("by", ["plate", "treatment", "both"])
def test_whatever_viability_is_relative_to_the_matrix_stands_on_the_scale_of_the_plain_wells(by: Grouping) -> None:
    layout = Layout()
    for plate, scale in (("1", 1.0), ("2", 3.0)):
        for drug in ("DMSO",) if by == "plate" else ("A",):
            for _ in range(2):
                layout.add(scale, "neg", plate, treatment=drug)
                layout.add(0.0, "pos", plate, treatment=drug)
        for dose in FIRST:
            layout.add(scale * left_alive(dose, 0), "therapy", plate, treatment="A", concentration_nM=dose)
        for dose in SECOND:
            alone: dict[str, Any] = {"treatment": "A", "add_on": "B", ADD_ON_DOSE: dose}
            layout.add(scale * left_alive(0, dose), "neg", plate, **alone)
            for first in FIRST:
                alive = scale * left_alive(first, dose)
                layout.add(alive, "therapy", plate, **alone, concentration_nM=first)
    (found,) = layout.matrices(by)
    assert len(found.inhibition) == 2 * (2 + 2 + 3 + 6)
    if by != "treatment":  # both plates together, plates of other scales cannot be right
        expect_truth(found)


def test_a_constant_add_on_is_no_matrix_and_neither_is_one_of_unknown_dose() -> None:
    for doses in ((50.0,), (np.nan,)):
        layout = Layout()
        layout.controls()
        layout.singles("A", FIRST)
        layout.add(left_alive(0, 50), "neg", treatment="DMSO", add_on="B", add_on_concentration_nM=doses[0])
        for first in FIRST:
            content: dict[str, Any] = {
                "treatment": "A",
                "concentration_nM": first,
                "add_on": "B",
                ADD_ON_DOSE: doses[0],
            }
            layout.add(left_alive(first, 50), "therapy", **content)
        assert layout.matrices() == []


def test_doses_in_a_fixed_ratio_and_single_doses_of_a_drug_that_is_there_alone_are_matrices() -> None:
    for pairs in ([(10.0, 5.0), (100.0, 50.0)], [(10.0, 50.0), (100.0, 50.0)]):
        layout = Layout()
        layout.controls()
        layout.singles("A", FIRST)
        layout.singles("B", SECOND)
        layout.grid(pairs=pairs)
        (found,) = layout.matrices()
        assert set(zip(found.first_nM, found.second_nM, strict=True)) >= set(pairs)
        expect_truth(found)


def test_the_two_ways_to_write_a_pair_are_one_matrix_named_by_most_of_its_wells() -> None:
    layout = full()
    for second in (5.0, 50.0):
        content: dict[str, Any] = {"treatment": "B", "concentration_nM": second, "add_on": "a", ADD_ON_DOSE: 1000.0}
        layout.add(left_alive(1000, second), "therapy", **content)
    (found,) = layout.matrices()
    assert (found.drug, found.add_on) == ("A", "B")
    assert {(1000.0, 5.0), (1000.0, 50.0)} <= set(zip(found.first_nM, found.second_nM, strict=True))
    expect_truth(found)


def test_a_matrix_without_single_wells_says_which_are_lacking() -> None:
    layout = Layout()
    layout.controls()
    layout.singles("A", FIRST)
    layout.grid()
    (found,) = layout.matrices()
    assert found.lacking == ["B"]
    assert len(found.inhibition) == 2 + len(FIRST) + len(FIRST) * len(SECOND)


def test_wells_that_do_not_count_or_have_no_scale_are_left_out() -> None:
    layout = full()
    layout.grid(plate="2")  # a plate without controls: nothing to be relative to
    viability = layout.viability()
    left_out = np.zeros(len(viability), dtype=bool)
    left_out[np.flatnonzero((layout.frame["add_on"] == "B").to_numpy())[0]] = True
    (found,) = matrix_wells(viability, layout.frame, left_out)
    assert ((found.first_nM > 0) & (found.second_nM > 0)).sum() == len(FIRST) * len(SECOND) - 1


def test_a_drug_with_itself_has_each_well_alone_on_either_side() -> None:
    layout = Layout()
    layout.controls()
    layout.singles("A", FIRST)
    for first in FIRST:
        for second in FIRST:
            content: dict[str, Any] = {"treatment": "A", "concentration_nM": first, "add_on": "A", ADD_ON_DOSE: second}
            layout.add(left_alive(first + second, 0), "therapy", **content)
    (found,) = layout.matrices()
    alone = [(dose, 0.0) for dose in FIRST] + [(0.0, dose) for dose in FIRST]
    assert set(zip(found.first_nM, found.second_nM, strict=True)) >= set(alone)


def test_samples_have_matrices_of_their_own() -> None:
    layout = full()
    wells = pd.concat([layout.frame, layout.frame.assign(sample="T", plate="2")], ignore_index=True)
    raw = wells[["plate", "row", "column"]].assign(raw=[*layout.raw, *layout.raw])
    viability = to_viability(raw, wells, choose_controls(wells, ("neg",), ("pos",), "layout"))
    found = matrix_wells(viability, wells, np.zeros(len(wells), dtype=bool))
    assert [one.sample for one in found] == ["S", "T"]
    assert len(found[0].inhibition) == len(found[1].inhibition)
