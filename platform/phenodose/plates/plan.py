"""What a plate will look like, decided from the index of planes before anything is written.

A plate has one shape: every well has the same sites, channels, time points, planes and pixels; what a well lacks is
left unwritten. Each site of a well gives one image per kind: the stack, the maximum projection, and any other
projection that the instrument made. They are the well's fields in this order: the stacks of all sites, then the
maxima of all sites, then the others. With one site, field `0` is the stack and field `1` the maximum.

Belongs here: the plan and every check that spans planes. Does not belong here: checks of one file (`tiff`), writing
(`well_writer`).
"""

from __future__ import annotations

import pickle
import zlib
from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from phenodose import names
from phenodose.errors import Faults, PluginError
from phenodose.io.files import hash_json
from phenodose.plates.plane_index import PLANES

if TYPE_CHECKING:
    import pandas as pd

#: Version of the plate's own layout and metadata; another one re-ingests every well.
PLATE_FORMAT = 2
STACK, MAXIMUM = "stack", "maximum"
_PIXEL_TYPES = ("uint8", "uint16")
_ROWS_AT_ONCE = 1024
_Plane = namedtuple("_Plane", PLANES.column_names)  # type: ignore[misc]


@dataclass(frozen=True)
class Channel:
    """One channel of a plate.

    Attributes:
        name: name of the illumination setting, made unique within the plate.
        wavelength_nm: emission wavelength; None if the instrument does not say.
    """

    name: str
    wavelength_nm: float | None


@dataclass(frozen=True)
class Field:
    """One image of a well: a site seen as a stack or as a projection."""

    path: str
    site: int
    kind: str


@dataclass(frozen=True)
class PlateShape:
    """What all wells of a plate have in common.

    Attributes:
        n_times: time points.
        n_planes: planes of the stack; 1 if there are only projections.
        size_y_px: height.
        size_x_px: width.
        dtype: numpy name of the pixel type.
        pixel_size_um: width of a pixel; None if the instrument does not say.
        z_step_um: nominal distance of planes; None if the instrument does not say.
        channels: the channels in order.
        sites: numbers of the sites in order.
        kinds: 'stack', 'maximum' and other projections, in order of the fields.
    """

    n_times: int
    n_planes: int
    size_y_px: int
    size_x_px: int
    dtype: str
    pixel_size_um: float | None
    z_step_um: float | None
    channels: tuple[Channel, ...]
    sites: tuple[int, ...]
    kinds: tuple[str, ...]

    @property
    def plane_bytes(self) -> int:
        """Number of bytes of one image."""
        return self.size_y_px * self.size_x_px * (1 if self.dtype == "uint8" else 2)

    @property
    def fields(self) -> list[Field]:
        """The images of every well, in the order of their paths."""
        places = [(site, kind) for kind in self.kinds for site in self.sites]
        return [Field(str(number), site, kind) for number, (site, kind) in enumerate(places)]

    def planes_of(self, kind: str) -> int:
        """Length of the z axis of an image of that kind."""
        return self.n_planes if kind == STACK else 1


@dataclass(frozen=True)
class WellPlan:
    """One well: its planes and the hash of everything that decides its bytes, the pixels excepted.

    Attributes:
        name: such as B07.
        n_planes: number of 2-D images, projections included.
        packed: the planes, compressed: the tags of a plate's planes would take more memory than all else.
        fingerprint: hash of the plate's shape and of the rows.
    """

    name: str
    n_planes: int
    packed: bytes
    fingerprint: str

    @property
    def planes(self) -> tuple[Any, ...]:
        """Rows of the index, each with the columns of `PLANES` as attributes."""
        return tuple(map(_Plane._make, pickle.loads(zlib.decompress(self.packed))))

    @property
    def path(self) -> str:
        """Place of the well in the plate: 'B/07'."""
        return well_path(self.name)


@dataclass(frozen=True)
class PlatePlan:
    """One plate: its common shape, its grid of rows and columns, and its wells in order."""

    name: str
    shape: PlateShape
    rows: int
    columns: int
    wells: tuple[WellPlan, ...]

    @property
    def rows_used(self) -> list[str]:
        """Rows that have wells, in order of name."""
        return sorted({well.path.split("/")[0] for well in self.wells})

    @property
    def n_planes(self) -> int:
        """Number of 2-D images, projections included."""
        return sum(well.n_planes for well in self.wells)


