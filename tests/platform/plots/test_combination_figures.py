"""Figures of two drugs: every dose pair has its cell, its number and its words; bars hang where they belong."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.plots.combination_figures import Cell, Difference, differences, dose_matrix, isobologram

NAMES = ("Drug A", 'B "<i>&')


def parts(svg: str, tag: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if element.tag == tag]


def cells(n_first: int, n_second: int) -> list[Cell]:
    return [
        Cell(float(10**i), float(10**j), 10.0 * (i - j), f"cell {i} {j}", marked=i > j)
        for i in range(n_first)
        for j in range(n_second)
    ]


@given(st.integers(1, 12), st.integers(1, 12))
def test_every_dose_pair_has_a_cell_that_tells_its_numbers(n_first: int, n_second: int) -> None:
    found = cells(n_first, n_second)
    svg = str(dose_matrix(found, NAMES, "label", "excess", 30.0, signed=True))
    titles = [title.text for title in parts(svg, "title")]
    assert titles == [cell.title for cell in found]
    drawn = [path.attrib["d"] for path in parts(svg, "path") if path.attrib["fill"] != "none"]
    assert len(set(drawn)) == len(found), "no cell hides another"
    assert parts(svg, "svg")[0].attrib["aria-label"] == "label"


def test_doses_rise_to_the_right_and_upwards() -> None:
    svg = str(dose_matrix(cells(3, 2), NAMES, "label", "excess", 30.0, signed=True))
    at = {
        path[0].text: tuple(map(float, path.attrib["d"][1:].split("h")[0].split()))
        for path in parts(svg, "path")
        if len(path)
    }
    assert at["cell 2 0"][0] > at["cell 1 0"][0] > at["cell 0 0"][0]
    assert at["cell 0 1"][1] < at["cell 0 0"][1]


def test_a_cell_whose_interval_excludes_0_is_ringed_and_signs_are_told_without_colour() -> None:
    svg = str(dose_matrix(cells(2, 2), NAMES, "label", "excess", 30.0, signed=True))
    rings = [path for path in parts(svg, "path") if path.attrib["fill"] == "none"]
    assert len(rings) == 1
    assert rings[0].attrib["d"].count("M") == 1
    numbers = [text.text for text in parts(svg, "text")]
    assert {"+10", "-10", "0"} <= set(numbers)
    assert "-0" not in numbers
    assert "+0" not in numbers


def test_an_empty_cell_is_pale_and_without_a_number() -> None:
    svg = str(dose_matrix([Cell(1.0, 1.0, nan, "no excess")], NAMES, "label", "excess", 30.0))
    assert "nan" not in svg
    assert [path.attrib["fill"] for path in parts(svg, "path")] == ["#D9DCE1"]


def test_a_large_matrix_drops_the_numbers_and_stays_on_the_page() -> None:
    found = [Cell(float(i), float(j), 50.0, "t") for i in range(24) for j in range(24)]
    svg = str(dose_matrix(found, NAMES, "label", "inhibition", 100.0))
    assert float(parts(svg, "svg")[0].attrib["width"]) < 450
    assert "50" not in [text.text for text in parts(svg, "text")]


def test_a_matrix_of_ten_doses_is_small() -> None:
    found = [
        Cell(3.0**i, 3.0**j, 12.3, "Drug 100 nM, other 30 nM: +12.3 (+4.1 to +20.2)")
        for i in range(10)
        for j in range(10)
    ]
    assert len(str(dose_matrix(found, NAMES, "label", "inhibition", 100.0))) < 25_000


@pytest.mark.parametrize(
    ("alone", "n_ends"), [((100.0, 50.0), 2), ((100.0, inf), 1), ((nan, 50.0), 1), ((nan, nan), 0)]
)
def test_the_line_of_additivity_joins_the_doses_of_the_drugs_alone(alone: tuple[float, float], n_ends: int) -> None:
    svg = str(isobologram([(20.0, 10.0, "pair")], alone, (100.0, 100.0), NAMES, "label"))
    assert len(parts(svg, "polyline")) == (1 if n_ends else 0)
    assert sum("alone" in (title.text or "") for title in parts(svg, "title")) == n_ends
    assert "nan" not in svg
    assert "inf" not in svg
    if n_ends:
        first, last = (
            tuple(map(float, point.split(","))) for point in parts(svg, "polyline")[0].attrib["points"].split()
        )
        at = [(float(use.attrib["x"]), float(use.attrib["y"])) for use in parts(svg, "use")]
        # Of the pair, 20/100 + 10/50 is below 1: it lies on the side of no drug at all.
        if n_ends == 2:
            x, y = at[0]
            along = first[1] + (last[1] - first[1]) * (x - first[0]) / (last[0] - first[0])
            assert y > along


def test_losses_hang_below_zero_and_only_sure_ones_are_full() -> None:
    bars = [
        Difference("gains", 10.0, (4.0, 16.0), "#drug-1"),
        Difference("loses", -10.0, (-16.0, -4.0)),
        Difference("perhaps", 2.0, (-4.0, 8.0)),
        Difference("no interval", -3.0, (nan, nan)),
    ]
    svg = str(differences(bars, "points", "label"))
    assert "nan" not in svg
    drawn = {path[0].text.split(":")[0]: path for path in parts(svg, "path")}
    assert list(drawn) == ["gains", "perhaps", "no interval", "loses"]
    assert drawn["perhaps"].attrib["fill"] == drawn["no interval"].attrib["fill"]
    assert len({drawn[name].attrib["fill"] for name in ("gains", "loses", "perhaps")}) == 3
    zero = next(float(line.attrib["y1"]) for line in parts(svg, "line") if line.attrib["class"] == "axis")

    def top(name: str) -> float:
        return float(drawn[name].attrib["d"][1:].split("h")[0].split()[1])

    assert top("loses") == pytest.approx(zero, abs=0.1)
    assert top("gains") < top("perhaps") < zero
    assert [link.attrib["href"] for link in parts(svg, "a")] == ["#drug-1"]
    assert len([line for line in parts(svg, "line") if line.attrib["class"] == "whisker"]) == 3


def test_a_dose_far_beyond_the_tested_ones_does_not_squeeze_the_points() -> None:
    svg = str(isobologram([(20.0, 10.0, "pair")], (1e7, 50.0), (100.0, 100.0), NAMES, "label"))
    (line,) = parts(svg, "polyline")
    width = float(parts(svg, "svg")[0].attrib["width"])
    assert all(0 <= float(point.split(",")[0]) <= width for point in line.attrib["points"].split())
    assert float(parts(svg, "use")[0].attrib["x"]) > 45
    assert [title.text for title in parts(svg, "title")] == ["pair", 'B "<i>& alone: 50 nM']
