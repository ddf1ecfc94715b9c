"""Fitted curves: a batch of them as arrays, and one of them.

Belongs here: what a fitted curve is, its values and its table form. Does not belong here: fitting
(`fit`), scores (`score_functions`) and the points before the fit (`points`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from phenodose.dose_response.identifiability import identifiable
from phenodose.dose_response.models import PARAMETERS, inhibition
from phenodose.errors import InputError
from phenodose.tables import CURVE_FIT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

Value = TypeVar("Value")
#: Array attributes of a batch with one value a curve, in the order of the curves table.
_PER_CURVE = (
    "model",
    *PARAMETERS,
    "gof",
    "objective",
    "min_dose_nM",
    "max_dose_nM",
    "n_doses",
    "n_points",
    "status",
    "reason",
)
#: Columns of the curves table that older tables lack; a batch may be without them.
_LATER = ("lack_of_fit_f", "lack_of_fit_p")


@dataclass(frozen=True)
class Curve:
    """One fitted curve.

    Attributes:
        key: what identifies the curve: sample, readout, replicate, drug, or whatever the batch has.
        log10_dose, inhibition: the points (point,), log10 nM and fraction; empty if they are not known.
        model: number of free parameters, 2 to 5; 0 if the fit failed.
        bottom, top, log10_mid, slope, asymmetry: the parameters (`models`).
        gof: 1 - SSE/SST, unweighted.
        objective: the loss that was minimised, at its minimum.
        min_dose_nM, max_dose_nM: the tested range.
        n_doses, n_points: different doses, and points that entered the fit.
        fit: 'robust' or 'nplr'.
        status: 'ok', 'flat', 'decreasing', 'misfit' or 'failed'.
        reason: why the status is not ok; '' if it is.
        doublings: how often untreated cells doubled during the treatment; NaN if it is not known.
        lack_of_fit_f, lack_of_fit_p: misfit over the scatter of replicates, and the chance of that much where the
            curve is right (`lack_of_fit`); NaN where nothing can be tested.
    """

    key: dict[str, Any]
    log10_dose: np.ndarray
    inhibition: np.ndarray
    model: int
    bottom: float
    top: float
    log10_mid: float
    slope: float
    asymmetry: float
    gof: float
    objective: float
    min_dose_nM: float
    max_dose_nM: float
    n_doses: int
    n_points: int
    fit: str
    status: str
    reason: str
    doublings: float = float("nan")
    lack_of_fit_f: float = float("nan")
    lack_of_fit_p: float = float("nan")

    @property
    def fitted(self) -> bool:
        """True if there is a curve."""
        return self.model > 0

    def inhibition_at(self, log10_dose: np.ndarray) -> np.ndarray:
        """Inhibition (fraction) of the curve at each log10 dose [log10 nM]."""
        return inhibition(
            np.asarray(log10_dose, dtype=np.float64),
            self.bottom,
            self.top,
            self.log10_mid,
            self.slope,
            self.asymmetry,
        )

    def log10_dose_grid(self, k: int = 200) -> np.ndarray:
        """Equally spaced log10 doses (k,) from the lowest to the highest tested dose."""
        return np.asarray(np.linspace(np.log10(self.min_dose_nM), np.log10(self.max_dose_nM), k))


@dataclass(frozen=True)
class CurveBatch:
    """Fitted curves as arrays: n curves, at most m points each; iterating gives one `Curve` after another.

    Attributes:
        keys: n rows, the columns that identify a curve.
        log10_dose: float64 (n, m), log10 nM, NaN-padded.
        inhibition: float64 (n, m), fraction, NaN-padded.
        fit: 'robust' or 'nplr'.
        model: int64 (n,), free parameters 2 to 5; 0 where the fit failed.
        bottom, top, log10_mid, slope, asymmetry: float64 (n,); NaN where the fit failed.
        gof, objective: float64 (n,).
        min_dose_nM, max_dose_nM: float64 (n,); NaN for a curve without points.
        n_doses, n_points: int64 (n,).
        status: text (n,): 'ok', 'flat', 'decreasing', 'misfit' or 'failed'.
        reason: text (n,): why the status is not ok; '' if it is.
        draws: float64 (n, b, 5), parameters of curves drawn for the intervals, in the order of
            `models.PARAMETERS`, NaN where the fit failed; None without intervals.
        doublings: float64 (n,), how often untreated cells doubled during the treatment, NaN where it is not
            known; None if it is known of no curve.
        drawn_from: float64 (n, 5), parameters of the curves of the wells themselves, where these curves are
            draws of them; else None.
        lack_of_fit_f, lack_of_fit_p: float64 (n,), misfit over the scatter of replicates, and the chance of that
            much where the curve is right (`lack_of_fit`), NaN where nothing can be tested; None if it was not.
    """

    keys: pd.DataFrame
    log10_dose: np.ndarray
    inhibition: np.ndarray
    fit: str
    model: np.ndarray
    bottom: np.ndarray
    top: np.ndarray
    log10_mid: np.ndarray
    slope: np.ndarray
    asymmetry: np.ndarray
    gof: np.ndarray
    objective: np.ndarray
    min_dose_nM: np.ndarray
    max_dose_nM: np.ndarray
    n_doses: np.ndarray
    n_points: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    draws: np.ndarray | None = field(default=None, repr=False)
    doublings: np.ndarray | None = field(default=None, repr=False)
    drawn_from: np.ndarray | None = field(default=None, repr=False)
    lack_of_fit_f: np.ndarray | None = field(default=None, repr=False)
    lack_of_fit_p: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.model)

    def __iter__(self) -> Iterator[Curve]:
        rows = self.keys.to_dict("records") if self.keys.shape[1] else [{}] * len(self)
        for i, key in enumerate(rows):
            known = np.isfinite(self.log10_dose[i]) & np.isfinite(self.inhibition[i])
            values = {name: getattr(self, name)[i].item() for name in _PER_CURVE[:-2]}
            yield Curve(
                key={str(name): value for name, value in key.items()},
                log10_dose=self.log10_dose[i][known],
                inhibition=self.inhibition[i][known],
                fit=self.fit,
                status=str(self.status[i]),
                reason=str(self.reason[i]),
                **{name: self._optional(name)[i].item() for name in ("doublings", *_LATER)},
                **values,
            )

    def _optional(self, name: str) -> np.ndarray:
        """Numbers (n,) that the batch may be without; then NaN."""
        values = getattr(self, name)
        return np.full(len(self), np.nan) if values is None else np.asarray(values, dtype=np.float64)

    @property
    def fitted(self) -> np.ndarray:
        """Bool (n,): True where there is a curve."""
        return np.asarray(self.model > 0)

    @property
    def parameters(self) -> np.ndarray:
        """float64 (n, 5): the parameters in the order of `models.PARAMETERS`."""
        return np.stack([getattr(self, name) for name in PARAMETERS], axis=1)

    @property
    def log10_dose_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest tested log10 dose, float64 (n,) each."""
        return np.log10(self.min_dose_nM), np.log10(self.max_dose_nM)

    def inhibition_at(self, log10_dose: np.ndarray) -> np.ndarray:
        """Inhibition (fraction) of every curve.

        Args:
            log10_dose: (n, k) for doses of each curve, or (k,) for the same doses for all.

        Returns:
            float64 (n, k); NaN for curves whose fit failed.
        """
        doses = np.atleast_2d(np.asarray(log10_dose, dtype=np.float64))
        return inhibition(doses, *(column[:, None] for column in self.parameters.T))

    def once(self, name: Hashable, compute: Callable[[], Value]) -> Value:
        """What `compute` gives, computed once for this batch: scorers that need the same share it under a name.

        Example:
            middle = curves.once("middle", lambda: curves.inhibition_at(curves.log10_mid[:, None]))
        """
        known: dict[Hashable, Any] = self.__dict__.setdefault("_once", {})
        if name not in known:
            known[name] = compute()
        value: Value = known[name]
        return value

    @property
    def keeps_draws(self) -> bool:
        """Whether what is computed of the draws stays in memory for the next scorer."""
        return "keeps draws" in self.__dict__.get("_once", {})

    def keep_draws(self) -> None:
        """From now on, keep what is computed of the draws: for scorers that come one after the other."""
        self.once("keeps draws", lambda: True)

    def log10_dose_grid(self, k: int = 200) -> np.ndarray:
        """Equally spaced log10 doses (n, k) from the lowest to the highest tested dose of each curve."""
        low, high = self.log10_dose_range
        grid = np.arange(k) * ((high - low) / max(k - 1, 1))[:, None] + low[:, None]
        grid[:, -1] = high
        return np.asarray(grid)

    def select(self, which: np.ndarray) -> CurveBatch:
        """The curves at these positions (or where this bool mask is True), in that order."""
        index = np.flatnonzero(which) if np.asarray(which).dtype == bool else np.asarray(which)
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("keys", "fit")}
        arrays: dict[str, Any] = {name: None if value is None else value[index] for name, value in values.items()}
        return replace(self, keys=self.keys.iloc[index].reset_index(drop=True), **arrays)

    def with_parameters(self, parameters: np.ndarray) -> CurveBatch:
        """The same curves with other parameters (n, 5), and without draws."""
        columns: dict[str, Any] = {name: np.ascontiguousarray(parameters[:, i]) for i, name in enumerate(PARAMETERS)}
        return replace(self, draws=None, **columns)

    def drawn(self, first: int, last: int) -> CurveBatch:
        """Draws `first` to `last` (excluded) of all curves as a batch of n * (last - first) curves.

        The draws of one curve stand together, in order, each with the points of that curve.

        Raises:
            InputError: the batch has no draws.
        """
        if self.draws is None:
            raise InputError("these curves have no draws; fit them with bootstrap > 0.")
        some = self.draws[:, first:last]
        repeated = replace(self, draws=None).select(np.repeat(np.arange(len(self)), some.shape[1]))
        drawn = repeated.with_parameters(some.reshape(-1, len(PARAMETERS)))
        return replace(drawn, drawn_from=repeated.parameters)

    def to_frame(self) -> pd.DataFrame:
        """One row a curve: the key columns and the fit columns of the curves table (not the points)."""
        import pandas as pd

        columns: dict[str, Any] = {name: getattr(self, name) for name in _PER_CURVE}
        columns |= {name: self._optional(name) for name in _LATER}
        columns["model"] = pd.array(np.where(self.fitted, self.model, -1), dtype="Int64")
        columns["model"][~self.fitted] = pd.NA
        columns["fit"] = np.full(len(self), self.fit, dtype=object)
        columns["reason"] = np.array([text or None for text in self.reason], dtype=object)
        flag, why_not = identifiable(self)
        columns["identifiable"] = pd.array(flag, dtype="boolean")
        columns["not_identifiable_because"] = why_not
        fit_columns = pd.DataFrame({name: columns[name] for name in CURVE_FIT_COLUMNS}, index=self.keys.index)
        return pd.concat([self.keys, fit_columns], axis=1)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> CurveBatch:
        """The curves of a frame that `to_frame` or the curves table gave; their points are not known.

        Columns that are no fit columns become keys. The points are the tested range without inhibition.

        Raises:
            InputError: a fit column is missing, or the frame mixes fits.
        """
        frame = frame.assign(**{name: np.nan for name in _LATER if name not in frame.columns})
        missing = [name for name in CURVE_FIT_COLUMNS if name not in frame.columns]
        if missing:
            raise InputError(f"curves: columns missing: {', '.join(missing)}.")
        names = sorted({str(name) for name in frame["fit"]})
        if len(names) > 1:
            raise InputError(f"curves: fits {', '.join(names)} are mixed; take the rows of one fit.")
        frame = frame.reset_index(drop=True)
        numbers = {
            name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in (*PARAMETERS, "gof", "objective", "min_dose_nM", "max_dose_nM", *_LATER)
        }
        counts = {
            name: frame[name].astype("Int64").fillna(0).to_numpy(dtype=np.int64)
            for name in ("model", "n_doses", "n_points")
        }
        doses = np.log10(np.stack([numbers["min_dose_nM"], numbers["max_dose_nM"]], axis=1))
        return cls(
            keys=frame.drop(columns=list(CURVE_FIT_COLUMNS)),
            log10_dose=doses,
            inhibition=np.full_like(doses, np.nan),
            fit=names[0] if names else "robust",
            status=frame["status"].astype(object).to_numpy(),
            reason=np.array([text if isinstance(text, str) else "" for text in frame["reason"]], dtype=object),
            **numbers,
            **counts,
        )
