"""A raw screen folder: what lies where, and what screen.toml says of it.

Belongs here: finding the layout, the plate folders and the plate-reader folders of a screen, reading
and writing screen.toml, and checking that they fit together. Does not belong here: the rows of the
layout (`layout`), the numbers of the plate reader (`matrices`), the pixels (reader plugins).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from phenodose.errors import Faults, InputError, MissingInputError
from phenodose.io.files import write_text
from phenodose.names import check_screen_id, plate_key, plate_sort_key
from phenodose.plates.tensor_inputs import DEFAULT_INPUTS, TensorInputs
from phenodose.screens.image_folders import dead_links, other_image_folders
from phenodose.screens.inside import expect_inside
from phenodose.screens.time_points import has_files, time_folders
from phenodose.settings.quality import QualitySettings, WellSettings

Kind = Literal["drug-screen", "control-experiment"]
ParametersByPlugin = Mapping[str, dict[str, Any]]

LAYOUT_NAMES = ("layout.xlsx", "layout.csv", "layout.tsv", "layout.txt")
WELL_CLASSES_NAME = "well_classes.csv"
DONE_MARK = "_DONE"
SETTINGS_NAME = "screen.toml"
_NAMED = 5


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ControlNames(_Section):
    """What the numbers of one readout mean: its controls, by well type or treatment, most wanted first."""

    negative: tuple[str, ...] = Field((), description="Wells that stand for viability 1")
    positive: tuple[str, ...] = Field((), description="Wells that stand for viability 0")
    rises_with: Literal["viability", "death"] | None = Field(None, description="What a larger raw value means")
    lower_anchor: float | str | None = Field(
        None, description="What stands for viability 0 without positive controls: a raw value, or the name of wells"
    )


class LayoutSettings(_Section):
    """Which table of the layout file is the layout."""

    sheet: str | None = Field(None, min_length=1, description="Sheet of a workbook with several layouts")
    well_classes: str | None = Field(
        None,
        min_length=1,
        description="Table of wells that a person has looked at (Plate, Well, WellClass), in the screen's folder; "
        "well_classes.csv if left out and there",
    )


class ReadingSettings(_Section):
    """Which plate of a plate-reader file is meant."""

    block: str | None = Field(None, min_length=1, description="Block or sheet of files that hold several plates")


class DrugAnnotation(_Section):
    """What is known of a drug; the class may be written `class` as in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    drug_class: str = Field("", alias="class", description="Class of the drug, such as MEK inhibitor")
    targets: tuple[str, ...] = Field((), description="Target genes")


class TensorSettings(_Section):
    """How images become tensors."""

    size_px: int = Field(224, ge=16, le=2048, description="Edge of the square tensor")
    inputs: TensorInputs = Field(
        DEFAULT_INPUTS,
        description="The three pictures that networks see, each MIP, MID, MIN, MEAN, SD or Z and a plane's number; of "
        "another channel than the nuclei with its number or name before it, as in 'PI:MIP'",
    )


class ImageSettings(_Section):
    """Which of several images of a well are looked at."""

    time: Annotated[int, Field(ge=0)] | Literal["first", "last"] = Field(
        "last", description="Time point of a time lapse: its number from 0, first, or last"
    )
    site: int | Literal["all"] | None = Field(
        None,
        description="Site of the wells, or all: side by side in tensors, averaged by measured readouts; if left out "
        "the first for tensors, the mean of all for measured readouts",
    )
    times_h: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (),
        description="Hours of every time point of a time lapse, ascending from 0, the start of the treatment: readouts "
        "of images then tell the viability at each (table time_courses)",
    )

    @field_validator("times_h")
    @classmethod
    def _from_the_start(cls, hours: tuple[float, ...]) -> tuple[float, ...]:
        if hours and (hours[0] != 0 or len(hours) < 2 or any(a >= b for a, b in pairwise(hours))):
            raise ValueError("name two hours or more, each later than the one before, the first 0")
        return hours


class ChannelSettings(_Section):
    """Which channel of the plate plays which role."""

    nuclei: Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)] = Field(
        0, description="The nuclear channel: its number from 0, or its name"
    )