def well_path(well: str) -> str:
    """Place of a well in the plate: 'B07' -> 'B/07'."""
    row, column = names.parse_well(well)
    return f"{row}/{column:02d}"


def make_plan(index: pd.DataFrame, plate: str, metadata: Mapping[str, Any], where: str) -> PlatePlan:
    """Plan a plate from its index of planes.

    Args:
        index: columns of `PLANES`.
        plate: name of the plate.
        metadata: what the reader says of the plate; `plate_format` = [rows, columns] is used.
        where: the raw folder, for messages.

    Raises:
        PluginError: the index breaks the reader contract.
        InputError: the planes do not fit one plate; all faults in one message.
    """
    broken = Faults(f"the reader's index of {where}")
    broken.extend(PLANES.faults(index))
    broken.raise_if_any(PluginError)
    faults = Faults(where)
    if index.empty:
        faults.add("there is no image; give the folder that holds the plate's images.")
        faults.raise_if_any()
    index = _sorted(index.reset_index(drop=True))
    faults.extend(mixture_faults(index))
    rows, columns = _plate_format(index, metadata, faults)
    faults.raise_if_any()
    shape = shape_of(index)
    return PlatePlan(plate, shape, rows, columns, tuple(_wells(index, shape)))


def _sorted(index: pd.DataFrame) -> pd.DataFrame:
    """The planes by their key; not copied if they are in order, for their tags take much memory."""
    order = index[list(PLANES.key)].sort_values(list(PLANES.key), kind="stable").index
    return index if order.is_monotonic_increasing else index.loc[order].reset_index(drop=True)


def mixture_faults(index: pd.DataFrame) -> list[str]:
    """Planes whose size, pixel type or pixel size is not that of most planes; pixel types that cannot be stored."""
    if index.empty:
        return []
    columns = ["size_y_px", "size_x_px", "dtype", "pixel_size_um"]
    # An image that does not tell its pixel size is taken to have the usual one; 0 where none tells it.
    usual_pixel = _usual_number(index["pixel_size_um"]) or 0.0
    names_of_channels = _swapped_channels(index)
    index = index[["well", "path", *columns]].assign(
        pixel_size_um=index["pixel_size_um"].astype(float).fillna(usual_pixel)
    )
    usual = index.groupby(columns, sort=True).size().idxmax()
    found = []
    odd = index.drop_duplicates(["well", *columns])
    for plane in odd[[*columns, "well", "path"]].itertuples(index=False):
        values = tuple(getattr(plane, column) for column in columns)
        if values != usual:
            found.append(
                f"well {plane.well}: {plane.path} is {_what(values)}, most images are {_what(usual)}; a plate has one "
                "kind of image, so move it out of the folder or export it again."
            )
    found += names_of_channels
    for dtype in sorted(set(index["dtype"]) - set(_PIXEL_TYPES)):
        plane = index.loc[index["dtype"] == dtype].iloc[0]
        found.append(
            f"well {plane['well']}: {plane['path']} has pixels of type {dtype}; "
            f"export it as {' or '.join(_PIXEL_TYPES)}."
        )
    return found


def _swapped_channels(index: pd.DataFrame) -> list[str]:
    """Images whose channel has the name that another channel has in most images: their channels are swapped."""
    named = index[["channel", "channel_name"]].dropna()
    counts = named.groupby(["channel", "channel_name"], sort=True).size()
    if not counts.index.get_level_values("channel").duplicated().any():
        return []
    # As many images of one order as of the other: the first one counts.
    usual: dict[int, str] = {}
    for number, name in named.drop_duplicates().itertuples(index=False):
        if number not in usual or counts[number, name] > counts[number, usual[number]]:
            usual[number] = str(name)
    found = []
    for channel, name in counts.index:
        others = [number for number, other in usual.items() if other == name and number != channel]
        if name == usual[channel] or not others or list(usual.values()).count(usual[channel]) > 1:
            continue
        plane = index[(index["channel"] == channel) & (index["channel_name"] == name)].iloc[0]
        found.append(
            f"well {plane['well']}: {plane['path']} is of {name!r} as channel {channel}, in most images that is "
            f"{usual[channel]!r} and {name!r} is channel {others[0]}; the channels have another order: export it again."
        )
    return found


