"""Taking a screen out of the store: what goes, and in which order, so that a removal that is killed can be run again.

Raw folders are never touched, so everything can be made again from them. The cohort is rebuilt without the screen.

Belongs here: a screen's places in the store. Does not belong here: its partition and runs in Dagster
(`phenodose_assets.remove_screen`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.errors import StoreError
from phenodose.io.places import folders, is_remote, remove, remove_tree, sizes
from phenodose.names import check_screen_id
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from phenodose.store.store import Store

_SOURCE = "source.json"


@dataclass(frozen=True)
class Held:
    """One place of the store that belongs to a screen alone.

    Attributes:
        path: a file or folder.
        files: how many files it holds.
        size_bytes: their bytes.
    """

    path: Path
    files: int
    size_bytes: int


def held_by(store: Store, screen: str) -> list[Held]:
    """Every place of the store that a screen's removal empties, in the order in which it does.

    Raises:
        InputError: it is no screen id.
        StoreError: the store holds nothing of that screen.
    """
    check_screen_id(screen)
    tables = [store.root / "tables" / name / f"screen={screen}" for name in TABLES]
    plates = store.plate_path(screen, "P").parent
    own = store.screen_dir(screen)
    places = [*tables, *([] if plates.is_relative_to(own) else [plates]), own]
    report = store.report_path(screen)
    found = [Held(report, 1, report.stat().st_size)] if report.is_file() else []
    for place in places:
        held = sizes(place)
        if held:
            found.append(Held(place, len(held), sum(held.values())))
    if not found:
        known = ", ".join(store.screens()) or "none"
        raise StoreError(f"screen {screen!r} is not in the store {store.root} (it holds: {known}).")
    return found


def remove_screen(store: Store, screen: str) -> list[Held]:
    """Remove a screen from the store and rebuild the cohort without it.

    The mark by which the store knows the screen goes last: after a kill the same command goes on.

    Returns:
        What was removed.

    Raises:
        InputError, StoreError: as `held_by`.
        BusyError: another process is rebuilding the cohort and does not end.
    """
    from phenodose.cohort.build import rebuild_cohort

    found = held_by(store, screen)
    own = store.screen_dir(screen)
    for held in found:
        if held.path == own:
            for child in folders(own):
                remove_tree(child)
        elif held.path == store.report_path(screen):
            remove(held.path)
        else:
            remove_tree(held.path)
    rebuild_cohort(store)
    remove_tree(own)
    if is_remote(store.root):
        shutil.rmtree(store.here(own), ignore_errors=True)
    return found