class Settings(_Section):
    """The contents of screen.toml; every value has a default that works."""

    sample: str | None = Field(None, min_length=1, description="Cell line or patient sample (pseudonym)")
    kind: Kind | None = Field(None, description="drug-screen or control-experiment")
    entity: str | None = Field(None, description="Diagnosis")
    reader: str | None = Field(None, description="Reader plugin; found by itself if left out")
    phase1: str | None = Field(None, description="Control experiment whose phase I the screen starts from")
    layout: LayoutSettings = LayoutSettings()
    readings: dict[str, ReadingSettings] = Field({}, description="Plate-reader files by readout")
    tensors: TensorSettings = TensorSettings()
    images: ImageSettings = ImageSettings()
    channels: ChannelSettings = ChannelSettings()
    parameters: dict[str, dict[str, Any]] = Field({}, description="Parameters by plugin")
    controls: dict[str, ControlNames] = Field({}, description="Controls by readout")
    drugs: dict[str, DrugAnnotation] = Field({}, description="Annotations by drug")
    quality: QualitySettings = Field({}, description="Limits of quality figures, by figure")
    wells: WellSettings = Field(WellSettings(), description="What is done with doubtful wells")


@dataclass(frozen=True)
class Screen:
    """One raw screen folder, found and checked.

    Attributes:
        id: screen id, the folder's name.
        folder: the raw folder.
        settings: what screen.toml says, defaults filled in.
        layout_path: the layout file; None if there is none.
        plate_folders: raw image folder of every plate that has one, in plate order.
        readout_folders: plate-reader folder of every readout that has one; of one that was read several times the
            folder of the last time.
        course_folders: the folders of all times, by readout and hours, of those that were read several times.
        copy_of: the raw folder, if `folder` is the store's copy of its small files (`phenodose.screens.raw_copy`), as
            this machine has no such folder; None for a raw folder itself.
    """

    id: str
    folder: Path
    settings: Settings
    layout_path: Path | None
    plate_folders: Mapping[str, Path] = field(default_factory=dict)
    readout_folders: Mapping[str, Path] = field(default_factory=dict)
    course_folders: Mapping[str, Mapping[float, Path]] = field(default_factory=dict)
    copy_of: Path | None = None

    @classmethod
    def load(cls, folder: Path, plate_readers: Mapping[str, str] | None = None) -> Screen:
        """Look at a raw screen folder.

        Args:
            folder: the screen's folder; its name is the screen id.
            plate_readers: folder name of every plate-reader readout, by readout
                (`Registry.plate_reader_folders`); those of everything that is installed by default.

        Raises:
            InputError: the folder is not there, its name is no screen id, screen.toml is wrong (all
                faults in one message), or a link leaves the folder.
        """
        folder = Path(folder).expanduser().resolve()
        if not folder.is_dir():
            raise MissingInputError(f"{folder}: there is no such screen folder; check the path.")
        screen = check_screen_id(folder.name)
        settings = read_settings(expect_inside(folder / SETTINGS_NAME, folder))
        readers = _installed_plate_readers() if plate_readers is None else plate_readers
        places = {
            readout: expect_inside(folder / name, folder)
            for readout, name in sorted(readers.items())
            if (folder / name).is_dir()
        }
        # files beside such folders are the readings, as ever
        timed = {readout: time_folders(place) for readout, place in places.items() if not has_files(place)}
        last = {readout: expect_inside(times[max(times)], folder) for readout, times in timed.items() if times}
        layouts = [expect_inside(folder / name, folder) for name in LAYOUT_NAMES if (folder / name).is_file()]
        if len(layouts) > 1:
            raise InputError(
                f"{folder}: {len(layouts)} layouts ({', '.join(p.name for p in layouts)}); keep the one that counts."
            )
        taken = {path.name for path in places.values()}
        plates = [
            path
            for path in folder.iterdir()
            if path.is_dir() and path.name not in taken and plate_key(path.name).isdigit()
        ]
        return cls(
            id=screen,
            folder=folder,
            settings=settings,
            layout_path=layouts[0] if layouts else None,
            plate_folders={path.name: path for path in sorted(plates, key=lambda p: plate_sort_key(p.name))},
            readout_folders=places | last,
            course_folders={readout: times for readout, times in timed.items() if len(times) > 1},
        )

    @property
    def kind(self) -> Kind:
        """drug-screen or control-experiment; ids that end in _CE are control experiments by default."""
        if self.settings.kind is not None:
            return self.settings.kind
        return "control-experiment" if self.id.endswith("_CE") else "drug-screen"

    @property
    def sample(self) -> str:
        """The sample: from screen.toml, else the id without its _V<delivery>_DS<screen> or _CE ending."""
        if self.settings.sample is not None:
            return self.settings.sample
        return sample_of(self.id)

    @property
    def entity(self) -> str | None:
        """Diagnosis, if given."""
        return self.settings.entity

    @property
    def reader(self) -> str | None:
        """Reader plugin asked for; None to find it by itself."""
        return self.settings.reader

    @property
    def phase1(self) -> str | None:
        """Control experiment asked for; None for the newest in the store."""
        return self.settings.phase1

    @property
    def size_px(self) -> int:
        """Edge of the square tensors."""
        return self.settings.tensors.size_px

    @property
    def channel(self) -> int | str:
        """The nuclear channel: its number, or its name."""
        return self.settings.channels.nuclei

    @property
    def parameters(self) -> Mapping[str, dict[str, Any]]:
        """Parameters by plugin."""
        return self.settings.parameters

    @property
    def controls(self) -> Mapping[str, ControlNames]:
        """Controls by readout, where the file names them."""
        return self.settings.controls

    @property
    def needs_positive(self) -> bool:
        """Whether killed cells stand for viability 0 of every readout."""
        return all(one.lower_anchor is None for one in self.controls.values())

    @property
    def well_classes_path(self) -> Path | None:
        """The table of wells that a person has looked at: the one screen.toml names, else `well_classes.csv`."""
        named = self.settings.layout.well_classes
        usual = self.folder / WELL_CLASSES_NAME
        return self.folder / named if named else usual if usual.is_file() else None

    def block_of(self, readout: str) -> str | None:
        """The block of a readout's files that counts, where the file names one."""
        named = self.settings.readings.get(readout)
        return named.block if named else None

    @property
    def drugs(self) -> Mapping[str, DrugAnnotation]:
        """Annotations by drug."""
        return self.settings.drugs

    @property
    def is_done(self) -> bool:
        """Whether the copying side has said that it is done."""
        return (self.folder / DONE_MARK).exists()

    def told(self, text: str) -> str:
        """A sentence as it is said to people: of a copy, the files that they can change are those in the raw folder."""
        return text if self.copy_of is None else text.replace(str(self.folder), str(self.copy_of))

    def require_layout(self) -> Path:
        """The layout file, or a sentence on how to bring one."""
        if self.layout_path is None:
            near = [self.folder.parent, *sorted(path for path in self.folder.iterdir() if path.is_dir())]
            others = [path for path in near if any((path / name).is_file() for name in LAYOUT_NAMES)]
            hint = f" (there is one in {others[0]}: is that the screen's folder?)" if others else ""
            raise MissingInputError(
                f"{self.folder}: there is no layout{hint}; put one of {', '.join(LAYOUT_NAMES)} into the folder "
                "(columns Plate, Row, Column, Sample, WellType, Treatment, Concentration, Replicate)."
            )
        return self.layout_path

    def other_image_folders(self) -> list[str]:
        """Folders with images that are no plates by their names, relative to the screen's; '.' for its own."""
        of_readers = (path.relative_to(self.folder).parts[0] for path in self.readout_folders.values())
        taken = {*self.plate_folders, *of_readers}
        return other_image_folders(self.folder, taken)

    @property
    def has_readings(self) -> bool:
        """Whether a plate reader has left files in the screen's folder."""
        return any(path.is_file() for folder in self.readout_folders.values() for path in folder.iterdir())

    def match_plates(self, layout_plates: Sequence[str]) -> dict[str, Path]:
        """Raw image folder of every plate of the layout, by the layout's plate name.

        Returns:
            An empty mapping for a screen without any images.

        Raises:
            InputError: some plates have images and others not, a folder belongs to no plate of the layout, there are
                dead links, or the only images are in folders that are no plates by their names; all in one message.
        """
        faults = Faults(str(self.folder))
        faults.extend(dead_links(self.folder))
        if not self.plate_folders:
            others = [] if self.has_readings else self.other_image_folders()
            if others:
                listed = ", ".join(repr(name) for name in others[:_NAMED])
                faults.add(
                    f"there is no folder of a plate, and images are in {listed}; name the folder of each plate after "
                    f"it, for example {self.folder / _folder_name(next(iter(layout_plates), '1'))}."
                )
            faults.raise_if_any()
            return {}
        by_key = {plate_key(name): path for name, path in self.plate_folders.items()}
        matched: dict[str, Path] = {}
        for plate in layout_plates:
            path = by_key.pop(plate_key(plate), None)
            if path is None:
                faults.add(
                    f"plate {plate} of the layout has no image folder; copy it to {self.folder / _folder_name(plate)} "
                    "or take the plate out of the layout."
                )
            else:
                matched[plate] = path
        for path in by_key.values():
            faults.add(f"folder {path.name} belongs to no plate of the layout ({', '.join(layout_plates)}); rename it.")
        faults.raise_if_any()
        return matched


