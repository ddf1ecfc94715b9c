"""What the options that change the arithmetic do to raw viability: `adam_as_batch_1` and the precisions.

A small network learns a control experiment of simulated spheroids, then goes on with a screen's controls at a low
learning rate: with single images in float32, and in other ways. Printed is how far the raw viabilities of the drug
wells, which no training has seen, end from those of the first way (root mean square), in units of how far single
images in another order end from them. Nothing is augmented, so that only the order differs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import click
import numpy as np
from intensity_modes import screen

from phenodose.learning.augment import Augmentation
from phenodose.learning.backbones import Architecture, build, initialise
from phenodose.learning.inference import predict
from phenodose.learning.preprocess import to_signal
from phenodose.learning.training import Plan, fit
from phenodose.plugins import TrainingSet

WIDTHS, DENSE = (8, 16, 32), (32,)
BATCHES = (4, 8)
SHORT = "mixed_bfloat16"


def controls_of(tensors: Any, negative: np.ndarray, positive: np.ndarray) -> TrainingSet:
    """All controls of a screen, none held out."""
    chosen = np.flatnonzero(negative | positive)
    images = to_signal(tensors.isel(well=chosen).to_numpy())
    n = len(chosen)
    labels = negative[chosen].astype(np.float32)
    names = tuple(str(name) for name in tensors["well"].to_numpy()[chosen])
    return TrainingSet(images, labels, np.ones(n, bool), np.zeros(n, bool), names)


def distances(seed: int, orders: int) -> dict[str, float]:
    """Root mean square distance to single images in float32, by way; 'order' is the unit."""
    experiment, _, its = screen(40, 0, seed=100 + seed)
    tensors, _, controls = screen(18, 12, seed=200 + seed)
    first = controls_of(experiment, its.negative, its.positive)
    own = controls_of(tensors, controls.negative, controls.positive)
    asked = to_signal(tensors.to_numpy()[~(controls.negative | controls.positive)])
    shapes = Architecture.of("micro", first.images.shape[1:], WIDTHS, DENSE)
    network, short = build(shapes), build(shapes, SHORT)
    initialise(network, shapes, "none", seed)
    fit(network, first, Plan("phase1", "micro", 12, 1e-3, 8, 0.4, Augmentation.none(), 0.0, seed))
    start = network.get_weights()
    single = Plan("phase2", "micro", 12, 3e-5, 1, 0.4, Augmentation.none(), 0.0, seed)

    def found(plan: Plan) -> np.ndarray:
        network.set_weights(start)
        fit(network, own, plan)
        return predict(network, "micro", asked, 32).raw

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.sqrt(np.mean((one - other) ** 2)))

    wanted = found(single)
    short.set_weights(network.get_weights())
    asked_short = predict(short, "micro", asked, 32).raw
    others = [found(replace(single, seed=seed + 1000 + number)) for number in range(orders)]
    result = {"order": float(np.mean([apart(other, wanted) for other in others]))}
    network.set_weights(start)
    result["fine-tuning itself"] = apart(predict(network, "micro", asked, 32).raw, wanted)
    for size in BATCHES:
        result[f"batch {size}, same rates"] = apart(found(replace(single, batch_size=size)), wanted)
        larger = replace(single, batch_size=size, adam_as_batch_1=True)
        result[f"batch {size}, adam_as_batch_1"] = apart(found(larger), wanted)
    result[f"asked in {SHORT}"] = apart(asked_short, wanted)
    short.set_weights(start)
    fit(short, own, single)
    network.set_weights(short.get_weights())
    result[f"trained in {SHORT}"] = apart(predict(network, "micro", asked, 32).raw, wanted)
    return result


def main() -> None:
    """Print one line a way: its distance in every seed, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="screens")
    parser.add_argument("--orders", type=int, default=4, help="other orders of single images, for the unit")
    arguments = parser.parse_args()
    found = [distances(seed, arguments.orders) for seed in range(arguments.seeds)]
    units = " ".join(f"{of_seed['order']:.4f}" for of_seed in found)
    click.echo(f"unit, another order of single images: {units} of raw viability")
    for name in list(found[0])[1:]:
        ratios = [of_seed[name] / of_seed["order"] for of_seed in found]
        each = " ".join(f"{ratio:6.2f}" for ratio in ratios)
        click.echo(f"{name:26} {each}   mean {np.mean(ratios):6.2f}")


if __name__ == "__main__":
    main()
