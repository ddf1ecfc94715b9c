"""The store's copy of a screen's small raw files, so that machines without the raw folder can do all but ingest.

A raw folder lies where its microscope or plate reader can write: not every machine that shares a store has it. Its
small files (screen.toml, layout, readings, tables of targets, reference samples that it names) are copied into the
store when the screen is registered, and again by whoever has the folder and finds other contents in it. Who has the
folder reads the folder; who has not reads the copy, which is the folder as it was when somebody saw it last.

    screens/<screen>/raw/files.json               what the copy holds, written last
    screens/<screen>/raw/<version>/<screen>/...   the files under their own names

Names and hashes of the files give the version, so a copy is never changed: another one comes beside it. Links that
leave the raw folder are not followed: nothing that its sender may not read comes into the store.

Belongs here: taking the copy, reading it, checking it. Does not belong here: what the files mean (`screen`), images.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phenodose.errors import MissingInputError, StoreError
from phenodose.io.files import hash_as_it_is, hash_file, hash_json, write_json, written_aside
from phenodose.io.places import folders, read_bytes, remove_tree
from phenodose.plugins import REFERENCE, plugins_of
from phenodose.screens.readout_files import MOST_FILE_BYTES
from phenodose.screens.screen import LAYOUT_NAMES, SETTINGS_NAME, Screen
from phenodose.screens.target_files import own_table_names
from phenodose.store.store import Store

FOLDER, INDEX = "raw", "files.json"
_WAIT_SECONDS = 60
_TRIES = 5


class _ChangedMeanwhile(Exception):
    """A file was written to while it was copied."""


@dataclass(frozen=True)
class _Index:
    """What a copy holds.

    Attributes:
        files: size in bytes and hash of every file, by its path in the raw folder.
        plates: names of the folders of images, which stay where they are.
        left_out: size in bytes of files that are too large to be copied, by their path.
    """

    files: Mapping[str, tuple[int, str]]
    plates: tuple[str, ...]
    left_out: Mapping[str, int]

    @property
    def version(self) -> str:
        return hash_json(self._facts())

    def document(self) -> dict[str, Any]:
        return {"version": self.version, **self._facts()}

    def _facts(self) -> dict[str, Any]:
        files = {name: list(about) for name, about in self.files.items()}
        return {"files": files, "plates": list(self.plates), "left_out": dict(self.left_out)}

    @classmethod
    def read(cls, content: bytes | None) -> _Index | None:
        """What `document` wrote; None if there is nothing, or something else."""
        try:
            found = json.loads(content or b"")
            files = {str(name): (int(size), str(made)) for name, (size, made) in found["files"].items()}
            index = cls(files, tuple(found["plates"]), dict(found["left_out"]))
            leads_out = any(".." in Path(name).parts or Path(name).is_absolute() for name in (*files, *index.plates))
            return None if leads_out or index.version != found["version"] else index
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def screen_at(folder: Path, store: Store, plate_readers: Mapping[str, str] | None = None) -> Screen:
    """A screen from its raw folder, or from the store's copy on a machine that has no such folder.

    Args:
        folder: the raw folder by its path on this machine (`Store.source_of`); its name is the screen's id.
        store: the store.
        plate_readers: as for `Screen.load`; those that the store allows by default.

    Raises:
        MissingInputError: there is neither.
        InputError: as `Screen.load`.
        StoreError: the copy is damaged.
    """
    readers = plugins_of(store).plate_reader_folders() if plate_readers is None else plate_readers
    return Screen.load(folder, readers) if folder.is_dir() else _copied_screen(folder, store, readers)


def keep(store: Store, screen: Screen) -> bool:
    """Bring the store's copy of a screen's small raw files up to date; True if it was not.

    Args:
        store: the store that the screen is registered in.
        screen: from its raw folder; of a copy nothing is kept.

    Raises:
        BusyError: another process is taking the copy and does not end.
        StoreError: files change as fast as they are copied.
    """
    if screen.copy_of is not None:
        return False
    place = _place(store, screen.id)
    if _index_of(screen) == _Index.read(read_bytes(place / INDEX)):
        return False

    def busy(who: str) -> str:
        return f"the raw files of {screen.id} are being copied into the store by {who}; wait, then run this again."

    with store.locked(place / ".lock", busy, _WAIT_SECONDS):
        for _ in range(_TRIES):
            index, before = _index_of(screen), _Index.read(read_bytes(place / INDEX))
            if index == before:
                return False
            if _copy(screen, index, place):
                _forget(place, {index.version, before.version if before else ""})
                return True
    raise StoreError(f"{screen.folder}: its files change while they are copied; wait until nothing writes to them.")


def copy_faults(store: Store, screen: str) -> tuple[Path, list[str]] | None:
    """The index of a screen's copy, and what is wrong with the copy; None if there is no copy."""
    place = _place(store, screen)
    content = read_bytes(place / INDEX)
    if content is None:
        return None
    again = f"take {place} away; `phenodose run {screen}` makes it again where the raw folder is"
    index = _Index.read(content)
    if index is None:
        return place / INDEX, [f"{place / INDEX}: has changed since it was written; {again}."]
    return place / INDEX, [f"{fault}; {again}." for fault in _faults(store, place, screen, index)]


