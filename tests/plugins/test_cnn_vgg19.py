"""The paper's network through the real commands: VGG19, three phases of two epochs, first weights from a file.

The images are 32 px wide, so that the dense top is small; the 16 convolutions are those of the paper.
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

from phenodose.learning.checkpoint import load
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store

SIZE_PX = 32
PHASES = {"phase1": "CE", "phase2": "DS", "phase3": "DS"}
#: The paper's; simulated screens come with those of the small network.
LEARNING_RATES = {"phase1": 1e-7, "phase2": 3e-7, "phase3": 3e-7}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Staged:
    """A store with a control experiment and a screen that were run, and the weights they started from."""

    store: Store
    first: list[np.ndarray]
    weights_file: Path
    raw: Path

    def run(self, screen: str, **more: object) -> subprocess.CompletedProcess[str]:
        """Run a screen's network by the command line; `more` are parameters of it."""
        parameters = {
            "backbone": "vgg19",
            "weights_file": str(self.weights_file),
            "weights_file_sha256": hashlib.sha256(self.weights_file.read_bytes()).hexdigest(),
            **{f"epochs_{phase}": 2 for phase in PHASES},
            **{f"learning_rate_{phase}": rate for phase, rate in LEARNING_RATES.items()},
            "batch_size": 4,
            "mixup_fraction": 0,
            "inference_copies": 0,
            **more,
        }
        chosen = [f"--set=cnn.{name}={value}" for name, value in parameters.items()]
        wanted = ",".join(["layout", "plate_images", "pseudo_rgb", *(f"checkpoint/cnn/{phase}" for phase in PHASES)])
        selected = f"--select={wanted}"
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
    rng = np.random.default_rng(0)
    # Kernels that keep the variance from layer to layer; what the network says is of no interest here.
    donor.set_weights(
        [
            rng.normal(0, np.sqrt(2 / np.prod(value.shape[:-1])), value.shape) * (value.ndim > 1)
            for value in donor.get_weights()
        ]
    )
    donor.save_weights(folder / "vgg19.weights.h5")
    simulate_screen(folder / "CE", kind="control-experiment", control_wells=10, size_px=48, planes=2)
    simulate_screen(folder / "DS", plates=1, drugs=1, size_px=48, planes=2, phase1="CE")
    made = Staged(Store.open(folder / "store"), donor.get_weights(), folder / "vgg19.weights.h5", folder)
    for name in ("CE", "DS"):
        done = made.run(name)
        assert done.returncode == 0, done.stderr
    return made


def test_each_phase_starts_from_the_one_before_and_the_first_from_the_file(staged: Staged) -> None:
    one, two, three = (staged.record(phase) for phase in PHASES)
    assert one["extra"]["first_weights"].startswith("vgg19.weights.h5:")
    assert one["parent_hash"] is None
    assert two["parent_hash"] == one["weights_hash"]
    assert three["parent_hash"] == two["weights_hash"]
    assert [len(record["history"]) for record in (one, two, three)] == [2, 2, 2]
    # 10 wells, of 5 and 5 controls 2 and 2 held out; 10 and 8 controls, 3 and 3 held out; those and 10 drug wells.
    assert [(record["n_train"], record["n_validation"]) for record in (one, two, three)] == [(6, 4), (12, 6), (28, 0)]


def test_no_phase_comes_below_the_least_loss_of_smoothed_labels(staged: Staged) -> None:
    for phase in ("phase1", "phase2"):
        for entry in staged.record(phase)["history"]:
            assert entry["loss"] >= 0.5004024 - 1e-6
            assert entry["validation_loss"] >= 0.5004024 - 1e-6


def test_the_convolutions_stay_within_what_adam_can_move(staged: Staged) -> None:
    """A step of Adam moves a weight by about its learning rate: the trained weights are the file's and no others."""
    network, architecture, _ = load(staged.checkpoint("phase3"))
    assert (architecture.backbone, architecture.input_shape) == ("vgg19", (SIZE_PX, SIZE_PX, 3))
    layers = [layer for layer in network.layers if "_conv" in layer.name]
    assert len(layers) == 16
    trained = [value for layer in layers for value in layer.get_weights()]
    # 2 epochs of 2, 3 and 7 batches; a step is at most about ten learning rates, at the very start.
    most = 10 * 2 * (2 * 1e-7 + 3 * 3e-7 + 7 * 3e-7)
    moved = [np.abs(mine - first).max() for mine, first in zip(trained, staged.first, strict=True)]
    assert max(moved) <= most
    assert max(moved) > 1e-8


def test_a_weights_file_with_another_hash_is_refused_in_one_sentence(staged: Staged) -> None:
    done = staged.run("CE", weights_file_sha256="0" * 64)
    assert done.returncode == 2
    assert f"but {'0' * 64} is wanted (weights_file_sha256)" in done.stderr
    assert "Traceback" not in done.stderr
    assert staged.checkpoint("phase1").is_dir()
