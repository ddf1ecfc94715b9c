"""The network on images of another simulator than the platform's own: figures against the truth, by screen.

Spheroids are built nucleus by nucleus in three dimensions and seen through a confocal microscope with out-of-focus
light, scattering, vignetting, drifting focus, uneven staining, debris and bubbles. Killed cells detach, fragment, or
swell around a necrotic core; in the control experiment they only condense. Nothing of `phenodose.simulation` is used.
Raw TIFF files go through `phenodose run` and `phenodose transfer-study` with the parameters of the demo.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
import tifffile
from scipy import ndimage

SIZE_PX = 64
DOSES_NM = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
#: Blur classes of out-of-focus nuclei: upper distance from the plane, in widths of the optical section.
_BLUR = (0.5, 1.2, 2.2, 3.5)


@dataclass(frozen=True)
class Microscope:
    """How a screen is stained and imaged; `photons` is the peak of a middling nucleus in focus."""

    photons: float
    gain_sd: float
    read_noise: float = 3.0
    troubled: float = 0.08


@dataclass(frozen=True)
class Sample:
    """A sample: how its spheroids look and how its cells die."""

    name: str
    dying: str
    cells: int
    radius: float
    image_px: int
    planes: int
    brightness: float


SETTINGS = {
    "easy": Microscope(photons=300, gain_sd=0.15),
    "staining": Microscope(photons=200, gain_sd=0.5),
    "dim": Microscope(photons=15, gain_sd=0.35, read_noise=5.0, troubled=0.15),
}
EXPERIMENT = Sample("OTHER_CE", "condensing", 420, 0.27, 128, 5, 1.0)
SAMPLES = (
    Sample("DET_V1_DS1", "detaching", 500, 0.30, 128, 5, 1.3),
    Sample("FRA_V1_DS1", "fragmenting", 260, 0.24, 96, 7, 0.6),
    Sample("NEC_V1_DS1", "swelling", 750, 0.34, 160, 4, 2.0),
)


def nuclei(sample: Sample, viability: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Nuclei of a well: places (n, 3) as z, y, x in image widths, light of each, width of each in image widths."""
    count = max(int(sample.cells * rng.lognormal(0, 0.12)), 20)
    radius = sample.radius * (count / sample.cells) ** (1 / 3)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    depth = rng.random(count) ** (1 / 3)
    squash = np.array([0.75, 1.0, rng.uniform(0.85, 1.15)])
    light = rng.lognormal(0, 0.35, count)
    width = rng.normal(0.0085, 0.001, count).clip(0.005)
    order = depth + rng.normal(0, 0.15, count) if sample.dying == "swelling" else rng.random(count)
    dead = np.argsort(np.argsort(order)) < round((1 - viability) * count)
    killed = dead.mean()
    if sample.dying == "swelling":
        places = direction * depth[:, None] * squash * radius * (1 + 0.3 * killed)
        light, width = np.where(dead, 0.35 * light, light), np.where(dead, 1.7 * width, width)
    elif sample.dying == "detaching":
        places = direction * depth[:, None] * squash * radius * (1 - killed) ** (1 / 3)
        away = direction * rng.uniform(0.3, 1.6, (count, 1)) * radius
        away[:, 0] = -0.6 * radius + rng.normal(0, 0.01, count)
        places = np.where(dead[:, None], away, places)
        light = np.where(dead, light * 1.2 * (rng.random(count) > 0.5), light)
        width = np.where(dead, 0.6 * width, width)
    elif sample.dying == "fragmenting":
        places = direction * depth[:, None] * squash * radius
        pieces = np.where(dead, rng.integers(2, 6, count), 1)
        places, light, width = (np.repeat(part, pieces, axis=0) for part in (places, light, width))
        dead = np.repeat(dead, pieces)
        places += dead[:, None] * rng.normal(0, 0.04, places.shape)
        light = np.where(dead, 0.22 * light * rng.lognormal(0, 0.5, len(light)), light)
        width = np.where(dead, 0.55 * width, width)
    else:
        places = direction * depth[:, None] * squash * radius * (1 - 0.25 * killed)
        light, width = np.where(dead, 1.3 * light, light), np.where(dead, 0.65 * width, width)
    return places + np.array([0.0, *rng.normal(0, 0.04, 2)]), light, width


