"""Pseudo-RGB tensors: the pictures of every well that the network sees.

By default the channels are MIP, MID, MIP (maximum projection, middle plane) of the nuclear channel; any picture of any
stored channel may stand in their place ([tensors] inputs of screen.toml). Each is area-averaged to a square of
`size_px` from the smallest pyramid level that is at least as large. The values stay uint16 as the camera gave them
(uint8 images are scaled by 257 so that the brightest value is the same).

Belongs here: plates to tensors, and opening tensors. Does not belong here: scaling and augmentation
(`phenodose.learning`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import InputError, MissingInputError, NotMade
from phenodose.io.files import written_aside
from phenodose.io.places import read_bytes, storage_errors
from phenodose.io.zarr_groups import is_group, open_group, seal_group
from phenodose.names import plate_sort_key
from phenodose.plates.agreement import channel_number
from phenodose.plates.pyramid import area_average
from phenodose.plates.tensor_inputs import DEFAULT_INPUTS, TensorInput
from phenodose.progress import Progress, no_progress

if TYPE_CHECKING:
    import xarray as xr

    from phenodose.plates.plate import Plate

NAME = "pseudo_rgb"
# About 16 MB at the paper's 224 px: few files, little memory.
_WELLS_A_CHUNK = 54


def well_picture(plate: Plate, well: str, picture: str, size_px: int, channel: int = 0) -> np.ndarray:
    """One picture of a well, area-averaged to a square: dims y, x, in the plate's own pixel type.

    Of a plate that means all sites together (`Plate.at`) they stand side by side, in rows from the first; where a site
    was not imaged there is the darkest value of the others.

    Args:
        plate: the plate.
        well: name of the well.
        picture: see `TensorInput`.
        size_px: side of the square; read from the smallest pyramid level that is at least as large.
        channel: channel of the plate.

    Raises:
        InputError: there is no such plane.
        NotMade: the well has no image in that channel.
    """
    if not plate.sites_together or len(plate.shape.sites) == 1:
        return _site_picture(plate, well, picture, (size_px, size_px), channel)
    across = ceil(sqrt(len(plate.shape.sites)))
    edges = [round(place * size_px / across) for place in range(across + 1)]
    tiles = []
    for number, site in enumerate(plate.shape.sites):
        row, column = divmod(number, across)
        if plate.has_mip(well, channel, site):
            place = slice(*edges[row : row + 2]), slice(*edges[column : column + 2])
            size = edges[row + 1] - edges[row], edges[column + 1] - edges[column]
            tiles.append((place, _site_picture(plate, well, picture, size, channel, site)))
    if not tiles:
        raise NotMade(f"{plate.path}: well {well} has no image in channel {channel}.")
    darkest = min(int(tile.min()) for _, tile in tiles)
    mosaic = np.full((size_px, size_px), darkest, dtype=tiles[0][1].dtype)
    for place, tile in tiles:
        mosaic[place] = tile
    return mosaic


def _site_picture(
    plate: Plate, well: str, picture: str, size: tuple[int, int], channel: int, site: int | None = None
) -> np.ndarray:
    level = plate.level_for(max(size))
    # A well that has only a projection stands in with it.
    if picture == "MIP" or plate.middle_z(well, channel, site) is None:
        pixels = plate.mip(well, channel, level, site)
    elif picture == "MID":
        pixels = plate.middle(well, channel, level, site)
    elif picture in _OF_STACK:
        pixels = _over_planes(plate, well, picture, channel, level, site)
    else:
        pixels = plate.plane(well, int(picture[1:]), channel, level, site)
    return area_average(pixels, *size)


_OF_STACK = ("MIN", "MEAN", "SD")


def _over_planes(plate: Plate, well: str, picture: str, channel: int, level: int, site: int | None) -> np.ndarray:
    """Minimum, mean or standard deviation over the planes that were imaged, rounded to the pixel type."""
    there = [int(each["z"]) for each in plate.planes(well, channel, site)]
    planes = np.stack([plate.plane(well, z, channel, level, site) for z in there])
    if picture == "MIN":
        return np.asarray(planes.min(axis=0))
    over = planes.mean(axis=0, dtype=np.float64) if picture == "MEAN" else planes.std(axis=0, dtype=np.float64)
    return np.asarray(np.rint(over).astype(planes.dtype))


def well_tensor(plate: Plate, well: str, size_px: int, inputs: Sequence[tuple[int, str]]) -> np.ndarray:
    """The tensor of one well: uint16, dims y, x, channel.

    Args:
        plate: the plate.
        well: name of the well.
        size_px: side of the square.
        inputs: number of the plate's channel and picture of every channel of the tensor.

    Raises:
        NotMade: the well has no image in one of the channels.
    """
    made = {one: well_picture(plate, well, one[1], size_px, one[0]) for one in dict.fromkeys(inputs)}
    tensor = np.stack([made[one] for one in inputs], axis=-1)
    return tensor.astype(np.uint16) * 257 if tensor.dtype == np.uint8 else tensor


def build_tensors(
    plates: Mapping[str, Plate],
    out: Path,
    size_px: int,
    channel: int | str = 0,
    progress: Progress = no_progress,
    pictures: Sequence[str] = DEFAULT_INPUTS,
) -> None:
    """Write the tensors of all wells of some plates as one Zarr group that opens with xarray.

    Wells are in order of plate, row and column. Wells without any image in one of the channels are left out and named
    in the attribute `wells_without_image`; wells that have only a projection use it for the other pictures too and are
    named in `mid_from_mip`. Time point and site are those that the plates mean (`Plate.at`); the attribute
    `source_image` keeps them by plate.

    Args:
        plates: name -> plate.
        out: the group to write; what was there is replaced.
        size_px: side of the square tensors.
        channel: the nuclear channel of the plates: its number, or its name, which every plate then must have.
        progress: told after every well.
        pictures: what the channels of the tensors are, see `TensorInput.parse`; they are named so.

    Raises:
        InputError: there is no plate, no image, no such channel, or no such picture.
    """
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    if size_px < 1:
        raise InputError(f"size_px {size_px}: give a number of pixels above 0, such as 224.")
    inputs = [TensorInput.parse(picture) for picture in pictures]
    order = [(name, plates[name], well) for name in sorted(plates, key=plate_sort_key) for well in plates[name].wells]

    def meant(name: str, one: TensorInput) -> tuple[int, str]:
        of = channel if one.channel is None else one.channel
        return channel_number(plates[name].channels, of, f"plate {name}"), one.picture

    numbers = {name: [meant(name, one) for one in inputs] for name in plates}
    usable, empty, flat = _sorted_out(order, numbers)
    if not usable:
        raise InputError(
            f"plates {', '.join(plates) or '(none)'}: no well has an image in channel {channel}"
            f"{' and those of ' + ', '.join(pictures) if tuple(pictures) != DEFAULT_INPUTS else ''}."
        )
    attributes = {
        "size_px": size_px,
        "source_channel": channel,
        "source_raw_hash": {name: plates[name].raw_hash for name in sorted(plates, key=plate_sort_key)},
        "source_image": {
            name: {"time": plate.chosen_time, **({} if plate.sites_together else {"site": plate.meant_sites[0]})}
            for name, plate in plates.items()
        },
        "mid_from_mip": flat,
        "wells_without_image": empty,
    }
    with written_aside(out) as aside:
        group = zarr.create_group(aside, zarr_format=3, attributes=attributes)
        array = group.create_array(
            NAME,
            shape=(len(usable), size_px, size_px, len(pictures)),
            chunks=(min(_WELLS_A_CHUNK, len(usable)), size_px, size_px, len(pictures)),
            dtype="uint16",
            dimension_names=("well", "y", "x", "channel"),
            attributes={"description": "Pixel values as the camera gave them", "coordinates": "plate well_name"},
            # The middle level of zstd: read many times, written once.
            compressors=(BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=2), Crc32cCodec()),
        )
        for start, block in _blocks(usable, size_px, numbers, progress):
            array[start : start + len(block)] = block
        labels = [(f"{name}/{well}", name, well) for name, _, well in usable]
        for coordinate, values in zip(("well", "plate", "well_name"), zip(*labels, strict=True), strict=True):
            _write_text_array(group, coordinate, values, "well")
        _write_text_array(group, "channel", pictures, "channel")
        seal_group(aside)


def open_tensors(path: Path) -> xr.DataArray:
    """The tensors as a lazy array: uint16, dims well, y, x, channel; coordinates well ('P1/B07'), plate, well_name.

    Every file is compared with the hash that was noted when it was written.

    Raises:
        MissingInputError: there are no tensors at `path`.
        StoreError: a file of them is missing or has changed.
    """
    with storage_errors(path, "the tensors cannot be read; mend the connection or the permissions"):
        if not is_group(path):
            raise MissingInputError(
                f"{path}: there are no tensors here; materialize `pseudo_rgb` for the screen first."
            )
        opened = open_group(path, "materialize `pseudo_rgb` of the screen again")
    tensors: xr.DataArray = opened[NAME].assign_attrs(opened.attrs)
    # Zarr gives numpy's variable-length strings, which much of the scientific Python world does not take yet.
    plain = {name: (tensors[name].dims, np.array(tensors[name].to_numpy().tolist())) for name in tensors.coords}
    return tensors.assign_coords(plain)


def source_images(path: Path) -> dict[str, dict[str, int]]:
    """Time point and site that the tensors at a path were made of, by plate: {'P1': {'time': 6, 'site': 1}}.

    Without a site where they show all sites. {} where there are no tensors, or some that were made before there was a
    choice.
    """
    import json

    with storage_errors(path, "the tensors cannot be read; mend the connection or the permissions"):
        document = read_bytes(path / "zarr.json")
    found = {} if document is None else json.loads(document).get("attributes", {}).get("source_image", {})
    return {str(name): {key: int(value) for key, value in chosen.items()} for name, chosen in found.items()}


def _sorted_out(
    order: list[tuple[str, Plate, str]], inputs: Mapping[str, Sequence[tuple[int, str]]]
) -> tuple[list[tuple[str, Plate, str]], list[str], list[str]]:
    """The wells that have an image, the names of those that have none, and of those without a stack."""
    usable, empty, flat = [], [], []
    for name, plate, well in order:
        label = f"{name}/{well}"
        channels = list(dict.fromkeys(channel for channel, _ in inputs[name]))
        sites = plate.shape.sites if plate.sites_together else (None,)
        if not all(any(plate.has_mip(well, channel, site) for site in sites) for channel in channels):
            empty.append(label)
            continue
        usable.append((name, plate, well))
        if any(all(plate.middle_z(well, channel, site) is None for site in sites) for channel in channels):
            flat.append(label)
    return usable, empty, flat


def _blocks(
    wells: list[tuple[str, Plate, str]],
    size_px: int,
    inputs: Mapping[str, Sequence[tuple[int, str]]],
    progress: Progress,
) -> Iterator[tuple[int, np.ndarray]]:
    """The tensors in blocks of a chunk, with the place of each block's first well."""
    for start in range(0, len(wells), _WELLS_A_CHUNK):
        block = []
        for number, (name, plate, well) in enumerate(wells[start : start + _WELLS_A_CHUNK], start=start + 1):
            block.append(well_tensor(plate, well, size_px, inputs[name]))
            progress(number, len(wells), f"wells, {name}/{well}")
        yield start, np.stack(block)


def _write_text_array(group: Any, name: str, values: Any, dimension: str) -> None:
    from zarr.codecs import Crc32cCodec, ZstdCodec

    compressors = (ZstdCodec(), Crc32cCodec())
    array = group.create_array(
        name, shape=(len(values),), dtype=str, dimension_names=(dimension,), compressors=compressors
    )
    array[:] = np.asarray(values, dtype=object)
