"""Why networks other than VGG failed under the settings of Berker et al. 2022, and what makes one work.

A control experiment and a screen of another brightness are simulated, with wells of known viability whose staining
varies. Every case is a short staging of phases I and II, with one thing changed; printed is how well the network tells
the wells it learned, and how well it does on wells it never saw. `--movement` prints instead how far one step of Adam
moves the output of each network. Networks start random: no weights of ImageNet are needed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import pearsonr

from phenodose.learning import backbones
from phenodose.learning.normalisation import take_statistics
from phenodose.learning.preprocess import network_input, to_signal
from phenodose.learning.training import auroc
from phenodose.learning.training_sets import training_set
from phenodose.plugins import TrainingSet
from phenodose.simulation.spheroid import Optics, illumination, render_stack
from phenodose.viability.controls import Controls
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.cnn_parameters import CnnParameters

OPTICS = Optics(size_px=48, planes=3)
STAINING_SPREAD = 0.3
VIABILITIES = (1.0, 0.75, 0.5, 0.25, 0.0)
DEATHS = ("apoptosis", "fragmentation")
WIDTHS = (16, 32, 64, 128)
DENSE = (64, 64)
#: `micro` with batch normalisation after every convolution; not in the registry.
SMALL = "micro_normalised"
FAST = "mobilenet_v3"
#: Moving averages have to settle within the few steps of a case; those of MobileNet take thousands.
MOMENTUM = 0.97
#: Blends of controls teach the scale between alive and dead, and wells are asked about as augmented copies.
BLENDS = {"mixup_fraction": 0.8, "inference_copies": 16}
#: A preprocessing to numbers from -1 to 1; VGG's leads to numbers from -124 to 255.
ONE = "mobilenet_v2"


@dataclass(frozen=True)
class Case:
    """One staging.

    Attributes:
        backbone: name in the registry.
        parameters: of the readout `cnn`, besides the common ones.
        batch_statistics: normalise by the batch in training and by moving averages in prediction.
        preprocessing: module of keras.applications, instead of the backbone's own.
    """

    backbone: str
    parameters: dict[str, Any] = field(default_factory=dict)
    batch_statistics: bool = False
    preprocessing: str | None = None


def staging(batch_size: int, epochs: int, rate: float, **others: Any) -> dict[str, Any]:
    """Parameters of a short staging; phases II and III learn at half the rate of phase I."""
    phases = {f"epochs_phase{n}": epochs for n in (1, 2)} | {"epochs_phase3": max(1, epochs // 2)}
    rates = {"learning_rate_phase1": rate, "learning_rate_phase2": rate / 2, "learning_rate_phase3": rate / 2}
    return {"batch_size": batch_size} | phases | rates | others


def cases() -> dict[str, Case]:
    """The cases of the table by name; what is in brackets is changed against the line above."""
    controls, tf28 = {"normalisation_statistics": "controls"}, {"intensity_mode": "tf28"}
    small, fast, slow = staging(1, 12, 3e-4), staging(8, 30, 3e-4), staging(8, 30, 3e-7)
    long = staging(8, 80, 3e-4, epochs_phase2=60)
    return {
        "plain vgg-input": Case("micro", small, preprocessing="vgg19"),
        "plain vgg-input tf28": Case("micro", small | tf28, preprocessing="vgg19"),
        "plain one-input": Case("micro", small, preprocessing=ONE),
        "plain one-input tf28": Case("micro", small | tf28, preprocessing=ONE),
        "plain one-input keras29": Case("micro", small | {"intensity_mode": "keras29"}, preprocessing=ONE),
        "norm batch tf28": Case(SMALL, small | tf28, batch_statistics=True),
        "norm vgg-input batch tf28": Case(SMALL, small | tf28, batch_statistics=True, preprocessing="vgg19"),
        "norm batch": Case(SMALL, small, batch_statistics=True),
        "norm batch-of-8": Case(SMALL, small | {"batch_size": 8}, batch_statistics=True),
        "norm fixed": Case(SMALL, small),
        "norm controls": Case(SMALL, small | controls),
        "norm controls tf28": Case(SMALL, small | controls | tf28),
        "fast fixed": Case(FAST, fast),
        "fast controls": Case(FAST, fast | controls),
        "fast controls slow": Case(FAST, slow | controls),
        "fast blends": Case(FAST, fast | controls | BLENDS),
        "fast long blends": Case(FAST, long | controls | BLENDS),
        "small preset": Case("micro", CnnReadout.small_parameters() | {"micro_dense": DENSE}),
    }


def picture(
    viability: float, death: str, brightness: float, rng: np.random.Generator, optics: Optics = OPTICS
) -> np.ndarray:
    """Pseudo-RGB of one spheroid: uint16 (y, x, channel)."""
    gain = brightness * float(np.exp(rng.normal(0, STAINING_SPREAD)))
    stack = render_stack(viability, death, gain, optics, illumination(optics, rng), rng)  # type: ignore[arg-type]
    mip, mid = stack.max(axis=0), stack[len(stack) // 2]
    return np.stack([mip, mid, mip], axis=-1)


@cache
def screen(controls: int, drugs: int, brightness: float, seed: int) -> tuple[xr.DataArray, pd.DataFrame, Controls]:
    """Tensors, layout with the column truth, and controls of one plate: that many controls a class, and drugs."""
    rng = np.random.default_rng(seed)
    rows = [("neg", "DMSO", None, None, 1.0, DEATHS[0])] * controls
    rows += [("pos", "STS", 250.0, None, 0.0, DEATHS[0])] * controls
    for drug in range(drugs):
        death = DEATHS[drug % len(DEATHS)]
        for dose, viability in enumerate(VIABILITIES):
            rows += [("therapy", f"D{drug}", 10.0**dose, replicate, viability, death) for replicate in (1, 2)]
    names = ["well_type", "treatment", "concentration_nM", "replicate", "truth", "death"]
    layout = pd.DataFrame(rows, columns=names)
    place = np.arange(len(layout))
    layout = layout.assign(plate="P1", row=[chr(66 + n % 14) for n in place], column=2 + place // 14, add_on=None)
    layout["well"] = [f"{row}{column:02d}" for row, column in zip(layout["row"], layout["column"], strict=True)]
    images = np.stack([picture(t, d, brightness, rng) for t, d in zip(layout["truth"], layout["death"], strict=True)])
    coordinates = {"well": [f"P1/{well}" for well in layout["well"]]}
    tensors = xr.DataArray(images, dims=("well", "y", "x", "channel"), coords=coordinates)
    kind = layout["well_type"].to_numpy()
    return tensors, layout, Controls(kind == "neg", kind == "pos", "neg", "pos")


def staged(case: Case, seed: int, phases: int, folder: Path) -> dict[str, float]:
    """Train the first phases of a case and tell what the last says of the wells it learned and of the drug wells."""
    common = {"backbone": case.backbone, "weights": "none", "seed": seed}
    common |= {"micro_widths": WIDTHS, "micro_dense": DENSE}
    readout = CnnReadout()
    # The small network takes `raw` only for its own preprocessing, which is replaced here.
    readout.parameters = CnnParameters.model_construct(**CnnParameters().model_dump() | common | case.parameters)
    experiment = screen(30, 0, brightness=1.0, seed=100 + seed)
    tensors, layout, controls = screen(15, 8, brightness=0.6, seed=200 + seed)
    one, two, three = readout.phases
    readout.train(one, training_set(one, *experiment), None, folder / "1")
    record = readout.train(two, training_set(two, tensors, layout, controls), folder / "1", folder / "2")
    raw = readout.infer(folder / "2", tensors).raw
    if phases > 2:
        outputs = pd.Series(raw, index=tensors["well"].to_numpy())
        readout.train(three, training_set(three, tensors, layout, controls, outputs), folder / "2", folder / "3")
        raw = readout.infer(folder / "3", tensors).raw
    negative, positive = np.median(raw[controls.negative]), np.median(raw[controls.positive])
    drugs = ~(controls.negative | controls.positive)
    truth = layout["truth"].to_numpy()[drugs]
    clear = (truth == 0) | (truth == 1)
    return {
        "accuracy": record.history[-1]["accuracy"],
        "auroc": auroc(raw[drugs][clear], truth[clear] == 1) or 0.0,
        "neg": float(negative),
        "pos": float(positive),
        "pearson": float(pearsonr(raw[drugs], truth).statistic) if np.ptp(raw[drugs]) > 0 else 0.0,
        "error": float(np.mean(np.abs((raw[drugs] - positive) / (negative - positive) - truth))),
    }


@contextmanager
def as_in(case: Case) -> Iterator[None]:
    """The registry and the builder changed for one case."""
    entry, frozen = backbones.BACKBONES[case.backbone], backbones._in_inference_mode
    if case.preprocessing:
        backbones.BACKBONES[case.backbone] = replace(entry, preprocessing=case.preprocessing)
    if case.batch_statistics:
        backbones._in_inference_mode = _with_batch_statistics
    try:
        yield
    finally:
        backbones.BACKBONES[case.backbone] = entry
        backbones._in_inference_mode = frozen


def _small_normalised(architecture: backbones.Architecture, weights: str | None) -> Any:
    """In place of `backbones._application`: the convolutions of `micro`, each followed by batch normalisation."""
    import keras
    from keras import layers

    if architecture.backbone != SMALL:
        return _APPLICATION(architecture, weights)
    inputs = x = keras.Input(architecture.input_shape)
    for width in WIDTHS:
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(2)(layers.ReLU()(x))
    return keras.Model(inputs, x)


_APPLICATION = backbones._application


def _with_batch_statistics(model: Any) -> Any:
    """As `backbones._in_inference_mode`, but the nested model runs as Keras runs it."""
    import keras

    class AsKeras(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name=backbones.NESTED)
            self.model = model

        def call(self, images: Any, training: bool | None = None) -> Any:
            return self.model(images, training=training)

    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    return AsKeras()


def movement(backbone: str, statistics: str, rate: float) -> tuple[float, float]:
    """How far the first step of Adam moves the difference of the logits of one living spheroid.

    That step moves every weight by the learning rate along the sign of its slope, so that the difference moves by the
    rate times the sum of the sizes of all slopes: more in wide layers, which have more weights to one output.

    Returns:
        Movement through the weights of the convolutions and through those of the dense top.
    """
    import tensorflow as tf

    optics = Optics(size_px=192, planes=3)
    architecture = backbones.Architecture.of(backbone, (192, 192, 3))
    network = backbones.build(architecture)
    backbones.initialise(network, architecture, "none", seed=0)
    rng = np.random.default_rng(0)
    signal = to_signal(np.stack([picture(n % 2, DEATHS[0], 1.0, rng, optics) for n in range(16)]))
    wells = TrainingSet(
        images=signal,
        labels=np.arange(16, dtype=np.float32) % 2,
        is_control=np.ones(16, dtype=bool),
        validation=np.zeros(16, dtype=bool),
        wells=tuple(map(str, range(16))),
    )
    if statistics == "controls":
        take_statistics(network, wells, backbone)
    variables = network.trainable_variables
    with tf.GradientTape() as tape:
        logits = network(network_input(signal[1:2], backbone), training=True)
        difference = logits[0, 1] - logits[0, 0]
    slopes = tape.gradient(difference, [variable.value for variable in variables])
    moved = [0.0, 0.0]
    for variable, slope in zip(variables, slopes, strict=True):
        moved[variable.path.startswith(("fc", backbones.LOGITS))] += rate * float(tf.reduce_sum(tf.abs(slope)))
    return moved[0], moved[1]


def main() -> None:
    """Print one line a case and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="stagings a case")
    parser.add_argument("--case", nargs="+", help="only cases whose name begins so")
    parser.add_argument("--phases", type=int, choices=(2, 3), default=2, help="the last phase that is trained")
    parser.add_argument("--movement", action="store_true", help="only what one step of Adam moves")
    arguments = parser.parse_args()
    if arguments.movement:
        click.echo("network       statistics   rate  by convolutions  by dense top")
        for backbone, statistics in (("vgg19", "weights"), (FAST, "weights"), (FAST, "controls")):
            convolutions, dense = movement(backbone, statistics, 1e-7)
            click.echo(f"{backbone:13} {statistics:9} {1e-7:7.0e}  {convolutions:15.1e}  {dense:12.1e}")
        return
    backbones.BACKBONES[SMALL] = backbones.Backbone(SMALL, "own.own", ONE, (), "flatten", DENSE)
    backbones._application = _small_normalised
    click.echo("case                       seed  learned  auroc  raw neg  raw pos  pearson  error  cpu s")
    for name, case in cases().items():
        if arguments.case and not name.startswith(tuple(arguments.case)):
            continue
        for seed in arguments.seeds:
            began = time.process_time()
            with tempfile.TemporaryDirectory() as folder, as_in(case):
                found = staged(case, seed, arguments.phases, Path(folder))
            click.echo(
                f"{name:25} {seed:5}  {found['accuracy']:7.2f}  {found['auroc']:5.2f}  {found['neg']:7.3f}"
                f"  {found['pos']:7.3f}  {found['pearson']:7.2f}  {found['error']:5.2f}"
                f"  {time.process_time() - began:5.0f}"
            )


if __name__ == "__main__":
    main()
