"""How near the truth the fits `robust` and `nplr` come, on simulated curves.

Belongs here: errors of scores and inhibitory doses of both fits on the same wells. Does not belong here:
intervals (`coverage`) and speed (`dose_response`).

DSS is `dss_asym` in points. The error of abs_IC50 is in decades; where a curve does not reach half effect within
the tested range, truth or estimate, its highest dose counts (its lowest where it starts above). Prints a
Markdown table: the table of docs/fits.md comes from here.
"""

from __future__ import annotations

import argparse
from typing import get_args

import numpy as np

from phenodose.dose_response import score_functions as scores
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import FitName, fit_curves
from phenodose.simulation.curves import Difficulty, simulate_curves

FITS: tuple[FitName, ...] = get_args(FitName)


def log10_ic50(curves: CurveBatch) -> np.ndarray:
    """log10 of the dose of half effect within the tested range, by the curve's own course from low to high dose."""
    low, high = np.log10(curves.min_dose_nM), np.log10(curves.max_dose_nM)
    grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 401)
    above = curves.inhibition_at(grid) >= 0.5
    first = np.argmax(above, axis=1)
    return np.asarray(np.where(above.any(axis=1), grid[np.arange(len(grid)), first], high))


def main() -> None:
    """Fit, compare with the truth, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=300, help="of each difficulty")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--doses", type=int, default=5)
    parser.add_argument("--replicates", type=int, default=2)
    parser.add_argument("--decades-a-dose", type=float, default=1.0)
    arguments = parser.parse_args()
    print("| curves | fit | mean DSS error | median DSS error | mean IC50 error | median IC50 error | ok | flat |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|")  # noqa: T201
    for kind in get_args(Difficulty):
        drawn = simulate_curves(
            kind,
            arguments.curves,
            arguments.seed,
            arguments.doses,
            arguments.replicates,
            arguments.decades_a_dose,
        )
        true_dss, true_ic50 = scores.dss_asym(drawn.truth), log10_ic50(drawn.truth)
        for name in FITS:
            fitted = fit_curves(drawn.points, name)
            dss = np.abs(scores.dss_asym(fitted) - true_dss)
            ic50 = np.abs(log10_ic50(fitted) - true_ic50)
            share = [f"{100 * np.mean(fitted.status == status):.0f} %" for status in ("ok", "flat")]
            errors = [f"{value:.3f}" for value in (dss.mean(), np.median(dss), ic50.mean(), np.median(ic50))]
            print(f"| {kind} | `{name}` | {' | '.join(errors + share)} |")  # noqa: T201


if __name__ == "__main__":
    main()
