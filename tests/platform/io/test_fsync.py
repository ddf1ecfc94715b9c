"""Making a well lasting: every file and folder is synced, and asking the disk early changes no byte."""

from __future__ import annotations

import os

import numpy as np
import pytest

from phenodose.io import fsync
from phenodose.io.fsync import start_writeback, sync_tree
from phenodose.plates import shard
from phenodose.plates.shard import ShardWriter


def test_every_file_and_then_its_folder_is_synced_once(tmp_path, monkeypatch):
    files = [tmp_path / "a" / str(n // 50) / f"{n}.bin" for n in range(170)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 10)
    folders = {folder for file in files for folder in (file.parent, tmp_path / "a", tmp_path)}
    names = {path.stat().st_ino: str(path) for path in (*files, *folders)}
    synced = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(names[os.fstat(handle).st_ino]), sync(handle)))
    sync_tree(tmp_path)
    assert sorted(synced) == sorted(names.values())
    for place, name in enumerate(synced):
        assert not any(later.startswith(f"{name}/") for later in synced[place:])


@pytest.mark.parametrize("lasting", [False, True])
def test_a_shard_is_the_same_whether_the_disk_starts_early(tmp_path, monkeypatch, lasting):
    monkeypatch.setattr(shard, "_WRITE_OUT_BYTES", 100)
    begun = []
    monkeypatch.setattr(shard, "start_writeback", lambda *part: (begun.append(part[1:]), start_writeback(*part)))
    writer = ShardWriter(tmp_path / "0", (4,), (64,), "uint16", lasting=lasting)
    for place in range(4):
        writer.add((place,), np.random.default_rng(place).integers(0, 999, 64).astype("uint16"))
    n_bytes, digest = writer.close()
    plain = ShardWriter(tmp_path / "1", (4,), (64,), "uint16")
    for place in range(4):
        plain.add((place,), np.random.default_rng(place).integers(0, 999, 64).astype("uint16"))
    assert plain.close() == (n_bytes, digest)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    # Each part begins where the one before ended.
    assert bool(begun) == lasting
    assert [start for start, _ in begun] == [0, *np.cumsum([size for _, size in begun])][: len(begun)]


def test_where_the_disk_cannot_be_asked_nothing_happens(monkeypatch):
    start_writeback(-1)
    monkeypatch.setattr(fsync, "_request", lambda: None)
    start_writeback(-1)