def _what(values: Any) -> str:
    height, width, dtype, pixel = values
    return f"{height} x {width} px {dtype}" + (f" of {pixel:g} um pixels" if pixel else "")


def _plate_format(index: pd.DataFrame, metadata: Mapping[str, Any], faults: Faults) -> tuple[int, int]:
    """Rows and columns of the plate: what the reader says, else the smallest usual plate that holds all wells."""
    last_row = max(names.row_index(row) for row in index["row"].unique()) + 1
    last_column = int(index["column"].max())
    said = metadata.get("plate_format")
    if said:
        rows, columns = (int(n) for n in said)
        for well in sorted(index["well"].unique(), key=names.well_sort_key):
            row, column = names.well_sort_key(well)
            if row >= rows or column > columns:
                faults.add(
                    f"well {well}: the instrument says the plate has {rows} rows and {columns} columns; rename the "
                    "images of that well or mend the plate's description file."
                )
        return rows, columns
    formats = [(r, c) for n, (r, c) in sorted(names.PLATE_FORMATS.items()) if n >= 96]
    return next((r, c) for r, c in formats if r >= last_row and c >= last_column)


def shape_of(index: pd.DataFrame) -> PlateShape:
    """What all wells of a plate have in common, from its index of planes."""
    stack = index[index["projection"] == ""]
    others = sorted(set(index["projection"]) - {"", MAXIMUM})
    kinds = [STACK] * bool(len(stack)) + [MAXIMUM] * bool(len(stack) or MAXIMUM in set(index["projection"]))
    first = index.iloc[0]
    return PlateShape(
        n_times=int(index["time"].max()) + 1,
        n_planes=int(stack["z"].max()) + 1 if len(stack) else 1,
        size_y_px=int(first["size_y_px"]),
        size_x_px=int(first["size_x_px"]),
        dtype=str(first["dtype"]),
        pixel_size_um=_usual_number(index["pixel_size_um"]),
        z_step_um=_usual_number(index["z_step_um"]),
        channels=_channels(index),
        sites=tuple(sorted(int(site) for site in index["site"].unique())),
        kinds=(*kinds, *others),
    )


def _channels(index: pd.DataFrame) -> tuple[Channel, ...]:
    """The usual name and wavelength of every channel; names that several channels share get the number."""
    found: list[tuple[str | None, float | None]] = []
    for channel in range(int(index["channel"].max()) + 1):
        rows = index[index["channel"] == channel]
        usual = rows["channel_name"].dropna().mode()
        found.append((str(usual.iloc[0]) if len(usual) else None, _usual_number(rows["wavelength_nm"])))
    labels = [name for name, _ in found]
    return tuple(
        Channel(name if name and labels.count(name) == 1 else f"{name or 'channel'} {number}", wavelength)
        for number, (name, wavelength) in enumerate(found, start=1)
    )


def _usual_number(values: pd.Series) -> float | None:
    usual = values.dropna().mode()
    return float(usual.iloc[0]) if len(usual) else None


def _wells(index: pd.DataFrame, shape: PlateShape) -> list[WellPlan]:
    # A missing number is None from here on: NaN is no JSON and is not equal to itself.
    common = hash_json([PLATE_FORMAT, asdict(shape)])
    wells = []
    for well, planes in groupby(_rows(index), key=lambda plane: plane.well):
        rows = list(planes)
        fingerprint = hash_json([common, [list(plane) for plane in rows]])
        packed = zlib.compress(pickle.dumps([tuple(plane) for plane in rows]), 1)
        wells.append(WellPlan(str(well), len(rows), packed, fingerprint))
    return sorted(wells, key=lambda well: names.well_sort_key(well.name))


def _rows(index: pd.DataFrame) -> Iterator[Any]:
    """The rows of the index; a missing number is None from here on: NaN is no JSON and is not equal to itself."""
    for start in range(0, len(index), _ROWS_AT_ONCE):
        rows = index[PLANES.column_names].iloc[start : start + _ROWS_AT_ONCE]
        clean = rows.astype(object).where(rows.notna(), None)
        yield from map(_Plane._make, clean.itertuples(index=False, name=None))
