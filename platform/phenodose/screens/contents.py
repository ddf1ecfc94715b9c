"""What stands in the files of a screen: its layout and its readings, chosen and judged as screen.toml says.

Belongs here: the one way in which every face (`run`, the sensor, the graph) reads them, so that all give the same
sentences. Does not belong here: `score`, which has no folder and no screen.toml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from phenodose.errors import InputError, NotMade
from phenodose.screens.identity import Judgement, claims_of_images, claims_of_screen, judge
from phenodose.screens.inside import expect_files_inside
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.matrices import Readings, readings_of_screen
from phenodose.screens.screen import Screen
from phenodose.screens.well_classes import with_classes
from phenodose.time_courses.series import refuse_no_start

_SHEET = "sheet below [layout] in screen.toml"
_BLOCK = "block below [readings.{readout}] in screen.toml"


def layout_of_screen(screen: Screen) -> Layout:
    """The screen's layout, with the classes of curated wells; its notes tell names of the sample that do not fit.

    Raises:
        InputError: as `read_layout` and `with_classes`, or the names of the sample contradict each other.
    """
    layout = read_layout(screen.require_layout(), screen.settings.layout.sheet, _SHEET, screen.needs_positive)
    if screen.well_classes_path:
        layout = with_classes(layout, screen.well_classes_path)
    judged = judge(claims_of_screen(screen.id, screen.settings.sample, layout.path.name, layout.samples))
    judged.raise_if_contradicting(str(screen.folder))
    return replace(layout, notes=(*layout.notes, *judged.notes))


def readings_of(screen: Screen, readout: str, layout: Layout) -> Readings:
    """The plate-reader files of one readout, matched to the layout.

    Raises:
        NotMade: the screen has none.
        InputError: as `readings_of_screen`, or a link leaves the screen's folder.
    """
    folder = screen.readout_folders.get(readout)
    if folder is None or not any(path.is_file() for path in folder.iterdir()):
        raise NotMade(f"the screen has no {readout} files.")
    expect_files_inside(folder, screen.folder)
    said = claims_of_screen(screen.id, screen.settings.sample, layout.path.name, [])
    return readings_of_screen(folder, layout, screen.block_of(readout), said, _BLOCK.format(readout=readout))


def course_of(screen: Screen, readout: str, layout: Layout) -> dict[float, Readings]:
    """The plate-reader files of every time of a readout that was read several times, by hours; {} of any other.

    Raises:
        InputError: as `readings_of`, for any time; or no reading is of the start.
    """
    folders = screen.course_folders.get(readout, {})
    if not folders:
        return {}
    refuse_no_start(sorted(folders), f"{screen.folder.name}, readout {readout}")
    said = claims_of_screen(screen.id, screen.settings.sample, layout.path.name, [])
    found = {}
    for hours, folder in folders.items():
        expect_files_inside(folder, screen.folder)
        block = screen.block_of(readout)
        try:
            found[hours] = readings_of_screen(folder, layout, block, said, _BLOCK.format(readout=readout))
        except InputError as error:
            raise InputError(f"{readout}, read at {hours:g} h: {error}") from error
    return found


def judge_images(
    screen: Screen, layout: str, samples: Sequence[str], plate: str, called: Mapping[str, str]
) -> Judgement:
    """Whether what a microscope calls a plate fits the screen and the folder that its images lie in.

    Args:
        screen: the screen.
        layout: name of its layout file.
        samples: samples that the layout names.
        plate: name of the folder of images.
        called: what the plate is called, by where that is said (`PlateFacts.called`).
    """
    said = claims_of_screen(screen.id, screen.settings.sample, layout, samples)
    return judge([*said, *claims_of_images(plate, called)])
