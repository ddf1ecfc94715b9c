"""Wells that a person has looked at and put into a class, such as empty, contaminated or out of focus.

Belongs here: reading the table of such wells and laying it over the layout. Does not belong here: the layout's own
column WellClass (`layout_rows`), and what is learned from the classes (`phenodose.learning.well_classes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.spreadsheet import ACCEPTED, SPREADSHEETS, TEXT_TABLES, Sheet, read_delimited, to_name, to_text
from phenodose.io.workbook import read_spreadsheet
from phenodose.names import class_key, parse_well, plate_key, well_name
from phenodose.screens.layout import Layout
from phenodose.screens.layout_columns import SPELLINGS, plain

_COLUMNS = ("plate", "well", "named_class")


@dataclass(frozen=True)
class _Said:
    """What the table says of one well."""

    row: int
    name: str


def with_classes(layout: Layout, path: Path) -> Layout:
    """The layout with the classes that a table names, columns Plate, Well and WellClass, one row a well.

    Args:
        layout: the wells of the screen.
        path: the table, in one of the formats of layouts; of a workbook its first visible sheet.

    Raises:
        InputError: the file is missing or no such table, names a well twice or one that the layout does not have, or
            contradicts the layout's own column WellClass; all faults in one message.
    """
    sheet = _open(path)
    faults = Faults(sheet.place)
    said = _read(sheet, faults)
    frame = layout.frame.copy()
    keys = [(plate_key(str(plate)), str(well)) for plate, well in zip(frame["plate"], frame["well"], strict=True)]
    row_of = {key: row for row, key in enumerate(keys)}
    spelling = {class_key(name): name for name in frame["named_class"].dropna()}
    classes = frame["named_class"].astype(object).where(frame["named_class"].notna(), None).tolist()
    for (plate, well), one in said.items():
        row = row_of.get((plate, well))
        if row is None:
            faults.add(
                f"row {one.row}: the layout {layout.path.name} has no well {well} on plate {plate} (its plates: "
                f"{', '.join(layout.plates)}); name a well of the layout, or add it there as empty."
            )
            continue
        before = classes[row]
        if before is not None and class_key(before) != class_key(one.name):
            faults.add(
                f"row {one.row}: plate {plate}, well {well} is {one.name!r} here and {before!r} in the layout "
                f"{layout.path.name}; write the same in both, or leave one of them empty."
            )
        classes[row] = spelling.setdefault(class_key(one.name), one.name)
    faults.raise_if_any()
    return replace(layout, frame=frame.assign(named_class=classes))


def _open(path: Path) -> Sheet:
    if not path.is_file():
        raise MissingInputError(
            f"{path}: there is no such table of curated wells; check well_classes below [layout] in screen.toml."
        )
    suffix = path.suffix.lower()
    if suffix in SPREADSHEETS:
        return read_spreadsheet(path.read_bytes(), str(path))
    if suffix in TEXT_TABLES:
        return read_delimited(path.read_bytes(), str(path))
    raise InputError(f"{path}: a table of curated wells is one of {', '.join(ACCEPTED)}; save it as .csv.")


def _read(sheet: Sheet, faults: Faults) -> Mapping[tuple[str, str], _Said]:
    """Plate key and well -> what the table says of it; rows without a class say nothing."""
    rows = [(number, row) for number, row in enumerate(sheet.rows, 1) if any(cell is not None for cell in row)]
    header = [plain(to_text(cell) or "") for cell in rows[0][1]] if rows else []
    spellings = {meaning: {plain(name) for name in SPELLINGS[meaning]} for meaning in _COLUMNS}
    at = {meaning: [i for i, name in enumerate(header) if name in names] for meaning, names in spellings.items()}
    for meaning, places in at.items():
        if len(places) != 1:
            faults.add(
                f"there {'is no column' if not places else f'are {len(places)} columns'} {SPELLINGS[meaning][0]}; the "
                f"header is {', '.join(SPELLINGS[each][0] for each in _COLUMNS)}, one of each."
            )
    faults.raise_if_any()
    found: dict[tuple[str, str], _Said] = {}
    for number, row in rows[1:]:
        plate, text, name = (to_name(row[at[each][0]]) if at[each][0] < len(row) else None for each in _COLUMNS)
        if name is None:
            continue
        if plate is None or text is None:
            faults.add(
                f"row {number}: {'Plate' if plate is None else 'Well'} is empty; name the well that is {name!r}."
            )
            continue
        try:
            key = plate_key(plate), well_name(*parse_well(text))
        except InputError as error:
            faults.add(f"row {number}: {error}")
            continue
        if key in found:
            faults.add(
                f"row {number}: plate {key[0]}, well {key[1]} stands in row {found[key].row} too; list a well once."
            )
        found.setdefault(key, _Said(number, name))
    return found
