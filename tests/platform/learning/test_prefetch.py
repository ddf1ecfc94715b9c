"""Making the next thing while the last one is used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.learning.prefetch import prefetch


@given(st.lists(st.integers()))
def test_items_and_their_order_stay(items: list[int]) -> None:
    assert list(prefetch(iter(items))) == items


def test_the_next_item_is_made_while_the_last_one_is_in_use() -> None:
    second_is_made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second_is_made.set()
        yield 2

    coming = prefetch(items())
    assert next(coming) == 1
    assert second_is_made.wait(timeout=60)  # without the second having been asked for
    assert list(coming) == [2]


def test_what_goes_wrong_in_the_making_is_raised_where_the_item_is_wanted() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more wells")

    coming = prefetch(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="no more wells"):
        next(coming)


def test_no_thread_is_left_when_the_end_is_not_reached() -> None:
    before = threading.active_count()
    with closing(prefetch(iter(range(10)))) as coming:
        assert next(coming) == 0
    assert threading.active_count() == before
