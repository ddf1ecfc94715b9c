"""Curve fits a second and memory: the batch engine against scipy, one call a curve, on the same curves.

Belongs here: timing of `fit_curves`. Does not belong here: how near the truth a fit comes (`fit_accuracy`).

All times are CPU seconds of one process on one core, both sides in turn. scipy is timed on a sample of the
curves, and so is CurveCurator where it is installed (`--curve-curator PYTHON`: the Python of an environment that has
it). Prints one table: who fits what, fits a CPU-second, how many times the yardstick beside it; one screen with all
intervals; the memory that fitting takes; and a plain loop before and after, since a core that others use too is slower.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import OptimizeWarning, curve_fit

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import CURVE_KEYS, CurvePoints, points_from_long
from phenodose.dose_response.scoring import score_curves
from phenodose.plugins import registry
from phenodose.simulation.curves import Difficulty, simulate_curves

#: Fits a CPU-second of the R package nplr (all models and its refit) on the 75 curves of a screen: measured once
#: in R, not here.
NPLR_IN_R = 33.0
LN10 = np.log(10.0)
DIFFICULTIES: tuple[Difficulty, ...] = ("clean", "noisy", "partial", "outlier")


def many_curves(curves: int, seed: int) -> CurvePoints:
    """Ten wells a curve, four difficulties in equal parts."""
    parts = [simulate_curves(kind, curves // len(DIFFICULTIES), seed).points for kind in DIFFICULTIES]
    doses, values = (np.vstack([getattr(part, name) for part in parts]) for name in ("log10_dose", "inhibition"))
    return CurvePoints(pd.DataFrame({"curve_id": np.arange(len(doses))}), doses, values)


def some_curves(points: CurvePoints, number: int) -> CurvePoints:
    """An evenly spread sample."""
    which = np.linspace(0, len(points) - 1, number).astype(int)
    return CurvePoints(points.keys.iloc[which], points.log10_dose[which], points.inhibition[which])


def five(x: np.ndarray, bottom: float, top: float, mid: float, slope: float, log_asymmetry: float) -> np.ndarray:
    """The five-parameter curve."""
    rise = np.exp(-np.exp(log_asymmetry) * np.logaddexp(0, LN10 * slope * (mid - x)))
    return np.asarray(bottom + (top - bottom) * rise)


#: Curve and start (bottom, top, mid, slope, asymmetry) of every number of parameters; None takes the place of the mid.
MODELS: dict[int, tuple[Callable[..., np.ndarray], tuple[float | None, ...]]] = {
    5: (five, (0.0, 0.9, None, 1.0, 0.0)),
    4: (lambda x, b, t, m, h: five(x, b, t, m, h, 0.0), (0.0, 0.9, None, 1.0)),
    3: (lambda x, t, m, h: five(x, 0.0, t, m, h, 0.0), (0.9, None, 1.0)),
    2: (lambda x, m, h: five(x, 0.0, 1.0, m, h, 0.0), (None, 1.0)),
}


def scipy_one_by_one(points: CurvePoints, models: tuple[int, ...], starts: tuple[float, ...]) -> np.ndarray:
    """Least sum of squares of every curve over models and starts (quantiles of the tested range), by `curve_fit`."""
    least = np.full(len(points), np.inf)
    for i, (x, y) in enumerate(zip(points.log10_dose, points.inhibition, strict=True)):
        for model in models:
            curve, start = MODELS[model]
            for mid in np.quantile(x, starts):
                try:
                    found, _ = curve_fit(curve, x, y, [mid if v is None else v for v in start], method="lm")
                except RuntimeError:
                    continue  # it has not converged
                least[i] = min(least[i], float(np.sum((curve(x, *found) - y) ** 2)))
    return least


#: What CurveCurator does with a curve by default: four parameters by least squares, `speed = "standard"`.
CURVE_CURATOR = """
import sys, time
import numpy as np
from curve_curator.models import LogisticModel, MeanModel
x, y = np.load(sys.argv[1])
def fit(doses, values):
    flat, model = MeanModel(max_iterations=1000), LogisticModel(max_iterations=1000)
    flat.set_boundaries()
    model.set_boundaries(doses)
    flat.set_initial_guess(np.mean(values), np.std(values))
    flat.fit_ols(doses, values)
    model.efficiently_fit_ols(doses, values, noise=flat.noise)
fit(x[0], y[0])
start = time.process_time()
for doses, values in zip(x, y):
    fit(doses, values)
