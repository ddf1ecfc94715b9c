"""The public iTRADE data set arranged as screen folders.

The data set keeps all images of a screen in one folder, and layouts and matrices apart:

    Images/<screen>/<screen>_P<plate>_<well>_{proj,midz}_224x224.tif
    Layouts/Layout_DS.csv, Layout_CE.csv, Drugs.csv
    Metabolic/<screen>/*.txt, MeanOfStack/<screen>/*.txt

Belongs here: which file goes where. Does not belong here: reading the images (the reader `itrade`), layouts
(`layout`) and matrices (`matrices`).
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.files import written_aside
from phenodose.names import check_screen_id
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.screen import DONE_MARK, SETTINGS_NAME, sample_of

_IMAGE = re.compile(r"(.+)_P([0-9]+)_[A-Z]{1,2}[0-9]{2}_(?:proj|midz)_[0-9]+x[0-9]+\.tiff?\Z", re.IGNORECASE)
_PLATE = re.compile(r"(?:\A|[^A-Za-z0-9])(?:plate|[pn])?[ _-]*0*([0-9]+)(?![0-9])", re.IGNORECASE)
_CONTROL_ENDING = "_CE"
_CLASS_COLUMNS = ("GroupName", "GroupAbbr")


@dataclass(frozen=True)
class Arranged:
    """One screen that was arranged.

    Attributes:
        screen: the screen's id.
        folder: its folder.
        plates: its plates, such as P1.
        n_images: images linked or copied.
        has_metabolic: whether plate-reader matrices came along.
        has_mean_of_stack: whether matrices of the mean of stack came along.
    """

    screen: str
    folder: Path
    plates: tuple[str, ...]
    n_images: int
    has_metabolic: bool
    has_mean_of_stack: bool


def screens_of(data: Path) -> list[str]:
    """Screens of the data set, in order.

    Raises:
        InputError: the folder is not the data set's.
    """
    images = data / "Images"
    if not images.is_dir():
        raise MissingInputError(
            f"{data}: there is no folder Images; give the folder of the iTRADE data set, which holds Images, Layouts, "
            "Metabolic and MeanOfStack."
        )
    found = sorted(path.name for path in images.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise InputError(f"{images}: there is no folder of a screen in it; unpack the images of the data set.")
    return found


def arrange(data: Path, out: Path, screens: Sequence[str] = ()) -> list[Arranged]:
    """Arrange screens of the data set as screen folders below `out`.

    Images and matrices are hard links where the file system can, else copies. Each screen is written aside and moved
    into place whole; one that is there already is left as it is.

    Args:
        data: the folder of the data set.
        out: the folder that gets the screen folders.
        screens: those to arrange; all by default.

    Raises:
        InputError: a file is missing or belongs to no plate; all faults of all screens in one message, and then
            nothing is written.
    """
    known = screens_of(data)
    faults = Faults(str(data))
    for screen in screens:
        if screen not in known:
            faults.add(f"there is no screen {screen!r}; there are {', '.join(known[:8])}.")
    plans = [_plan(data, screen, faults) for screen in (screens or known) if screen in known]
    faults.raise_if_any()
    arranged = []
    for plan in plans:
        folder = out / plan.screen
        if not folder.exists():
            with written_aside(folder) as aside:
                _write(plan, aside)
        arranged.append(
            Arranged(
                plan.screen,
                folder,
                tuple(sorted(plan.images)),
                sum(map(len, plan.images.values())),
                bool(plan.metabolic),
                bool(plan.mean_of_stack),
            )
        )
    return arranged


@dataclass
class _Plan:
    screen: str
    layout: Path
    settings: dict[str, Any]
    images: dict[str, list[Path]]
    metabolic: dict[str, Path]
    mean_of_stack: dict[str, Path]


def _plan(data: Path, screen: str, faults: Faults) -> _Plan:
    images: dict[str, list[Path]] = defaultdict(list)
    try:
        check_screen_id(screen)
    except InputError as error:
        faults.add(str(error))
    for path in sorted((data / "Images" / screen).iterdir()):
        match = _IMAGE.match(path.name)
        if match is not None:
            images[f"P{int(match.group(2))}"].append(path)
    if not images:
        faults.add(f"Images/{screen} holds no image named {screen}_P1_B02_proj_224x224.tif; unpack the images again.")
    is_control = screen.upper().endswith(_CONTROL_ENDING)
    layout_path = data / "Layouts" / f"Layout_{'CE' if is_control else 'DS'}.csv"
    settings: dict[str, Any] = {
        "sample": sample_of(screen),
        "kind": "control-experiment" if is_control else "drug-screen",
        "reader": "itrade",
    }
    try:
        layout = read_layout(layout_path)
    except InputError as error:
        faults.add(str(error))
    else:
        drugs = _drug_classes(data / "Layouts" / "Drugs.csv", layout)
        if drugs:
            settings["drugs"] = {drug: {"class": name} for drug, name in sorted(drugs.items())}
    return _Plan(
        screen,
        layout_path,
        settings,
        dict(images),
        _matrices(data, "Metabolic", screen, images, faults),
        _matrices(data, "MeanOfStack", screen, images, faults),
    )


def _matrices(data: Path, folder: str, screen: str, plates: Iterable[str], faults: Faults) -> dict[str, Path]:
    """Matrix file of every plate; {} if the data set has none of the screen."""
    place = data / folder / screen
    files = sorted(place.glob("*.txt")) if place.is_dir() else []
    known = sorted(plates)
    if len(files) == 1 and len(known) == 1:
        return {known[0]: files[0]}
    found: dict[str, Path] = {}
    for file in files:
        numbers = _PLATE.findall(file.stem.replace(screen, "", 1))
        plate = f"P{int(numbers[-1])}" if numbers else ""
        if plate not in known:
            faults.add(
                f"{folder}/{screen}/{file.name}: its name tells none of the plates {', '.join(known)}; name it "
                f"{screen}_{known[0] if known else 'P1'}.txt."
            )
        elif plate in found:
            faults.add(f"{folder}/{screen}: {found[plate].name} and {file.name} are both plate {plate}; keep one.")
        else:
            found[plate] = file
    for plate in known:
        if files and plate not in found:
            faults.add(f"{folder}/{screen}: there is no matrix of plate {plate}; expected {screen}_{plate}.txt.")
    return found


def _drug_classes(path: Path, layout: Layout) -> dict[str, str]:
    """Class of every drug that the file names; the drug's column is the one that shares most values with the layout."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        rows = list(csv.DictReader(handle))
    treatments = {treatment.casefold(): treatment for treatment in layout.drugs}
    classes = next((name for name in _CLASS_COLUMNS if rows and name in rows[0]), None)
    if classes is None:
        return {}
    shared = {
        column: sum((row[column] or "").strip().casefold() in treatments for row in rows)
        for column in rows[0]
        if column not in _CLASS_COLUMNS and column is not None
    }
    column = max(shared, key=lambda name: shared[name], default=None)
    if column is None or not shared[column]:
        return {}
    named = {(row[column] or "").strip().casefold(): (row[classes] or "").strip() for row in rows}
    return {treatments[key]: name for key, name in named.items() if key in treatments and name}


def _write(plan: _Plan, folder: Path) -> None:
    import tomli_w

    for plate, images in plan.images.items():
        (folder / plate).mkdir(parents=True)
        for image in images:
            _link(image, folder / plate / image.name)
    for plate, matrix in plan.metabolic.items():
        _link(matrix, folder / "ctg" / f"{plan.screen}_{plate}.txt")
    for plate, matrix in plan.mean_of_stack.items():
        _link(matrix, folder / plate / f"mean_of_stack_{plate}.txt")
    shutil.copyfile(plan.layout, folder / "layout.csv")
    (folder / SETTINGS_NAME).write_text(tomli_w.dumps(plan.settings), encoding="utf-8")
    (folder / DONE_MARK).touch()


def _link(source: Path, target: Path) -> None:
    """A hard link, so that the images lie on the disk once; a copy where the file system cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
