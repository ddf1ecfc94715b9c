"""Checking a whole store: every product of every screen against what was noted when it was made.

Plates against their hashes; tables, curve points and records of checkpoints against their seals; tensors, features and
maps file by file; weights against their record; pages against their seals; signed reports against their records and the
chain of these; the cohort block by block, and row by row against the tables. What a product was bound to is checked as
well: points to their rows, plates to the table `plates`, tables to the step that wrote them. Beside the faults it is
told what is older than its inputs, which is no fault.

Belongs here: which products there are, and how each is asked. Does not belong here: mending; each fault names its
remedy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.cohort.agreement import compare_with_tables
from phenodose.errors import PhenodoseError
from phenodose.io.places import files, folders, read_bytes
from phenodose.io.seals import check_seal, seal_of
from phenodose.io.zarr_groups import ROOT, group_faults, is_group, noted_files
from phenodose.lineage.freshness import Change, changes_since
from phenodose.lineage.superseded import superseded
from phenodose.progress import Progress, no_progress
from phenodose.screens.raw_copy import copy_faults
from phenodose.store.signed import signed_faults, signed_screens
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from phenodose.store.store import Store

_TENSORS_AGAIN = "materialize `pseudo_rgb` of the screen again"
_FEATURES_AGAIN = "make the screen's viability by this network again with `phenodose run SCREEN`"
_MAPS_AGAIN = "take the folder away; the maps are made again when they are asked for"
_COHORT_AGAIN = 'build it anew with `phenodose sql --rebuild "SHOW TABLES"`'


@dataclass
class StoreVerification:
    """What was checked in a store and what is wrong.

    Attributes:
        store: its folder or address.
        screens: the screens that were looked into.
        checked: number of products by kind: raw files, plates, tables, curves, tensors, features, maps, checkpoints,
            reports, signed reports, cohort.
        faults: a sentence for each fault, with the remedy; empty if everything is as it was written.
        without_seal: products that an older version made, and which nothing can be said of.
        stale: by screen, what is older than its inputs, in sentences.
        superseded: by signed report, what it rests on that the store has no longer, or has another of; no fault.
    """

    store: str
    screens: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    without_seal: list[str] = field(default_factory=list)
    stale: dict[str, list[str]] = field(default_factory=dict)
    superseded: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """One product: its kind, what is wrong with it, and whether it was noted what it should be."""

    kind: str
    path: Path
    faults: list[str] = field(default_factory=list)
    sealed: bool = True


def is_store(place: Path) -> bool:
    """Whether a store lies at a place; a plate is none."""
    if read_bytes(place / ROOT) is not None:
        return False
    return any(folder.name in ("screens", "tables") for folder in folders(place))


def verify_store(store: Store, progress: Progress = no_progress) -> StoreVerification:
    """Check every product of every screen of a store, its reports, signed ones too, and its cohort.

    Args:
        store: the store, in a folder or in a bucket.
        progress: told after every screen.

    Raises:
        StoreError: the store cannot be read at all.
    """
    screens = store.screens()
    of_tables = {
        place.name.removeprefix("screen=") for table in TABLES for place in folders(store.root / "tables" / table)
    }
    screens = sorted({*screens, *of_tables})
    found = StoreVerification(str(store.root), screens)
    counts: Counter[str] = Counter()

    def note(products: Iterator[_Found]) -> None:
        for one in products:
            counts[one.kind] += 1
            found.faults += one.faults
            if not one.sealed and not one.faults:
                found.without_seal.append(str(one.path))

    for number, screen in enumerate(screens, 1):
        note(_of_screen(store, screen))
        stale, replaced = _changes(store, screen)
        found.faults += replaced
        if stale:
            found.stale[screen] = stale
        progress(number, len(screens), f"screens, {screen}")
    note(_reports(store))
    for screen in signed_screens(store):
        note(_Found("signed reports", folder, faults) for folder, faults in signed_faults(store, screen))
        found.superseded |= superseded(store, screen)
    note(_cohort(store, found))
    found.checked = dict(counts)
    return found


def _of_screen(store: Store, screen: str) -> Iterator[_Found]:
    yield from _raw_files(store, screen)
    yield from _plates(store, screen)
    yield from _tables(store, screen)
    yield from _curves(store, screen)
    yield from _groups(store, screen)
    yield from _checkpoints(store, screen)


def _raw_files(store: Store, screen: str) -> Iterator[_Found]:
    """The copy of the screen's small raw files."""
    found = copy_faults(store, screen)
    if found is not None:
        yield _Found("raw files", *found)


def _changes(store: Store, screen: str) -> tuple[list[str], list[str]]:
    """What is older than its inputs, and which tables are not those that their step wrote."""
    try:
        changes: list[Change] = changes_since(store, screen)
    except PhenodoseError:
        return [], []  # its record is damaged, which was told
    replaced = [change.sentence for change in changes if change.what.endswith(".parquet")]
    older = [change for change in changes if change.sentence not in replaced]
    return [change.sentence for change in older if not _is_of_points(change)], replaced


def _is_of_points(change: Change) -> bool:
    """Whether the change is one of points against their rows, which are checked by themselves."""
    return change.direct == (change.what,) and not change.kept


