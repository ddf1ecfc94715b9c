"""Readings over time to the tables `time_courses`, `course_classes` and `course_curves`.

Belongs here: which wells and controls enter, and where the rows are written. Does not belong here: what is computed of
them (`phenodose.time_courses`), and finding the files (`phenodose.screens.time_points`).

Wells, controls and what is masked are those of the last reading, whose viability the screen's scores stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from phenodose.tables import TABLES
from phenodose.time_courses.course_classes import LEAST_GROWTH

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.lineage.provenance import Provenance
    from phenodose.pipeline.context import Context

TIME_COURSES = "time_courses"
#: What only a readout that counts cells can tell.
OF_CELLS = ("cells", "growth_per_hour", "untreated_growth_per_hour", "gr")
#: Said of a readout that counts cells, on plates where its number does not.
KILLED_ABOVE_LIVING = (
    "time course: killed wells read no less at the end than living ones did at the start, so that its number tells no "
    "growth on these plates."
)
#: A plate with so many different numbers is not alike by chance.
_LEAST_DIFFERENT = 12
#: Tables of what drugs do over time.
CLASSES, CURVES = OF_COURSES = ("course_classes", "course_curves")


def course_table(
    course: Mapping[float, pd.DataFrame],
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    readout: str,
    power: float = 1.0,
) -> pd.DataFrame:
    """Every well that is a drug's or a control's at every time.

    Args:
        course: plate, row, column, raw of the measured wells, by hours; empty for a screen that was read once.
        viability: of the last reading, one row a well of the layout (`viability_of`).
        wells: the layout, in the same order.
        readout: name of the readout.
        power: cells are as many as its raw values to this power.

    Returns:
        Rows of the table `time_courses` without screen and provenance; none for a screen that was read once.
    """
    import numpy as np
    import pandas as pd

    from phenodose.dose_response.growth_rate import raw_value_of_no_cells
    from phenodose.names import curve_names, plate_key, row_index
    from phenodose.time_courses.series import course_rows

    if not course:
        return TABLES[TIME_COURSES].empty()
    treated = wells["well_type"].eq("therapy") & wells["treatment"].notna()
    add_on = wells["add_on"] if "add_on" in wells else pd.Series(pd.NA, index=wells.index, dtype=object)
    named = wells.assign(add_on=add_on.fillna(""))
    served = _served_by(named, viability)
    of_plate = viability.assign(readout=readout, sample=wells["sample"].to_numpy(), add_on=served)
    killed = of_plate["raw"].where(of_plate["control"].eq("positive") & ~of_plate["masked"].astype(bool))
    # as for viability, killed cells of the other samples of a plate stand for those that a sample lacks
    own = killed.groupby([of_plate["plate"], of_plate["sample"]], dropna=False).transform("median")
    zero = own.fillna(killed.groupby(of_plate["plate"]).transform("median")).to_numpy(dtype=np.float64)
    if np.isnan(zero).any():
        read = of_plate[~of_plate["masked"].astype(bool)]
        zero = np.where(np.isnan(zero), raw_value_of_no_cells(read, of_plate[["plate", "readout"]]), zero)
    frame = pd.DataFrame(
        {
            "plate": viability["plate"].to_numpy(),
            "well": viability["well"].to_numpy(),
            "sample": wells["sample"].to_numpy(),
            "drug": curve_names(named).where(treated).to_numpy(),
            "concentration_nM": wells["concentration_nM"].where(treated).to_numpy(dtype=np.float64, na_value=np.nan),
            "control": viability["control"].where(~treated).to_numpy(),
            "compared_with": served,
            "zero": zero,
        }
    )
    places = [
        (plate_key(plate), row_index(row), int(column))
        for plate, row, column in zip(viability["plate"], viability["row"], viability["column"], strict=True)
    ]
    masked = viability["masked"].to_numpy(dtype=bool)
    readings = {}
    for hours, raw in course.items():
        found = {
            (plate_key(plate), row_index(row), int(column)): value
            for plate, row, column, value in zip(raw["plate"], raw["row"], raw["column"], raw["raw"], strict=True)
        }
        values = np.array([found.get(place, np.nan) for place in places], dtype=np.float64)
        readings[hours] = np.where(masked, np.nan, values)
    rows = course_rows(frame, readings, power)
    shown = rows[rows["drug"].notna() | rows["control"].notna()].drop(columns="zero")
    return shown.assign(readout=readout, compared_with=shown["compared_with"].where(shown["compared_with"] != "", None))


def viability_alone(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a readout whose number is no amount of cells (likeness to controls, a mean brightness).

    Viability at each time stands, relative to the untreated wells of that time and the killed ones of the time that
    scores stand for; cells, growth and GR are not known.
    """
    return rows.assign(**dict.fromkeys(OF_CELLS, float("nan")))


def killed_above_living(rows: pd.DataFrame) -> bool:
    """Whether killed wells read no less at the end, on any plate, than living ones did at the start."""
    living = rows["time_h"].eq(0) & (rows["drug"].notna() | rows["control"].eq("negative"))
    killed = rows["time_h"].eq(rows["time_h"].max()) & rows["control"].eq("positive")
    start, end = (rows[some].groupby("plate")["raw"].median() for some in (living, killed))
    return bool((end >= start.reindex(end.index)).any())


