"""Assets of the group `readouts`: `viability/<readout>` for every readout, one for each phase that reads out.

Belongs here: where each kind of readout gets its raw numbers, and the common way to viability and quality
rows. Does not belong here: measuring (plugins), normalising (`phenodose.viability`) and judging
(`phenodose.quality`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.io.files import hash_file, written_aside
from phenodose.names import parse_well, plate_key
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.network_jobs import infer, read_inference
from phenodose.plugins import ImageReadout, Inference, Parameters, Phase, PlateReaderReadout, Readout, StagedReadout
from phenodose.sandbox.network_worker import name_of
from phenodose.sandbox.plugin_process import third_party
from phenodose.store.checkpoints import checkpoint_key, checkpoint_of
from phenodose_assets.assets.checkpoints import POOL
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.plate_images import PLATE_IMAGES
from phenodose_assets.assets.pseudo_rgb import PSEUDO_RGB, plate_paths
from phenodose_assets.external import CONTROLS, QUALITY, ExternalAsset, readings
from phenodose_assets.graph import metadata
from phenodose_assets.graph.checks import quality_block, quality_checks, quality_verdicts
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

#: Outputs of a network taught with the paper's label smoothing stay between these; others are suspicious.
_TRUSTED_RAW = (0.2, 0.8)
#: Ends of the colour scale of viability.
_VIABILITY_LIMITS = (0.0, 1.2)
_QUALITY_COLUMNS = ("plate", "metric", "value", "explanation")
_GROUP = "readouts"
_VIABILITY = "viability"
#: Strange images that the UI shows.
_MOST_STRANGE_SHOWN = 8


class ViabilityParameters(Parameters):
    """How raw numbers become viability."""

    normalise_by: Literal["plate", "treatment", "both"] = Field(
        "plate", description="Group in which the medians of the controls are taken"
    )


@dataclass(frozen=True)
class Measured:
    """The raw numbers of a readout.

    Attributes:
        raw: columns plate, row, column, raw and, where the readout tells it, raw_sd.
        plugin: the readout that measured them.
        inputs: names and hashes of what was read.
        checkpoint: hash of the network's weights; None without a network.
        trusted: range of raw values outside which a value is suspicious; None without one.
        images: the tensors that a network saw, rows as `raw`; None for other readouts.
        features: what the network made of them: float array (well, feature).
    """

    raw: pd.DataFrame
    plugin: Readout
    inputs: Mapping[str, Any]
    checkpoint: str | None = None
    trusted: tuple[float, float] | None = None
    images: xr.DataArray | None = None
    features: np.ndarray | None = None


def viability_key(readout: str) -> str:
    """Asset key of a readout's viability, also the part of the tables that holds its rows."""
    return f"viability/{readout}"


def viability_assets(classes: Mapping[str, type[Readout]]) -> list[ScreenAsset]:
    """One asset a readout; of a staged readout one for each phase that reads out."""
    assets = []
    for name, readout in classes.items():
        if issubclass(readout, StagedReadout):
            for phase in readout.phases:
                if phase.reads_out:
                    needs = (LAYOUT, PSEUDO_RGB, checkpoint_key(name, phase.name))
                    measure = partial(_measure_staged, readout, phase)
                    assets.append(_asset(readout, f"{name}_{phase.name}", needs, measure, "tensorflow", POOL))
        elif issubclass(readout, ImageReadout):
            measure = partial(_measure_images, readout)
            assets.append(_asset(readout, name, (LAYOUT, PLATE_IMAGES), measure, "zarr"))
        elif issubclass(readout, PlateReaderReadout):
            measure = partial(_measure_plate_reader, readout)
            assets.append(_asset(readout, name, (LAYOUT,), measure, "excel", reads=(readings(name),)))
    return assets


def _asset(
    readout: type[Readout],
    name: str,
    needs: tuple[str, ...],
    measure: Callable[[Context], Measured],
    kind: str,
    pool: str | None = None,
    reads: tuple[ExternalAsset, ...] = (),
) -> ScreenAsset:
    key = viability_key(name)
    return ScreenAsset(
        key=key,
        group=_GROUP,
        description=f"{readout.description}; scaled so that DMSO is 1 and the killing control is 0.",
        make=partial(_make_viability, readout, name, measure),
        needs=needs,
        settings=((readout.name, readout.Parameters), (_VIABILITY, ViabilityParameters)),
        kinds=frozenset({kind, "parquet"}),
        checks=quality_checks("viability"),
        reads=(*reads, CONTROLS, QUALITY),
        tables=(("viability", key), ("qc", key)),
        code_version=readout.version,
        pool=pool,
    )


