"""From the texts in file names, and the pages of files, to places along an axis.

What a name does not tell is not a number: in a plate with stacks of one channel and single planes of another, a plane
without a number of its own is the first of its kind and not a plane below all stacks.

Belongs here: site, time, channel and z of every image. Does not belong here: the expression (`pattern`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phenodose.plates.tiff_stacks import axes_used

if TYPE_CHECKING:
    from phenodose.plates.tiff import TiffHeader


@dataclass
class RawFile:
    """A file whose name the expression understands.

    Attributes:
        path: place below the raw folder.
        groups: what the groups of the expression matched.
        well: name of the well.
        numbers: site, time and z, as far as the name tells them.
        pages: axes of its pages, of `z`, `channel` and `time`.
    """

    path: str
    groups: Mapping[str, str | None]
    well: str
    numbers: dict[str, int]
    pages: tuple[str, ...] = field(default=())

    def get(self, name: str) -> str | None:
        """What a group matched; None without it."""
        return self.groups.get(name)


@dataclass
class Image:
    """One page of a file: its numbers, where they are known, and the label and name of its channel."""

    file: RawFile
    page: int
    header: TiffHeader
    site: int | None
    time: int | None
    z: int | None
    channel: str
    channel_name: str | None


def explain_pages(
    files: Sequence[RawFile], headers: Mapping[str, Sequence[TiffHeader]], given: str | None
) -> list[str]:
    """Set the axes of every file's pages; returns what cannot be explained.

    Args:
        files: the files.
        headers: those of all pages, by path.
        given: the parameter `pages`; a file that tells two axes itself (OME-XML, ImageJ, tifffile) is taken at its
            word.
    """
    faults = []
    for file in files:
        pages = headers[file.path]
        axes = axes_used([page.axes for page in pages if page.axes is not None])
        if given is not None and len(axes) < 2:
            axes = [given]
        file.pages = tuple(axes)
        if not axes and len(pages) > 1:
            faults.append(
                f"{file.path}: well {file.well}: the file has {len(pages)} pages; say what they are with the parameter "
                "`pages`: z, channel or time."
            )
        for axis in axes:
            if file.get(axis) is not None and len(axes) > 1:
                faults.append(
                    f"{file.path}: well {file.well}: the file itself says that its pages are {' and '.join(axes)}, and "
                    f"the expression has the group `{axis}`; drop the group."
                )
            elif file.get(axis) is not None:
                faults.append(
                    f"the parameter `pages` is {axis}, and so is a group of the expression; drop one of them."
                )
    return faults


def images_of(files: Iterable[RawFile], headers: Mapping[str, Sequence[TiffHeader]]) -> list[Image]:
    """Every page of every file with what is known of its place."""
    found = []
    for file in files:
        axes = axes_used([each.axes for each in headers[file.path] if each.axes is not None])
        for page, header in enumerate(headers[file.path]):
            own = header.axes
            # The directories of an OME-TIFF may come in another order than its planes.
            at = {axis: own.number(axis) if own is not None and axis in axes else page for axis in file.pages}
            label = str(at["channel"] + 1) if "channel" in at else channel_label(file.get("channel") or "")
            found.append(
                Image(
                    file,
                    page,
                    header,
                    site=file.numbers.get("site"),
                    time=at.get("time", file.numbers.get("time")),
                    z=at.get("z", file.numbers.get("z")),
                    channel=label,
                    channel_name=own.channel_name if own is not None and "channel" in axes else None,
                )
            )
    return found


def channel_label(text: str) -> str:
    """A channel as it is called, numbers without zeros before them: '01' and '1' are one channel."""
    return str(int(text)) if text.isdecimal() else text


class Places:
    """Place along an axis, from 0, of the numbers in file names; None, where a name has none, is the first place.

    Only where numbered and unnumbered images are of the same stack do the unnumbered ones come before all others.
    """

    def __init__(self, numbers: Iterable[tuple[Hashable, int | None]]) -> None:
        """Learn from the stack and the number of every image."""
        stacks: dict[Hashable, set[int | None]] = defaultdict(set)
        for stack, number in numbers:
            stacks[stack].add(number)
        given_numbers = {number for each in stacks.values() for number in each if number is not None}
        mixed = any(None in each and len(each) > 1 for each in stacks.values())
        self._known: list[int | None] = [*([None] if mixed and 0 not in given_numbers else []), *sorted(given_numbers)]

    def of(self, number: int | None) -> int:
        """The place of a number."""
        return 0 if number is None else self._known.index(number)


def channel_order(labels: Iterable[str], given: Mapping[str, str]) -> list[str]:
    """Channels in order: numbers by number; names as `given` has them, then the others by name."""
    order = list(given)

    def key(label: str) -> tuple[int, int, str]:
        if label.isdigit():
            return 0, int(label), label
        return (1, order.index(label), label) if label in order else (2, 0, label)

    return sorted(set(labels), key=key)
