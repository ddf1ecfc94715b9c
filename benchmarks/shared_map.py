"""Do like phenotypes of different patients lie together: on the shared map, and by profiles of whole drugs?

One small network is taught phase I on a simulated control experiment and looks at screens of different morphology,
brightness and spheroid size. Printed for every way of aligning the map: the median distance of like phenotypes of
different screens over that of different ones, and how often a well's five nearest neighbours in another screen name its
phenotype (the mean over phenotypes). Then for every kind of profile (`phenodose.phenotypes`), seen from each screen's
own untreated wells: how often the five neighbours of a well, and the one most similar drug of another screen, name the
phenotype. A phenotype is alive, or a way of dying below 35 % viability.

With `--drug-share 0` every drug kills as the killing control does, and only living, dissolved and killed cells differ;
with 1, the default, each kills its own way, and the killing control alone (named apoptosis) in the way of the sample,
which no other screen can know. *Image and filters* are two views side by side: light, shape, grain and texture, and the
frozen filters of the readout `features`.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd

from phenodose.learning import frozen
from phenodose.learning.training_sets import training_set
from phenodose.phenotypes.alignment import sphered, with_untreated, without_viability
from phenodose.phenotypes.average_precision import cosine_similarity
from phenodose.phenotypes.image_profile import image_profile
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


def by_filters(images: np.ndarray) -> np.ndarray:
    """Features (well, feature) of the frozen filters of the readout `features`, the same for all screens."""
    network = frozen.network_of(frozen.FILTERS, "none", images.shape[1:], seed=0)
    return frozen.features_of(images, frozen.typical_light(images), network, frozen.Turns(2), threads=1)


def side_by_side(views: list[np.ndarray], negative: np.ndarray) -> np.ndarray:
    """Profiles of all views beside each other, each in units of the median length of wells that are not untreated."""
    return np.hstack([view / np.median(np.linalg.norm(view[~negative], axis=1)) for view in views])


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
        named_as = np.array([Counter(row).most_common(1)[0][0] for row in nearest], dtype=object)
        right.append(np.mean([np.mean(named_as[called == name] == name) for name in set(called)]))
    return float(np.mean(ratios)), float(np.mean(right))


def named(profiles: list[np.ndarray], names: list[np.ndarray], neighbours: int) -> dict[str, float]:
    """Share of right names by the most similar profiles of another screen, over all pairs of screens, by phenotype."""
    right: dict[str, list[float]] = {}
    for a, b in itertools.permutations(range(len(profiles)), 2):
        here, there = profiles[a][names[a] != ""], profiles[b][names[b] != ""]
        called, others = names[a][names[a] != ""], names[b][names[b] != ""]
        similarity = cosine_similarity(np.concatenate([here, there]))[: len(here), len(here) :]
        nearest = others[np.argsort(-similarity, axis=1, kind="stable")[:, :neighbours]]
        named_as = np.array([Counter(row).most_common(1)[0][0] for row in nearest], dtype=object)
        for name in set(called):
            right.setdefault(name, []).append(float(np.mean(named_as[called == name] == name)))
    return {name: float(np.mean(shares)) for name, shares in right.items()}


def of_drugs(screen: ScreenInMemory, profiles: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median profile of every treatment's wells of one phenotype; of six untreated wells at a time."""
    neg = screen.layout["well_type"] == "neg"
    drug = screen.layout["treatment"].astype(str).where(~neg, "neg " + (neg.cumsum() // 6).astype(str))
    middle = pd.DataFrame(profiles[names != ""]).groupby([drug[names != ""].to_numpy(), names[names != ""]]).median()
    return middle.to_numpy(), np.array([name for _, name in middle.index], dtype=object)


def main() -> None:
    """Print a line a way of aligning, and a line a kind of profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screens", type=int, default=1, help="screens of each morphology")
    parser.add_argument("--seed", type=int, default=20, help="seed of the first screen")
    parser.add_argument("--drug-share", type=float, default=1.0, help="how far drugs kill their own way, 0 to 1")
    arguments = parser.parse_args()
    readout = CnnReadout({**CnnReadout.small_parameters(), "inference_copies": 4})
    phase = readout.phase("phase1")
    experiment = simulate_in_memory("SIM_CE", kind="control-experiment", seed=1, control_wells=90, size_px=SIZE_PX)
    controls = choose_controls(experiment.layout, ("neg",), ("pos",), "control experiment")
    names, wells, screens, viability = [], [], [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "1"
        readout.train(phase, training_set(phase, experiment.tensors, experiment.layout, controls), None, folder)
        reference = seen(experiment, readout.infer(folder, experiment.tensors).features)
        for number, morphology in enumerate(sorted(MORPHOLOGIES) * arguments.screens):
            seed = arguments.seed + number
            screen = simulate_in_memory(
                f"SIM{seed}_V1_DS1",
                morphology=replace(MORPHOLOGIES[morphology], drug_share=arguments.drug_share),
                seed=seed,
                drugs=DRUGS,
                size_px=SIZE_PX,
                well_types=("neg", "pos", "therapy", "BzCl"),
            )
            found = readout.infer(folder, screen.tensors)
            names.append(phenotypes(screen, seed))
            wells.append(seen(screen, found.features))
            screens.append(screen)
            ends = [np.median(found.raw[each]) for each in (wells[-1].positive, wells[-1].negative)]
            viability.append((found.raw - ends[0]) / (ends[1] - ends[0]))
    click.echo("align     like/different  neighbours right, %")
    for align in ("negative", "sphering", "none"):
        embedder = SharedEmbedder({"align": align})
        ratio, right = compared([embedder.embed_on(reference, each) for each in wells], names)
        click.echo(f"{align:8}  {ratio:14.2f}  {100 * right:19.0f}")
    click.echo("\nprofiles           viability      wells right, %  drugs right, %  drugs, by phenotype")
    pictures = [one.tensors.isel(channel=[0, 1]) for one in screens]
    kinds = {
        "network": [one.features for one in wells],
        "image": [image_profile(each) for each in pictures],
        "filters": [by_filters(each.to_numpy()) for each in pictures],
    }
    seen_as = {
        kind: [
            sphered(each, one.negative, screen.layout["plate"].to_numpy(dtype=object))
            for each, one, screen in zip(features, wells, screens, strict=True)
        ]
        for kind, features in kinds.items()
    }
    seen_as["image and filters"] = [
        side_by_side(each, one.negative) for *each, one in zip(seen_as["image"], seen_as["filters"], wells, strict=True)
    ]
    for kind, own in seen_as.items():
        left = [without_viability(each, alive) for each, alive in zip(own, viability, strict=True)]
        for taken, bare in (("as it is", own), ("projected out", left)):
            profiles = [with_untreated(each, one.negative) for each, one in zip(bare, wells, strict=True)]
            by_well = named(profiles, names, NEIGHBOURS)
            drugs = [of_drugs(*each) for each in zip(screens, profiles, names, strict=True)]
            by_drug = named([each for each, _ in drugs], [called for _, called in drugs], 1)
            shares = ", ".join(f"{name} {100 * share:.0f}" for name, share in sorted(by_drug.items()))
            means = [100 * float(np.mean(list(shares_of.values()))) for shares_of in (by_well, by_drug)]
            click.echo(f"{kind:17}  {taken:13}  {means[0]:14.0f}  {means[1]:14.0f}  {shares}")


if __name__ == "__main__":
    main()
