"""Dose matrices drawn as grids, as SynergyFinder's Matrix form has them: to the rows of a long table.

Belongs here: finding the grids of a sheet, and what their frames lack. Does not belong here: what the numbers mean
(`pair_table`), which reads the rows like those of any table of two drugs.

Three lines say the drugs and the unit, and the grid follows. Concentrations of the first drug stand on its left,
those of the second on top; any number of grids stand below each other.

    Drug1:     Ispinesib
    Drug2:     Ibrutinib
    ConcUnit:  nM
               0       10      100
    0          99.1    80.2    31.0
    5          97.0    71.5    22.8
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phenodose.errors import Faults
from phenodose.io.spreadsheet import Cell, to_text

#: The long table that the grids become.
HEADER: tuple[str, ...] = ("PairIndex", "Drug1", "Drug2", "Conc1", "Conc2", "ConcUnit", "Response")
_LABELS = {"drug1": "Drug1", "drug2": "Drug2", "concunit": "ConcUnit"}

#: A row with its number in the file.
Row = tuple[int, list[Cell]]


def is_grid(rows: Sequence[list[Cell]]) -> bool:
    """Whether a sheet begins with a line 'Drug1: NAME' and a line 'Drug2: NAME', in any order."""
    first = [row for row in rows if any(cell is not None for cell in row)][:2]
    return {label for label, _ in map(_labelled, first)} == {"Drug1", "Drug2"}


def rows_of_grids(rows: Sequence[list[Cell]], faults: Faults) -> tuple[list[Cell], list[Row]]:
    """The grids of a sheet as a long table: its header, and a row for every cell that is filled.

    A row has the number of the grid's own, so that faults lead there. The column of units is left out where no grid
    says one.

    Args:
        rows: of a sheet of which `is_grid` is true.
        faults: gets what is wrong with the frames.
    """
    found: list[Row] = []
    for number, (labels, body) in enumerate(_grids(rows), 1):
        where = body[0][0] if body else len(rows)
        for label in ("Drug1", "Drug2"):
            if labels.get(label) is None:
                faults.add(f"the grid at row {where} has no line '{label}: NAME' above it; write one.")
        if len(body) < 2:
            faults.add(f"the grid at row {where} has no rows; write concentrations on top and on the left.")
            continue
        frame = [labels.get("Drug1"), labels.get("Drug2"), labels.get("ConcUnit")]
        found += _cells(str(number), frame, body, faults)
    if any(row[5] is not None for _, row in found):
        return list(HEADER), found
    kept = [place for place, name in enumerate(HEADER) if name != "ConcUnit"]
    return [HEADER[place] for place in kept], [(number, [row[place] for place in kept]) for number, row in found]


def _cells(block: str, frame: list[Cell], body: list[Row], faults: Faults) -> Iterator[Row]:
    """A row for every filled cell of a grid, whose first row holds the concentrations of the second drug."""
    first, second, unit = frame
    (top_row, top), below = body[0], body[1:]
    if top and top[0] is not None:
        faults.add(
            f"row {top_row}: the corner of the grid holds {to_text(top[0])!r}; leave it empty, with the concentrations "
            "of the second drug to its right and those of the first below."
        )
    for number, row in below:
        values = [(place, cell) for place, cell in enumerate(row) if place and cell is not None]
        if row[0] is None:
            faults.add(f"row {number}: there is no concentration of the first drug on the left; write it, or 0.")
            continue
        without = [place for place, _ in values if place >= len(top) or top[place] is None]
        if without:
            faults.add(
                f"row {number}: {len(without)} value{'s' * (len(without) > 1)} without a concentration of the second "
                f"drug on top (row {top_row}); write it, or 0."
            )
            continue
        yield from ((number, [block, first, second, row[0], top[place], unit, cell]) for place, cell in values)


def _grids(rows: Sequence[list[Cell]]) -> Iterator[tuple[dict[str, Cell], list[Row]]]:
    """What the lines above each grid say, and its rows."""
    labels: dict[str, Cell] = {}
    body: list[Row] = []
    for number, row in enumerate(rows, 1):
        if all(cell is None for cell in row):
            continue
        label, said = _labelled(row)
        if label is None:
            body.append((number, row))
            continue
        if body:
            yield labels, body
            labels, body = {}, []
        labels[label] = said
    yield labels, body


def _labelled(row: list[Cell]) -> tuple[str | None, Cell]:
    """Which of the three lines a row is, and what it says: 'Drug1:' beside the name, or 'Drug1: name' in one cell."""
    text = to_text(row[0]) if row else None
    before, _, after = (text or "").partition(":")
    label = _LABELS.get("".join(before.lower().replace("_", " ").split()))
    said: Cell = after.strip() or next((cell for cell in row[1:] if cell is not None), None)
    # the header of a long table begins with Drug1 too, and names Drug2 or a concentration beside it
    if label is None or sum(cell is not None for cell in row) > 2 or (":" not in (text or "") and said is None):
        return None, None
    return label, said
