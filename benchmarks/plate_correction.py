"""What plate corrections do to the error of DSS_asym, on simulated screens with known effects of place and known truth.

Run: python benchmarks/plate_correction.py [--seeds 4 --sizes 0.15,0.3]

A screen is 75 drugs in 5 doses and duplicate on three 384-well plates, laid out in one of four ways:

- random: drugs and controls anywhere in the inner 14 x 22 wells;
- columns: series run down the columns one after the other, replicate 2 eleven columns to the right on the same plate,
  controls in between, as in the screens of Berker et al. 2022;
- sorted: the five doses of a drug in neighbouring columns of a row, controls in two columns: a drug's doses lie along
  a gradient over the columns, the same way in both replicates;
- by dose: all wells of a dose in the same four columns: a gradient over the columns is one of doses.

Readings are those of a luminescence assay with 7 % noise. An effect multiplies the signal of the wells; its size is how
far the worst wells are from the best. Every figure is the root mean square error of DSS_asym over the drugs and seeds
(0 to 50); `ratio` is that over the error of the same screens without an effect, uncorrected: 1.2 is the aim.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import click
import numpy as np
import pandas as pd

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.dose_response.score_functions import dss_asym
from phenodose.names import row_label, well_name
from phenodose.pipeline.normalisation import Normalisation
from phenodose.pipeline.plate_correction import CorrectionParameters, corrected_readings, scaled_viability
from phenodose.simulation.pharmacology import STAUROSPORINE, Drug, drug_library
from phenodose.simulation.truth import true_dss_asym

N_ROWS, N_COLUMNS = 14, 22
PLATES = ("P1", "P2", "P3")
SIGNAL, BACKGROUND, NOISE = 1.2e6, 900.0, 0.07
LAYOUTS = ("random", "columns", "sorted", "by dose")
EFFECTS = ("gradient", "edge", "gradient and edge", "bowl", "stripes", "corner", "one plate")
METHODS: dict[str, dict[str, object]] = {
    "none": {"correction": "none"},
    "b_score": {"correction": "b_score"},
    "loess of untreated": {"correction": "loess"},
    "loess of residuals": {"correction": "loess", "loess_of": "residuals"},
    "residuals": {"correction": "residuals"},
}


def layout(kind: str, drugs: Sequence[Drug], rng: np.random.Generator) -> pd.DataFrame:
    """Wells of a screen with their true viability."""
    rows = []
    for number, plate in enumerate(PLATES):
        own = list(drugs[number :: len(PLATES)])
        for place, (well_type, treatment, dose, replicate, truth) in _placed(kind, own, rng):
            rows.append((plate, row_label(place[0] + 1), place[1] + 2, well_type, treatment, dose, replicate, truth))
    names = ["plate", "row", "column", "well_type", "treatment", "concentration_nM", "replicate", "truth"]
    wells = pd.DataFrame(rows, columns=names)
    wells["well"] = [well_name(row, column) for row, column in zip(wells["row"], wells["column"], strict=True)]
    return wells.assign(sample="S", add_on=None, add_on_concentration_nM=np.nan)


_Content = tuple[str, str | None, float | None, int, float]


def _placed(kind: str, drugs: Sequence[Drug], rng: np.random.Generator) -> Iterator[tuple[tuple[int, int], _Content]]:
    controls: list[_Content] = [*[("neg", "DMSO", 0.0, 1, 1.0)] * 10, *[("pos", "BzCl", 1e5, 1, 0.0)] * 8]
    controls.extend([("untreated", None, None, 1, 1.0)] * 5)
    controls += [
        ("TRC", STAUROSPORINE.name, dose, replicate, float(STAUROSPORINE.viability(dose)))
        for replicate in range(1, 5)
        for dose in STAUROSPORINE.doses_nM
    ]

    def series(drug: Drug, replicate: int) -> list[_Content]:
        return [("therapy", drug.name, dose, replicate, float(drug.viability(dose))) for dose in drug.doses_nM]

    everything = [(row, column) for column in range(N_COLUMNS) for row in range(N_ROWS)]
    if kind == "random":
        contents = controls + [one for drug in drugs for replicate in (1, 2) for one in series(drug, replicate)]
        places = [everything[i] for i in rng.permutation(len(everything))]
        yield from zip(places, contents, strict=False)
        return
    if kind == "columns":
        halves = [[place for place in everything if first <= place[1] < first + 11] for first in (0, 11)]
        taken = set()
        for half, replicate in zip(halves, (1, 2), strict=True):
            # Half of the controls stand anywhere among the drugs, the others in the last column of the half.
            inner = [place for place in half if place[1] % 11 < 10]
            free = set(rng.permutation(len(inner))[: len(inner) - 130].tolist())
            places = [place for i, place in enumerate(inner) if i not in free]
            contents = [one for drug in drugs for one in reversed(series(drug, replicate))]
            for place, content in zip(places, contents, strict=False):
                taken.add(place)
                yield place, content
        left = [place for place in everything if place not in taken]
        yield from zip([left[i] for i in rng.permutation(len(left))], controls, strict=False)
        return
    blocks = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [11, 12, 13, 14, 15], [16, 17, 18, 19, 20]]
    if kind == "by dose":
        blocks = [[b + 4 * d + (d > 2) for d in range(5)] for b in range(4)]
    lanes = [(row, block) for block in blocks[:2] for row in range(N_ROWS)]
    lanes += [(row, block) for block in blocks[2:] for row in range(N_ROWS)]
    for place, (drug, replicate) in enumerate((drug, replicate) for replicate in (1, 2) for drug in drugs):
        row, block = lanes[place + (2 * N_ROWS - len(drugs)) * (replicate - 1)]
        for column, content in zip(block, series(drug, replicate), strict=True):
            yield (row, column), content
    used = {column for block in blocks for column in block}
    left = [place for place in everything if place[1] not in used]
    chosen = controls[:23] + [one for one in controls[23:] if rng.random() < 0.25]
    yield from zip([left[i] for i in rng.permutation(len(left))], chosen, strict=False)


def effect(kind: str, size: float, wells: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Factor on the signal of every well."""
    factor = np.ones(len(wells))
    for number, plate in enumerate(PLATES):
        here = (wells["plate"] == plate).to_numpy()
        row = np.array([ord(label) - ord("A") - 1 for label in wells.loc[here, "row"]])
        column = wells.loc[here, "column"].to_numpy() - 2
        y, x = row / (N_ROWS - 1) * 2 - 1, column / (N_COLUMNS - 1) * 2 - 1
        ring = np.minimum(np.minimum(row, N_ROWS - 1 - row), np.minimum(column, N_COLUMNS - 1 - column))
        # The same assay was run on every plate: its effects are alike, not equal.
        own = size * rng.uniform(0.7, 1.0)
        if kind == "gradient":
            factor[here] = 1 + own / 2 * x
        elif kind == "edge":
            factor[here] = 1 - own * np.exp(-ring / 1.5)
        elif kind == "gradient and edge":
            factor[here] = (1 + own / 2 * (0.8 * x + 0.2 * y)) * (1 - own * (ring == 0))
        elif kind == "bowl":
            factor[here] = 1 - own * (x**2 + y**2) / 2
        elif kind == "stripes":
            factor[here] = (1 - own * (row % 4 == number)) * (1 - own * np.isin(column, rng.integers(0, N_COLUMNS, 2)))
        elif kind == "corner":
            factor[here] = 1 - own * np.exp(-((row - 3.0) ** 2 + (column - 4.0) ** 2) / (2 * 3.0**2))
        elif kind == "one plate" and number == 1:
            factor[here] = 1 + size / 2 * x
    return factor


