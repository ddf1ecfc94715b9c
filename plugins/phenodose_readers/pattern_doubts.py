"""What a regular expression takes of names of files and perhaps should not: numbers cut off, plates run together, gaps.

An expression that is a little wrong still fits, and gives other wells and planes. What cannot be meant is a fault; what
can be is a note.

Belongs here: doubts about names and about what files say of their own pages. Does not belong here: places along the
axes (`pattern_axes`).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError
from phenodose.plates.tiff_stacks import axes_used

if TYPE_CHECKING:
    from phenodose_readers.pattern import PatternParameters

#: Kinds of names that may be plates; more are running numbers or dates.
_MOST_KINDS = 4
_NAMED = 3
_SAME = 1e-2
_PROJECTION = re.compile(
    r"(?:\A|[^a-z])(?:mip|max(?:imum)?(?:[ _-]?(?:proj|ip)\w*)?|projection)(?![a-z])", re.IGNORECASE
)
_OME_PIXEL = re.compile(r'PhysicalSizeX="([0-9.eE+-]+)"')
_OME_UNIT = re.compile(r'PhysicalSizeXUnit="([^"]*)"')
_MICROMETRES = ("µm", "μm", "um", "")


def cut_numbers(matches: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Faults and notes on groups that end within a number or begin within a word, one a group.

    A group of one digit before another digit is a fault: `z(?P<z>[0-9])` takes the 1 of z12. Longer ones may be numbers
    of a fixed length.

    Args:
        matches: what the expression found, by path.
    """
    faults: dict[str, str] = {}
    notes: dict[str, str] = {}
    for path, match in matches.items():
        for group, text in match.groupdict().items():
            if not text:
                continue
            end, start = match.end(group), match.start(group)
            number = re.search(r"\d+\Z", text)
            if number and end == match.end() and path[end : end + 1].isdigit():
                whole = text + (re.match(r"\d+", path[end:]) or [""])[0]
                said = f"the group `{group}` takes {text!r} of {whole!r} in {path}"
                (faults if len(number[0]) == 1 else notes).setdefault(group, said)
            before = path[start - 1 : start] if start else ""
            begins_within = before.isalpha() and text[0].isalpha() and before.isupper() == text[0].isupper()
            if group in ("well", "row") and start == match.start() and begins_within:
                notes.setdefault(f"{group} within", f"the group `{group}` begins within a word, in {path}: {text!r}")
    return (
        [f"{said}; let it take all digits (\\d+) or say what follows." for said in faults.values()],
        [f"{said[0].upper()}{said[1:]}; if that is not meant, mend the expression." for said in notes.values()],
    )


def kinds_of_names(matches: Mapping[str, Any]) -> list[str]:
    """A note where names differ by a text that the expression does not tell, and each kind has its own wells."""
    wells: dict[str, set[str]] = defaultdict(set)
    for path, match in matches.items():
        groups = match.groupdict()
        if groups.get("plate"):
            return []
        wells[_frame(path, match)].add(str(groups.get("well") or (groups.get("row"), groups.get("column"))))
    n_wells = len(set().union(*wells.values())) if wells else 0
    if not 1 < len(wells) <= min(_MOST_KINDS, n_wells - 1) or sum(map(len, wells.values())) > n_wells:
        return []
    return [
        f"The names are of {len(wells)} kinds ({', '.join(map(repr, sorted(wells)))}), each with wells of its own; if "
        "these are several plates, give the expression the group `plate`."
    ]


def _frame(path: str, match: Any) -> str:
    """A path with a star for what each group found, and for the same text elsewhere in it."""
    spans = sorted(match.span(group) for group, text in match.groupdict().items() if text)
    parts, done = [], 0
    for start, end in spans:
        parts.append(path[done:start])
        done = max(done, end)
    frame = "*".join([*parts, path[done:]])
    for group in ("well", "row"):
        text = match.groupdict().get(group)
        if text:
            frame = frame.replace(text, "*")
    return frame


def gaps(matches: Mapping[str, Any]) -> list[str]:
    """Notes on numbers of planes and time points that are left out between others in all wells."""
    found = []
    for group, what in (("z", "planes"), ("time", "time points")):
        texts = {match.groupdict().get(group) for match in matches.values()} - {None}
        there = sorted({int(text) for text in texts})
        steps = {b - a for a, b in pairwise(there)}
        if len(steps) > 1:
            sentence = ", ".join(map(str, there[:12])) + (", ..." if len(there) > 12 else "")
            found.append(
                f"The {what} have the numbers {sentence}; those between are in no well, and the others count in order."
            )
    return found


def untold_projections(matches: Mapping[str, Any]) -> list[str]:
    """A note on files that are called projections and that the expression takes for planes of a stack."""
    called = [
        path
        for path, match in matches.items()
        if not match.groupdict().get("projection") and _PROJECTION.search(path.rpartition("/")[2])
    ]
    if not called or len(called) == len(matches):
        return []
    return [
        f"{len(called)} files are called projections ({', '.join(called[:_NAMED])}) and count as planes; if they are "
        "projections, give the expression the group `projection`."
    ]


def unused_names(labels: Iterable[str], given: Iterable[str]) -> list[str]:
    """A note on names of channels that no file has."""
    there = sorted(set(labels))
    unused = [label for label in given if label not in there]
    if not unused:
        return []
    return [
        f"`channel_names` names {', '.join(map(repr, unused))}, of which there is no image; the channels are called "
        f"{', '.join(map(repr, there)) or 'nothing'}."
    ]


def against_the_file(
    folder: Path, paths: Sequence[str], several: Sequence[str], parameters: PatternParameters
) -> list[str]:
    """Notes where parameters say another thing than a file does: of its pages, of its pixel size.

    Args:
        folder: the raw folder.
        paths: files that are used.
        several: those of several pages.
        parameters: what the reader was told.
    """
    from phenodose.plates.tiff import check_pages

    path, pages, pixel_size_um = (several or paths)[0], parameters.pages, parameters.pixel_size_um
    if pages is None and pixel_size_um is None:
        return []
    try:
        headers = check_pages(folder / path, "", parameters.rgb)
    except InputError:  # told when it is read
        return []
    found = []
    axes = axes_used([header.axes for header in headers if header.axes is not None])
    if pages is not None and len(axes) == 1 and axes != [pages]:
        found.append(
            f"{path} says of its pages that they are {axes[0]}; by the parameter `pages` they count as {pages}."
        )
    size, unit = _OME_PIXEL.search(headers[0].description), _OME_UNIT.search(headers[0].description)
    in_um = size is not None and (unit[1] if unit else "") in _MICROMETRES
    if size and in_um and pixel_size_um and not math.isclose(float(size[1]), pixel_size_um, rel_tol=_SAME):
        found.append(
            f"{path} says that its pixels are {float(size[1]):g} um wide; by the parameter `pixel_size_um` they "
            f"count as {pixel_size_um:g} um."
        )
    return found
