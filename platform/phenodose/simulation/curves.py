"""Simulated dose-response points with known true curves, for judging fits and intervals.

Belongs here: true curves of several difficulties and the wells they give. Does not belong here: whole
screens (`screen`), judging (`benchmarks/`, `docs/`).

The truth is drawn from wide distributions that no setting of a fit was taken from; slope, asymmetry, level
and potency vary independently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import CurvePoints
from phenodose.errors import InputError

#: clean: noise 0.02. noisy: 0.10. partial: 0.05, and half effect or less at the highest dose. flat: 0.10, a
#: constant between no effect and 10 %. outlier: 0.03, and one well is off by 0.4 to 0.9.
Difficulty = Literal["clean", "noisy", "partial", "flat", "outlier"]

_NOISE = {"clean": 0.02, "noisy": 0.10, "partial": 0.05, "flat": 0.10, "outlier": 0.03}
_LOWEST_LOG10_NM = (-1.0, 0.0, 1.0)


@dataclass(frozen=True)
class SimulatedCurves:
    """Wells and the curves they were drawn from, row by row.

    Attributes:
        points: what a screen measures.
        truth: the true curves, over the same tested range; status 'flat' for constants, else 'ok'.
    """

    points: CurvePoints
    truth: CurveBatch


def simulate_curves(
    difficulty: Difficulty, n: int, seed: int, doses: int = 5, replicates: int = 2, decades_a_dose: float = 1.0
) -> SimulatedCurves:
    """Draw n true curves and their wells.

    Args:
        difficulty: see `Difficulty`.
        n: number of curves.
        seed: makes the draw repeatable.
        doses: different doses of a curve.
        replicates: wells at each dose.
        decades_a_dose: distance of neighbouring doses in log10.

    Raises:
        InputError: there is no such difficulty.
    """
    if difficulty not in get_args(Difficulty):
        raise InputError(f"difficulty {difficulty!r}: there are {', '.join(get_args(Difficulty))}.")
    rng = np.random.default_rng([seed, get_args(Difficulty).index(difficulty)])
    lowest = rng.choice(_LOWEST_LOG10_NM, n)
    span = (doses - 1) * decades_a_dose
    x = np.repeat(lowest[:, None] + decades_a_dose * np.arange(doses), replicates, axis=1)
    parameters = _true_parameters(difficulty, rng, n, lowest, span)
    y = inhibition(x, *(column[:, None] for column in parameters))
    y = y + rng.normal(0.0, _NOISE[difficulty], y.shape)
    if difficulty == "outlier":
        which = rng.integers(0, y.shape[1], n)
        y[np.arange(n), which] += rng.choice((-1.0, 1.0), n) * rng.uniform(0.4, 0.9, n)
    keys = pd.DataFrame({"curve_id": np.arange(n)})
    return SimulatedCurves(CurvePoints(keys, x, y), _truth(difficulty, keys, x, parameters, doses))


def _true_parameters(
    difficulty: Difficulty, rng: np.random.Generator, n: int, lowest: np.ndarray, span: float
) -> np.ndarray:
    """Parameters (5, n) in the order of `models.PARAMETERS`."""
    bottom = rng.normal(0.0, 0.02, n)
    slope = np.exp(rng.normal(np.log(1.2), 0.4, n))
    asymmetry = np.where(rng.random(n) < 0.5, 1.0, np.exp(rng.normal(0.0, 0.4, n)))
    if difficulty == "flat":
        level = rng.uniform(0.0, 0.1, n)
        return np.stack([level, level, lowest + span / 2, slope, np.ones(n)])
    if difficulty == "partial":
        late = rng.random(n) < 0.5
        top = np.where(late, rng.uniform(0.7, 1.05, n), rng.uniform(0.15, 0.5, n))
        mid = lowest + span * np.where(late, rng.uniform(0.85, 1.1, n), rng.uniform(0.2, 0.9, n))
    else:
        top = rng.uniform(0.3, 1.05, n)
        mid = lowest + span * rng.uniform(0.05, 0.95, n)
    return np.stack([bottom, top, mid, slope, asymmetry])


def _truth(difficulty: Difficulty, keys: pd.DataFrame, x: np.ndarray, parameters: np.ndarray, doses: int) -> CurveBatch:
    n = len(keys)
    bottom, top, log10_mid, slope, asymmetry = parameters
    flat = difficulty == "flat"
    return CurveBatch(
        keys=keys,
        log10_dose=x,
        inhibition=inhibition(x, *(column[:, None] for column in parameters)),
        fit="robust",
        model=np.full(n, 5, dtype=np.int64),
        bottom=bottom,
        top=top,
        log10_mid=log10_mid,
        slope=slope,
        asymmetry=asymmetry,
        gof=np.ones(n),
        objective=np.zeros(n),
        min_dose_nM=10 ** x[:, 0],
        max_dose_nM=10 ** x[:, -1],
        n_doses=np.full(n, doses, dtype=np.int64),
        n_points=np.full(n, x.shape[1], dtype=np.int64),
        status=np.full(n, "flat" if flat else "ok", dtype=object),
        reason=np.full(n, "the true curve is constant." if flat else "", dtype=object),
    )
