"""Every image readout on every data set: viability against the truth, and drugs that kill unlike the control.

First table: Pearson correlation and mean absolute error of the viability of drug wells, robust Z' of the controls
(median of the plates), correlation of replicates, rank correlation of the drugs' mean viability over the doses that all
of them have, CPU seconds (of `rescue` those beside the features, which it takes from `features`). Viability is the
readout's number scaled by the medians of the controls of each plate. `rescue` is taught by the true viability with the
noise of a plate reader (standard deviation 0.05), of the organoids by the independent measurement; no drug is read by a
model that has seen it. Second table: the share of wells that `features`
flags (`control_distance` above 1) of those that died unlike the control and of all others, then these apart: wells
that died unlike it, but less, and wells that died like it or not at all; and the mean absolute error of `features`
and `rescue` on the wells that died unlike the control. `--unlike-alone` leaves the first table out, `--flags-alone`
the errors too, which take most of the time; it adds the real organoids, of which none is known to have died unlike
the control. `--viability-alone` leaves the second table out.
Every figure is the median over seeds, with the smallest and largest in brackets.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import click
import numpy as np
import other_simulator
import pandas as pd
from image_screens import DataSet, PicturedScreen, Size, data_sets, dying_unlike, organoid_screen

from phenodose.errors import NotMade, PhenodoseError
from phenodose.io.parallel import usable_cores
from phenodose.learning.control_span import control_distance, looks_of
from phenodose.learning.frozen import distinct_channels
from phenodose.plugins import Inference, TensorWells
from phenodose.quality.zprime import zprime_robust
from phenodose.simulation.in_memory import ScreenInMemory
from phenodose.simulation.trial import controls_of, metrics
from phenodose.viability.normalise import to_viability
from phenodose_readouts.features import FeaturesReadout
from phenodose_readouts.rescue import RescueReadout
from phenodose_readouts.segmentation import bright_objects
from phenodose_readouts.spheroids import _SMALLEST_PX, SpheroidAreaParameters

ORGANOIDS = Path(__file__).resolve().parents[2] / "shared" / "reference" / "real_images" / "fis_organoids"
#: Noise of the plate reader that teaches [fraction of viability].
PLATE_READER_SD = 0.05
#: Wells of less viability have died visibly.
DIED = 0.6
#: Drug wells of less viability have lost cells.
HARDLY = 0.9
BINS = (-np.inf, 0.1, 0.3, 0.5, 0.7, 0.9, np.inf)
#: Columns of the second table.
SHARES = {
    "unlike": "of these flagged",
    "others": "others flagged",
    "milder": f"died unlike it, {DIED} to {HARDLY}: flagged",
    "like": "all the rest: flagged",
    "error of features": "mean error of features on the first",
    "error of rescue": "of rescue",
}
FIGURES = {
    "pearson": "Pearson",
    "mean_error": "mean error",
    "zprime": "robust Z'",
    "duplicates": "replicates",
    "rank": "rank of drugs",
}
#: Figures that are printed with two decimals instead of three.
COARSE = {"zprime", "rank"}


def tensor_wells(screen: ScreenInMemory) -> TensorWells:
    """A screen as a run gives it to a readout of tensors."""
    layout = screen.layout
    kind = layout["well_type"].to_numpy()

    def numbered(columns: list[str]) -> np.ndarray:
        return np.where(kind == "therapy", layout.astype(str).groupby(columns).ngroup().to_numpy(), -1)

    return TensorWells(
        images=screen.tensors.to_numpy(),
        channels=("MIP", "MID", "MIP"),
        negative=kind == "neg",
        positive=kind == "pos",
        content=numbered(["treatment", "concentration_nM"]),
        treatment=numbered(["treatment"]),
        plate=layout["plate"].to_numpy().astype(str),
    )


def read_by_features(copies: int, pictured: PicturedScreen, seed: int) -> Inference:
    """What the readout `features` says with its own settings, but for the copies of an image."""
    return FeaturesReadout({"seed": seed, "copies": copies}).read(tensor_wells(pictured.screen))


def rescued(pictured: PicturedScreen, wells: TensorWells, seen: Inference, seed: int) -> np.ndarray:
    """Raw viability by `rescue` from features that were made before."""
    truth = pictured.screen.viability
    read = truth + np.random.default_rng([seed, 77]).normal(0, PLATE_READER_SD, len(truth))
    compounds = np.stack([wells.treatment, np.full(len(truth), -1)], axis=1)
    return np.asarray(
        RescueReadout({}).read(replace(wells, features=seen.features, measured=read, compounds=compounds)).raw
    )


def by_mean_of_stack(pictured: PicturedScreen, _: int) -> np.ndarray:
    """Mean of the z-stack; of the only plane where there is one."""
    return pictured.screen.mean_of_stack


def by_spheroid_area(pictured: PicturedScreen, _: int) -> np.ndarray:
    """Mean area of the objects that `spheroid_area` finds in the maximum projection [px], 0 without any."""
    settings = SpheroidAreaParameters()
    areas = []
    for image in pictured.projections:
        labels = bright_objects(
            image.astype(np.float32), settings.smoothing_px, settings.least_contrast, float(_SMALLEST_PX)
        )
        areas.append((labels > 0).sum() / max(int(labels.max()), 1))
    return np.array(areas)


def by_network(data_set: DataSet, pictured: PicturedScreen, seed: int) -> np.ndarray:
    """Raw viability by `taught_network`."""
    return np.asarray(taught_network(data_set, pictured, seed).raw)


def taught_network(data_set: DataSet, pictured: PicturedScreen, seed: int) -> Inference:
    """What the readout `cnn` says after phase III with its small preset, taught on this data set alone."""
    from phenodose.learning.training_sets import training_set
    from phenodose_readouts.cnn import CnnReadout

    readout = CnnReadout({**CnnReadout.small_parameters(), "seed": seed})
    one, two, three = readout.phases
    experiment, screen = data_set.experiment(seed), pictured.screen
    first = training_set(one, experiment.tensors, experiment.layout, controls_of(experiment))
    its = screen.tensors, screen.layout, controls_of(screen)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        readout.train(one, first, None, folder / "1")
        readout.train(two, training_set(two, *its), folder / "1", folder / "2")
        outputs = pd.Series(readout.infer(folder / "2", screen.tensors).raw, index=screen.tensors["well"].to_numpy())
        readout.train(three, training_set(three, *its, outputs), folder / "2", folder / "3")
        return readout.infer(folder / "3", screen.tensors)


def viability_of(screen: ScreenInMemory, raw: np.ndarray) -> np.ndarray:
    """Viability (well,) as a fraction; NaN where a plate's controls cannot be told apart."""
    measured = screen.layout[["plate", "row", "column"]].assign(raw=raw)
    try:
        found = to_viability(measured, screen.layout, controls_of(screen))
    except PhenodoseError:
        return np.full(len(raw), np.nan)
    return found["viability_fraction"].to_numpy()


