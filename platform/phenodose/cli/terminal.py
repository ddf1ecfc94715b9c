"""What a command prints is text, whatever stands in the names that it shows.

A drug, a sample, a file or a message of a plugin may hold signs that move the cursor, set the title of a terminal, turn
the direction of writing or end a line that never was one. Every text on its way to standard output or standard error
passes `harmless`, which writes such signs as their codes, as JSON does: a document of JSON stays the same document.

Does not belong here: which signs a spreadsheet would take for a formula (`phenodose.io.spreadsheet_text`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

#: Control characters but tab and line feed; a carriage return only before a line feed; marks of direction; halves of
#: pairs, which no encoding takes.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)"
)


def harmless(text: str) -> str:
    """The text with every sign that a terminal would obey written as its code, such as `\\u001b`."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class HarmlessStream:
    """A text stream whose every text passes `harmless`; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream

    def write(self, text: str) -> int:
        """Write the text, and tell its own length."""
        self.unfiltered.write(harmless(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write one text after the other."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self.unfiltered)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)


def harmless_stream(stream: TextIO) -> TextIO:
    """The stream, filtered once."""
    return stream if isinstance(stream, HarmlessStream) else cast("TextIO", HarmlessStream(stream))


def unfiltered(stream: TextIO) -> TextIO:
    """The stream itself, for displays that move the cursor on purpose and pass every name through `harmless`."""
    return stream.unfiltered if isinstance(stream, HarmlessStream) else stream


@contextmanager
def harmless_output() -> Iterator[None]:
    """While the block runs, what this process prints is harmless."""
    out, err = sys.stdout, sys.stderr
    if out is None or err is None:  # started without a terminal or a file for them
        yield
        return
    sys.stdout, sys.stderr = harmless_stream(out), harmless_stream(err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
