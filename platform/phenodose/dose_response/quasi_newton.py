"""Quasi-Newton minimisation of many small problems side by side.

Belongs here: the line-search BFGS method of Dennis and Schnabel (Numerical Methods for Unconstrained
Optimization and Nonlinear Equations, 1983, algorithms A6.3.1, A7.2.1, A9.4.2 and A5.6.3), with their
finite differences and stopping rules, so that an early stop leaves a curve where published tables have
it. Does not belong here: any knowledge of curves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from phenodose.dose_response.batched_linalg import solve_positive, triangle

#: loss(parameters (p, g), problems (g,)) -> (g,): the losses of these problems at these parameters.
Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]

GRADIENT_TOLERANCE = 1e-6
STEP_TOLERANCE = 1e-6
NOISE = 1e-12
SUFFICIENT_DECREASE = 1e-4
_HUGE = np.finfo(np.float64).max


@dataclass
class _State:
    """Where every problem stands; the last axis is the problem."""

    x: np.ndarray
    f: np.ndarray
    g: np.ndarray
    hessian: np.ndarray
    central: np.ndarray
    fresh: np.ndarray


def minimise(loss: Loss, start: np.ndarray, iterations: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Minimise every problem from its start.

    Args:
        loss: the losses of some of the problems.
        start: float64 (p, n).
        iterations: most iterations of a problem.

    Returns:
        parameters (p, n) and losses (n,) where each problem stopped; the loss is NaN for a problem
        whose start has zero gradient or no finite loss.
    """
    p, n = start.shape
    x, f = start.copy(), np.full(n, np.nan)
    everyone = np.arange(n)
    first = _finite(loss(start, everyone))
    gradient = _gradient(loss, start, first, everyone, np.zeros(n, dtype=bool))
    begun = (first < _HUGE) & ~_level(start, first, gradient)
    active = everyone[begun]
    stepmax = np.maximum(1000 * np.sqrt((start**2).sum(axis=0)), 1000.0)
    state = _State(
        start[:, begun],
        first[begun],
        gradient[:, begun],
        np.repeat(np.eye(p)[:, :, None], len(active), axis=2),
        np.zeros(len(active), dtype=bool),
        np.ones(len(active), dtype=bool),
    )
    for _ in range(iterations):
        if not len(active):
            break
        with np.errstate(all="ignore"):
            stopped = _iterate(loss, state, active, stepmax[active])
        x[:, active], f[active] = state.x, state.f
        if stopped.any():
            keep = ~stopped
            active = active[keep]
            state = _State(*(value[..., keep] for value in vars(state).values()))
    return x, f


def _iterate(loss: Loss, state: _State, problems: np.ndarray, stepmax: np.ndarray) -> np.ndarray:
    """One iteration of every problem in place; True where a problem has stopped."""
    step = solve_positive(triangle(state.hessian), -state.g)
    new_x, new_f, failed = _line_search(loss, state.x, state.f, state.g, step, problems, stepmax)
    again = failed & ~state.central
    if again.any():  # the gradient was too coarse: central differences from here on
        state.central = state.central | again
        some = problems[again]
        state.g[:, again] = _gradient(loss, state.x[:, again], state.f[again], some, state.central[again])
        step = solve_positive(triangle(state.hessian[:, :, again]), -state.g[:, again])
        found = _line_search(loss, state.x[:, again], state.f[again], state.g[:, again], step, some, stepmax[again])
        new_x[:, again], new_f[again], failed[again] = found
    new_g = _gradient(loss, new_x, new_f, problems, state.central)
    still = np.max(np.abs(new_x - state.x) / np.maximum(np.abs(new_x), 1.0), axis=0) <= STEP_TOLERANCE
    stopped = failed | _level(new_x, new_f, new_g) | still
    moving = ~stopped
    _update_hessian(state, new_x, new_g, moving)
    ok = ~failed
    state.x[:, ok], state.f[ok], state.g[:, ok] = new_x[:, ok], new_f[ok], new_g[:, ok]
    return np.asarray(stopped)


