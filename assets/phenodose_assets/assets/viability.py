"""Assets `viability/<readout>`, one for every readout, and for each phase of a network that reads out.

Belongs here: which readouts become assets, and what the UI shows of them. Does not belong here: the step itself
(`phenodose.pipeline.viability`) and measuring (`phenodose.pipeline.raw_values`, plugins).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from phenodose.names import plate_key
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.corrected_viability import corrected_parts, make_corrected_viability
from phenodose.pipeline.raw_values import (
    RawValues,
    measure_images,
    measure_plate_reader,
    measure_staged,
    measure_tensors,
)
from phenodose.pipeline.tensor_wells import tensor_rows
from phenodose.pipeline.time_courses import TIME_COURSES
from phenodose.pipeline.viability import (
    VIABILITY,
    ScreenViability,
    ViabilityParameters,
    make_viability,
    viability_key,
)
from phenodose.plugins import ImageReadout, ObjectReadout, PlateReaderReadout, Readout, StagedReadout, TensorReadout
from phenodose.quality.blocking import quality_block
from phenodose.store.checkpoints import checkpoint_key
from phenodose_assets.assets.checkpoints import POOL
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.plate_images import PLATE_IMAGES
from phenodose_assets.assets.pseudo_rgb import PSEUDO_RGB, plate_paths
from phenodose_assets.external import CONTROLS, CURATIONS, IMAGE_SETTINGS, QUALITY, ExternalAsset, readings
from phenodose_assets.graph import metadata
from phenodose_assets.graph.checks import quality_checks, quality_verdicts
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    import pandas as pd

#: Ends of the colour scale of viability.
_VIABILITY_LIMITS = (0.0, 1.2)
_QUALITY_COLUMNS = ("sample", "plate", "metric", "value", "explanation")
_GROUP = "readouts"
#: Strange images that the UI shows.
_MOST_STRANGE_SHOWN = 8


def viability_assets(classes: Mapping[str, type[Readout]]) -> list[ScreenAsset]:
    """One asset a readout; of a staged readout one for each phase that reads out."""
    assets = []
    for name, readout in classes.items():
        if issubclass(readout, StagedReadout):
            for phase in readout.phases:
                if phase.reads_out:
                    needs = (LAYOUT, PSEUDO_RGB, checkpoint_key(name, phase.name))
                    measure = partial(measure_staged, readout, phase)
                    assets.append(_asset(readout, f"{name}_{phase.name}", needs, measure, "tensorflow", POOL))
        elif issubclass(readout, TensorReadout):
            measured = [other for other, cls in classes.items() if issubclass(cls, PlateReaderReadout)]
            teachers = tuple(viability_key(other) for other in measured) if readout.taught else ()
            seen = (viability_key(readout.features_of),) if readout.features_of in classes else ()
            needs = (LAYOUT, PSEUDO_RGB, *seen)
            measure = partial(measure_tensors, readout)
            assets.append(_asset(readout, name, needs, measure, "zarr", any_of=teachers))
        elif issubclass(readout, ImageReadout):
            measure = partial(_measure_images, readout)
            assets.append(_asset(readout, name, (LAYOUT, PLATE_IMAGES), measure, "zarr", reads=(IMAGE_SETTINGS,)))
        elif issubclass(readout, PlateReaderReadout):
            measure = partial(measure_plate_reader, readout)
            assets.append(_asset(readout, name, (LAYOUT,), measure, "excel", reads=(readings(name),)))
    return assets


def _measure_images(readout: type[ImageReadout], step: Context) -> RawValues:
    return measure_images(readout, plate_paths(step.store, step.screen_id), step)


def _asset(
    readout: type[Readout],
    name: str,
    needs: tuple[str, ...],
    measure: Callable[[Context], RawValues],
    kind: str,
    pool: str | None = None,
    reads: tuple[ExternalAsset, ...] = (),
    any_of: tuple[str, ...] = (),
) -> ScreenAsset:
    key = viability_key(name)
    return ScreenAsset(
        key=key,
        group=_GROUP,
        description=f"{readout.description}; scaled so that DMSO is 1 and the killing control is 0.",
        make=partial(_make_viability, readout, name, measure),
        needs=needs,
        any_of=any_of,
        settings=((readout.name, readout.Parameters), (VIABILITY, ViabilityParameters)),
        kinds=frozenset({kind, "parquet"}),
        checks=quality_checks("viability"),
        reads=(*reads, CONTROLS, QUALITY, CURATIONS),
        tables=(("viability", key), ("qc", key), *((table, key) for table in _more_tables(readout))),
        optional_tables=(*corrected_parts(name), *_courses_of_images(readout, key)),
        code_version=readout.version,
        pool=pool,
    )


def _more_tables(readout: type[Readout]) -> list[str]:
    """Tables of some kinds of readouts."""
    return ["objects"] * issubclass(readout, ObjectReadout) + [TIME_COURSES] * issubclass(readout, PlateReaderReadout)


def _courses_of_images(readout: type[Readout], key: str) -> tuple[tuple[str, str], ...]:
    """The time course of a readout of images, which a time lapse has."""
    return () if issubclass(readout, PlateReaderReadout) else ((TIME_COURSES, key),)


def _make_viability(
    readout: type[Readout], name: str, measure: Callable[[Context], RawValues], step: Context
) -> Result:
    made = make_viability(step, readout, name, measure)
    corrected = make_corrected_viability(step, readout, name, made)
    return Result(
        show=lambda: _viability_metadata(name, made) | _corrected_metadata(name, made, corrected),
        verdicts=quality_verdicts(made.qc, step.limits),
        blocked=quality_block(made.qc, step.limits),
        plugin=made.values.plugin,
        inputs=made.inputs | (corrected.inputs if corrected else {}),
        notes=[*made.notes, *(corrected.notes if corrected else [])],
    )


# --- what the UI shows ----------------------------------------------------------------------------


def _strange_images(counted: pd.DataFrame, measured: RawValues) -> dict[str, Any]:
    """Pictures of the wells whose images are strange, the strangest first, beside a typical untreated well."""
    from phenodose.plots import well_picture
    from phenodose.quality.image_outliers import STRANGE

    if measured.images is None:
        return {}
    strange = counted[counted["flag_reason"].astype(object).fillna("").str.contains(STRANGE)]
    if strange.empty:
        return {}
    strange = strange.sort_values("image_distance", ascending=False)
    untreated = counted[(counted["control"] == "negative") & counted["image_distance"].notna()]
    typical = untreated.sort_values("image_distance").head(1)
    names = tensor_rows(measured.images)
    pngs: dict[str, bytes] = {}
    window = None
    shown: list[Any] = [*typical.itertuples(), *strange.head(_MOST_STRANGE_SHOWN).itertuples()]
    for row in shown:
        pixels = measured.images.isel(well=names[plate_key(str(row.plate)), str(row.well)], channel=0).to_numpy()
        if window is None:
            window = float(pixels.min()), float(pixels.max())
        caption = f"image distance {row.image_distance:.1f}" if pngs or typical.empty else "a typical untreated well"
        pngs[f"{row.plate!s} {row.well!s}: {caption}"] = well_picture(pixels, window)
    return {"strange images": metadata.pictures(pngs), **metadata.numbers({"n strange images": len(strange)})}


def _confusion(measured: RawValues) -> dict[str, Any]:
    """How many wells of each class were read as which, by a model that has not seen them."""
    import pandas as pd

    if measured.classes is None:
        return {}
    rows = [{"class": name, **read, "wells": sum(read.values())} for name, read in measured.classes.right.items()]
    return {"classes of wells: known (rows) and read (columns)": metadata.table(pd.DataFrame(rows))}


def _corrected_metadata(name: str, made: ScreenViability, corrected: ScreenViability | None) -> dict[str, Any]:
    """The plates of a corrected readout, and what was taken off them."""
    from phenodose.plots import plate_heatmap

    if corrected is None or not corrected.inputs:
        return {}
    maps = {}
    off = made.viability["viability_fraction"].to_numpy() - corrected.viability["viability_fraction"].to_numpy()
    rows = corrected.viability.assign(off=off)
    for plate, some in rows.groupby("plate", sort=False):
        for column, words, limits in (
            ("viability_fraction", f"{plate}, corrected", _VIABILITY_LIMITS),
            ("off", f"{plate}, taken off", (-0.3, 0.3)),
        ):
            values = some[["row", "column", "flag"]].assign(value=some[column])
            maps[words] = plate_heatmap(values, f"{name}, {words}", unit="viability", limits=limits, width_px=300)
    return {"plates, corrected": metadata.pictures(maps)}


def _viability_metadata(name: str, made: ScreenViability) -> dict[str, Any]:
    from phenodose.plots import plate_heatmap, viability_histogram
    from phenodose.quality.report import masked_by_reason

    viability, wells, qc, measured = made.viability, made.wells, made.qc, made.values
    raw_title = f"{name}, raw ({measured.plugin.unit})" if measured.plugin.unit else f"{name}, raw"
    maps = {
        str(plate): plate_heatmap(
            rows[["row", "column", "viability_fraction", "flag"]].rename(columns={"viability_fraction": "value"}),
            f"{name}, {plate}",
            unit="viability",
            limits=_VIABILITY_LIMITS,
            width_px=300,
        )
        for plate, rows in viability.groupby("plate", sort=False)
    }
    zprimes = qc[(qc["metric"] == "zprime_robust") & (qc["plate"] != "screen")]
    several = len(qc["sample"].unique()) > 1
    where = [f"{row.sample} {row.plate}" if several else str(row.plate) for row in zprimes.itertuples()]
    doubtful = qc[qc["verdict"].isin(["fail", "warn"])]
    # Of several samples the worst counts.
    pooled = qc[qc["plate"] == "screen"].groupby("metric")["value"].min()
    # a layout names every well of a plate, most of which may hold no cells and are not read at all
    counted = viability[(wells["well_type"] == "therapy").to_numpy() | viability["control"].notna().to_numpy()]
    flagged = counted[counted["flag"].notna()]
    reasons = [f"{count} masked: {reason}" for reason, count in masked_by_reason(counted).items()]
    reasons += [f"{row.plate} {row.well} {row.flag}: {row.flag_reason}" for row in flagged.head(12).itertuples()]
    reasons += [f"{len(flagged) - 12} more flagged wells in the store"] if len(flagged) > 12 else []
    return {
        **metadata.thumbnails(viability, "viability_fraction", _VIABILITY_LIMITS),
        "histogram": metadata.picture(
            viability_histogram(viability, raw_title, limits=measured.trusted, width_px=360), f"histogram of {name}"
        ),
        "plates": metadata.pictures(maps),
        "quality": metadata.table(doubtful, _QUALITY_COLUMNS) if len(doubtful) else "every figure passes",
        "masked and flagged wells": metadata.listed(reasons, "none"),
        **_strange_images(counted, measured),
        **_confusion(measured),
        **metadata.numbers(
            {
                **{f"robust Z' {place}": value for place, value in zip(where, zprimes["value"], strict=True)},
                "replicate r": pooled.get("replicate_pearson"),
                "n wells": (~counted["masked"]).sum(),
                "n masked": counted["masked"].sum(),
                "n flagged": len(flagged),
            }
        ),
    }
