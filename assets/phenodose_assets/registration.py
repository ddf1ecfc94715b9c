"""The door: how a raw screen folder becomes a screen of the store.

Belongs here: registering a folder under its id, and the full look at a folder before anything is
computed. Does not belong here: what a single layout, plate or matrix must look like (`phenodose.screens`
and the readers).
"""

from __future__ import annotations

from pathlib import Path

from phenodose.errors import Faults, InputError, PhenodoseError
from phenodose.plugins import Registry, registry
from phenodose.screens.screen import Screen
from phenodose.store import Store


def register_screen(store: Store, folder: Path) -> Screen:
    """Remember in the store which raw folder a screen comes from.

    Raises:
        InputError: the folder is no screen, or the id is taken by another folder that is still there.
    """
    screen = Screen.load(folder)
    if screen.id in store.screens():
        known = store.source_of(screen.id)
        if known != screen.folder and known.is_dir():
            raise InputError(
                f"{screen.folder}: the store {store.root} already holds a screen {screen.id}, made from {known}; "
                "rename the folder, or remove the other one."
            )
    store.register(screen.id, screen.folder)
    return screen


def check_screen(screen: Screen, plugins: Registry | None = None) -> None:
    """Look at everything in a raw folder that can be wrong, before anything is computed.

    Layout, plate folders, every image file's header and size, and every plate-reader file.

    Raises:
        InputError: all faults of the folder in one message.
    """
    from phenodose.screens.layout import read_layout
    from phenodose.screens.matrices import read_matrices
    from phenodose.storage.ingest import choose_reader

    plugins = plugins or registry()
    layout = read_layout(screen.require_layout())
    faults = Faults(str(screen.folder))
    plates: dict[str, Path] = {}
    try:
        plates = screen.match_plates(layout.plates)
    except PhenodoseError as error:
        faults.add(str(error))
    for folder in plates.values():
        try:
            choose_reader(folder, plugins, screen.reader).index(folder)
        except PhenodoseError as error:
            faults.add(str(error))
    for folder in screen.readout_folders.values():
        try:
            read_matrices(folder)
        except PhenodoseError as error:
            faults.add(str(error))
    if len(faults.messages) == 1:
        raise InputError(faults.messages[0])
    faults.raise_if_any()
