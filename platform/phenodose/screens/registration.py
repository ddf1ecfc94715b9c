"""The door: how a raw screen folder becomes a screen of the store.

Belongs here: registering a folder under its id, and the full look at a folder before anything is
computed. Does not belong here: what a single layout, plate or matrix must look like (`phenodose.screens`
and the readers).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from phenodose.errors import Faults, InputError, PhenodoseError
from phenodose.plates.agreement import PlateFacts, compare_plates
from phenodose.plates.plane_index import PLANES
from phenodose.plugins import Registry, choose_reader, plugins_of
from phenodose.screens.raw_copy import keep, screen_at
from phenodose.screens.screen import Screen
from phenodose.store.store import Store


def register_screen(store: Store, folder: Path) -> Screen:
    """Remember in the store which raw folder a screen comes from, with a copy of its small files for other machines.

    Raises:
        BusyError: another process is taking the copy and does not end.
        InputError: the folder is no screen, or the id is taken by another folder that is still there.
    """
    screen = Screen.load(folder, plugins_of(store).plate_reader_folders())
    if screen.id in store.screens():
        known = store.source_of(screen.id)
        if known == screen.folder:
            keep(store, screen)
            return screen
        if known.is_dir():
            raise InputError(
                f"{screen.folder}: the store {store.root} already holds a screen {screen.id}, made from {known}; "
                "rename the folder, or remove the other one."
            )
    store.register(screen.id, screen.folder)
    keep(store, screen)
    return screen


def screen_to_make(store: Store, folder: Path, plugins: Registry, images: bool = True) -> Screen:
    """Check a raw folder whole and register it; of a registered screen whose folder this machine lacks, the copy.

    Args:
        store: the store.
        folder: the raw screen folder.
        plugins: where the readers are found.
        images: whether to look at every image file's header and size, too.

    Raises:
        InputError, BusyError: as `check_screen` and `register_screen`.
        MissingInputError: there is neither the folder nor a copy of it.
    """
    if folder.is_dir():
        check_screen(folder, plugins, images)
        return register_screen(store, folder)
    screen = screen_at(folder, store, plugins.plate_reader_folders())
    try:
        _checked(screen, plugins, images=False)
    except InputError as error:
        raise InputError(screen.told(str(error))) from error
    return screen


def check_screen(folder: Path, plugins: Registry, images: bool = True) -> list[str]:
    """Look at everything in a raw folder that can be wrong, before anything is computed.

    Args:
        folder: the raw screen folder.
        plugins: where the readers are found.
        images: whether to look at every image file's header and size, too.

    Returns:
        Notes on what is read and looks like a slip, each once.

    Raises:
        InputError: all faults of the folder in one message.
    """
    return _checked(Screen.load(folder, plugins.plate_reader_folders()), plugins, images)


def _checked(screen: Screen, plugins: Registry, images: bool) -> list[str]:
    from phenodose.screens.contents import course_of, judge_images, layout_of_screen, readings_of

    layout = layout_of_screen(screen)
    faults: list[str] = []
    notes = list(layout.notes)

    def note(look: Callable[[], object]) -> None:
        try:
            look()
        except PhenodoseError as error:
            faults.append(str(error))

    note(lambda: screen.match_plates(layout.plates))
    facts: dict[str, PlateFacts] = {}

    def look_at_images(name: str, plate: Path) -> None:
        reader = choose_reader(plate, plugins, screen.reader, screen.parameters)
        index = reader.index(plate)
        if len(index) and not PLANES.faults(index):
            facts[name] = PlateFacts.of_index(index, reader.plate_metadata(plate, index))
            judged = judge_images(screen, layout.path.name, layout.samples, plate.name, facts[name].called)
            judged.raise_if_contradicting(str(screen.folder))

    if images:
        for name, plate in screen.plate_folders.items():
            note(lambda name=name, plate=plate: look_at_images(name, plate))  # type: ignore[misc]
        faults += [f"{screen.folder}: {fault}" for fault in compare_plates(facts, screen.channel).faults]
    for readout, matrices in screen.readout_folders.items():
        if any(path.is_file() for path in matrices.iterdir()):
            note(lambda readout=readout: notes.extend(readings_of(screen, readout, layout).notes))  # type: ignore[misc]
    for readout in screen.course_folders:
        note(lambda readout=readout: course_of(screen, readout, layout))  # type: ignore[misc]
    if len(faults) == 1:
        raise InputError(faults[0])
    if faults:
        collected = Faults(str(screen.folder))
        collected.extend(faults)
        collected.raise_if_any()
    return list(dict.fromkeys(notes))
