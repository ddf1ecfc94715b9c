"""What people type to be kept: a name, a reason; without signs that nobody can see.

Does not belong here: what a terminal shows (`phenodose.cli.terminal`), names of drugs and samples, which stay as the
layout has them.
"""

from __future__ import annotations

import re

#: Control characters but tab and line feed, and marks of direction: none is seen, and each can make a text look like
#: another one.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")


def plain(text: str) -> str:
    """The text without control characters and marks of direction; its lines stay."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """The text as one line, without control characters and marks of direction, words one blank apart."""
    return " ".join(plain(text).split())