def figures(screen: ScreenInMemory, raw: np.ndarray) -> dict[str, float]:
    """The figures of a readout on a screen."""
    kind, plate = screen.layout["well_type"].to_numpy(), screen.layout["plate"].to_numpy()
    separated = [
        zprime_robust(raw[(plate == name) & (kind == "neg")], raw[(plate == name) & (kind == "pos")])
        for name in np.unique(plate)
    ]
    read, true = ranks(screen, viability_of(screen, raw)), ranks(screen, screen.viability)
    rank = read.corr(true, method="spearman") if len(read) == len(true) else np.nan
    return {**metrics(screen, raw), "zprime": float(np.median(separated)), "rank": float(rank)}


def ranks(screen: ScreenInMemory, viability: np.ndarray) -> pd.Series:
    """Treatments by their mean viability over the doses that all of them have; the first looks most like pos."""
    drugs = screen.layout.assign(viability=viability)[screen.layout["well_type"] == "therapy"]
    wide = drugs.pivot_table("viability", "concentration_nM", "treatment").dropna()
    return wide.mean().sort_values()


def flagged(pictured: PicturedScreen, seed: int, copies: int, errors: bool = True) -> dict[str, float]:
    """Shares of drug wells with a control distance above 1: of those that died unlike the control, and of others.

    The others are in two parts: `milder` died unlike the control too, but keep a viability of 0.6 or more.
    """
    wells = tensor_wells(pictured.screen)
    if errors:
        found = FeaturesReadout({"seed": seed, "copies": copies}).read(wells)
        assert found.control_distance is not None
        far = found.control_distance > 1
    else:
        images = wells.images[..., distinct_channels(wells.channels, wells.images.shape[3])]
        controls, blends = (wells.negative, wells.positive), FeaturesReadout({}).parameters.blends
        looks = looks_of(images, *controls, wells.plate, blends, seed, usable_cores())
        far = control_distance(looks.texture, looks.mixtures, *controls, wells.content, wells.treatment) > 1
    strange = pictured.unlike & (pictured.screen.viability < DIED)
    others = (pictured.screen.layout["well_type"] == "therapy").to_numpy() & ~strange
    milder = pictured.unlike & others & (pictured.screen.viability < HARDLY)
    raws = {"features": found.raw, "rescue": rescued(pictured, wells, found, seed)} if errors else {}
    away = {name: np.abs(viability_of(pictured.screen, raw) - pictured.screen.viability) for name, raw in raws.items()}
    means = {f"error of {name}": float(np.nanmean(error[strange])) for name, error in away.items()}
    parts = {"unlike": strange, "others": others, "milder": milder, "like": others & ~milder}
    return {"wells": float(strange.sum())} | {name: _share(far[part]) for name, part in parts.items()} | means