print(len(x) / (time.process_time() - start))
"""


def curve_curator(points: CurvePoints, python: str) -> float:
    """Fits a CPU-second of CurveCurator's guided least-squares fit, in the environment of that Python."""
    with tempfile.TemporaryDirectory() as scratch:
        wells = Path(scratch) / "wells.npy"
        np.save(wells, np.stack([points.log10_dose - 9, 1 - points.inhibition]))
        run = [python, "-c", CURVE_CURATOR, str(wells)]
        return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def one_screen(drugs: int, readouts: int, seed: int) -> CurvePoints:
    """A screen's curves, pooled and by replicate: two replicates of five doses; four drugs in ten do nothing."""
    random = np.random.default_rng(seed)
    rows = []
    for readout in range(readouts):
        for drug in range(drugs):
            does = random.random() < 0.6
            bottom = random.normal(0, 0.02)
            top = random.uniform(0.2, 1.0) if does else random.normal(0, 0.03)
            mid, slope = random.uniform(0.5, 4.0), np.exp(random.normal(0.2, 0.5))
            dose = np.tile(np.arange(5.0), 2) + drug % 2
            values = five(dose, bottom, top, mid, slope, 0.0) + random.normal(0, 0.04 + 0.02 * readout, 10)
            for well, (at, value) in enumerate(zip(dose, values, strict=True)):
                rows += [("", f"readout {readout}", of, f"drug {drug}", 10**at, value) for of in ("pooled", well // 5)]
    table = pd.DataFrame(rows, columns=[*CURVE_KEYS, "concentration_nM", "inhibition"])
    return points_from_long(table.astype({"replicate": str}), CURVE_KEYS)


def scored(points: CurvePoints) -> None:
    """Fits, 200 draws of each curve, and the default score with its interval."""
    score_curves(fit_curves(points, bootstrap=200, noise="batch"), registry().create("scorer", "dss_asym"))


def loop() -> float:
    """CPU seconds of a plain loop: about 0.5 on a core that nobody else uses."""
    clock, summed = time.process_time(), 0
    for number in range(10_000_000):
        summed += number
    return time.process_time() - clock


def cpu_seconds(work: Callable[..., object], *arguments: object, **named: object) -> float:
    """CPU seconds that one call takes."""
    start = time.process_time()
    work(*arguments, **named)
    return time.process_time() - start


def main() -> None:
    """Time all in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=500, help="curves that scipy fits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--curve-curator", metavar="PYTHON", help="a Python with curve-curator, to time that too")
    parser.add_argument("--memory", action="store_true", help="measure memory too; slows everything down")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", OptimizeWarning)
    points = many_curves(arguments.curves, arguments.seed)
    sample = some_curves(points, arguments.sample)
    few = some_curves(points, max(arguments.sample // 5, 1))
    loops = [loop()]
    fit_curves(few)
    scipy_five = len(sample) / cpu_seconds(scipy_one_by_one, sample, (5,), (0.5,))
    ours_five = len(points) / cpu_seconds(fit_curves, points, model=5)
    scipy_all = len(few) / cpu_seconds(scipy_one_by_one, few, (2, 3, 4, 5), (0.25, 0.5, 0.75))
    ours_all = len(points) / cpu_seconds(fit_curves, points)
    nplr = len(sample) / cpu_seconds(fit_curves, sample, "nplr")
    screen = one_screen(75, 4, arguments.seed)
    scored(one_screen(2, 1, arguments.seed))
    of_screen = cpu_seconds(scored, screen)
    loops.append(loop())
    rows = [
        ("scipy curve_fit, 5 parameters, one start", scipy_five, ""),
        ("fit_curves(model=5), one start", ours_five, f"{ours_five / scipy_five:.0f} x the line above"),
        ("scipy curve_fit, 2 to 5 parameters, three starts", scipy_all, ""),
        ("nplr in R, all models (stated, not measured here)", NPLR_IN_R, ""),
        (
            "fit_curves(), robust, all models, several starts",
            ours_all,
            f"{ours_all / scipy_all:.0f} x scipy, {ours_all / NPLR_IN_R:.0f} x nplr in R",
        ),
        ("fit_curves('nplr')", nplr, f"{nplr / NPLR_IN_R:.1f} x nplr in R"),
    ]
    if arguments.curve_curator:
        theirs = curve_curator(few, arguments.curve_curator)
        rows.insert(2, ("CurveCurator, 4 parameters, several starts", theirs, ""))
    print(f"{len(points)} curves of 10 wells, scipy and nplr on a sample; one core")  # noqa: T201
    for name, rate, ratio in rows:
        print(f"{name:52s} {rate:8.0f} fits/CPU-second  {ratio}")  # noqa: T201
    print(  # noqa: T201
        f"one screen: 75 drugs x 4 readouts, pooled and by replicate ({len(screen)} curves), fits, 200 draws each, "
        f"dss_asym with its interval: {of_screen:.2f} CPU-s"
    )
    print(f"a loop of 10 million additions, before and after: {loops[0]:.2f} and {loops[1]:.2f} CPU-s")  # noqa: T201
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"largest memory of the whole process: {peak:.0f} MiB")  # noqa: T201
    if arguments.memory:
        print_memory(points)


def print_memory(points: CurvePoints) -> None:
    """Peak of what fitting allocates, for a quarter, a half and all of the curves."""
    for part in (4, 2, 1):
        some = some_curves(points, len(points) // part)
        tracemalloc.start()
        fit_curves(some)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"{len(some):7d} curves: {peak:6.0f} MiB at the peak, {2**20 * peak / len(some):.0f} bytes a curve")  # noqa: T201


if __name__ == "__main__":
    main()
