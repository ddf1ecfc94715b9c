"""Do the plates of one screen fit each other: channels, pixel size, distance of planes, bit depth, objective.

Plates of a screen are measured by the same channel number, so a plate whose channel 0 is another dye than that of the
others gives numbers that look like any others. That is a fault, unless the screen names its channel (`nuclei =
"Hoechst"`) and every plate has it. What else differs is said.

Belongs here: what is compared, from an index of planes (before anything is written) or from plates. Does not belong
here: which plates a screen has (`phenodose.screens`), plate-reader files.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.plate import Plate

#: Steps that differ by less are rounded differently.
_SAME = 0.01
_BIT_DEPTH = "Camera Bit Depth"
#: Emissions that differ by less are written differently.
_SAME_NM = 2.0
_BARCODE = re.compile(r"bar.?code", re.IGNORECASE)
_NAMES = ("plate_name", "acquisition")
_OBJECTIVE_TAGS = ("_MagSetting_", "Objective", "ObjectiveName", "objective")


@dataclass(frozen=True)
class PlateFacts:
    """What is compared of a plate.

    Attributes:
        channels: name of every channel; None where nothing names it.
        pixel_size_um: width of a pixel; None if not known.
        z_step_um: distance of planes; None if not known.
        dtype: numpy name of the pixel type.
        objective: as the instrument writes it; None if it does not.
        wavelengths_nm: emission of every channel; None where it is not known.
        bit_depth: of the camera, as the instrument writes it; None if it does not.
        called: what the microscope calls the plate, by where it says so.
        exposures_ms: median exposure time by channel number, of the channels of which it is known.
    """

    channels: tuple[str | None, ...]
    pixel_size_um: float | None
    z_step_um: float | None
    dtype: str
    objective: str | None
    wavelengths_nm: tuple[float | None, ...] = ()
    bit_depth: str | None = None
    called: Mapping[str, str] = field(default_factory=dict)
    exposures_ms: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of_index(cls, index: pd.DataFrame, instrument: Mapping[str, Any]) -> PlateFacts:
        """Of a plate that is not ingested yet.

        Args:
            index: its index of planes, with at least one.
            instrument: what the reader says of it (`plate_metadata`).
        """
        from phenodose.plates.plan import shape_of

        text = next((text for text in index["metadata"] if text), None)
        tags = json.loads(str(text)) if text else {}
        shape = shape_of(index)
        times = index["exposure_ms"].to_numpy(dtype=float, na_value=math.nan)
        planes = zip(index["channel"], times.tolist(), strict=True)
        return cls.of_shape(shape, tags, instrument, _exposures(planes))

    @classmethod
    def of_plate(cls, plate: Plate) -> PlateFacts:
        """Of a plate in the store."""
        well = plate.metadata(plate.wells[0]) if plate.wells else {}
        planes = ((plane["channel"], plane["exposure_ms"]) for plane in well.get("planes", []))
        return cls.of_shape(plate.shape, well.get("tags", {}), plate.instrument, _exposures(planes))

    @classmethod
    def of_shape(
        cls, shape: Any, tags: Mapping[str, Any], instrument: Mapping[str, Any], exposures_ms: Mapping[int, float]
    ) -> PlateFacts:
        """Of a plate's shape (`PlateShape`), the tags of an image, what the instrument says, and exposure times."""
        names = [channel.name for channel in shape.channels]
        return cls(
            # A name that only counts is none.
            tuple(None if name == f"channel {number}" else name for number, name in enumerate(names, start=1)),
            shape.pixel_size_um,
            shape.z_step_um,
            shape.dtype,
            _objective(tags, instrument),
            tuple(channel.wavelength_nm for channel in shape.channels),
            str(tags[_BIT_DEPTH]) if tags.get(_BIT_DEPTH) else None,
            _called(tags, instrument),
            exposures_ms,
        )

    def told_channel(self, number: int, with_emission: bool) -> str | None:
        """A channel's name and, where wanted, its emission, as far as they are known; None if neither is."""
        if number >= len(self.channels):
            return "(no such channel)"
        nm = self.wavelengths_nm[number] if number < len(self.wavelengths_nm) else None
        return " ".join(filter(None, (self.channels[number], f"({nm:g} nm)" if nm and with_emission else ""))) or None

    @property
    def told_channels(self) -> str:
        """The channels in words: 'Hoechst, Cy5'."""
        return ", ".join(name or f"channel {number}" for number, name in enumerate(self.channels, start=1))


def _exposures(planes: Iterable[tuple[Any, Any]]) -> dict[int, float]:
    """Median exposure time in ms by channel, of (channel, exposure time or nothing) of every plane."""
    by_channel: dict[int, list[float]] = {}
    for channel, exposure_ms in planes:
        if exposure_ms is not None and math.isfinite(exposure_ms):
            by_channel.setdefault(int(channel), []).append(float(exposure_ms))
    return {channel: statistics.median(values) for channel, values in by_channel.items()}


def _called(tags: Mapping[str, Any], instrument: Mapping[str, Any]) -> dict[str, str]:
    """Names of the plate in an image's tags and the instrument's record; the measurement's name holds one at times."""
    found = {f"the tag {name!r} of its images": value for name, value in tags.items() if _BARCODE.search(name)}
    found |= {f"the {name.replace('_', ' ')} of its images": instrument.get(name) for name in _NAMES}
    return {where: value.strip() for where, value in found.items() if isinstance(value, str) and value.strip()}


