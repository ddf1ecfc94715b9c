"""The paper's network through the real commands: VGG19, three phases of two epochs, first weights from a file.

The images are 32 px wide, so that the dense top is small; the 16 convolutions are those of the paper. That is slow; the
first tests try the same with a small network and without the commands.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.errors import InputError
from phenodose.learning.backbones import Architecture, _vgg_blocks
from phenodose.learning.checkpoint import load
from phenodose.plugins import TrainingSet
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store
from phenodose_readouts.cnn import CnnReadout

SIZE_PX = 32
PHASES = {"phase1": "CE", "phase2": "DS", "phase3": "DS"}
#: The paper's; simulated screens come with those of the small network.
LEAST_LOSS = 0.5004024 - 1e-6
LEARNING_RATES = {"phase1": 1e-7, "phase2": 3e-7, "phase3": 3e-7}


# --- the small sister --------------------------------------------------------------------------------

SMALL = Architecture.of("micro", (SIZE_PX, SIZE_PX, 3), widths=(4, 8), dense=(8,))


def random_weights(donor: Any) -> list[np.ndarray]:
    """Kernels that keep the variance from layer to layer; what the network says is of no interest here."""
    rng = np.random.default_rng(0)
    return [
        rng.normal(0, np.sqrt(2 / np.prod(value.shape[:-1])), value.shape) * (value.ndim > 1)
        for value in donor.get_weights()
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray]]:
    """A file with convolutions for the small network, and what it holds."""
    import keras

    inputs = keras.Input((SIZE_PX, SIZE_PX, 3))
    donor = keras.Model(inputs, _vgg_blocks(inputs, SMALL.blocks))
    donor.set_weights(random_weights(donor))
    file = tmp_path_factory.mktemp("small") / "small.weights.h5"
    donor.save_weights(file)
    return file, donor.get_weights()


def parameters(weights_file: Path, **more: object) -> dict[str, Any]:
    """Two epochs a phase, at the paper's rates, from the file."""
    return {
        "weights_file": str(weights_file),
        "weights_file_sha256": hashlib.sha256(weights_file.read_bytes()).hexdigest(),
        **{f"epochs_{phase}": 2 for phase in PHASES},
        **{f"learning_rate_{phase}": rate for phase, rate in LEARNING_RATES.items()},
        "batch_size": 4,
        "mixup_fraction": 0,
        "inference_copies": 0,
        **more,
    }


def wells(drugs: int, held_out: int) -> TrainingSet:
    """Ten controls and some drug wells, noise of two brightnesses."""
    labels = np.concatenate([np.arange(10) % 2, np.full(drugs, 0.5)]).astype(np.float32)
    images = np.random.default_rng(1).random((len(labels), SIZE_PX, SIZE_PX, 3), dtype=np.float32)
    place = np.arange(len(labels))
    names = tuple(f"P1/B{number:02d}" for number in place + 1)
    return TrainingSet(images * (0.1 + 0.2 * labels[:, None, None, None]), labels, place < 10, place < held_out, names)


def test_a_small_network_is_staged_from_a_file_within_what_adam_can_move(
    small: tuple[Path, list[np.ndarray]], tmp_path: Path
) -> None:
    file, first = small
    readout = CnnReadout(parameters(file, backbone="micro", micro_widths=(4, 8), micro_dense=(8,)))
    records, parent = [], None
    for phase, data in zip(readout.phases, (wells(0, 4), wells(0, 4), wells(4, 0)), strict=True):
        records.append(readout.train(phase, data, parent, tmp_path / phase.name))
        parent = tmp_path / phase.name
    assert records[0].extra["first_weights"].startswith("small.weights.h5:")
    assert [record.parent_hash for record in records] == [None, *(record.weights_hash for record in records[:2])]
    assert [(record.n_train, record.n_validation) for record in records] == [(6, 4), (6, 4), (14, 0)]
    for record in records[:2]:
        assert all(min(e["loss"], e["validation_loss"]) >= LEAST_LOSS for e in record.history)
    network, _, _ = load(tmp_path / "phase3")
    trained = [value for layer in network.layers if "_conv" in layer.name for value in layer.get_weights()]
    moved = [np.abs(mine - begun).max() for mine, begun in zip(trained, first, strict=True)]
    # 2 epochs of 2, 2 and 4 batches.
    assert 1e-8 < max(moved) <= most_moved(2, 2, 4)


def test_a_file_with_another_hash_is_refused(small: tuple[Path, list[np.ndarray]], tmp_path: Path) -> None:
    wrong = parameters(small[0], backbone="micro", micro_widths=(4, 8), micro_dense=(8,), weights_file_sha256="0" * 64)
    readout = CnnReadout(wrong)
    with pytest.raises(InputError, match=f"but {'0' * 64} is wanted"):
        readout.train(readout.phases[0], wells(0, 4), None, tmp_path / "phase1")
    assert not (tmp_path / "phase1" / "record.json").exists()


