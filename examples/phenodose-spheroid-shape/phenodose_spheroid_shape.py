"""The readout spheroid_roundness: how round the spheroid of a well is, by classical segmentation.

The maximum projection of the nuclear stain is smoothed, cut at Otsu's threshold (Otsu 1979, IEEE Trans. Syst. Man
Cybern. 9:62), holes are filled, and the largest object is taken for the spheroid. Its roundness is
4 pi area / perimeter^2, 1 for a circle and less the more ragged the outline is.

Whether roundness rises or falls as cells die differs between cell lines (dead spheroids fall apart, or shrink to a
ball), so the readout does not say: phenodose takes it from the controls.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic import Field

from phenodose.errors import InputError
from phenodose.plugins import ImageReadout, Parameters

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.plates.plate import Plate


class SegmentationParameters(Parameters):
    """How the spheroid is found."""

    channel: int = Field(0, ge=0, description="Channel of the nuclear stain, from 0")
    smoothing_um: float = Field(3.0, ge=0, le=50, description="Width of the Gaussian before the threshold, in um")
    smallest_um2: float = Field(500.0, ge=0, description="Smaller objects are no spheroid, in square um")
    longest_side_px: int = Field(512, ge=64, le=4096, description="Level of the pyramid: at least so many pixels")


class SpheroidRoundnessReadout(ImageReadout):
    """Roundness of the largest object."""

    name = "spheroid_roundness"
    version = "1.0"
    description = "Roundness of the spheroid's outline, 4 pi area / perimeter^2: 1 for a circle"
    unit = ""
    Parameters = SegmentationParameters

    def measure(self, plate: Plate) -> pd.DataFrame:
        """Columns well, raw; NaN for a well without an object, the mean over its sites otherwise."""
        import numpy as np
        import pandas as pd

        settings = self.parameters
        if settings.channel >= len(plate.channels):
            raise InputError(
                f"plate {plate.name} has {len(plate.channels)} channels, counted from 0; the parameter `channel` of "
                f"{self.name} is {settings.channel}."
            )
        level = plate.level_for(settings.longest_side_px)
        pixel_um = (plate.pixel_size_um or 1.0) * plate.level_shapes[0][0] / plate.level_shapes[level][0]
        rows = []
        for well in plate.wells:
            found = []
            for site in plate.shape.sites:
                if plate.has_mip(well, settings.channel, site):
                    image = plate.mip(well, settings.channel, level, site)
                    spheroid = largest_object(image, settings.smoothing_um / pixel_um)
                    if spheroid is not None and spheroid.area * pixel_um**2 >= settings.smallest_um2:
                        found.append(4 * math.pi * spheroid.area / spheroid.perimeter_crofton**2)
            rows.append({"well": well, "raw": float(np.mean(found)) if found else float("nan")})
        return pd.DataFrame(rows, columns=["well", "raw"]).astype({"raw": "float64"})


def largest_object(image: np.ndarray, smoothing_px: float) -> Any | None:
    """The largest bright object of a grey image (y, x) as scikit-image's region; None if the image is flat."""
    import numpy as np
    from scipy.ndimage import binary_fill_holes
    from skimage.filters import gaussian, threshold_otsu
    from skimage.measure import label, regionprops

    smooth = gaussian(image.astype(np.float64), smoothing_px, preserve_range=True)
    if smooth.max() - smooth.min() <= 0:
        return None
    mask = binary_fill_holes(smooth > threshold_otsu(smooth))
    objects = regionprops(label(mask))
    return max(objects, key=lambda region: region.area, default=None)
