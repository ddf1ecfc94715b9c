"""Scales and marks of the SVG figures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.plots import palette, svg_figures
from phenodose.plots.phenotype_map import labels, phenotype_map
from phenodose.plots.svg import Canvas, marker_definitions, swatch


@given(
    low=st.floats(-1e6, 0),
    high=st.floats(0, 1e6),
    most=st.integers(2, 10),
)
def test_ticks_enclose_the_data_and_zero(low: float, high: float, most: int) -> None:
    if high - low < 1e-3:
        high += 1.0
    ticks = svg_figures.nice_ticks(low, high, most)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * step
    assert ticks[-1] >= high - 1e-6 * step
    assert 0.0 in ticks
    assert len(ticks) <= most + 2
    assert all(b - a == pytest.approx(step) for a, b in pairwise(ticks))


def ranking(scores: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "drug": [f"D{i}" for i in range(len(scores))],
            "score": scores,
            "lower": [s - 1 for s in scores],
            "upper": [s + 1 for s in scores],
            "hit": [s >= 10 for s in scores],
        }
    )


def bars(svg: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if element.tag == "rect"]


def test_bars_are_as_high_as_their_scores() -> None:
    found = bars(str(svg_figures.waterfall(ranking([40.0, 20.0, 10.0]), {}, 10, "dss")))
    heights = [float(bar.attrib["height"]) for bar in found]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert heights[1] == pytest.approx(2 * heights[2], abs=0.2)
    assert len({float(bar.attrib["y"]) + float(bar.attrib["height"]) for bar in found}) == 1


def test_negative_scores_hang_below_zero() -> None:
    up, down = bars(str(svg_figures.waterfall(ranking([10.0, -10.0]), {}, None, "dss")))
    assert float(down.attrib["y"]) == pytest.approx(float(up.attrib["y"]) + float(up.attrib["height"]), abs=0.2)
    assert float(up.attrib["height"]) == pytest.approx(float(down.attrib["height"]), abs=0.2)


def test_seventy_five_drugs_fit_the_width() -> None:
    svg = ET.fromstring(str(svg_figures.waterfall(ranking([float(i) for i in range(75, 0, -1)]), {}, 10, "dss")))
    assert float(svg.attrib["width"]) <= 1130
    assert sum(1 for element in svg.iter("rect")) == 75


def test_a_drug_with_one_dose_and_no_curve_is_drawn() -> None:
    points = pd.DataFrame(
        {"readout": ["ctg"], "replicate": [1], "concentration_nM": [250.0], "viability_fraction": [-0.5]}
    )
    svg = ET.fromstring(str(svg_figures.dose_response("one", points, {}, palette.readout_looks(["ctg"], {})).markup()))
    (mark,) = list(svg.iter("use"))
    assert 0 <= float(mark.attrib["x"]) <= float(svg.attrib["width"])
    assert 0 <= float(mark.attrib["y"]) <= float(svg.attrib["height"]), "a point beyond the frame stands on its edge"


def test_replicate_one_is_full_and_the_others_are_hollow() -> None:
    points = pd.DataFrame(
        {
            "readout": ["ctg"] * 3,
            "replicate": [1, 2, 3],
            "concentration_nM": [1.0, 10.0, 100.0],
            "viability_fraction": [1.0, 0.5, 0.0],
        }
    )
    svg = ET.fromstring(str(svg_figures.dose_response("x", points, {}, palette.readout_looks(["ctg"], {})).markup()))
    groups = {group.attrib["fill"]: len(list(group)) for group in svg.iter("g")}
    assert groups == {palette.readout_looks(["ctg"], {})["ctg"].colour: 1, "#fff": 2}


def test_the_map_keeps_the_shape_of_the_data() -> None:
    places = pd.DataFrame({"x": [0.0, 1.0, 0.0], "y": [0.0, 0.0, 1.0]}).assign(group="g", label="", title="t")
    svg = ET.fromstring(str(phenotype_map(places, {"g": palette.look(0)}).start) + "</svg>")
    origin, right, up = [(float(m.attrib["x"]), float(m.attrib["y"])) for m in svg.iter("use")]
    assert right[0] - origin[0] == pytest.approx(origin[1] - up[1], abs=0.2)
    single = phenotype_map(places.head(1), {"g": palette.look(0)})
    assert "nan" not in str(single.start)


def test_labels_of_the_map_stand_in_the_frame_and_on_no_other_label() -> None:
    points = [(50.0 + 3 * place, 40.0 + place % 3) for place in range(12)]
    frame = (0.0, 0.0, 200.0, 120.0)
    found = labels([(point, f"Drug {place}") for place, point in enumerate(points)], points, frame)
    boxes = [box for _, box in found if box is not None]
    assert len(boxes) >= 10
    for place, box in enumerate(boxes):
        assert frame[0] <= box[0] < box[2] <= frame[2]
        assert frame[1] <= box[1] < box[3] <= frame[3]
        for other in boxes[:place]:
            assert box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1]


def test_images_beside_the_map_overlap_nothing_and_are_on_the_side_of_their_well() -> None:
    places = pd.DataFrame({"x": [0.0, 9.0, 1.0, 8.0], "y": [0.0, 1.0, 4.0, 5.0]}).assign(group="g", label="", title="t")
    pictured = [(place, f"P1/A0{place}", f"image {place}") for place in range(4)]
    figure = phenotype_map(places, {"g": palette.look(0)}, (), pictured)
    height = float(ET.fromstring(str(figure.start) + "</svg>").attrib["height"])
    sides = {inset.well: inset.x for inset in figure.insets}
    assert sides["P1/A00"] == sides["P1/A02"] < 100 < sides["P1/A01"] == sides["P1/A03"]
    for inset in figure.insets:
        assert 0 <= inset.y <= inset.y + inset.side <= height
        others = [one.y for one in figure.insets if one.x == inset.x and one is not inset]
        assert all(abs(inset.y - y) >= inset.side for y in others)


def test_every_marker_is_defined() -> None:
    ids = {group.attrib["id"] for group in ET.fromstring(str(marker_definitions())).iter("g")}
    assert ids == {f"marker-{i}" for i in range(len(palette.MARKERS))}


def test_text_is_escaped() -> None:
    canvas = Canvas(10, 10, 'a "label" <b>')
    canvas.text(1, 1, "<b>&")
    canvas.rectangle(0, 0, 1, 1, "bar", "</title><script>", "#x")
    svg = ET.fromstring(str(canvas.markup()))
    assert svg.attrib["aria-label"] == 'a "label" <b>'
    assert [text.text for text in svg.iter("text")] == ["<b>&"]
    assert [title.text for title in svg.iter("title")] == ["</title><script>"]


def test_a_legend_key_is_hidden_from_screen_readers() -> None:
    assert ET.fromstring(str(swatch(palette.look(0)))).attrib["aria-hidden"] == "true"
