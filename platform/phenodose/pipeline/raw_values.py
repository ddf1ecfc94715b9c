"""The raw number of every well: from plate-reader files, from images, from a network.

Belongs here: where each kind of readout gets its numbers from, and keeping what a network says of every well. Does not
belong here: measuring (readout plugins) and what the numbers mean (`pipeline.viability`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.io.files import hash_bytes, hash_file, written_aside
from phenodose.io.zarr_groups import write_group
from phenodose.names import parse_well, plate_key
from phenodose.pipeline.tensor_wells import tensor_rows, tensor_wells
from phenodose.plugins import (
    ImageReadout,
    Inference,
    ObjectReadout,
    Phase,
    PlateReaderReadout,
    Readout,
    StagedReadout,
    TensorReadout,
    TensorWells,
)
from phenodose.tables import OBJECT_COLUMNS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from phenodose.pipeline.context import Context
    from phenodose.pipeline.well_classes import SeenClasses
    from phenodose.plates.plate import Plate

_UNSCALED = (
    "the images of {plates} do not say how wide their pixels are: areas are in pixels, which changes no viability "
    "within a plate."
)


@dataclass(frozen=True)
class RawValues:
    """The raw numbers of a readout.

    Attributes:
        raw: columns plate, row, column, raw and, where the readout tells it, raw_sd.
        plugin: the readout that measured them.
        inputs: names and hashes of what was read.
        checkpoint: hash of the network's weights; None without a network.
        trusted: range of raw values outside which a value is suspicious; None without one.
        images: the tensors that a network saw, rows as `raw`; None for other readouts.
        features: what the network made of them: float array (well, feature).
        control_distance: how far each image lies from what the controls span (`Inference`), rows as `raw`; None where
            nobody knows.
        notes: sentences on how the files were read and whose they are.
        remarks: sentences on what was learned of the wells, which cast no doubt on the files.
        classes: what is said of the class of each image, rows as `raw`; None where nobody asked for classes.
        course: raw as above of every time at which the screen was read, by hours; empty if it was read once.
        objects: plate and `OBJECT_COLUMNS` of what the readout found in the images; None for readouts without objects.
    """

    raw: pd.DataFrame
    plugin: Readout
    inputs: Mapping[str, Any]
    checkpoint: str | None = None
    trusted: tuple[float, float] | None = None
    images: xr.DataArray | None = None
    features: np.ndarray | None = None
    control_distance: np.ndarray | None = None
    notes: Sequence[str] = ()
    remarks: Sequence[str] = ()
    objects: pd.DataFrame | None = None
    classes: SeenClasses | None = None
    course: Mapping[float, pd.DataFrame] = field(default_factory=dict)


def measure_plate_reader(readout: type[PlateReaderReadout], step: Context) -> RawValues:
    """The numbers of the screen's plate-reader files, else of the layout's own column Readout.

    Raises:
        NotMade: the screen has neither.
    """
    from phenodose.screens.contents import course_of, layout_of_screen, readings_of
    from phenodose.screens.time_points import of_last_time

    folder = step.screen.readout_folders.get(readout.name)
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder else []
    layout = layout_of_screen(step.screen)
    notes: list[str] = []
    chosen: dict[str, str] = {}
    if folder is not None and files:
        readings = readings_of(step.screen, readout.name, layout)
        matrices, notes, chosen = readings.frame, readings.notes, readings.chosen
    elif readout.reads_layout and layout.has_readouts:
        files = [layout.path]
        matrices = layout.frame[["plate", "row", "column"]].assign(value=layout.frame["readout"])
    else:
        raise NotMade(
            f"the screen has no {readout.name} files: {step.screen.folder} holds no folder `{readout.folder}` with "
            f"files such as {step.screen_id}_P1.xlsx."
        )
    plugin = step.create(readout)
    inputs: dict[str, Any] = {path.name: hash_file(path) for path in files}
    inputs |= {"blocks": chosen} if chosen else {}
    course = {hours: plugin.measure(read.frame) for hours, read in course_of(step.screen, readout.name, layout).items()}
    remarks: list[str] = []
    if course:
        remarks = [of_last_time("", course).strip()]
        inputs |= {"time_points_h": list(course)}
        for hours, place in step.screen.course_folders[readout.name].items():
            inputs |= {
                f"{hours:g} h/{path.name}": hash_file(path) for path in sorted(place.iterdir()) if path.is_file()
            }
    return RawValues(plugin.measure(matrices), plugin, inputs, notes=notes, remarks=remarks, course=course)


def measure_images(readout: type[ImageReadout], plates: Mapping[str, str], step: Context) -> RawValues:
    """The numbers that a classical image readout takes from the plates of the screen.

    Args:
        readout: the plugin's class.
        plates: place of every plate, as the table `plates` holds it.
        step: screen, store and parameters.
    """
    import pandas as pd

    from phenodose.pipeline.images import chosen_plates, image_hashes
    from phenodose.pipeline.images_over_time import plates_over_time
    from phenodose.plates.agreement import channel_number

    plugin = step.create(readout)
    by_name = _nuclei_by_name(readout, step)
    frames, objects, unscaled = [], [], []
    course: dict[float, list[pd.DataFrame]] = {}
    opened_plates, notes = chosen_plates(step, plates, averaged=True)
    over_time = plates_over_time(step, opened_plates)
    hashes = image_hashes(step, opened_plates)
    for number, (plate, opened) in enumerate(opened_plates.items(), 1):
        if by_name:
            named = channel_number(opened.channels, by_name, f"plate {plate}")
            plugin = step.sandboxed(readout, step.parameters(readout.name) | {"channel": named})
        if isinstance(plugin, ObjectReadout):
            found = plugin.find_objects(opened)
            objects.append(found[list(OBJECT_COLUMNS)].assign(plate=plate))
            unscaled += [] if opened.pixel_size_um else [plate]
            measured = plugin.of_objects(opened, found)
        else:
            measured = plugin.measure(opened)
        frames.append(_of_plate(plate, measured))
        for hours, at_time in over_time.items():
            again = frames[-1]
            if at_time[plate].chosen_time != opened.chosen_time:
                again = _of_plate(plate, _measured(plugin, at_time[plate]))
            course.setdefault(hours, []).append(again)
        step.progress(number, len(plates), plate)
    if objects and not sum(map(len, objects)):
        raise NotMade(f"{readout.name} finds no object in any image of the screen.")
    several = [(name, one) for name, one in opened_plates.items() if one.shape.n_times > 1 or len(one.shape.sites) > 1]
    return RawValues(
        pd.concat(frames, ignore_index=True),
        plugin,
        {
            **hashes,
            **{f"images of {name}": f"time {one.chosen_time}, sites {list(one.meant_sites)}" for name, one in several},
        },
        notes=[*notes, *([_UNSCALED.format(plates=", ".join(unscaled))] if unscaled else [])],
        objects=pd.concat(objects, ignore_index=True) if objects else None,
        course={hours: pd.concat(parts, ignore_index=True) for hours, parts in course.items()},
    )


def _measured(plugin: Any, plate: Plate) -> pd.DataFrame:
    """Columns well and raw of what a readout measures of a plate, the objects that it finds aside."""
    if isinstance(plugin, ObjectReadout):
        return plugin.of_objects(plate, plugin.find_objects(plate))
    found: pd.DataFrame = plugin.measure(plate)
    return found


def _of_plate(plate: str, measured: pd.DataFrame) -> pd.DataFrame:
    return _placed(measured["well"], measured["raw"].to_numpy(), [plate] * len(measured))


def _nuclei_by_name(readout: type[ImageReadout], step: Context) -> str:
    """The screen's nuclear channel, where it is named and the readout measures one that nobody set; '' else."""
    named = step.screen.channel
    open_to_choice = "channel" in readout.Parameters.model_fields and "channel" not in step.parameters(readout.name)
    return named if isinstance(named, str) and open_to_choice else ""


