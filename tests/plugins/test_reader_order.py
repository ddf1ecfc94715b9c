"""Every reader gives the same index in whatever order the file system lists its files, and all of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.plugins import PLANES, Reader
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readers.itrade import ItradeReader
from phenodose_readers.pattern import PatternReader

WELLS = ("B02", "C10", "AA03", "P24")


@contextmanager
def listed_in_order_of(seed: int) -> Iterator[None]:
    """File systems list a folder in any order; here it is drawn."""
    real = os.scandir

    @contextmanager
    def shuffled(path):
        with real(path) as entries:
            found = list(entries)
        random.Random(seed).shuffle(found)
        yield iter(found)

    os.scandir = shuffled  # type: ignore[assignment]
    try:
        yield
    finally:
        os.scandir = real


def imagexpress(folder: Path, well: str, number: int) -> Path:
    return folder / f"TimePoint_1/ZStep_{number + 1}/9_{well}_s1_w1.TIF"


def pattern(folder: Path, well: str, number: int) -> Path:
    return folder / f"z{number}" / f"{well}.tif"


def itrade(folder: Path, well: str, number: int) -> Path:
    return folder / f"X_V1_DS1_P1_{well}_{('proj', 'midz')[number]}_224x224.tif"


KINDS = [
    (imagexpress, ImageXpressReader()),
    (pattern, PatternReader({"expression": r"z(?P<z>\d)/(?P<well>[A-Z]+\d\d)"})),
    (itrade, ItradeReader()),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[tuple[Path, Reader, pd.DataFrame]]:
    made = []
    for place, reader in KINDS:
        folder = tmp_path_factory.mktemp(place.__name__)
        for well in WELLS:
            for number in range(2):
                path = place(folder, well, number)
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, np.random.default_rng([number, *well.encode()]).poisson(9, (8, 8)).astype("u2"))
        made.append((folder, reader, reader.index(folder)))
    return made


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[reader.name for _, reader in KINDS])
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_the_index_is_complete_sorted_and_the_same(folders, kind, seed):
    folder, reader, expected = folders[kind]
    with listed_in_order_of(seed):
        found = reader.index(folder)
        assert reader.plate_metadata(folder, found) == reader.plate_metadata(folder, expected)
        assert reader.sniff(folder) > 0
    assert found.equals(expected)
    assert PLANES.faults(found) == []
    assert sorted(found["path"]) == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    assert found.equals(found.sort_values(list(PLANES.key), ignore_index=True))
