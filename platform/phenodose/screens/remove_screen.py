"""Taking a screen out of the store: what goes, and in which order, so that a removal that is killed can be run again.

Everything that only this screen has goes, wherever links lead, and everything that was made of all screens is made anew
without it: a database keeps the bytes of rows that were deleted. What must not be touched or cannot be reached is told.
Raw folders are never touched, so everything can be made again from them.

Belongs here: a screen's places in the store and in its caches. Does not belong here: its partition and runs in Dagster
(`phenodose_assets.remove_screen`), and erasing (`phenodose.io.erase`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.errors import BusyError, PhenodoseError, StoreError
from phenodose.io.erase import Erased, erase, links_in, size_of
from phenodose.io.files import clear_partials
from phenodose.io.machine_faults import fault_of_surroundings
from phenodose.io.places import files, folders, is_remote, read_bytes, remove, remove_tree, sizes
from phenodose.names import check_screen_id
from phenodose.plates.lock import cached_aside
from phenodose.screens.names_of import Names
from phenodose.store.signed import RECORD, signed_report, signed_screens, signed_versions
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from phenodose.store.store import Store

_SOURCE = "source.json"
#: The report of all screens (`phenodose.reports.cohort`).
_COHORT_REPORT = "_cohort.html"


@dataclass(frozen=True)
class Held:
    """One place that belongs to a screen alone.

    Attributes:
        path: a file or folder; of a link, the place that it leads to.
        files: how many files it holds.
        size_bytes: their bytes.
    """

    path: Path
    files: int
    size_bytes: int


@dataclass
class Removal:
    """What became of a removal.

    Attributes:
        removed: the places that are gone.
        left: a sentence on each place that still holds something of the screen, or may.
        had_cohort_report: whether the report of all screens was there; it is gone, too.
    """

    removed: list[Held]
    left: list[str] = field(default_factory=list)
    had_cohort_report: bool = False


def held_by(store: Store, screen: str) -> list[Held]:
    """Every place that a screen's removal empties, in the order in which it does.

    Raises:
        InputError: it is no screen id.
        StoreError: the store holds nothing of that screen, or one of its links leads to what holds more than it.
    """
    found = [held for path in _places(store, screen) if (held := _held(path)) is not None]
    if not found:
        raise store.unknown_screen(screen)
    targets, _ = _targets(store, screen)
    return [held for target in targets if (held := _held(target)) is not None] + found


def refuse_signed(store: Store, screen: str) -> None:
    """Refuse to remove a screen with signed reports, which nothing could make again.

    Raises:
        StoreError: it has some; they are named.
    """
    names = [f"{screen}@{version}{_signer(store, screen, version)}" for version in signed_versions(store, screen)]
    if names:
        raise StoreError(
            f"screen {screen} has signed reports ({', '.join(names)}), which nothing can make again; keep them with "
            f"`phenodose signed {screen}@1 --into FILE`, then remove everything with --signed-too. Nothing was removed."
        )


def _signer(store: Store, screen: str, version: int) -> str:
    try:
        report = signed_report(store, screen, version)
    except PhenodoseError:
        return ", damaged"
    return f" by {report.by}, {report.signed_at[:10]}"


#: Removes what other rooms keep, told what the screen is called, and says what is left there.
Elsewhere = Callable[[Names], list[str]]


def _nothing_elsewhere(names: Names) -> list[str]:
    return []


def remove_screen(
    store: Store, screen: str, elsewhere: Elsewhere = _nothing_elsewhere, signed_too: bool = False
) -> Removal:
    """Remove a screen from the store and make the cohort without it.

    The mark by which the store knows the screen goes last: after a kill the same command goes on.

    Args:
        store: the store.
        screen: its id.
        elsewhere: called before the mark goes.
        signed_too: remove its signed reports, too; without this a screen that has some stays as it is.

    Raises:
        InputError, StoreError: as `held_by`; it has signed reports; or something could not be removed, and all else is.
        BusyError: another process is rebuilding the cohort and does not end.
    """
    held = held_by(store, screen)
    if not signed_too:
        refuse_signed(store, screen)
    names = Names.of(store, screen)
    targets, kept = _targets(store, screen)
    removal, erased = Removal(held, kept), Erased()
    own = store.screen_dir(screen)
    for path in [*targets, *_places(store, screen)]:
        if path != own:
            _empty(path, erased)
        elif is_remote(own):
            for child in folders(own):
                remove_tree(child)
        else:
            erase(own, erased, keep=_SOURCE)
    if not is_remote(store.root):
        clear_partials(store.root / "reports", f"{screen}.html")
        for half_written in (store.root / "reports").glob(f".{screen}+*.partial"):
            half_written.unlink(missing_ok=True)
        clear_partials(store.root / "reports", _COHORT_REPORT)
    _without_in_cohort(store, removal, erased)
    removal.left += elsewhere(names)
    removal.left += _still_named(store, names)
    if erased.faults:
        raise StoreError(
            f"screen {screen} is removed but for {erased.n_left} files and folders: {'; '.join(erased.faults)}; mend "
            "that and run the same command again."
        )
    if is_remote(own):
        remove_tree(own)
    else:
        erase(own.resolve(), erased)
        erase(own, erased)
    _forget_empty_folders(store, screen)
    return removal


def _places(store: Store, screen: str) -> list[Path]:
    """The places of a screen, its own folder with the mark last."""
    check_screen_id(screen)
    own, plates = store.screen_dir(screen), store.plate_path(screen, "P").parent
    places = [store.report_path(screen), store.report_path(screen).with_suffix(".pdf")]
    places += [*store.files_of_samples(screen), store.signed_dir(screen)]
    places += [store.root / "tables" / name / f"screen={screen}" for name in TABLES]
    places += [] if plates.is_relative_to(own) else [plates]
    if is_remote(plates):
        places += [cached_aside(plate) for plate in store.plates(screen)]
    if is_remote(store.root):
        copies = store.local / "copies"
        cached = [path for of in ("screens", "signed") for path in copies.glob(f"{of}+{screen}+*")]
        # Copies of what holds all screens; the next reader fetches them again.
        cached += [path for path in (copies / "tables", copies / store.cohort_path.name) if path.is_dir()]
        places += [store.here(own), *sorted(cached)]
    return [*places, own]


def _held(path: Path) -> Held | None:
    """What lies at a place; None for nothing."""
    if is_remote(path):
        content = sizes(path)
        return Held(path, len(content), sum(content.values())) if content else None
    n_files, n_bytes = size_of(path)
    return Held(path, n_files, n_bytes) if n_files else None


def _empty(path: Path, erased: Erased) -> None:
    if not is_remote(path):
        erase(path, erased)
    elif path.suffix in (".html", ".pdf", ".duckdb"):
        remove(path)
    else:
        remove_tree(path)


def _targets(store: Store, screen: str) -> tuple[list[Path], list[str]]:
    """Where links in a screen's places lead: what goes with it, and a sentence on each that stays.

    Raises:
        StoreError: a link leads to what other screens have, too, or to a folder that holds the store.
    """
    others = [
        place.resolve()
        for other in store.screens()
        if other != screen
        for place in (store.screen_dir(other), store.plate_path(other, "P").parent)
        if not is_remote(place)
    ]
    raw = _source(store, screen)
    goes, stays = [], []
    for path in _places(store, screen):
        for link, target in [] if is_remote(path) else links_in(path):
            if link == store.screen_dir(screen):
                continue  # the mark lies there and goes last
            if raw is not None and (target == raw or target.is_relative_to(raw)):
                stays.append(f"{target}, in the raw folder, where {link} led; raw folders are never touched.")
                continue
            shared = [place for place in others if place.is_relative_to(target) or target.is_relative_to(place)]
            above = [Path.home().resolve()]
            above += [] if is_remote(store.root) else [store.root.resolve()]
            if shared or any(place.is_relative_to(target) for place in above) or (raw and raw.is_relative_to(target)):
                raise StoreError(
                    f"{link} is a link to {target}, which holds more than this screen; take away the link and what "
                    "belongs to the screen there, then run the same command again. Nothing was removed."
                )
            goes.append(target)
    return list(dict.fromkeys(goes)), stays


def _source(store: Store, screen: str) -> Path | None:
    try:
        return store.source_of(screen).resolve()
    except StoreError:
        return None


def _without_in_cohort(store: Store, removal: Removal, erased: Erased) -> None:
    """Make the database anew; where that cannot be, it goes, for it holds the screen."""
    from phenodose.cohort.build import rebuild_cohort

    report = store.root / "reports" / _COHORT_REPORT
    removal.had_cohort_report = bool(read_bytes(report))
    _empty(report, erased)
    try:
        rebuild_cohort(store, whole=True)
    except BusyError:
        raise
    except Exception as error:
        fault = fault_of_surroundings(error, store.cohort_path) or error
        if not isinstance(fault, PhenodoseError):
            raise
        _empty(store.cohort_path, erased)
        removal.left.append(
            f"the cohort database could not be made without the screen and is gone ({fault}) Make it again with "
            '`phenodose sql --rebuild "SHOW TABLES"`.'
        )


def _still_named(store: Store, names: Names) -> list[str]:
    """Sentences on what other screens and people have, and that names the screen."""
    pages = files(store.root / "reports", "*")
    if not is_remote(store.root):
        pages += [page for ending in ("csv", "tsv", "toml") for page in files(store.root, f"*.{ending}")]
    contents = ((page, (read_bytes(page) or b"").decode("utf-8", "replace")) for page in pages)
    said = [f"{page} names it; make it again, or mend it by hand." for page, text in contents if names.are_in(text)]
    said += _signed_that_name(store, names)
    said += _rows_that_name(store, names)
    if is_remote(store.root) or (store.plates_root is not None and is_remote(store.plates_root)):
        said.append("older versions of objects, if the bucket keeps them, and caches on other machines.")
    said.append("backups, exported plates and figures, and reports that were copied elsewhere.")
    return said


def _signed_that_name(store: Store, names: Names) -> list[str]:
    """Sentences on signed reports of other screens, which hold scores of this one and show them on their page."""
    said = []
    for screen in signed_screens(store):
        for version in signed_versions(store, screen):
            folder = store.signed_dir(screen) / str(version)
            record = (read_bytes(folder / RECORD) or b"").decode("utf-8", "replace")
            pages = [(read_bytes(page) or b"").decode("utf-8", "replace") for page in files(folder, "*.html")]
            if any(map(names.are_in, [record, *pages])):
                said.append(
                    f"{folder}: the signed report {screen}@{version} compares with it and holds its scores; it cannot "
                    "be changed without breaking its seal. If it must go, remove that screen with --signed-too."
                )
    return said


def _rows_that_name(store: Store, names: Names) -> list[str]:
    """Sentences on rows of other screens, such as those of networks that were trained on its wells."""
    from phenodose.cohort.query import query
    from phenodose.cohort.view import identifier, literal

    asked = []
    for name, table in TABLES.items():
        for column in (one.name for one in table.columns if one.type == "text" and one.name != "screen"):
            asked.append(
                f"SELECT DISTINCT {literal(name)} AS t, {literal(column)} AS c, screen AS s, {identifier(column)} AS v "
                f"FROM {identifier(name)} WHERE contains({identifier(column)}, {literal(names.screen)})"
            )
    try:
        rows = query(store, " UNION ALL ".join(asked), row_limit=None, seconds=300).table.to_pylist()
    except PhenodoseError:  # no database: nobody can tell
        return []
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if names.are_in(row["v"]):
            found.setdefault((row["t"], row["c"]), set()).add(row["s"])
    return [
        f"{', '.join(sorted(screens))}: `{column}` of the table {table} names it; make these screens again."
        for (table, column), screens in sorted(found.items())
    ]


def _forget_empty_folders(store: Store, screen: str) -> None:
    """Folders that bear the screen's name and have nothing in them any more."""
    plates = store.plate_path(screen, "P").parent
    for folder in () if is_remote(plates) else (plates, plates.parent):
        if folder.name in (screen, "plates") and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
