"""Excess of dose matrices against a known truth: errors, how often intervals hold it, and false synergy.

Run: python benchmarks/combinations.py [--pairs 300 --seed 1 --noise 0.05 --doses 5 --replicates 1 --bad 0.02]

A row is a simulator and a measure; all matrices of a simulator are computed together. The first four simulators are
those of `phenodose.simulation.dose_matrices`; the others are of this file and share nothing with the project's curves:
drugs kill in the shape of a Weibull or a log-normal distribution, Loewe's surface is found on a fine grid of effects,
and the interaction is a bump somewhere on the matrix.

The truth of HSA, Bliss and Loewe is the true surface minus the model of the true effects alone; that of ZIP and CSS is
the score of the matrix without noise. Printed are the mean true value over the matrices, the mean error of the value
(bias), the median of its size, the shares of 95 % intervals of sums and of dose pairs that hold the truth, with the
standard error of the share of sums, the median width of the interval of sums, and how many matrices are called
synergistic or antagonistic; false synergy is the first of these among the matrices without true synergy (mean excess at
most 0.01 points). The rows `all` are means over the simulators; the last line is the time of 100 matrices.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple, get_args

import click
import numpy as np
from scipy.special import ndtr

from phenodose import excess_of
from phenodose.combinations import DoseMatrix, Excess
from phenodose.simulation.dose_matrices import Interaction, simulate_matrices

MODELS = ("hsa", "bliss", "loewe", "zip")
_NO_SYNERGY = 0.01
#: Effects at which Loewe's equation is looked at, as shares of the largest.
_EFFECTS = np.linspace(0.0, 1.0, 4001)[1:-1]

Curve = Callable[[np.ndarray], np.ndarray]


class Case(NamedTuple):
    """A matrix and its truth: doses (0 first), the surface (d1, d2), and the surface of Loewe."""

    matrix: DoseMatrix
    first_nM: np.ndarray
    second_nM: np.ndarray
    surface: np.ndarray
    loewe: np.ndarray

    def without_noise(self) -> DoseMatrix:
        """The true surface as wells."""
        a, b = np.meshgrid(self.first_nM, self.second_nM, indexing="ij")
        return DoseMatrix(a.ravel(), b.ravel(), self.surface.ravel())

    def excess(self, model: str) -> np.ndarray:
        """True excess of each dose pair, percentage points."""
        first, second = self.surface[1:, :1], self.surface[:1, 1:]
        expected = {
            "hsa": np.where(first > second, first, second),
            "bliss": first + second - first * second,
            "loewe": self.loewe[1:, 1:],
        }[model]
        return np.asarray(100 * (self.surface[1:, 1:] - expected).ravel())


def other_pair(kind: str, options: argparse.Namespace, random: np.random.Generator) -> Case:
    """A pair of this file's simulator: 'bliss', 'loewe' or 'bump'."""
    drugs, axes, centres = [], [], []
    for _ in range(2):
        step = random.uniform(0.4, 1.0)
        start, span = random.uniform(-1, 2), step * (options.doses - 1)
        middle, top = start + span * random.uniform(0.15, 0.95), random.uniform(0.35, 1.0)
        drugs.append(_weibull(middle, top, random) if random.random() < 0.5 else _log_normal(middle, top, random))
        axes.append(np.concatenate([[0.0], 10 ** (start + step * np.arange(options.doses))]))
        centres.append((start + span * random.uniform(0.2, 0.8), span))
    effects = [drug(axis) for drug, axis in zip(drugs, axes, strict=True)]
    loewe = _loewe_on_a_grid(drugs, axes)
    surface = loewe if kind == "loewe" else 1 - (1 - effects[0])[:, None] * (1 - effects[1])
    if kind == "bump":
        with np.errstate(divide="ignore"):
            away = [(np.log10(axis) - c) / (0.3 * span) for axis, (c, span) in zip(axes, centres, strict=True)]
        bump = np.exp(-0.5 * (away[0][:, None] ** 2 + away[1] ** 2)) * random.uniform(0.1, 0.4) * random.choice([-1, 1])
        surface = np.clip(surface + bump, 0.0, 1.0)
    a, b = (np.tile(grid.ravel(), options.replicates) for grid in np.meshgrid(*axes, indexing="ij"))
    seen = np.tile(surface.ravel(), options.replicates)
    seen = seen + options.noise * random.standard_normal(len(seen))
    return Case(DoseMatrix(a, b, seen), axes[0], axes[1], surface, loewe)


