"""What a plate-reader file calls its plate and sample: identifiers, barcodes, names.

Belongs here: the labels under which instruments write them. Does not belong here: whether they fit the file's name and
the layout (`phenodose.screens.identity`). What a program numbers by itself (Gen5's `Plate 1`, SoftMax Pro's `Plate1`,
the place in EnVision's stacker) names nothing.
"""

from __future__ import annotations

import re

_WITH_COLON = re.compile(
    r"(ID ?[123]|Plate ?(?:ID|name|barcode)?|Barcode|Sample ?(?:ID|name)?)\s*:\s*(.*)\Z", re.IGNORECASE
)
_ALONE = re.compile(r"(Plate ?(?:ID|name|barcode)|Sample ?(?:ID|name)|Barcode)\Z", re.IGNORECASE)
_BY_ITSELF = re.compile(r"plate\s*[#_]?\s*\d+\Z", re.IGNORECASE)
_CUT = re.compile(r"[\t;,]")
_MOST_LINES = 400


def names_inside(text: str) -> list[tuple[str, str]]:
    """Label and name, in the order of the file.

    Args:
        text: the file's text; of a sheet its cells separated by tabs.
    """
    found: list[tuple[str, str]] = []
    lines = [
        [cell.strip().strip('"=').strip() for cell in _CUT.split(line)] for line in text.splitlines()[:_MOST_LINES]
    ]
    for number, cells in enumerate(lines):
        filled = [cell for cell in cells if cell]
        for at, cell in enumerate(cells):
            following = cells[at + 1] if at + 1 < len(cells) else ""
            if label := _WITH_COLON.match(cell):
                beside = "" if _WITH_COLON.match(following) else following
                found.append((label.group(1), label.group(2).strip() or beside))
            elif (label := _ALONE.match(cell)) and len(filled) == 2 and cell == filled[0]:
                found.append((label.group(1), following))
            elif label and "plate" in {other.casefold() for other in filled} and number + 1 < len(lines):
                # EnVision writes names in one line and what they are in the next.
                below = lines[number + 1]
                found.append((label.group(1), below[at] if at < len(below) else ""))
    named = ((label, name) for label, name in found if name and not _is_numbered(label, name))
    return list(dict.fromkeys(named))


def _is_numbered(label: str, name: str) -> bool:
    """Whether a program made the name: 'Plate1' after the label 'Plate:'."""
    return label.casefold() == "plate" and (bool(_BY_ITSELF.match(name)) or name.isdigit())
