"""One checkpoint and one short training under TensorFlow, JAX and PyTorch: they agree."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

#: Engine of Keras -> package that must be there.
ENGINES = {"jax": "jax", "torch": "torch"}
#: Run once under every engine: asks a given checkpoint, explains two wells, trains shortly, writes what it found.
SCRIPT = """
import json, sys
from pathlib import Path
import keras
import numpy as np
import xarray as xr
from phenodose.learning import checkpoint
from phenodose.learning.activation_maps import METHODS, activation_maps
from phenodose.learning.preprocess import to_signal
from phenodose.plugins import TrainingSet
from phenodose_readouts.cnn import CnnReadout

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
readout = CnnReadout(json.loads((folder / "parameters.json").read_text()))
counts = np.load(folder / "counts.npy")
n = len(counts)
tensors = xr.DataArray(counts, dims=("well", "y", "x", "channel"))
labels = (np.arange(n) % 2).astype(np.float32)
wells = tuple(f"P1/B{number:02d}" for number in range(n))
data = TrainingSet(to_signal(counts), labels, np.ones(n, bool), np.arange(n) < 4, wells)
given = folder / "given"
if not given.exists():
    readout.train(readout.phase("phase1"), data, None, given)
found = readout.infer(given, tensors)
network, architecture, _ = checkpoint.load(given)
maps = {m: activation_maps(network, architecture, data.images[:2], "neg", m).maps for m in METHODS}
record = readout.train(readout.phase("phase2"), data, given, out / "phase2")
after = readout.infer(out / "phase2", tensors)
np.savez(out / "found.npz", raw=found.raw, raw_sd=found.raw_sd, features=found.features, after=after.raw, **maps)
(out / "said.json").write_text(json.dumps({
    "engine": keras.backend.backend(),
    "tensorflow": "tensorflow" in sys.modules,
    "history": record.history,
    "versions": record.extra["versions"],
}))
"""
PARAMETERS = {
    "backbone": "micro",
    "weights": "none",
    "micro_widths": [4, 8],
    "micro_dense": [8],
    "epochs_phase1": 6,
    "epochs_phase2": 3,
    "learning_rate_phase1": 3e-3,
    "learning_rate_phase2": 1e-3,
    "batch_size": 4,
    "inference_copies": 3,
}


def spots(n: int, seed: int) -> np.ndarray:
    """Counts of images that hold one large soft disc (even wells small ones)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :24]
    images = []
    for number in range(n):
        y, x = rng.uniform(6, 18, 2)
        radius = 4.0 if number % 2 else 1.5
        images.append(3000 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * radius**2)))
    noisy = np.stack(images) + rng.normal(300, 30, (n, 24, 24))
    return np.repeat(np.clip(noisy, 0, 65535).astype(np.uint16)[..., None], 3, axis=-1)


def run(engine: str, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    out = folder / engine
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(out)],
        env={**os.environ, "KERAS_BACKEND": engine},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(out / "found.npz") as held:
        return dict(held), json.loads((out / "said.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("engines")
    (made / "parameters.json").write_text(json.dumps(PARAMETERS))
    np.save(made / "counts.npy", spots(20, seed=0))
    return made


@pytest.fixture(scope="module")
def usual(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """What TensorFlow finds; it also makes the checkpoint that the others are given."""
    return run("tensorflow", folder)


@pytest.mark.slow
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_engines_agree(engine: str, folder: Path, request: pytest.FixtureRequest) -> None:
    if importlib.util.find_spec(ENGINES[engine]) is None:
        pytest.skip(f"{engine} is not installed here; `pip install {ENGINES[engine]}` adds it")
    reference, said = request.getfixturevalue("usual")
    assert said["tensorflow"]
    found, of_engine = run(engine, folder)
    assert of_engine["engine"] == engine
    assert not of_engine["tensorflow"]
    assert engine in of_engine["versions"]  # type: ignore[operator]
    # Inference and explanation from one checkpoint.
    assert np.ptp(reference["raw"]) > 0.1
    for name in ("raw", "raw_sd", "features", "grad-cam", "grad-cam++", "score-cam"):
        scale = max(1.0, float(np.abs(reference[name]).max()))
        np.testing.assert_allclose(found[name] / scale, reference[name] / scale, atol=1e-4, err_msg=name)
    # A short training: same wells, order and augmentation; rounding adds up over 12 steps.
    np.testing.assert_allclose(found["after"], reference["after"], atol=1e-4)
    for mine, other in zip(of_engine["history"], said["history"], strict=True):  # type: ignore[call-overload]
        assert mine == pytest.approx(other, abs=1e-4)