def stack(sample: Sample, viability: float, scope: Microscope, gain: float, rng: np.random.Generator) -> np.ndarray:
    """Grey values of a well, uint16 (z, y, x)."""
    size = sample.image_px
    places, light, width = nuclei(sample, viability, rng)
    light = light * np.exp(-1.2 * (places[:, 0] + sample.radius) / (2 * sample.radius)) * 1.8
    section = 1.4 * sample.radius / sample.planes
    heights = np.linspace(-0.7, 0.7, sample.planes) * sample.radius + rng.normal(0, 0.1) * sample.radius
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    trouble = troubles(size, scope, rng)
    peak = scope.photons * sample.brightness * gain
    vignette = 1 - 0.25 * (y**2 + x**2) / 2
    planes = []
    for height in heights:
        distance = np.abs(places[:, 0] - height) / section
        electrons = np.zeros((size, size))
        edges = (0.0, *_BLUR)
        for near, far in itertools.pairwise(edges):
            inside = (distance >= near) & (distance < far)
            for thin in (True, False):
                chosen = inside & ((width < 0.007) == thin)
                if not chosen.any():
                    continue
                spread = np.hypot(np.median(width[chosen]), 0.006 * (near + far) / 2) * size
                down, across = (places[chosen, 1] + 0.5) * size, (places[chosen, 2] + 0.5) * size
                whole = [[0.0, float(size)]] * 2
                grid = np.histogram2d(down, across, bins=size, range=whole, weights=light[chosen])[0]
                dimmed = np.exp(-(((near + far) / 2) ** 2) / 4) * (0.0085 * size) ** 2 * 2 * np.pi
                electrons += ndimage.gaussian_filter(grid, spread) * dimmed
        haze = ndimage.gaussian_filter(electrons, 0.06 * size)
        seen = ((electrons + 0.3 * haze) * peak + 0.04 * scope.photons) * vignette * trouble[0] + trouble[1] * peak
        grey = rng.poisson(seen) + rng.normal(0, scope.read_noise, seen.shape)
        planes.append(2.0 * grey + 180)
    counts: np.ndarray = np.clip(np.rint(planes), 0, 65535).astype(np.uint16)
    return counts


