"""The reader of OME-Zarr plates made elsewhere (NGFF 0.1 to 0.6, also zipped): used where they lie, not copied.

Belongs here: finding the plate in a folder, and its planes as an index. Does not belong here: what such a plate says
(`phenodose.plates.external_ngff`) and using it (`phenodose.plates.external_plate`).
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from phenodose import names
from phenodose.errors import InputError
from phenodose.io.places import place as located
from phenodose.plugins import Parameters, Reader, planes_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_NAMED = 4


class OmeZarrParameters(Parameters):
    """Which images of a plate count."""

    acquisition: str | None = Field(
        None, min_length=1, description="Name or id of the acquisition to use, where the plate has several"
    )


class OmeZarrReader(Reader):
    """OME-Zarr HCS plates: the folder or `.ozx` file itself, or the one plate in it."""

    name = "ome_zarr"
    version = "2"
    description = "OME-Zarr plates made elsewhere (NGFF 0.4 to 0.6, also zipped as .ozx), used in place."
    Parameters = OmeZarrParameters

    def sniff(self, folder: Path) -> float:
        """1 if the folder is an OME-Zarr plate or holds one made elsewhere, else 0.

        A plate of this project within a raw folder was probably made from it: 0.2.
        """
        from phenodose.plates.external_ngff import is_external, plates_in

        found = plates_in(folder)
        return 1.0 if any(path == folder or is_external(path) for path in found) else 0.2 * bool(found)

    def in_place(self, folder: Path) -> Path | None:
        """The one plate in the folder."""
        from phenodose.plates.external_ngff import plates_in

        found = plates_in(folder)
        if not found:
            raise InputError(
                f"{folder}: there is no OME-Zarr plate (a folder whose attributes have `plate`) in it; give the "
                "folder of one plate."
            )
        if len(found) > 1:
            listed = ", ".join(path.name for path in found[:4])
            raise InputError(f"{folder}: there are {len(found)} OME-Zarr plates ({listed}); give the folder of one.")
        return found[0].resolve()

    def acquisition(self) -> str | None:
        """The one that is named by the parameter."""
        chosen: str | None = self.parameters.acquisition
        return chosen

    def advice(self, folder: Path) -> str:
        """The folders of plates below or above this one, and what is damaged."""
        from phenodose.plates.external_image import is_damaged
        from phenodose.plates.external_ngff import plates_around

        damaged = [path for path in (folder, *_zarr_folders(folder)) if is_damaged(path)]
        if damaged:
            return f"copy {damaged[0]} again, whose metadata are damaged"
        plates = plates_around(folder)
        listed = ", ".join(str(path) for path in plates[:_NAMED])
        return f"give the folder of an OME-Zarr plate itself, such as {listed}" if plates else ""

    def index(self, folder: Path) -> pd.DataFrame:
        """All planes of the plate, a page for every time point, channel and z of an image."""
        from phenodose.plates.external_ngff import read_layout

        place = self.in_place(folder)
        assert place is not None
        layout = read_layout(place, self.parameters.acquisition)
        image = layout.image
        root = place.relative_to(folder.resolve()).as_posix()
        sizes = image.sizes
        rows = []
        for well in layout.wells:
            row, column = names.parse_well(well.name)
            for site, path, n_planes in zip(layout.sites, well.images, well.planes, strict=True):
                if path is None:
                    continue
                axes = product(range(sizes["t"]), range(sizes["c"]), range(n_planes))
                for page, (time, channel, z) in enumerate(axes):
                    rows.append(
                        {
                            "plate": layout.name or None,
                            "well": well.name,
                            "row": row,
                            "column": column,
                            "site": site,
                            "time": time,
                            "channel": channel,
                            "projection": "" if layout.kinds[0] == "stack" else layout.kinds[0],
                            "z": z,
                            "path": f"{root}/{well.path}/{path}/{image.levels[0]}".removeprefix("./"),
                            "page": page,
                            "size_y_px": sizes["y"],
                            "size_x_px": sizes["x"],
                            "dtype": image.dtype,
                            "pixel_size_um": image.step_um["x"],
                            "z_step_um": image.step_um["z"],
                            "channel_name": image.channels[channel][0],
                        }
                    )
        return planes_frame(rows)

    def read_plane(self, folder: Path, plane: Any) -> np.ndarray:
        """The pixels of one row of the index, dims y, x."""
        from phenodose.plates.external_image import ome_attributes, open_level, read_image
        from phenodose.plates.external_view import ExternalView

        path = located(folder) / plane.path
        image = read_image(next(above for above in path.parents if "multiscales" in ome_attributes(above)))
        n_z, n_c = image.sizes["z"], image.sizes["c"]
        time, rest = divmod(plane.page, n_c * n_z)
        channel, z = divmod(rest, n_z)
        return ExternalView(open_level(path), image.axes, time, channel, str(path))[z]


def _zarr_folders(folder: Path) -> list[Path]:
    """Folders that are Zarr stores by their names, right in a folder."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(".zarr") and path.is_dir())
    except OSError:
        return []
