"""The store: where every product of every screen lies, and how tables are written and read.

Belongs here: paths of the store contract (plates, tensors, checkpoints, tables, reports) and the
one-writer-a-file Parquet tables. Does not belong here: the contents of a plate (`phenodose.plates`),
the cohort database (`phenodose.cohort.query`), the declarations of tables (`phenodose.tables`).
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, StoreError
from phenodose.io.files import hash_bytes, user_cache, write_json, written_aside
from phenodose.io.leases import STALE_S
from phenodose.io.locks import locked, seen_by_several_machines
from phenodose.io.places import absolute, expect_bucket, files, folders, is_remote, place, read_bytes, remove
from phenodose.names import SCREEN_ID, check_screen_id
from phenodose.store.table_files import contents_of, read_part, readable, sealed_parquet
from phenodose.table import Table
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: The store where nobody names another.
DEFAULT_STORE = "store"
#: Screens that are named where one is not there.
_NAMED = 12


@dataclass(frozen=True)
class Store:
    """A folder, or a prefix of a bucket, that holds screens, tables, the cohort database and reports.

    Attributes:
        root: the folder or address.
        plates_root: another place for the plates, the one large product; None for the store itself.
        cache: the folder for what a store in a bucket keeps on this machine; None for the user's cache.
        raw_roots: where raw folders lie on this machine if elsewhere than where they were registered: (there, here).
        frozen: whether this is what a signed report keeps of a store (`phenodose.store.signed`): what changes from one
            moment to the next was written down when it was signed.
    """

    root: Path
    plates_root: Path | None = None
    cache: Path | None = None
    raw_roots: tuple[tuple[Path, Path], ...] = ()
    frozen: bool = False

    @classmethod
    def open(
        cls,
        location: str | Path = DEFAULT_STORE,
        *,
        plates: str | Path | None = None,
        cache: str | Path | None = None,
        raw_roots: str | None = None,
    ) -> Store:
        """The store at a place; nothing is created yet.

        Args:
            location: a folder or s3://bucket/prefix.
            plates: another place for the plates: a folder or s3://bucket/prefix.
            cache: another folder for what a store in a bucket keeps on this machine.
            raw_roots: where raw folders lie on this machine, 'OLD=NEW:OLD=NEW', as `to_json` writes it.

        Raises:
            InputError: the address is of no object store, or `raw_roots` cannot be read.
            StoreError: the bucket of an address is not there, or cannot be read.
        """
        text = str(location)
        plates_root = absolute(place(str(plates))) if plates else None
        kept = Path(cache).expanduser().absolute() if cache else None
        roots = _raw_roots(raw_roots) if raw_roots else ()
        if "://" not in text:
            return cls(Path(text).expanduser().resolve(), plates_root, kept, roots)
        root = place(text)
        if not is_remote(root):
            raise InputError(f"store {text!r}: give the path of a folder, or an address such as s3://bucket/prefix.")
        expect_bucket(root)
        return cls(root, plates_root, kept, roots)

    def to_json(self) -> dict[str, str | None]:
        """Where the store is, for another process (`from_json`)."""
        places = {"root": self.root, "plates_root": self.plates_root, "cache": self.cache}
        said = {name: None if where is None else str(where) for name, where in places.items()}
        return {**said, "raw_roots": ":".join(f"{there}={here}" for there, here in self.raw_roots) or None}

    @classmethod
    def from_json(cls, places: Mapping[str, str | None]) -> Store:
        """The store that `to_json` told of."""
        return cls.open(
            places["root"] or DEFAULT_STORE,
            plates=places["plates_root"],
            cache=places["cache"],
            raw_roots=places.get("raw_roots"),
        )

    # --- this machine -------------------------------------------------------------------------

    @property
    def local(self) -> Path:
        """The folder on this machine for locks, trainings under way, and runs: the store itself if it is a folder."""
        if not is_remote(self.root):
            return self.root
        address = str(self.root).rstrip("/")
        server = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", address.partition("://")[2])
        return (self.cache or user_cache()) / f"{name}-{hash_bytes(server.encode(), address.encode())[:8]}"

    def here(self, path: Path) -> Path:
        """What stands on this machine for a place in the store: the place itself if the store is a folder."""
        return self.local / self._name(path) if is_remote(path) else path

    def local_copy(self, path: Path) -> Path:
        """A file or folder of the store, to be read: itself, or of a bucket a copy on this machine as it is now.

        Where nothing lies at `path`, nothing lies at the copy's path.

        Raises:
            StoreError: it changed again and again while it was fetched.
        """
        if not is_remote(path):
            return path
        from phenodose.io.copies import local_copy

        return local_copy(path, self._name(path), self.local / "copies")

    @contextmanager
    def locked(self, path: Path, busy: Callable[[str], str], wait_seconds: float = 0) -> Iterator[None]:
        """Hold the lock at `path`, a place in the store; see `phenodose.io.locks.locked`."""
        with locked(path, self.here(path), busy, wait_seconds):
            yield

    @contextmanager
    def making(self, screen: str, asset: str) -> Iterator[None]:
        """Let one process at a time make an asset of a screen, where several machines use the store.

        A step that was suspended, and whose retry runs elsewhere by then, comes back too late: everything that it would
        write is refused. On a machine that has the store for itself nothing is locked.

        Raises:
            BusyError: another process makes it and does not end, or has taken it over meanwhile.
        """
        name = re.sub(r"[^A-Za-z0-9_-]+", ".", asset)
        path = self.screen_dir(screen) / ".making" / f"{name}.lock"
        if not is_remote(path):
            if not seen_by_several_machines(self.root):
                yield
                return
            path.parent.mkdir(parents=True, exist_ok=True)

        def busy(who: str) -> str:
            return f"{asset} of {screen} is being made by {who}; wait until it is done, then run this again."

        local = (self.cache or user_cache()) / "making" / hash_bytes(str(path).encode())
        places = [self.root, *([self.plates_root] if self.plates_root else [])]
        with locked(path, local, busy, STALE_S + 30, below=places):
            yield

    def _name(self, path: Path) -> str:
        """The path of a place relative to the store."""
        return str(path)[len(str(self.root).rstrip("/")) :].strip("/")

    # --- places -------------------------------------------------------------------------------

    def screen_dir(self, screen: str) -> Path:
        """Folder of one screen's plates, tensors, features and checkpoints."""
        return self.root / "screens" / check_screen_id(screen)

    def plate_path(self, screen: str, plate: str) -> Path:
        """The OME-Zarr plate of one microplate: in the store, or below its other place for plates."""
        return self._plates_dir(screen) / f"{check_screen_id(plate)}.ome.zarr"

    def plate_text(self, path: Path) -> str:
        """A plate's place as the table `plates` holds it: relative to the store, or its address."""
        inside = is_remote(path) == is_remote(self.root) and path.is_relative_to(self.root)
        return str(path.relative_to(self.root)) if inside else str(path)

    def plate_at(self, text: str) -> Path:
        """The place that `plate_text` has written down."""
        return place(text) if "://" in text or Path(text).is_absolute() else self.root / text

    def plates(self, screen: str) -> list[Path]:
        """Every OME-Zarr plate of a screen, in order of name."""
        return [folder for folder in folders(self._plates_dir(screen)) if folder.name.endswith(".ome.zarr")]

    def _plates_dir(self, screen: str) -> Path:
        return (self.plates_root or self.root) / "screens" / check_screen_id(screen) / "plates"

    def tensor_path(self, screen: str) -> Path:
        """The pseudo-RGB tensors of a screen: one Zarr group, dims well, y, x, channel."""
        return self.screen_dir(screen) / "tensors" / "pseudo_rgb.zarr"

    def feature_path(self, screen: str, readout: str) -> Path:
        """Network features of every well: one Zarr group, dims well, feature."""
        return self.screen_dir(screen) / "tensors" / f"features_{readout}.zarr"

    def checkpoint_dir(self, screen: str, readout: str, phase: str) -> Path:
        """Weights and record of one phase of a staged readout."""
        return self.screen_dir(screen) / "checkpoints" / readout / phase

    def report_path(self, screen: str) -> Path:
        """The patient report, one HTML file; of a screen of several samples the index of its pages."""
        return self.root / "reports" / f"{check_screen_id(screen)}.html"

    def files_of_samples(self, screen: str) -> list[Path]:
        """Pages and PDFs of a screen's samples, beside `report_path`, where it holds several; in order of name."""
        found = files(self.root / "reports", f"{check_screen_id(screen)}+*")
        return [path for path in found if path.suffix in (".html", ".pdf")]

    def signed_dir(self, screen: str) -> Path:
        """Folder of a screen's signed reports, one folder a version."""
        return self.root / "signed" / check_screen_id(screen)

    @property
    def cohort_path(self) -> Path:
        """The cohort database that readers open."""
        return self.root / "cohort.duckdb"

    def expect_outside(self, path: Path, *own: Path) -> None:
        """Refuse a place in the store for a file that a person has named: nothing of the store is written over.

        Args:
            path: where the file would go.
            own: places in the store that the file may have.

        Raises:
            InputError: the place lies in the store.
        """
        for root in (self.root, self.plates_root):
            if root is None or is_remote(root) or path.resolve() in own:
                continue
            if path.resolve().is_relative_to(root.resolve()):
                raise InputError(f"{path} lies in the store {root}, which keeps its own files; name a place elsewhere.")

    # --- the registered screens -----------------------------------------------------------------

    def register(self, screen: str, source: Path) -> None:
        """Remember which raw folder a screen comes from."""
        write_json(self.screen_dir(screen) / "source.json", {"screen": screen, "source": str(source.resolve())})

    def source_of(self, screen: str) -> Path:
        """The raw folder that a screen was registered with, by its path on this machine.

        Raises:
            StoreError: the screen is not registered here.
        """
        record = read_bytes(self.screen_dir(screen) / "source.json")
        if record is None:
            raise self.unknown_screen(screen)
        source = Path(json.loads(record)["source"])
        for there, here in self.raw_roots:
            if source.is_relative_to(there):
                return here / source.relative_to(there)
        return source

    def unknown_screen(self, screen: str) -> StoreError:
        """The error that says that a screen is not in the store, which are, and which one has the nearest name."""
        known = self.screens()
        by_name = {name.casefold(): name for name in known}
        near = difflib.get_close_matches(screen.casefold(), by_name, n=1)
        meant = f"did you mean {by_name[near[0]]}? " if near else ""
        named = ", ".join(known[:_NAMED]) + (f" and {len(known) - _NAMED} more" if len(known) > _NAMED else "")
        return StoreError(
            f"screen {screen!r} is not in the store {self.root} ({meant}it holds: {named or 'none'}); "
            "register its folder with `phenodose run FOLDER`."
        )

    def expect_screen(self, screen: str) -> str:
        """The screen id itself, if the store knows anything of the screen: its raw folder or rows of a table.

        Raises:
            InputError: it is no screen id.
            StoreError: the store does not know it.
        """
        if read_bytes(self.screen_dir(screen) / "source.json") is not None:
            return screen
        # Rows may have been copied from another store, whose raw folders are nowhere.
        if any(files(self.root / "tables" / table / f"screen={screen}", "*.parquet") for table in TABLES):
            return screen
        raise self.unknown_screen(screen)

    def screens(self) -> list[str]:
        """Ids of all registered screens, in order of name.

        In a bucket this is one listing of folders, and one request for each that this machine has not seen yet: a
        screen that is registered stays so as long as its folder is there (`remove_screen` takes the mark away last).
        """
        found = [folder.name for folder in folders(self.root / "screens") if SCREEN_ID.match(folder.name)]
        if not is_remote(self.root):
            return [name for name in found if (self.root / "screens" / name / "source.json").is_file()]
        seen = self._seen_registered()
        new = [name for name in found if name not in seen]
        with ThreadPoolExecutor(8) as pool:
            records = list(pool.map(lambda name: read_bytes(self.root / "screens" / name / "source.json"), new))
        without = {name for name, record in zip(new, records, strict=True) if record is None}
        registered = [name for name in found if name not in without]
        if seen != set(registered):
            write_json(self._registered_path, registered)
        return registered

    @property
    def _registered_path(self) -> Path:
        """The file on this machine that holds which screens of a bucket were found to be registered."""
        return self.local / "registered.json"

    def _seen_registered(self) -> set[str]:
        try:
            return set(map(str, json.loads(self._registered_path.read_bytes())))
        except (OSError, ValueError, TypeError):  # none yet, or damaged: the bucket is asked again
            return set()

    # --- tables ---------------------------------------------------------------------------------

    def table_part(self, table: str, screen: str, part: str) -> Path:
        """The Parquet file in which one writer keeps its rows of one table and screen."""
        safe = part.replace("/", ".")
        return self.root / "tables" / table / f"screen={check_screen_id(screen)}" / f"{safe}.parquet"

    def write_table(self, table: str, screen: str, part: str, frame: pd.DataFrame) -> Path:
        """Check `frame` against its declaration and put it in place of what the part held before.

        Raises:
            TableError: the frame does not fit the declaration; nothing is written.
        """
        rows = _declared(table).conform(frame)
        path = self.table_part(table, screen, part)
        with written_aside(path) as aside:
            aside.write_bytes(sealed_parquet(rows, path))
        return path

    def drop_table_part(self, table: str, screen: str, part: str) -> None:
        """Remove one writer's rows, if there are any."""
        remove(self.table_part(table, screen, part))

    def stored_schema(self, table: str, screen: str, part: str) -> pa.Schema | None:
        """The columns and types that one writer's file has; None if there is no such file."""
        import pyarrow.parquet as pq

        found = contents_of([self.table_part(table, screen, part)])
        return next((readable(path, pq.read_schema, content) for path, content in found), None)

    def read_table(self, table: str, screen: str | None = None, part: str | None = None) -> pd.DataFrame:
        """All rows of a table, of one screen, or of one part; empty if nothing is written yet.

        Raises:
            StoreError: a file is damaged, was changed since it was written, or is no table of this store; it is named.
        """
        import pandas as pd

        declared = _declared(table)
        folder = self.root / "tables" / table
        if screen is not None and part is not None:
            parts = [self.table_part(table, screen, part)]
        elif screen is not None:
            parts = files(folder / f"screen={check_screen_id(screen)}", "*.parquet")
        else:
            parts = files(folder, "screen=*/*.parquet")
        frames = [read_part(part, content, declared) for part, content in contents_of(parts)]
        return pd.concat(frames, ignore_index=True) if frames else declared.empty()


def parameters_text(parameters: dict[str, Any]) -> str:
    """Parameters as the one line of JSON that provenance columns hold."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"), default=str)


def _declared(table: str) -> Table:
    if table not in TABLES:
        raise StoreError(f"table {table!r} is not declared; there are: {', '.join(TABLES)}.")
    return TABLES[table]


def _raw_roots(text: str) -> tuple[tuple[Path, Path], ...]:
    """What PHENODOSE_RAW_ROOTS says, the deepest folders first.

    Raises:
        InputError: it is not of pairs of absolute folders.
    """
    pairs = []
    for part in text.split(":"):
        there, _, here = part.partition("=")
        if not (there.startswith("/") and here.startswith("/")):
            raise InputError(
                f"PHENODOSE_RAW_ROOTS={text}: {part!r} is no pair of folders; write OLD=NEW with absolute paths, "
                "several with a colon between them, such as /mnt/a=/data/a:/mnt/b=/data/b."
            )
        pairs.append((Path(there), Path(here)))
    return tuple(sorted(pairs, key=lambda pair: len(pair[0].parts), reverse=True))
