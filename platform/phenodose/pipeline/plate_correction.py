"""Raw numbers of a readout without the effects of the place on the plate.

Belongs here: the choice of a method, the rounds of fitting and correcting, and how effects on viability go back to raw
numbers, for every face alike. Does not belong here: the methods (`phenodose.plate_correction`), and whether a plate
needs one (`phenodose.quality`).

A correction is off unless it is asked for, and never replaces anything: the corrected numbers are a readout of their
own, `<readout>_corrected`, normalised, fitted, scored and judged as any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field

from phenodose.errors import InputError
from phenodose.pipeline.normalisation import Normalisation
from phenodose.plugins import Parameters

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.plate_correction.residual_effects import PlaceEffects

Correction = Literal["none", "b_score", "loess", "residuals"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)
#: Stands for the readout while rounds of fitting go on.
_NAME = "readout"
#: Most rounds of fitting and correcting, and the change of viability at which they end.
MOST_ROUNDS, LEAST_CHANGE = 4, 0.003
#: Share of the wells of a row or column with an effect from which its median is no effect of place, and such effect.
_MOST_KILLED, _KILLED = 0.4, 0.25


class CorrectionParameters(Parameters):
    """How effects of the place on the plate are taken off a readout."""

    correction: Correction = Field(
        "none",
        description="Effects of place are taken off by: b_score, loess, residuals (of the fitted curves); or none",
    )
    loess_of: Literal["untreated", "residuals"] = Field(
        "untreated", description="Wells of the loess: negative controls and untreated wells, or residuals of the curves"
    )
    loess_span: float = Field(
        0.5, gt=0, le=2, description="Share of a plate's wells that a local fit of the loess sees"
    )


@dataclass(frozen=True)
class CorrectedReadings:
    """The raw numbers of a readout without effects of place.

    Attributes:
        raw: as the raw numbers were given, one row a well of the layout.
        effects: what was taken off.
        notes: a sentence on what was found, and on plates that could not be corrected.
    """

    raw: pd.DataFrame
    effects: PlaceEffects
    notes: list[str] = field(default_factory=list)


def corrected_readings(
    raw: pd.DataFrame,
    wells: pd.DataFrame,
    normalisation: Normalisation,
    parameters: CorrectionParameters,
    what: str,
) -> CorrectedReadings:
    """Take the effects of place off.

    Args:
        raw: plate, row, column, raw and perhaps raw_sd of the measured wells.
        wells: `Layout.frame` with the sample named in every row.
        normalisation: controls, and what viability is relative to.
        parameters: the method.
        what: layout or screen and readout, as messages name them.

    Raises:
        InputError: as `viability_of`; or no plate has wells that the method could go by.
    """
    import numpy as np

    from phenodose.dose_response.fit import fit_curves
    from phenodose.dose_response.points import curve_points
    from phenodose.plate_correction.methods import loess_effects, polish_effects
    from phenodose.plate_correction.residual_effects import expected_viability, residual_effects

    scaled = _Scaled.of(raw, wells, normalisation)
    notes: list[str] = []
    lacking: list[str] = []
    of_what = "negative controls and untreated wells"
    if parameters.correction == "b_score":
        effects = polish_effects(scaled.viability, wells)
        notes += _polish_notes(scaled.viability, wells)
    elif parameters.correction == "loess" and parameters.loess_of == "untreated":
        effects, lacking = loess_effects(scaled.viability, wells, None, parameters.loess_span)
    else:
        of_what = "wells whose curves leave cells alive"
        now, effects = scaled.viability, None
        for _ in range(MOST_ROUNDS):
            curves = fit_curves(curve_points(now, wells, per_replicate=False))
            if parameters.correction == "loess":
                expected = expected_viability(scaled.viability, wells, curves, effects)
                found, lacking = loess_effects(scaled.viability, wells, expected, parameters.loess_span)
            else:
                found = residual_effects(scaled.viability, wells, curves, effects)
            moved = found.effect - (0.0 if effects is None else effects.effect)
            effects = found
            if np.abs(moved).max(initial=0.0) < LEAST_CHANGE:
                break
            now = scaled.without(effects, wells, normalisation)
    if lacking:
        text = f"too few {of_what} for a loess on plate {', '.join(lacking)}"
        if len(lacking) == len(dict.fromkeys(wells["plate"])):
            other = "" if of_what.startswith("wells") else ', or loess_of = "residuals"'
            raise InputError(f'{what}: {text}; take correction = "residuals"{other}.')
        notes.append(f"{text}; these are not corrected.")
    assert effects is not None
    return CorrectedReadings(scaled.raw_without(effects, wells), effects, [_found(effects), *notes])


@dataclass(frozen=True)
class _Scaled:
    """Viability with the scale of every well: a change of viability is one of `window` times as much in raw."""

    viability: pd.DataFrame
    window: np.ndarray
    raw_sd: np.ndarray | None

    @classmethod
    def of(cls, raw: pd.DataFrame, wells: pd.DataFrame, normalisation: Normalisation) -> _Scaled:
        import numpy as np

        raw_sd = None
        if "raw_sd" in raw:
            raw_sd = scaled_viability(raw, wells, normalisation)["raw_sd"].to_numpy(dtype=np.float64)
        # An error of 1 in every reading is one of 1 / |window| in viability.
        viability = scaled_viability(raw.assign(raw_sd=1.0), wells, normalisation)
        value, readings = (viability[name].to_numpy(dtype=np.float64) for name in ("viability_fraction", "raw"))
        window = 1 / viability["viability_sd_fraction"].to_numpy(dtype=np.float64)
        for sample in wells["sample"].dropna().unique():
            own = (wells["sample"] == sample).to_numpy() & np.isfinite(value)
            away = (readings - np.median(readings[own])) * (value - np.median(value[own])) if own.any() else np.zeros(1)
            window[own] *= -1.0 if away[own].sum() < 0 else 1.0
        return cls(viability, window, raw_sd)

    def raw_without(self, effects: PlaceEffects, wells: pd.DataFrame) -> pd.DataFrame:
        """Raw numbers without the effects; of wells without a viability as they are."""
        import numpy as np

        value, readings = (self.viability[name].to_numpy(dtype=np.float64) for name in ("viability_fraction", "raw"))
        moved = self.window * (effects.removed(value) - value)
        corrected = wells[["plate", "row", "column"]].reset_index(drop=True)
        corrected["raw"] = readings + np.where(np.isfinite(moved), moved, 0.0)
        if self.raw_sd is not None:
            corrected["raw_sd"] = self.raw_sd / (np.exp(effects.effect) if effects.form == "gain" else 1.0)
        return corrected

    def without(self, effects: PlaceEffects, wells: pd.DataFrame, normalisation: Normalisation) -> pd.DataFrame:
        """Viability without the effects, relative to the corrected controls."""
        return scaled_viability(self.raw_without(effects, wells), wells, normalisation)


def scaled_viability(raw: pd.DataFrame, wells: pd.DataFrame, normalisation: Normalisation) -> pd.DataFrame:
    """Viability alone, without flags and figures; samples without usable controls have none (they are told later)."""
    import pandas as pd

    from phenodose.viability.normalise import to_viability
    from phenodose.viability.samples import wells_by_sample

    n = normalisation
    frames = []
    for own in wells_by_sample(wells, n.positive if n.lower_anchor is None else (), n.by):
        try:
            controls = own.controls(n.negative, n.positive, n.lower_anchor)
            frame = to_viability(_on_plates(raw, own.wells), own.wells, controls, n.by, n.rises_with)
        except InputError:
            continue
        frames.append(frame.iloc[: own.n_own].set_axis(own.position[: own.n_own], axis=0))
    if not frames:
        raise InputError("no sample has usable controls.")
    whole = pd.concat(frames).reindex(range(len(wells)))
    return whole.assign(masked=whole["masked"].astype("boolean").fillna(True).astype(bool), readout=_NAME)


def _on_plates(raw: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    from phenodose.names import plate_key

    return raw[raw["plate"].map(plate_key).isin({plate_key(plate) for plate in wells["plate"].unique()})]


def _found(effects: PlaceEffects) -> str:
    if not effects.kinds:
        return "no effect of place was found; nothing is corrected."
    shape = "in proportion to the signal" if effects.form == "gain" else "added to the signal"
    named = ", ".join(f"{kind} {100 * size:.1f} %" for kind, size in effects.kinds.items())
    return f"effects of place, {shape}, were taken off (typical size): {named}."


def _polish_notes(viability: pd.DataFrame, wells: pd.DataFrame) -> list[str]:
    """A warning where a row or column holds so many wells with an effect that its median is one."""
    drugs = viability[(wells["well_type"] == "therapy").to_numpy() & viability["viability_fraction"].notna().to_numpy()]
    killed = drugs.assign(killed=drugs["viability_fraction"] < 1 - _KILLED)
    found = []
    for along in ("row", "column"):
        shares = killed.groupby(["plate", along], sort=False)["killed"].mean().reset_index()
        some = shares[shares["killed"] > _MOST_KILLED]
        found += [f"{along} {name} of plate {plate}" for plate, name in zip(some["plate"], some[along], strict=True)]
    if not found:
        return []
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return [
        f"the B-score takes medians of rows and columns for effects of place, but more than {_MOST_KILLED:.0%} of the "
        f"drug wells of {', '.join(found[:3])}{more} show an effect: it takes effects of drugs away; "
        'correction = "residuals" does not.'
    ]
