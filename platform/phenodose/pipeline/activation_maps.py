"""Class-activation maps of a screen's wells, kept in the store.

Belongs here: which network and tensors explain a well, and which maps are still to be made. Does not belong here:
computing maps (`phenodose.learning.activation_maps`), keeping them (`phenodose.store.activation_maps`), drawing them
(`phenodose.plots.activation`), and which wells a report shows (`phenodose.reports.activation`).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import CheckpointError, Faults, NotMade
from phenodose.io.files import written_aside
from phenodose.plugins import Progress, StagedReadout, plugins_of
from phenodose.store.activation_maps import StoredMap, image_hashes, maps_folder, read_maps, write_maps
from phenodose.store.checkpoints import checkpoint_of, checkpoint_row
from phenodose.store.store import Store

if TYPE_CHECKING:
    import xarray as xr

    from phenodose.learning.activation_maps import Method


@dataclass(frozen=True)
class Explanation:
    """What is asked about wells.

    Attributes:
        readout: staged readout.
        phase: phase whose network is asked; None for the last that the screen has.
        of_class: 'neg' (living) or 'pos' (killed).
        method: 'grad-cam', 'grad-cam++' or 'score-cam'.
        most_channels: channels that Score-CAM asks about; None for all.
    """

    readout: type[StagedReadout]
    phase: str | None = None
    of_class: str = "neg"
    method: Method = "grad-cam"
    most_channels: int | None = None


def explain_wells(store: Store, screen: str, wells: Sequence[str], asked: Explanation, pictures: bool = True) -> Path:
    """Make the maps of some wells and keep them in the store.

    Maps that are there already, of the same images and weights, are not made again; those of other wells stay.

    Args:
        store: where screen, tensors and checkpoints lie.
        screen: screen id.
        wells: names such as 'P1/B07'.
        asked: which network, class and method.
        pictures: whether to draw a picture of every well that is asked about.

    Returns:
        Folder with one PNG a well and `maps.zarr`, which opens with xarray: `activation` (well, y, x), 0 to 1, and
        `flat` (well,), True where nothing speaks for the class.

    Raises:
        InputError: a well has no tensor, or class or method are unknown.
        NotMade: the screen has no checkpoint of the readout.
    """
    from phenodose.learning.preprocess import to_signal
    from phenodose.plates.tensors import open_tensors

    phase = asked.phase or last_phase(store, screen, asked.readout)
    checkpoint = checkpoint_of(store, screen, asked.readout.name, phase)
    tensors = _chosen(open_tensors(store.local_copy(store.tensor_path(screen))), wells, screen)
    folder = maps_folder(store, screen, asked.readout.name, phase, asked.of_class, asked.method)
    facts = {
        "checkpoint": checkpoint.weights_hash,
        "phase": phase,
        "class": asked.of_class,
        "method": asked.method,
        "channels": asked.most_channels or "all",
    }
    kept, hashes = read_maps(store, folder, facts), image_hashes(tensors)
    missing = [well for well, image in hashes.items() if well not in kept or kept[well].image != image]
    maps = kept
    if missing:
        maps = kept | _made(tensors.isel(well=[list(hashes).index(well) for well in missing]), checkpoint.folder, asked)
    if missing or pictures:
        older = store.local_copy(folder)
        with written_aside(folder) as aside:
            aside.mkdir()
            write_maps(aside, maps, facts)
            for picture in older.glob("*.png") if kept else ():
                shutil.copyfile(picture, aside / picture.name)
            if pictures:
                signal = to_signal(tensors.to_numpy())
                shown = np.stack([maps[well].activation for well in hashes])
                _write_pictures(aside, list(hashes), signal, shown, f"{phase}, {asked.of_class}, {asked.method}")
    return folder


def explain(request: Mapping[str, Any], progress: Progress, log: logging.Logger) -> dict[str, Any]:
    """Make maps of some wells, without pictures; a job of `networks`.

    Args:
        request: store, screen, readout, phase: names; weights: hash of those that the wells were read out with; wells:
            names of the wells; of_class, method: see `Explanation`.
        progress: not told.
        log: the step's log.

    Returns:
        n: number of wells.

    Raises:
        CheckpointError: the checkpoint is another one by now.
    """
    store, screen, phase = Store.from_json(request["store"]), request["screen"], request["phase"]
    readout = plugins_of(store).get("readout", request["readout"])
    assert issubclass(readout, StagedReadout)
    if checkpoint_of(store, screen, readout.name, phase).weights_hash != request["weights"]:
        raise CheckpointError(f"{phase} was trained anew since the wells were read out; run `phenodose run {screen}`.")
    wells = request["wells"]
    log.info(f"activation maps of {len(wells)} wells")
    explain_wells(
        store, screen, wells, Explanation(readout, phase, request["of_class"], request["method"]), pictures=False
    )
    return {"n": len(wells)}


def _made(tensors: xr.DataArray, checkpoint: Path, asked: Explanation) -> dict[str, StoredMap]:
    """The maps of wells that have none yet."""
    from phenodose.learning import checkpoint as checkpoints
    from phenodose.learning.activation_maps import activation_maps
    from phenodose.learning.preprocess import to_signal

    network, architecture, record = checkpoints.load(checkpoint)
    checkpoints.expect_images(architecture, record, tensors, checkpoint)
    found = activation_maps(
        network,
        architecture,
        to_signal(tensors.to_numpy()),
        asked.of_class,
        asked.method,
        most_channels=asked.most_channels,
    )
    images = image_hashes(tensors)
    return {well: StoredMap(one, image) for (well, image), one in zip(images.items(), found.maps, strict=True)}


def last_phase(store: Store, screen: str, readout: type[StagedReadout]) -> str:
    """The last phase of a readout that a screen has a checkpoint of.

    Raises:
        NotMade: it has none.
    """
    for phase in reversed(readout.phases):
        if checkpoint_row(store, screen, readout.name, phase.name) is not None:
            return phase.name
    raise NotMade(f"screen {screen} has no checkpoint of {readout.name}; run `phenodose run {screen}` first.")


def _chosen(tensors: xr.DataArray, wells: Sequence[str], screen: str) -> xr.DataArray:
    names = [str(name) for name in tensors["well"].to_numpy()]
    faults = Faults(f"screen {screen}")
    for well in wells:
        if well not in names:
            faults.add(f"well {well} has no image; name wells such as {names[0]} or {names[-1]}.")
    faults.raise_if_any()
    return tensors.isel(well=[names.index(well) for well in dict.fromkeys(wells)])


def _write_pictures(folder: Path, wells: list[str], signal: np.ndarray, maps: np.ndarray, question: str) -> None:
    from phenodose.plots.activation import activation_picture

    # One window for all wells, so that dim wells look dim.
    brightest = float(np.quantile(signal[..., 0], 0.999)) or 1.0
    for well, image, activation in zip(wells, signal, maps, strict=True):
        png = activation_picture(image[..., 0] / brightest, activation, f"{well}: {question}")
        (folder / f"{well.replace('/', '_')}.png").write_bytes(png)
