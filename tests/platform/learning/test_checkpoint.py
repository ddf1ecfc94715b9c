"""Checkpoints: what is kept, and what is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from phenodose.errors import CheckpointError
from phenodose.io.files import hash_file
from phenodose.learning import checkpoint
from phenodose.learning.backbones import Architecture, build, initialise
from phenodose.plugins import TrainingRecord

MICRO = Architecture.of("micro", (16, 16, 3), widths=(4, 4), dense=(4,))


def saved(folder: Path, seed: int = 0) -> tuple[Any, TrainingRecord]:
    """A network with an optimiser that remembers gradients, as after a training."""
    network = build(MICRO)
    initialise(network, MICRO, "none", seed)
    network.compile(optimizer="adam", loss="mse")
    network.optimizer.build(network.trainable_variables)
    record = TrainingRecord(
        phase="phase1",
        weights_hash="",
        parent_hash=None,
        inputs_hash="i",
        parameters={"seed": seed},
        history=[{"loss": 0.6}],
        validation_auroc=1.0,
        seconds=1.5,
        n_train=2,
        n_validation=0,
        extra={"first_weights": "none"},
    )
    return network, checkpoint.save(folder, network, MICRO, record)


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, TrainingRecord]:
    folder = tmp_path_factory.mktemp("saved") / "phase1"
    return folder, *saved(folder)


@pytest.fixture
def kept(saved_once: tuple[Path, Any, TrainingRecord], tmp_path: Path) -> tuple[Any, TrainingRecord]:
    """The network, for reading only, and the record of the checkpoint that lies in `tmp_path`."""
    folder, network, record = saved_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return network, record


def test_a_checkpoint_gives_back_network_and_record(kept: Any, tmp_path: Path) -> None:
    network, record = kept
    loaded, architecture, read = checkpoint.load(tmp_path)
    assert architecture == MICRO
    assert read == record == checkpoint.read_record(tmp_path)
    assert read.extra["versions"]["keras"]
    assert read.extra["first_weights"] == "none"
    for mine, other in zip(network.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.weights.h5", "record.json"]


def test_the_same_weights_have_the_same_hash(tmp_path: Path) -> None:
    hashes = [saved(tmp_path / str(n), seed)[1].weights_hash for n, seed in enumerate((0, 0, 1))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_state_of_the_optimiser_is_not_kept(kept: Any, tmp_path: Path) -> None:
    network, _ = kept
    with h5py.File(tmp_path / "network.weights.h5") as file:
        sizes: list[int] = []
        file.visititems(lambda _, node: sizes.append(node.size) if isinstance(node, h5py.Dataset) else None)
    assert sum(sizes) == network.count_params()


def test_one_changed_byte_is_noticed(kept: Any, tmp_path: Path) -> None:
    _, record = kept
    weights = tmp_path / "network.weights.h5"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="was changed or damaged") as caught:
        checkpoint.load(tmp_path)
    assert f"the hash {hash_file(weights)}, but {record.weights_hash} was recorded" in str(caught.value)


def test_one_changed_sign_of_the_record_is_noticed(kept: Any, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text(record.read_text().replace('"n_train": 2', '"n_train": 3'))
    with pytest.raises(CheckpointError, match=r"record\.json: its bytes have changed.*restore it from a backup"):
        checkpoint.load(tmp_path)


def test_weights_of_another_network_are_refused_though_their_hash_fits(kept: Any, tmp_path: Path) -> None:
    record = json.loads((tmp_path / "record.json").read_text())
    del record["seal"]
    record["extra"]["architecture"]["dense"] = [5]
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="does not fit micro at 16 x 16 px with dense layers 5"):
        checkpoint.load(tmp_path)


def test_what_is_missing_or_damaged_is_named(kept: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"record\.json is missing"):
        checkpoint.load(tmp_path / "nothing")
    (tmp_path / "network.weights.h5").unlink()
    with pytest.raises(CheckpointError, match=r"network\.weights\.h5"):
        checkpoint.load(tmp_path)
    for text in ("{", "[]", '{"format": 1}'):
        (tmp_path / "record.json").write_text(text)
        with pytest.raises(CheckpointError, match="is damaged"):
            checkpoint.load(tmp_path)
    (tmp_path / "record.json").write_text('{"format": 99}')
    with pytest.raises(CheckpointError, match="another version"):
        checkpoint.load(tmp_path)


def test_a_parent_of_another_shape_is_refused() -> None:
    checkpoint.expect(MICRO, MICRO, Path("phase1"))
    other = Architecture.of("micro", (32, 32, 3), widths=(4, 4), dense=(4,))
    with pytest.raises(CheckpointError, match=r"holds micro at 16 x 16 px .* micro at 32 x 32 px .* is wanted"):
        checkpoint.expect(MICRO, other, Path("phase1"))


def test_both_sides_are_told_apart_where_only_the_filters_differ() -> None:
    other = Architecture.of("micro", (16, 16, 3), widths=(4, 6), dense=(4,))
    with pytest.raises(CheckpointError, match=r"blocks of 4 and 4 filters, but .* blocks of 4 and 6 filters is wanted"):
        checkpoint.expect(MICRO, other, Path("phase1"))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    network, record = saved(tmp_path)
    kernel, bias = network.get_layer("fc1").get_weights()
    kernel[0, 0] = np.nan
    network.get_layer("fc1").set_weights([kernel, bias])
    checkpoint.save(tmp_path, network, MICRO, record)
    with pytest.raises(
        CheckpointError, match=r"no numbers \(1 arrays, first fc1/kernel\).* smaller learning rate"
    ) as caught:
        checkpoint.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["phase", "parent_hash", "inputs_hash", "parameters", "extra"])
def test_a_checkpoint_of_another_training_is_not_taken_for_finished(kept: Any, tmp_path: Path, what: str) -> None:
    _, record = kept
    assert checkpoint.finished(tmp_path, record) == record
    other = {"parameters": {"seed": 9}, "extra": {"first_weights": "other"}}.get(what, "other")
    assert checkpoint.finished(tmp_path, replace(record, **{what: other})) is None
    assert checkpoint.finished(tmp_path / "elsewhere", record) is None


def test_a_checkpoint_with_damaged_weights_is_not_taken_for_finished(kept: Any, tmp_path: Path) -> None:
    _, record = kept
    with (tmp_path / "network.weights.h5").open("ab") as file:
        file.write(b"x")
    assert checkpoint.finished(tmp_path, record) is None


def test_a_loaded_network_says_what_the_trained_one_said(kept: Any, tmp_path: Path) -> None:
    network, _ = kept
    loaded, *_ = checkpoint.load(tmp_path)
    images = np.random.default_rng(0).normal(0, 1, (3, 16, 16, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(network(images)))


class _Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_loading_runs_no_code_of_the_weights_file(kept: Any, tmp_path: Path) -> None:
    weights, mark = tmp_path / "network.weights.h5", tmp_path / "code_ran"
    weights.write_bytes(pickle.dumps(_Trap(mark)))
    pickle.loads(weights.read_bytes())
    assert mark.exists()  # the trap works
    mark.unlink()
    record = json.loads((tmp_path / "record.json").read_text())
    (tmp_path / "record.json").write_text(json.dumps(record | {"weights_hash": hash_file(weights), "seal": ""}))
    with pytest.raises(CheckpointError, match="does not fit micro"):
        checkpoint.load(tmp_path)
    assert not mark.exists()


def small_resnet(include_top: bool, weights: str | None, input_shape: tuple[int, int, int]) -> Any:
    """In place of ResNet50V2, which takes long to build; its layers too are named by Keras."""
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    outputs = layers.BatchNormalization()(layers.Conv2D(4, 3)(layers.Conv2D(4, 3)(inputs)))
    return keras.Model(inputs, outputs, name="resnet50v2")


@pytest.mark.parametrize(
    ("backbone", "small"),
    [("micro", False), ("resnet50_v2", True), pytest.param("resnet50_v2", False, marks=pytest.mark.slow)],
)
def test_the_hash_does_not_depend_on_what_was_built_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str, small: bool
) -> None:
    if small:
        monkeypatch.setattr("keras.applications.resnet_v2.ResNet50V2", small_resnet)
    architecture = Architecture.of(backbone, (32, 32, 3), dense=(4,))
    record = TrainingRecord("phase1", "", None, "", {}, [], None, 0.0, 1, 0)
    hashes = set()
    for number in range(2):
        network = build(architecture)
        initialise(network, architecture, "none", seed=0)
        hashes.add(checkpoint.save(tmp_path / str(number), network, architecture, record).weights_hash)
    assert len(hashes) == 1
