"""How often 95 % intervals hold the truth, on simulated curves with known truth.

Run: python benchmarks/coverage.py [--curves 1000 --seed 1 --intervals posterior]

A row is one kind of curves, fitted and scored as one batch, as the command `score` does with a sample. The first rows
are the difficulties of `phenodose.simulation.curves`; the others come from a simulator of this file with other
distributions of tops, mid doses, slopes and noise. Printed are the share of intervals that hold the true score, with
the standard error of that share, and the median width of the interval. `log10 abs_ic50` counts curves whose true IC50
lies in the tested range. A flat drug's true dss_asym is 0, the least value there is: its intervals start there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import click
import numpy as np
import pandas as pd

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.scoring import score_with_all
from phenodose.plugins import registry
from phenodose.simulation.curves import SimulatedCurves, simulate_curves

SCORERS = ("dss_asym", "auc", "abs_ic50")


class Case(NamedTuple):
    """A kind of curves: a difficulty of the platform's simulator, or a noise of this file's."""

    kind: str
    doses: int = 5
    replicates: int = 2
    decades_a_dose: float = 1.0


CASES = (
    *(Case(kind) for kind in ("clean", "noisy", "partial", "flat", "outlier")),
    *(Case(kind, replicates=1) for kind in ("clean", "noisy", "partial", "flat", "outlier")),
    *(Case(kind, replicates=3) for kind in ("clean", "noisy", "partial", "flat", "outlier")),
    *(Case(kind, doses=8, decades_a_dose=0.5) for kind in ("clean", "noisy", "partial", "flat", "outlier")),
    *(Case(kind) for kind in ("normal", "low noise", "steep", "heavy tails", "with viability", "differing", "weak")),
    *(Case(kind, replicates=1) for kind in ("normal", "differing")),
    Case("normal", doses=4, replicates=3),
)


def simulated(case: Case, n: int, seed: int) -> SimulatedCurves:
    """Curves of a case with their truth."""
    if case.kind in ("clean", "noisy", "partial", "flat", "outlier"):
        return simulate_curves(case.kind, n, seed, case.doses, case.replicates, case.decades_a_dose)  # type: ignore[arg-type]
    template = simulate_curves("clean", n, seed, case.doses, case.replicates, case.decades_a_dose)
    rng = np.random.default_rng([seed, len(case.kind)])
    x, span = template.points.log10_dose, (case.doses - 1) * case.decades_a_dose
    slope = (np.log(2.5), 0.4) if case.kind == "steep" else (0.0, 0.5)
    parameters = np.stack(
        [
            rng.normal(0.0, 0.03, n),
            rng.uniform(0.0, 0.3, n) if case.kind == "weak" else rng.uniform(0.1, 1.0, n),
            x[:, 0] + span * rng.uniform(0.0, 1.2, n),
            np.exp(rng.normal(*slope, n)),
            np.ones(n),
        ]
    )
    true = inhibition(x, *(column[:, None] for column in parameters))
    noise = {
        "normal": 0.05 * rng.standard_normal(x.shape),
        "low noise": 0.01 * rng.standard_normal(x.shape),
        "steep": 0.04 * rng.standard_normal(x.shape),
        "weak": 0.05 * rng.standard_normal(x.shape),
        "heavy tails": 0.042 * rng.standard_t(4, x.shape),
        "with viability": 0.10 * (1.3 - true) * rng.standard_normal(x.shape),
        "differing": 0.05 * np.exp(rng.normal(0.0, 0.5, (n, 1))) * rng.standard_normal(x.shape),
    }[case.kind]
    names = ("bottom", "top", "log10_mid", "slope", "asymmetry")
    truth = replace(template.truth, inhibition=true, **dict(zip(names, parameters, strict=True)))
    return SimulatedCurves(CurvePoints(template.points.keys, x, true + noise), truth)


class Coverage(NamedTuple):
    """How often the intervals of one scorer hold the truth, over so many curves."""

    scorer: str
    held: float
    curves: int
    width: float

    @property
    def standard_error(self) -> float:
        """Of `held`, if 95 % are held."""
        return float(np.sqrt(0.95 * 0.05 / max(self.curves, 1)))


def coverage(simulation: SimulatedCurves, intervals: str, draws: int, seed: int) -> Iterator[Coverage]:
    """Coverage of every scorer over a batch."""
    truth = simulation.truth
    found = fit_curves(simulation.points, bootstrap=draws, seed=seed, intervals=intervals, noise="batch")  # type: ignore[arg-type]
    scorers = [registry().create("scorer", name) for name in SCORERS]
    tables = zip(score_with_all(found, scorers), score_with_all(truth, scorers), strict=True)
    for scorer, (rows, true_rows) in zip(SCORERS, tables, strict=True):
        true, lower, upper = (table.to_numpy(float) for table in (true_rows["score"], rows["lower"], rows["upper"]))
        known = np.isfinite(true) & np.isfinite(lower)
        if scorer == "abs_ic50":
            known &= (true_rows["bound"] == "=").to_numpy()
            true, lower, upper = np.log10(true), np.log10(lower), np.log10(upper)
        tiny = 1e-9
        held = (lower - tiny <= true) & (true <= upper + tiny)
        n = int(known.sum())
        share, width = (float(held[known].mean()), float(np.median((upper - lower)[known]))) if n else (np.nan, np.nan)
        yield Coverage(scorer, share, n, width)


def mixture(n: int, seed: int) -> tuple[CurveBatch, CurvePoints, list[str]]:
    """All difficulties in one batch: their truth, their points, and which curve is what."""
    parts = [simulated(Case(kind), n, seed) for kind in ("clean", "noisy", "partial", "flat", "outlier")]
    keys = pd.DataFrame({"curve_id": np.arange(5 * n)})
    x, y = (np.concatenate([getattr(part.points, name) for part in parts]) for name in ("log10_dose", "inhibition"))
    names = ("bottom", "top", "log10_mid", "slope", "asymmetry", "min_dose_nM", "max_dose_nM", "status", "reason")
    names += ("model", "gof", "objective", "n_doses", "n_points", "log10_dose", "inhibition")
    joined = {name: np.concatenate([getattr(part.truth, name) for part in parts]) for name in names}
    kinds = [kind for kind in ("clean", "noisy", "partial", "flat", "outlier") for _ in range(n)]
    return replace(parts[0].truth, keys=keys, **joined), CurvePoints(keys, x, y), kinds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--intervals", choices=["posterior", "bootstrap"], default="posterior")
    options = parser.parse_args()
    head = ("dss_asym", "width", "auc", "width", "log10 abs_ic50", "width")
    click.echo("| curves | doses x wells | " + " | ".join(head) + " |\n|---|---|" + "---|" * len(head))

    def row(name: str, design: str, simulation: SimulatedCurves) -> None:
        cells = []
        for one in coverage(simulation, options.intervals, options.draws, options.seed):
            cells.append(f"{one.held:.3f} ± {one.standard_error:.3f}" if one.curves else "")
            cells.append(f"{one.width:.3g}" if one.curves else "")
        click.echo(f"| {name} | {design} | " + " | ".join(cells) + " |")

    for case in CASES:
        row(case.kind, f"{case.doses} x {case.replicates}", simulated(case, options.curves, options.seed))
    truth, points, _ = mixture(options.curves // 5, options.seed)
    row("the first five mixed", "5 x 2", SimulatedCurves(points, truth))


if __name__ == "__main__":
    main()
