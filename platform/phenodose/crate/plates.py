"""The plates of a screen in a crate: copied, or told where they lie.

A plate is copied file by file. Pixels and the metadata of OME-Zarr are as they are, and what phenodose notes of a file
is checked on the way. Of phenodose's own notes (in `zarr.json` beside those of OME) the names of raw files go, and
paths within texts of the instrument; the seals are made anew, so that `phenodose verify` checks a copy as it checks the
plate. A plate that was made elsewhere is copied as it lies there.

A condition table is added in the plate's group `tables`, which nothing of the plate refers to (`conditions`).

Belongs here: which files a plate has, and copying them. Does not belong here: plates themselves (`phenodose.plates`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.crate.conditions import table_group
from phenodose.errors import PhenodoseError, StoreError
from phenodose.io.files import hash_bytes
from phenodose.io.places import read_bytes, sizes
from phenodose.plates.external_plate import ExternalPlate
from phenodose.plates.ngff import OWN, ROOT, encoded, parsed_document, sealed
from phenodose.plates.plan import well_path
from phenodose.plates.plate import Plate
from phenodose.plates.virtual_plate import VirtualPlate

if TYPE_CHECKING:
    from phenodose.crate.hide import Hider
    from phenodose.crate.parcel import Parcel
    from phenodose.store.store import Store

# A line of the instrument's description of an image.
_FOLDER_LINE = re.compile(r"(Folder(?: Name)?: *)[^\r\n]+")
#: Files that are read ahead of the one that is written.
_AHEAD = 4


@dataclass
class PlateSource:
    """A plate of a screen, and what of it goes into a crate.

    Attributes:
        name: name of the plate in the screen.
        plate: the plate.
        files: bytes of every file by path within the plate, as they lie there.
        noted: hash of those files that phenodose knows the hash of.
    """

    name: str
    plate: Plate
    files: dict[str, int] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where the plate lies in a crate."""
        return f"plates/{self.name}.ome.zarr"

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())

    @property
    def at(self) -> Path:
        """Where the plate's files lie: of one that is used in place, the other folder."""
        return self.plate.folder if isinstance(self.plate, ExternalPlate) else self.plate.path


def plates_of(store: Store, screen: str, listed: bool) -> list[PlateSource]:
    """The plates that the table `plates` names, opened.

    Args:
        store: the store.
        screen: screen id.
        listed: whether their files are looked for.

    Raises:
        StoreError: a plate is missing, incomplete, or not the one that the table tells of; if their files are not
            looked for, such a plate is left out.
    """
    found = []
    for row in store.read_table("plates", screen).sort_values("plate").to_dict("records"):
        name, raw_hash = str(row["plate"]), str(row["raw_hash"] or "")
        try:
            plate = Plate.open(store.plate_at(str(row["path"]))).expected(name, raw_hash)
            if isinstance(plate, VirtualPlate):
                raise StoreError(f"{plate.path}: only the index of this plate is there; ingest it first.")
            source = PlateSource(name, plate)
            found.append(_with_files(source) if listed else source)
        except PhenodoseError:
            if listed:
                raise
    return found


def _with_files(source: PlateSource) -> PlateSource:
    there = sizes(source.at)
    if isinstance(source.plate, ExternalPlate):
        source.files = there
        return source
    names = [ROOT, *dict.fromkeys(f"{well_path(well).split('/')[0]}/{ROOT}" for well in source.plate.wells)]
    for well in source.plate.wells:
        folder = well_path(well)
        names.append(f"{folder}/{ROOT}")
        for name, (_, digest) in source.plate.metadata(well)["files"].items():
            names.append(f"{folder}/{name}")
            source.noted[f"{folder}/{name}"] = digest
    for name in names:
        if name not in there:
            raise StoreError(f"{source.at}/{name}: the file is missing; run `phenodose ingest` again, then export.")
        source.files[name] = there[name]
    return source


