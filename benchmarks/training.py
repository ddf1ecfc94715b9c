"""Seconds a training step and an inferred well: ours against plain `model.fit` and `predict`, side by side.

The yardstick is what the paper's program calls: batches of one image in float32, Keras' own Adam, softmax and
features not needed. It gets its images ready-made, while ours augments while it trains. First weights are random.
Beside it stands the floor of the machine: arithmetic at the speed of a large matrix product, plus every weight at the
speed of the memory, one after the other. The engine is Keras' (KERAS_BACKEND), on a GPU where the engine sees one.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import click
import numpy as np

#: Bytes a weight and step: forward 4, backward 4, gradient 4, Adam reads 4 numbers of 4 bytes and writes 3.
BYTES_STEP = 40
#: Bytes a weight and batch of inference.
BYTES_INFERENCE = 4


@dataclass
class Way:
    """One way to do the same thing, and what was measured of it.

    Attributes:
        name: what the table calls it.
        images: images that a call takes.
        call: does it; returns when it is done.
        floor_s: seconds an image that the machine needs at least.
        seconds: wall seconds an image, a call each.
        cpu_s: CPU seconds an image, a call each.
    """

    name: str
    images: int
    call: Callable[[], object]
    floor_s: float
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Call it once."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.call()
        self.seconds.append((time.perf_counter() - wall) / self.images)
        self.cpu_s.append((time.process_time() - cpu) / self.images)


@dataclass(frozen=True)
class Machine:
    """What the machine can do: FLOP/s of matrix products by precision, and bytes/s of its memory."""

    flops: dict[str, float]
    bytes_s: float

    def floor_s(self, precision: str, flop: float, traffic: float) -> float:
        """Least seconds for this arithmetic and this traffic."""
        return flop / self.flops[precision] + traffic / self.bytes_s


def best_seconds(call: Callable[[], Any], at_once: int, repeats: int = 6) -> float:
    """The least time of a call, of `at_once` in a row until a number of the last tensor is on the host.

    A GPU takes longer to start and to be read than a card's memory takes for one sum.
    """
    from keras import ops

    found = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        for _ in range(at_once):
            result = call()
        float(ops.cast(ops.reshape(result, (-1,))[0], "float32"))
        found.append((time.perf_counter() - started) / at_once)
    return min(found[1:])


def measured_machine(gpu: bool) -> Machine:
    """A matrix product in both precisions, and a sum of two large arrays."""
    from keras import ops

    side, at_once, numbers = (8192, 16, 2**28) if gpu else (2048, 1, 2**26)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(side, side)).astype(np.float32)
    flops = {}
    for name, dtype in (("float32", "float32"), ("mixed_bfloat16", "bfloat16")):
        factor = ops.cast(ops.convert_to_tensor(matrix), dtype)
        flops[name] = 2 * side**3 / best_seconds(partial(ops.matmul, factor, factor), at_once)
    one, other = ops.ones((numbers,)), ops.ones((numbers,))
    return Machine(flops, 3 * 4 * numbers / best_seconds(partial(ops.add, one, other), at_once))


def arithmetic(network: Any) -> tuple[float, float]:
    """FLOP of one image: forward, and a whole step, which does it three times but for the slope of the image."""
    import keras

    forward, first = 0.0, 0.0
    for layer in network.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            places = float(np.prod(layer.output.shape[1:-1]))
            flop = 2 * places * float(np.prod(layer.kernel.shape))
            first = first or flop
            forward += flop
    return forward, 3 * forward - first


def training_ways(
    networks: dict[str, Any], architecture: Any, machine: Machine, arguments: argparse.Namespace
) -> list[Way]:
    """Plain `model.fit` first, then ours."""
    import keras

    from phenodose.learning.augment import Augmentation
    from phenodose.learning.training import Plan, prepare, targets, train_epochs
    from phenodose.plugins import TrainingSet

    rng = np.random.default_rng(0)
    steps, epochs = arguments.steps, arguments.repeats + 1
    _, flop = arithmetic(networks["float32"])
    traffic = BYTES_STEP * networks["float32"].count_params()

    def data(n: int) -> TrainingSet:
        labels = (np.arange(n) % 2).astype(np.float32)
        images = rng.random((n, *architecture.input_shape), dtype=np.float32) * np.float32(0.2)
        return TrainingSet(images, labels, np.ones(n, bool), np.zeros(n, bool), ("",) * n)

    def plain() -> Way:
        network = sharing(networks["float32"])
        network.compile(
            optimizer=keras.optimizers.Adam(1e-7),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        held = data(steps)
        wanted = targets(held, 0.4)
        images = held.images * 255
        return Way(
            "model.fit, batch 1, float32",
            steps,
            lambda: network.fit(images, wanted, batch_size=1, verbose=0),
            machine.floor_s("float32", flop, traffic),
        )

    def ours(name: str, precision: str, batch_size: int, device_images_mb: int | None = None) -> Way:
        network, n = sharing(networks[precision]), steps * batch_size
        plan = Plan(
            "phase1",
            architecture.backbone,
            epochs,
            1e-7,
            batch_size,
            0.4,
            Augmentation(),
            0.0,
            0,
            adam_as_batch_1=batch_size > 1,
            device_images_mb=device_images_mb,
        )
        prepare(network, plan)
        coming = train_epochs(network, data(n), plan)
        return Way(name, n, lambda: next(coming), machine.floor_s(precision, flop, traffic / batch_size))

    ways = [
        plain(),
        ours("ours, batch 1, float32", "float32", 1),
        ours("ours, batch 1, mixed_bfloat16", "mixed_bfloat16", 1),
    ]
    if arguments.images_on_device:
        ways.append(ours("ours, batch 1, images made on the host", "float32", 1, 0))
        ways.append(ours("ours, batch 1, images on the device", "float32", 1, 4096))
    if arguments.batches:
        ways.append(ours("ours, batch 8 as batch 1, mixed_bfloat16", "mixed_bfloat16", 8))
    return ways


def inference_ways(networks: dict[str, Any], architecture: Any, machine: Machine, wells: int) -> list[Way]:
    """Plain `predict` first, then ours, which gives softmax and features."""
    from phenodose.learning.inference import Predictor

    rng = np.random.default_rng(0)
    few = max(wells // 8, 1)
    signal = rng.random((wells, *architecture.input_shape), dtype=np.float32) * np.float32(0.2)
    flop, _ = arithmetic(networks["float32"])
    traffic = BYTES_INFERENCE * networks["float32"].count_params()
    plain, images = sharing(networks["float32"]), signal[:few] * 255

    def ours(precision: str) -> Way:
        predictor = Predictor(networks[precision], architecture.backbone, wells)
        floor = machine.floor_s(precision, flop, traffic / wells)
        return Way(f"ours, batch {wells}, {precision}", wells, lambda: predictor(signal), floor)

    return [
        Way(
            "predict, batch 1, float32",
            few,
            lambda: plain.predict(images, batch_size=1, verbose=0),
            machine.floor_s("float32", flop, traffic),
        ),
        ours("float32"),
        ours("mixed_bfloat16"),
    ]


def sharing(network: Any) -> Any:
    """Another model of the same weights, so that each way has an optimiser of its own but not 558 MB of weights."""
    import keras

    return keras.Model(network.inputs, network.outputs)


def table(title: str, unit: str, ways: list[Way]) -> None:
    """Medians, and how many times faster than the first way."""
    wall = [float(np.median(way.seconds)) for way in ways]
    cpu = [float(np.median(way.cpu_s)) for way in ways]
    click.echo(
        f"\n{title:42} {'s/' + unit:>9} {'CPU s':>9} {'faster':>7} {'by CPU':>7} {'floor s':>9} {'of floor':>8}",
    )
    for way, seconds, cpu_s in zip(ways, wall, cpu, strict=True):
        click.echo(
            f"{way.name:42} {seconds:9.4f} {cpu_s:9.4f} {wall[0] / seconds:7.2f} {cpu[0] / cpu_s:7.2f}"
            f" {way.floor_s:9.4f} {way.floor_s / seconds:8.0%}"
        )


def run(ways: list[Way], repeats: int) -> list[Way]:
    """Warm every way up, then measure them in turn."""
    for way in ways:
        way.call()
    for _ in range(repeats):
        for way in ways:
            way.measure()
    return ways


def main() -> None:
    """Print machine, training and inference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="vgg19", choices=["vgg19", "vgg16", "micro"])
    parser.add_argument("--size-px", type=int, default=224)
    parser.add_argument("--steps", type=int, help="steps a measurement; 2 on processors, 256 on a GPU")
    parser.add_argument("--wells", type=int, default=32, help="wells a measurement of inference, one batch of ours")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of training; inference has about half")
    parser.add_argument("--batches", action="store_true", help="measure also batches of 8 with adam_as_batch_1")
    parser.add_argument("--images-on-device", action="store_true", help="measure also where images are made")
    arguments = parser.parse_args()
    from phenodose.learning.backbones import Architecture, build, initialise

    import keras  # isort: skip  (after ours, which keeps TensorFlow's start quiet)

    devices = gpus()
    arguments.steps = arguments.steps or (256 if devices else 2)
    machine = measured_machine(gpu=bool(devices))
    architecture = Architecture.of(arguments.backbone, (arguments.size_px, arguments.size_px, 3))
    networks = {precision: build(architecture, precision) for precision in ("float32", "mixed_bfloat16")}
    for network in networks.values():
        initialise(network, architecture, "none", 0)
    forward, step = arithmetic(networks["float32"])
    click.echo(
        f"{architecture}; {keras.backend.backend()}, {os.cpu_count()} processor cores, "
        f"{', '.join(devices) or 'no GPU'}; load {os.getloadavg()[0]:.1f}\n"
        f"matrix product {machine.flops['float32'] / 1e9:.0f} GFLOP/s in float32, "
        f"{machine.flops['mixed_bfloat16'] / 1e9:.0f} in bfloat16; memory {machine.bytes_s / 1e9:.0f} GB/s; "
        f"{networks['float32'].count_params():,} weights, {forward / 1e9:.3g} GFLOP forward, {step / 1e9:.4g} a step"
    )
    ways = training_ways(networks, architecture, machine, arguments)
    table("training, seconds an image", "image", run(ways, arguments.repeats))
    ways = inference_ways(networks, architecture, machine, arguments.wells)
    table("inference, seconds a well", "well", run(ways, max(arguments.repeats // 2, 1)))


def gpus() -> list[str]:
    """Names of the GPUs that the engine at hand sees."""
    import keras

    engine = keras.backend.backend()
    if engine == "torch":
        import torch

        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if engine == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    import tensorflow as tf

    return [device.name for device in tf.config.list_physical_devices("GPU")]


if __name__ == "__main__":
    main()
