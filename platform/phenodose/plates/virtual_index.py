"""The index of a virtual plate: which raw file each image of a plate is, without the pixels.

`planes.parquet` in the plate's folder has a row a plane with the columns of `PLANES`, the size and the modification
time of its file, and a row group a well, so that opening a plate unpacks no more than the wells that are asked for.
What the root of a plate says stands in the file's own metadata. The file is sealed, and is there until the plate is
ingested.

Belongs here: writing and reading the index. Does not belong here: pixels (`virtual_plate`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import InputError, StoreError
from phenodose.io.files import hash_json, written_aside
from phenodose.io.places import file_bytes
from phenodose.io.seals import OPEN_SEAL, read_sealed, sealed
from phenodose.plates.plan import MAXIMUM, PlatePlan, WellPlan
from phenodose.plates.plane_index import PLANES
from phenodose.plates.pyramid import halve, level_shapes
from phenodose.plates.tiff import read_page
from phenodose.plates.well_writer import display_window

if TYPE_CHECKING:
    import pyarrow as pa

    from phenodose.plugins.readers import Reader

#: Name of the index in the plate's folder.
INDEX = "planes.parquet"
_ABOUT, _SEAL = b"phenodose", b"phenodose_seal"
_COLUMNS = tuple(name for name in PLANES.column_names if name != "checksum")
INDEX_AGAIN = "run `phenodose ingest RAW OUT.ome.zarr --virtual` again, or ingest the plate"


def write_index(
    path: Path, plan: PlatePlan, about: Mapping[str, Any], stats: Callable[[WellPlan], Mapping[str, list[int]]]
) -> str:
    """Write the index of a plate, well by well.

    Args:
        path: the file.
        plan: the plate.
        about: what is known of the plate, as JSON-able values.
        stats: size and modification time (ns) of every raw file of a well, by its path.

    Returns:
        A hash of what the index says of the planes and their files.

    Raises:
        InputError: a raw file cannot be looked at.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema()
    wells: dict[str, str] = {}
    content = io.BytesIO()
    with parquet.ParquetWriter(content, schema, compression="zstd") as writer:
        for well in plan.wells:
            files = {name: values[:2] for name, values in stats(well).items()}
            rows = [
                {name: getattr(plane, name) for name in _COLUMNS}
                | dict(zip(("file_bytes", "file_mtime_ns"), files[plane.path], strict=True))
                for plane in well.planes
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
            wells[well.name] = hash_json([well.fingerprint, files])
        written = dict(about) | {"grid": [plan.rows, plan.columns], "wells": wells, "raw_hash": hash_json(wells)}
        writer.add_key_value_metadata({_ABOUT: json.dumps(written).encode(), _SEAL: OPEN_SEAL.encode()})
    with written_aside(path) as aside:
        aside.write_bytes(sealed(content.getvalue()))
    return str(written["raw_hash"])


def first_windows(raw: Path, plan: PlatePlan, reader: Reader) -> list[list[int]]:
    """The display window of every channel by one image of the well in the middle of the plate.

    Raises:
        InputError: an image is damaged, or the reader makes other pixels of it than the file itself holds.
    """
    largest = int(np.iinfo(plan.shape.dtype).max)
    windows = [[0, largest] for _ in plan.shape.channels]
    planes = plan.wells[len(plan.wells) // 2].planes
    for channel in range(len(windows)):
        there = [plane for plane in planes if plane.channel == channel]
        if there:
            plane = next((each for each in there if each.projection == MAXIMUM), there[len(there) // 2])
            pixels, of_file = reader.read_plane(raw, plane), _pixels_of_file(raw, plane)
            if of_file is None or not np.array_equal(pixels, of_file):
                raise InputError(
                    f"{raw / plane.path}: well {plane.well}: the reader {reader.name} makes its images of more than "
                    "one page of a TIFF file, so they cannot be read in place; ingest the plate without --virtual."
                )
            for _ in level_shapes(*pixels.shape)[1:]:
                pixels = halve(pixels)
            windows[channel] = list(display_window(pixels))
    return windows


def _pixels_of_file(raw: Path, plane: Any) -> np.ndarray | None:
    try:
        return read_page(raw / plane.path, plane.page, plane.well)
    except InputError:
        return None


def has_index(plate: Path) -> bool:
    """Whether an index lies in a plate's folder."""
    return file_bytes(plate / INDEX) is not None


class PlaneIndex:
    """An index, opened; wells are read when they are asked for, by any thread.

    Attributes:
        about: what is known of the plate.
    """

    def __init__(self, path: Path) -> None:
        """Read what the index says of the plate.

        Raises:
            StoreError: the file is missing or damaged.
        """
        from pyarrow import parquet

        self._path = path
        self._lock = Lock()
        with _damage_told(path):
            self._file = parquet.ParquetFile(io.BytesIO(read_sealed(path, INDEX_AGAIN) or b""))
            self.about: dict[str, Any] = json.loads(self._file.metadata.metadata[_ABOUT])
            self._places = {well: number for number, well in enumerate(self.about["wells"])}

    def planes(self, well: str) -> list[Any]:
        """The rows of a well, each with the columns of `PLANES`, `file_bytes` and `file_mtime_ns` as attributes."""
        with _damage_told(self._path), self._lock:
            rows = self._file.read_row_group(self._places[well]).to_pylist()
            for path in {str(row["path"]) for row in rows}:
                if Path(path).is_absolute() or ".." in Path(path).parts:
                    raise ValueError(f"well {well}: {path!r} lies outside of the raw folder")
        return [SimpleNamespace(**row) for row in rows]


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Tell whatever a damaged file leads to as one error."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"{path}: the index of raw images is damaged ({error}); {INDEX_AGAIN}.") from error


def _schema() -> pa.Schema:
    import pyarrow as pa

    columns = [column for column in PLANES.arrow_schema() if column.name in _COLUMNS]
    return pa.schema([*columns, pa.field("file_bytes", pa.int64()), pa.field("file_mtime_ns", pa.int64())])
