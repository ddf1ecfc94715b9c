"""Pictures of plates that a report was made of, kept so that it can be made again when the plates have changed or gone.

While a report is made, what it asks of its plates is noted; afterwards a few numbers of every plate and the pixels of
the pictures that were looked at are one small file a plate. Opened from there, a plate answers the same questions in
the same way, and no others.

Belongs here: noting, keeping, giving back. Does not belong here: which pictures a report shows (`phenodose.reports`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from phenodose.errors import NotMade, PhenodoseError, StoreError
from phenodose.io.places import read_bytes
from phenodose.plates.plate import Plate, shape_from_json

if TYPE_CHECKING:
    from phenodose.store.store import Store

#: Folder of the kept plates in a store that is frozen.
FOLDER = "pictures"
_ABOUT = "about"
#: What is asked of a plate and gives pixels, dims y, x.
_PICTURES = ("mip", "middle")
Key = tuple[str, str, int, int, int, int]


@dataclass
class _Noted:
    """What was asked of one plate: answers by question, or the error that it gave in place of one."""

    plate: Plate | None = None
    has_mip: dict[Key, bool] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)
    pixels: dict[Key, np.ndarray] = field(default_factory=dict)
    faults: dict[Key, tuple[str, str]] = field(default_factory=dict)
    cannot_be_opened: str = ""


@dataclass
class PictureLog:
    """What was asked of the plates of a screen while the log was kept."""

    plates: dict[str, _Noted] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Keep it in a store that is being frozen, a file a plate."""
        for name, noted in sorted(self.plates.items()):
            path = root / FOLDER / f"{name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_packed(noted))


_LOG: ContextVar[PictureLog | None] = ContextVar("picture_log", default=None)


@contextmanager
def noted_pictures() -> Iterator[PictureLog]:
    """While the block runs, plates that `plate_of_report` opens note what they are asked."""
    log = PictureLog()
    token = _LOG.set(log)
    try:
        yield log
    finally:
        _LOG.reset(token)


def plate_of_report(store: Store, text: str, name: str, raw_hash: str) -> Plate:
    """A plate for a report: the one in the store, or of a store that is frozen what was kept of it.

    Args:
        store: the store.
        text: place of the plate, as the table `plates` has it.
        name: name of the plate.
        raw_hash: hash of its raw pixels.

    Raises:
        StoreError: the plate is missing, damaged, or another one.
    """
    if store.frozen:
        return KeptPlate.of_file(store.root / FOLDER / f"{name}.npz")
    log = _LOG.get()
    noted = _Noted()
    if log is not None:
        log.plates[name] = noted
    try:
        plate = Plate.open(store.plate_at(text)).expected(name, raw_hash)
    except PhenodoseError as error:
        noted.cannot_be_opened = str(error)
        raise
    if log is None:
        return plate
    noted.plate = plate
    return cast("Plate", _NotingPlate(plate, noted))