def troubles(size: int, scope: Microscope, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What lies in the light's way: transmission and light added, each (y, x); bubbles and debris in some wells."""
    y, x = np.mgrid[0:size, 0:size] / size
    transmission, added = np.ones((size, size)), np.zeros((size, size))
    if rng.random() < scope.troubled:
        far = np.hypot(y - rng.random(), x - rng.random())
        transmission -= 0.35 / (1 + np.exp((far - rng.uniform(0.08, 0.2)) * 120))
    if rng.random() < 2 * scope.troubled:
        for _ in range(rng.integers(1, 4)):
            blob = ((y - rng.random()) / rng.uniform(0.006, 0.02)) ** 2 + ((x - rng.random()) / 0.012) ** 2
            added += rng.uniform(0.5, 3) * np.exp(-blob / 2)
    return transmission, added


def layout(sample: Sample, drugs: int, controls: int, rng: np.random.Generator) -> pd.DataFrame:
    """Wells with their true viability (column `truth`): two plates with a replicate each, or one of controls."""
    experiment = sample.name.endswith("_CE")
    wanted = [("neg", "DMSO", 0.0, 1.0)] * controls + [("pos", "STS", 250.0, 0.0)] * controls
    for drug in range(0 if experiment else drugs):
        middle, slope, least = 10 ** rng.uniform(0.5, 4.5), rng.uniform(0.7, 2), rng.choice([0.0, 0.0, 0.2, 0.45])
        for dose in DOSES_NM:
            alive = least + (1 - least) / (1 + (dose / middle) ** slope)
            wanted.append(("therapy", f"Drug{drug + 1:02d}", dose, float(alive)))
    frames = []
    for plate in (1,) if experiment else (1, 2):
        wells = [(row, column) for row in "BCDEFGHIJKLMNO" for column in range(2, 24)]
        chosen = sorted(rng.choice(len(wells), len(wanted), replace=False))
        places = [wells[i] for i in rng.permutation(chosen)]
        rows = [(f"P{plate}", *at, *well) for at, well in zip(places, wanted, strict=True)]
        names = ["Plate", "Row", "Column", "WellType", "Treatment", "Concentration", "truth"]
        frames.append(pd.DataFrame(rows, columns=names).assign(Replicate=plate))
    return pd.concat(frames, ignore_index=True)


def write_screen(folder: Path, sample: Sample, scope: Microscope, drugs: int, controls: int, seed: int) -> pd.DataFrame:
    """Write a screen as a microscope of no known make would leave it; the layout with the truth comes back."""
    rng = np.random.default_rng([seed, zlib.crc32(sample.name.encode())])
    wells = layout(sample, drugs, controls, rng)
    for plate, its_wells in wells.groupby("Plate"):
        (folder / str(plate)).mkdir(parents=True)
        plate_gain = rng.lognormal(0, 0.1)
        for well in its_wells.itertuples():
            gain = plate_gain * rng.lognormal(0, scope.gain_sd)
            for z, plane in enumerate(stack(sample, float(str(well.truth)), scope, gain, rng), start=1):
                name = f"r{ord(str(well.Row)) - 64:02d}c{well.Column:02d}f1p{z:02d}-ch1.tif"
                tifffile.imwrite(folder / str(plate) / name, plane)
    wells.drop(columns="truth").to_csv(folder / "layout.csv", index=False)
    kind = "control-experiment" if sample.name.endswith("_CE") else "drug-screen"
    parent = "" if kind == "control-experiment" else f'phase1 = "{EXPERIMENT.name}"\n'
    expression = r"r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)"
    (folder / "screen.toml").write_text(
        f'kind = "{kind}"\nreader = "pattern"\n{parent}[tensors]\nsize_px = {SIZE_PX}\n'
        f"[parameters.pattern]\nexpression = '{expression}'\n{parameters()}"
    )
    return wells


def parameters() -> str:
    """The demo's parameters of `cnn` as a section of screen.toml."""
    from phenodose_readouts.cnn import CnnReadout

    lines = [f"{name} = {json.dumps(value)}" for name, value in CnnReadout.small_parameters().items()]
    return "\n".join(["[parameters.cnn]", *lines, ""])


def phenodose(*arguments: object) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "phenodose", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command[2:])}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def row_of(store: Path, wells: pd.DataFrame, name: str, overrides: list[str]) -> dict[str, object]:
    """The figures of one screen that has run."""
    query = f"SELECT plate, row, \"column\", readout, viability_fraction FROM viability WHERE screen = '{name}'"
    found = pd.DataFrame(json.loads(phenodose("sql", query, "--format=json", f"--store={store}")))
    keys = ["plate", "row", "column"]
    truth = wells[wells["WellType"] == "therapy"].rename(columns={"Plate": "plate", "Row": "row", "Column": "column"})
    row: dict[str, object] = {"screen": name}
    for readout, short in (("cnn_phase3", ""), ("cnn_phase2", "_2"), ("mean_of_stack", "_mos")):
        measured = found[found["readout"] == readout].astype({"viability_fraction": float})
        both = truth.merge(measured, on=keys, how="left")
        seen = both["viability_fraction"]
        row[f"pearson{short}"] = seen.corr(both["truth"])
        row[f"mae{short}"] = (seen - both["truth"]).abs().mean()
        pairs = both.pivot_table("viability_fraction", ["Treatment", "Concentration"], "Replicate")
        row[f"duplicates{short}"] = pairs[1].corr(pairs[2]) if pairs.shape[1] == 2 else np.nan
    study = ["--epochs=0", f"--store={store}", "--json", *(setting.replace("cnn.", "", 1) for setting in overrides)]
    alone = json.loads(phenodose("transfer-study", EXPERIMENT.name, name, *study))["rows"]
    (record,) = store.glob(f"**/{name}/**/phase2/record.json")
    row["loss_1_2"] = json.loads(record.read_text())["history"][-1]["validation_loss"]
    row["loss_2"] = alone[0]["validation_loss"]
    return row


def cohort(folder: Path, scope: Microscope, arguments: argparse.Namespace, seed: int) -> Iterator[dict[str, object]]:
    """One control experiment and three screens through the commands."""
    store = folder / "store"
    overrides = [f"--set={setting}" for setting in arguments.set]
    for sample in (EXPERIMENT, *SAMPLES):
        experiment = sample is EXPERIMENT
        # The control experiment is of one batch of stain, and its microscope is not better than the screens'.
        its = replace(scope, gain_sd=scope.gain_sd / 2) if experiment else scope
        controls = 4 * arguments.controls if experiment else arguments.controls
        wells = write_screen(folder / sample.name, sample, its, arguments.drugs, controls, seed)
        phenodose("run", folder / sample.name, f"--store={store}", *overrides)
        if not experiment:
            yield row_of(store, wells, sample.name, overrides)


def main() -> None:
    """Print a table for every setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--setting", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--drugs", type=int, default=10, help="drugs of a screen, five doses in duplicate")
    parser.add_argument("--controls", type=int, default=16, help="control wells of each class on a plate")
    parser.add_argument("--set", action="append", default=[], metavar="cnn.NAME=VALUE", help="a parameter")
    parser.add_argument("--keep", type=Path, help="folder to keep images and store in")
    arguments = parser.parse_args()
    for setting in arguments.setting:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (arguments.keep or Path(scratch)) / setting
            rows = pd.DataFrame(cohort(folder, SETTINGS[setting], arguments, arguments.seed))
        click.echo(f"{setting}, seed {arguments.seed}\n{rows.to_string(index=False, float_format='{:.3f}'.format)}\n")


if __name__ == "__main__":
    main()