def _copied_screen(folder: Path, store: Store, readers: Mapping[str, str]) -> Screen:
    place = _place(store, folder.name)
    content = read_bytes(place / INDEX)
    if content is None:
        raise MissingInputError(
            f"{folder}: there is no such screen folder on this machine, and the store has no copy of its small files; "
            "check the path, say where the folder lies here with PHENODOSE_RAW_ROOTS, or run the screen once where it "
            "is."
        )
    index = _Index.read(content)
    faults = ["its index has changed since it was written"] if index is None else []
    if index is not None:
        faults = list(_faults(store, place, folder.name, index))
    if index is None or faults:
        raise StoreError(
            f"{place}: the copy of the raw files of {folder.name} is damaged ({'; '.join(faults)}); take it away and "
            "run the screen where its raw folder is."
        )
    there = _version_folder(store, place, index) / folder.name
    loaded = Screen.load(there, readers)
    return replace(loaded, plate_folders={name: folder / name for name in index.plates}, copy_of=folder)


def _faults(store: Store, place: Path, screen: str, index: _Index) -> Iterator[str]:
    there = _version_folder(store, place, index) / screen
    for name, (size, made) in index.files.items():
        file = there / name
        if not file.is_file():
            yield f"{place / index.version / screen / name} is missing"
        elif file.stat().st_size != size or hash_as_it_is(file) != made:
            yield f"{place / index.version / screen / name} has changed since it was written"


def _version_folder(store: Store, place: Path, index: _Index) -> Path:
    """The folder of a version, on this machine."""
    return store.local_copy(place / index.version)


def _place(store: Store, screen: str) -> Path:
    return store.screen_dir(screen) / FOLDER


def _index_of(screen: Screen) -> _Index:
    """What a copy of a raw folder would hold now."""
    files, left_out = {}, {}
    for name, path in sorted(_small_files(screen)):
        size = path.stat().st_size
        if size > MOST_FILE_BYTES:
            left_out[name] = size
        else:
            files[name] = (size, hash_as_it_is(path))
    return _Index(files, tuple(screen.plate_folders), left_out)


def _small_files(screen: Screen) -> Iterator[tuple[str, Path]]:
    """Path in the raw folder and path of every file that steps read, images aside; links that leave it are left out."""
    folder = screen.folder
    named = [SETTINGS_NAME, *LAYOUT_NAMES, *own_table_names()]
    named += [str(said[REFERENCE]) for said in screen.parameters.values() if isinstance(said.get(REFERENCE), str)]
    found = [folder / name for name in named]
    if screen.well_classes_path:
        found.append(screen.well_classes_path)
    for reader in {place.relative_to(folder).parts[0] for place in screen.readout_folders.values()}:
        found += (folder / reader).rglob("*")
    root = folder.resolve()
    for path in dict.fromkeys(found):
        if path.is_file() and path.is_relative_to(folder) and path.resolve().is_relative_to(root):
            yield path.relative_to(folder).as_posix(), path


def _copy(screen: Screen, index: _Index, place: Path) -> bool:
    """Write a copy and its index; False if a file has changed meanwhile."""
    with suppress(FileNotFoundError, _ChangedMeanwhile):
        with written_aside(place / index.version) as aside:
            (aside / screen.id).mkdir(parents=True)
            for name, (_, made) in index.files.items():
                file = aside / screen.id / name
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(screen.folder / name, file)
                if hash_file(file) != made:
                    raise _ChangedMeanwhile
        write_json(place / INDEX, index.document())
        return True
    return False


def _forget(place: Path, versions: set[str]) -> None:
    """Remove versions but these: the newest, and the one before it, which others may be reading."""
    for folder in folders(place):
        if folder.name not in versions:
            remove_tree(folder)