def measure_staged(readout: type[StagedReadout], phase: Phase, step: Context) -> RawValues:
    """What a phase of a network says of every well that has a tensor; its features are kept in the store."""
    from phenodose.pipeline.images_over_time import tensors_over_time
    from phenodose.plates.tensors import open_tensors
    from phenodose.store.checkpoints import checkpoint_of

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
    classes, remarks = _classes(readout, plugin, step, tensors, inference)
    course = {
        hours: _of_tensors(at_time, inferred(step, plugin, checkpoint.folder, out, at_time).raw)
        for hours, out, at_time in tensors_over_time(step, tensors)
    }
    return RawValues(
        *(raw, plugin, {"checkpoint": weights}, weights, plugin.label_range, tensors, inference.features),
        remarks=remarks,
        classes=classes,
        course=_with_chosen(step, course, raw, tensors),
    )


def _of_tensors(tensors: xr.DataArray, raw: np.ndarray) -> pd.DataFrame:
    return _placed(tensors["well_name"].to_numpy(), raw, tensors["plate"].to_numpy())


def _with_chosen(
    step: Context, course: dict[float, pd.DataFrame], chosen: pd.DataFrame, tensors: xr.DataArray
) -> dict[float, pd.DataFrame]:
    """The numbers of all times by their hours, those of the chosen one among them; {} without hours."""
    if not course:
        return {}
    times = {int(one["time"]) for one in tensors.attrs["source_image"].values()}
    hours = step.screen.settings.images.times_h
    every = course | {hours[time]: chosen[["plate", "row", "column", "raw"]] for time in times}
    return dict(sorted(every.items()))


