"""What a dialect of plate-reader files is.

A dialect is a small class with a name, the marks by which its instrument's files are known, and a way to find blocks.
Most need no more than a name, marks and the rules of their matrices. A new one is a class in a file of its own and a
line in `phenodose.screens.dialects.DIALECTS`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

from phenodose.screens.dialects.matrix import LEAST_COLUMNS, LEAST_ROWS, PLAIN, Rules, blocks_in
from phenodose.screens.dialects.page import Lines, Page, RawBlock


class NotThisError(Exception):
    """A page is not of the dialect; the message says why, as a clause."""


class Dialect(ABC):
    """One way in which plates are written.

    Attributes:
        name: instrument or form, as messages name it.
    """

    name: ClassVar[str]

    @abstractmethod
    def blocks(self, page: Page) -> list[RawBlock]:
        """All plates of a page, at least one.

        Raises:
            NotThisError: the page is not of this dialect.
        """


class MatrixDialect(Dialect):
    """Lettered rows below column numbers, with what an instrument writes beside them.

    Attributes:
        marks: what a file of the instrument holds, one of these at least; empty for any file.
        mark_words: the marks in words.
        rules: what its matrices may have beside the plain one.
    """

    marks: ClassVar[tuple[re.Pattern[str], ...]] = ()
    mark_words: ClassVar[str] = ""
    rules: ClassVar[Rules] = PLAIN

    def blocks(self, page: Page) -> list[RawBlock]:
        """The matrices of the page; by the first separator that gives any."""
        if self.marks and not any(mark.search(page.text) for mark in self.marks):
            raise NotThisError(f"has no {self.mark_words}")
        for lines in page.splits_that_keep_places(self.rules.empty_rows):
            if found := blocks_in(lines, self.rules):
                return [self.titled(block, lines) for block in found]
        if page.sheet is None:
            # A line that is too short between blanks does not say which of its values is missing.
            lines = page.split_at_blanks(self.rules.empty_rows)
            if found := blocks_in(lines, replace(self.rules, short_rows=False)):
                return [self.titled(block, lines) for block in found]
        raise NotThisError(
            f"has no line of column numbers 1, 2, 3, ... (at least {LEAST_COLUMNS}) with at least {LEAST_ROWS} lines "
            "of one number a column below it"
        )

    def titled(self, block: RawBlock, lines: Lines) -> RawBlock:
        """The block with the title that the instrument gives it."""
        return block


def mark(pattern: str) -> re.Pattern[str]:
    """A mark that stands at the beginning of a line, whatever its case."""
    return re.compile(r"^[\"\s;,]*" + pattern, re.IGNORECASE | re.MULTILINE)