def sample_of(screen: str) -> str:
    """The sample of a screen id: 'INF_R_1025_primary_V2_DS1' -> 'INF_R_1025_primary', 'X_CE' -> 'X'."""
    import re

    return re.sub(r"(?:_V\d+)?(?:_DS\d+|_CE)\Z", "", screen) or screen


def read_settings(path: Path) -> Settings:
    """Read screen.toml; a missing file means all defaults.

    Raises:
        InputError: the file is not TOML or says something unknown; all faults in one message.
    """
    if not path.is_file():
        return Settings()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}; mend the line or delete the file.") from error
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        faults = Faults(str(path))
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                faults.add(f"{place}: there is no such setting; known are {', '.join(Settings.model_fields)}.")
            else:
                faults.add(f"{place}: {fault['msg'].removeprefix('Value error, ')}.")
        faults.raise_if_any()
        raise


def settings_toml(screen: Screen) -> str:
    """The screen.toml that says what was found, in words a person can change."""
    import tomli_w

    said = screen.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    values = {**said, "sample": screen.sample, "kind": screen.kind}
    # Fields in their order, plain values before tables; what is empty says nothing.
    in_order = {name: values[name] for name in Settings.model_fields if values.get(name)}
    return tomli_w.dumps(in_order)


def init_screen(
    folder: Path,
    overwrite: bool = False,
    plate_readers: Mapping[str, str] | None = None,
    settle: Callable[[ParametersByPlugin], ParametersByPlugin] = dict,
) -> Path:
    """Write screen.toml from what lies in the folder.

    Args:
        folder: the screen's folder.
        overwrite: whether a screen.toml that is there is replaced.
        plate_readers: as for `Screen.load`.
        settle: from the parameters by plugin that the folder's screen.toml says to those that are written.

    Raises:
        InputError: the folder is no screen, or it has a screen.toml and `overwrite` is False.
    """
    screen = Screen.load(folder, plate_readers)
    path = screen.folder / SETTINGS_NAME
    if path.exists() and not overwrite:
        raise InputError(f"{path}: there is one already; delete it first, or edit it.")
    settings = screen.settings.model_copy(update={"parameters": dict(settle(screen.parameters))})
    write_text(path, settings_toml(replace(screen, settings=settings)))
    return path


def _folder_name(plate: str) -> str:
    return f"P{plate}" if plate.isdigit() else plate


def _installed_plate_readers() -> dict[str, str]:
    from phenodose.plugins import registry

    return registry().plate_reader_folders()
