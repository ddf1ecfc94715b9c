"""Raw numbers of a readout to the viability of every well, with quality metrics and notes.

Belongs here: the order of the steps, for every face alike, and what becomes of samples and plates without controls.
Does not belong here: measuring (`pipeline.raw_values` and readout plugins), whose controls serve a sample
(`phenodose.viability.samples`), scaling (`phenodose.viability.normalise`), judging (`phenodose.quality`).

The rule for wells without usable controls: drug wells that have a value and no controls to be measured by are refused,
because a ranking without them is another answer than the one that was asked for. `mask_uncontrolled` leaves them out
instead, with a note and a quality metric. For readouts of images that is the default: one spoilt plate does not stop
the others, which cannot be filmed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from phenodose.errors import Faults, InputError
from phenodose.pipeline.normalisation import PERCENT_OF_CONTROL, Normalisation
from phenodose.pipeline.plate_correction import Correction
from phenodose.plugins import Parameters

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.pipeline.context import Context
    from phenodose.pipeline.raw_values import RawValues
    from phenodose.plugins import Readout
    from phenodose.quality.gates import Limits
    from phenodose.viability.samples import SampleWells

#: The table of parameters in screen.toml: [parameters.viability].
VIABILITY = "viability"
_ANCHORED_BY_WELLS = "sample {sample}: viability 0 is the median of the wells {name!r}, as stated (lower anchor)."
_ANCHORED = (
    "sample {sample}: viability 0 is the raw value {anchor:g}, as stated (lower anchor){unused}; figures of killed "
    "cells (Z') cannot be told."
)
_PERCENT_OF_CONTROL = (
    "sample {sample}: viability is the reading over that of the untreated cells (percent of control / 100){unused}. "
    "Nothing says what killed cells read: inhibition is relative to a reading of 0, which a readout with a background "
    "never reaches, so that scores are lower than with a killing control and cannot be compared with such; figures "
    "of killed cells (Z') cannot be told."
)
_FALLS = (
    "sample {sample}: the positive controls have the larger raw values, so these were taken to rise with cell death; "
    "say so with --rises-with death, or look for swapped controls in the layout."
)


class ViabilityParameters(Parameters):
    """How raw numbers become viability."""

    normalise_by: Literal["plate", "treatment", "both"] = Field(
        "plate", description="Group in which the medians of the controls are taken"
    )
    mask_uncontrolled: bool | None = Field(
        None,
        description="Leave out drug wells without usable controls instead of refusing the readout; as the readout "
        "says if left out (images: yes, plate reader: no)",
    )
    correction: Correction | dict[str, Correction] = Field(
        "none",
        description="Adds <readout>_corrected, without effects of the place on the plate, taken off by b_score, loess "
        "or residuals (of the fitted curves); in screen.toml also by readout",
    )
    loess_of: Literal["untreated", "residuals"] = Field(
        "untreated",
        description="What the loess goes by: negative controls and untreated wells, or residuals of the curves",
    )
    loess_span: float = Field(
        0.5, gt=0, le=2, description="Share of a plate's wells that a local fit of the loess sees"
    )


@dataclass(frozen=True)
class ReadoutViability:
    """The viability of one readout.

    Attributes:
        viability: one row a well of the layout, in its order, with the columns of `checked_viability` and readout.
        qc: one row a quality metric, with the columns of `qc_rows` and sample.
        notes: a sentence on everything that was left out, shared or doubtful, each begins with the sample.
    """

    viability: pd.DataFrame
    qc: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def viability_of(
    raw: pd.DataFrame,
    wells: pd.DataFrame,
    readout: str,
    normalisation: Normalisation | None = None,
    *,
    what: str,
    limits: Limits | None = None,
    trusted: tuple[float, float] | None = None,
    views: Mapping[str, np.ndarray] | None = None,
    input_notes: Sequence[str] = (),
    control_distance: np.ndarray | None = None,
    classes: pd.DataFrame | None = None,
    left_out: pd.Series[str] | None = None,
) -> ReadoutViability:
    """The viability of every well of one readout, sample by sample.

    Args:
        raw: plate, row, column, raw and perhaps raw_sd of the measured wells.
        wells: `Layout.frame` with the sample named in every row (or one sample for all rows).
        readout: name of the readout.
        normalisation: the controls, and what viability is relative to.
        what: layout or screen, as messages name it.
        limits: limits of quality metrics, and flags that mask; the defaults if None.
        trusted: range of a network's output that its labels span; None for other readouts.
        views: what the images of the wells are compared by (`phenodose.quality.image_outliers`).
        input_notes: sentences on layout and files, which become the metric `input_notes`.
        control_distance: how far each well's image lies from what the controls span (`checked_viability`).
        classes: well_class and class_probability of each well (`checked_viability`).
        left_out: of each well why a person has left it out, missing where nobody has (`checked_viability`).

    Raises:
        InputError: samples without controls, drug wells without usable controls (unless they may be masked), or
            values that do not fit the layout; all in one message.
    """
    import pandas as pd

    from phenodose.quality.report import qc_rows
    from phenodose.viability.controls import choose_controls, wells_named
    from phenodose.viability.normalise import refuse_unknown_plates
    from phenodose.viability.samples import wells_by_sample

    faults = Faults(what)
    frames, figures, notes = [], [], []
    n = normalisation or Normalisation()
    choose_controls(wells, n.negative, n.positive, what, n.lower_anchor)
    refuse_unknown_plates(raw, wells)
    samples = wells_by_sample(wells, n.positive if n.lower_anchor is None else (), n.by)
    for own in samples:
        of_sample = raw if len(samples) == 1 else raw[_of_wells(raw, own.wells)]
        seen = {words: each[own.position] for words, each in (views or {}).items()}
        beyond = None if control_distance is None else control_distance[own.position]
        called = None if classes is None else classes.iloc[own.position]
        decided = None if left_out is None else left_out.iloc[own.position]
        try:
            viability = _of_sample(own, of_sample, n, limits, trusted, seen, beyond, called, decided)
        except InputError as error:
            text = str(error) if str(error).startswith("sample ") else f"sample {own.sample}: {error}"
            # A sample without drugs, or one whose wells may be left out, stops nobody else.
            if len(samples) > 1 and (n.mask_uncontrolled or not own.has_drugs):
                notes.append(f"{text.rstrip('.')}; its wells are left out.")
                frames.append(_left_out(own, text))
            else:
                faults.add(text)
            continue
        figures.append(qc_rows(viability, own.wells, readout, limits, input_notes).assign(sample=own.sample))
        notes += own.notes()
        if n.lower_anchor is not None:
            unused = wells_named(own.wells, n.positive)[1].any()
            words = "; the positive controls do not count" if unused else ""
            text = _PERCENT_OF_CONTROL if n.anchored_by == PERCENT_OF_CONTROL else _ANCHORED
            notes.append(text.format(sample=own.sample, anchor=n.lower_anchor, unused=words))
        elif n.anchored_by:
            name = wells_named(own.wells, n.positive)[0]
            notes.append(_ANCHORED_BY_WELLS.format(sample=own.sample, name=name))
        mine = viability.iloc[: own.n_own]
        notes += _notes(own.sample, mine, own.wells.iloc[: own.n_own])
        if n.rises_with is None and _falls(viability):
            notes.append(_FALLS.format(sample=own.sample))
        frames.append(mine.set_axis(own.position[: own.n_own], axis=0))
    faults.raise_if_any()
    if not figures:
        raise InputError(f"{what}: no sample has usable controls. {' '.join(notes)}")
    whole = frames[0] if len(frames) == 1 else pd.concat(frames).sort_index()
    return ReadoutViability(
        whole.reset_index(drop=True).assign(readout=readout), pd.concat(figures, ignore_index=True), notes
    )


def _of_sample(
    own: SampleWells,
    raw: pd.DataFrame,
    normalisation: Normalisation,
    limits: Limits | None,
    trusted: tuple[float, float] | None,
    views: Mapping[str, np.ndarray],
    control_distance: np.ndarray | None,
    classes: pd.DataFrame | None,
    left_out: pd.Series[str] | None,
) -> pd.DataFrame:
    from phenodose.quality.wells import checked_viability, is_left_out
    from phenodose.viability.normalise import NOT_MEASURED, refuse_lost_drugs

    n = normalisation
    controls = own.controls(n.negative, n.positive, n.lower_anchor)
    viability = checked_viability(
        raw, own.wells, controls, n.by, limits, trusted, n.rises_with, views, control_distance, classes, left_out
    )
    if not n.mask_uncontrolled:
        # A well that is left out because it is flagged, or by a person, has its controls.
        chosen = is_left_out(viability["mask_reason"])
        judged = viability.assign(mask_reason=viability["mask_reason"].where(~chosen, NOT_MEASURED))
        refuse_lost_drugs(judged, own.wells, controls, n.by)
    return viability


def _of_wells(raw: pd.DataFrame, wells: pd.DataFrame) -> np.ndarray:
    """Which raw values belong to these wells."""
    import numpy as np

    from phenodose.names import plate_key, row_index

    def places(frame: pd.DataFrame) -> list[tuple[str, int, int]]:
        return [
            (plate_key(plate), row_index(row), int(column))
            for plate, row, column in zip(frame["plate"], frame["row"], frame["column"], strict=True)
        ]

    wanted = set(places(wells))
    return np.array([place in wanted for place in places(raw)], dtype=bool)


def _left_out(own: SampleWells, reason: str) -> pd.DataFrame:
    """Rows of a sample that has no viability."""
    import numpy as np

    from phenodose.viability.normalise import VIABILITY_COLUMNS

    wells = own.wells.iloc[: own.n_own]
    rows = wells[["plate", "well", "row", "column"]].assign(
        raw=np.nan, raw_sd=np.nan, viability_fraction=np.nan, viability_sd_fraction=np.nan, control=None
    )
    rows = rows.assign(masked=True, mask_reason=reason)[list(VIABILITY_COLUMNS)]
    rows = rows.assign(image_distance=np.nan, flag=None, flag_reason=None, well_class=None, class_probability=np.nan)
    return rows.set_axis(own.position[: own.n_own], axis=0)


def _falls(viability: pd.DataFrame) -> bool:
    from phenodose.viability.normalise import falls_with_viability

    return falls_with_viability(viability)


def _notes(sample: str, viability: pd.DataFrame, wells: pd.DataFrame) -> list[str]:
    """What was left out or looks doubtful, a sentence a reason, where it concerns wells with drugs."""
    therapy = (wells["well_type"] == "therapy").to_numpy()
    reasons = viability.loc[therapy & viability["masked"].to_numpy(dtype=bool), "mask_reason"].value_counts()
    notes = [f"sample {sample}: {count} therapy wells left out: {reason}." for reason, count in reasons.items()]
    notes += _lost_controls(sample, viability)
    flags = viability.loc[therapy, "flag"].value_counts()
    if len(flags):
        text = ", ".join(f"{count} {flag}" for flag, count in flags.items())
        notes.append(f"sample {sample}: {flags.sum()} therapy wells look doubtful ({text}); they count all the same.")
    notes += _unlike_drugs(sample, viability[therapy], wells[therapy])
    return notes


def _unlike_drugs(sample: str, viability: pd.DataFrame, wells: pd.DataFrame) -> list[str]:
    """A sentence on the drugs whose images are not what the controls show, so that their scores cannot be trusted."""
    from phenodose.quality.trust import untrusted_drugs

    found = untrusted_drugs(viability, wells)
    if not found:
        return []
    named = ", ".join(f"{drug} ({count})" for (_, drug), count in found.items())
    return [
        f"sample {sample}: the image score is not to be trusted for {named}: these wells look neither alive nor killed "
        "as the killing control kills; see another readout."
    ]


def _lost_controls(sample: str, viability: pd.DataFrame) -> list[str]:
    """A sentence on each plate that has a value for less than half of its controls, on which all of it rests."""
    found = []
    controls = viability[viability["control"].notna()]
    for (plate, kind), rows in controls.groupby(["plate", "control"], sort=False):
        left = int(rows["raw"].notna().sum())
        if 0 < 2 * left < len(rows):
            found.append(
                f"sample {sample}: of {len(rows)} {kind} control wells on plate {plate} only {left} have a value."
            )
    return found


# --- of a screen in the store ---------------------------------------------------------------------


@dataclass(frozen=True)
class ScreenViability:
    """The viability of a screen by one readout, as it stands in the store.

    Attributes:
        viability: rows of the table `viability`, one a well of the layout.
        qc: rows of the table `qc`.
        wells: rows of the table `wells`, in the same order as `viability`.
        values: the raw numbers.
        inputs: names and hashes of what was read, and how it was scaled.
        notes: as of `ReadoutViability`, each begins with the readout.
    """

    viability: pd.DataFrame
    qc: pd.DataFrame
    wells: pd.DataFrame
    values: RawValues
    inputs: dict[str, Any]
    notes: list[str]


def viability_key(readout: str) -> str:
    """Asset key of a readout's viability, also the part of the tables that holds its rows."""
    return f"viability/{readout}"


