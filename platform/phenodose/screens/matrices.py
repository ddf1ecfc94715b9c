"""Plate-reader files: one file a plate, alone, in a folder or in a zip.

Belongs here: what the files' names say (`<sample>_<plate>.<ext>`), reading them into one row a well, and matching them
to the plates of a layout. Does not belong here: finding the files (`readout_files`), how instruments write plates
(`dialects`), whether names fit each other (`identity`), what a well holds (`layout`), viability
(`phenodose.viability`).

Values are joined to the layout on plate, row and column, never by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from phenodose.errors import Faults, InputError
from phenodose.io.spreadsheet import ACCEPTED, SPREADSHEETS, one_spelling, read_text
from phenodose.io.workbook import read_sheets
from phenodose.names import PLATE_FORMATS, plate_key, row_index, row_label
from phenodose.screens.dialects import PlateRead, plate_of
from phenodose.screens.dialects.page import Page
from phenodose.screens.identity import (
    BARCODE,
    NAME,
    PLATE,
    SAMPLE,
    SHEET,
    Claim,
    Judgement,
    claims_of_name,
    is_plate,
    judge,
)
from phenodose.screens.layout import Layout
from phenodose.screens.readout_files import ReadoutFile, readout_files
from phenodose.screens.time_points import of_last_time, refuse_other_samples, times_of
from phenodose.time_courses.series import refuse_no_start

#: Columns of `read_matrices`: one row a well of the files.
MATRIX_COLUMNS = ("sample", "plate", "row", "column", "value", "file")

#: Files with so many different numbers are not alike by chance.
LEAST_DIFFERENT = 12

#: How messages say that a block of a file is named on the command line.
BY_OPTION = "--block NAME"


@dataclass(frozen=True)
class Readings:
    """The numbers of plate-reader files, with what a person should know of them.

    Attributes:
        frame: one row a well of the files, columns `MATRIX_COLUMNS`.
        notes: sentences on what was chosen among several and how numbers are written.
        claims: what the files and their names say of sample and plate, the file as the subject.
        chosen: for lineage: the block that was read, by file, where the file holds several or somebody named one.
        course: the readings of every time, by hours, where there are several; these are then those of the last.
    """

    frame: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    chosen: dict[str, str] = field(default_factory=dict)
    course: dict[float, Readings] = field(default_factory=dict)


def read_matrices(source: Path, block: str | None = None) -> pd.DataFrame:
    """The numbers of the plate-reader files of a file, folder or zip; see `read_readings`."""
    return read_readings(source, block).frame


def read_readings(source: Path, block: str | None = None, way: str = BY_OPTION) -> Readings:
    """Read the plate-reader files of a file, folder or zip.

    Files are workbooks, csv, tsv or txt as instruments write them (`phenodose.screens.dialects`), named
    `<sample>_<plate>.<ext>`: the sample is everything before the last underscore. Hidden files and files of other
    kinds are passed over. Of a folder with folders of several times (`time_points`) the last counts, with a note.

    Args:
        source: file, folder or zip.
        block: of files that hold several plates, name of the one that counts (or of its sheet; '#2' for the second).
        way: how a block is named, as messages tell it.

    Returns:
        One row a well of the files, in order of file name, with the columns `MATRIX_COLUMNS`: text
        sample, plate ('' if the name has no underscore), row, file; integer column; float value in the
        file's own unit, NaN where the file says NA.

    Raises:
        InputError: nothing readable is there, or a file holds several plates and nobody said which counts; all faults
            of all files in one message.
    """
    source = Path(source)
    if times := times_of(source):
        refuse_no_start(list(times), source.name)
        course = {hours: read_readings(place, block, way) for hours, place in times.items()}
        last = course[max(times)]
        refuse_other_samples(source, {times[hours].name: _samples(read.frame) for hours, read in course.items()})
        return replace(last, notes=[of_last_time(source.name, times), *last.notes], course=course)
    faults = Faults(str(source))
    frames: list[pd.DataFrame] = []
    notes: list[str] = []
    claims: list[Claim] = []
    chosen: dict[str, str] = {}
    owner: dict[tuple[str, str], str] = {}
    for file in readout_files(source):
        sample, plate = _names(one_spelling(file.stem))
        other = owner.setdefault((sample, plate_key(plate)), file.name)
        if other != file.name:
            several = PurePosixPath(other).parent != PurePosixPath(file.name).parent
            zipped = "unpack the zip and give the folder, with" if source.is_file() else "lay out"
            timed = (
                f", or, if they were read at several times, {zipped} nothing but folders named by hours (0h, 24h, 3d)"
            )
            faults.add(f"{other} and {file.name} are both plate {plate!r} of {sample!r}; keep one{timed * several}.")
            continue
        try:
            read = _plate(file, block, way)
        except InputError as error:
            faults.add(str(error).removeprefix(f"{file.name}: ") if source.name == file.name else str(error))
            continue
        frames.append(_frame(read, sample, plate, file.name))
        notes += read.notes
        claims += _claims(file.name, sample, plate, read)
        if block is not None:
            chosen[file.name] = f"{read.sheet}: {read.title}".strip(": ") or block
    if not frames and not faults:
        raise InputError(
            f"{source}: there is no plate-reader file in it; name the files <sample>_<plate>.xlsx "
            f"(accepted: {', '.join(ACCEPTED)})."
        )
    faults.raise_if_any()
    return Readings(pd.concat(frames, ignore_index=True), notes + _same_numbers(frames), claims, chosen)


def _samples(frame: pd.DataFrame) -> set[str]:
    """The samples of files whose names say sample and plate."""
    return set(frame.loc[frame["plate"] != "", "sample"])


def _same_numbers(frames: Sequence[pd.DataFrame]) -> list[str]:
    """A note on files that hold the same numbers in the same wells, which two plates never give."""
    files: dict[tuple[object, ...], list[str]] = {}
    for frame in frames:
        values = frame["value"].to_numpy()
        finite = values[np.isfinite(values)]
        if len(np.unique(finite)) >= LEAST_DIFFERENT:
            wells = (tuple(frame["row"]), tuple(frame["column"]), values.tobytes())
            files.setdefault(wells, []).append(str(frame["file"].iloc[0]))
    return [
        f"{' and '.join(same)} hold the same numbers in all wells, as no two plates do; look whether one file was "
        "copied over the other."
        for same in files.values()
        if len(same) > 1
    ]


def match_to_layout(matrices: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """The matrices with the layout's own plate names, checked plate by plate; see `match_readings`."""
    return _matched(matrices, layout)


