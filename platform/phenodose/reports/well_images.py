"""The pictures of a patient report, made to fit into a number of bytes.

Every wanted well is read from its plate once; its picture is packed as large as the bytes allow for all. What does not
fit even when small is left out, the least wanted first, and counted.

Does not belong here: which wells are wanted, and in which order (`image_choice`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from phenodose.errors import StoreError
from phenodose.plots import data_uri, image_jpeg, shrunk, well_photograph
from phenodose.reports.image_choice import imaged, open_plates, rows_of_images, wanted_wells
from phenodose.reports.phenotypes import map_wells
from phenodose.reports.strips import StripTile, strips

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from phenodose.plates.plate import Plate
    from phenodose.reports.data import ScreenData

#: Longest sides of a picture that are tried, in pixels.
SIZES_PX = (160, 128, 96, 72)
#: Bytes of tags and words around a picture.
_AROUND = 400


@dataclass(frozen=True)
class WellImages:
    """Pictures of wells for one report.

    Attributes:
        uris: picture by well such as 'P1/B07'.
        rows: name and wells of the rows of images; without a picture a well is not shown.
        n_left_out: how many wells have none because the report would become too large.
        size_px: longest side of the pictures.
        reason: why there is none at all, a sentence, else ''.
        n_bytes: what the pictures add to the report, about.
        strips: drug -> the images of its strip on the first page.
    """

    uris: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    n_left_out: int = 0
    size_px: int = 0
    reason: str = ""
    n_bytes: int = 0
    strips: dict[str, list[StripTile]] = field(default_factory=dict)


class Gallery:
    """All pictures that the report of a screen could show."""

    def __init__(self, data: ScreenData, first: Sequence[str] = ()) -> None:
        """Find all pictures that are wanted.

        Args:
            data: the rows of the screen.
            first: drugs whose series stand on the first page.
        """
        self.reason = ""
        self._strips: dict[str, list[StripTile]] = {}
        self._plates: dict[str, Plate] = {}
        self._rows: list[tuple[str, pd.DataFrame]] = []
        self._uses: dict[str, int] = {}
        if data["plates"].empty:
            self.reason = "the screen has no images in the store."
            return
        try:
            self._plates = open_plates(data)
            self._rows = rows_of_images(data, self._plates)
            self._strips = strips(data, imaged(data["wells"], self._plates), first)
            self._uses = wanted_wells(data, self._plates, self._rows, self._strips, map_wells(data))
            self._photographs  # noqa: B018  Read now, so that a damaged plate is told as a reason.
        except StoreError as error:
            self.reason = f"the plates cannot be read: {error}"

    def pictures(self, most_bytes: int, beside: Mapping[str, int] | None = None) -> WellImages:
        """Pictures that together add at most `most_bytes` to the report, as large as all of them can be.

        Args:
            most_bytes: bytes that the pictures may take, with everything that is shown only with them.
            beside: well -> bytes that are shown with each of its pictures, such as a map of activations.
        """
        if self.reason:
            return WellImages(reason=self.reason)
        found = WellImages(rows=self._rows, strips=self._strips)
        for size_px in SIZES_PX:
            found = self._of_size(size_px, most_bytes, beside or {})
            if not found.n_left_out:
                break
        return found

    @cached_property
    def _photographs(self) -> dict[str, Image]:
        """Every wanted well at the largest size."""
        size_px = SIZES_PX[0]
        found = {}
        for name in self._uses:
            plate, well = name.split("/")
            one = self._plates[plate]
            found[name] = well_photograph(one.mip(well, level=one.level_for(size_px)), one.windows[0], size_px)
        return found

    def _of_size(self, size_px: int, most_bytes: int, beside: Mapping[str, int]) -> WellImages:
        uris: dict[str, str] = {}
        used = n_left_out = 0
        for name, uses in self._uses.items():
            if n_left_out:
                n_left_out += 1
                continue
            uri = data_uri(image_jpeg(shrunk(self._photographs[name], size_px)))
            cost = uses * (len(uri) + beside.get(name, 0) + _AROUND)
            if used + cost > most_bytes:
                n_left_out += 1
                continue
            uris[name] = uri
            used += cost
        return WellImages(uris, self._rows, n_left_out, size_px, n_bytes=used, strips=self._strips)