def measure_tensors(readout: type[TensorReadout], step: Context) -> RawValues:
    """What a readout of tensors says of every well that has one; its features are kept in the store."""
    import numpy as np

    from phenodose.pipeline.images_over_time import read_with_controls, tensors_over_time
    from phenodose.pipeline.taught_wells import with_what_others_know
    from phenodose.plates.tensors import open_tensors
    from phenodose.plugins.isolation import is_sandboxed

    plugin = step.create(readout)
    tensors = open_tensors(step.store.local_copy(step.store.tensor_path(step.screen_id)))
    given, taught_by = with_what_others_know(readout, step, tensors, tensor_wells(readout, step, tensors))

    def read(some: TensorWells) -> Inference:
        return plugin.read(some) if is_sandboxed(plugin) else plugin.read(some, step.progress)

    inference = read(given)
    _write_features(step, readout.name, inference, tensors)
    raw = _placed(tensors["well_name"].to_numpy(), inference.raw, tensors["plate"].to_numpy())
    if inference.raw_sd is not None:
        raw = raw.assign(raw_sd=inference.raw_sd)
    course: dict[float, pd.DataFrame] = {}
    # what others know of the wells, they know of the chosen time
    if not (readout.taught or readout.features_of):
        for hours, _, at_time in tensors_over_time(step, tensors):
            others = tensor_wells(readout, step, at_time)
            course[hours] = _of_tensors(at_time, read_with_controls(read, given, others))
    seen = {"images": hash_bytes(np.ascontiguousarray(given.images).tobytes()), **taught_by}
    features, distance = inference.features, inference.control_distance
    classes, remarks = _classes(readout, plugin, step, tensors, inference)
    if classes and given.classes is not None:
        seen["well_classes"] = hash_bytes("\n".join(given.classes).encode())
    return RawValues(
        raw,
        plugin,
        seen,
        trusted=plugin.label_range,
        images=tensors,
        features=features,
        control_distance=distance,
        remarks=remarks,
        classes=classes,
        course=_with_chosen(step, course, raw, tensors),
    )


def _classes(
    readout: type[Readout], plugin: Readout, step: Context, tensors: xr.DataArray, inference: Inference
) -> tuple[SeenClasses | None, list[str]]:
    """What a readout says of the classes of wells, and sentences on it; nothing where it was not asked."""
    from phenodose.pipeline.well_classes import WELL_CLASSES, class_notes, seen_classes

    if not getattr(plugin.parameters, WELL_CLASSES, False):
        return None, []
    known = tensor_wells(readout, step, tensors, images=False)
    named = None if known.classes is None else known.classes.tolist()
    found = seen_classes(inference, named, known.negative, known.positive)
    wells = step.wells()
    listed = {(plate_key(plate), well) for plate, well in zip(wells["plate"], wells["well"], strict=True)}
    return found, class_notes(found, named, sum(key not in listed for key in tensor_rows(tensors)))


def inferred(step: Context, plugin: StagedReadout, checkpoint: Path, place: Path, tensors: xr.DataArray) -> Inference:
    """What a network says of all wells.

    It is asked in the networks' process if the run has started one, so that no second process holds the GPU, else in
    this one: a step on its own is a process already. One of another distribution is never asked in this process.
    """
    from phenodose.pipeline.network_jobs import infer, read_inference
    from phenodose.plugins.declarations import target_of
    from phenodose.plugins.isolation import third_party

    if not step.networks.is_running and third_party(type(plugin), step.plugins) is None:
        return plugin.infer(checkpoint, tensors, step.progress)
    asked = {
        "store": step.store.to_json(),
        "readout": target_of(type(plugin)),
        "parameters": plugin.parameters.model_dump(mode="json"),
        "checkpoint": str(checkpoint),
        "tensors": str(place),
    }
    return read_inference(Path(step.networks(infer, asked, step.progress)["out"]))


def image_views(values: RawValues, wells: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the wells' images are compared by, in words -> features in the order of `wells`, NaN without an image."""
    import numpy as np

    from phenodose.quality.image_features import image_features

    if values.images is None or values.features is None:
        return {}
    rows = _rows_of(values.images, wells)
    views = {"brightness and shape": image_features(values.images), "network's features": values.features}
    return {words: np.where((rows >= 0)[:, None], each[rows], np.nan) for words, each in views.items()}


def control_distances(values: RawValues, wells: pd.DataFrame) -> np.ndarray | None:
    """How far every well's image lies from what the controls span, in the order of `wells`; NaN without an image."""
    import numpy as np

    if values.images is None or values.control_distance is None:
        return None
    rows = _rows_of(values.images, wells)
    return np.where(rows >= 0, values.control_distance[rows], np.nan)


def image_classes(values: RawValues, wells: pd.DataFrame) -> pd.DataFrame | None:
    """Columns well_class and class_probability in the order of `wells`; None where nobody asked for classes."""
    if values.images is None or values.classes is None:
        return None
    return values.classes.frame(_rows_of(values.images, wells))


def _rows_of(images: xr.DataArray, wells: pd.DataFrame) -> np.ndarray:
    """Row of every well's tensor; -1 for a well without."""
    import numpy as np

    position = tensor_rows(images)
    return np.array([position.get((plate_key(p), w), -1) for p, w in zip(wells["plate"], wells["well"], strict=True)])


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
        write_group(xr.Dataset(variables, coords=coordinates), aside)


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