def make_viability(
    step: Context, readout: type[Readout], name: str, measure: Callable[[Context], RawValues]
) -> ScreenViability:
    """Measure a readout of a screen, scale it and write the rows.

    Args:
        step: screen, store and parameters.
        readout: the plugin's class.
        name: name of the readout; of a network's phase `<plugin>_<phase>`.
        measure: gives the raw numbers.

    Raises:
        NotMade: the screen has nothing to measure.
        InputError: as `viability_of`.
    """
    from phenodose.pipeline.raw_values import control_distances, image_classes, image_views
    from phenodose.pipeline.time_courses import (
        KILLED_ABOVE_LIVING,
        TIME_COURSES,
        course_notes,
        course_table,
        killed_above_living,
        viability_alone,
    )
    from phenodose.plugins import ImageReadout, PlateReaderReadout
    from phenodose.screens.curations import DECISIONS, excluded_wells
    from phenodose.tables import TABLES

    wells = step.wells()
    decided = excluded_wells(step.store, step.screen_id, wells, name)
    values = measure(step)
    normalisation = step.normalisation(readout, name)
    found = viability_of(
        values.raw,
        wells,
        name,
        normalisation,
        what=f"screen {step.screen_id}, readout {name}",
        limits=step.limits,
        trusted=values.trusted,
        views=image_views(values, wells),
        input_notes=[*step.notes_of("layout"), *values.notes],
        control_distance=control_distances(values, wells),
        classes=image_classes(values, wells),
        left_out=decided.reasons,
    )
    provenance = step.provenance(values.plugin, values.checkpoint)
    viability = provenance.stamp(found.viability.assign(screen=step.screen_id))
    qc = provenance.stamp(found.qc.assign(screen=step.screen_id))
    step.store.write_table("viability", step.screen_id, viability_key(name), viability)
    step.store.write_table("qc", step.screen_id, viability_key(name), qc)
    if values.objects is not None:
        objects = provenance.stamp(values.objects.assign(screen=step.screen_id, readout=name))
        step.store.write_table("objects", step.screen_id, viability_key(name), objects)
    of_course: list[str] = []
    if values.course or issubclass(readout, PlateReaderReadout):
        course = course_table(values.course, found.viability, wells, name, getattr(readout, "cells_power", 1.0))
        counts = issubclass(readout, PlateReaderReadout) or getattr(readout, "counts_cells", False)
        if issubclass(readout, ImageReadout) and counts and killed_above_living(course):
            counts, of_course = False, [KILLED_ABOVE_LIVING]
        course = course if counts else viability_alone(course)
        rows = provenance.stamp(course.assign(screen=step.screen_id))[TABLES[TIME_COURSES].column_names]
        step.store.write_table(TIME_COURSES, step.screen_id, viability_key(name), rows)
        of_course += course_notes(course)
    else:
        step.store.drop_table_part(TIME_COURSES, step.screen_id, viability_key(name))
    inputs = {
        **values.inputs,
        "normalise_by": normalisation.by,
        "rises_with": normalisation.rises_with or "as the controls say",
        "mask_uncontrolled": normalisation.mask_uncontrolled,
        **({"lower_anchor": normalisation.anchored_by} if normalisation.anchored_by else {}),
        **({DECISIONS: {"newest": decided.newest, "wells": decided.version}} if decided.newest else {}),
    }
    nowhere = [f"{one.words} names no well of the layout any more and has no effect." for one in decided.nowhere]
    said = [*values.notes, *values.remarks, *found.notes, *of_course, *nowhere]
    notes = [f"readout {name}, {note}" for note in said]
    return ScreenViability(viability, qc, wells, values, inputs, notes)
