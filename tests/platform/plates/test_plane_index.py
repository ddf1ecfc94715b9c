"""The index of planes: in one order, with the instrument's texts kept small and given back as they were."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis import strategies as st

from phenodose.plates.packed_texts import PackedTexts, TextPacker
from phenodose.plugins import PLANES, planes_frame

texts = st.none() | st.text(max_size=80) | st.text("ab{}:,", min_size=200, max_size=400)


def row(z: int, **values) -> dict:
    place = {"well": "B02", "row": "B", "column": 2, "site": 1, "time": 0, "channel": 0, "projection": "", "z": z}
    file = {"path": f"{z}.tif", "page": 0, "size_y_px": 4, "size_x_px": 4, "dtype": "uint16"}
    return place | file | values


@given(st.lists(texts, max_size=8), st.randoms(use_true_random=False))
def test_packed_texts_are_a_column_of_texts(given_texts, random):
    column = PackedTexts.of(given_texts)
    assert list(column) == given_texts
    assert list(column.isna()) == [text is None for text in given_texts]
    order = random.sample(range(len(given_texts)), len(given_texts))
    frame = pd.DataFrame({"text": column, "n": range(len(given_texts))})
    assert list(frame.iloc[order]["text"]) == [given_texts[place] for place in order]
    assert list(pd.concat([frame, frame])["text"]) == given_texts * 2
    assert list(frame.astype(object)["text"]) == given_texts
    assert frame["text"].equals(pd.Series(PackedTexts.of(given_texts)))
    shown = column.take([-1, *order], allow_fill=True)
    assert list(shown) == [None, *(given_texts[place] for place in order)]


def test_texts_that_differ_are_not_equal():
    one, other = PackedTexts.of(["a", None, "c"]), PackedTexts.of(["a", "b", "d"])
    np.testing.assert_array_equal(one == other, [True, False, False])
    assert not pd.Series(one).equals(pd.Series(other))


def test_texts_that_resemble_each_other_take_little_memory():
    packer = TextPacker()
    tags = [
        {f"Setting of the instrument {n}": 10 * n for n in range(70)} | {"z-position": 9000.5 + z} for z in range(9)
    ]
    packed = [packer.pack(json.dumps(each)) for each in tags]
    assert [json.loads(str(text)) for text in packed] == tags
    for text, each in zip(packed[1:], tags[1:], strict=True):
        assert len(text._packed) < len(json.dumps(each)) / 10


@given(st.permutations(range(6)))
@at_most(max_examples=20)
def test_an_index_is_in_the_order_of_its_key_and_has_every_column(order):
    packer = TextPacker()
    rows = [row(z, metadata=packer.pack(f"tags {z}") if z % 2 else f"plain {z}") for z in order]
    frame = planes_frame(rows)
    assert list(frame.columns) == PLANES.column_names
    assert PLANES.faults(frame) == []
    assert list(frame["z"]) == list(range(6))
    assert list(frame["metadata"]) == [f"tags {z}" if z % 2 else f"plain {z}" for z in range(6)]
    assert frame["checksum"].isna().all()


def test_an_index_without_planes_has_every_column():
    assert list(planes_frame([]).columns) == PLANES.column_names
