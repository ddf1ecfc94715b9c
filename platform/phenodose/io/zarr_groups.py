"""Zarr groups that are checked when they are opened: tensors, features and activation maps.

Every chunk is followed by its CRC-32C, which any reader of Zarr v3 checks. The group's own `zarr.json` holds beside,
under the attribute `phenodose`, the size and hash of every file of the group, and a seal of itself
(`phenodose.io.seals`). So a chunk that is missing is an error, and not the zeros that Zarr gives for it; and a chunk
that came from another group or from a backup is found, though its own checksum is right.

Belongs here: writing, sealing, checking and opening a group. Does not belong here: what the arrays mean.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import StoreError
from phenodose.io.files import hash_file
from phenodose.io.places import is_remote, read_bytes, sizes, zarr_store
from phenodose.io.seals import OPEN_SEAL, is_changed, seal_of, sealed

if TYPE_CHECKING:
    import xarray as xr

ROOT = "zarr.json"
#: The group's attribute with the project's own record.
OWN = "phenodose"
_CHUNKS = "/c/"


def write_group(dataset: xr.Dataset, folder: Path) -> None:
    """Write a dataset as a new sealed Zarr group; the caller moves it into place.

    Args:
        dataset: its variables and coordinates become arrays.
        folder: a folder on this machine that is not there yet.
    """
    from zarr.codecs import Crc32cCodec, ZstdCodec

    compressors = (ZstdCodec(), Crc32cCodec())
    encoding = {str(name): {"compressors": compressors} for name in dataset.variables}
    dataset.to_zarr(folder, zarr_format=3, consolidated=False, encoding=encoding)
    seal_group(folder)


def seal_group(folder: Path) -> None:
    """Note size and hash of every file of a finished group on this machine in its `zarr.json`, and seal that."""
    names = [name for name in sorted(sizes(folder)) if name != ROOT]
    held = {name: [(folder / name).stat().st_size, hash_file(folder / name)] for name in names}
    document = json.loads((folder / ROOT).read_bytes())
    document["attributes"] = {**document.get("attributes", {}), OWN: {"files": held, "seal": OPEN_SEAL}}
    (folder / ROOT).write_bytes(sealed(json.dumps(document, ensure_ascii=False, indent=1).encode()))


def is_group(path: Path) -> bool:
    """Whether a finished group lies at a place."""
    return read_bytes(path / ROOT) is not None


def open_group(path: Path, remedy: str, where: object = None) -> xr.Dataset:
    """A group as a lazy dataset, after a check of all its files.

    Args:
        path: the group.
        remedy: how it is made again, as the end of a sentence.
        where: the place for messages, where `path` is a copy of it.

    Raises:
        StoreError: a file is missing, too many, or not as it was written.
    """
    import xarray as xr

    check_group(path, remedy, where)
    try:
        opened: xr.Dataset = xr.open_zarr(zarr_store(path), chunks=None, consolidated=False, zarr_format=3)
    except (ValueError, KeyError, TypeError) as error:  # of a group without seal
        raise StoreError(f"{where or path}: it is damaged ({error}); {remedy}.") from error
    opened.attrs.pop(OWN, None)
    return opened


def check_group(path: Path, remedy: str, where: object = None) -> None:
    """Compare a group with what was noted of it; nothing is said of one that an older version made.

    In an object store the sizes are compared, and what is read then is checked by the chunks' own checksums.

    Raises:
        StoreError: all faults in one message.
    """
    faults = group_faults(path)
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise StoreError(f"{where or path}: {faults[0]}{more}; {remedy}.")


def group_faults(path: Path) -> list[str]:
    """In what a group is not as it was written, a part of a sentence each; [] if it is, has no seal or is not there."""
    content = read_bytes(path / ROOT)
    if content is None:
        return []
    held = noted_files(content)
    if is_changed(content) or (held is not None and not seal_of(content)):
        return [f"{ROOT} has changed since it was written"]
    if held is None:
        return []
    there = sizes(path)
    faults = [f"{name} is no file of it" for name in there if _CHUNKS in name and name not in held]
    for name, (size, digest) in held.items():
        if name not in there:
            faults.append(f"{name} is missing")
        elif there[name] != size:
            faults.append(f"{name} has {there[name]} of {size} bytes")
        elif not is_remote(path) and hash_file(path / name) != digest:
            faults.append(f"{name} has changed since it was written")
    return faults


def noted_files(content: bytes) -> dict[str, tuple[int, str]] | None:
    """Size and hash of every file by what a group's `zarr.json` says; None for one that an older version made."""
    try:
        own: Any = json.loads(content).get("attributes", {}).get(OWN, {})
        return {str(name): (int(size), str(digest)) for name, (size, digest) in own["files"].items()}
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
