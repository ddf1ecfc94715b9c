"""The readout spheroid_area: the size of the objects that classical segmentation finds in a well.

It is there to be compared with what a network sees: it knows no controls, learns nothing and has nothing to set for a
microscope. Every object stands in the table `objects` with its area, roundness and intensity. In a time lapse growth is
that of their size, as volumes of balls of that area, where killed wells end smaller than living ones began.

Belongs here: which number of a well is taken, and what is said of an object. Does not belong here: finding the objects
(`phenodose_readouts.segmentation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.plugins import ObjectReadout, Parameters
from phenodose_readouts.stain_channel import stain_channel

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.plates.plate import Plate

#: The smallest object and the gap in pixels of the image that is segmented, where nobody knows how wide a pixel is.
_SMALLEST_PX, _GAP_PX = 20, 2.0


class SpheroidAreaParameters(Parameters):
    """How objects are found, and which number of them is the well's."""

    channel: Annotated[int, Field(ge=0)] | str = Field(
        default=0, description="Channel of the stain: its number from 0, or its name"
    )
    of_well: Literal["mean", "sum", "largest"] = Field(
        "mean", description="Number of the well: mean area of its objects, area of all, or area of the largest"
    )
    smoothing_px: float = Field(
        1.0, ge=0, le=50, description="Standard deviation of the Gaussian before the threshold, at the level segmented"
    )
    least_contrast: float = Field(
        10.0, ge=0, description="Objects stand out of the background by at least so many SDs of its noise"
    )
    smallest_um2: float = Field(500.0, ge=0, description="Smaller objects are debris")
    gap_um: float = Field(
        8.0, ge=0, le=100, description="Inlets up to twice as wide are closed before the roundness is measured"
    )
    longest_side_px: int = Field(512, ge=64, le=4096, description="Level of the pyramid: at least so many pixels")


class SpheroidAreaReadout(ObjectReadout):
    """Area of the bright objects in the maximum projection; 0 for an image without one."""

    name = "spheroid_area"
    label = "image, area of spheroids"
    version = "1"
    contract = "1.5"
    description = "Area of the spheroids or organoids in the maximum projection by classical segmentation."
    unit: ClassVar[str] = "um2"
    precedence: ClassVar[int] = 50
    colour: ClassVar[str | None] = "#56B4E9"
    #: Growth over time is that of the volume of a ball of this area: a size, not a number of cells.
    counts_cells: ClassVar[bool] = True
    cells_power: ClassVar[float] = 1.5
    Parameters = SpheroidAreaParameters

    def find_objects(self, plate: Plate) -> pd.DataFrame:
        """Every object of every well with a maximum projection, the largest of an image first.

        Raises:
            NotMade: no well of the plate has an image in that channel.
            InputError: the plate has no such channel.
        """
        import numpy as np
        import pandas as pd

        from phenodose_readouts.segmentation import bright_objects, describe

        settings = self.parameters
        channel = stain_channel(plate, settings.channel, self.name)
        level = plate.level_for(settings.longest_side_px)
        factor = plate.level_shapes[0][0] / plate.level_shapes[level][0]
        pixel_um = (plate.pixel_size_um or float("nan")) * factor
        smallest, gap = _SMALLEST_PX, _GAP_PX
        if plate.pixel_size_um:
            smallest, gap = settings.smallest_um2 / pixel_um**2, settings.gap_um / pixel_um
        frames = []
        for well in plate.wells:
            for site in _sites(plate, well, channel):
                image = plate.mip(well, channel, level, site).astype(np.float32)
                labels = bright_objects(image, settings.smoothing_px, settings.least_contrast, smallest)
                found = describe(labels, image, gap)
                frames.append(
                    pd.DataFrame(
                        {
                            "well": well,
                            "site": site,
                            "object": np.arange(1, len(found["area"]) + 1, dtype=np.int64),
                            "area_px": found["area"] * factor**2,
                            "area_um2": found["area"] * pixel_um**2,
                            "roundness": found["roundness"],
                            "mean_intensity": found["mean_intensity"],
                            "x_um": found["x"] * pixel_um,
                            "y_um": found["y"] * pixel_um,
                        }
                    )
                )
        if not frames:
            raise NotMade(f"plate {plate.name} holds no image to segment in channel {channel}.")
        return pd.concat(frames, ignore_index=True)

    def of_objects(self, plate: Plate, objects: pd.DataFrame) -> pd.DataFrame:
        """Area of every imaged well, of several sites the mean of theirs; NaN for a well without an image.

        In um2, or in pixels of the full image where the plate does not say how wide they are.
        """
        import numpy as np
        import pandas as pd

        channel = stain_channel(plate, self.parameters.channel, self.name)
        column = "area_um2" if plate.pixel_size_um else "area_px"
        areas = {key: rows.to_numpy() for key, rows in objects.groupby(["well", "site"])[column]}
        rows = []
        for well in plate.wells:
            sites = [self._of_image(areas.get((well, site))) for site in _sites(plate, well, channel)]
            rows.append({"well": well, "raw": float(np.mean(sites)) if sites else float("nan")})
        return pd.DataFrame(rows, columns=["well", "raw"]).astype({"raw": "float64"})

    def _of_image(self, areas: np.ndarray | None) -> float:
        """The number of one image from the areas of its objects; None if it has none."""
        if areas is None or not len(areas):
            return 0.0
        whole = float(areas.sum())
        return {"mean": whole / len(areas), "sum": whole, "largest": float(areas.max())}[self.parameters.of_well]


def _sites(plate: Plate, well: str, channel: int) -> list[int]:
    """The sites of a well that have a maximum projection."""
    return [site for site in plate.meant_sites if plate.has_mip(well, channel, site)]