def tells_viability_alone(rows: pd.DataFrame) -> bool:
    """Whether rows of `time_courses` are those of a readout that counts no cells: the start was read, and has none."""
    at_start = rows[rows["time_h"].eq(0)]
    return bool(at_start["raw"].notna().any() and rows["cells"].isna().all())


def course_notes(rows: pd.DataFrame) -> list[str]:
    """What a person should know before believing a time course, a sentence each; all begin with the sample.

    Args:
        rows: from `course_table`, of one readout.
    """
    import numpy as np

    notes: list[str] = []
    for sample, own in rows.groupby("sample", sort=True):
        text = f"sample {sample}: time course: "
        living = own[own["drug"].notna() | own["control"].eq("negative")]
        start = living[living["time_h"].eq(0)]
        if tells_viability_alone(own):
            notes.append(
                f"{text}viability at every time, and no growth: the readout tells how alive wells look, not how many "
                "cells there are, so that there are no classes and no GR values."
            )
            continue
        if not start["cells"].gt(0).any():
            notes.append(
                f"{text}the reading of 0 h shows no cells above killed ones, so nothing tells how cells grew; there "
                "are no classes and no GR values."
            )
            continue
        without = [str(plate) for plate, wells in start.groupby("plate", sort=False) if wells["raw"].isna().all()]
        if without:
            notes.append(
                f"{text}the reading of 0 h has no value of plate {', '.join(without)}; the cells of the sample's other "
                "plates at the start stand in."
            )
        untreated = own[own["control"].eq("negative") & own["time_h"].eq(own["time_h"].max()) & own["cells"].gt(0)]
        doublings = float(np.log2(untreated["cells"].median())) if len(untreated) else float("nan")
        if not doublings >= LEAST_GROWTH:
            notes.append(
                f"{text}untreated cells went through {doublings:.2g} doublings from 0 to {own['time_h'].max():g} h, "
                f"too few ({LEAST_GROWTH:g} are needed) to tell drugs that slow growth from those without effect."
            )
        notes += [f"{text}{note}" for note in _same_readings(living)]
    return notes


def _same_readings(rows: pd.DataFrame) -> list[str]:
    """A note on each plate that reads the same in all wells at two times, as a file does that was copied."""
    found = []
    for plate, own in rows.groupby("plate", sort=False):
        wide = own.pivot_table(index="well", columns="time_h", values="raw")
        for before, after in pairwise(wide.columns):
            if wide[before].nunique() >= _LEAST_DIFFERENT and wide[before].equals(wide[after].rename(before)):
                found.append(
                    f"plate {plate} has the same numbers at {before:g} and {after:g} h; look whether one file was "
                    "copied over the other."
                )
    return found


def _served_by(wells: pd.DataFrame, viability: pd.DataFrame) -> np.ndarray:
    """The add-on whose negative controls serve each well, as for its viability; '' for cells without any drug.

    By `serving_add_on`; wells of a dose matrix that has no such controls are compared with cells without any drug.
    """
    import numpy as np

    from phenodose.names import add_on_keys, serving_add_on
    from phenodose.viability.dose_matrices import without_own_controls

    key, plain = add_on_keys(wells).to_numpy(), wells["add_on"].astype(str).str.strip().to_numpy()
    negative = viability["control"].eq("negative").to_numpy(dtype=bool)
    usable = negative & ~viability["masked"].to_numpy(dtype=bool)
    groups = list(zip(wells["sample"].astype(object).fillna(""), viability["plate"], strict=True))
    there = {(group, held) for group, held, is_one in zip(groups, key, usable, strict=True) if is_one}
    return np.where(without_own_controls(wells, negative), "", serving_add_on(key, plain, groups, there))


def starts_of(rows: pd.DataFrame, readout: str) -> pd.DataFrame | None:
    """The living wells at the start (plate, sample, readout, raw), from which doublings are told; None if none are.

    Args:
        rows: of the table `time_courses`, of one readout.
        readout: whose doublings are wanted: that readout, or the same without effects of place, which has the start of
            the one that was measured.
    """
    if tells_viability_alone(rows):
        return None
    living = rows["drug"].notna() | rows["control"].eq("negative")
    starts = rows[rows["time_h"].eq(0) & living & rows["raw"].notna()].assign(readout=readout)
    return starts[["plate", "sample", "readout", "raw"]] if len(starts) else None


def write_course_results(
    step: Context, readout: str, viability: pd.DataFrame, wells: pd.DataFrame, provenance: Provenance
) -> None:
    """Write the class of each drug and dose, and the GR curve of each time; no rows for a screen that was read once.

    As for viability, wells of a dose matrix that are compared with cells without any drug are no points of a curve.
    """
    from phenodose.pipeline.dose_matrices import of_single_drugs
    from phenodose.store.curves import curves_key
    from phenodose.time_courses.series import course_classes, course_curves

    rows = step.store.read_table(TIME_COURSES, step.screen_id, f"viability/{readout}")
    rows = rows.iloc[:0] if tells_viability_alone(rows) else rows
    curved = rows.merge(of_single_drugs(viability, wells)[["plate", "well"]], on=["plate", "well"])
    for table, compute, of in ((CLASSES, course_classes, rows), (CURVES, course_curves, curved)):
        columns = TABLES[table].column_names
        found = TABLES[table].empty()
        if len(of):
            found = provenance.stamp(compute(of).assign(screen=step.screen_id, readout=readout))[columns]
        step.store.write_table(table, step.screen_id, curves_key(readout), found)
