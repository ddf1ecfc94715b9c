"""What each `intensity_mode` does to viability: the same small staging three times, side by side.

Simulated spheroids of known viability whose staining varies from well to well: a control experiment, then the
controls and duplicate drug wells of a screen. The network has the shape of `micro` and the preprocessing of VGG, so
that every mode means what it means for the paper's network. Printed is what phase III says.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import spearmanr

from phenodose.learning import backbones
from phenodose.learning.training_sets import training_set
from phenodose.simulation.spheroid import Optics, illumination, render_stack
from phenodose.viability.controls import Controls
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.cnn_parameters import CnnParameters

OPTICS = Optics(size_px=48, planes=3)
MODES = ("raw", "tf28", "keras29")
STAINING_SPREAD = 0.3
VIABILITIES = (1.0, 0.75, 0.5, 0.25, 0.0)
#: What differs from the demo: neither blends nor copies, a VGG's top, and fewer epochs.
AS_MEASURED = {
    "mixup_fraction": 0.0,
    "inference_copies": 0,
    "micro_pooling": "flatten",
    "epochs_phase1": 20,
    "epochs_phase2": 20,
    "epochs_phase3": 10,
    "learning_rate_phase2": 2e-4,
    "learning_rate_decay": "none",
}


def picture(viability: float, rng: np.random.Generator) -> np.ndarray:
    """Pseudo-RGB of one spheroid: uint16 (y, x, channel)."""
    gain = float(np.exp(rng.normal(0, STAINING_SPREAD)))
    stack = render_stack(viability, "apoptosis", gain, OPTICS, illumination(OPTICS, rng), rng)
    mip, mid = stack.max(axis=0), stack[len(stack) // 2]
    return np.stack([mip, mid, mip], axis=-1)


def screen(controls: int, drugs: int, seed: int) -> tuple[xr.DataArray, pd.DataFrame, Controls]:
    """Tensors, layout with the column truth, and controls of one plate: that many controls a class, and drugs."""
    rng = np.random.default_rng(seed)
    rows = [("neg", "DMSO", None, None, 1.0)] * controls + [("pos", "STS", 250.0, None, 0.0)] * controls
    for drug in range(drugs):
        for dose, viability in enumerate(VIABILITIES):
            rows += [("therapy", f"D{drug}", 10.0**dose, replicate, viability) for replicate in (1, 2)]
    layout = pd.DataFrame(rows, columns=["well_type", "treatment", "concentration_nM", "replicate", "truth"])
    place = np.arange(len(layout))
    layout = layout.assign(plate="P1", row=[chr(66 + n % 14) for n in place], column=2 + place // 14, add_on=None)
    layout["well"] = [f"{row}{column:02d}" for row, column in zip(layout["row"], layout["column"], strict=True)]
    names = [f"P1/{well}" for well in layout["well"]]
    images = np.stack([picture(truth, rng) for truth in layout["truth"]])
    tensors = xr.DataArray(images, dims=("well", "y", "x", "channel"), coords={"well": names})
    kind = layout["well_type"].to_numpy()
    return tensors, layout, Controls(kind == "neg", kind == "pos", "neg", "pos")


def staged(mode: str, seed: int, folder: Path) -> dict[str, float]:
    """Train three phases and tell what the last says of controls and drug wells."""
    parameters = {**CnnReadout.small_parameters(), **AS_MEASURED, "seed": seed}
    readout = CnnReadout(parameters)
    # The small network takes `raw` only for its own preprocessing, which is replaced here.
    readout.parameters = CnnParameters.model_construct(**readout.parameters.model_dump() | {"intensity_mode": mode})
    experiment, of_experiment, its_controls = screen(40, 0, seed=100 + seed)
    tensors, layout, controls = screen(18, 12, seed=200 + seed)
    one, two, three = readout.phases
    readout.train(one, training_set(one, experiment, of_experiment, its_controls), None, folder / "1")
    readout.train(two, training_set(two, tensors, layout, controls), folder / "1", folder / "2")
    outputs = pd.Series(readout.infer(folder / "2", tensors).raw, index=tensors["well"].to_numpy())
    readout.train(three, training_set(three, tensors, layout, controls, outputs), folder / "2", folder / "3")
    raw = readout.infer(folder / "3", tensors).raw
    negative, positive = np.median(raw[controls.negative]), np.median(raw[controls.positive])
    drugs = ~(controls.negative | controls.positive)
    truth = layout["truth"].to_numpy()[drugs]
    viability = (raw[drugs] - positive) / (negative - positive)
    pairs = raw[drugs].reshape(-1, 2)
    return {
        "neg": float(negative),
        "pos": float(positive),
        "error": float(np.mean(np.abs(viability - truth))),
        "spearman": float(spearmanr(raw[drugs], truth).statistic),
        "duplicates": float(np.corrcoef(pairs[:, 0], pairs[:, 1])[0, 1]),
    }


def main() -> None:
    """Print one line a mode and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="stagings a mode")
    arguments = parser.parse_args()
    micro = backbones.BACKBONES["micro"]
    backbones.BACKBONES["micro"] = replace(micro, preprocessing="vgg19")
    click.echo("mode     seed  raw neg  raw pos  mean error  spearman  duplicate r")
    for seed in range(arguments.seeds):
        for mode in MODES:
            with tempfile.TemporaryDirectory() as folder:
                found = staged(mode, seed, Path(folder))
            click.echo(
                f"{mode:8} {seed:4}  {found['neg']:7.3f}  {found['pos']:7.3f}  {found['error']:10.3f}"
                f"  {found['spearman']:8.3f}  {found['duplicates']:11.3f}",
            )


if __name__ == "__main__":
    main()
