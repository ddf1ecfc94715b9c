"""How many spoilt wells are flagged by their image, and how many sound ones: simulated screens with known faults.

In every screen a few wells of each fault, drawn from all wells with cells, are spoilt; the rest is sound. Images are
compared as in a run: by plain figures of the pictures and, with --network, by the features of a small network that was
trained in three phases on the same spoilt screen.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
import xarray as xr

from phenodose.quality.gates import Limits
from phenodose.quality.image_features import image_features
from phenodose.quality.image_outliers import image_outliers
from phenodose.simulation.in_memory import simulate_in_memory
from phenodose.simulation.morphology import MORPHOLOGIES
from phenodose.simulation.spoilt_images import SPOILT, spoil
from phenodose.viability.controls import Controls, choose_controls

WELL_TYPES = ("neg", "pos", "therapy", "TRC", "BzCl", "untreated")
SOUND = "sound"


def spoilt_screen(morphology: str, seed: int, of_each: int) -> tuple[xr.DataArray, pd.DataFrame, Controls]:
    """Tensors, layout with the column fault, and controls of one screen."""
    screen = simulate_in_memory(
        f"SIM{seed}_V1_DS1", morphology=morphology, seed=seed, drugs=16, size_px=64, well_types=WELL_TYPES
    )
    rng = np.random.default_rng([seed, 7])
    layout = screen.layout.assign(fault=SOUND, well_type=screen.layout["well_type"].replace({"TRC": "trc"}))
    images = screen.tensors.to_numpy().copy()
    for number, well in enumerate(rng.permutation(len(layout))[: of_each * len(SPOILT)]):
        fault = SPOILT[number % len(SPOILT)]
        layout.loc[well, "fault"] = fault
        mip, mid = spoil(images[well].transpose(2, 0, 1)[:2], fault, rng)
        images[well] = np.stack([mip, mid, mip], axis=-1)
    tensors = screen.tensors.copy(data=images).assign_coords(channel=["MIP", "MID", "MIP"])
    return tensors, layout, choose_controls(layout, ("neg",), ("Staurosporine", "pos"), "simulated screen")


def network_features(tensors: xr.DataArray, layout: pd.DataFrame, controls: Controls) -> np.ndarray:
    """Features of phase III of the small network of `phenodose demo`."""
    from phenodose.learning.training_sets import training_set
    from phenodose_readouts.cnn import CnnReadout

    readout = CnnReadout({**CnnReadout.small_parameters(), "inference_copies": 4})
    one, two, three = readout.phases
    experiment = simulate_in_memory("SIM_CE", kind="control-experiment", seed=1, control_wells=90, size_px=64)
    of_experiment = choose_controls(experiment.layout, ("neg",), ("pos",), "control experiment")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first = training_set(one, experiment.tensors, experiment.layout, of_experiment)
        readout.train(one, first, None, folder / "1")
        readout.train(two, training_set(two, tensors, layout, controls), folder / "1", folder / "2")
        outputs = pd.Series(readout.infer(folder / "2", tensors).raw, index=tensors["well"].to_numpy())
        readout.train(three, training_set(three, tensors, layout, controls, outputs), folder / "2", folder / "3")
        return readout.infer(folder / "3", tensors).features


def main() -> None:
    """Print a line a kind of well: how many there are, and the share flagged by each view and by both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screens", type=int, default=3, help="screens of each morphology")
    parser.add_argument("--of-each", type=int, default=3, help="spoilt wells of each fault in a screen")
    parser.add_argument("--limit", type=float, default=Limits.most_image_distance, help="most_image_distance")
    parser.add_argument("--network", action="store_true", help="train networks too (half a minute a screen)")
    arguments = parser.parse_args()
    flagged: list[pd.DataFrame] = []
    for number, morphology in enumerate(sorted(MORPHOLOGIES)):
        for screen in range(arguments.screens):
            tensors, layout, controls = spoilt_screen(morphology, 100 + 10 * number + screen, arguments.of_each)
            views = {"pictures": image_features(tensors)}
            if arguments.network:
                views["network"] = network_features(tensors, layout, controls)
            chosen = {name: {name: view} for name, view in views.items()} | ({"both": views} if len(views) > 1 else {})
            facts = {
                name: image_outliers(view, layout, controls, arguments.limit)[0] > arguments.limit
                for name, view in chosen.items()
            }
            flagged.append(pd.DataFrame({"fault": layout["fault"], **facts}))
    table = pd.concat(flagged)
    names = [name for name in table if name != "fault"]
    click.echo(f"{'well':10}  {'wells':>6}  " + "  ".join(f"{f'{name}, %':>11}" for name in names))
    for fault in (*SPOILT, SOUND):
        rows = table[table["fault"] == fault]
        shares = "  ".join(f"{100 * rows[name].mean():11.1f}" for name in names)
        click.echo(f"{fault:10}  {len(rows):6}  {shares}")


if __name__ == "__main__":
    main()