def put_plate(parcel: Parcel, source: PlateSource, csv: bytes, hider: Hider, written: Callable[[int], None]) -> bool:
    """Copy a plate into a crate, with its condition table.

    Args:
        parcel: the crate.
        source: the plate, with its files.
        csv: its condition table; empty for none.
        hider: takes places out of texts.
        written: told the bytes of every file.

    Returns:
        Whether the condition table is in the plate; one that was made elsewhere may have a group `tables` of its own.

    Raises:
        StoreError: a file is missing or damaged.
    """
    own = not isinstance(source.plate, ExternalPlate)
    documents = _documents(source, hider) if own else {}
    for name, content in _read(source, [name for name in source.files if name not in documents]):
        parcel.put(f"{source.folder}/{name}", content)
        written(source.files[name])
    for name, content in documents.items():
        parcel.put(f"{source.folder}/{name}", content)
        written(source.files[name])
    if not csv or any(name.startswith("tables/") for name in source.files):
        return False
    for name, content in table_group(csv, 3 if ROOT in source.files else 2):
        parcel.put(f"{source.folder}/{name}", content)
    return True


def _read(source: PlateSource, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """The files' bytes in order, some read ahead, each compared with what is known of it."""
    with ThreadPoolExecutor(_AHEAD) as pool:
        ahead: deque[tuple[str, Future[bytes | None]]] = deque()
        for name in [*names, *[None] * _AHEAD]:
            if name is not None:
                ahead.append((name, pool.submit(read_bytes, source.at / name)))
            if len(ahead) > _AHEAD or name is None:
                if not ahead:
                    return
                first, future = ahead.popleft()
                yield first, _expected(source, first, future.result())


def _expected(source: PlateSource, name: str, content: bytes | None) -> bytes:
    if content is None:
        fault = "the file is missing"
    elif len(content) != source.files[name]:
        fault = f"the file has {len(content)} of {source.files[name]} bytes"
    elif name in source.noted and hash_bytes(content) != source.noted[name]:
        fault = "the file's bytes have changed since it was written"
    else:
        return content
    raise StoreError(f"{source.at}/{name}: {fault}; `phenodose verify` tells what else is; mend it, then export again.")


def _documents(source: PlateSource, hider: Hider) -> dict[str, bytes]:
    """The documents of a plate's root and wells without places, sealed anew."""
    found: dict[str, bytes] = {}
    hashes = {}
    root = parsed_document(read_bytes(source.at / ROOT))
    notes = _Notes(hider, source.name, str(root["attributes"][OWN].get("instrument", {}).get("plate_name") or ""))
    for well in source.plate.wells:
        name = f"{well_path(well)}/{ROOT}"
        source.plate.metadata(well)  # compared with its hash
        document = parsed_document(read_bytes(source.at / name))
        document["attributes"][OWN] = notes.of_well(document["attributes"][OWN])
        found[name] = encoded(document)
        hashes[well] = hash_bytes(found[name])
    own = {key: notes.value(value) for key, value in root["attributes"][OWN].items()}
    root["attributes"][OWN] = own | {"wells": {well: hashes[well] for well in own["wells"]}}
    found[ROOT] = encoded(sealed(root))
    return found


@dataclass(frozen=True)
class _Notes:
    """What phenodose notes of a plate, without what tells of raw files: each raw plane is still told by its hash.

    Attributes:
        hider: takes places out of texts.
        name: name of the plate.
        raw_name: what the instrument calls it, as the names of raw files begin; '' if it does not say.
    """

    hider: Hider
    name: str
    raw_name: str

    def of_well(self, own: dict[str, Any]) -> dict[str, Any]:
        """The notes of a well."""
        kept = {key: value if key == "files" else self.value(value) for key, value in own.items()}
        return kept | {"planes": [plane | {"path": ""} for plane in kept.get("planes", [])]}

    def value(self, value: Any) -> Any:
        """Any part of the notes."""
        if isinstance(value, dict):
            return {key: self.value(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if not isinstance(value, str):
            return value
        named = value.replace(self.raw_name, self.name) if len(self.raw_name) > 1 else value
        return self.hider.value(_FOLDER_LINE.sub(r"\1…", named))
