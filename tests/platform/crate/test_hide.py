"""What tells of machines and people goes out of texts, and nothing else does."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from phenodose.crate.hide import Hider


@pytest.fixture
def hider():
    return Hider(["/data/my store", "/depot", "/data/raw/S1", None])


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/data/my store/screens/X/P1.ome.zarr: it is gone", "…/screens/X/P1.ome.zarr: it is gone"),
        ("'/home/Max M/x.h5' is gone", "'…/x.h5' is gone"),
        ("see C:\\Users\\max\\a.tif, and \\\\srv\\share\\b.tif", "see …/a.tif, and …/b.tif"),
        ("in s3://bucket/pre/x.csv", "in …/x.csv"),
        ("run `phenodose run /data/raw/S1`", "run `phenodose run …`"),
        ("~/x/y.csv", "…/y.csv"),
    ],
)
def test_a_path_keeps_its_last_part(hider, text, hidden):
    assert hider.text(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "viability/ctg of P1/B07, 1/2 of a/b",
        "offset at (640, 640)\r\nGain: 16-bit (low noise & high well capacity)",
        "https://example.org/a/b",
        "2024-02-12/4466",
        "/depots and a/depot/b",
        "20X/0.75; and/or; km/h",
    ],
)
def test_what_is_no_path_stays(hider, text):
    assert hider.text(text) == text


def test_json_stays_json(hider):
    cell = json.dumps({"weights": "/home/u v/k.h5", "size": 3, "told": ["/data/q r/P1.csv: row 3 is bad"]})
    assert json.loads(hider.cell(cell)) == {"weights": "…/k.h5", "size": 3, "told": ["…/q r/P1.csv: row 3 is bad"]}
    assert hider.cell('{"plate": "P1"}') == '{"plate": "P1"}'


def test_people_get_numbers_in_columns_sentences_and_pages(hider):
    hider.meet(pd.DataFrame({"decided_by": ["max", "Erika <3", "max"], "undone_by": [None, "max", None]}))
    assert hider.person("max") == "person 1"
    assert hider.text("left out by max; bymax, maximum by maxime") == "left out by person 1; bymax, maximum by maxime"
    page = "<td>max</td><td> Erika &lt;3 </td><p>max dose by max</p><img src='data:,iVBORmax'>"
    hidden = "<td>person 1</td><td> person 2 </td><p>max dose by person 1</p><img src='data:,iVBORmax'>"
    assert hider.page(page) == hidden
    assert hider.page("<td>max</td>", kept={"max"}) == "<td>max</td>"


def test_a_picture_within_a_page_is_left_alone(hider):
    page = "<img src='data:image/png;base64,iVBOR/depot/x+/depot=='><a href='/depot/x'>/depot</a>"
    assert hider.page(page) == "<img src='data:image/png;base64,iVBOR/depot/x+/depot=='><a href='…/x'>…</a>"
