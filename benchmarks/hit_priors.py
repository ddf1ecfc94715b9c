"""What P(hit) is with other priors of the score: none, the scorer's own, one from the panel, and the truth.

Run: python benchmarks/hit_priors.py [--screens 12 --seed 1]

P(hit) is of one curve and its wells and knows of no other drug of the panel. Here the same draws of the same
simulated screens (`hit_calibration`) are weighed in several ways, which change no score:

    none    all draws alike: the posterior as it is, which takes no score for commoner than another
    usual   by exp(-score / usual score): what the platform does, beside half and twice that usual score
    panel   by the distribution of scores that the panel itself shows: again and again the draws of all its drugs are
            weighed by it, and it becomes the smoothed mean of these (EM), beside a few drugs that lie anywhere
    mean    by exp(-score / (1.5 x the mean score of the panel))
    known   by the distribution of the true scores of all drugs of that simulator, which nobody has: the best there is

Log loss is the mean of -log(probability given to what is true), with probabilities of at least 0.003.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from typing import NamedTuple

import click
import numpy as np
import pandas as pd
from hit_calibration import BINS, KINDS, THRESHOLD, simulated

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import CurvePoints
from phenodose.plugins import registry

#: Scores on which distributions are written down, their step, and the widths with which they are smoothed.
GRID, STEP = np.linspace(0.0, 50.0, 201), 0.25
WIDTHS, KNOWN_WIDTH = (2.0, 4.0), 1.0
#: Drugs that are taken to lie anywhere, beside those of the panel.
ANYWHERE, ROUNDS, LEAST = 5, 8, 0.003
#: Usual scores that are compared; the second is that of `dss_asym`.
USUAL = (10.0, 20.0, 40.0)


class Panel(NamedTuple):
    """One simulated screen: its simulator, the scores of draws (drugs, draws), and the true scores (drugs,)."""

    kind: str
    draws: np.ndarray
    true: np.ndarray


def fitted(kind: str, number: int, drugs: int, draws: int, seed: int) -> Panel:
    """The same screen that `hit_calibration` fits and scores."""
    screen = simulated(kind, drugs, np.random.default_rng([seed, KINDS.index(kind), number]))
    keys = pd.DataFrame({"sample": "S", "readout": "r", "replicate": "pooled", "drug": np.arange(drugs).astype(str)})
    found = fit_curves(CurvePoints(keys, screen.x, screen.y), bootstrap=draws, seed=seed, noise="batch")
    of_draws = np.asarray(registry().create("scorer", "dss_asym").score(found.drawn(0, draws)))
    return Panel(kind, of_draws.reshape(drugs, -1), screen.true)


def flat(panel: Panel) -> np.ndarray:
    """The share of draws."""
    return np.asarray((panel.draws >= THRESHOLD).sum(axis=1) / np.isfinite(panel.draws).sum(axis=1))


def weighed(panel: Panel, density: np.ndarray) -> np.ndarray:
    """P(hit) with the draws weighed by a density on `GRID`."""
    weight = np.where(np.isfinite(panel.draws), np.interp(np.nan_to_num(panel.draws), GRID, density), 0.0)
    return np.asarray((weight * (panel.draws >= THRESHOLD)).sum(axis=1) / weight.sum(axis=1))


def of_panel(panel: Panel, width: float) -> np.ndarray:
    """The density of scores that a panel shows."""
    held = [np.clip(draws[np.isfinite(draws)], GRID[0], GRID[-1]) for draws in panel.draws]
    counts = np.stack([np.bincount(np.rint(one / STEP).astype(int), minlength=len(GRID)) for one in held if len(one)])
    smooth = np.exp(-0.5 * ((GRID[:, None] - GRID[None, :]) / width) ** 2)
    smooth /= smooth.sum(axis=0)
    density = np.full(len(GRID), 1 / len(GRID))
    for _ in range(ROUNDS):
        each = counts * density
        density = smooth @ (each / each.sum(axis=1, keepdims=True)).sum(axis=0) + ANYWHERE / len(GRID)
        density /= density.sum()
    return np.asarray(density)


def of_truth(true: np.ndarray) -> np.ndarray:
    """The density of true scores; what would lie below 0 is put back above it."""
    near = [np.exp(-0.5 * ((GRID[:, None] - sign * true[None, :]) / KNOWN_WIDTH) ** 2).sum(axis=1) for sign in (1, -1)]
    return np.asarray(sum(near) + 1e-3)


def compared(panels: list[Panel]) -> pd.DataFrame:
    """Every drug: is_hit, and a column of probabilities a prior."""
    known = {
        kind: of_truth(np.concatenate([panel.true for panel in panels if panel.kind == kind]))
        for kind in {panel.kind for panel in panels}
    }
    frames = []
    for panel in panels:
        columns = {"is_hit": panel.true >= THRESHOLD, "none": flat(panel)}
        columns |= {f"usual score {mean:g}": weighed(panel, np.exp(-GRID / mean)) for mean in USUAL}
        mean = float(np.nanmean(np.maximum(panel.draws, 0.0)))
        columns["mean of the panel"] = weighed(panel, np.exp(-GRID / (1.5 * mean)))
        columns |= {f"panel, smoothed by {width:g}": weighed(panel, of_panel(panel, width)) for width in WIDTHS}
        frames.append(pd.DataFrame(columns | {"known": weighed(panel, known[panel.kind])}))
    return pd.concat(frames, ignore_index=True).dropna()


def report(rows: pd.DataFrame) -> None:
    """Print a row a prior: said and truly hits in the bins that are not sure, and the log loss."""
    bins = list(pairwise(BINS[1:6]))
    names = [f"{low:g} to {high:g}: drugs, said, truly" for low, high in bins]
    click.echo(f"| prior | {' | '.join(names)} | log loss |\n|{'---|' * (len(names) + 2)}")
    for name in rows.columns.drop("is_hit"):
        given, is_hit, cells = rows[name], rows["is_hit"], []
        for low, high in bins:
            inside = (given > low) & (given <= high)
            share = is_hit[inside].mean()
            error = np.sqrt(max(share * (1 - share), 0.0025) / max(inside.sum(), 1))
            cells.append(f"{inside.sum()}, {given[inside].mean():.2f}, {share:.2f} ± {error:.2f}")
        loss = -np.log(np.maximum(np.where(is_hit, given, 1 - given), LEAST)).mean()
        click.echo(f"| {name} | {' | '.join(cells)} | {loss:.4f} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--screens", type=int, default=12)
    parser.add_argument("--drugs", type=int, default=40)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    numbers = range(options.screens)
    sizes = options.drugs, options.draws, options.seed
    report(compared([fitted(kind, number, *sizes) for number in numbers for kind in KINDS]))


if __name__ == "__main__":
    main()
