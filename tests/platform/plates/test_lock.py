"""The folder for wells under way: nobody else's to enter, and under no name that others could take first."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from phenodose.io.places import place
from phenodose.plates import lock


@contextmanager
def held(*_: Any, **__: Any) -> Iterator[None]:
    yield


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_wells_under_way_to_a_bucket_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "t")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "t")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lock, "held", held)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    plate = place("s3://bucket/P1.ome.zarr")
    with lock.locked(plate, "P1") as aside:
        assert stat.S_IMODE(aside.stat().st_mode) == 0o700
    assert aside == lock.cached_aside(plate)
    assert aside.is_relative_to(tmp_path / "cache")
    aside.rmdir()
    aside.symlink_to(tmp_path)  # as somebody else might
    with pytest.raises(PermissionError), lock.locked(plate, "P1"):
        pass


def test_wells_of_a_plate_in_a_folder_lie_beside_it(tmp_path: Path) -> None:
    with lock.locked(tmp_path / "P1.ome.zarr", "P1") as aside:
        assert aside == tmp_path / ".P1.ome.zarr.ingest"
        assert os.name == "nt" or stat.S_IMODE(aside.stat().st_mode) == 0o700
