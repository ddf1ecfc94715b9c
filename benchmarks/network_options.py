"""What mixup between all wells, CutMix and contrastive pre-training do to the small network, on every data set.

The readout `cnn` with its small preset is trained on each data set alone, phases I to III, once as it is and once with
each option, from the same seed. First table: Pearson correlation and mean absolute error of the viability of drug
wells, robust Z' of the controls, correlation of replicates, CPU seconds; median over seeds with the smallest and
largest. Second table: the difference that an option makes, seed by seed: its mean, and in how many seeds it is better.
The data sets are those of `image_viability.py`; a training takes minutes.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from image_screens import DataSet, PicturedScreen, Size, data_sets
from image_viability import figures, first_table, markdown, screens_parser

from phenodose.learning.training_sets import training_set
from phenodose.simulation.trial import controls_of
from phenodose_readouts.cnn import CnnReadout

PLAIN = "plain"
#: Figures of the second table -> whether larger is better.
BETTER = {"pearson": True, "mean_error": False, "zprime": True, "duplicates": True}


def options(contrastive_epochs: int, cutmix: float) -> dict[str, dict[str, Any]]:
    """Parameters of each option, beside those of the small preset."""
    return {
        PLAIN: {},
        "mixup between wells": {"mixup_between": "wells"},
        "CutMix": {"cutmix_fraction": cutmix},
        "contrastive": {"contrastive_epochs": contrastive_epochs},
    }


def viability_by(data_set: DataSet, pictured: PicturedScreen, seed: int, said: Mapping[str, Any]) -> np.ndarray:
    """Raw viability after phase III of the small network with some parameters, taught on this data set alone."""
    readout = CnnReadout({**CnnReadout.small_parameters(), "seed": seed, **said})
    one, two, three = readout.phases
    all_wells = bool(said.get("contrastive_epochs"))
    experiment, screen = data_set.experiment(seed), pictured.screen
    first = training_set(one, experiment.tensors, experiment.layout, controls_of(experiment), unlabelled=all_wells)
    its = screen.tensors, screen.layout, controls_of(screen)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        readout.train(one, first, None, folder / "1")
        readout.train(two, training_set(two, *its, unlabelled=all_wells), folder / "1", folder / "2")
        outputs = pd.Series(readout.infer(folder / "2", screen.tensors).raw, index=screen.tensors["well"].to_numpy())
        readout.train(three, training_set(three, *its, outputs), folder / "2", folder / "3")
        return np.asarray(readout.infer(folder / "3", screen.tensors).raw)


def differences(rows: pd.DataFrame) -> str:
    """The second table: data sets and options, a row each."""
    by = ["data set", "seed"]
    plain = rows[rows["readout"] == PLAIN].set_index(by)
    lines = []
    for (data_set, option), its in rows[rows["readout"] != PLAIN].groupby(["data set", "readout"], sort=False):
        own = its.set_index(by)
        cells = []
        for figure, rises in BETTER.items():
            change = (own[figure] - plain.loc[own.index, figure]).dropna()
            better = int(((change > 0) if rises else (change < 0)).sum())
            cells.append(f"{change.mean():+.3f} ({better} of {len(change)})" if len(change) else "masked")
        lines.append([str(data_set), str(option), *cells])
    heads = ["data set", "option", "Pearson (seeds that are better)", "mean error", "robust Z'", "replicates"]
    return markdown(lines, heads)


def main() -> None:
    """Print both tables."""
    parser = screens_parser(__doc__)
    parser.add_argument("--contrastive-epochs", type=int, default=30, help="epochs of the pre-training of each phase")
    parser.add_argument("--cutmix", type=float, default=0.5, help="part of the wells that get a rectangle of another")
    parser.add_argument("--option", action="append", help="these alone, beside the preset as it is; all if left out")
    parser.add_argument("--epochs", type=int, help="epochs of each phase; those of the preset if left out")
    arguments = parser.parse_args()
    began = time.monotonic()
    size = Size(arguments.size_px, arguments.drugs, arguments.controls)
    there = arguments.organoids.is_dir()
    click.echo(f"$ python {shlex.join(sys.argv)}\n")
    if not there:
        click.echo(f"The real organoids are left out: there is no folder {arguments.organoids}.\n")
    phases = ("phase1", "phase2", "phase3") if arguments.epochs else ()
    epochs = {f"epochs_{phase}": arguments.epochs for phase in phases}
    rows = []
    for data_set in data_sets(size, arguments.settings, arguments.organoids if there else None):
        if arguments.only and not data_set.name.startswith(tuple(arguments.only)):
            continue
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            pictured = data_set.make(seed)
            for name, said in options(arguments.contrastive_epochs, arguments.cutmix).items():
                if arguments.option and name not in (PLAIN, *arguments.option):
                    continue
                start = time.process_time()
                raw = viability_by(data_set, pictured, seed, {**epochs, **said})
                seconds = time.process_time() - start
                its = figures(pictured.screen, raw)
                rows.append({"data set": data_set.name, "readout": name, "seed": seed, **its, "seconds": seconds})
                passed = time.monotonic() - began
                click.echo(f"{data_set.name}, seed {seed}, {name}: {passed:.0f} s", err=True)
    if rows:
        found = pd.DataFrame(rows)
        click.echo(first_table(found).replace("| readout |", "| network |"))
        click.echo(f"\n{differences(found)}")
    click.echo(f"\n{time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    main()
