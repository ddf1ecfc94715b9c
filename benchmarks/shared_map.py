"""Do like phenotypes of different patients lie together on the shared map, with and without aligning the screens?

One small network is taught phase I on a simulated control experiment and looks at screens of different morphology,
brightness and spheroid size. Printed for every way of aligning: the median distance of like phenotypes of different
screens over that of different ones, and how often a well's five nearest neighbours in another screen name its phenotype
(the mean over phenotypes). A phenotype is alive, or a way of dying below 35 % viability.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections import Counter
from pathlib import Path

import click
import numpy as np

from phenodose.learning.training_sets import training_set
from phenodose.plugins import WellFeatures
from phenodose.simulation.in_memory import ScreenInMemory, simulate_in_memory
from phenodose.simulation.morphology import MORPHOLOGIES
from phenodose.simulation.pharmacology import drug_library
from phenodose.viability.controls import choose_controls
from phenodose_embedders.shared import SharedEmbedder
from phenodose_readouts.cnn import CnnReadout

DRUGS, SIZE_PX, NEIGHBOURS = 12, 64, 5
DEAD, ALIVE = 0.35, 0.9


def phenotypes(screen: ScreenInMemory, seed: int) -> np.ndarray:
    """Name of every well's phenotype; '' for what lies between."""
    death = {drug.name: drug.death for drug in drug_library(DRUGS, seed)}
    names = []
    rows = zip(screen.layout["well_type"], screen.layout["treatment"], screen.viability, strict=True)
    for kind, treatment, viability in rows:
        if viability > ALIVE:
            names.append("alive")
        elif viability < DEAD:
            names.append("lysis" if kind == "BzCl" else death.get(treatment, "apoptosis"))
        else:
            names.append("")
    return np.array(names, dtype=object)


def seen(screen: ScreenInMemory, features: np.ndarray) -> WellFeatures:
    """Features with the controls of the layout."""
    controls = choose_controls(screen.layout, ("neg",), ("Staurosporine", "pos"), "simulated screen")
    return WellFeatures(features, controls.negative, controls.positive)


def compared(places: list[np.ndarray], names: list[np.ndarray]) -> tuple[float, float]:
    """Distance of like over different phenotypes, and share of right names, over all pairs of screens."""
    ratios, right = [], []
    for a, b in itertools.permutations(range(len(places)), 2):
        here, there = places[a][names[a] != ""], places[b][names[b] != ""]
        called, others = names[a][names[a] != ""], names[b][names[b] != ""]
        apart = np.linalg.norm(here[:, None] - there[None], axis=-1)
        like = called[:, None] == others[None]
        ratios.append(np.median(apart[like]) / np.median(apart[~like]))
        nearest = others[np.argsort(apart, axis=1)[:, :NEIGHBOURS]]
        told = np.array([Counter(row).most_common(1)[0][0] for row in nearest], dtype=object)
        right.append(np.mean([np.mean(told[called == name] == name) for name in set(called)]))
    return float(np.mean(ratios)), float(np.mean(right))


def main() -> None:
    """Print a line a way of aligning."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screens", type=int, default=1, help="screens of each morphology")
    arguments = parser.parse_args()
    readout = CnnReadout({**CnnReadout.small_parameters(), "inference_copies": 4})
    phase = readout.phase("phase1")
    experiment = simulate_in_memory("SIM_CE", kind="control-experiment", seed=1, control_wells=90, size_px=SIZE_PX)
    controls = choose_controls(experiment.layout, ("neg",), ("pos",), "control experiment")
    names, wells = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "1"
        readout.train(phase, training_set(phase, experiment.tensors, experiment.layout, controls), None, folder)
        reference = seen(experiment, readout.infer(folder, experiment.tensors).features)
        for number, morphology in enumerate(sorted(MORPHOLOGIES) * arguments.screens):
            seed = 20 + number
            screen = simulate_in_memory(
                f"SIM{seed}_V1_DS1",
                morphology=morphology,
                seed=seed,
                drugs=DRUGS,
                size_px=SIZE_PX,
                well_types=("neg", "pos", "therapy", "BzCl"),
            )
            names.append(phenotypes(screen, seed))
            wells.append(seen(screen, readout.infer(folder, screen.tensors).features))
    click.echo("align     like/different  neighbours right, %")
    for align in ("negative", "none"):
        embedder = SharedEmbedder({"align": align})
        ratio, right = compared([embedder.embed_on(reference, each) for each in wells], names)
        click.echo(f"{align:8}  {ratio:14.2f}  {100 * right:19.0f}")


if __name__ == "__main__":
    main()