def _line_search(
    loss: Loss,
    x: np.ndarray,
    f: np.ndarray,
    g: np.ndarray,
    step: np.ndarray,
    problems: np.ndarray,
    stepmax: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Backtracking line search (A6.3.1): new parameters, new losses, and where none was found."""
    length = np.sqrt((step**2).sum(axis=0))
    step = step * np.where(length > stepmax, stepmax / np.maximum(length, 1e-300), 1.0)
    slope = (g * step).sum(axis=0)
    relative = np.max(np.abs(step) / np.maximum(np.abs(x), 1.0), axis=0)
    smallest = STEP_TOLERANCE / np.maximum(relative, 1e-300)
    n = len(f)
    lam, previous, previous_f = np.ones(n), np.ones(n), np.zeros(n)
    new_x, new_f, failed = x.copy(), f.copy(), np.zeros(n, dtype=bool)
    backtracked = np.zeros(n, dtype=bool)
    todo = np.arange(n)
    while len(todo):
        trial_x = x[:, todo] + lam[todo] * step[:, todo]
        trial = _finite(loss(trial_x, problems[todo]))
        good = trial <= f[todo] + SUFFICIENT_DECREASE * lam[todo] * slope[todo]
        new_x[:, todo[good]], new_f[todo[good]] = trial_x[:, good], trial[good]
        lost = ~good & ~(lam[todo] >= smallest[todo])  # also where the step is not a number
        failed[todo[lost]] = True
        left = ~good & ~lost
        todo, trial = todo[left], trial[left]
        if len(todo):
            shorter = _shorter(
                lam[todo], previous[todo], trial, previous_f[todo], f[todo], slope[todo], backtracked[todo]
            )
            finite = trial < _HUGE
            previous[todo], previous_f[todo] = lam[todo], trial
            lam[todo] = np.where(finite, shorter, 0.1 * lam[todo])
            backtracked[todo] = finite
    return new_x, new_f, failed


def _shorter(
    lam: np.ndarray,
    previous: np.ndarray,
    trial: np.ndarray,
    previous_trial: np.ndarray,
    f: np.ndarray,
    slope: np.ndarray,
    backtracked: np.ndarray,
) -> np.ndarray:
    """Next step length: minimum of a parabola at first, of a cubic from then on, within 0.1 to 0.5."""
    with np.errstate(all="ignore"):
        parabola = -lam * slope / (2 * ((trial - f) / lam - slope))
        one = trial - f - lam * slope
        two = previous_trial - f - previous * slope
        a = (one / lam**2 - two / previous**2) / (lam - previous)
        b = (-previous * one / lam**2 + lam * two / previous**2) / (lam - previous)
        root = np.sqrt(np.maximum(b**2 - 3 * a * slope, 0.0))
        cubic = np.where(a == 0, -slope / (2 * b), (-b + root) / (3 * a))
        wanted = np.where(backtracked, np.minimum(cubic, 0.5 * lam), parabola)
    wanted = np.where(np.isfinite(wanted), wanted, 0.1 * lam)
    return np.asarray(np.maximum(wanted, 0.1 * lam))


def _update_hessian(state: _State, new_x: np.ndarray, new_g: np.ndarray, moving: np.ndarray) -> None:
    """BFGS update (A9.4.2) where the curvature is positive and the change is above the noise."""
    s, y = new_x - state.x, new_g - state.g
    curvature = (s * y).sum(axis=0)
    lengths = np.sqrt((s**2).sum(axis=0) * (y**2).sum(axis=0))
    usable = moving & (curvature >= np.sqrt(np.finfo(np.float64).eps) * lengths) & (curvature > 0)
    hessian = state.hessian
    hs = (hessian * s[None]).sum(axis=1)
    shs = (s * hs).sum(axis=0)
    with np.errstate(all="ignore"):
        scale = np.where(usable & state.fresh, curvature / shs, 1.0)
    hessian, hs, shs = hessian * scale, hs * scale, shs * scale
    tolerance = np.where(state.central, NOISE, np.sqrt(NOISE)) * np.maximum(np.abs(state.g), np.abs(new_g))
    telling = usable & (np.abs(y - hs) >= tolerance).any(axis=0)
    with np.errstate(all="ignore"):
        updated = hessian - hs[:, None] * hs[None] / shs + y[:, None] * y[None] / curvature
    state.hessian = np.where(telling, updated, hessian)
    state.fresh = state.fresh & ~usable


def _gradient(loss: Loss, x: np.ndarray, f: np.ndarray, problems: np.ndarray, central: np.ndarray) -> np.ndarray:
    """Finite-difference gradient: forward, or central where asked for."""
    h = np.where(central, NOISE ** (1 / 3), NOISE**0.5) * np.maximum(np.abs(x), 1.0)
    above = _stepped(loss, x, h, problems)
    gradient: np.ndarray = (above - f) / h
    some = np.flatnonzero(central)
    if len(some):
        below = _stepped(loss, x[:, some], -h[:, some], problems[some])
        gradient[:, some] = (above[:, some] - below) / (2 * h[:, some])
    return gradient


def _stepped(loss: Loss, x: np.ndarray, h: np.ndarray, problems: np.ndarray) -> np.ndarray:
    """Losses (p, n) after a step `h` of one parameter at a time, all asked for at once."""
    p, n = x.shape
    moved = np.repeat(x[:, None], p, axis=1)
    moved[range(p), range(p)] += h
    return _finite(loss(moved.reshape(p, -1), np.tile(problems, p))).reshape(p, n)


def _level(x: np.ndarray, f: np.ndarray, g: np.ndarray) -> np.ndarray:
    """True where the relative gradient is below its tolerance."""
    relative = np.abs(g) * np.maximum(np.abs(x), 1.0) / np.maximum(np.abs(f), 1.0)
    return np.asarray(relative.max(axis=0) <= GRADIENT_TOLERANCE)


def _finite(f: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(np.isfinite(f), f, _HUGE))
