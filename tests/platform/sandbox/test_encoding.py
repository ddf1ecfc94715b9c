"""Values cross as they were; bytes of anybody make values or a ValueError, and run nothing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.plates.packed_texts import PackedTexts
from phenodose.plugins import Scores
from phenodose.plugins.isolated_calls import carried
from phenodose.sandbox.encoding import decode, encode


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        "µM",
        Path("a/b"),
        [1, [2.5, "x"]],
        {"a": [None], 3: {}},
        {"table": 1},
        float("inf"),
    ],
)
def test_a_plain_value_is_the_same(value: Any) -> None:
    found = decode(encode(value))
    assert found.value == value
    assert type(found.value) is type(value)
    assert not found.opaque


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.uint16).reshape(2, 3).T,
        np.array([1.5, np.nan], dtype=">f4"),
        np.empty((0, 2)),
        np.array(7, dtype=np.int8),
        np.array(["=", "<"]),
        np.array(["2026-11-28"], dtype="datetime64[D]"),
        np.array(["a", None, 2.5], dtype=object),
    ],
)
def test_an_array_is_the_same_and_can_be_written(array: np.ndarray) -> None:
    found = decode(encode(array)).value
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.shape, found.flags.writeable) == (array.dtype, array.shape, True)


def test_a_table_is_the_same() -> None:
    table = pd.DataFrame(
        {
            "number": [1, 2, 3],
            "text": ["B02", None, ""],
            "either": np.array([1, "x", None], dtype=object),
            "kind": pd.Categorical(["u", None, "v"]),
            "count": pd.array([1, None, 3], dtype="Int64"),
            "day": pd.to_datetime(["2026-11-26", "2026-11-27", None]),
        }
    )
    for one in (table, table.iloc[:0].drop(columns="kind"), table.iloc[::-1]):
        found = decode(encode(one))
        pd.testing.assert_frame_equal(found.value, one)
        assert not found.opaque
    doubled = decode(encode(pd.concat([table[["number"]]] * 2, axis=1))).value
    assert list(doubled.columns) == ["number", "number"]


def test_what_plugins_give_crosses() -> None:
    scores = Scores(np.array([1.0, np.nan]), reason=np.array(["", "no reference"], dtype=object))
    found = decode(encode(scores, carried()), carried()).value
    assert isinstance(found, Scores)
    np.testing.assert_array_equal(found.reason, scores.reason)
    assert found.bound is None
    table = pd.DataFrame({"metadata": PackedTexts.of(["<a/>", None])})
    texts = decode(encode(table, carried()), carried()).value["metadata"].array
    assert isinstance(texts, PackedTexts)
    assert list(texts) == ["<a/>", None]


@pytest.mark.parametrize("value", [{3}, [object()], np.array([1, {2}], dtype=object), {"a": pd.Timestamp(0)}])
def test_what_cannot_cross_is_named(value: Any) -> None:
    assert decode(encode(value)).opaque in {"set", "object", "Timestamp"}
    assert type(decode(encode({3})).value).__name__ == "set"


class _Evil:
    def __reduce__(self) -> Any:
        return os.abort, ()


def test_bytes_that_are_none_of_ours_are_refused() -> None:
    whole = encode(np.arange(100))
    document = encode(None)
    for content in (
        pickle.dumps(_Evil()),
        b"",
        whole[:-1],
        document.replace(b"null", b"nul\xff"),
        encode("x").replace(b'"x"', b"{ }"),
        whole.replace(b'"<i8"', b'"|O8"'),
        whole.replace(b"[100]", b"[900]"),
    ):
        with pytest.raises(ValueError):
            decode(content)


@given(st.binary())
def test_any_bytes_are_a_value_or_refused(content: bytes) -> None:
    for tried in (content, encode(np.zeros(3))[:9] + content):
        try:
            decode(tried)
        except ValueError:
            continue