def match_readings(readings: Readings, layout: Layout, claims: Sequence[Claim] = ()) -> Readings:
    """The readings with the layout's own plate names, checked plate by plate, and whose they are.

    A single file a sample fits a layout of one plate whatever its name.

    Args:
        readings: from `read_readings`.
        layout: the layout of all samples in it.
        claims: what else says whose data this is (the screen's folder), of no subject.

    Returns:
        The same rows; `plate` is the layout's name of the plate. Names that may be of another sample are told in the
        notes.

    Raises:
        InputError: a plate of the layout has no file, a file belongs to no plate of the layout, a file's plate is of
            another size, or names of sample or plate contradict each other; all faults in one message.
    """
    judged = _judged(readings, layout, claims)
    judged.raise_if_contradicting(str(layout.path))
    frame = _matched(readings.frame, layout)
    notes = [*readings.notes, *judged.notes, *_other_plates(readings.frame, layout)]
    return Readings(frame, notes, readings.claims, readings.chosen)


def readings_of_screen(
    folder: Path, layout: Layout, block: str | None = None, claims: Sequence[Claim] = (), way: str = BY_OPTION
) -> Readings:
    """The plate-reader files of one screen, matched to its layout.

    Args:
        folder: the folder of the readout.
        layout: the screen's layout.
        block: as for `read_readings`.
        claims: as for `match_readings`.
        way: as for `read_readings`.

    Raises:
        InputError: as `read_readings` and `match_readings`, or the files are of several samples.
    """
    readings = read_readings(folder, block, way)
    first = readings.frame[readings.frame["plate"] != ""].drop_duplicates("sample")
    if len(first) > 1:
        pairs = zip(first["sample"], first["file"], strict=True)
        named = " and ".join(f"{sample!r} ({file})" for sample, file in pairs)
        raise InputError(
            f"{folder}: holds files of {len(first)} samples, {named}, but a screen is of one sample; take away the "
            "files that belong to another screen."
        )
    return match_readings(readings, layout, claims)


