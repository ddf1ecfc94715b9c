"""How near the time that is said before a training comes to the time that it takes, for three networks.

The estimate is what `phenodose run` says and holds against site.toml (`phenodose.learning.pace`): made from a few
steps, before the first epoch. Wells are noise: what they hold makes no difference to the time. First weights are
random.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

#: Beside size and epochs: the settings with which each network is meant to be trained on processors.
NETWORKS: dict[str, dict[str, Any]] = {
    "micro": {"preset": "small"},
    "mobilenet_v3": {"backbone": "mobilenet_v3", "weights": "none", "batch_size": 8, "inference_copies": 4},
    "vgg16": {"backbone": "vgg16", "weights": "none"},
}


@dataclass
class Heard:
    """A listener that keeps the time it is told."""

    times: list[Any] = field(default_factory=list)

    def __call__(self, done: int, total: int, message: str) -> None:
        """Nothing is shown."""

    def time(self, estimate: Any) -> None:
        """Keep it."""
        self.times.append(estimate)


def wells(n: int, size_px: int) -> Any:
    """A training set of noise: half of each class, six wells held out."""
    from phenodose.plugins import TrainingSet

    rng = np.random.default_rng(0)
    labels = (np.arange(n) % 2).astype(np.float32)
    images = rng.random((n, size_px, size_px, 3), dtype=np.float32) * 0.3
    return TrainingSet(images, labels, np.ones(n, dtype=bool), np.arange(n) < 6, tuple(f"P1/{i}" for i in range(n)))


def measure(name: str, epochs: int, n: int, size_px: int) -> tuple[float, float, float, float]:
    """Seconds of the training and of asking about all wells, each as told and as taken."""
    import xarray as xr

    from phenodose_readouts.cnn import CnnReadout

    readout = CnnReadout(NETWORKS[name] | {"epochs_phase2": epochs, "device_images_mb": 0})
    data, heard = wells(n, size_px), Heard()
    phase = readout.phase("phase2")
    tensors = xr.DataArray((data.images * 65535).astype(np.uint16), dims=("well", "y", "x", "channel"))
    with tempfile.TemporaryDirectory() as folder:
        record = readout.train(phase, data, None, Path(folder), heard)
        started = time.perf_counter()
        readout.infer(Path(folder), tensors)
        inference_s = time.perf_counter() - started
    (estimate,) = heard.times
    return estimate.training_s, record.seconds, estimate.well_s * n, inference_s


@click.command()
@click.option("--network", "names", multiple=True, type=click.Choice(list(NETWORKS)), default=list(NETWORKS))
@click.option("--epochs", default=20, show_default=True, help="Epochs of each training.")
@click.option("--wells", "n", default=54, show_default=True, help="Wells, six of them held out.")
@click.option("--size-px", default=64, show_default=True, help="Edge of the images.")
def main(names: tuple[str, ...], epochs: int, n: int, size_px: int) -> None:
    """Train each network once and print what was said and what it took."""
    click.echo(f"{epochs} epochs, {n} wells of {size_px} px; load {os.getloadavg()[0]:.1f}")
    click.echo(f"{'network':<14} {'told s':>8} {'took s':>8} {'ratio':>6}   {'asking told s':>13} {'took s':>8}")
    for name in names:
        estimate, took, asking, asked = measure(name, epochs, n, size_px)
        click.echo(f"{name:<14} {estimate:8.1f} {took:8.1f} {estimate / took:6.2f}   {asking:13.2f} {asked:8.2f}")


if __name__ == "__main__":
    main()