@dataclass(frozen=True)
class Agreement:
    """What does not fit: faults that forbid to measure the plates alike, and notes on what a person should know."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare_plates(plates: Mapping[str, PlateFacts], nuclei: int | str = 0) -> Agreement:
    """Compare the plates of one screen.

    Args:
        plates: what is known of every plate, by its name.
        nuclei: the channel that is measured: its number, or its name.
    """
    found = Agreement()
    _compare_channels(plates, nuclei, found)
    for what, values in (
        ("pixels", {name: _um(facts.pixel_size_um) for name, facts in plates.items()}),
        ("planes", {name: _um(facts.z_step_um) for name, facts in plates.items()}),
    ):
        numbers = {name: value for name, value in values.items() if value is not None}
        if numbers and not math.isclose(min(numbers.values()), max(numbers.values()), rel_tol=_SAME):
            listed = _grouped({name: f"{value:g} um" for name, value in numbers.items()})
            found.notes.append(f"The plates have {what} at other distances: {listed}; their images are not alike.")
    types = {name: facts.dtype for name, facts in plates.items()}
    if len(set(types.values())) > 1:
        found.notes.append(
            f"The plates have pixels of other types: {_grouped(types)}; their grey values are on other scales."
        )
    depths = {name: facts.bit_depth for name, facts in plates.items() if facts.bit_depth}
    if len(set(depths.values())) > 1:
        found.notes.append(
            f"The plates were imaged with other bit depths of the camera: {_grouped(depths)}; their grey values are on "
            "other scales."
        )
    for channel in sorted({channel for facts in plates.values() for channel in facts.exposures_ms}):
        known = {name: facts.exposures_ms[channel] for name, facts in plates.items() if channel in facts.exposures_ms}
        if not math.isclose(min(known.values()), max(known.values()), rel_tol=_SAME):
            listed = _grouped({name: f"{value:g} ms" for name, value in known.items()})
            found.notes.append(
                f"The plates were exposed for other times in channel {channel}: {listed}; their grey values are on "
                "other scales."
            )
    objectives = {name: facts.objective for name, facts in plates.items() if facts.objective}
    if len(set(objectives.values())) > 1:
        found.notes.append(f"The plates were imaged with other objectives: {_grouped(objectives)}.")
    return found


def channel_number(channels: Sequence[Any], channel: int | str, where: str) -> int:
    """The number of a channel, from 0, by its name; a number stays.

    Args:
        channels: channels of a plate, with `name`.
        channel: number or name.
        where: the plate, for the message.

    Raises:
        InputError: the plate has no channel of that name, or several.
    """
    if isinstance(channel, int):
        return channel
    names = [str(each.name) for each in channels]
    found = [number for number, name in enumerate(names) if _key(name) == _key(channel)]
    if len(found) != 1:
        raise InputError(
            f"{where}: {'no' if not found else 'more than one'} channel is named {channel!r}; its channels are "
            f"{', '.join(f'{number} {name!r}' for number, name in enumerate(names))}: give one by its name or number."
        )
    return found[0]


def _compare_channels(plates: Mapping[str, PlateFacts], nuclei: int | str, found: Agreement) -> None:
    lists = {name: facts.told_channels for name, facts in plates.items()}
    if isinstance(nuclei, str):
        lacking = [
            name
            for name, facts in plates.items()
            if sum(_key(channel) == _key(nuclei) for channel in facts.channels if channel) != 1
        ]
        if lacking:
            found.faults.append(
                f"the nuclear channel is {nuclei!r} (`nuclei` in [channels] of screen.toml), and "
                f"{_plates(lacking)} {'has' if len(lacking) == 1 else 'have'} no such channel: {_grouped(lists)}; take "
                "these plates out, or export the channel, too."
            )
            return
    else:
        keys = {_key(facts.channels[nuclei]) for facts in plates.values() if nuclei < len(facts.channels)} - {""}
        emissions = [
            nm for facts in plates.values() for nm in facts.wavelengths_nm[nuclei : nuclei + 1] if nm is not None
        ]
        other_dye = bool(emissions) and max(emissions) - min(emissions) > _SAME_NM
        if len(keys) > 1 or other_dye or any(nuclei >= len(facts.channels) for facts in plates.values()):
            channels = {name: facts.told_channel(nuclei, len(keys) < 2) for name, facts in plates.items()}
            first = next((facts.channels[nuclei] for facts in plates.values() if nuclei < len(facts.channels)), None)
            found.faults.append(
                f"channel {nuclei}, which is measured as the nuclei, is not the same on all plates: "
                f"{_grouped({name: channel or 'without a name' for name, channel in channels.items()})} (channels: "
                f'{_grouped(lists)}); name it in screen.toml ([channels] nuclei = "{first or "..."}"), or take the '
                "plates that lack it out."
            )
            return
    orders = {tuple(map(_key, facts.channels)) for facts in plates.values() if None not in facts.channels}
    if len(orders) > 1 or len({len(facts.channels) for facts in plates.values()}) > 1:
        found.notes.append(f"The plates do not have the same channels: {_grouped(lists)}.")


def _key(name: str | None) -> str:
    return " ".join((name or "").casefold().split())


def _um(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _objective(tags: Mapping[str, Any], instrument: Mapping[str, Any]) -> str | None:
    said = [tags.get(name) for name in _OBJECTIVE_TAGS] + [instrument.get("objective")]
    return next((" ".join(str(each).split()) for each in said if each), None)


def _plates(names: Sequence[str]) -> str:
    return f"plate {names[0]}" if len(names) == 1 else f"plates {', '.join(names)}"


def _grouped(values: Mapping[str, str]) -> str:
    """'P1, P2: Hoechst, Cy5; P3: Cy5': the plates by what they have."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    return "; ".join(f"{', '.join(names)}: {value}" for value, names in groups.items())
