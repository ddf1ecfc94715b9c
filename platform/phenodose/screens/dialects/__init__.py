"""Plate-reader files as instruments write them: one dialect a family of exports, all in one list.

Belongs here: which dialects there are, trying them in order, and choosing among several plates of one file. Each
dialect has a file of its own; what they share is in `page`, `matrix`, `numbers` and `base`.

A site cannot add a dialect from outside: the same file must give the same numbers by every door (`score`, `run`, the
sensor, Python), on every machine. What is not read can be written as a list of wells and values, which always is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from phenodose.errors import InputError
from phenodose.screens.dialects.bare_grid import BareGrid
from phenodose.screens.dialects.base import Dialect, NotThisError
from phenodose.screens.dialects.bmg import Bmg
from phenodose.screens.dialects.envision import EnVision
from phenodose.screens.dialects.gen5 import Gen5
from phenodose.screens.dialects.names_inside import names_inside
from phenodose.screens.dialects.numbers import format_of, read_block
from phenodose.screens.dialects.page import Block, Page, RawBlock
from phenodose.screens.dialects.plain import PlainMatrix
from phenodose.screens.dialects.softmax import SoftMax
from phenodose.screens.dialects.well_list import WellList

#: Every dialect, in the order in which they are tried: instruments by their marks, then forms that have none.
DIALECTS: tuple[Dialect, ...] = (Gen5(), SoftMax(), EnVision(), Bmg(), PlainMatrix(), WellList(), BareGrid())


@dataclass(frozen=True)
class PlateRead:
    """The plate of a file.

    Attributes:
        block: its numbers.
        dialect: name of the dialect.
        notes: sentences on what was passed over and how numbers are written.
        names: what the file itself calls its plate and sample: label and name.
        sheet: name of the sheet; '' for a text.
        title: what the file calls the block.
    """

    block: Block
    dialect: str
    notes: list[str] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)
    sheet: str = ""
    title: str = ""


@dataclass(frozen=True)
class _Candidate:
    page: Page
    sheet: str
    hidden: bool
    dialect: str
    block: RawBlock
    number: int

    @property
    def in_words(self) -> str:
        """The candidate as a person finds it."""
        parts = [f"#{self.number}"]
        parts += [f"'{self.block.title}'"] if self.block.title else []
        sheet = f"{'hidden ' if self.hidden else ''}sheet '{self.sheet}', " if self.sheet else ""
        return " ".join([*parts, f"({sheet}line {self.block.line})"])

    @property
    def content(self) -> list[object]:
        """What decides whether two candidates are the same plate."""
        return [self.block.columns, [(row.letter, row.cells) for row in self.block.rows]]


def block_of_text(text: str, place: str) -> Block:
    """The plate of a text.

    Raises:
        InputError: as `plate_of`.
    """
    return plate_of([(Page(place, text), "", False)], place).block


def plate_of(
    pages: Sequence[tuple[Page, str, bool]], place: str, wanted: str | None = None, way: str = "--block NAME"
) -> PlateRead:
    """The plate of a file.

    Args:
        pages: the text, or every sheet; with the sheet's name and whether it is hidden.
        place: the file, as messages name it.
        wanted: name of the block or sheet, or '#2' for the second block; None if nobody said.
        way: how a block is named.

    Raises:
        InputError: no dialect reads it (each says why not), it holds several plates and nobody said which, or some
            of its values are no numbers; all faults in one message.
    """
    candidates: list[_Candidate] = []
    reasons: list[str] = []
    for page, sheet, hidden in pages:
        found, why = _tried(page)
        if not hidden:
            reasons = reasons or why
        candidates += [
            _Candidate(page, sheet, hidden, name, block, len(candidates) + number)
            for number, (name, block) in enumerate(found, 1)
        ]
    if not candidates:
        raise _no_plate(pages, place, reasons)
    chosen, notes = _chosen(candidates, place, wanted, way)
    where = f"{chosen.page.place} ({chosen.dialect})" if chosen.dialect not in _FORMS else chosen.page.place
    of_page = [one.block for one in candidates if one.page is chosen.page]
    written = format_of(of_page, where)
    notes += [f"{chosen.page.place}: {written.note}"] if written.note else []
    names = names_inside(chosen.page.text) + ([("plate", chosen.block.plate)] if chosen.block.plate else [])
    block = read_block(chosen.block, written, where)
    return PlateRead(block, chosen.dialect, notes, names, chosen.sheet, chosen.block.title)


#: Dialects of no instrument; messages need not name them.
_FORMS = {dialect.name for dialect in (PlainMatrix(), WellList(), BareGrid())}


def _tried(page: Page) -> tuple[list[tuple[str, RawBlock]], list[str]]:
    """The blocks of a page with their dialect, by the first dialect that reads it; else why each does not."""
    reasons = []
    for dialect in DIALECTS:
        try:
            found = dialect.blocks(page)
        except NotThisError as reason:
            reasons.append(f"{dialect.name}: it {reason}")
            continue
        filled = [block for block in found if any(cell is not None for row in block.rows for cell in row.cells)]
        return [(dialect.name, block) for block in (filled or found)], []
    return [], reasons


def _no_plate(pages: Sequence[tuple[Page, str, bool]], place: str, reasons: Sequence[str]) -> InputError:
    where = place if len(pages) > 1 else pages[0][0].place
    sheets = f" (looked for in {len(pages)} sheets)" if len(pages) > 1 else ""
    text = "".join(f"\n    {reason};" for reason in reasons)
    return InputError(
        f"{where}: there is no plate in it{sheets}. What was looked for, and why it is not that:{text}\n    Take a "
        "file that holds no plate away; else write it as a matrix, or as lines of a well and its value."
    )


def _chosen(candidates: list[_Candidate], place: str, wanted: str | None, way: str) -> tuple[_Candidate, list[str]]:
    """The plate that counts, and notes; never the first of several without a word."""
    if wanted is not None and (len(candidates) > 1 or candidates[0].hidden):
        named = _named(candidates, wanted)
        if len(named) != 1:
            what = "several plates" if named else "no plate"
            raise InputError(
                f"{place}: {what} in it {'are' if named else 'is'} called {wanted!r} ({way}); it holds "
                f"{_listed(candidates)}."
            )
        return named[0], [
            f"{place}: of {len(candidates)} plates {named[0].in_words} is read, as {wanted!r} says ({way})."
        ]
    shown = [one for one in candidates if not one.hidden]
    if not shown:
        raise InputError(
            f"{place}: its only plate stands in a hidden sheet, {_listed(candidates)}; say that it counts ({way}), or "
            "show the sheet."
        )
    if any(one.content != shown[0].content for one in shown):
        raise InputError(
            f"{place}: holds {len(candidates)} plates, {_listed(candidates)}; say which one counts ({way}), or keep "
            "one plate a file."
        )
    notes = []
    if wanted is not None and not _named(candidates, wanted):
        notes.append(f"{place}: its only plate is read; it is not called {wanted!r} ({way}).")
    if hidden := [one for one in candidates if one.hidden]:
        notes.append(f"{place}: {shown[0].in_words} is read; {_listed(hidden)} is passed over.")
    return shown[0], notes


def _named(candidates: list[_Candidate], wanted: str) -> list[_Candidate]:
    """The candidates that a name can mean: by number '#2', by sheet or whole title, by plate number, by part of it."""
    name = wanted.strip().casefold()
    if name.startswith("#"):
        return [one for one in candidates if name == f"#{one.number}"]
    titles = [one.block.title.casefold() for one in candidates]
    whole = [
        name in (one.sheet.casefold(), title, one.block.plate.casefold())
        for one, title in zip(candidates, titles, strict=True)
    ]
    plate = [title.split(":")[0].split(",")[0] in (name, f"plate {name}") for title in titles]
    part = [name in title for title in titles]
    fits = next((these for these in (whole, plate, part) if name and any(these)), [])
    return [one for one, does in zip(candidates, fits, strict=False) if does]


def _listed(candidates: Sequence[_Candidate]) -> str:
    more = f" and {len(candidates) - 8} more" if len(candidates) > 8 else ""
    return ", ".join(one.in_words for one in candidates[:8]) + more
