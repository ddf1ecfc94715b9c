"""Class-activation maps in the store: one Zarr group a screen, network, class and method.

A map is kept with the hash of the image it was made of and of the weights, and is found again only for both.

Belongs here: where maps lie, writing and reading them. Does not belong here: computing them
(`phenodose.learning.activation_maps`) and pictures of them (`phenodose.plots.activation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.io.files import hash_bytes
from phenodose.io.zarr_groups import is_group, open_group, write_group
from phenodose.store.store import Store

if TYPE_CHECKING:
    import xarray as xr

FOLDER, MAPS = "activation_maps", "maps.zarr"


@dataclass(frozen=True)
class StoredMap:
    """The map of a well.

    Attributes:
        activation: float32 (y, x), 0 to 1; 0 everywhere if nothing in the image speaks for the class.
        image: hash of the image it was made of.
    """

    activation: np.ndarray
    image: str

    @property
    def is_flat(self) -> bool:
        """True if nothing in the image speaks for the class."""
        return not self.activation.any()


def maps_folder(store: Store, screen: str, readout: str, phase: str, of_class: str, method: str) -> Path:
    """The folder of the maps of one network, class and method."""
    return store.screen_dir(screen) / FOLDER / f"{readout}_{phase}_{of_class}_{method}"


def image_hashes(tensors: xr.DataArray) -> dict[str, str]:
    """Hash of every well's image, by its name."""
    names = [str(name) for name in tensors["well"].to_numpy()]
    return {
        name: hash_bytes(np.ascontiguousarray(pixels).tobytes())
        for name, pixels in zip(names, tensors.to_numpy(), strict=True)
    }


def read_maps(store: Store, folder: Path, facts: Mapping[str, Any]) -> dict[str, StoredMap]:
    """The maps in a folder by well, none if there are none or they answer another question.

    Args:
        store: where the folder lies.
        folder: from `maps_folder`.
        facts: what the maps must have been made with; those of `write_maps`.
    """
    place = store.local_copy(folder / MAPS)
    if not is_group(place):
        return {}
    with open_group(place, "take the folder away; the maps are made again when they are asked for", folder) as held:
        if "image" not in held or any(held.attrs.get(name) != value for name, value in facts.items()):
            return {}
        return {
            str(well): StoredMap(activation, str(image))
            for well, activation, image in zip(
                held["well"].to_numpy(), held["activation"].to_numpy(), held["image"].to_numpy(), strict=True
            )
        }


def write_maps(folder: Path, maps: Mapping[str, StoredMap], facts: Mapping[str, Any]) -> None:
    """Write maps into a new folder: `activation` (well, y, x), `flat` (well,) and `image` (well,).

    Args:
        folder: created by the caller.
        maps: by well, all of one size.
        facts: what they were made with: checkpoint, phase, class, method, channels.
    """
    import xarray as xr

    def each(values: Iterable[Any]) -> np.ndarray:
        return np.array(list(values), dtype=object)

    variables = {
        "activation": (("well", "y", "x"), np.stack([one.activation for one in maps.values()])),
        "flat": (("well",), np.array([one.is_flat for one in maps.values()])),
        "image": (("well",), each(one.image for one in maps.values())),
    }
    dataset = xr.Dataset(variables, coords={"well": ("well", each(maps))}, attrs=dict(facts))
    write_group(dataset, folder / MAPS)
