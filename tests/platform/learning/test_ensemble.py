"""Several networks in one checkpoint: each is what it would be alone, and they resume and answer together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from phenodose.errors import CheckpointError
from phenodose.io.files import hash_file
from phenodose.learning.checkpoint import read_record
from phenodose.learning.ensemble import networks_of, together
from phenodose.plugins import Inference, TrainingSet
from phenodose_readouts.cnn import CnnReadout

SMALL: dict[str, Any] = {
    **CnnReadout.small_parameters(),
    "micro_widths": (4,),
    "micro_dense": (4,),
    "epochs_phase1": 3,
    "epochs_phase2": 2,
    "inference_copies": 0,
    "resume_every_s": 0.0,
}
TWO = {**SMALL, "ensemble_seeds": 2}
WEIGHTS = "network.weights.h5"


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    rng = np.random.default_rng(0)
    labels = (np.arange(12) % 2).astype(np.float32)
    images = (rng.uniform(0, 0.02, (12, 16, 16, 3)) + 0.03 * labels[:, None, None, None]).astype(np.float32)
    validation = np.arange(12) >= 10
    return TrainingSet(images, labels, np.ones(12, dtype=bool), validation, tuple(f"P1/B{n:02d}" for n in range(12)))


@pytest.fixture(scope="module")
def phase1(data: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble") / "phase1"
    CnnReadout(TWO).train(CnnReadout.phase("phase1"), data, None, folder)
    return folder


@pytest.fixture(scope="module")
def tensors(data: TrainingSet) -> xr.DataArray:
    return xr.DataArray(np.round(data.images * 65535).astype(np.uint16), dims=("well", "y", "x", "channel"))


def weights(folder: Path) -> list[bytes]:
    return [(network / WEIGHTS).read_bytes() for network in networks_of(folder)]


def test_every_network_is_the_one_that_its_seed_alone_gives(phase1: Path, data: TrainingSet, tmp_path: Path) -> None:
    assert [folder.name for folder in networks_of(phase1)] == ["phase1", "network-2"]
    for number, held in enumerate(weights(phase1)):
        alone = CnnReadout({**SMALL, "seed": number})
        alone.train(alone.phase("phase1"), data, None, tmp_path / str(number))
        assert (tmp_path / str(number) / WEIGHTS).read_bytes() == held
    assert len(set(weights(phase1))) == 2


def test_the_answer_is_the_mean_and_its_spread_that_of_the_networks(phase1: Path, tensors: xr.DataArray) -> None:
    said = CnnReadout(TWO).infer(phase1, tensors)
    each = [CnnReadout(SMALL).infer(folder, tensors) for folder in networks_of(phase1)[1:]]
    first = CnnReadout(SMALL)._infer_alone(phase1, tensors, lambda *_: None)
    raw = np.stack([first.raw, *(one.raw for one in each)])
    np.testing.assert_allclose(said.raw, raw.mean(axis=0))
    assert said.raw_sd is not None
    np.testing.assert_allclose(said.raw_sd, raw.std(axis=0, ddof=1))
    assert said.raw_sd.max() > 0
    np.testing.assert_array_equal(said.features, first.features)


def test_variances_of_copies_and_of_networks_add_up() -> None:
    features = np.zeros((2, 3), dtype=np.float32)
    raws = ([0.2, 0.5], [0.4, 0.5], [0.6, 0.5])
    said = together([Inference(np.array(raw), features, np.array([0.1, 0.3])) for raw in raws])
    assert said.raw_sd is not None
    np.testing.assert_allclose(said.raw, [0.4, 0.5])
    np.testing.assert_allclose(said.raw_sd, [np.sqrt(0.1**2 + 0.2**2), 0.3])


def test_networks_go_on_from_those_of_their_number(phase1: Path, data: TrainingSet, tmp_path: Path) -> None:
    readout = CnnReadout(TWO)
    record = readout.train(readout.phase("phase2"), data, phase1, tmp_path / "phase2")
    assert record.parent_hash == read_record(phase1).weights_hash
    parents = [read_record(folder).parent_hash for folder in networks_of(tmp_path / "phase2")[1:]]
    assert parents == [read_record(folder).weights_hash for folder in networks_of(phase1)[1:]]


def test_a_phase_that_was_trained_once_is_shared(phase1: Path, data: TrainingSet, tmp_path: Path) -> None:
    once = networks_of(phase1)[1]
    readout = CnnReadout(TWO)
    readout.train(readout.phase("phase2"), data, once, tmp_path / "phase2")
    parents = {read_record(folder).parent_hash for folder in networks_of(tmp_path / "phase2")}
    assert parents == {read_record(once).weights_hash}
    assert len(set(weights(tmp_path / "phase2"))) == 2


@pytest.mark.parametrize("killed_after", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 5))])
def test_a_killed_training_goes_on_with_the_network_it_was_at(
    phase1: Path, data: TrainingSet, tmp_path: Path, killed_after: int
) -> None:
    """At the end of the first network; within the first or the second it is as in test_training.py."""
    readout = CnnReadout(TWO)

    def kill(done: int, total: int, message: str) -> None:
        assert total == 6
        if done == killed_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        readout.train(readout.phase("phase1"), data, None, tmp_path, kill)
    told: list[int] = []
    record = readout.train(readout.phase("phase1"), data, None, tmp_path, lambda n, *_: told.append(n))
    # an epoch is saved before it is told, save the last of a network, which is the checkpoint itself
    assert told == list(range(killed_after + (0 if killed_after % 3 == 0 else 1), 7))
    assert weights(tmp_path) == weights(phase1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network-2", "network.weights.h5", "record.json"]
    assert record.weights_hash == read_record(phase1).weights_hash


def test_the_hash_stands_for_all_networks_and_a_changed_one_is_refused(
    phase1: Path, tensors: xr.DataArray, tmp_path: Path
) -> None:
    own = {hash_file(folder / WEIGHTS) for folder in networks_of(phase1)}
    assert len(own) == 2
    assert read_record(phase1).weights_hash not in own
    changed = shutil.copytree(phase1, tmp_path / "changed")
    record = changed / "network-2" / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"weights_hash": "other", "seal": ""}))
    with pytest.raises(CheckpointError, match=r"network-2 holds weights other.*restore it from a backup"):
        CnnReadout(TWO).infer(changed, tensors)
