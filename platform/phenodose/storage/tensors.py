"""Pseudo-RGB tensors: the two pictures of every well that the network sees.

The channels are MIP, MID, MIP (maximum projection, middle plane), area-averaged to a square of `size_px` from the
smallest pyramid level that is at least as large. The values stay uint16 as the camera gave them (uint8 images are
scaled by 257 so that the brightest value is the same).

Belongs here: plates to tensors, and opening tensors. Does not belong here: scaling and augmentation
(`phenodose.learning`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import InputError, MissingInputError
from phenodose.files import written_aside
from phenodose.names import plate_sort_key
from phenodose.plugins import Progress, no_progress
from phenodose.storage.pyramid import area_average

if TYPE_CHECKING:
    import xarray as xr

    from phenodose.storage.plate import Plate

NAME = "pseudo_rgb"
CHANNELS = ("MIP", "MID", "MIP")
# About 16 MB at the paper's 224 px: few files, little memory.
_WELLS_A_CHUNK = 54


def well_tensor(plate: Plate, well: str, size_px: int, channel: int = 0) -> np.ndarray:
    """The tensor of one well: uint16, dims y, x, channel.

    Raises:
        NotMade: the well has no image in that channel.
    """
    level = plate.level_for(size_px)
    mip = area_average(plate.mip(well, channel, level), size_px, size_px)
    if plate.middle_z(well, channel) is None:
        mid = mip
    else:
        mid = area_average(plate.middle(well, channel, level), size_px, size_px)
    tensor = np.stack([mip, mid, mip], axis=-1)
    return tensor.astype(np.uint16) * 257 if tensor.dtype == np.uint8 else tensor


def build_tensors(
    plates: Mapping[str, Plate], out: Path, size_px: int, channel: int = 0, progress: Progress = no_progress
) -> None:
    """Write the tensors of all wells of some plates as one Zarr group that opens with xarray.

    Wells are in order of plate, row and column. Wells without any image in the channel are left out and named in the
    attribute `wells_without_image`; wells that have only a projection use it as MID too and are named in
    `mid_from_mip`. Of a well with several sites the first is used.

    Args:
        plates: name -> plate.
        out: the group to write; what was there is replaced.
        size_px: side of the square tensors.
        channel: channel of the plates.
        progress: told after every well.

    Raises:
        InputError: there is no plate, no image, or no such channel.
    """
    import zarr
    from zarr.codecs import BloscCodec

    if size_px < 1:
        raise InputError(f"size_px {size_px}: give a number of pixels above 0, such as 224.")
    order = [(name, plates[name], well) for name in sorted(plates, key=plate_sort_key) for well in plates[name].wells]
    usable, empty, flat = _sorted_out(order, channel)
    if not usable:
        raise InputError(f"plates {', '.join(plates) or '(none)'}: no well has an image in channel {channel}.")
    attributes = {
        "size_px": size_px,
        "source_channel": channel,
        "source_raw_hash": {name: plates[name].raw_hash for name in sorted(plates, key=plate_sort_key)},
        "mid_from_mip": flat,
        "wells_without_image": empty,
    }
    with written_aside(out) as aside:
        group = zarr.create_group(aside, zarr_format=3, attributes=attributes)
        array = group.create_array(
            NAME,
            shape=(len(usable), size_px, size_px, len(CHANNELS)),
            chunks=(min(_WELLS_A_CHUNK, len(usable)), size_px, size_px, len(CHANNELS)),
            dtype="uint16",
            dimension_names=("well", "y", "x", "channel"),
            attributes={"description": "Pixel values as the camera gave them", "coordinates": "plate well_name"},
            # The middle level of zstd: read many times, written once.
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=2),
        )
        for start, block in _blocks(usable, size_px, channel, progress):
            array[start : start + len(block)] = block
        labels = [(f"{name}/{well}", name, well) for name, _, well in usable]
        for coordinate, values in zip(("well", "plate", "well_name"), zip(*labels, strict=True), strict=True):
            _write_text_array(group, coordinate, values, "well")
        _write_text_array(group, "channel", CHANNELS, "channel")


def open_tensors(path: Path) -> xr.DataArray:
    """The tensors as a lazy array: uint16, dims well, y, x, channel; coordinates well ('P1/B07'), plate, well_name.

    Raises:
        MissingInputError: there are no tensors at `path`.
    """
    import xarray as xr

    if not path.is_dir():
        raise MissingInputError(f"{path}: there are no tensors here; materialize `pseudo_rgb` for the screen first.")
    opened = xr.open_zarr(path, chunks=None, consolidated=False)
    tensors: xr.DataArray = opened[NAME].assign_attrs(opened.attrs)
    # Zarr gives numpy's variable-length strings, which much of the scientific Python world does not take yet.
    plain = {name: (tensors[name].dims, np.array(tensors[name].to_numpy().tolist())) for name in tensors.coords}
    return tensors.assign_coords(plain)


def _sorted_out(
    order: list[tuple[str, Plate, str]], channel: int
) -> tuple[list[tuple[str, Plate, str]], list[str], list[str]]:
    """The wells that have an image, the names of those that have none, and of those without a stack."""
    usable, empty, flat = [], [], []
    for name, plate, well in order:
        label = f"{name}/{well}"
        if not plate.has_mip(well, channel):
            empty.append(label)
            continue
        usable.append((name, plate, well))
        if plate.middle_z(well, channel) is None:
            flat.append(label)
    return usable, empty, flat


def _blocks(
    wells: list[tuple[str, Plate, str]], size_px: int, channel: int, progress: Progress
) -> Iterator[tuple[int, np.ndarray]]:
    """The tensors in blocks of a chunk, with the place of each block's first well."""
    for start in range(0, len(wells), _WELLS_A_CHUNK):
        block = []
        for number, (name, plate, well) in enumerate(wells[start : start + _WELLS_A_CHUNK], start=start + 1):
            block.append(well_tensor(plate, well, size_px, channel))
            progress(number, len(wells), f"wells, {name}/{well}")
        yield start, np.stack(block)


def _write_text_array(group: Any, name: str, values: Any, dimension: str) -> None:
    array = group.create_array(name, shape=(len(values),), dtype=str, dimension_names=(dimension,))
    array[:] = np.asarray(values, dtype=object)