def _make_viability(readout: type[Readout], name: str, measure: Callable[[Context], Measured], step: Context) -> Result:
    from phenodose.quality.report import qc_rows
    from phenodose.quality.wells import checked_viability

    wells = step.wells()
    measured = measure(step)
    normalise_by = step.settings_of(_VIABILITY, ViabilityParameters).normalise_by
    controls = step.controls(readout, name, wells)
    rises_with = step.rises_with(readout, name)
    viability = checked_viability(
        measured.raw, wells, controls, normalise_by, step.limits, measured.trusted, rises_with, _views(measured, wells)
    )
    provenance = step.provenance(measured.plugin, measured.checkpoint)
    rows = provenance.stamp(viability.assign(screen=step.screen_id, readout=name))
    qc = provenance.stamp(qc_rows(viability, wells, name, step.limits).assign(screen=step.screen_id))
    step.store.write_table("viability", step.screen_id, viability_key(name), rows)
    step.store.write_table("qc", step.screen_id, viability_key(name), qc)
    return Result(
        show=lambda: _viability_metadata(name, viability, wells, qc, measured),
        verdicts=quality_verdicts(qc, step.limits),
        blocked=quality_block(qc, step.limits),
        plugin=measured.plugin,
        inputs={**measured.inputs, "normalise_by": normalise_by, "rises_with": rises_with or "as the controls say"},
    )


# --- raw numbers ----------------------------------------------------------------------------------


def _measure_plate_reader(readout: type[PlateReaderReadout], step: Context) -> Measured:
    from phenodose.screens.layout import read_layout
    from phenodose.screens.matrices import readings_of_screen

    folder = step.screen.readout_folders.get(readout.name)
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder else []
    layout = read_layout(step.screen.require_layout())
    if folder is not None and files:
        matrices = readings_of_screen(folder, layout)
    elif readout.reads_layout and layout.has_readouts:
        files = [layout.path]
        matrices = layout.frame[["plate", "row", "column"]].assign(value=layout.frame["readout"])
    else:
        raise NotMade(
            f"the screen has no {readout.name} files: {step.screen.folder} holds no folder `{readout.folder}` with "
            f"files such as {step.screen_id}_P1.xlsx."
        )
    plugin = step.create(readout)
    return Measured(plugin.measure(matrices), plugin, {path.name: hash_file(path) for path in files})


def _measure_images(readout: type[ImageReadout], step: Context) -> Measured:
    import pandas as pd

    from phenodose.plates.plate import Plate

    plugin = step.create(readout)
    plates = plate_paths(step.store, step.screen_id)
    frames = []
    for number, (plate, path) in enumerate(plates.items(), 1):
        measured = plugin.measure(Plate.open(step.store.plate_at(path)))
        frames.append(_placed(measured["well"], measured["raw"].to_numpy(), [plate] * len(measured)))
        step.progress(number, len(plates), plate)
    hashes = step.store.read_table("plates", step.screen_id, PLATE_IMAGES)
    return Measured(
        pd.concat(frames, ignore_index=True), plugin, dict(zip(hashes["plate"], hashes["raw_hash"], strict=True))
    )


def _measure_staged(readout: type[StagedReadout], phase: Phase, step: Context) -> Measured:
    from phenodose.plates.tensors import open_tensors

    plugin = step.create(readout)
    checkpoint = checkpoint_of(step.store, step.screen_id, readout.name, phase.name)
    place = step.store.local_copy(step.store.tensor_path(step.screen_id))
    tensors = open_tensors(place)
    inference = inferred(step, plugin, checkpoint.folder, place, tensors)
    _write_features(step, f"{readout.name}_{phase.name}", inference, tensors)
    raw = _placed(tensors["well_name"].to_numpy(), inference.raw, tensors["plate"].to_numpy())
    if inference.raw_sd is not None:
        raw = raw.assign(raw_sd=inference.raw_sd)
    weights = checkpoint.weights_hash
    return Measured(raw, plugin, {"checkpoint": weights}, weights, _TRUSTED_RAW, tensors, inference.features)


def inferred(step: Context, plugin: StagedReadout, checkpoint: Path, place: Path, tensors: xr.DataArray) -> Inference:
    """What a network says of all wells.

    It is asked in the networks' process if the run has started one, so that no second process holds the GPU, else in
    this one: a step on its own is a process already. One of another distribution is never asked in this process.
    """
    if not step.networks.is_running and third_party(type(plugin)) is None:
        return plugin.infer(checkpoint, tensors, step.progress)
    asked = {
        "readout": name_of(type(plugin)),
        "parameters": plugin.parameters.model_dump(mode="json"),
        "checkpoint": str(checkpoint),
        "tensors": str(place),
    }
    return read_inference(Path(step.networks(infer, asked, step.progress)["out"]))


