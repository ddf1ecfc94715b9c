"""How often 95 % intervals of DSS from images hold the truth, with and without the readout's own error in them.

Run: python benchmarks/image_coverage.py [--seeds 3] [--only NAME ...] [--network]

Screens of the simulators of `image_viability.py` (every seed has its own staining, plates and wells) are read by the
readout `features` (with `--network` by `cnn` with its small preset, taught on that data set alone, in minutes), as a
run does: viability with its uncertainty, curves, draws, `dss_asym`. The truth is `dss_asym` of the curve through the
true viabilities of the same wells. Drugs whose images die unlike the killing control are left out: there an image holds
no answer, and their wells are flagged instead.
"""

from __future__ import annotations

import shlex
import sys
import time

import click
import numpy as np
import pandas as pd
from image_screens import DataSet, PicturedScreen, Size, data_sets
from image_viability import markdown, screens_parser, taught_network, tensor_wells

from phenodose.dose_response.scoring import score_curves
from phenodose.errors import NotMade, PhenodoseError
from phenodose.pipeline.curves import curves_of
from phenodose.simulation.trial import controls_of
from phenodose.viability.normalise import to_viability
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.features import FeaturesReadout
from phenodose_scorers.dss_asym import DssAsymScorer

#: How far a readout's scale may be off, as it declares it.
ScaleError = tuple[float, float, float] | None


def scores(pictured: PicturedScreen, viability: pd.DataFrame, error: ScaleError = None) -> pd.DataFrame:
    """`dss_asym` of every drug, pooled, with its interval, which holds the readout's own error or not."""
    if error is None:
        viability = viability.assign(viability_sd_fraction=np.nan)
    wells = pictured.screen.layout.assign(sample="S")
    named = viability.assign(readout="features")
    found = curves_of(named, wells, "features", per_replicate=False, scale_error=error)
    return score_curves(found.batch, DssAsymScorer()).set_index("drug")[["score", "lower", "upper"]]


def held(data_set: DataSet, seed: int, network: bool, error: ScaleError = None) -> pd.DataFrame:
    """A row a drug: true score, score, and its interval without and with the readout's error."""
    pictured = data_set.make(seed)
    screen = pictured.screen
    if network:
        seen, declared = taught_network(data_set, pictured, seed), CnnReadout.scale_error
    else:
        seen, declared = FeaturesReadout({"seed": seed}).read(tensor_wells(screen)), FeaturesReadout.scale_error
    measured = screen.layout[["plate", "row", "column"]].assign(raw=seen.raw, raw_sd=seen.raw_sd)
    viability = to_viability(measured, screen.layout, controls_of(screen))
    found = scores(pictured, viability, error or declared).join(scores(pictured, viability).add_suffix("_without"))
    found["truth"] = scores(pictured, viability.assign(viability_fraction=screen.viability))["score"]
    unlike = screen.layout.loc[pictured.unlike, "treatment"].unique()
    return found[~found.index.isin(unlike)]


def main() -> None:
    """Print a row a data set, and one of all."""
    parser = screens_parser(__doc__)
    parser.add_argument("--network", action="store_true", help="by `cnn`, small")
    parser.add_argument(
        "--scale-error", type=float, nargs=3, metavar="SD", help="instead of the declared one: living, half-way, killed"
    )
    arguments = parser.parse_args()
    error = tuple(arguments.scale_error) if arguments.scale_error else None
    size = Size(arguments.size_px, arguments.drugs, arguments.controls)
    click.echo(f"$ python {shlex.join(sys.argv)}\n")
    rows, began = [], time.monotonic()
    for data_set in data_sets(size, arguments.settings, None):
        if arguments.only and not data_set.name.startswith(tuple(arguments.only)):
            continue
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            try:
                rows.append(held(data_set, seed, arguments.network, error).assign(name=data_set.name))
            except (NotMade, PhenodoseError) as lacking:
                click.echo(f"{data_set.name}, seed {seed}: {lacking}", err=True)
            click.echo(f"{data_set.name}, seed {seed}: {time.monotonic() - began:.0f} s", err=True)
    every = pd.concat(rows)
    table = [line(name, own) for name, own in every.groupby("name", sort=False)]
    heads = ["screens", "drugs", "mean error of DSS", "without: held", "width", "with: held", "width"]
    click.echo(markdown([*table, line("all", every)], heads))


def line(name: object, rows: pd.DataFrame) -> list[str]:
    """A row of the table."""
    cells = [str(name), str(len(rows)), f"{(rows['score'] - rows['truth']).abs().mean():.2f}"]
    for which in ("_without", ""):
        lower, upper = rows[f"lower{which}"], rows[f"upper{which}"]
        share = ((lower <= rows["truth"]) & (rows["truth"] <= upper)).mean()
        cells += [f"{share:.3f} ± {np.sqrt(0.05 * 0.95 / len(rows)):.3f}", f"{(upper - lower).median():.2f}"]
    return cells


if __name__ == "__main__":
    main()
