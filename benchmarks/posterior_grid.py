"""How near the draws of an interval come to the posterior itself, by the cells of the grid from which they start.

Belongs here: 200 draws of a curve as screens make them against 4,000 draws on a grid with nine times as many cells and
four times as many moves. Does not belong here: whether the posterior holds the truth (`coverage`).

Of each kind of curves the root mean square by which the ends and the middle of the interval of `dss_asym` are off, in
widths of the interval (0.3 points at least), and by which P(hit) is. Chance alone is most of it: with 200
independent draws of a normal posterior an end is off by 0.05 widths and the middle by 0.02 (the standard error of a
quantile, sqrt(p (1 - p) / 200) over the density there).
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from phenodose.dose_response import evidence, posterior
from phenodose.dose_response.curve_prior import Noise
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.noise import noise_of_batch
from phenodose.dose_response.score_functions import dss_asym
from phenodose.simulation.curves import Difficulty, simulate_curves

KINDS: tuple[Difficulty, ...] = ("clean", "noisy", "partial", "outlier")
#: Cells over mid dose, slope and asymmetry, places spread over the grid for each that is kept, and sweeps.
Way = tuple[tuple[int, int, int], int, int]
REFERENCE: Way = ((48, 14, 5), 4, 25)
USED: Way = (evidence.CELLS, posterior.SPREAD, posterior.SWEEPS)
OTHERS: tuple[Way, ...] = (((24, 7, 3), 4, 6), ((16, 5, 3), 3, 6))
HIT = 10.0
LEAST_WIDTH = 0.3


def ends(
    curves: CurveBatch, noise: list[tuple[np.ndarray, Noise]], way: Way, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ends and middle of the intervals (3, n), and the share of hits (n,), of draws made in that way."""
    evidence.CELLS = posterior.CELLS = way[0]
    posterior.SPREAD, posterior.SWEEPS = way[1:]
    for kept in (evidence.grid_over, evidence._moves, evidence._tables):
        kept.cache_clear()
    drawn = np.empty((len(curves), draws, 5))
    for which, known in noise:
        drawn[which] = posterior.posterior_draws(curves.select(which), draws, seed, known)
    scores = dss_asym(replace(curves, draws=drawn).drawn(0, draws)).reshape(len(curves), draws)
    return np.quantile(scores, [0.025, 0.5, 0.975], axis=1), (scores >= HIT).mean(axis=1)


def main() -> None:
    """Compare the ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=400, help="of each kind")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=200)
    arguments = parser.parse_args()
    print("| curves | cells | spread | sweeps | lower | middle | upper | P(hit) |\n|---|---|---|---|---|---|---|---|")  # noqa: T201
    for kind in KINDS:
        curves = fit_curves(simulate_curves(kind, arguments.curves, 11).points)
        noise = noise_of_batch(curves)
        true, true_hits = ends(curves, noise, REFERENCE, 4000, 99)
        width = np.maximum(true[2] - true[0], LEAST_WIDTH)
        for way in (USED, *OTHERS):
            off, off_hits = [], []
            for seed in range(arguments.seeds):
                found, hits = ends(curves, noise, way, arguments.draws, seed)
                off.append((found - true) / width)
                off_hits.append(hits - true_hits)
            low, middle, high = np.sqrt(np.mean(np.square(off), axis=(0, 2)))
            of_hits = np.sqrt(np.mean(np.square(off_hits)))
            cells = " x ".join(map(str, way[0]))
            print(  # noqa: T201
                f"| {kind} | {cells} | {way[1]} | {way[2]} | {low:.3f} | {middle:.3f} | {high:.3f} | {of_hits:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