def _write_features(step: Context, readout: str, inference: Inference, tensors: xr.DataArray) -> None:
    """Keep what the network says of every well: one Zarr group with features (well, feature) and raw (well,).

    If augmented copies or several networks were asked, raw_sd (well,) is the standard deviation of their answers.
    """
    import xarray as xr

    coordinates = {name: ("well", tensors[name].to_numpy().astype(object)) for name in ("well", "plate", "well_name")}
    variables: dict[str, Any] = {"features": (("well", "feature"), inference.features), "raw": ("well", inference.raw)}
    if inference.raw_sd is not None:
        variables["raw_sd"] = ("well", inference.raw_sd)
    with written_aside(step.store.feature_path(step.screen_id, readout)) as aside:
        xr.Dataset(variables, coords=coordinates).to_zarr(aside, zarr_format=3, consolidated=False)


def _placed(wells: Iterable[Any], raw: np.ndarray, plates: Iterable[Any]) -> pd.DataFrame:
    """Columns plate, row, column, raw from well names such as B07."""
    import pandas as pd

    places = [parse_well(str(well)) for well in wells]
    return pd.DataFrame(
        {
            "plate": [str(plate) for plate in plates],
            "row": [row for row, _ in places],
            "column": [column for _, column in places],
            "raw": raw,
        }
    )


def _views(measured: Measured, wells: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the wells' images are compared by, in words -> features in the order of `wells`, NaN without an image."""
    import numpy as np

    from phenodose.quality.image_features import image_features

    if measured.images is None or measured.features is None:
        return {}
    position = {_place(*str(name).split("/", 1)): row for row, name in enumerate(measured.images["well"].to_numpy())}
    rows = np.array([position.get(_place(p, w), -1) for p, w in zip(wells["plate"], wells["well"], strict=True)])
    views = {"brightness and shape": image_features(measured.images), "network's features": measured.features}
    return {words: np.where((rows >= 0)[:, None], each[rows], np.nan) for words, each in views.items()}


def _place(plate: str, well: str) -> tuple[str, str]:
    return plate_key(str(plate)), str(well)


# --- what the UI shows ----------------------------------------------------------------------------


def _strange_images(counted: pd.DataFrame, measured: Measured) -> dict[str, Any]:
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
    names = {_place(*str(name).split("/", 1)): row for row, name in enumerate(measured.images["well"].to_numpy())}
    pngs: dict[str, bytes] = {}
    window = None
    shown: list[Any] = [*typical.itertuples(), *strange.head(_MOST_STRANGE_SHOWN).itertuples()]
    for row in shown:
        pixels = measured.images.isel(well=names[_place(row.plate, row.well)], channel=0).to_numpy()
        if window is None:
            window = float(pixels.min()), float(pixels.max())
        told = f"image distance {row.image_distance:.1f}" if pngs or typical.empty else "a typical untreated well"
        pngs[f"{row.plate} {row.well}: {told}"] = well_picture(pixels, window)
    return {"strange images": metadata.pictures(pngs), **metadata.numbers({"n strange images": len(strange)})}


def _viability_metadata(
    name: str, viability: pd.DataFrame, wells: pd.DataFrame, qc: pd.DataFrame, measured: Measured
) -> dict[str, Any]:
    from phenodose.plots import plate_heatmap, viability_histogram
    from phenodose.quality.report import masked_by_reason

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
    doubtful = qc[qc["verdict"].isin(["fail", "warn"])]
    pooled = qc[qc["plate"] == "screen"].set_index("metric")["value"]
    # a layout names every well of a plate, most of which may hold no cells and are not read at all
    counted = viability[(wells["well_type"] == "therapy").to_numpy() | viability["control"].notna().to_numpy()]
    flagged = counted[counted["flag"].notna()]
    reasons = [f"- {count} masked: {reason}" for reason, count in masked_by_reason(counted).items()]
    reasons += [f"- {row.plate} {row.well} {row.flag}: {row.flag_reason}" for row in flagged.head(12).itertuples()]
    reasons += [f"- {len(flagged) - 12} more flagged wells in the store"] if len(flagged) > 12 else []
    return {
        **metadata.thumbnails(viability, "viability_fraction", _VIABILITY_LIMITS),
        "histogram": metadata.picture(
            viability_histogram(viability, raw_title, limits=measured.trusted, width_px=360), f"histogram of {name}"
        ),
        "plates": metadata.pictures(maps),
        "quality": metadata.table(doubtful, _QUALITY_COLUMNS) if len(doubtful) else "every figure passes",
        "masked and flagged wells": metadata.markdown("\n".join(reasons) or "none"),
        **_strange_images(counted, measured),
        **metadata.numbers(
            {
                **{
                    f"robust Z' {plate}": value for plate, value in zip(zprimes["plate"], zprimes["value"], strict=True)
                },
                "replicate r": pooled.get("replicate_pearson"),
                "n wells": (~counted["masked"]).sum(),
                "n masked": counted["masked"].sum(),
                "n flagged": len(flagged),
            }
        ),
    }
