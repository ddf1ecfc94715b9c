"""Stores of any number of screens, made in a tenth of a second a screen: for measuring how costs grow.

The tables of a few screens of `thousand_screens.py` are written again under other names, each number moved a little by
a fixed seed: as many files, rows and bytes as those screens have, sealed as `Store.write_table` seals them. Every 50th
screen is another screen of a sample seen before.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from thousand_screens import write_store

from phenodose.io.places import is_remote
from phenodose.store.store import Store
from phenodose.store.table_files import sealed_parquet

#: Screens that the others are made from.
TEMPLATES = 3
#: Columns of numbers that are moved; the others say what a row is.
_MOVED = ("raw", "viability_fraction", "score", "lower", "upper", "log10_mid", "value", "x", "y", "validation_loss")
_SHARE = 0.02

#: By table and part, the rows of a screen.
Parts = Mapping[tuple[str, str], pa.Table]


def grow(folder: Path | str, screens: int) -> Store:
    """Bring a store, in a folder or a bucket, to a number of screens; what is there already is kept."""
    store = Store.open(folder)
    there = len(store.screens())
    if there < screens:
        templates = _templates()
        for number in range(there, screens):
            _write(store, number, templates[number % TEMPLATES])
    return store


def name_of(number: int) -> tuple[str, str]:
    """Sample and screen."""
    again = number % 50 == 49
    sample = f"PAT_{number - again:05d}"
    return sample, f"{sample}_V1_DS{2 if again else 1}"


@cache
def _templates() -> list[Parts]:
    with tempfile.TemporaryDirectory(prefix="phenodose-benchmark-") as place:
        store = write_store(Path(place) / "store", TEMPLATES)
        return [
            {
                (file.parts[-3], file.stem): pq.ParquetFile(file).read()
                for file in sorted((store.root / "tables").glob(f"*/screen={screen}/*.parquet"))
            }
            for screen in store.screens()
        ]


def _write(store: Store, number: int, parts: Parts) -> None:
    rng = np.random.default_rng([2, number])
    sample, screen = name_of(number)
    texts = {"screen": screen, "sample": sample, "run_id": f"run-{number:05d}", "trained_on": screen}
    weights = f"{number:032x}"
    later = dt.timedelta(hours=number // TEMPLATES * TEMPLATES)
    for (table, part), rows in parts.items():
        path = store.root / "tables" / table / f"screen={screen}" / f"{part}.parquet"
        changed = {}
        for column in rows.column_names:
            cells = rows[column]
            if column in texts:
                changed[column] = pa.array([texts[column]] * len(rows), pa.string())
            elif column == "weights_hash" or (column == "checkpoint" and cells.null_count < len(rows)):
                changed[column] = pa.array([weights] * len(rows), pa.string())
            elif column in _MOVED:
                changed[column] = pa.array(_moved(cells, rng))
            elif column in ("started_at", "finished_at"):
                changed[column] = pa.array([when + later for when in cells.to_pylist()], cells.type)
        for column, cells in changed.items():
            at = rows.schema.get_field_index(column)
            rows = rows.set_column(at, rows.schema.field(at), cells)
        if not is_remote(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sealed_parquet(rows, path))
    # Last: a screen that is registered is whole.
    store.register(screen, store.local.parent / "raw" / screen)


def _moved(cells: Any, rng: np.random.Generator) -> np.ndarray:
    values: np.ndarray = cells.to_numpy()
    return values * (1 + rng.normal(0, _SHARE, len(values)))


def grow_database(old: Path, new: Path, screens: int) -> None:
    """A cohort database of so many screens: the rows of another again and again, under other names."""
    import duckdb

    from phenodose.cohort.build import views_now
    from phenodose.cohort.kept_views import make_views

    new.parent.mkdir(parents=True)
    shutil.copyfile(old, new)
    with duckdb.connect(str(new), config={"memory_limit": "2GB"}) as con:
        views = views_now(con, Store.open(old.parent))
        kept = {view.name: view for view in views if view.kept}
        columns: dict[str, list[str]] = {}
        for table, column in con.execute(
            "SELECT c.table_name, c.column_name FROM duckdb_columns() c JOIN duckdb_tables() t USING (schema_name, "
            "table_name) WHERE schema_name = 'main' ORDER BY c.table_name, c.column_index"
        ).fetchall():
            columns.setdefault(table, []).append(column)
        ((there,),) = con.execute("SELECT count(*) FROM screens").fetchall()
        for again in range(1, -(-screens // there)):
            for table, names in columns.items():
                if table in kept and kept[table].of_all:
                    continue
                cells = ", ".join(f"'R{again}_' || {n}" if n in ("screen", "sample") else f'"{n}"' for n in names)
                con.execute(f"INSERT INTO {table} SELECT {cells} FROM {table} WHERE NOT starts_with(screen, 'R')")
        con.execute("UPDATE build.kept SET unsorted = 1000000000000")
        make_views(con, views, ["no screen"], whole=False)
