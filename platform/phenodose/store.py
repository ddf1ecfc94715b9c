"""The store: where every product of every screen lies, and how tables are written and read.

Belongs here: paths of the store contract (plates, tensors, checkpoints, tables, reports) and the
one-writer-a-file Parquet tables. Does not belong here: the contents of a plate (`phenodose.storage`),
the cohort database (`phenodose.storage.warehouse`), the declarations of tables (`phenodose.tables`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, StoreError
from phenodose.files import write_json, written_aside
from phenodose.names import SCREEN_ID, check_screen_id
from phenodose.places import folders, is_remote, place
from phenodose.tables import TABLES, Table

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_STORE = "store"
#: The environment variable with another place for the plates, the one large product: a folder or s3://....
PLATES = "PHENODOSE_PLATES"


@dataclass(frozen=True)
class Store:
    """A folder that holds screens, tables, the cohort database and reports."""

    root: Path

    @classmethod
    def open(cls, location: str | Path | None = None) -> Store:
        """The store at `location`, else at $PHENODOSE_STORE, else ./store; nothing is created yet."""
        text = str(location or os.environ.get("PHENODOSE_STORE") or DEFAULT_STORE)
        if "://" in text:
            raise InputError(
                f"store {text!r}: tables, checkpoints and reports lie in a folder; give a path, and for the plates set "
                f"{PLATES}={text} (docs/storage.md)."
            )
        return cls(Path(text).expanduser().resolve())

    # --- places -------------------------------------------------------------------------------

    def screen_dir(self, screen: str) -> Path:
        """Folder of one screen's plates, tensors, features and checkpoints."""
        return self.root / "screens" / check_screen_id(screen)

    def plate_path(self, screen: str, plate: str) -> Path:
        """The OME-Zarr plate of one microplate: in the store, or below $PHENODOSE_PLATES if that is set."""
        return self._plates_dir(screen) / f"{check_screen_id(plate)}.ome.zarr"

    def plate_text(self, path: Path) -> str:
        """A plate's place as the table `plates` holds it: relative to the store, or its address."""
        inside = not is_remote(path) and path.is_relative_to(self.root)
        return str(path.relative_to(self.root)) if inside else str(path)

    def plate_at(self, text: str) -> Path:
        """The place that `plate_text` has written down."""
        return place(text) if "://" in text else self.root / text

    def plates(self, screen: str) -> list[Path]:
        """Every OME-Zarr plate of a screen, in order of name."""
        return [folder for folder in folders(self._plates_dir(screen)) if folder.name.endswith(".ome.zarr")]

    def _plates_dir(self, screen: str) -> Path:
        elsewhere = os.environ.get(PLATES)
        root = place(elsewhere) if elsewhere else self.root
        return root / "screens" / check_screen_id(screen) / "plates"

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
        """The patient report, one HTML file."""
        return self.root / "reports" / f"{check_screen_id(screen)}.html"

    @property
    def cohort_path(self) -> Path:
        """The cohort database that readers open."""
        return self.root / "cohort.duckdb"

    # --- the registered screens -----------------------------------------------------------------

    def register(self, screen: str, source: Path) -> None:
        """Remember which raw folder a screen comes from."""
        write_json(self.screen_dir(screen) / "source.json", {"screen": screen, "source": str(source.resolve())})

    def source_of(self, screen: str) -> Path:
        """The raw folder that a screen was registered with.

        Raises:
            StoreError: the screen is not registered here.
        """
        record = self.screen_dir(screen) / "source.json"
        if not record.is_file():
            known = ", ".join(self.screens()) or "none"
            raise StoreError(
                f"screen {screen!r} is not in the store {self.root} (it holds: {known}); "
                "register its folder with `phenodose run FOLDER`."
            )
        return Path(json.loads(record.read_text(encoding="utf-8"))["source"])

    def screens(self) -> list[str]:
        """Ids of all registered screens, in order of name."""
        folder = self.root / "screens"
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if SCREEN_ID.match(p.name) and (p / "source.json").is_file())

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
        import pyarrow.parquet as pq

        rows = _declared(table).conform(frame)
        path = self.table_part(table, screen, part)
        with written_aside(path) as aside:
            pq.write_table(rows, aside, compression="zstd")
        return path

    def drop_table_part(self, table: str, screen: str, part: str) -> None:
        """Remove one writer's rows, if there are any."""
        self.table_part(table, screen, part).unlink(missing_ok=True)

    def read_table(self, table: str, screen: str | None = None, part: str | None = None) -> pd.DataFrame:
        """All rows of a table, of one screen, or of one part; empty if nothing is written yet."""
        import pandas as pd
        import pyarrow.parquet as pq

        declared = _declared(table)
        if screen is not None and part is not None:
            files = [self.table_part(table, screen, part)]
        else:
            folder = self.root / "tables" / table
            files = sorted(folder.glob(f"screen={check_screen_id(screen) if screen else '*'}/*.parquet"))
        frames = [
            pq.read_table(file, schema=declared.arrow_schema(), partitioning=None).to_pandas()
            for file in files
            if file.is_file()
        ]
        return pd.concat(frames, ignore_index=True) if frames else declared.empty()


def parameters_text(parameters: dict[str, Any]) -> str:
    """Parameters as the one line of JSON that provenance columns hold."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"), default=str)


def _declared(table: str) -> Table:
    if table not in TABLES:
        raise StoreError(f"table {table!r} is not declared; there are: {', '.join(TABLES)}.")
    return TABLES[table]
