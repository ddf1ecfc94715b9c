"""Names of wells, plates and screens."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import InputError
from phenodose.names import (
    MAX_COLUMNS,
    MAX_ROWS,
    check_screen_id,
    curve_names,
    parse_well,
    plate_key,
    plate_sort_key,
    row_index,
    row_label,
    serving_add_on,
    well_name,
    well_sort_key,
)


@given(st.integers(0, MAX_ROWS - 1), st.integers(1, MAX_COLUMNS))
def test_every_well_of_a_1536_well_plate_survives_the_round_trip(index: int, column: int) -> None:
    name = well_name(row_label(index), column)
    assert parse_well(name) == (row_label(index), column)
    assert well_sort_key(name.lower()) == (index, column)


def test_row_aa_comes_after_row_z() -> None:
    assert row_index("AA") == 26
    assert sorted(["AA01", "B01", "AF48", "Z02"], key=well_sort_key) == ["B01", "Z02", "AA01", "AF48"]


@pytest.mark.parametrize("name", ["", "7B", "B", "B0", "AG01", "B49", "B007x", "ZZ1", "B-1"])
def test_what_is_no_well_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        parse_well(name)


@pytest.mark.parametrize("label", ["1", "P1", "p01", "Plate 1", " plate_1 "])
def test_spellings_of_one_plate_join(label: str) -> None:
    assert plate_key(label) == "1"


def test_numbered_plates_sort_by_number() -> None:
    assert sorted(["P10", "P2", "left", "1A"], key=plate_sort_key) == ["P2", "P10", "1A", "left"]


def names_of(*wells: tuple[str, str | None, str | None]) -> list[str]:
    """Curve names of therapy wells by sample, treatment and add-on."""
    frame = pd.DataFrame(wells, columns=["sample", "treatment", "add_on"]).assign(well_type="therapy")
    return list(curve_names(frame))


def test_a_combination_is_named_by_its_parts_unless_another_drug_has_that_name() -> None:
    assert names_of(("S", "A", None), ("S", "A", "B"), ("S", "A", " ")) == ["A", "A + B", "A"]
    assert names_of(("S", "A + B", None), ("S", "A", "B")) == ["A + B", "A with add-on B"]
    assert names_of(("S", "A", "B + C"), ("S", "A + B", "C")) == ["A with add-on B + C", "A + B with add-on C"]
    assert names_of(("S", "A + B", None), ("T", "A", "B")) == ["A + B", "A + B"]


@pytest.mark.parametrize("screen", ["", "a|b", "../up", ".hidden", "with space", "a/b", "ä", "ok\n"])
def test_screen_ids_that_would_hurt_are_refused(screen: str) -> None:
    with pytest.raises(InputError):
        check_screen_id(screen)


def test_an_add_on_is_served_by_its_own_controls_else_by_those_whose_dose_nobody_says() -> None:
    held, plain = ["B 1 nM", "B 9 nM", "C 1 nM", ""], ["B", "B", "C", ""]
    there = {("P1", "B 1 nM"), ("P1", "B"), ("P2", "C"), ("P1", "")}
    assert list(serving_add_on(held, plain, ["P1"] * 4, there)) == ["B 1 nM", "B", "C 1 nM", ""]
    assert list(serving_add_on(held, plain, ["P2"] * 4, there)) == ["B 1 nM", "B 9 nM", "C", ""]
