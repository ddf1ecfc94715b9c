"""Which images of a external plate's wells are which: acquisitions, sites, and the fields of an exported plate.

Belongs here: choosing and numbering images. Does not belong here: what an image says (`external_image`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phenodose.errors import Faults
from phenodose.io.places import folders
from phenodose.io.zipped import stored_twice
from phenodose.plates.external_image import ome_attributes

_NAMED = 6


@dataclass(frozen=True)
class ListedImage:
    """An image as a well lists it.

    Attributes:
        path: its group within the well.
        acquisition: the acquisition it is of; None if the well does not say.
        there: whether there is such a group.
        site: number of the site, where this project exported the plate; None else.
        kind: stack, maximum, ... where this project exported the plate; '' else.
    """

    path: str
    acquisition: Any
    there: bool
    site: int | None = None
    kind: str = ""


@dataclass(frozen=True)
class ListedWell:
    """A well with the images that it lists; none if not a single one is there."""

    name: str
    path: str
    images: tuple[ListedImage, ...]


def listed_well(name: str, path: str, well: Any, folder: Path, own: Mapping[str, Any]) -> ListedWell:
    """The images that a well's attributes list.

    Args:
        name: the well's name.
        path: its group in the plate.
        well: the attributes' `well`.
        folder: the plate.
        own: what this project wrote of the well, if it exported the plate; else {}.
    """
    listed = well.get("images") if isinstance(well, dict) else None
    fields = {str(each["path"]): each for each in own.get("fields", [])}
    images = [
        ListedImage(
            image := str(each.get("path")),
            each.get("acquisition"),
            (folder / path / image).is_dir(),
            fields[image]["site"] if image in fields else None,
            fields[image]["kind"] if image in fields else "",
        )
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]
    return ListedWell(name, path, tuple(images) if any(image.there for image in images) else ())


def chosen_acquisition(
    plate: Mapping[str, Any], wells: Sequence[ListedWell], wanted: str | None, faults: Faults
) -> tuple[list[ListedWell], str]:
    """The wells with the images of one acquisition, and its name where there are several.

    Several acquisitions (the same wells imaged again, on another day or in another dye) are no sites of one: which one
    counts is the user's choice.

    Args:
        plate: the plate's attributes.
        wells: its wells.
        wanted: name or id of an acquisition; None for the only one.
        faults: takes a sentence where there are several and none, or one that is not there, is wanted.
    """
    listed = plate.get("acquisitions")
    known = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    named = {str(each.get("id")): str(each.get("name") or each.get("id")) for each in known}
    used = {str(image.acquisition) for well in wells for image in well.images if image.acquisition is not None}
    silent = [well.name for well in wells for image in well.images if image.acquisition is None]
    order = [each for each in named if each in used] + sorted(used - set(named))
    text = ", ".join(f"{number} {named[number]!r}" if number in named else number for number in order[:_NAMED])
    if wanted is not None:
        found = [number for number in order if wanted in (number, named.get(number))]
        if len(found) != 1:
            faults.add(
                f"there is no acquisition {wanted!r}; its images are of {text or 'no acquisition that they name'}."
                if not found
                else f"{len(found)} acquisitions are called {wanted!r}; give the id: {', '.join(found)}."
            )
            return list(wells), ""
        kept = [_of_acquisition(well, found[0]) for well in wells]
        several = len(order) > 1 or bool(silent)
        return [well for well in kept if well.images], _acquisition_name(found[0], named) if several else ""
    if len(order) > 1 or (order and silent):
        more = f"; images of {', '.join(dict.fromkeys(silent[:_NAMED]))} do not say" if silent else ""
        example = f'acquisition = "{_label(order[0], named)}"'
        faults.add(
            f"the images are of {len(order)} acquisitions ({text}{more}): which one counts only you know; name it with "
            f"the reader's parameter `acquisition`: {example} in its table of [parameters] of screen.toml, or "
            f"--param {example.replace(' = ', '=')} behind --reader."
        )
    elif len(known) > 1 and not order and any(len(well.images) > 1 for well in wells):
        faults.add(
            f"the plate lists {len(known)} acquisitions ({', '.join(named.values())}), and its images do not say which "
            "they are of; write `acquisition` into the wells' attributes where the plate was made."
        )
    return list(wells), ""


def by_site(
    wells: Sequence[ListedWell], by_path: bool
) -> tuple[tuple[int, ...], list[tuple[ListedWell, tuple[str | None, ...]]]]:
    """Numbers of the sites, and the image path of every site of every well (None if it has not).

    Images of the same path are the same site in all wells, so that a field that one well lacks moves no other; where
    paths are each well's own, the order counts.

    Args:
        wells: the wells.
        by_path: whether paths may tell sites.
    """
    if any(image.kind for well in wells for image in well.images):
        kind = kinds_of(wells)[0]
        wells = [replace(well, images=tuple(i for i in well.images if i.kind == kind)) for well in wells]
        sites = tuple(sorted({image.site for well in wells for image in well.images if image.site is not None}))
        return sites, [(well, _at(sites, {image.site: image for image in well.images})) for well in wells]
    longest = max((well.images for well in wells), key=len, default=())
    paths = list(dict.fromkeys(image.path for image in (*longest, *(i for well in wells for i in well.images))))
    if len(paths) > len(longest) and all(path.isdigit() for path in paths):
        paths.sort(key=int)
    most, total = len(longest), sum(len(well.images) for well in wells)
    if by_path and (len(paths) == most or len(paths) < total):
        found = [(well, _at(paths, {image.path: image for image in well.images})) for well in wells]
        return tuple(range(1, len(paths) + 1)), found
    numbered = [(well, _at(range(most), dict(enumerate(well.images)))) for well in wells]
    return tuple(range(1, most + 1)), numbered


def unlisted_groups(folder: Path, wells: Sequence[ListedWell]) -> list[str]:
    """Sentences on wells that are there and that the plate does not list, and on images that a well does not list."""
    known = {well.path for well in wells}
    there = [f"{row.name}/{well.name}" for row in folders(folder) for well in folders(row)]
    lost = [path for path in there if path not in known and _has(folder / path, "well")]
    images = [
        f"{well.path}/{image.name}"
        for well in wells
        for image in folders(folder / well.path)
        if image.name not in {each.path for each in well.images} and _has(image, "multiscales")
    ]
    return [
        f"{len(paths)} {what} and are passed over: {', '.join(paths[:_NAMED])}"
        f"{f' and {len(paths) - _NAMED} more' if len(paths) > _NAMED else ''}."
        for paths, what in (
            (lost, "wells are there that the plate does not list"),
            (images, "images are there that their wells do not list"),
        )
        if paths
    ]


def _has(folder: Path, key: str) -> bool:
    return key in ome_attributes(folder)


def chunks_twice(folder: Path) -> list[str]:
    """A sentence on pixels that an archive holds twice."""
    twice = stored_twice(folder)
    return [f"{len(twice)} chunks are twice in the archive, and the last one counts: {twice[0]} ..."] if twice else []


def other_places(plate: Mapping[str, Any]) -> list[str]:
    """A sentence on wells whose numbers of row and column lead to another place than their path; the path counts."""
    found = []
    listed = plate.get("wells")
    for each in [one for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict)]:
        row, column = (
            _name_at(plate.get(axis), each.get(number))
            for axis, number in (("rows", "rowIndex"), ("columns", "columnIndex"))
        )
        named = str(each.get("path", "")).split("/")
        if len(named) == 2 and ((row or named[0]), (column or named[1])) != tuple(named):
            found.append(f"{each['path']} ({row or named[0]}/{column or named[1]} by its indices)")
    if not found:
        return []
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return [
        f"{len(found)} wells have a rowIndex or columnIndex of another well; their paths count: "
        f"{', '.join(found[:_NAMED])}{more}."
    ]


def _name_at(listed: Any, number: Any) -> str | None:
    """The name of a row or column in the plate's list; None where the list has not so many."""
    if not isinstance(listed, list) or not isinstance(number, int) or not 0 <= number < len(listed):
        return None
    name = listed[number].get("name") if isinstance(listed[number], dict) else None
    return None if name is None else str(name)


def kinds_of(wells: Sequence[ListedWell]) -> tuple[str, ...]:
    """Kinds of image: those of an exported plate of this project in the order of its fields; else the stack."""
    listed = [image.kind for well in wells[:1] for image in well.images if image.kind]
    return tuple(dict.fromkeys(listed)) or ("stack",)


def _at(places: Sequence[Any], images: Mapping[Any, ListedImage]) -> tuple[str | None, ...]:
    found = [images.get(place) for place in places]
    return tuple(image.path if image is not None and image.there else None for image in found)


def _of_acquisition(well: ListedWell, number: str) -> ListedWell:
    kept = tuple(image for image in well.images if str(image.acquisition) == number)
    return replace(well, images=kept if any(image.there for image in kept) else ())


def _acquisition_name(number: str, named: Mapping[str, str]) -> str:
    return f"{number} {named[number]!r}" if named.get(number, number) != number else number


def _label(number: str, named: Mapping[str, str]) -> str:
    """What the user writes: the name where it is one acquisition's alone, else the id."""
    name = named.get(number, number)
    return name if list(named.values()).count(name) == 1 else number