def most_moved(*batches: int) -> float:
    """A step of Adam moves a weight by at most about ten learning rates, at the very start; of two epochs a phase."""
    return 10 * 2 * sum(n * rate for n, rate in zip(batches, LEARNING_RATES.values(), strict=True))


# --- the paper's network -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Staged:
    """A store with a control experiment and a screen that were run, and the weights they started from."""

    store: Store
    first: list[np.ndarray]
    weights_file: Path
    raw: Path

    def run(self, screen: str, **more: object) -> subprocess.CompletedProcess[str]:
        """Run a screen's network by the command line; `more` are parameters of it."""
        wanted = parameters(self.weights_file, backbone="vgg19", **more)
        chosen = [f"--set=cnn.{name}={value}" for name, value in wanted.items()]
        assets = ",".join(["layout", "plate_images", "pseudo_rgb", *(f"checkpoint/cnn/{phase}" for phase in PHASES)])
        selected = f"--select={assets}"
        size = f"--set=tensors.size_px={SIZE_PX}"
        command = [sys.executable, "-m", "phenodose", "run", str(self.raw / screen), f"--store={self.store.root}"]
        return subprocess.run([*command, selected, size, *chosen], capture_output=True, text=True, check=False)

    def checkpoint(self, phase: str) -> Path:
        return self.store.checkpoint_dir(PHASES[phase], "cnn", phase)

    def record(self, phase: str) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.checkpoint(phase) / "record.json").read_text())
        return values


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Staged:
    import keras

    folder = tmp_path_factory.mktemp("vgg19")
    donor = keras.applications.VGG19(include_top=False, weights=None, input_shape=(SIZE_PX, SIZE_PX, 3))
    donor.set_weights(random_weights(donor))
    donor.save_weights(folder / "vgg19.weights.h5")
    simulate_screen(folder / "CE", kind="control-experiment", control_wells=10, size_px=48, planes=2)
    simulate_screen(folder / "DS", plates=1, drugs=1, size_px=48, planes=2, phase1="CE")
    made = Staged(Store.open(folder / "store"), donor.get_weights(), folder / "vgg19.weights.h5", folder)
    for name in ("CE", "DS"):
        done = made.run(name)
        assert done.returncode == 0, done.stderr
    return made


@pytest.mark.slow
def test_each_phase_starts_from_the_one_before_and_the_first_from_the_file(staged: Staged) -> None:
    one, two, three = (staged.record(phase) for phase in PHASES)
    assert one["extra"]["first_weights"].startswith("vgg19.weights.h5:")
    assert one["parent_hash"] is None
    assert two["parent_hash"] == one["weights_hash"]
    assert three["parent_hash"] == two["weights_hash"]
    assert [len(record["history"]) for record in (one, two, three)] == [2, 2, 2]
    # 10 wells, of 5 and 5 controls 2 and 2 held out; 10 and 8 controls, 3 and 3 held out; those and 10 drug wells.
    assert [(record["n_train"], record["n_validation"]) for record in (one, two, three)] == [(6, 4), (12, 6), (28, 0)]


@pytest.mark.slow
def test_no_phase_comes_below_the_least_loss_of_smoothed_labels(staged: Staged) -> None:
    for phase in ("phase1", "phase2"):
        for entry in staged.record(phase)["history"]:
            assert entry["loss"] >= LEAST_LOSS
            assert entry["validation_loss"] >= LEAST_LOSS


@pytest.mark.slow
def test_the_convolutions_stay_within_what_adam_can_move(staged: Staged) -> None:
    """A step of Adam moves a weight by about its learning rate: the trained weights are the file's and no others."""
    network, architecture, _ = load(staged.checkpoint("phase3"))
    assert (architecture.backbone, architecture.input_shape) == ("vgg19", (SIZE_PX, SIZE_PX, 3))
    layers = [layer for layer in network.layers if "_conv" in layer.name]
    assert len(layers) == 16
    trained = [value for layer in layers for value in layer.get_weights()]
    moved = [np.abs(mine - first).max() for mine, first in zip(trained, staged.first, strict=True)]
    # 2 epochs of 2, 3 and 7 batches.
    assert 1e-8 < max(moved) <= most_moved(2, 3, 7)


@pytest.mark.slow
def test_a_weights_file_with_another_hash_is_refused_in_one_sentence(staged: Staged) -> None:
    done = staged.run("CE", weights_file_sha256="0" * 64)
    assert done.returncode == 2
    assert f"but {'0' * 64} is wanted (weights_file_sha256)" in done.stderr
    assert "Traceback" not in done.stderr
    assert staged.checkpoint("phase1").is_dir()
