"""Bounded, mildly penalised search for curve parameters, many curves side by side.

Belongs here: the loss of the default fit, its box and penalty, and the damped Newton (Levenberg-Marquardt)
search for its minimum. Does not belong here: starts and the choice of a model (`robust_fit`).

The search works on (bottom, top, log10_mid, ln slope, ln asymmetry). Every operation treats a curve by
itself, so that its result does not depend on the other curves of the batch.

For speed a curve that is done makes room for the next one that waits, so that always about as many are worked on at
once; a curve is computed once a dose, not once a well, and once a step: its loss, gradient and curvature together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from phenodose.dose_response.batched_linalg import diagonal_of_triangle, rows_of_triangle, solve_positive
from phenodose.dose_response.dose_layout import by_dose
from phenodose.dose_response.models import LN10

#: Residuals well below this (fraction of inhibition) count quadratically: the loss has no kink at 0.
SMOOTHING = 0.01
#: Curves worked on at once: many, since a call of numpy takes as long as 1,000 additions.
SIDE_BY_SIDE = 8000
#: Share of curves not yet done below which the others give up their places.
_WORTH_MOVING = 0.8
#: exp of more than this would not be finite in all that follows.
_LARGEST_EXPONENT = {np.dtype(np.float64): 600.0, np.dtype(np.float32): 80.0}
#: Damping of the first step, and what it becomes with a step that lowers the loss, and with one that does not.
_DAMPING, _LESS, _MORE = 1e-2, 0.2, 6.0
#: Loss of a curve that is not yet computed.
_UNKNOWN = 1e30
#: Part of the loss below which a Newton step is the last: what it leaves is in proportion to the square of that.
_NEARLY_NOTHING = 2e-5
#: Damping up to which the curves' own curvature counts too; farther from a minimum it may point uphill.
_NEWTON_UP_TO = 2e-2


@dataclass(frozen=True)
class Problem:
    """What the search minimises: g curves with m points each.

    Attributes:
        x: float64 (m, g), log10 dose; equal doses are neighbours.
        y: float64 (m, g), inhibition.
        lower, upper: float64 (5, g), the box, in search coordinates.
        centre: float64 (5, g), where the penalty is zero.
        weight: float64 (5, g), curvature of the penalty, in units of the loss.
        smoothing: residuals well below this count quadratically.
    """

    x: np.ndarray
    y: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    centre: np.ndarray
    weight: np.ndarray
    smoothing: float = SMOOTHING

    def some(self, which: np.ndarray) -> Problem:
        """The problem of these curves."""
        x, y, lower, upper, centre, weight = (
            np.ascontiguousarray(value[:, which])
            for value in (self.x, self.y, self.lower, self.upper, self.centre, self.weight)
        )
        return Problem(x, y, lower, upper, centre, weight, self.smoothing)

    def rough(self) -> Problem:
        """The same in float32, which takes a third of the time: for the way to a minimum, not for its last digits."""
        x, y, lower, upper, centre, weight = (
            values.astype(np.float32) for values in (self.x, self.y, self.lower, self.upper, self.centre, self.weight)
        )
        return Problem(x, y, lower, upper, centre, weight, self.smoothing)


def curve_values(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Inhibition of curves in search coordinates (5, g) at x (m, g)."""
    bottom, top, mid, log_slope, log_asymmetry = theta
    e = LN10 * np.exp(log_slope) * (mid - x)
    softplus = np.maximum(e, 0.0) + np.log1p(np.exp(-np.abs(e)))
    return np.asarray(bottom + (top - bottom) * np.exp(-np.exp(log_asymmetry) * softplus))


def smooth_power(residual: np.ndarray, smoothing: float = SMOOTHING) -> np.ndarray:
    """(r^2 + eps^2)^(3/4) - eps^(3/2): |r|^1.5 without the kink at 0."""
    root = np.sqrt(residual * residual + smoothing**2)
    return np.asarray(root * np.sqrt(root) - smoothing**1.5)


