"""How the numbers of a file are written is inferred once, from all of them, or refused."""

from __future__ import annotations

import pytest

from phenodose.io.number_format import ENOUGH, AmbiguousNumbersError, number_format
from phenodose.io.spreadsheet import Cell

GERMAN = [f"{value:,}".replace(",", ".") for value in range(1000, 60_000, 1370)] + ["784", "12", "0"]


def read(cells: list[str], doses: list[str] | None = None) -> list[float | None]:
    written = number_format(cells, doses or [])
    return [written.number(cell) for cell in [*cells, *(doses or [])]]


def test_points_between_thousands_are_found_by_their_zeros_beside_whole_numbers() -> None:
    assert read(GERMAN) == [*(float(value) for value in range(1000, 60_000, 1370)), 784, 12, 0]
    assert number_format(GERMAN).note == ("numbers are written with a point between thousands: 1.000 is read as 1000.")


def test_commas_between_thousands_likewise() -> None:
    american = [cell.replace(".", ",") for cell in GERMAN]
    assert read(american)[:2] == [1000, 2370]
    assert "a comma between thousands" in number_format(american).note


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["0.123", "1.234", "5"], [0.123, 1.234, 5]),
        (["0,123", "1,234", "5"], [0.123, 1.234, 5]),
        (["1.234.567", "12,5", "3.200"], [1234567, 12.5, 3200]),
        (["1,234,567.5", "1,234"], [1234567.5, 1234]),
        (["12.5", "1,234"], [12.5, 1234]),
        (["39'123", "784", "1’000.5"], [39123, 784, 1000.5]),
        (["39\u202f123", "784"], [39123, 784]),
        (["1,5", "1.8e1", "-2"], [1.5, 18, -2]),
        (["1.250", "2.125", "0", "31.623"], [1.25, 2.125, 0, 31.623]),
    ],
)
def test_what_one_cell_tells_holds_for_the_file(cells: list[str], values: list[float]) -> None:
    assert read(cells) == values


def test_fixed_decimals_are_decimals_and_their_scale_does_not_matter() -> None:
    cells = [f"{value:.3f}" for value in (1.0, 39.12, 41.5, 900.001)] * 10
    assert read([*cells, "0"])[:2] == [1.0, 39.12]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["39.123"] * ENOUGH + ["784"], "'39.123' beside 784 may be 39123 or 39.123"),
        (["39.120"] * (ENOUGH - 1) + ["784"], "may be 39120 or 39.120"),
        (["39.120"] * ENOUGH + ["784", "5000"], "may be 39120 or 39.120"),
        (["1.012"] + ["784", "640"] * ENOUGH, "'1.012' beside 784 may be 1012 or 1.012"),
        (["12.5", "12,5", "1.234"], "so that '1.234' may be a thousand or not"),
        (["1.234.567", "12.5"], "write all numbers in one way"),
        (["1.234", "1,234", "7"], "one of the signs stands between thousands"),
    ],
)
def test_what_may_be_read_in_two_ways_is_refused(cells: list[str], words: str) -> None:
    with pytest.raises(AmbiguousNumbersError) as caught:
        number_format(cells)
    assert words in str(caught.value)


def test_a_comma_that_nothing_explains_is_refused_cell_by_cell() -> None:
    written = number_format(["1,234", "5"])
    with pytest.raises(ValueError, match="1,234"):
        written.number("1,234")


def test_thousands_that_a_spreadsheet_took_for_decimals_are_refused() -> None:
    cells: list[Cell] = [39.123 + 0.377 * step for step in range(60)]
    cells = [round(float(cell or 0), 3) for cell in cells] + [784.0, 55.0, 612.0]
    with pytest.raises(AmbiguousNumbersError, match="taken for a decimal point"):
        number_format(cells)
    assert number_format([round(float(cell or 0), 3) for cell in cells[:60]]).note == ""
    assert number_format([*cells, 0.5]).note == ""


def test_doses_prove_nothing_by_numbers_and_are_refused_where_one_is_written_in_two_ways() -> None:
    for doses in (["1", "10", "100", "1.000", "10.000"], ["0.1", "1", "1.000"]):
        with pytest.raises(AmbiguousNumbersError, match=r"the concentration '1.000' may be 1000 or 1"):
            number_format([], doses * 20)
    assert read([], ["1", "3.162", "10", "31.623", "1000"] * 20)[:4] == [1, 3.162, 10, 31.623]
    assert read([], ["0.100", "1.000", "10.000", "1000"]) == [0.1, 1, 10, 1000]
    assert read(["40677,5"], ["1", "10", "1.000"]) == [40677.5, 1, 10, 1000]