def readings(wells: pd.DataFrame, factor: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Raw numbers of the wells."""
    level = wells["plate"].map({plate: np.exp(rng.normal(0, 0.15)) for plate in PLATES}).to_numpy()
    biology = np.maximum(wells["truth"].to_numpy() * (1 + 0.03 * rng.normal(size=len(wells))), 0)
    clean = SIGNAL * level * biology * factor + BACKGROUND
    return wells[["plate", "row", "column"]].assign(raw=clean * np.exp(rng.normal(0, NOISE, len(wells))))


def errors(wells: pd.DataFrame, raw: pd.DataFrame, truth: pd.Series, method: dict[str, object]) -> np.ndarray:
    """Error of DSS_asym of every drug."""
    normalisation = Normalisation(positive=("pos",))
    parameters = CorrectionParameters.model_validate(method)
    if parameters.correction != "none":
        raw = corrected_readings(raw, wells, normalisation, parameters, "benchmark").raw
    viability = scaled_viability(raw, wells, normalisation)
    curves = fit_curves(curve_points(viability, wells, per_replicate=False))
    scores = pd.Series(dss_asym(curves), index=curves.keys["drug"])
    return np.asarray((scores - truth).to_numpy())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--sizes", default="0.15,0.3")
    parser.add_argument("--layouts", default=",".join(LAYOUTS))
    parser.add_argument("--effects", default=",".join(EFFECTS))
    parser.add_argument("--methods", default=",".join(METHODS))
    asked = parser.parse_args()
    sizes = [float(text) for text in asked.sizes.split(",")]
    methods = asked.methods.split(",")
    started = time.process_time()
    click.echo(f"{'layout':8} {'effect':18} {'size':>5}" + "".join(f" {name:>18} {'ratio':>5}" for name in methods))
    for kind in asked.layouts.split(","):
        base = float("nan")
        for what, size in [("clean", 0.0), *((one, size) for one in asked.effects.split(",") for size in sizes)]:
            found: dict[str, list[np.ndarray]] = {name: [] for name in methods}
            for seed in range(asked.seeds):
                rng = np.random.default_rng([seed, 3])
                drugs = drug_library(75, seed)
                wells = layout(kind, [drugs[i] for i in rng.permutation(len(drugs))], rng)
                truth = pd.Series(true_dss_asym(drugs), index=[drug.name for drug in drugs]).sort_index()
                raw = readings(
                    wells, effect(what, size, wells, np.random.default_rng([seed, 4])), np.random.default_rng([seed, 5])
                )
                for name in methods:
                    found[name].append(errors(wells, raw, truth, METHODS[name]))
            rms = {name: float(np.sqrt(np.mean(np.concatenate(one) ** 2))) for name, one in found.items()}
            base = rms.get("none", base) if what == "clean" else base
            cells = "".join(f" {value:18.2f} {value / base:5.2f}" for value in rms.values())
            click.echo(f"{kind:8} {what:18} {size:5.2f}{cells}")
    click.echo(f"{time.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
