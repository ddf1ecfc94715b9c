"""Writing a screen as an RO-Crate: a folder or a zip.

Everything is written beside its place and moved there whole, so that a crate is never half there: killed, it is
written anew by the same command, and what was left is taken away. A crate of the same screen is replaced; anything
else at its place stays, and is an error.

Belongs here: what goes in, in which order, and what is refused. Does not belong here: what the parts look like.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.crate.conditions import condition_csv
from phenodose.crate.document import NAME, About, document, file_names, is_crate_of
from phenodose.crate.hide import Hider
from phenodose.crate.mihcsme import FILE as MIHCSME
from phenodose.crate.mihcsme import workbook
from phenodose.crate.parcel import ZIPPED, Parcel
from phenodose.crate.plates import PlateSource, plates_of, put_plate
from phenodose.crate.tables import put_ranking, put_tables, read_tables
from phenodose.errors import InputError, StoreError
from phenodose.io.files import is_vacant, written_aside
from phenodose.io.places import absolute, is_remote, place, read_bytes, storage_errors
from phenodose.io.seals import OPEN_SEAL, read_sealed, seal_of, sealed
from phenodose.progress import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store

_MIB = 1 << 20


@dataclass(frozen=True)
class Extent:
    """How much of the plates is to be copied, before anything is."""

    n_plates: int
    n_files: int
    n_bytes: int


@dataclass(frozen=True)
class Crate:
    """What was written.

    Attributes:
        screen: screen id.
        place: the folder or zip.
        n_files: files, the document among them.
        n_bytes: their bytes.
        tables: names of the tables.
        plates: names of the plates that are in it.
        notes: sentences on what is not in it, or otherwise than one would think.
    """

    screen: str
    place: str
    n_files: int
    n_bytes: int
    tables: list[str] = field(default_factory=list)
    plates: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export_crate(
    store: Store,
    screen: str,
    out: Path | str,
    *,
    plates: str = "copy",
    licence: str = "",
    publisher: str = "",
    progress: Progress = no_progress,
    tell: Callable[[Extent], None] = lambda extent: None,
) -> Crate:
    """Write a screen as an RO-Crate.

    Args:
        store: the store.
        screen: screen id.
        out: the crate: a folder, or one file where it ends in `.zip`, on this machine.
        plates: 'copy', 'none', or the address (https://, s3://) below which each lies as PLATE.ome.zarr.
        licence: name or address of the licence.
        publisher: name of the site.
        progress: told after every file of a plate, in MiB.
        tell: told how much is going to be copied.

    Raises:
        InputError: something else is at `out`, or an argument makes no sense.
        StoreError: the screen has no layout yet, a plate is damaged, the disk is full, or the screen was changed
            meanwhile.
    """
    out = _place(store, out)
    plates_at = _address(plates)
    with storage_errors(out, "the crate cannot be written; make room or give another place, then export again"):
        _refuse_other(out, screen)
        before = _state(store, screen)
        hider = Hider.of(store, screen)
        tables = read_tables(store, screen, hider)
        if "screens" not in tables or "wells" not in tables:
            store.source_of(screen)  # an unknown screen is told so
            raise StoreError(f"screen {screen!r} has no layout in the store yet; `phenodose run {screen}` reads it.")
        sources = plates_of(store, screen, listed=plates != "none")
        extent = _extent(sources if plates == "copy" else [])
        tell(extent)
        _expect_room(out, extent)
        with written_aside(out) as aside:
            with Parcel(aside, out.name.lower().endswith(ZIPPED)) as parcel:
                notes = _put_tables(parcel, store, screen, tables, sources, hider)
                csvs = _put_conditions(parcel, tables)
                notes += _put_plates(parcel, sources, plates, csvs, hider, extent, progress)
                about = About(screen, datetime.now(UTC), publisher, licence, tuple(notes))
                pages = [path.name for path in store.files_of_samples(screen)]
                names = file_names(screen, tables, {_condition_file(plate): plate for plate in csvs}, pages)
                parcel.put(NAME, document(about, dict(parcel.files), names, tables, sources, plates_at))
            if _state(store, screen) != before:
                raise StoreError(
                    f"screen {screen!r} was written to while it was exported; wait until no run works on it, then "
                    "export again."
                )
    return Crate(
        screen,
        str(out),
        len(parcel.files),
        sum(written.n_bytes for written in parcel.files.values()),
        list(tables),
        [source.name for source in sources] if plates == "copy" else [],
        notes,
    )


def _place(store: Store, out: Path | str) -> Path:
    found = absolute(place(out))
    if is_remote(found):
        raise InputError(f"{out}: a crate is written on this machine; give a folder or NAME.zip, and upload it then.")
    found = found.expanduser().resolve() if not found.is_symlink() else found.expanduser()
    kept = [root for root in (store.root, store.plates_root) if root is not None and not is_remote(root)]
    for root in kept:
        if found == root or root in found.parents or found in root.parents:
            raise InputError(f"{out}: a crate lies outside of the store ({root}); give another place.")
    return found


def _address(plates: str) -> str | None:
    if plates in ("copy", "none"):
        return None
    if not plates.startswith(("https://", "http://", "s3://", "gs://")) or len(plates.partition("://")[2]) < 1:
        raise InputError(
            f"--plates {plates}: write copy, none, or the address below which the plates lie, such as "
            "https://data.example.org/plates."
        )
    return plates


def _refuse_other(out: Path, screen: str) -> None:
    """Raise InputError if anything but a crate of this screen is at a place."""
    zipped = out.name.lower().endswith(ZIPPED)
    if is_vacant(out):
        if zipped and out.exists():
            raise InputError(f"{out} is a folder, and a crate of that name is one file; choose another name.")
        return
    content: bytes | None = None
    if zipped and out.is_file():
        try:
            with zipfile.ZipFile(out) as archive:
                content = archive.read(NAME)
        except (zipfile.BadZipFile, KeyError):
            content = None
    elif not zipped and out.is_dir():
        content = read_bytes(out / NAME)
    if content is None or not is_crate_of(content, screen):
        raise InputError(f"{out} is already there and is no crate of {screen}; choose another name or move it away.")


def _state(store: Store, screen: str) -> list[tuple[str, ...]]:
    """What of a screen's steps there is, to see whether one ran meanwhile."""
    found = []
    for table, when in (("runs", "finished_at"), ("not_made", "tried_at")):
        rows = store.read_table(table, screen)
        found += [(table, str(asset), str(at)) for asset, at in zip(rows["asset"], rows[when], strict=True)]
    return sorted(found)


def _extent(sources: list[PlateSource]) -> Extent:
    return Extent(len(sources), sum(len(each.files) for each in sources), sum(each.n_bytes for each in sources))


def _expect_room(out: Path, extent: Extent) -> None:
    folder = next(parent for parent in out.parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if extent.n_bytes > free:
        raise StoreError(
            f"{out}: the plates take {extent.n_bytes / _MIB:.0f} MiB and the disk has {free / _MIB:.0f} MiB left; make "
            "room, or leave the plates out with --plates none."
        )


def _put_tables(
    parcel: Parcel, store: Store, screen: str, tables: dict[str, pd.DataFrame], sources: list[PlateSource], hider: Hider
) -> list[str]:
    put_tables(parcel, tables)
    notes = [] if put_ranking(parcel, store, screen) else ["No drug has a score yet, so there is no ranking."]
    parcel.put(MIHCSME, workbook(screen, tables, [source.plate for source in sources]))
    names = {*tables["wells"]["sample"].dropna(), *tables["wells"]["treatment"].dropna()}
    of_samples = [path for path in store.files_of_samples(screen) if path.suffix == ".html"]
    for path in (store.report_path(screen), *of_samples):
        report = read_sealed(path, f"write it anew with `phenodose report {screen}`, then export again")
        if report is None:
            return [*notes, f"There is no report in it: none was written yet (`phenodose report {screen}`)."]
        parcel.put(path.name, _page(report, hider, names))
    return notes


def _page(report: bytes, hider: Hider, names: set[str]) -> bytes:
    """The report without places and people; one that is not the same then is sealed anew."""
    before = report.decode("utf-8")
    page = hider.page(before, names)
    if page == before or not (seal := seal_of(report)):
        return page.encode()
    return sealed(page.replace(OPEN_SEAL.replace("0" * len(seal), seal), OPEN_SEAL).encode())


def _condition_file(plate: str) -> str:
    return f"conditions/{plate}.csv"


def _put_conditions(parcel: Parcel, tables: dict[str, pd.DataFrame]) -> dict[str, bytes]:
    """Write the condition table of every plate of the layout, and return them by plate."""
    wells = tables["wells"]
    found = {str(plate): condition_csv(rows) for plate, rows in wells.groupby("plate")}
    for plate, csv in found.items():
        parcel.put(_condition_file(plate), csv)
    return found


def _put_plates(
    parcel: Parcel,
    sources: list[PlateSource],
    plates: str,
    csvs: dict[str, bytes],
    hider: Hider,
    extent: Extent,
    progress: Progress,
) -> list[str]:
    if not sources:
        return ["The screen has no plates of images."]
    if plates == "none":
        return ["The plates of images are not in it."]
    if plates != "copy":
        return [f"The plates of images lie below {plates}."]
    done = 0
    total = max(1, round(extent.n_bytes / _MIB))
    notes = []

    for source in sources:

        def written(n_bytes: int, name: str = source.name) -> None:
            nonlocal done
            done += n_bytes
            progress(min(total, round(done / _MIB)), total, f"MiB, plate {name}")

        if not put_plate(parcel, source, csvs.get(source.name, b""), hider, written):
            notes.append(f"Plate {source.name} has no condition table within; it lies in conditions/ if there is one.")
    return notes
