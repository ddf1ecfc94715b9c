"""Taking out of texts what is nobody's business outside: paths of machines, buckets, names of accounts.

Messages and settings that are kept with results name files where they lay. Of a path only its last part stays, behind
an ellipsis: enough to tell files apart, not enough to tell whose machine it was. People who are named in a column get
numbers.

Belongs here: what counts as such a place. Does not belong here: which texts are looked at (`tables`, `plates`).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store
    from phenodose.table import Table

#: Columns that hold who did something.
PEOPLE = ("by", "decided_by", "undone_by", "signed_by")
_INSTEAD = "…"
# A path within quotes may hold blanks; one without ends at the first.
_QUOTED = re.compile(
    r"""(?P<quote>['"`])(?:/|[A-Za-z]:[\\/]|\\\\|~/|[a-z][a-z0-9+]*://)"""
    r"""(?:[^'"`\n]*[\\/])?(?P<last>[^'"`\n\\/]*)(?P=quote)"""
)
# A value that is a path and nothing else; a sentence that begins with one goes on after a colon.
_PATH_ALONE = re.compile(
    r"""(?:/|[A-Za-z]:[\\/]|\\\\|~/|(?!https?:)[a-z][a-z0-9+]*://)(?:(?!: )[^\n])*[\\/](?P<last>(?:(?!: )[^\n\\/])*)"""
)
_END = r"""[^\s'"`,;:()<>{}\[\]\\/]"""
_PATHS = (
    re.compile(rf"\b(?!https?:)[a-z][a-z0-9+]*://(?:{_END}+[\\/])*(?P<last>{_END}*)"),
    re.compile(rf"(?<![\w.:/<…~-])~?/(?:{_END}+/)+(?P<last>{_END}*)"),
    re.compile(rf"(?<!\w)[A-Za-z]:[\\/]+(?:{_END}+[\\/]+)*(?P<last>{_END}*)"),
    re.compile(rf"(?<![\w\\])\\\\(?:{_END}+\\+)+(?P<last>{_END}*)"),
)


class Hider:
    """Takes known places and anything that looks like an absolute path out of texts.

    Attributes:
        places: places that are known, the longest first; they are found also where they hold blanks.
    """

    def __init__(self, places: Iterable[str | Path | None]) -> None:
        texts = {str(place).rstrip("/\\") for place in places if place}
        self.places = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
        self._people: dict[str, str] = {}

    @classmethod
    def of(cls, store: Store, screen: str) -> Hider:
        """What is known of a store and of the raw folder of a screen."""
        from phenodose.errors import PhenodoseError

        known: list[str | Path | None] = [store.root, store.plates_root, store.cache, store.local, Path.home()]
        known += [place for pair in store.raw_roots for place in pair]
        try:
            source = store.source_of(screen)
        except PhenodoseError:
            source = None
        if source is not None:
            known += [source, source.parent if len(source.parents) > 1 else None]
        return cls(known)

    def text(self, text: str) -> str:
        """The text without the front parts of its paths."""
        found = _QUOTED.sub(lambda match: f"{match['quote']}{_last(match['last'])}{match['quote']}", text)
        for place in self.places:
            found = re.sub(_whole(place), _INSTEAD, found)
        for pattern in _PATHS:
            found = pattern.sub(lambda match: _last(match["last"]), found)
        return self._without_people(found)

    def value(self, value: Any) -> Any:
        """The same of every text within lists and mappings, as JSON has them; names of a mapping too."""
        if isinstance(value, str):
            path = _PATH_ALONE.fullmatch(value)
            return _last(path["last"]) if path else self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(one) for name, one in value.items()}
        return [self.value(one) for one in value] if isinstance(value, list) else value

    def cell(self, text: str) -> str:
        """A text of a table; where it is JSON, its texts are looked at one by one, and it stays JSON."""
        if text[:1] in ("{", "["):
            try:
                found = json.loads(text)
            except ValueError:
                return self.text(text)
            hidden = self.value(found)
            return (
                text
                if hidden == found
                else json.dumps(hidden, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            )
        return self.text(text)

    def rows(self, rows: pd.DataFrame, table: Table) -> pd.DataFrame:
        """The rows of a table; names by which rows are told apart are looked at by nobody but stay as they are."""
        changed = rows.copy()
        for column in table.columns:
            if column.type != "text" or column.name in table.key or column.name not in changed:
                continue
            change = self.person if column.name in PEOPLE else self.cell
            known = {text: change(text) for text in changed[column.name].dropna().unique()}
            if any(before != after for before, after in known.items()):
                changed[column.name] = changed[column.name].map(lambda text, known=known: known.get(text, text))
        return changed

    def person(self, name: str) -> str:
        """A number for a person, the same for the same name within a crate."""
        return self._people.setdefault(name, f"person {len(self._people) + 1}")

    def meet(self, rows: pd.DataFrame) -> None:
        """Get to know the people of a table, who are then found in sentences, too: after the word `by`."""
        for column in PEOPLE:
            for name in rows[column].dropna().unique() if column in rows else ():
                self.person(str(name))

    def _without_people(self, text: str) -> str:
        for name, number in self._people.items():
            if name in text:
                text = re.sub(rf"\b([Bb]y) {re.escape(name)}(?!\w)", rf"\1 {number}", text)
        return text

    def page(self, page: str, kept: Collection[str] = ()) -> str:
        """A page of HTML without the known places, as they stand in text, in attributes and in JSON within scripts.

        People are found after the word `by`, and where nothing but their name stands between two tags. Pictures within
        the page are left alone: what stands within base64 is no place.

        Args:
            page: the page.
            kept: names of drugs and samples, which stay though a person is called the same.
        """
        for place in self.places:
            for form in dict.fromkeys((place, html.escape(place), json.dumps(place)[1:-1])):
                page = re.sub(_whole(form), _INSTEAD, page)
        for name, number in self._people.items():
            if name not in kept:
                page = re.sub(rf"(>\s*){re.escape(html.escape(name))}(?=\s*<)", rf"\g<1>{number}", page)
        return self._without_people(page)


def _whole(place: str) -> str:
    """A pattern for a place that is no part of another word or path."""
    return rf"(?<![\w+/.]){re.escape(place)}(?!\w)"


def _last(name: str) -> str:
    return f"{_INSTEAD}/{name}" if name else _INSTEAD