def _share(far: np.ndarray) -> float:
    """Part that is true; NaN of none."""
    return float(far.mean()) if len(far) else float("nan")


def over_seeds(values: pd.Series, digits: int = 3) -> str:
    """Median with the smallest and largest, such as 0.971 (0.960 to 0.980)."""
    if values.isna().all():
        return "masked"
    middle, low, high = (f"{value:.{digits}f}" for value in (values.median(), values.min(), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def markdown(rows: list[list[str]], heads: list[str]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def screens_parser(description: str | None) -> argparse.ArgumentParser:
    """Options that say which screens are made, for every command that compares readouts on them."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="screens of every data set")
    parser.add_argument("--first-seed", type=int, default=201, help="seeds go up from here")
    parser.add_argument("--size-px", type=int, default=64, help="width of the tensors; the organoids' stands in theirs")
    parser.add_argument("--drugs", type=int, default=6, help="drugs of a screen, five doses in duplicate")
    parser.add_argument("--controls", type=int, default=8, help="control wells of each kind on a plate")
    parser.add_argument("--settings", nargs="+", choices=list(other_simulator.SETTINGS), default=["staining"])
    parser.add_argument("--organoids", type=Path, default=ORGANOIDS, help="folder of the real organoids")
    parser.add_argument("--only", nargs="+", help="only data sets whose name begins so, in every table")
    return parser


def main() -> None:
    """Print both tables."""
    parser = screens_parser(__doc__)
    parser.add_argument("--unlike-drugs", type=int, default=8, help="drugs of a screen of the second table")
    parser.add_argument("--copies", type=int, choices=(1, 2, 4, 8), default=2, help="of an image, for `features`")
    parser.add_argument("--unlike-alone", action="store_true", help="the second table alone")
    parser.add_argument("--viability-alone", action="store_true", help="the first table alone")
    parser.add_argument("--flags-alone", action="store_true", help="the second table alone, without the errors")
    parser.add_argument("--network", action="store_true", help="also train `cnn`, small (a minute or more a screen)")
    parser.add_argument("--residuals", action="store_true", help="also the mean error of features by true viability")
    arguments = parser.parse_args()
    began = time.monotonic()
    size = Size(arguments.size_px, arguments.drugs, arguments.controls)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    there = arguments.organoids.is_dir()
    click.echo(f"$ python {shlex.join(sys.argv)}\n")
    if not there:
        click.echo(f"The real organoids are left out: there is no folder {arguments.organoids}.\n")

    def wanted(name: str) -> bool:
        return not arguments.only or name.startswith(tuple(arguments.only))

    rows, left, orders = [], [], []
    for data_set in data_sets(size, arguments.settings, arguments.organoids if there else None):
        if arguments.unlike_alone or arguments.flags_alone or not wanted(data_set.name):
            continue
        for seed in seeds:
            pictured = data_set.make(seed)
            seen = cache(partial(read_by_features, arguments.copies, pictured, seed))
            readouts: dict[str, Callable[[PicturedScreen, int], np.ndarray]] = {
                "features": lambda _, __, seen=seen: np.asarray(seen().raw),  # type: ignore[misc]
                "rescue": lambda pictured, seed, seen=seen: rescued(  # type: ignore[misc]
                    pictured, tensor_wells(pictured.screen), seen(), seed
                ),
                "mean of stack": by_mean_of_stack,
                "spheroid area": by_spheroid_area,
            }
            if arguments.network:
                readouts["cnn, small"] = lambda pictured, seed, data_set=data_set: by_network(data_set, pictured, seed)  # type: ignore[misc]
            for name, readout in readouts.items():
                start = time.process_time()
                try:
                    raw = readout(pictured, seed)
                except NotMade as lacking:
                    click.echo(f"{data_set.name}, {name}: {lacking}", err=True)
                    continue
                seconds = time.process_time() - start
                viability, truth = viability_of(pictured.screen, raw), pictured.screen.viability
                its = figures(pictured.screen, raw)
                rows.append({"data set": data_set.name, "readout": name, **its, "seconds": seconds})
                drugs = (pictured.screen.layout["well_type"] == "therapy").to_numpy()
                if name.startswith("features"):
                    error = pd.DataFrame({"truth": truth[drugs], "error": (viability - truth)[drugs]})
                    left.append(error.assign(name=f"{data_set.name}{name.removeprefix('features')}"))
                if data_set.name.startswith("organoids"):
                    orders.append((f"{name}, seed {seed}", ranks(pictured.screen, viability)))
                    orders.append(("truth", ranks(pictured.screen, truth)))
            click.echo(f"{data_set.name}, seed {seed}: {time.monotonic() - began:.0f} s", err=True)
    if rows:
        click.echo(first_table(pd.DataFrame(rows)))
    if arguments.residuals and left:
        click.echo(f"\n{table_of_errors(pd.concat(left))}")
    for name, order in dict(orders).items():
        click.echo(f"\n{name}: " + ", ".join(f"{treatment} {mean:.2f}" for treatment, mean in order.items()))
    shares = []
    makes = dying_unlike(Size(arguments.size_px, arguments.unlike_drugs, arguments.controls))
    if there and arguments.flags_alone:
        makes["organoids (real)"] = lambda _: organoid_screen(arguments.organoids)
    for name, make in makes.items():
        for seed in seeds if wanted(name) and not arguments.viability_alone else ():
            shares.append({"data set": name, **flagged(make(seed), seed, arguments.copies, not arguments.flags_alone)})
            click.echo(f"unlike controls, {name}, seed {seed}: {time.monotonic() - began:.0f} s", err=True)
    if shares:
        click.echo(f"\n{second_table(pd.DataFrame(shares))}")
    click.echo(f"\n{time.monotonic() - began:.0f} s in all")


def first_table(rows: pd.DataFrame) -> str:
    """Data sets and readouts, a row each."""
    lines = []
    for (data_set, readout), its in rows.groupby(["data set", "readout"], sort=False):
        cells = [over_seeds(its[figure], 2 if figure in COARSE else 3) for figure in FIGURES]
        lines.append([str(data_set), str(readout), *cells, over_seeds(its["seconds"], 1)])
    return markdown(lines, ["data set", "readout", *FIGURES.values(), "CPU s"])


def table_of_errors(left: pd.DataFrame) -> str:
    """Mean of viability less truth of `features`, by true viability."""
    left = left.assign(bin=pd.cut(left["truth"], BINS, labels=False))
    means = left.pivot_table("error", "name", "bin", sort=False).sort_index(axis=1)
    inner = [f"{low} to {high}" for low, high in itertools.pairwise(BINS[1:-1])]
    heads = [f"below {BINS[1]}", *inner, f"above {BINS[-2]}"]
    cells = means.reindex(columns=range(len(heads))).map(lambda value: "" if np.isnan(value) else f"{value:+.2f}")
    lines = [[str(name), *row] for name, row in zip(cells.index, cells.to_numpy(), strict=True)]
    return markdown(lines, ["error of features at true viability", *heads])


def second_table(shares: pd.DataFrame) -> str:
    """Data sets, a row each."""
    shown = [name for name in SHARES if name in shares]
    lines = [
        [str(name), f"{its['wells'].sum():.0f}", *(over_seeds(its[one], 2) for one in shown)]
        for name, its in shares.groupby("data set", sort=False)
    ]
    heads = ["data set", f"wells below {DIED} that died unlike the control", *(SHARES[name] for name in shown)]
    return markdown(lines, heads)


if __name__ == "__main__":
    main()
