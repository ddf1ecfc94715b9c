"""What a screen is called in pages and records, and whether a text names it rather than another screen.

Names of screens begin like each other (`A_V1_DS1`, `A_V1_DS10`), and a screen's name stands in names of its files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from phenodose.errors import PhenodoseError

if TYPE_CHECKING:
    from phenodose.store.store import Store

#: A shorter name of a sample, or one without a figure, is found in pages that are about something else.
_SHORTEST_SAMPLE = 4


@dataclass(frozen=True)
class Names:
    """Names of a screen, and those of others that hold one of them.

    Attributes:
        screen: its id.
        samples: its samples, where no other screen has them and they can be told from words.
        longer: ids and samples of other screens that hold the id or a sample.
    """

    screen: str
    samples: tuple[str, ...] = ()
    longer: tuple[str, ...] = ()

    @classmethod
    def of(cls, store: Store, screen: str) -> Names:
        """The names of a screen of a store."""
        others = {other for other in store.screens() if other != screen}
        mine: set[str] = set()
        try:
            rows = store.read_table("screens")
        except PhenodoseError:  # a damaged table: the id alone is sure
            rows = None
        if rows is not None:
            others |= set(map(str, rows.loc[rows["screen"] != screen, ["screen", "sample"]].to_numpy().ravel()))
            mine = set(map(str, rows.loc[rows["screen"] == screen, "sample"])) - others
        samples = {one for one in mine if len(one) >= _SHORTEST_SAMPLE and any(sign.isdigit() for sign in one)}
        return cls(screen, tuple(sorted(samples))).beside(others)

    def beside(self, others: Iterable[str]) -> Names:
        """The same, with further names of other screens."""
        held = {other for other in others if other != self.screen and any(name in other for name in self.all)}
        longer = sorted({*self.longer, *held}, key=lambda name: (-len(name), name))
        return Names(self.screen, self.samples, tuple(longer))

    @property
    def all(self) -> tuple[str, ...]:
        """The id and the samples."""
        return (self.screen, *self.samples)

    def are_in(self, text: str) -> bool:
        """Whether a text names the screen."""
        if not any(name in text for name in self.all):
            return False
        for other in self.longer:
            text = text.replace(other, "")
        return self.screen in text or self._samples.search(text) is not None

    @cached_property
    def _samples(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, self.samples)) or r"(?!)"
        return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])")
