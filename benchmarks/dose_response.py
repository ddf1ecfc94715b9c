"""Curve fits a second: the batch engine against scipy, one call a curve, on the same made-up screen.

Both fit the four-parameter curve's family by bounded least squares from several starts; the batch engine
also chooses between two and five parameters. Prints the median of the ratio over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import CurvePoints, points_from_long


def made_up_screen(curves: int, seed: int) -> pd.DataFrame:
    """Ten wells a curve: five doses in a tenfold series, twice, 5 % noise."""
    rng = np.random.default_rng(seed)
    dose = np.repeat(10.0 ** np.arange(5), 2)
    mid, slope, top = rng.uniform(0, 4.5, curves), rng.uniform(0.5, 2, curves), rng.uniform(0.1, 1.05, curves)
    truth = top[:, None] / (1 + 10 ** ((mid[:, None] - np.log10(dose)) * slope[:, None]))
    inhibition = truth + rng.normal(0, 0.05, truth.shape)
    return pd.DataFrame(
        {
            "curve_id": np.repeat(np.arange(curves), len(dose)),
            "concentration_nM": np.tile(dose, curves),
            "inhibition": inhibition.ravel(),
        }
    )


def scipy_one_by_one(points: CurvePoints) -> None:
    """Four parameters, three starts a curve, bounds, as a careful script would do it."""
    for x, y in zip(points.log10_dose, points.inhibition, strict=True):

        def residual(p: np.ndarray, x: np.ndarray = x, y: np.ndarray = y) -> np.ndarray:
            return p[0] + (p[1] - p[0]) / (1 + 10 ** ((p[2] - x) * p[3])) - y

        for mid in np.quantile(x, (0.25, 0.5, 0.75)):
            least_squares(residual, (0.0, 0.9, mid, 1.0), bounds=((-0.3, -0.3, -2, 0.2), (1.5, 1.5, 8, 6)))


def main() -> None:
    """Time both, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    points = points_from_long(made_up_screen(arguments.curves, seed=1), ["curve_id"])
    fit_curves(points)
    ratios, ours = [], []
    for _ in range(arguments.rounds):
        start = time.process_time()
        fit_curves(points)
        middle = time.process_time()
        scipy_one_by_one(points)
        ours.append(middle - start)
        ratios.append((time.process_time() - middle) / (middle - start))
    print(f"batch engine: {arguments.curves / statistics.median(ours):.0f} curves/s (CPU)")  # noqa: T201
    print(f"scipy one by one needs {statistics.median(ratios):.1f} times the CPU time")  # noqa: T201


if __name__ == "__main__":
    main()
