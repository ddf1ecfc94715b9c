"""The reader of the public iTRADE data set: two small images a well, already projected and scaled down.

Images are named `<screen>_P<plate>_<row><column>_{proj,midz}_224x224.tif`: the maximum projection and the plane in the
middle of the stack. The stack itself is not part of the data set, so the mean of it cannot be computed from the
images; a plate matrix of it (`*.txt`) that lies in the plate's folder is taken instead.

Belongs here: one plate's folder. Does not belong here: arranging the data set as screens
(`phenodose.screens.itrade`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.plugins import Parameters, Reader, missing_images, planes_frame
from phenodose.plugins.raw_folder import is_tiff, open_pages, passed_over, raw_files, without_description

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(
    r"(?P<screen>.+)_P(?P<plate>[0-9]+)_(?P<well>[A-Z]{1,2}[0-9]{2})_(?P<kind>proj|midz)_[0-9]+x[0-9]+\."
)
_PROJECTIONS = {"proj": "maximum", "midz": ""}


class ItradeParameters(Parameters):
    """Which plate is read."""

    plate: int | None = Field(None, ge=1, description="Number of the plate, where the folder holds several")


@dataclass(frozen=True)
class _Image:
    path: str
    screen: str
    plate: int
    well: str
    projection: str


class ItradeReader(Reader):
    """Plates of the iTRADE data set: maximum projection and middle plane of every well."""

    name = "itrade"
    version = "1"
    description = "The public iTRADE data set: a maximum projection and a middle plane a well, at 224 px."
    Parameters = ItradeParameters

    def sniff(self, folder: Path) -> float:
        """1 with a file that is named as the data set names its images, else 0."""
        return 1.0 if any(_NAME.match(Path(path).name) for path in raw_files(folder, Faults(str(folder)))) else 0.0

    def index(self, folder: Path) -> pd.DataFrame:
        """The projection and the middle plane of every well of one plate."""
        from phenodose.plates.plan import mixture_faults

        faults = Faults(str(folder))
        images = self._of_one_plate(_images(raw_files(folder, faults), faults), faults)
        headers = open_pages(folder, [(image.path, image.well) for image in images], faults, without_description)
        several = [path for path, pages in headers.items() if len(pages) > 1]
        if several:
            faults.add(
                f"{several[0]}: the file has {len(headers[several[0]])} images where one is expected; export it again."
            )
        rows = []
        for image in images:
            if image.path in headers:
                header = headers[image.path][0]
                row, column = names.parse_well(image.well)
                rows.append(
                    {
                        "plate": f"P{image.plate}",
                        "well": image.well,
                        "row": row,
                        "column": column,
                        "site": 1,
                        "time": 0,
                        "channel": 0,
                        "projection": image.projection,
                        "z": 0,
                        "path": image.path,
                        "page": 0,
                        "size_y_px": header.size_y_px,
                        "size_x_px": header.size_x_px,
                        "dtype": header.dtype,
                        "channel_name": "Hoechst",
                    }
                )
        frame = planes_frame(rows)
        faults.extend(_doubles(images))
        faults.extend(mixture_faults(frame))
        faults.raise_if_any()
        return frame

    def plate_metadata(self, folder: Path, index: pd.DataFrame) -> dict[str, Any]:
        """Screen and plate, the mean of stack of every well from the matrix beside the images, and notes."""
        paths = raw_files(folder, Faults(str(folder)))
        others = [path for path in paths if not _NAME.match(Path(path).name)]
        found = _NAME.match(Path(index["path"].iloc[0]).name)
        return {
            "acquisition": f"{found['screen']}_P{found['plate']}" if found else None,
            "mean_of_stack": _means_of_stack(folder),
            "notes": [
                *passed_over(others, "TIFF files are not named as those of the data set"),
                *missing_images(index),
            ],
        }

    def _of_one_plate(self, images: Sequence[_Image], faults: Faults) -> list[_Image]:
        plates = sorted({(image.screen, image.plate) for image in images})
        if not images:
            faults.add(
                "there is no image of the iTRADE data set in or below the folder (names such as "
                "BT-40_V1_DS1_P1_B02_proj_224x224.tif); give the folder of one plate."
            )
            faults.raise_if_any()
        wanted = self.parameters.plate
        chosen = plates if wanted is None else [(screen, plate) for screen, plate in plates if plate == wanted]
        if len(chosen) != 1:
            listed = ", ".join(f"{screen}_P{plate}" for screen, plate in plates[:6])
            faults.add(
                f"one plate is expected, the files are of {listed}; say which with --param plate=1, or arrange the "
                "data set as screens with `phenodose screen import`."
            )
            faults.raise_if_any()
        return [image for image in images if (image.screen, image.plate) == chosen[0]]


def _images(paths: Sequence[str], faults: Faults) -> list[_Image]:
    found = []
    for path in paths:
        match = _NAME.match(Path(path).name)
        if match is None or not is_tiff(path):
            continue
        try:
            well = names.well_name(*names.parse_well(match["well"]))
        except InputError as error:
            faults.add(f"{path}: {error} Rename the file or move it out of the folder.")
            continue
        found.append(_Image(path, match["screen"], int(match["plate"]), well, _PROJECTIONS[match["kind"]]))
    return found


def _doubles(images: Sequence[_Image]) -> list[str]:
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for image in images:
        places[image.well, image.projection].append(image.path)
    return [
        f"well {well}: {' and '.join(paths[:2])} are the same image of the well; move one out of the folder."
        for (well, _), paths in places.items()
        if len(paths) > 1
    ]


def _means_of_stack(folder: Path) -> dict[str, float]:
    """Mean of stack by well; {} if there is no matrix beside the images, for then nobody knows it."""
    from phenodose.screens.inside import expect_inside
    from phenodose.screens.matrices import read_matrices

    files = sorted(path for path in folder.glob("*.txt") if path.is_file() and not path.name.startswith("."))
    if not files:
        return {}
    if len(files) > 1:
        raise InputError(
            f"{folder}: {len(files)} matrices of the mean of stack ({', '.join(path.name for path in files[:4])}) for "
            "one plate; keep the one that counts."
        )
    matrix = read_matrices(expect_inside(files[0], folder)).dropna(subset="value")
    return {
        names.well_name(str(row.row), int(row.column)): float(row.value)  # type: ignore[arg-type]
        for row in matrix.itertuples()
    }
