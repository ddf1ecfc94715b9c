"""How far the controls' medians may be off, by which every well of a plate is scaled.

Belongs here: the standard error of viability 1 and 0 on each plate, from the scatter of its control wells. Does not
belong here: the scaling itself (`normalise`) and what its error does to a curve (`dose_response.reading_error`).

A plate has 4 to 32 untreated wells. The median of eight that scatter by 0.11 is off by 0.05, and with it every drug of
that plate, in the same direction at all doses: no replicate on that plate shows it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from phenodose.names import add_on_keys, serving_add_on

_CONTROLS = ("negative", "positive")
#: A control well farther from the median than so many standard deviations counts as one there.
_FAR = 3.0
_Key = tuple[str, str]


class ControlError(NamedTuple):
    """The error of viability of wells by their controls.

    Attributes:
        group: int64 (well,), wells that share their controls.
        living: float64 (group,), standard error of viability 1 [fraction of viability]; 0 where nothing tells it.
        killed: float64 (group,), the same of viability 0.
    """

    group: np.ndarray
    living: np.ndarray
    killed: np.ndarray


def control_error(viability: pd.DataFrame, wells: pd.DataFrame) -> ControlError:
    """The standard errors of the controls' medians, which `to_viability` takes for exact.

    The scatter of control wells is that of the whole readout, as a few wells tell their own badly: the root mean square
    of the distances to the median of their group, none of which counts as more than three standard deviations. The
    median of n wells of standard deviation s is off by s sqrt(pi / (2 (n - 1) + pi)), which is exact of one normal well
    and of very many.

    Args:
        viability: rows of one readout: plate, well, viability_fraction, control, masked.
        wells: plate, well, sample, and add_on with its concentration where there are any.

    Returns:
        Of every row of `viability`; groups are those of plate, sample and add-on.
    """
    columns = [name for name in ("sample", "add_on", "add_on_concentration_nM") if name in wells]
    rows = viability[["plate", "well"]].merge(wells[["plate", "well", *columns]], on=["plate", "well"], how="left")
    rows = rows.assign(add_on=rows.get("add_on", ""))
    held = add_on_keys(rows).to_numpy(dtype=object)
    named = rows["add_on"].astype(object).fillna("").astype(str).str.strip().to_numpy(dtype=object)
    place = rows["plate"].astype(str) + "\n" + rows["sample"].astype(str)
    known = np.isfinite(viability["viability_fraction"].to_numpy(dtype=np.float64, na_value=np.nan))
    known &= ~viability["masked"].fillna(True).to_numpy(dtype=bool)
    negative, positive = (known & viability["control"].eq(name).to_numpy(dtype=bool) for name in _CONTROLS)
    there = set(zip(place[negative], held[negative], strict=True))
    serving = serving_add_on(held, named, place, there)
    values = viability["viability_fraction"].to_numpy(dtype=np.float64, na_value=np.nan)
    group, living_keys = _numbered(place.to_numpy(dtype=object), serving)
    living = _errors(
        values[negative], _numbered(place[negative], held[negative], known=living_keys)[0], len(living_keys)
    )
    # killed cells serve a plate whatever they held and whichever sample they were
    plates = [key[0].split("\n")[0] for key in living_keys]
    of_plate = {plate: number for number, plate in enumerate(dict.fromkeys(plates))}
    on_plate = np.array([of_plate.get(str(plate), -1) for plate in viability["plate"][positive]], dtype=np.int64)
    killed = _errors(values[positive], on_plate, len(of_plate))[[of_plate[plate] for plate in plates]]
    return ControlError(group, living, killed)


def _numbered(
    place: np.ndarray, held: np.ndarray, known: dict[_Key, int] | None = None
) -> tuple[np.ndarray, dict[_Key, int]]:
    """The number of each pair, -1 of one that is not known; and the numbers."""
    pairs = list(zip(place, held, strict=True))
    numbers = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))} if known is None else known
    return np.array([numbers.get(pair, -1) for pair in pairs], dtype=np.int64), numbers


def _errors(values: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """Standard errors (n,) of the medians of groups of control wells."""
    values, group = values[group >= 0], group[group >= 0]
    count = np.bincount(group, minlength=n)
    frame = pd.Series(values).groupby(group)
    distance = np.abs(values - frame.transform("median").to_numpy())
    several = count[group] > 1
    if not several.any():
        return np.zeros(n)
    # distances to the median of a few wells are too small: by about (n - 1) / n in the square
    widened = distance[several] * np.sqrt(count[group] / np.maximum(count[group] - 1, 1))[several]
    sd = float(np.sqrt(np.mean(np.minimum(widened, _FAR * 1.4826 * np.median(widened)) ** 2)))
    return np.where(count > 0, sd * np.sqrt(np.pi / (2 * np.maximum(count - 1, 0) + np.pi)), 0.0)
