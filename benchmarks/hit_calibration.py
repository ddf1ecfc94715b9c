"""Whether P(hit) means what it says, and how many of the called hits are none, on simulated screens of known truth.

Run: python benchmarks/hit_calibration.py [--screens 20 --drugs 40 --seed 1]

The curves of a screen are fitted and scored as the command `score` does, and called over the panel. A drug is truly a
hit if the score of its true curve over the tested doses reaches the threshold; that score is computed on 400 points of
the true curve, by the formula (of `own` by the scorer, from the true parameters). Half of the drugs of a panel have a
true score from 5 to 16, as far ones are sure whatever the method. `own` draws from the platform's own simulator. The
others share neither its curves nor its noise, and six of them not the fitted family of curves:

    other noise   logistic, other tops, mid doses and slopes; noise rises with viability and has heavy tails
    two targets   two logistic steps, which no curve of five parameters follows; noise differs from curve to curve
    gompertz      Gompertz curves, some with growth at low doses or a fall at the highest; normal noise
    plate drift   as other noise, and the wells of a replicate share an error, as the wells of a plate do
    few hits      as gompertz, without the half about the threshold: one drug in ten is a hit
    one well      as other noise, one well a dose
    weibull       Weibull curves of drugs as they come, without the half about the threshold; noise in proportion to
                  viability and a little that is not
    controls      as weibull, two plates whose wells are scaled by 8 untreated and 4 killed wells of their own
    few wells     as weibull, one well a dose

With `--even` a panel has as many drugs at every true score from 5 to 15 and none elsewhere, which no real panel does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple, get_args

import click
import numpy as np
import pandas as pd

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import CurvePoints
from phenodose.pipeline.curves import CurveParameters, curves_of
from phenodose.pipeline.scores import scores_of
from phenodose.plugins import registry
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import to_viability

THRESHOLD, NEAR = 10.0, (5.0, 16.0)
#: Ends of the true scores of an even panel, a tenth of the drugs between two of them.
EVEN = np.linspace(5.0, 15.0, 11)
DOSES, LOWEST, HIGHEST = 5, 0.0, 4.0
BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
#: Kinds whose drugs have Weibull curves, and come as they are.
_WEIBULL = ("weibull", "controls", "few wells")
#: Inhibition of n curves at doses (n or 1, m), given n parameters each.
Curves = Callable[..., np.ndarray]


class Screen(NamedTuple):
    """Wells of a screen and what its drugs truly do.

    Attributes:
        x: float64 (drugs, wells), log10 dose.
        y: inhibition of the wells, likewise.
        true: float64 (drugs,), true score.
        controls: viability (plate, wells) of untreated and of killed wells, by whose medians the wells of a replicate
            are scaled; None where the inhibition is scaled rightly.
    """

    x: np.ndarray
    y: np.ndarray
    true: np.ndarray
    controls: tuple[np.ndarray, np.ndarray] | None = None


def true_scores(level: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """DSS_asym of true curves: half the mean of what exceeds Amin, as a share of the most that could, in percent.

    Args:
        level: float64 (n, points), inhibition; Amin is a tenth of the larger of 1 and the top, as by default.
        grid: log10 dose of the points.
    """
    amin = 0.1 * np.maximum(1.0, level.max(axis=1, keepdims=True))
    above = np.trapezoid(np.maximum(level - amin, 0.0), grid, axis=1)
    return np.asarray(50 * above / (HIGHEST - LOWEST) / (1 - amin[:, 0]))


def _step(x: np.ndarray, top: np.ndarray, mid: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.asarray(top / (1 + 10 ** (slope * (mid - x))))


def _wells(n: int, replicates: int) -> np.ndarray:
    return np.tile(np.repeat(np.linspace(LOWEST, HIGHEST, DOSES), replicates), (n, 1))


def _columns(*parameters: np.ndarray) -> list[np.ndarray]:
    return [column[:, None] for column in parameters]


def logistic(rng: np.random.Generator, n: int) -> tuple[list[np.ndarray], Curves]:
    """Parameters (n, 1) each, and the curves that they give."""
    top = np.where(rng.random(n) < 0.4, rng.uniform(0, 0.1, n), rng.beta(2.5, 1.2, n))
    return _columns(top, rng.uniform(0.5, 5.0, n), np.exp(rng.normal(0.1, 0.5, n))), _step


def two_targets(rng: np.random.Generator, n: int) -> tuple[list[np.ndarray], Curves]:
    """The same of the sum of two steps."""
    tops = rng.uniform(0, 0.5, n), rng.uniform(0, 0.5, n)
    mids = rng.uniform(-0.5, 2.0, n), rng.uniform(2.5, 5.0, n)

    def curves(x: np.ndarray, *p: np.ndarray) -> np.ndarray:
        return np.asarray(_step(x, p[0], p[2], p[4]) + _step(x, p[1], p[3], p[4]))

    return _columns(*tops, *mids, np.exp(rng.normal(0.5, 0.4, n))), curves


def gompertz(rng: np.random.Generator, n: int) -> tuple[list[np.ndarray], Curves]:
    """The same of Gompertz curves, a third with growth at low doses, a fifth falling at the highest."""
    top = np.where(rng.random(n) < 0.3, rng.uniform(0, 0.12, n), rng.uniform(0.2, 1.0, n))
    growth = np.where(rng.random(n) < 0.3, rng.uniform(0, 0.15, n), 0.0)
    back = np.where(rng.random(n) < 0.2, rng.uniform(0, 0.12, n), 0.0)

    def curves(x: np.ndarray, *p: np.ndarray) -> np.ndarray:
        rise = p[0] * np.exp(-np.exp(-p[2] * (x - p[1])))
        return np.asarray(rise - p[3] * np.exp(-((x - 1.0) ** 2)) - p[4] * np.maximum(x - 3.0, 0.0))

    return _columns(top, rng.uniform(0.0, 4.5, n), np.exp(rng.normal(0.7, 0.4, n)), growth, back), curves


def weibull(rng: np.random.Generator, n: int) -> tuple[list[np.ndarray], Curves]:
    """The same of Weibull curves, which rise late and end at once; a third hardly act."""
    top = np.where(rng.random(n) < 0.35, rng.uniform(0, 0.15, n), rng.beta(1.3, 1.0, n))

    def curves(x: np.ndarray, *p: np.ndarray) -> np.ndarray:
        return np.asarray(p[0] * (1 - np.exp(-np.log(2) * 10 ** (p[2] * (x - p[1]) / 2))))

    return _columns(top, rng.normal(2.6, 1.2, n), rng.uniform(0.6, 3.0, n)), curves


def _chosen(kind: str, true: np.ndarray, n: int, rng: np.random.Generator, even: bool = False) -> np.ndarray:
    """The drugs of a panel out of many candidates, by their true scores: where they stand, in no order."""
    order = rng.permutation(len(true))
    if even:
        step = np.digitize(true[order], EVEN)
        return np.asarray(np.concatenate([order[step == number][: n // 10] for number in range(1, len(EVEN))]))
    if kind in _WEIBULL:
        return np.asarray(order[:n])
    if kind == "few hits":
        hits, others = order[true[order] >= THRESHOLD], order[true[order] < THRESHOLD]
        return np.asarray(rng.permutation(np.concatenate([hits[: n // 10], others[: n - n // 10]])))
    near = (true[order] >= NEAR[0]) & (true[order] <= NEAR[1])
    return np.asarray(rng.permutation(np.concatenate([order[near][: n // 2], order[~near][: n - n // 2]])))


def _own(rng: np.random.Generator, n: int, even: bool) -> Screen:
    from phenodose.simulation.curves import Difficulty, simulate_curves

    kinds = get_args(Difficulty)
    parts = [simulate_curves(kind, 3 * n, int(rng.integers(1 << 30)), DOSES) for kind in kinds]
    scorer = registry().create("scorer", "dss_asym")
    true = np.concatenate([np.asarray(scorer.score(part.truth)) for part in parts])
    x, y = (np.concatenate([getattr(part.points, name) for part in parts]) for name in ("log10_dose", "inhibition"))
    rows = _chosen("own", true, n, rng, even)
    return Screen(x[rows], y[rows], true[rows])


def simulated(kind: str, n: int, rng: np.random.Generator, even: bool = False) -> Screen:
    """One screen of a simulator; an even one may hold fewer drugs, where there are too few candidates."""
    if kind == "own":
        return _own(rng, n, even)
    families = {"two targets": two_targets, "gompertz": gompertz, "few hits": gompertz}
    family = weibull if kind in _WEIBULL else families.get(kind, logistic)
    parameters, curves = family(rng, 20 * n)
    grid = np.linspace(LOWEST, HIGHEST, 400)[None, :]
    true = true_scores(curves(grid, *parameters), grid[0])
    rows = _chosen(kind, true, n, rng, even)
    n = len(rows)
    replicates = 1 if kind in ("one well", "few wells") else 2
    x = _wells(n, replicates)
    level = curves(x, *(column[rows] for column in parameters))
    white = rng.standard_normal(x.shape)
    if kind in ("two targets", "gompertz", "few hits"):
        noise = 0.06 * white * (np.exp(rng.normal(0.0, 0.5, (n, 1))) if kind == "two targets" else 1.0)
    elif kind in _WEIBULL:
        noise = (1 - level) * np.expm1(0.1 * white) + 0.03 * rng.standard_normal(x.shape)
    else:
        heavy = rng.standard_t(4, x.shape) / np.sqrt(2)
        noise = 0.08 * np.sqrt(np.clip(1.1 - level, 0.05, None)) * heavy
    if kind == "plate drift":
        noise = noise + 0.03 * rng.standard_normal((n, replicates))[:, np.tile(np.arange(replicates), DOSES)]
    controls = None
    if kind == "controls":
        lives = np.exp(0.1 * rng.standard_normal((2, 8))), np.zeros((2, 4))
        controls = tuple(alive + 0.03 * rng.standard_normal(alive.shape) for alive in lives)
    return Screen(x, level + noise, true[rows], controls)


KINDS = (
    *("own", "other noise", "two targets", "gompertz", "plate drift", "few hits", "one well", "weibull", "controls"),
    "few wells",
)


def fitted(screen: Screen, draws: int, seed: int) -> tuple[CurveBatch, pd.DataFrame]:
    """Curves of the pooled replicates with draws, and rows of the table wells that name them."""
    names = [f"D{index:03}" for index in range(len(screen.true))]
    keys = pd.DataFrame({"sample": "S", "readout": "r", "replicate": "pooled", "drug": names})
    wells = pd.DataFrame({"sample": "S", "well_type": "therapy", "treatment": names, "add_on": None})
    return fit_curves(CurvePoints(keys, screen.x, screen.y), bootstrap=draws, seed=seed, noise="batch"), wells


def scaled_and_fitted(screen: Screen, draws: int, seed: int) -> tuple[CurveBatch, pd.DataFrame]:
    """The same by way of viability, as a screen goes: one plate a replicate, scaled by its own controls."""
    assert screen.controls is not None
    drugs, count = screen.x.shape
    replicate = np.tile(np.arange(len(screen.controls[0])), count // len(screen.controls[0]))
    parts = [
        pd.DataFrame(
            {"plate": np.tile(replicate, drugs), "well_type": "therapy",
             "treatment": np.repeat([f"D{index:03}" for index in range(drugs)], count),
             "concentration_nM": 10 ** screen.x.ravel(), "raw": 1 - screen.y.ravel()}
        )
    ]  # fmt: skip
    for well_type, values in zip(("neg", "pos"), screen.controls, strict=True):
        plate = np.repeat(np.arange(len(values)), values.shape[1])
        parts.append(
            pd.DataFrame({"plate": plate, "well_type": well_type, "treatment": well_type, "raw": values.ravel()})
        )
    wells = pd.concat(parts, ignore_index=True).assign(sample="S", add_on=None)
    number = wells.groupby("plate").cumcount()
    row = [f"{'A' * (at // 624)}{chr(65 + at // 24 % 26)}" for at in number]
    wells = wells.assign(row=row, column=number % 24 + 1, replicate=wells["plate"] + 1)
    wells["plate"] = wells["plate"].astype(str)
    wells["well"] = wells["row"] + wells["column"].astype(str)
    controls = choose_controls(wells, ("neg",), ("pos",), "simulated")
    viability = to_viability(wells[["plate", "row", "column", "raw"]], wells, controls).assign(readout="r")
    how = CurveParameters(bootstrap=draws, seed=seed)
    return curves_of(viability, wells, "r", how, per_replicate=False).batch, wells


def judged(kind: str, screens: int, drugs: int, draws: int, seed: int, even: bool = False) -> pd.DataFrame:
    """Every drug of all screens: screen, p (P(hit)), call, score, true score, and is_hit."""
    scorer = registry().create("scorer", "dss_asym")
    frames = []
    for number in range(screens):
        screen = simulated(kind, drugs, np.random.default_rng([seed, KINDS.index(kind), number]), even)
        found, wells = (fitted if screen.controls is None else scaled_and_fitted)(screen, draws, seed)
        rows = scores_of(found, wells, [scorer])[0]
        frames.append(
            pd.DataFrame(
                {"screen": number, "p": rows["p_hit_fraction"], "call": rows["call"], "score": rows["score"],
                 "true": screen.true, "is_hit": screen.true >= THRESHOLD}
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """Of every bin of P(hit): drugs, its mean, and the share that are truly hits."""
    bins = pd.cut(rows["p"], BINS, include_lowest=True)
    return rows.groupby(bins, observed=False).agg(n=("p", "size"), said=("p", "mean"), true=("is_hit", "mean"))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--screens", type=int, default=20)
    parser.add_argument("--drugs", type=int, default=40)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--even", action="store_true", help="as many drugs at every true score from 5 to 15")
    parser.add_argument("--only", choices=KINDS, action="append")
    options = parser.parse_args()
    every: dict[str, pd.DataFrame] = {}
    click.echo(
        "| screens | drugs | truly hits | mean P(hit) | gap | called hit | of them none | "
        "called no hit | of them hits | borderline | score alone: called hit | of them none |\n|" + "---|" * 12
    )
    for kind in options.only or KINDS:
        rows = every[kind] = judged(kind, options.screens, options.drugs, options.draws, options.seed, options.even)
        _print(kind, rows)
    whole = pd.concat(every.values(), ignore_index=True)
    _print("all", whole)
    click.echo("\n| P(hit) | drugs | said | truly hits | ± |\n|---|---|---|---|---|")
    for interval, row in reliability(whole).iterrows():
        error = np.sqrt(max(row["true"] * (1 - row["true"]), 0.0025) / max(row["n"], 1))
        click.echo(f"| {interval} | {int(row['n'])} | {row['said']:.3f} | {row['true']:.3f} | {error:.3f} |")


def _print(kind: str, rows: pd.DataFrame) -> None:
    bins = reliability(rows)
    used = bins[bins["n"] > 0]
    gap = float(np.average((used["said"] - used["true"]).abs(), weights=used["n"]))
    hits, none = rows[rows["call"] == "hit"], rows[rows["call"] == "no hit"]
    alone = rows[rows["score"] >= THRESHOLD]
    cells = [
        str(len(rows)), f"{rows['is_hit'].mean():.3f}", f"{rows['p'].mean():.3f}", f"{gap:.3f}", str(len(hits)),
        f"{1 - hits['is_hit'].mean():.3f}", str(len(none)), f"{none['is_hit'].mean():.3f}",
        str(int((rows["call"] == "borderline").sum())), str(len(alone)), f"{1 - alone['is_hit'].mean():.3f}",
    ]  # fmt: skip
    click.echo(f"| {kind} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
