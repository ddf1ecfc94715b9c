"""Which of several images of a well is looked at: the time point and the site of a screen.

Belongs here: the choice, made once for tensors and measured readouts, and the sentence on it. Does not belong here:
reading the images (`phenodose.plates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phenodose.pipeline.context import Context
    from phenodose.plates.plate import Plate


def image_hashes(step: Context, plates: Mapping[str, Plate]) -> dict[str, str]:
    """Hash of the raw images of every plate of the screen, as the table `plates` has it.

    Raises:
        StoreError: one of the plates holds others.
    """
    rows = step.store.read_table("plates", step.screen_id, "plate_images")
    hashes = {str(name): str(raw) for name, raw in zip(rows["plate"], rows["raw_hash"], strict=True)}
    for name, plate in plates.items():
        plate.expected(name, hashes.get(name, ""))
    return hashes


def chosen_plates(step: Context, paths: Mapping[str, str], averaged: bool) -> tuple[dict[str, Plate], list[str]]:
    """The plates of a screen, each meaning the time point and site that screen.toml names under [images].

    Args:
        step: screen and store.
        paths: place of every plate by its name, as the table `plates` holds it.
        averaged: whether all sites are averaged where none is chosen; else the first is taken.

    Returns:
        The plates by name, and a sentence on every choice of several.

    Raises:
        InputError: a plate has no such time point or site.
        StoreError: another plate lies in the place of one.
    """
    from phenodose.plates.plate import Plate

    wanted = step.screen.settings.images
    opened = {name: Plate.open(step.store.plate_at(path)).expected(name) for name, path in paths.items()}
    plates = {name: plate.at(wanted.time, wanted.site) for name, plate in opened.items()}
    said: dict[str, list[str]] = {}
    for name, plate in plates.items():
        if plate.shape.n_times > 1:
            text = (
                f"{plate.shape.n_times} time points, of which number {plate.chosen_time}, counted from 0, is looked "
                "at; name another as `time` under [images] in screen.toml"
            )
            said.setdefault(text, []).append(name)
        sites = plate.shape.sites
        if len(sites) > 1 and plate.sites_together and not averaged:
            text = f"{len(sites)} sites a well, which tensors show side by side"
            said.setdefault(text, []).append(name)
        elif len(sites) > 1 and not (averaged and plate.chosen_site is None):
            text = (
                f"{len(sites)} sites a well, of which site {plate.meant_sites[0]} is looked at; name another as `site` "
                '(or "all") under [images] in screen.toml'
            )
            said.setdefault(text, []).append(name)
    return plates, [f"plate {', '.join(names)}: {text}." for text, names in said.items()]
