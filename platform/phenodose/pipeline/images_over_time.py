"""A time lapse: what readouts of images see at every time, beside the one that scores stand for.

Belongs here: plates and tensors of each time, and reading tensors with what the chosen time teaches. Does not belong
here: which time is chosen (`pipeline.images`), and what wells do over time (`pipeline.time_courses`).

A readout that learns from controls learns from those of the chosen time alone: at the start wells of both kinds look
the same, so that nothing could be learned there. The wells of another time are read as wells of which nothing is known.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.errors import Faults
from phenodose.io.places import place

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from phenodose.pipeline.context import Context
    from phenodose.plates.plate import Plate
    from phenodose.plugins import Inference, TensorWells


def plates_over_time(step: Context, plates: Mapping[str, Plate]) -> dict[float, dict[str, Plate]]:
    """Hours -> the plates, each meaning the images of that time; {} where screen.toml names no hours.

    Args:
        step: the screen.
        plates: the plates, meaning the chosen time (`chosen_plates`).

    Raises:
        InputError: a plate has another number of time points than there are hours.
    """
    hours = step.screen.settings.images.times_h
    faults = Faults("screen.toml")
    for name, plate in plates.items() if hours else ():
        if plate.shape.n_times != len(hours):
            faults.add(
                f"[images] times_h names {len(hours)} times, and plate {name} has {plate.shape.n_times} time points; "
                "name the hours of each, the first 0."
            )
    faults.raise_if_any()
    return {
        time: {name: replace(plate, chosen_time=number) for name, plate in plates.items()}
        for number, time in enumerate(hours)
    }


def tensors_over_time(step: Context, tensors: xr.DataArray) -> Iterator[tuple[float, Path, xr.DataArray]]:
    """Hours, place and tensors of every time but the chosen one, of the same pictures; the place is gone afterwards.

    Args:
        step: screen and store.
        tensors: those of the chosen time, whose attributes tell how they were made.

    Raises:
        InputError: as `plates_over_time`.
    """
    from phenodose.pipeline.images import chosen_plates
    from phenodose.plates.tensors import build_tensors, open_tensors

    if not step.screen.settings.images.times_h:
        return
    rows = step.store.read_table("plates", step.screen_id, "plate_images")
    paths = {str(name): str(path) for name, path in zip(rows["plate"], rows["path"], strict=True)}
    chosen, _ = chosen_plates(step, paths, averaged=False)
    pictures = [str(name) for name in tensors["channel"].to_numpy()]
    size, channel = int(tensors.attrs["size_px"]), tensors.attrs["source_channel"]
    for hours, plates in plates_over_time(step, chosen).items():
        if is_chosen(plates, chosen):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            out = place(str(Path(scratch) / "tensors.zarr"))
            build_tensors(plates, out, size, channel, step.progress, pictures)
            yield hours, out, open_tensors(out)


def is_chosen(plates: Mapping[str, Plate], chosen: Mapping[str, Plate]) -> bool:
    """Whether plates mean the chosen time."""
    return all(plates[name].chosen_time == plate.chosen_time for name, plate in chosen.items())


def read_with_controls(read: Callable[[TensorWells], Inference], known: TensorWells, others: TensorWells) -> np.ndarray:
    """The raw numbers (well,) of the wells of another time, by what the controls of the chosen one teach.

    Args:
        read: reads wells, as `TensorReadout.read`.
        known: the wells of the chosen time.
        others: those of the other time, as the layout names them; that some are controls is not told.
    """
    import numpy as np

    taught = known.negative | known.positive
    none = np.zeros(len(others.negative), dtype=bool)

    def both(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        return np.concatenate([ours[taught], theirs])

    together = replace(
        known,
        images=both(known.images, others.images),
        negative=both(known.negative, none),
        positive=both(known.positive, none),
        content=both(known.content, others.content),
        treatment=both(known.treatment, others.treatment),
        plate=both(known.plate, others.plate),
        classes=None,
    )
    return np.asarray(read(together).raw[int(taught.sum()) :])
