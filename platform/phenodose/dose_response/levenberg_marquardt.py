"""Bounded, mildly penalised search for curve parameters, many curves side by side.

Belongs here: the loss of the default fit, its box and penalty, and the damped Newton (Levenberg-Marquardt)
search for its minimum. Does not belong here: starts and the choice of a model (`robust_fit`).

The search works on (bottom, top, log10_mid, ln slope, ln asymmetry). Every operation treats a curve by
itself, so that its result does not depend on the other curves of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phenodose.dose_response.batched_linalg import solve_positive, total
from phenodose.dose_response.models import LN10

#: Residuals well below this (fraction of inhibition) count quadratically: the loss has no kink at 0.
SMOOTHING = 0.01


@dataclass(frozen=True)
class Problem:
    """What the search minimises: g curves with m points each.

    Attributes:
        x: float64 (m, g), log10 dose.
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


def curve_values(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Inhibition of curves in search coordinates (5, g) at x (m, g)."""
    bottom, top, mid, log_slope, log_asymmetry = theta
    e = LN10 * np.exp(log_slope) * (mid - x)
    softplus = np.maximum(e, 0.0) + np.log1p(np.exp(-np.abs(e)))
    return np.asarray(bottom + (top - bottom) * np.exp(-np.exp(log_asymmetry) * softplus))


def penalised_loss(theta: np.ndarray, problem: Problem) -> np.ndarray:
    """Smoothed sum of |residual|^1.5 plus penalty, float64 (g,)."""
    loss = total(smooth_power(problem.y - curve_values(theta, problem.x), problem.smoothing))
    return np.asarray(loss + _penalty(theta, problem))


def search(
    problem: Problem, start: np.ndarray, free: tuple[int, ...], iterations: int, tolerance: float = 1e-7
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the penalised loss from a start.

    Args:
        problem: the curves.
        start: float64 (5, g), within the box.
        free: which of the five parameters may change.
        iterations: most steps tried.
        tolerance: a curve is done when a step lowers its loss by a smaller part than this.

    Returns:
        theta float64 (5, g) and the penalised loss float64 (g,).
    """
    best, best_loss = start.copy(), np.empty(start.shape[1])
    best_loss[:] = penalised_loss(start, problem)
    active, theta, loss = np.arange(start.shape[1]), start.copy(), best_loss.copy()
    damping = np.full(len(active), 1e-2)
    stalled = np.zeros(len(active), dtype=np.int64)
    for _ in range(iterations):
        step = _step(theta, problem, free, damping)
        trial = np.clip(theta + step, problem.lower, problem.upper)
        trial_loss = penalised_loss(trial, problem)
        better = trial_loss < loss
        gain = np.where(better, loss - trial_loss, 0.0)
        small = gain <= tolerance * loss
        theta = np.where(better, trial, theta)
        loss = np.where(better, trial_loss, loss)
        damping = np.clip(np.where(better, damping * 0.2, damping * 6.0), 1e-9, 1e9)
        stalled = np.where(small, stalled + 1, 0)
        done = (better & small & (stalled >= 2)) | (stalled >= 5)
        if done.any():
            best[:, active], best_loss[active] = theta, loss
            keep = np.flatnonzero(~done)
            if not len(keep):
                return best, best_loss
            active, problem = active[keep], problem.some(keep)
            theta, loss = np.ascontiguousarray(theta[:, keep]), loss[keep]
            damping, stalled = damping[keep], stalled[keep]
    best[:, active], best_loss[active] = theta, loss
    return best, best_loss


def smooth_power(residual: np.ndarray, smoothing: float = SMOOTHING) -> np.ndarray:
    """(r^2 + eps^2)^(3/4) - eps^(3/2): |r|^1.5 without the kink at 0."""
    root = np.sqrt(residual * residual + smoothing**2)
    return np.asarray(root * np.sqrt(root) - smoothing**1.5)


def _penalty(theta: np.ndarray, problem: Problem) -> np.ndarray:
    away = theta - problem.centre
    return np.asarray(0.5 * total(problem.weight * away * away))


def _step(theta: np.ndarray, problem: Problem, free: tuple[int, ...], damping: np.ndarray) -> np.ndarray:
    """Damped Newton step (5, g); zero for fixed parameters and for those held by the box."""
    bottom, top, mid, log_slope, log_asymmetry = theta
    steepness = LN10 * np.exp(log_slope)
    distance = steepness * (mid - problem.x)
    decay = np.exp(-np.abs(distance))
    softplus = np.maximum(distance, 0.0) + np.log1p(decay)
    share = np.where(distance > 0, 1.0, decay) / (1.0 + decay)
    s = np.exp(log_asymmetry)
    fraction = np.exp(-s * softplus)
    height = top - bottom
    residual = problem.y - bottom - height * fraction
    by_exponent = -height * s * fraction * share
    derivatives = {
        0: lambda: 1.0 - fraction,
        1: lambda: fraction,
        2: lambda: by_exponent * steepness,
        3: lambda: by_exponent * distance,
        4: lambda: -height * s * fraction * softplus,
    }
    jacobian = np.stack([derivatives[i]() for i in free])
    square = residual * residual + problem.smoothing**2
    fourth = np.sqrt(np.sqrt(square))
    pull = 1.5 * residual / fourth
    bend = 1.5 * (0.5 * residual * residual + problem.smoothing**2) / (square * fourth)
    p, g, rows = len(free), theta.shape[1], list(free)
    weight = problem.weight[rows]
    right = total(jacobian * pull, axis=1) - weight * (theta[rows] - problem.centre[rows])
    bent = jacobian * bend
    matrix = np.empty((p, p, g))
    for a in range(p):
        matrix[a, : a + 1] = matrix[: a + 1, a] = total(bent[a] * jacobian[: a + 1], axis=1)
        matrix[a, a] += weight[a]
    held = ((theta[rows] <= problem.lower[rows]) & (right < 0)) | ((theta[rows] >= problem.upper[rows]) & (right > 0))
    loose = 1.0 - held
    for a in range(p):
        diagonal = matrix[a, a] * (1.0 + damping) + 1e-10
        matrix[a] *= loose[a]
        matrix[:, a] *= loose[a]
        matrix[a, a] = np.where(held[a], 1.0, diagonal)
    step = np.zeros_like(theta)
    step[rows] = solve_positive(matrix, right * loose)
    return step