def search(
    problem: Problem,
    start: np.ndarray,
    free: tuple[int, ...],
    iterations: int,
    tolerance: float = 1e-7,
    patience: int = 5,
    newton: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the penalised loss from a start.

    Args:
        problem: the curves.
        start: float64 (5, g), within the box.
        free: which of the five parameters may change: some of `FREE_PARAMETERS`, neighbours all.
        iterations: most steps tried.
        tolerance: a curve is done when two steps in turn lower its loss by a smaller part than this.
        patience: or when so many in turn do not lower it by more.
        newton: use the second derivatives of the curves too near a minimum, which takes fewer steps.

    Returns:
        theta (5, g) and the penalised loss (g,), of the type of the problem's numbers.
    """
    start = start.astype(problem.x.dtype)
    best, best_loss = start.copy(), np.empty(start.shape[1], start.dtype)
    if not start.shape[1]:
        return best, best_loss
    work = _Work(problem, start, free, newton)
    while work.going():
        work.step()
        better, small, sure = work.try_step(tolerance)
        stalled, steps = work.at["stalled"], work.at["steps"]
        done = sure | (better & small & (stalled >= 2)) | (stalled >= patience) | (steps >= iterations)
        work.replace(done, best, best_loss)
    return best, best_loss


def last_step(problem: Problem, near: np.ndarray, free: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One Newton step from places that a search in single precision has found.

    Args:
        problem: the curves.
        near: float64 (5, g), within the box.
        free: as of `search`.

    Returns:
        theta (5, g), the penalised loss (g,) that the curvature promises there, and bool (g,), whether that is the
        minimum: the step had so little to gain that what is left is far below any tolerance.
    """
    theta, loss, sure = near.copy(), np.empty(near.shape[1]), np.zeros(near.shape[1], dtype=bool)
    for first in range(0, near.shape[1], SIDE_BY_SIDE):
        some = np.arange(first, min(first + SIDE_BY_SIDE, near.shape[1]))
        work = _Work(problem.some(some), near[:, some], free, newton=True)
        work.begin()
        work.step()
        n = len(some)
        before = work.at["loss"][:n]
        theta[:, some], loss[some] = work.trial[:, :n], before - work.promised[:n]
        sure[some] = work.promised[:n] <= _NEARLY_NOTHING * before
    return theta, loss, sure


class _Shape(NamedTuple):
    """A curve f = bottom + height F, F = (1 + exp(e))^-a, at its doses: (k,) the first three, else (d, k).

    `less` is -a, `distance` e = steepness (mid - x), `fraction` F and `logistic` exp(e) / (1 + exp(e)).
    """

    height: np.ndarray
    steepness: np.ndarray
    less: np.ndarray
    distance: np.ndarray
    fraction: np.ndarray
    logistic: np.ndarray


def _curl(pull: np.ndarray, at: _Shape, softplus: np.ndarray | None, free: slice) -> np.ndarray:
    """What the curves' own second derivatives add to the curvature of the loss: a `triangle` of the free parameters.

    Args:
        pull: (d, k), how fast the loss falls with the inhibition at each dose.
        at: the curves.
        softplus: (d, k), ln(1 + exp(e)); None for symmetric curves, whose asymmetry has no entries.
        free: the free parameters.
    """
    slanted = at.fraction * at.logistic
    slanted *= at.less
    slanted *= -pull  # by e, per height
    twice = at.logistic * (at.less - 1.0)
    twice += 1.0
    twice *= slanted
    along = slanted * at.distance
    once, moved = slanted.sum(axis=0), along.sum(axis=0)
    entries = {(2, 1): at.steepness * once, (3, 1): moved}
    entries[2, 2] = at.height * at.steepness**2 * twice.sum(axis=0)
    twice *= at.distance
    entries[3, 2] = at.height * at.steepness * (twice.sum(axis=0) + once)
    twice *= at.distance
    entries[3, 3] = at.height * (twice.sum(axis=0) + moved)
    if softplus is not None:
        power = softplus * at.less
        raised = at.fraction * power
        raised *= -pull
        entries[4, 1] = raised.sum(axis=0)
        power += 1.0
        raised *= power
        entries[4, 4] = at.height * raised.sum(axis=0)
        slanted *= power
        entries[4, 2] = at.height * at.steepness * slanted.sum(axis=0)
        slanted *= at.distance
        entries[4, 3] = at.height * slanted.sum(axis=0)
    for of_top in (2, 3, 4):
        if (of_top, 1) in entries:
            entries[of_top, 0] = -entries[of_top, 1]
    p = free.stop - free.start
    found = np.zeros((p * (p + 1) // 2, pull.shape[1]), pull.dtype)
    for i, row in enumerate(rows_of_triangle(p)):
        for j in range(i + 1):
            entry = entries.get((free.start + i, free.start + j))
            if entry is not None:
                found[row.start + j] = entry
    return found


class _Work:
    """The curves that are worked on, and those that wait.

    Attributes:
        all: arrays of all curves, (..., g) each.
        at: those of the curves that are worked on, (..., k) each. Beside the wells, box and penalty: `which` curve it
            is, where it is (`theta`), the `loss` there, its `fall` (gradient, p) and curvature (`bend`, by the first
            derivatives of the curve, and `curl`, what its second ones add, each a `triangle` of p x p), the `damping`,
            how many `steps` were tried (-1: none, not even the start), how many of the last did not help
            (`stalled`), and whether the curve is `over`.
    """

    def __init__(self, problem: Problem, start: np.ndarray, free: tuple[int, ...], newton: bool) -> None:
        wells, g, p = by_dose(problem.x, problem.y), start.shape[1], len(free)
        self.free, self.smoothing = slice(free[0], free[-1] + 1), problem.smoothing
        self.constant = wells.wells * problem.smoothing**1.5
        kind = start.dtype
        self.largest_exponent, self.newton = _LARGEST_EXPONENT[kind], newton
        self.symmetric = 4 not in free and not start[4].any()
        self.all = {"doses": wells.doses, "y": wells.y, "theta": start, "which": np.arange(g)}
        self.all |= {name: getattr(problem, name) for name in ("lower", "upper", "centre", "weight")}
        if wells.there is not None:
            self.all["there"] = wells.there
        self.waiting = min(SIDE_BY_SIDE, g)
        # never a lone column: numpy sums that in another order
        first = np.arange(self.waiting) if g > 1 else np.zeros(2, dtype=np.int64)
        self.at = {name: np.ascontiguousarray(values[..., first]) for name, values in self.all.items()}
        k = len(first)
        self.unknown = {"loss": _UNKNOWN, "fall": 0.0, "bend": 0.0, "damping": _DAMPING / _LESS, "steps": -1}
        self.unknown |= {"stalled": 0, "over": False}
        self.rows, self.diagonal = rows_of_triangle(p), diagonal_of_triangle(p)
        shapes: dict[str, tuple[int, ...]] = {"fall": (p, k), "bend": (p * (p + 1) // 2, k)}
        shapes["curl"] = shapes["bend"]
        self.unknown |= {"curl": 0.0} if newton else {}
        for name, value in self.unknown.items():
            self.at[name] = np.full(shapes.get(name, (k,)), value, kind if isinstance(value, float) else None)

    def going(self) -> bool:
        """Whether any curve is not done."""
        return not bool(self.at["over"].all())

    def begin(self) -> None:
        """Know loss and derivatives where the curves are, and trust the curvature there."""
        self.at |= self.evaluate(self.at["theta"])
        self.at["steps"][:], self.at["damping"][:] = 0, 1e-9

    def step(self) -> None:
        """The damped Newton step to `trial` (5, k); none for fixed parameters and for those held by the box."""
        at, free = self.at, self.free
        theta, fall, matrix = at["theta"][free], at["fall"].copy(), at["bend"].copy()
        instead = None
        if self.newton:
            plain = at["damping"] <= _NEWTON_UP_TO
            instead = matrix[self.diagonal] + 1e-10
            matrix += at["curl"] * plain
        held = (theta <= at["lower"][free]) & (fall < 0)
        held |= (theta >= at["upper"][free]) & (fall > 0)
        diagonal = matrix[self.diagonal]
        diagonal *= 1.0 + at["damping"]
        diagonal += 1e-10
        if held.any():
            loose = (~held).astype(fall.dtype)
            fall *= loose
            for i, row in enumerate(self.rows):
                matrix[row] *= loose[: i + 1] * loose[i]
            np.copyto(diagonal, 1.0, where=held)
        matrix[self.diagonal] = diagonal
        trial = at["theta"].copy()
        solution = solve_positive(matrix, fall.copy(), instead)
        trial[free] += solution
        self.promised = np.full(len(at["loss"]), np.inf)
        if self.newton:
            whole = ((trial >= at["lower"]) & (trial <= at["upper"])).all(axis=0)  # the box cuts no part of it off
            np.copyto(self.promised, 0.5 * (fall * solution).sum(axis=0), where=plain & whole & (at["steps"] >= 0))
        np.maximum(trial, at["lower"], out=trial)
        self.trial = np.minimum(trial, at["upper"], out=trial)

    def try_step(self, tolerance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take the step where the loss falls: bool (k,) where it does, where by little, and where for the last time.

        It is the last where the curvature promised little to gain, and the step gained what was promised: then the
        next would gain far less.
        """
        at, before = self.at, self.at["loss"]
        new = self.evaluate(self.trial) | {"theta": self.trial}
        better, gain = new["loss"] < before, before - new["loss"]
        small = np.where(better, gain, 0.0) <= tolerance * before
        sure = (self.promised <= 100 * tolerance * before) & (np.abs(gain - self.promised) <= 0.1 * self.promised)
        sure |= self.promised <= 0.01 * tolerance * before
        back = np.flatnonzero(~better)
        for name, values in new.items():
            values[..., back] = at[name][..., back]
            at[name] = values
        at["damping"] *= np.where(better, _LESS, _MORE)
        np.clip(at["damping"], 1e-9, 1e9, out=at["damping"])
        at["stalled"] = np.where(small, at["stalled"] + 1, 0)
        at["steps"] += 1
        return better, small, sure

    def evaluate(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """`loss`, `fall`, `bend` and, by Newton, `curl` at theta (5, k)."""
        bottom, top, mid, log_slope, log_asymmetry = theta
        steepness, height = LN10 * np.exp(log_slope), top - bottom
        distance = mid - self.at["doses"]
        distance *= steepness
        logistic = np.minimum(distance, self.largest_exponent)
        np.exp(logistic, out=logistic)
        whole = logistic + 1.0
        if self.symmetric:
            less = -np.ones_like(height)
            fraction = np.divide(1.0, whole, out=whole)
            logistic *= fraction
            scaled = fraction * -height
        else:
            less = -np.exp(log_asymmetry)
            softplus = np.log(whole)
            np.maximum(softplus, distance, out=softplus)
            fraction = softplus * less
            np.exp(fraction, out=fraction)
            logistic /= whole
            scaled = fraction * (height * less)
        by_exponent = logistic * scaled
        fitted = fraction * height
        fitted += bottom
        loss, pull, bend = self.by_fitted(fitted)
        jacobian = np.empty((len(self.at["fall"]), *fraction.shape), fraction.dtype)
        for derivative, parameter in zip(jacobian, range(5)[self.free], strict=True):
            if parameter == 0:
                np.subtract(1.0, fraction, out=derivative)
            elif parameter == 1:
                derivative[:] = fraction
            elif parameter == 4:
                np.multiply(scaled, softplus, out=derivative)
            else:
                np.multiply(by_exponent, steepness if parameter == 2 else distance, out=derivative)
        away = theta - self.at["centre"]
        weight = self.at["weight"]
        weighted = weight * away
        loss += 0.5 * (weighted * away).sum(axis=0)
        fall = (jacobian * pull).sum(axis=1) - weighted[self.free]
        matrix = np.empty((self.rows[-1].stop, fall.shape[1]), fall.dtype)
        for a, row in enumerate(self.rows):
            np.add.reduce(jacobian[: a + 1] * (jacobian[a] * bend), axis=1, out=matrix[row])
        matrix[self.diagonal] += weight[self.free]
        found = {"loss": loss, "fall": fall, "bend": matrix}
        if self.newton:
            shape = _Shape(height, steepness, less, distance, fraction, logistic)
            found["curl"] = _curl(pull, shape, None if self.symmetric else softplus, self.free)
        return found

    def by_fitted(self, fitted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loss (k,), and its first and second derivative (d, k) by the inhibition `fitted` (d, k) at each dose."""
        residual = self.at["y"] - fitted[:, None]
        square = residual * residual
        part = square * 0.5
        square += self.smoothing**2
        root = np.sqrt(square)
        slack = np.sqrt(root)
        root *= slack
        np.divide(1.5, slack, out=slack)
        if "there" in self.at:
            root *= self.at["there"]
            slack *= self.at["there"]
        residual *= slack
        part /= square
        np.subtract(1.0, part, out=part)
        part *= slack
        loss = root.reshape(-1, root.shape[-1]).sum(axis=0) - self.constant
        return loss, residual.sum(axis=1), part.sum(axis=1)

    def replace(self, done: np.ndarray, best: np.ndarray, best_loss: np.ndarray) -> None:
        """Note where curves that are done have come; those that wait take their places, or the places go."""
        at = self.at
        places = np.flatnonzero(done & ~at["over"])
        if not len(places):
            return
        which = at["which"][places]
        best[:, which], best_loss[which] = at["theta"][:, places], at["loss"][places]
        g = len(self.all["which"])
        fresh = np.arange(self.waiting, min(self.waiting + len(places), g))
        self.waiting += len(fresh)
        at["over"][places[len(fresh) :]] = True
        if len(fresh):
            places = places[: len(fresh)]
            for name, values in at.items():
                values[..., places] = self.all[name][..., fresh] if name in self.all else self.unknown[name]
        keep = np.flatnonzero(~at["over"])
        if 0 < len(keep) < _WORTH_MOVING * len(at["over"]):
            keep = keep if len(keep) > 1 else np.repeat(keep, 2)
            self.at = {name: np.ascontiguousarray(values[..., keep]) for name, values in at.items()}
