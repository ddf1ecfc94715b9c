"""Plate-reader matrices: one file a plate, rows by columns, alone, in a folder or in a zip.

Belongs here: finding the files, what their names say (`<sample>_<plate>.<ext>`), reading them into one row
a well, and matching them to the plates of a layout. Does not belong here: the shape of one file's numbers
(`plate_matrix`), what a well holds (`layout`), viability (`phenodose.viability`).

Values are joined to the layout on plate, row and column, never by position.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.spreadsheet import ACCEPTED, SPREADSHEETS, one_spelling, read_spreadsheet, read_text
from phenodose.names import PLATE_FORMATS, plate_key, row_index, row_label
from phenodose.screens.layout import Layout
from phenodose.screens.plate_matrix import Block, block_of_sheet, block_of_text

#: Columns of `read_matrices`: one row a well of the files.
MATRIX_COLUMNS = ("sample", "plate", "row", "column", "value", "file")

#: Limits that keep a damaged or hostile archive from filling the memory.
MOST_FILE_BYTES = 64 * 2**20
MOST_TOTAL_BYTES = 512 * 2**20
MOST_FILES = 10_000


@dataclass(frozen=True)
class _File:
    name: str
    content: bytes

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()


def read_matrices(source: Path) -> pd.DataFrame:
    """Read the plate-reader files of a file, folder or zip.

    Files are xlsx (first sheet), csv, tsv or txt, named `<sample>_<plate>.<ext>`: the sample is everything
    before the last underscore. Hidden files and files of other kinds are passed over.

    Returns:
        One row a well of the files, in order of file name, with the columns `MATRIX_COLUMNS`: text
        sample, plate ('' if the name has no underscore), row, file; integer column; float value in the
        file's own unit, NaN where the file says NA.

    Raises:
        InputError: nothing readable is there; all faults of all files in one message.
    """
    source = Path(source)
    faults = Faults(str(source))
    frames: list[pd.DataFrame] = []
    owner: dict[tuple[str, str], str] = {}
    for file in _files(source):
        sample, plate = _names(one_spelling(file.stem))
        other = owner.setdefault((sample, plate_key(plate)), file.name)
        if other != file.name:
            faults.add(f"{other} and {file.name} are both plate {plate!r} of {sample!r}; keep one.")
            continue
        try:
            frames.append(_frame(_block(file), sample, plate, file.name))
        except InputError as error:
            faults.add(str(error).removeprefix(f"{file.name}: ") if source.name == file.name else str(error))
    if not frames and not faults:
        raise InputError(
            f"{source}: there is no plate-reader file in it; name the files <sample>_<plate>.xlsx "
            f"(accepted: {', '.join(ACCEPTED)})."
        )
    faults.raise_if_any()
    return pd.concat(frames, ignore_index=True)


def match_to_layout(matrices: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """The matrices with the layout's own plate names, checked plate by plate.

    A single file a sample fits a layout of one plate whatever its name.

    Args:
        matrices: from `read_matrices`.
        layout: the layout of all samples in it.

    Returns:
        The same rows; `plate` is the layout's name of the plate.

    Raises:
        InputError: a plate of the layout has no file, a file belongs to no plate of the layout, or a
            file's plate is of another size; all faults in one message.
    """
    faults = Faults(str(layout.path))
    plate_of_file: dict[str, str] = {}
    for sample, rows in matrices.groupby("sample", sort=False):
        files = dict(zip(rows["file"], rows["plate"], strict=True))
        plate_of_file |= _match_sample(str(sample), files, layout, faults)
    frame = matrices[matrices["file"].isin(list(plate_of_file))].copy()
    frame["plate"] = frame["file"].map(plate_of_file)
    for file, rows in frame.groupby("file", sort=False):
        faults.extend(_shape_faults(str(file), rows, layout))
    faults.raise_if_any()
    return frame


def readings_of_screen(folder: Path, layout: Layout) -> pd.DataFrame:
    """The plate-reader files of one screen, matched to its layout.

    Raises:
        InputError: as `read_matrices` and `match_to_layout`, or the files are of several samples.
    """
    matrices = read_matrices(folder)
    first = matrices[matrices["plate"] != ""].drop_duplicates("sample")
    if len(first) > 1:
        pairs = zip(first["sample"], first["file"], strict=True)
        named = " and ".join(f"{sample!r} ({file})" for sample, file in pairs)
        raise InputError(
            f"{folder}: holds files of {len(first)} samples, {named}, but a screen is of one sample; take away the "
            "files that belong to another screen."
        )
    return match_to_layout(matrices, layout)


def _match_sample(sample: str, files: dict[str, str], layout: Layout, faults: Faults) -> dict[str, str]:
    """Plate of the layout by file, for the files of one sample."""
    if len(layout.plates) == 1 and len(files) == 1:
        return {next(iter(files)): layout.plates[0]}
    label_of = {plate_key(plate): plate for plate in layout.plates}
    matched: dict[str, str] = {}
    for file, label in files.items():
        key = plate_key(label)
        key = key if key in label_of else plate_key(label.upper().removeprefix("N"))
        other = next((name for name, plate in matched.items() if plate == label_of.get(key)), None)
        if other is not None:
            faults.add(f"files {other} and {file} are both plate {label_of[key]} of sample {sample!r}; keep one.")
        elif key in label_of:
            matched[file] = label_of[key]
        elif not label:
            faults.add(
                f"file {file} does not say which plate it is (the layout has {', '.join(layout.plates)}); "
                "name the file <sample>_<plate>."
            )
        else:
            faults.add(
                f"file {file} is plate {label!r}, which the layout does not have (it has {', '.join(layout.plates)}); "
                "name the file <sample>_<plate>."
            )
    for plate in layout.plates:
        if plate not in matched.values():
            faults.add(
                f"plate {plate} has no plate-reader file of sample {sample!r}; expected {sample}_{plate}.xlsx "
                "(or .csv, .txt) beside the others."
            )
    return matched


def _shape_faults(file: str, rows: pd.DataFrame, layout: Layout) -> list[str]:
    plate = str(rows["plate"].iloc[0])
    wells = layout.frame[layout.frame["plate"] == plate]
    n_rows, n_columns = _extent(rows)
    wanted_rows, wanted_columns = _extent(wells)
    full_rows, full_columns = _plate_of(wanted_rows, wanted_columns, len(wells))
    # A few wells may lie on a plate of any size; a plate filled by half or more is one of its own size.
    told = 2 * len(wells) >= full_rows * full_columns
    # A reader may skip the rim: wells that hold nothing need no value.
    needed_rows, needed_columns = _extent(wells[~wells["well_type"].isin(("empty", "exclude"))])
    too_small = n_rows < needed_rows or n_columns < needed_columns
    too_large = told and (n_rows > full_rows or n_columns > full_columns)
    if not (too_small or too_large):
        return []
    return [
        f"file {file} goes to well {_corner(n_rows, n_columns)} but plate {plate} of the layout to "
        f"{_corner(wanted_rows, wanted_columns)}; the plates differ in size: take the layout that belongs to the file."
    ]


def _plate_of(n_rows: int, n_columns: int, n_wells: int) -> tuple[int, int]:
    """Rows and columns of the plate that a layout of this extent is for: 96 wells or more, unless it is complete."""
    if (n_rows, n_columns) in PLATE_FORMATS.values() and n_wells == n_rows * n_columns:
        return n_rows, n_columns
    sizes = (size for wells, size in PLATE_FORMATS.items() if wells >= 96)
    return next((size for size in sizes if size[0] >= n_rows and size[1] >= n_columns), (n_rows, n_columns))


def _extent(wells: pd.DataFrame) -> tuple[int, int]:
    """Number of rows and columns up to the outermost well."""
    if wells.empty:
        return 0, 0
    return max(row_index(row) for row in wells["row"].unique()) + 1, int(wells["column"].max())


def _corner(n_rows: int, n_columns: int) -> str:
    return f"{row_label(n_rows - 1)}{n_columns:02d}"


def _names(stem: str) -> tuple[str, str]:
    """Sample and plate of a file name without its ending; the plate is '' if there is no underscore."""
    sample, underscore, plate = stem.rpartition("_")
    return (sample, plate) if underscore and sample and plate else (stem, "")


def _block(file: _File) -> Block:
    if file.suffix in SPREADSHEETS:
        sheet = read_spreadsheet(file.content, file.name)
        return block_of_sheet(sheet.rows, sheet.place)
    return block_of_text(read_text(file.content, file.name), file.name)


def _frame(block: Block, sample: str, plate: str, file: str) -> pd.DataFrame:
    width = len(block.columns)
    return pd.DataFrame(
        {
            "sample": sample,
            "plate": plate,
            "row": [row for row in block.rows for _ in range(width)],
            "column": block.columns * len(block.rows),
            "value": np.array([value for row in block.values for value in row], dtype=np.float64),
            "file": file,
        },
        columns=list(MATRIX_COLUMNS),
    )


# --- files ---------------------------------------------------------------------------------------


def _files(source: Path) -> Iterator[_File]:
    """The plate-reader files of a source, in order of name."""
    if source.is_dir():
        paths = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file()}
        for name in sorted(paths):
            if _is_matrix(name):
                yield _File(name, _read_file(paths[name]))
    elif not source.is_file():
        raise MissingInputError(f"{source}: there is no such file or folder with readouts; check the path.")
    elif source.suffix.lower() == ".zip":
        yield from _zip_files(source)
    elif source.suffix.lower() in ACCEPTED:
        yield _File(source.name, _read_file(source))
    else:
        raise InputError(f"{source}: readouts are one of {', '.join(ACCEPTED)}, a folder or a .zip of these.")


def _is_matrix(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX", "~$")) for part in path.parts)
    return not hidden and path.suffix.lower() in ACCEPTED


def _read_file(path: Path) -> bytes:
    if path.stat().st_size > MOST_FILE_BYTES:
        raise InputError(f"{path}: is larger than {MOST_FILE_BYTES >> 20} MiB, too large for a plate-reader file.")
    return path.read_bytes()


def _zip_files(source: Path) -> Iterator[_File]:
    """The plate-reader files of an archive, read in memory under the limits; nothing is unpacked to disk."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_archive(source, entries)
            total = 0
            for entry in sorted(entries, key=lambda entry: entry.filename):
                if not _is_matrix(entry.filename):
                    continue
                with archive.open(entry) as handle:
                    content = handle.read(MOST_FILE_BYTES + 1)
                total += len(content)
                if len(content) > MOST_FILE_BYTES or total > MOST_TOTAL_BYTES:
                    raise InputError(
                        f"{source}: {entry.filename} unpacks to more than a plate-reader archive can hold "
                        f"({MOST_FILE_BYTES >> 20} MiB a file, {MOST_TOTAL_BYTES >> 20} MiB in all)."
                    )
                yield _File(entry.filename, content)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise InputError(f"{source}: cannot be opened as a zip ({error}); pack the files again.") from error


def _check_archive(source: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES:
        raise InputError(f"{source}: holds {len(entries)} files, more than {MOST_FILES}; pack only the readouts.")
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise InputError(f"{source}: the entry {entry.filename!r} points outside the archive; pack it again.")
