"""Class-activation maps of a screen's wells, kept in the store.

Belongs here: which network and tensors explain a well, and where maps and pictures are put. Does not belong
here: computing maps (`phenodose.learning.activation_maps`) and drawing them (`phenodose.pictures.activation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import Faults, NotMade
from phenodose.files import written_aside
from phenodose.plugins import StagedReadout
from phenodose.store import Store
from phenodose_assets.checkpoints import checkpoint_of, checkpoint_row

if TYPE_CHECKING:
    import xarray as xr

    from phenodose.learning.activation_maps import Method

FOLDER = "activation_maps"


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


def explain_wells(store: Store, screen: str, wells: Sequence[str], asked: Explanation) -> Path:
    """Make the maps of some wells and keep them in the store.

    Args:
        store: where screen, tensors and checkpoints lie.
        screen: screen id.
        wells: names such as 'P1/B07'.
        asked: which network, class and method.

    Returns:
        Folder with one PNG a well and `maps.zarr`, which opens with xarray: `activation` (well, y, x), 0 to 1, and
        `flat` (well,), True where nothing speaks for the class. What was there for the same question is replaced.

    Raises:
        InputError: a well has no tensor, or class or method are unknown.
        NotMade: the screen has no checkpoint of the readout.
    """
    from phenodose.learning import checkpoint as checkpoints
    from phenodose.learning.activation_maps import activation_maps
    from phenodose.learning.preprocess import to_signal
    from phenodose.storage.tensors import open_tensors

    phase = asked.phase or last_phase(store, screen, asked.readout)
    checkpoint = checkpoint_of(store, screen, asked.readout.name, phase)
    tensors = _chosen(open_tensors(store.tensor_path(screen)), wells, screen)
    network, architecture, _ = checkpoints.load(checkpoint.folder)
    checkpoints.expect_shape(architecture, tensors, checkpoint.folder)
    signal = to_signal(tensors.to_numpy())
    found = activation_maps(
        network, architecture, signal, asked.of_class, asked.method, most_channels=asked.most_channels
    )
    folder = store.screen_dir(screen) / FOLDER / f"{asked.readout.name}_{phase}_{asked.of_class}_{asked.method}"
    names = [str(name) for name in tensors["well"].to_numpy()]
    facts = {"checkpoint": checkpoint.weights_hash, "phase": phase, "class": asked.of_class, "method": asked.method}
    with written_aside(folder) as aside:
        aside.mkdir()
        _write_maps(aside / "maps.zarr", names, found.maps, found.flat, facts)
        _write_pictures(aside, names, signal, found.maps, f"{phase}, {asked.of_class}, {asked.method}")
    return folder


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


def _write_maps(path: Path, wells: list[str], maps: np.ndarray, flat: np.ndarray, facts: dict[str, Any]) -> None:
    import xarray as xr

    variables = {"activation": (("well", "y", "x"), maps), "flat": (("well",), flat)}
    coordinates = {"well": ("well", np.array(wells, dtype=object))}
    xr.Dataset(variables, coords=coordinates, attrs=facts).to_zarr(path, zarr_format=3, consolidated=False)


def _write_pictures(folder: Path, wells: list[str], signal: np.ndarray, maps: np.ndarray, question: str) -> None:
    from phenodose.pictures.activation import activation_picture

    # One window for all wells, so that dim wells look dim.
    brightest = float(np.quantile(signal[..., 0], 0.999)) or 1.0
    for well, image, activation in zip(wells, signal, maps, strict=True):
        png = activation_picture(image[..., 0] / brightest, activation, f"{well}: {question}")
        (folder / f"{well.replace('/', '_')}.png").write_bytes(png)
