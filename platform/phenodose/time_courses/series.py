"""Readings of wells over time: cells, growth between readings, GR, and the class of each drug and dose.

Belongs here: what is computed of wells. Does not belong here: the model of a course (`course_classes`).

Cells are readings above that of killed wells, in units of the cells at the start: x0, the median of the plate's living
wells at the first reading, when no drug has acted yet. Killed wells count as they are read at the end, for at the start
they are not dead; the value of an empty reader does not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.dose_response.growth_rate_curves import fit_growth_rates
from phenodose.dose_response.points import points_from_long
from phenodose.errors import InputError
from phenodose.time_courses.course_classes import CLASSES, Noise, classify

if TYPE_CHECKING:
    import pandas as pd

#: Columns of `course_rows` beside those that wells bring.
COURSE_COLUMNS = ("time_h", "raw", "viability_fraction", "cells", "growth_per_hour", "untreated_growth_per_hour", "gr")
#: Columns of `course_classes` beside those of a series.
CLASS_COLUMNS = (
    *("course_class", "probability", "p_kill", "p_slow", "p_regrow", "p_none", "change_doublings"),
    *("untreated_doublings", "noise_sd", "n_wells", "n_times", "is_highest_dose"),
)
_SERIES = ["sample", "drug", "concentration_nM"]
#: Noise of a well where the screen does not tell, and the least: fractions of its cells, in doublings.
USUAL_SD, LEAST_SD = 0.15, 0.03
#: Numbers from which noise is estimated; residuals beyond this many SD do not tell what wells share.
_LEAST_RESIDUALS, _CLIP = 8, 3.0
#: Less that wells seem to share between times is chance.
_LEAST_SHARED = 0.25
#: Limits of detection, in units of the cells at the start: standard deviations of killed wells, least and most.
_LIMIT_SDS, _LIMIT_LEAST, _LIMIT_MOST = 3.0, 0.01, 0.2
#: The spread of dying cells is not that of living ones.
_WELL_ABOVE_LIMIT = 5.0


def course_rows(wells: pd.DataFrame, readings: Mapping[float, np.ndarray], power: float = 1.0) -> pd.DataFrame:
    """What every well says at every time.

    Args:
        wells: plate, well, sample, drug (missing for controls), concentration_nM, control ('negative', 'positive' or
            missing), zero (the raw value of no cells); and if wanted compared_with, which names the negative controls
            that serve a well (those of its add-on), '' by default.
        readings: hours -> raw values float64 (well,), NaN where a well counts as not read. The first is the start.
        power: cells are as many as raw values to this power; viability is of the raw values themselves.

    Returns:
        One row a well and time: the columns of `wells` and `COURSE_COLUMNS`. cells: over those at the start. gr:
        2^(log2 cells / log2 cells of untreated wells) - 1, NaN at the start and where untreated cells have not grown.
        growth_per_hour: doublings an hour since the reading before, of the well and of untreated ones; NaN where
        cells were not above none.

    Raises:
        InputError: there is no reading at the start, or only that.
    """
    import pandas as pd

    times = sorted(readings)
    refuse_no_start(times, "time course")
    wells = wells.reset_index(drop=True)
    served = wells["compared_with"].fillna("") if "compared_with" in wells else pd.Series("", index=wells.index)
    zero = wells["zero"].to_numpy(dtype=np.float64)
    above = np.stack([readings[time] - zero for time in times])
    untreated = _of_untreated(wells, served, above)
    viability = above / untreated
    if power != 1:
        above = np.stack([_to_the(power, readings[time]) - _to_the(power, zero) for time in times])
        untreated = _of_untreated(wells, served, above)
    falls = np.nanmedian(untreated) < 0 if np.isfinite(untreated).any() else False
    above, untreated = (-above, -untreated) if falls else (above, untreated)
    living = wells["control"].isna() | wells["control"].eq("negative")
    start = _medians(np.where(living, above[0], np.nan), [wells["sample"], wells["plate"]])
    start = np.where(np.isfinite(start), start, _medians(np.where(living, above[0], np.nan), [wells["sample"]]))
    with np.errstate(all="ignore"):
        cells, growing = above / start, untreated / start
        logs = np.log2(np.where(cells > 0, cells, np.nan))
        log_growing = np.log2(np.where(growing > 0, growing, np.nan))
        ratio = np.where(cells > 0, logs, -np.inf) / np.where(log_growing > 0, log_growing, np.nan)
        rates = np.where(np.isfinite(cells), 2.0**ratio - 1.0, np.nan)
    rates[0] = np.nan
    parts = []
    for i, time in enumerate(times):
        since = time - times[i - 1] if i else np.nan
        parts.append(
            wells.assign(
                time_h=time,
                raw=readings[time],
                viability_fraction=viability[i],
                cells=cells[i],
                growth_per_hour=(logs[i] - logs[i - 1]) / since,
                untreated_growth_per_hour=(log_growing[i] - log_growing[i - 1]) / since,
                gr=rates[i],
            )
        )
    return pd.concat(parts, ignore_index=True)


def _to_the(power: float, values: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(values) * np.abs(values) ** power)


def refuse_no_start(times: list[float], what: str) -> None:
    """Refuse times of reading without the start, or with nothing after it.

    Raises:
        InputError: one sentence.
    """
    if not times or times[0] != 0:
        raise InputError(
            f"{what}: was read {_listed(times)} but not at time zero, when the treatment began, so nothing tells how "
            "cells grew; add the reading of 0 h, or say which reading is the start by naming its hours 0."
        )
    if len(times) < 2:
        raise InputError(f"{what}: was read at the start alone; add a later reading.")


def course_classes(rows: pd.DataFrame) -> pd.DataFrame:
    """The class of every sample, drug and dose.

    Args:
        rows: from `course_rows`; masked wells have no raw value.

    Returns:
        One row a sample, drug and dose: course_class, probability, p_kill, p_slow, p_regrow, p_none, change_doublings
        (from start to end), untreated_doublings, noise_sd, n_wells, n_times, is_highest_dose; sorted by these three.
        Class and probability are missing where no later reading has a value.
    """
    import pandas as pd

    found = []
    for _, of_sample in rows.groupby("sample", sort=True):
        served = of_sample["compared_with"].fillna("") if "compared_with" in of_sample else ""
        of_sample = of_sample.assign(_served=served)
        noise = noise_of(of_sample)
        for name, some in of_sample[of_sample["drug"].notna()].groupby("_served", sort=True):
            growth = _growth(of_sample, str(name))
            if growth is not None:
                found.append(_classes_of(some, growth, noise))
    if not found:
        return pd.DataFrame(columns=[*_SERIES, *CLASS_COLUMNS])
    table = pd.concat(found, ignore_index=True)
    highest = table.groupby(["sample", "drug"])["concentration_nM"].transform("max")
    return table.assign(is_highest_dose=table["concentration_nM"].eq(highest)).sort_values(_SERIES, ignore_index=True)


def course_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """The GR curve over dose of every drug at every time but the start.

    Args:
        rows: from `course_rows`.

    Returns:
        sample, drug, time_h, gr50_nM (missing outside the tested doses), gec50_nM and h_gr (missing where a flat line
        does as well), gr_inf (the mean GR there), gr_max, gr_aoc, r2, p.
    """
    later = rows[rows["drug"].notna() & rows["time_h"].gt(0)]
    points = points_from_long(later, ["sample", "drug", "time_h"], inhibition="gr")
    x, rates = points.log10_dose, points.inhibition
    known = np.isfinite(x) & np.isfinite(rates)
    found = fit_growth_rates(np.where(known, x, np.nan), np.where(known, rates, np.nan))
    lowest, highest = np.where(known, x, np.inf).min(axis=1), np.where(known, x, -np.inf).max(axis=1)
    half = found.log10_gr50()
    sigmoid = np.where(found.flat, np.nan, 1.0)
    return points.keys.assign(
        gr50_nM=np.where((half >= lowest) & (half <= highest), 10.0 ** np.clip(half, -30, 30), np.nan) * sigmoid,
        gec50_nM=10.0**found.log10_gec50 * sigmoid,
        gr_inf=np.where(found.flat, found.mean, found.gr_inf),
        h_gr=found.h_gr * sigmoid,
        gr_max=found.gr_max,
        gr_aoc=found.gr_aoc,
        r2=found.r2,
        p=found.p,
    )


def noise_of(rows: pd.DataFrame) -> Noise:
    """The noise of one sample's wells, as untreated wells and replicates of a dose tell it.

    Args:
        rows: from `course_rows`, of one sample.
    """
    killed = rows[rows["control"].eq("positive") & rows["time_h"].eq(rows["time_h"].max())]["cells"].dropna()
    spread = 1.4826 * float((killed - killed.median()).abs().median()) if len(killed) > 2 else 0.0
    limit = float(np.clip(_LIMIT_SDS * spread, _LIMIT_LEAST, _LIMIT_MOST))
    later = rows[rows["cells"] > _WELL_ABOVE_LIMIT * limit]
    later = later.assign(log=np.log2(later["cells"]))
    untreated = later[later["control"].eq("negative")]
    own = _residuals(untreated, ["plate", "compared_with"] if "compared_with" in later else ["plate"])
    # dose by dose, where no dose has acted at the start
    replicates = _residuals(later[later["drug"].notna()], ["plate", "drug", "concentration_nM"])
    residuals = np.concatenate([own["residual"], replicates["residual"]])
    if len(residuals) < _LEAST_RESIDUALS:
        return Noise(USUAL_SD, 0.0, limit, spread)
    sd = max(1.4826 * float(np.median(np.abs(residuals))), LEAST_SD)
    return Noise(sd, _shared(own, sd), limit, spread)


def _residuals(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Log2 cells about those of the same group and time, widened for the mean that they made themselves."""
    groups = rows.groupby([*by, "time_h"], dropna=False)["log"]
    count = groups.transform("count")
    residual = (rows["log"] - groups.transform("mean")) * np.sqrt(count / np.maximum(count - 1, 1))
    return rows.assign(residual=residual)[count > 1]