class _NotingPlate:
    """A plate that notes what it is asked for pictures."""

    def __init__(self, plate: Plate, noted: _Noted) -> None:
        self._plate, self._noted = plate, noted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plate, name)

    def at(self, *args: Any, **how: Any) -> _NotingPlate:
        return _NotingPlate(self._plate.at(*args, **how), self._noted)

    def level_for(self, size_px: int) -> int:
        self._noted.levels[size_px] = self._plate.level_for(size_px)
        return self._noted.levels[size_px]

    def has_mip(self, well: str, channel: int = 0, site: int | None = None, time: int | None = None) -> bool:
        key = _key(self._plate, "mip", well, channel, 0, site, time)
        self._noted.has_mip[key] = self._plate.has_mip(well, channel, site, time)
        return self._noted.has_mip[key]

    def mip(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        return self._picture("mip", well, channel, level, site, time)

    def middle(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        return self._picture("middle", well, channel, level, site, time)

    def _picture(self, what: str, well: str, channel: int, level: int, *place: int | None) -> np.ndarray:
        key = _key(self._plate, what, well, channel, level, *place)
        try:
            pixels: np.ndarray = getattr(self._plate, what)(well, channel, level, *place)
        except PhenodoseError as error:
            self._noted.faults[key] = (type(error).__name__, str(error))
            raise
        self._noted.pixels[key] = np.asarray(pixels)
        return pixels


def _key(plate: Plate, what: str, well: str, channel: int, level: int, site: int | None, time: int | None) -> Key:
    site, time, channel = plate._place(channel, site, time)
    return what, well, channel, level, site, time


def _packed(noted: _Noted) -> bytes:
    about: dict[str, Any] = {"cannot_be_opened": noted.cannot_be_opened}
    arrays: dict[str, np.ndarray] = {}
    if (plate := noted.plate) is not None:
        about |= {
            "path": str(plate.path),
            "name": plate.name,
            "wells": plate.wells,
            "shape": asdict(plate.shape),
            "n_rows": plate.n_rows,
            "n_columns": plate.n_columns,
            "windows": [list(window) for window in plate.windows],
            "raw_hash": plate.raw_hash,
            "level_shapes": [list(shape) for shape in plate.level_shapes],
            "levels": sorted(noted.levels.items()),
            "has_mip": [[list(key), found] for key, found in sorted(noted.has_mip.items())],
            "pictures": [list(key) for key in sorted(noted.pixels)],
            "faults": [[list(key), *told] for key, told in sorted(noted.faults.items())],
        }
        arrays = {f"picture_{number}": noted.pixels[key] for number, key in enumerate(sorted(noted.pixels))}
    held = io.BytesIO()
    arrays[_ABOUT] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    np.savez_compressed(held, allow_pickle=False, **cast("Any", arrays))
    return held.getvalue()


@dataclass
class KeptPlate(Plate):
    """What is left of a plate in a store that is frozen: the pictures that its report was made of.

    Attributes:
        shapes: height and width of every pyramid level.
        levels: the level for a size in pixels, by size.
        answers: whether a well had a picture, by question.
        kept: the pictures' pixels, dims y, x.
        faults: kind and words of the errors that stood in place of pictures.
    """

    shapes: list[tuple[int, int]] = field(default_factory=list)
    levels: dict[int, int] = field(default_factory=dict)
    answers: dict[Key, bool] = field(default_factory=dict)
    kept: dict[Key, np.ndarray] = field(default_factory=dict, repr=False)
    faults: dict[Key, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of_file(cls, path: Path) -> KeptPlate:
        """The plate of a file that `PictureLog.write` wrote.

        Raises:
            StoreError: nothing is kept, or the plate could not be opened when the report was signed.
        """
        content = read_bytes(path)
        if content is None:
            raise StoreError(f"{path}: the signed report keeps no picture of this plate.")
        with np.load(io.BytesIO(content)) as stored:
            about = json.loads(stored[_ABOUT].tobytes())
            if about["cannot_be_opened"]:
                raise StoreError(about["cannot_be_opened"])
            keys = [_key_of(key) for key in about["pictures"]]
            pixels = {key: stored[f"picture_{number}"] for number, key in enumerate(keys)}
        return cls(
            path=Path(about["path"]),
            name=about["name"],
            wells=about["wells"],
            shape=shape_from_json(about["shape"]),
            n_rows=about["n_rows"],
            n_columns=about["n_columns"],
            windows=[(start, end) for start, end in about["windows"]],
            raw_hash=about["raw_hash"],
            instrument={},
            shapes=[(height, width) for height, width in about["level_shapes"]],
            levels=dict(about["levels"]),
            answers={_key_of(key): found for key, found in about["has_mip"]},
            kept=pixels,
            faults={_key_of(key): (kind, words) for key, kind, words in about["faults"]},
        )

    @property
    def level_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every pyramid level, full size first."""
        return self.shapes

    def level_for(self, size_px: int) -> int:
        """The smallest pyramid level whose both sides have at least `size_px` pixels; 0 if none has."""
        return self.levels[size_px] if size_px in self.levels else super().level_for(size_px)

    def metadata(self, well: str) -> dict[str, Any]:
        """Not kept.

        Raises:
            StoreError: always.
        """
        raise StoreError(f"{self.path}: of well {well} the signed report keeps pictures alone.")

    def has_mip(self, well: str, channel: int = 0, site: int | None = None, time: int | None = None) -> bool:
        """Whether `mip` gave an image for the well."""
        return self.answers.get(_key(self, "mip", well, channel, 0, site, time), False)

    def mip(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        """The maximum projection, dims y, x."""
        return self._picture("mip", well, channel, level, site, time)

    def middle(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        """The plane in the middle of the stack, dims y, x."""
        return self._picture("middle", well, channel, level, site, time)

    def _picture(self, what: str, well: str, channel: int, level: int, *place: int | None) -> np.ndarray:
        key = _key(self, what, well, channel, level, *place)
        if key in self.faults:
            kind, words = self.faults[key]
            raise NotMade(words) if kind == NotMade.__name__ else StoreError(words)
        if key not in self.kept:
            raise StoreError(f"{self.path}: the signed report keeps no such picture ({what}) of well {well}.")
        return self.kept[key]


def _key_of(told: list[Any]) -> Key:
    what, well, channel, level, site, time = told
    return str(what), str(well), int(channel), int(level), int(site), int(time)