def _weibull(middle: float, top: float, random: np.random.Generator) -> Curve:
    shape = random.uniform(0.5, 1.6)
    return lambda dose: np.asarray(top * -np.expm1(-np.log(2) * (dose / 10**middle) ** shape))


def _log_normal(middle: float, top: float, random: np.random.Generator) -> Curve:
    decades = random.uniform(0.3, 1.0)

    def effect(dose: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.asarray(top * ndtr((np.log10(dose) - middle) / decades))

    return effect


def _loewe_on_a_grid(drugs: list[Curve], axes: list[np.ndarray]) -> np.ndarray:
    """Additive effects (d1, d2): the first of many effects at which the shares of the doses sum to less than 1."""
    doses = np.concatenate([[0.0], np.logspace(-6, 10, 8001)])
    curves = [drug(doses) for drug in drugs]
    effects = _EFFECTS * max(curve[-1] for curve in curves)
    shares = []
    for curve, axis in zip(curves, axes, strict=True):
        rising, first = np.unique(curve, return_index=True)
        needed = np.interp(effects, rising, doses[first])
        needed[effects >= curve[-1] * (1 - 1e-9)] = np.inf
        shares.append(axis[:, None] / needed)
    together = shares[0][:, None, :] + shares[1][None, :, :]
    at = (together > 1).sum(axis=2)
    return np.asarray(np.where(at > 0, effects[np.minimum(at, len(effects) - 1)], 0.0))


def cases(kind: str, options: argparse.Namespace) -> list[Case]:
    """The pairs of a simulator."""
    if kind in get_args(Interaction):
        size = (options.pairs, options.seed, options.doses, options.replicates, options.noise)
        drawn = simulate_matrices(kind, *size)  # type: ignore[arg-type]
        return [Case(one.matrix, one.first_nM, one.second_nM, one.inhibition, one.loewe) for one in drawn]
    random = np.random.default_rng([options.seed, *kind.encode()])
    return [other_pair(kind.removeprefix("other "), options, random) for _ in range(options.pairs)]


class Row(NamedTuple):
    """What is averaged over the simulators: mean error, and shares of intervals that hold the truth."""

    measure: str
    bias: float
    sums_held: float
    pairs_held: float


def spoilt(
    some: list[Case], share: float, random: np.random.Generator
) -> tuple[list[DoseMatrix], set[tuple[float, ...]]]:
    """The matrices with a share of the wells with both drugs off by 50 points, and which these are."""
    found, bad = [], set()
    for number, case in enumerate(some):
        one = case.matrix
        both = (one.first_nM > 0) & (one.second_nM > 0) & (random.random(len(one.inhibition)) < share)
        off = np.where(both, random.choice([-0.5, 0.5], len(both)), 0.0)
        found.append(DoseMatrix(one.first_nM, one.second_nM, one.inhibition + off))
        bad |= {(number, a, b) for a, b in zip(one.first_nM[both], one.second_nM[both], strict=True)}
    return found, bad


def print_rows(kind: str, some: list[Case], found: Excess, clean: Excess) -> list[Row]:
    """Print one row a measure."""
    rows = []
    for measure in (*MODELS, "css"):
        sums = found.sums[found.sums["measure"] == measure]
        value, lower, upper = (sums[name].to_numpy(float) for name in ("value", "lower", "upper"))
        true = clean.sums.loc[clean.sums["measure"] == measure, "value"].to_numpy(float)
        pairs_held = np.nan
        if measure != "css":
            pairs = found.pairs[found.pairs["model"] == measure]
            low, high = pairs["lower_percent"].to_numpy(), pairs["upper_percent"].to_numpy()
            if measure == "zip":
                by_pair = clean.pairs.loc[clean.pairs["model"] == "zip", "excess_percent"].to_numpy()
            else:
                by_pair = np.concatenate([one.excess(measure) for one in some])
                true = by_pair.reshape(len(some), -1).mean(axis=1)
            pairs_held = float(np.mean((low <= by_pair) & (by_pair <= high)))
        error, held = value - true, float(np.mean((lower <= true) & (true <= upper)))
        rows.append(Row(measure, float(error.mean()), held, pairs_held))
        cells = "" if measure == "css" else f"{pairs_held:.3f}"
        called = [sums["interaction"] == name for name in ("synergy", "antagonism")]
        none = true <= _NO_SYNERGY
        shares = [f"{100 * one.mean():.1f} %" if measure != "css" else "" for one in called]
        false = f"{100 * called[0].to_numpy()[none].mean():.1f} %" if none.any() and measure != "css" else ""
        width = np.median(upper - lower)
        spread = np.sqrt(0.95 * 0.05 / len(some))
        numbers = (
            f"{true.mean():.1f} | {error.mean():+.2f} | {np.median(np.abs(error)):.2f} | {held:.3f} ± {spread:.3f}"
        )
        click.echo(f"| {kind} | {measure} | {numbers} | {cells} | {width:.1f} | {shares[0]} | {shares[1]} | {false} |")
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=300, help="matrices of each simulator")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--noise", type=float, default=0.05, help="standard deviation of a well, fraction of inhibition"
    )
    parser.add_argument("--doses", type=int, default=5, help="of each drug, besides 0; 5 makes matrices of 6 x 6")
    parser.add_argument("--replicates", type=int, default=1, help="wells of every dose pair")
    parser.add_argument("--bad", type=float, default=0.0, help="share of the wells with both drugs off by 50 points")
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    head = ("true mean", "bias", "median error", "sums held", "pairs held", "width", "synergy", "antagonism")
    head = ("simulator", "measure", *head, "false synergy")  # type: ignore[assignment]
    click.echo("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    seconds, rows, told, right, there = 0.0, [], 0, 0, 0
    kinds = (*get_args(Interaction), "other bliss", "other loewe", "other bump")
    for kind in kinds:
        some = cases(kind, options)
        wells, bad = spoilt(some, options.bad, np.random.default_rng([options.seed, *kind.encode()]))
        start = time.process_time()
        found = excess_of(wells, draws=options.draws, seed=options.seed)
        seconds += time.process_time() - start
        named = set(found.doubtful[["matrix", "first_nM", "second_nM"]].itertuples(index=False, name=None))
        told, right, there = told + len(named), right + len(named & bad), there + len(bad)
        rows += print_rows(kind, some, found, excess_of([one.without_noise() for one in some], draws=0))
    spread = np.sqrt(0.95 * 0.05 / (len(kinds) * options.pairs))
    for measure in (*MODELS, "css"):
        bias, held, pairs = np.array([row[1:] for row in rows if row.measure == measure]).mean(axis=0)
        last = "" if measure == "css" else f"{pairs:.3f}"
        click.echo(f"| all | {measure} |  | {bias:+.2f} |  | {held:.3f} ± {spread:.3f} | {last} |  |  |  |  |")
    click.echo(f"\ndose pairs with a bad well: {there}; called doubtful: {told}, of which {right} hold one")
    click.echo(f"100 matrices: {100 * seconds / (len(kinds) * options.pairs):.1f} CPU seconds")


if __name__ == "__main__":
    main()
