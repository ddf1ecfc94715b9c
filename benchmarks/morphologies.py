"""One control experiment, three screens that look different: viability against truth, by screen and seed.

The screens are those of `phenodose simulate --morphology`: killed cells detach, fragment or swell; spheroids differ in
size and brightness, staining varies by 15 to 50 %. Network and parameters are those of the demo. `--drug-share 0.5`
lets the drugs kill half their own way, unlike the killing control that the network is taught on.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phenodose.cli.run import parse_settings
from phenodose.simulation.in_memory import ScreenInMemory, simulate_in_memory
from phenodose.simulation.morphology import MORPHOLOGIES
from phenodose.simulation.trial import try_staged
from phenodose_readouts.cnn import CnnReadout

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = ("detaching", "fragmenting", "swelling")


def cohort(seed: int, drugs: int, drug_share: float) -> tuple[ScreenInMemory, dict[str, ScreenInMemory]]:
    """Control experiment of a rounded sample, and a screen of each other sample."""
    experiment = simulate_in_memory("COHORT_CE", kind="control-experiment", seed=seed)
    screens = {
        name: simulate_in_memory(
            f"{name}_V1_DS1", morphology=replace(MORPHOLOGIES[name], drug_share=drug_share), drugs=drugs, seed=seed
        )
        for name in SAMPLES
    }
    return experiment, screens


def table(rows: pd.DataFrame) -> str:
    """The figures as text."""
    return rows.to_string(index=False, float_format="{:.3f}".format, na_rep="masked")


def main() -> None:
    """Print a table a seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="cohorts")
    parser.add_argument("--drugs", type=int, default=8, help="drugs of a screen")
    parser.add_argument("--drug-share", type=float, default=0.0, help="how far drugs kill their own way, 0 to 1")
    parser.add_argument("--set", action="append", default=[], metavar="cnn.NAME=VALUE", help="a parameter")
    arguments = parser.parse_args()
    parameters = {**CnnReadout.small_parameters(), **parse_settings(arguments.set).get("cnn", {})}
    for seed in range(1, arguments.seeds + 1):
        experiment, screens = cohort(seed, arguments.drugs, arguments.drug_share)
        with tempfile.TemporaryDirectory() as folder:
            rows = try_staged(CnnReadout({**parameters, "seed": seed}), experiment, screens, Path(folder))
        click.echo(f"seed {seed}\n{table(rows)}\n")


if __name__ == "__main__":
    main()
