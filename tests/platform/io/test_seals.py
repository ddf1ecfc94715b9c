"""A sealed file says of itself whether it is as it was written."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phenodose.errors import StoreError
from phenodose.io.seals import OPEN_SEAL, check_seal, is_changed, seal_of, sealed

WHOLE = sealed(b"numbers 1 2 3 " + OPEN_SEAL.encode() + b" more")


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_file_is_as_it_was_written(before: bytes, after: bytes) -> None:
    assume(not {b"phenodose-xxh3:", b":phenodose-seal"} & {after[i : i + 15] for i in range(len(after))})
    content = sealed(before + OPEN_SEAL.encode() + after)
    assert not is_changed(content)
    assert len(seal_of(content)) == 32
    assert len(content) == len(before) + len(OPEN_SEAL) + len(after)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_every_flipped_bit_is_seen_also_in_the_seal(place: int, bit: int) -> None:
    changed = bytearray(WHOLE)
    changed[place] ^= 1 << bit
    assert is_changed(bytes(changed))


def test_a_file_without_a_seal_is_not_judged() -> None:
    assert seal_of(b"numbers") == ""
    check_seal(b"numbers", "file", "make it again")


def test_a_changed_file_is_told_with_the_remedy() -> None:
    with pytest.raises(StoreError, match=r"^wells: its bytes have changed .*; make it again\.$"):
        check_seal(WHOLE.replace(b"2", b"7"), "wells", "make it again")