def _claims(file: str, sample: str, plate: str, read: PlateRead) -> list[Claim]:
    """What a file says of its sample and plate: by its name, inside, and by the name of its sheet."""
    by_name = f"the name of file {file}"
    found = claims_of_name(by_name, sample, file)
    found += [Claim(by_name, PLATE, plate, file)] if plate else []
    for label, name in read.names:
        kind = PLATE if label == PLATE else BARCODE if BARCODE in label.casefold() else NAME
        found.append(Claim(f"{label!r} in {file}", kind, name, file))
    return [*found, *([Claim(f"the sheet of {file}", SHEET, read.sheet, file)] if read.sheet else [])]


def _judged(readings: Readings, layout: Layout, claims: Sequence[Claim]) -> Judgement:
    """Whether all that names sample and plate fits together, file by file.

    Of files of several samples the files' names count, so that the layout's own sample says nothing.
    """
    several = len(readings.frame["sample"].unique()) > 1
    of_layout = [] if several else [Claim(layout.path.name, SAMPLE, sample) for sample in layout.samples]
    everywhere = [*of_layout, *claims]
    judged = Judgement()
    for subject in dict.fromkeys(claim.subject for claim in readings.claims):
        own = [claim for claim in readings.claims if claim.subject == subject]
        here = [Claim(claim.source, claim.field, claim.value, subject) for claim in everywhere]
        found = judge([*here, *own])
        judged.contradictions += found.contradictions
        judged.notes += [note for note in found.notes if note not in judged.notes]
    return judged


def _other_plates(matrices: pd.DataFrame, layout: Layout) -> list[str]:
    """A note on each single file that is read for the one plate of the layout and is called another plate."""
    notes = []
    first = matrices.drop_duplicates("file")
    for file, plate in zip(first["file"], first["plate"], strict=True):
        keys = [plate_key(name) for name in (plate, plate.upper().removeprefix("N"))]
        own = layout.plates[0]
        if len(layout.plates) == 1 and is_plate(plate) and plate_key(own).isdigit() and plate_key(own) not in keys:
            notes.append(
                f"file {file} is read for plate {own!r}, the only one of {layout.path.name}, though its name says "
                f"plate {plate!r}; if the layout is of another plate, take the layout that belongs to the file."
            )
    return notes


def _matched(matrices: pd.DataFrame, layout: Layout) -> pd.DataFrame:
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
    mostly_full = 2 * len(wells) >= full_rows * full_columns
    # A reader may skip the rim: wells that hold nothing need no value.
    needed_rows, needed_columns = _extent(wells[~wells["well_type"].isin(("empty", "exclude"))])
    too_small = n_rows < needed_rows or n_columns < needed_columns
    too_large = mostly_full and (n_rows > full_rows or n_columns > full_columns)
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


def _plate(file: ReadoutFile, block: str | None, way: str) -> PlateRead:
    if file.suffix in SPREADSHEETS:
        sheets = read_sheets(file.content, file.name)
        pages = [(Page.of_sheet(sheet.rows, sheet.place), sheet.title, sheet.hidden) for sheet in sheets]
    else:
        pages = [(Page(file.name, read_text(file.content, file.name)), "", False)]
    return plate_of(pages, file.name, block, way)


def _frame(read: PlateRead, sample: str, plate: str, file: str) -> pd.DataFrame:
    block = read.block
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