def _shared(residuals: pd.DataFrame, sd: float) -> float:
    """Part of the variance that the readings of a well have in common."""
    wide = residuals.pivot_table(index=["plate", "well"], columns="time_h", values="residual")
    values = np.clip(wide.to_numpy() / sd, -_CLIP, _CLIP)
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    pairs = (known.sum(axis=1) * (known.sum(axis=1) - 1)).sum()
    if pairs < 2 * _LEAST_RESIDUALS:
        return 0.0
    share = float((values.sum(axis=1) ** 2 - (values**2).sum(axis=1)).sum() / pairs)
    return min(share, 0.9) if share >= _LEAST_SHARED else 0.0


def _growth(rows: pd.DataFrame, served: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Times, and doublings of untreated cells since the start; None if they were not read at each."""
    untreated = rows[rows["control"].eq("negative") & rows["cells"].gt(0)]
    own = untreated[untreated["_served"].eq(served)]
    middle = (own if len(own) else untreated).groupby("time_h")["cells"].median()
    if len(middle) < rows["time_h"].nunique():
        return None
    growth = np.log2(middle.to_numpy())
    return middle.index.to_numpy(dtype=np.float64), growth - growth[0]


def _classes_of(rows: pd.DataFrame, growth: tuple[np.ndarray, np.ndarray], noise: Noise) -> pd.DataFrame:
    import pandas as pd

    times, doublings = growth
    floored = rows.assign(log=np.log2(rows["cells"].clip(lower=noise.limit)))
    by: dict[str, Any] = {"index": _SERIES, "columns": "time_h", "values": "log", "dropna": False}
    middle = floored.pivot_table(**by, aggfunc="median").dropna(how="all").reindex(columns=times)
    count = (
        floored.pivot_table(**by, aggfunc="count").reindex(middle.index).reindex(columns=times).fillna(0).astype(int)
    )
    said = classify(middle.to_numpy(), count.to_numpy(), times, doublings, noise)
    chances: dict[str, Any] = {f"p_{name}": said.probability[:, i] for i, name in enumerate(CLASSES)}
    best = pd.array([name or None for name in said.best], dtype="object")
    return pd.DataFrame(
        {
            **middle.index.to_frame(index=False),
            "course_class": best,
            "probability": said.probability.max(axis=1),
            **chances,
            "change_doublings": said.change,
            "untreated_doublings": doublings[-1],
            "noise_sd": noise.sd,
            "n_wells": count.to_numpy().max(axis=1),
            "n_times": (count.to_numpy() > 0).sum(axis=1),
        }
    )


def _of_untreated(wells: pd.DataFrame, served: pd.Series, above: np.ndarray) -> np.ndarray:
    """Median (t, well) of the negative controls that serve each well at each time: its add-on's, else the plate's."""
    negative = wells["control"].eq("negative").to_numpy()
    own = [wells["sample"], wells["plate"], served]
    found = []
    for values in above:
        of_negative = np.where(negative, values, np.nan)
        middle = _medians(of_negative, own)
        plain = np.where(served.eq("").to_numpy(), of_negative, np.nan)
        found.append(np.where(np.isfinite(middle), middle, _medians(plain, own[:2])))
    return np.stack(found)


def _medians(values: np.ndarray, by: list[pd.Series]) -> np.ndarray:
    import pandas as pd

    return pd.Series(values).groupby(by, dropna=False).transform("median").to_numpy(dtype=np.float64)


def _listed(times: list[float]) -> str:
    return "at " + " and ".join(f"{time:g} h" for time in times) if times else "at no time"
