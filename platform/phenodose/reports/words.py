"""Words that fit into the room there is, and texts for style sheets.

Does not belong here: what is said (the modules of the sections).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

#: Signs of the verdict on the first page; what is longer goes on behind it.
MOST_VERDICT = 520


def first_sentences(sentences: Sequence[str], most: int = MOST_VERDICT) -> tuple[str, str]:
    """The sentences that fit into so many signs, and the rest; a first one that is longer is cut at a word.

    >>> first_sentences(["Good.", "All of it."], 9)
    ('Good.', 'All of it.')
    """
    for n_fitting in range(len(sentences), 0, -1):
        first = " ".join(sentences[:n_fitting])
        if len(first) <= most:
            return first, " ".join(sentences[n_fitting:])
    if not sentences:
        return "", ""
    start = shortened(sentences[0], most)
    return start, " ".join(["…" + sentences[0][len(start) - 1 :], *sentences[1:]])


def shortened(text: str, most: int) -> str:
    """The text in one line, or its beginning and an ellipsis: cut at a word where one ends in its last third.

    >>> shortened("Trametinib", 10), shortened("Trametinib", 8), shortened("out of focus and dark", 14)
    ('Trametinib', 'Trameti…', 'out of focus…')
    """
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    start = line[: most - 1]
    whole = start.rpartition(" ")[0]
    return f"{whole if len(whole) > 2 * most // 3 else start.rstrip()}…"


def listed(names: Sequence[str], most: int, between: str = "; ") -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a; b; and 1 more'
    """
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return between.join([*names[:most], *more])


def n_lines(texts: Iterable[str], signs: int) -> int:
    """Lines that the texts take, each from a line of its own, where a line has room for so many signs."""
    return sum(max(math.ceil(len(text) / signs), 1) for text in texts)


def css_text(text: str) -> str:
    """A text as a quoted string of a style sheet, which cannot end it: every sign but letters and digits is escaped.

    >>> css_text('a"b')
    '"a\\\\22 b"'
    """
    escaped = re.sub(r"[^A-Za-z0-9 ._-]", lambda found: f"\\{ord(found.group()):x} ", " ".join(text.split()))
    return f'"{escaped}"'


def page_style(left: str, right: str) -> str:
    """The rules that print two texts above and the page's number below every page."""
    font = "font: 7.5pt system-ui, 'DejaVu Sans', sans-serif; color: #5d636c;"
    return (
        f"@page {{ @top-left {{ content: {css_text(left)}; {font} }} "
        f"@top-right {{ content: {css_text(right)}; {font} }} "
        f'@bottom-left {{ content: "phenodose. For research use only; not a diagnostic device."; {font} }} '
        f'@bottom-right {{ content: "Page " counter(page) " of " counter(pages); {font} }} }}'
    )