def _plates(store: Store, screen: str) -> Iterator[_Found]:
    from phenodose.plates.plate import Plate
    from phenodose.plates.verify import verify_plate

    hashes = {}
    try:
        rows = store.read_table("plates", screen)
        hashes = dict(zip(rows["plate"], rows["raw_hash"], strict=True))
        listed = {str(name): store.plate_at(path) for name, path in zip(rows["plate"], rows["path"], strict=True)}
    except PhenodoseError:
        listed = {}  # told with the tables
    there = {path.name.removesuffix(".ome.zarr"): path for path in store.plates(screen)}
    for name, path in sorted((listed | there).items()):
        faults: list[str] = []
        try:
            faults += verify_plate(path).faults
            Plate.open(path, checked=False).expected(name, str(hashes.get(name, "")))
        except PhenodoseError as error:
            faults.append(str(error))
        yield _Found("plates", path, faults)


def _tables(store: Store, screen: str) -> Iterator[_Found]:
    for table in TABLES:
        for file in files(store.root / "tables" / table / f"screen={screen}", "*.parquet"):
            try:
                store.read_table(table, screen, _part(file))
                faults = []
            except PhenodoseError as error:
                faults = [str(error)]
            yield _Found("tables", file, faults, bool(seal_of(read_bytes(file) or b"")))


def _part(file: Path) -> str:
    return file.name.removesuffix(".parquet")


def _curves(store: Store, screen: str) -> Iterator[_Found]:
    from phenodose.store.curves import read_curves

    folder = store.screen_dir(screen) / "curves"
    rows = files(store.root / "tables" / "curves" / f"screen={screen}", "curves.*.parquet")
    readouts = {_part(file).removeprefix("curves.") for file in rows}
    for file in sorted({*files(folder, "*.npz"), *(folder / f"{readout}.npz" for readout in readouts)}):
        try:
            read_curves(store, screen, file.name.removesuffix(".npz"))
            faults = []
        except PhenodoseError as error:
            faults = [str(error)]
        yield _Found("curves", file, faults, bool(seal_of(read_bytes(file) or b"")))


def _groups(store: Store, screen: str) -> Iterator[_Found]:
    own = store.screen_dir(screen)
    tensors = store.tensor_path(screen)
    if not is_group(tensors) and len(store.read_table("runs", screen, "pseudo_rgb")):
        yield _Found("tensors", tensors, [f"{tensors}: the tensors are missing; {_TENSORS_AGAIN}."])
    for path in folders(own / "tensors"):
        kind, remedy = ("tensors", _TENSORS_AGAIN) if path == tensors else ("features", _FEATURES_AGAIN)
        yield _group(store, path, kind, remedy)
    for folder in folders(own / "activation_maps"):
        if is_group(folder / "maps.zarr"):
            yield _group(store, folder / "maps.zarr", "maps", _MAPS_AGAIN)


def _group(store: Store, path: Path, kind: str, remedy: str) -> _Found:
    there = store.local_copy(path)  # every byte is compared, also of one in a bucket
    document = read_bytes(there / ROOT)
    if document is None:
        return _Found(kind, path, [f"{path}: {ROOT} is missing; {remedy}."])
    faults = [f"{path}: {fault}; {remedy}." for fault in group_faults(there)]
    return _Found(kind, path, faults, noted_files(document) is not None)


def _checkpoints(store: Store, screen: str) -> Iterator[_Found]:
    from phenodose.learning.checkpoint import WEIGHTS, checkpoint_fault

    for readout in folders(store.screen_dir(screen) / "checkpoints"):
        for phase in folders(readout):
            place = store.local_copy(phase)
            for folder in (place, *folders(place)):
                content = read_bytes(folder / "record.json")
                if content is None:
                    continue
                # A plugin of another distribution may keep its network as it likes.
                ours = bool(seal_of(content)) or (folder / WEIGHTS).is_file()
                fault = checkpoint_fault(folder) if ours else ""
                told = [fault.replace(str(place), str(phase))] if fault else []
                yield _Found("checkpoints", phase, told, bool(seal_of(content)))


def _reports(store: Store) -> Iterator[_Found]:
    """The pages of screens and of the cohort, as they were written last."""
    for file in files(store.root / "reports", "*.html"):
        content = read_bytes(file) or b""
        again = "--cohort" if file.stem.startswith("_") else file.stem.partition("+")[0]
        try:
            check_seal(content, file, f"make it again with `phenodose report {again}`")
            faults = []
        except PhenodoseError as error:
            faults = [str(error)]
        yield _Found("reports", file, faults, bool(seal_of(content)))


def _cohort(store: Store, found: StoreVerification) -> Iterator[_Found]:
    """The database, block by block (DuckDB compares each with its checksum), and its rows with those of the tables."""
    import duckdb

    there = store.local_copy(store.cohort_path)
    if not there.is_file():
        return
    try:
        con: Any = duckdb.connect(str(there), read_only=True)
        try:
            for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall():
                con.execute(f'SELECT bit_xor(hash(t)) FROM "{name}" t').fetchall()
            faults = _rows_of_cohort(store, con, found)
        finally:
            con.close()
    except duckdb.Error as error:
        faults = [f"{store.cohort_path}: cannot be read ({str(error).splitlines()[0]}); {_COHORT_AGAIN}."]
    yield _Found("cohort", store.cohort_path, faults)


def _rows_of_cohort(store: Store, con: Any, found: StoreVerification) -> list[str]:
    import duckdb

    try:
        agreement = compare_with_tables(store, con)
    except duckdb.Error:
        return []  # a damaged file of a table, which was told
    for screen in agreement.older:
        sentence = f"the cohort is older than the tables of the screen; {_COHORT_AGAIN}."
        found.stale.setdefault(screen, []).append(sentence)
    return agreement.faults
