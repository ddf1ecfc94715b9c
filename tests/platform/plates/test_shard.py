"""The shard writer: whatever it writes, zarr-python reads back."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.errors import StoreError
from phenodose.io.files import hash_file
from phenodose.plates.shard import CHUNK_PX, ShardWriter, array_metadata, chunk_side


def write_array(folder: Path, array: np.ndarray, chunk: tuple[int, ...], grid: tuple[int, ...], skip=frozenset()):
    """Write a whole array through ShardWriter, leaving out the chunks in `skip`; returns the shards' hashes."""
    shard = tuple(c * g for c, g in zip(chunk, grid, strict=True))
    folder.mkdir()
    names = [f"d{i}" for i in range(array.ndim)]
    (folder / "zarr.json").write_text(json.dumps(array_metadata(array.shape, shard, chunk, str(array.dtype), names)))
    hashes = {}
    for place in itertools.product(*(range(math.ceil(n / s)) for n, s in zip(array.shape, shard, strict=True))):
        path = folder / "c" / Path(*map(str, place))
        writer = ShardWriter(path, grid, chunk, str(array.dtype))
        for inner in itertools.product(*(range(g) for g in grid)):
            start = [p * s + i * c for p, s, i, c in zip(place, shard, inner, chunk, strict=True)]
            values = array[tuple(slice(a, a + c) for a, c in zip(start, chunk, strict=True))]
            if values.size and (place, inner) not in skip:
                writer.add(inner, values)
        hashes[path] = writer.close()
    return hashes


@st.composite
def arrays(draw):
    ndim = draw(st.integers(1, 4))
    shape = tuple(draw(st.integers(1, 7)) for _ in range(ndim))
    chunk = tuple(draw(st.integers(1, 4)) for _ in range(ndim))
    grid = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    dtype = draw(st.sampled_from(["uint8", "uint16"]))
    seed = draw(st.integers(0, 2**32 - 1))
    values = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    return values, chunk, grid


@given(arrays())
@settings(max_examples=60)
def test_any_array_reads_back_identically(tmp_path_factory, case):
    values, chunk, grid = case
    folder = tmp_path_factory.mktemp("a") / "array"
    hashes = write_array(folder, values, chunk, grid)
    read = zarr.open_array(folder, mode="r")
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read[...], values)
    for path, (size, digest) in hashes.items():
        assert (path.stat().st_size, hash_file(path)) == (size, digest)


def test_a_chunk_left_out_reads_as_zero_and_a_shard_left_out_makes_no_file(tmp_path):
    values = np.arange(1, 65, dtype="uint16").reshape(8, 8)
    folder = tmp_path / "array"
    empty = {((0, 0), (0, 1))} | {((1, 1), inner) for inner in itertools.product(range(2), repeat=2)}
    write_array(folder, values, (2, 2), (2, 2), skip=empty)
    expected = values.copy()
    expected[0:2, 2:4] = 0
    expected[4:8, 4:8] = 0
    np.testing.assert_array_equal(zarr.open_array(folder, mode="r")[...], expected)
    assert not (folder / "c/1/1").exists()


def test_a_flipped_bit_is_refused_by_the_reader(tmp_path):
    values = np.random.default_rng(1).integers(0, 60000, (32, 32), dtype="uint16")
    folder = tmp_path / "array"
    write_array(folder, values, (32, 32), (1, 1))
    shard = folder / "c/0/0"
    damaged = bytearray(shard.read_bytes())
    damaged[200] ^= 1
    shard.write_bytes(damaged)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_array(folder, mode="r")[...]


def test_same_values_give_the_same_bytes(tmp_path):
    values = np.random.default_rng(2).integers(0, 60000, (300, 300), dtype="uint16")
    first = write_array(tmp_path / "a", values, (100, 100), (3, 3))
    second = write_array(tmp_path / "b", values, (100, 100), (3, 3))
    assert list(first.values()) == list(second.values())


def test_a_chunk_is_not_written_twice(tmp_path):
    writer = ShardWriter(tmp_path / "0", (1,), (4,), "uint8")
    writer.add((0,), np.ones(4, "uint8"))
    with pytest.raises(StoreError, match="twice"):
        writer.add((0,), np.ones(4, "uint8"))
    writer.abandon()
    assert not (tmp_path / "0").exists()


@given(st.integers(1, 10_000))
def test_chunks_are_equal_parts_of_at_most_the_limit(size):
    side = chunk_side(size)
    parts = math.ceil(size / side)
    assert side <= CHUNK_PX
    assert parts == math.ceil(size / CHUNK_PX)
    assert parts * side - size < parts
