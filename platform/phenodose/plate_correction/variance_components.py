"""How strong each kind of effect is, and the effects themselves: a mixed model by restricted maximum likelihood.

y = X b + sum over kinds k of Z_k u_k + e, with u_k ~ N(0, theta_k) and e ~ N(0, sigma2) in units of the wells' noise.
Nothing is asked of b: what X can follow tells nothing of the u (Patterson and Thompson 1971). The theta are those that
make the data most probable (MacKay's updates, Neural Computation 4:415, 1992), and a kind that the data do not ask for
is left out altogether. So the effects are shrunk by as much as the wells' noise makes them doubtful: to 0 on a plate
that has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: All kinds together stay if they raise the log likelihood by more; on good plates it rises by up to 8, by effects of
#: 10 % by 10 to 50 (benchmarks/plate_correction.py).
LEAST_WHOLE_GAIN = 9.0
#: Of these, a kind stays if it raises the log likelihood by more.
LEAST_GAIN = 0.5
#: Most rounds of updates, and the relative change of a variance below which they end.
MOST_ROUNDS, LEAST_CHANGE = 25, 0.05
#: Variances below this part of the noise are none.
_NONE = 1e-5
_START = 0.3


@dataclass(frozen=True)
class Components:
    """A mixed model that has been fitted.

    Attributes:
        effects: float array (shape,), u.
        covariance: float array (shape, shape), of u given the data.
        strength: float array (kind,), variance of each kind's shapes; 0 for one that is left out.
        noise: sigma2, variance of the noise in units of what it was thought to be.
        log_likelihood: restricted log likelihood, without what is the same for all models of y.
    """

    effects: np.ndarray
    covariance: np.ndarray
    strength: np.ndarray
    noise: float
    log_likelihood: float


@dataclass(frozen=True)
class _Data:
    """What the likelihood needs of the wells."""

    gram: np.ndarray
    moment: np.ndarray
    square: float
    kind: np.ndarray
    freedom: float


def fit_components(
    y: np.ndarray,
    shapes: np.ndarray,
    kind: np.ndarray,
    freedom: float,
    kept: np.ndarray,
    start: np.ndarray | None = None,
) -> Components:
    """Fit the model.

    Args:
        y: float array (well,), without what X can follow, in units of the noise.
        shapes: float array (well, shape), Z likewise.
        kind: int array (shape,), kind of each shape.
        freedom: wells minus the directions that X can follow.
        kept: bool array (kind,), kinds that are never left out.
        start: float array (kind,), variances to begin with; None for none in particular.
    """
    data = _Data(shapes.T @ shapes, shapes.T @ y, float(y @ y), kind, freedom)
    first = np.full(len(kept), _START) if start is None else np.maximum(start, 0.01)
    found = _most_probable(data, first, 1.0)
    none = _most_probable(data, np.where(kept, found.strength, 0.0), found.noise)
    if found.log_likelihood - none.log_likelihood < LEAST_WHOLE_GAIN:
        return none
    while True:
        candidates = np.flatnonzero((found.strength > 0) & ~kept)
        if not len(candidates):
            return found
        without = [_solved(data, _zeroed(found.strength, int(k)), found.noise)[3] for k in candidates]
        losses = found.log_likelihood - np.array(without)
        # The others may take over: only a refit tells what is lost.
        least = candidates[int(np.argmin(losses))]
        fitted = _most_probable(data, _zeroed(found.strength, int(least)), found.noise)
        if found.log_likelihood - fitted.log_likelihood >= LEAST_GAIN:
            return found
        found = fitted


def _zeroed(strength: np.ndarray, k: int) -> np.ndarray:
    out = strength.copy()
    out[k] = 0.0
    return out


def _most_probable(data: _Data, start: np.ndarray, noise: float) -> Components:
    strength = start
    for _ in range(MOST_ROUNDS):
        found = _evaluate(data, strength, noise)
        used, u = strength[data.kind] > 0, found.effects
        spread = np.diag(found.covariance)
        certain = np.where(used, 1 - spread / np.where(used, strength[data.kind], 1.0), 0.0).clip(0)
        sums, parts = (np.bincount(data.kind, weights, minlength=len(strength)) for weights in (u**2, certain))
        updated = np.where(strength > 0, sums / np.maximum(parts, 1e-9), 0.0)
        left = data.square - 2 * u @ data.moment + u @ data.gram @ u
        noise_now = max(float(left) / max(data.freedom - float(parts.sum()), 1.0), 1e-9)
        least = _NONE * noise_now
        updated = np.where(updated > least, updated, 0.0)
        change = np.abs(np.log(np.maximum(updated, least) / np.maximum(strength, least)))
        # A variance that runs to 0 has run far enough once it explains nothing.
        change = np.where(parts < 0.05, 0.0, change)
        strength, noise = updated, noise_now
        if change.max() < LEAST_CHANGE:
            break
    return _evaluate(data, strength, noise)


def _solved(data: _Data, strength: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Shapes with a variance, their scale, the Cholesky factor of what is known of them, and the log likelihood."""
    from scipy.linalg import solve_triangular

    used = np.flatnonzero(strength[data.kind] > 0)
    scale = np.sqrt(strength[data.kind][used])
    inner = scale[:, None] * data.gram[np.ix_(used, used)] * scale[None, :] / noise
    inner[np.diag_indices(len(used))] += 1.0
    factor = np.linalg.cholesky(inner)
    moment = scale * data.moment[used] / noise
    half = solve_triangular(factor, moment, lower=True, check_finite=False) if len(used) else moment
    log_det = 2 * float(np.log(np.diag(factor)).sum())
    value = -0.5 * (data.freedom * np.log(noise) + log_det + data.square / noise - float(half @ half))
    return used, scale, factor, float(value)


def _evaluate(data: _Data, strength: np.ndarray, noise: float) -> Components:
    """The effects for given variances."""
    from scipy.linalg.lapack import dpotri

    n = len(data.kind)
    used, scale, factor, value = _solved(data, strength, noise)
    effects, covariance = np.zeros(n), np.zeros((n, n))
    if len(used):
        lower, _ = dpotri(factor, lower=1)
        inverse = np.tril(lower) + np.tril(lower, -1).T
        some = scale[:, None] * inverse * scale[None, :]
        effects[used] = some @ data.moment[used] / noise
        covariance[np.ix_(used, used)] = some
    return Components(effects, covariance, strength, noise, value)
