"""The data that plugins are tried on: curves, matrices, plates and features, made on the spot from a seed.

Belongs here: making them, and copies and hashes that tell whether a plugin changed them. Does not belong here: the
rules.
"""

from __future__ import annotations

import copy
import hashlib
import pickle
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.plugins import Reader, planes_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.plates.plate import Plate

DOSES = 5
PIXEL_UM = 2.0


def curves(n: int, seed: int = 1, replicates: int = 2) -> CurveBatch:
    """Fitted curves of every sort: strong, partial, flat, rising and, each seventh, one that could not be fitted.

    Args:
        n: how many.
        seed: same seed, same curves.
        replicates: wells a dose.
    """
    import numpy as np
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.dose_response.models import inhibition

    rng = np.random.default_rng(seed)
    place = np.arange(n)
    failed = place % 7 == 6
    flat = place % 7 == 4
    model = np.where(failed, 0, np.where(flat, 2, 3 + place % 3))
    top = np.where(flat, 0.0, rng.uniform(0.2, 1.0, n))
    parameters = {
        "bottom": np.where(place % 7 == 5, -0.1, 0.0),
        "top": top,
        "log10_mid": rng.uniform(0.0, 4.0, n),
        "slope": np.where(flat, 0.0, rng.uniform(0.5, 3.0, n)),
        "asymmetry": np.where(place % 3 == 2, rng.uniform(0.5, 2.0, n), 1.0),
    }
    doses = np.repeat(np.arange(float(DOSES)), replicates)
    values = inhibition(np.tile(doses, (n, 1)), *(column[:, None] for column in parameters.values()))
    values = values + rng.normal(0, 0.03, values.shape)
    for column in parameters.values():
        column[failed] = np.nan
    values[failed] = np.nan
    return CurveBatch(
        keys=pd.DataFrame({"sample": "S1", "readout": "made", "replicate": "pooled", "drug": [f"D{i}" for i in place]}),
        log10_dose=np.tile(doses, (n, 1)),
        inhibition=values,
        fit="robust",
        model=model,
        gof=np.where(failed, np.nan, rng.uniform(0.5, 1.0, n)),
        objective=np.where(failed, np.nan, rng.uniform(0.0, 0.1, n)),
        min_dose_nM=np.ones(n),
        max_dose_nM=np.full(n, 10.0 ** (DOSES - 1)),
        n_doses=np.full(n, DOSES),
        n_points=np.full(n, DOSES * replicates),
        status=np.where(failed, "failed", np.where(flat, "flat", "ok")).astype(object),
        reason=np.where(failed, "no points", np.where(flat, "no trend", "")).astype(object),
        doublings=np.where(place % 11 == 10, np.nan, 2.0),
        **parameters,
    )


def described(batch: CurveBatch, places: list[int]) -> str:
    """The curves at these places, in words."""
    return "; ".join(
        f"curve {place}: status {one.status}, bottom {one.bottom:.3g}, top {one.top:.3g}, "
        f"log10_mid {one.log10_mid:.3g}, slope {one.slope:.3g}, asymmetry {one.asymmetry:.3g}"
        for place, one in zip(places, batch.select(_positions(places)), strict=True)
    )


def matrices(rows: int = 16, columns: int = 24, seed: int = 1) -> pd.DataFrame:
    """What plate-reader files hold: plate, row, column, value; one well without a value."""
    import numpy as np
    import pandas as pd

    from phenodose.names import row_label

    rng = np.random.default_rng(seed)
    wells = [(row_label(row), column + 1) for row in range(rows) for column in range(columns)]
    frame = pd.DataFrame(wells, columns=["row", "column"]).assign(plate="P1", value=rng.uniform(100, 2e4, len(wells)))
    frame.loc[frame.index[len(frame) // 2 : len(frame) // 2 + 1], "value"] = np.nan
    return frame[["plate", "row", "column", "value"]]


def features(wells: int, width: int = 16, seed: int = 1) -> np.ndarray:
    """Features of wells of two phenotypes: float32 (well, feature)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    kind = (np.arange(wells) % 2)[:, None]
    return np.asarray(rng.normal(0, 1, (wells, width)) + 4 * kind, dtype=np.float32)


class _DrawnReader(Reader):
    """Reads the plates that `plate` draws: `<well>_z<plane>.tif`."""

    name = "drawn"
    version = "1"
    description = "Plates drawn for the conformance kit"

    def sniff(self, folder: Path) -> float:
        """Never asked."""
        return 0.0

    def index(self, folder: Path) -> pd.DataFrame:
        """A plane a file."""
        from phenodose import names

        rows = []
        for path in sorted(folder.glob("*.tif")):
            well, z = path.stem.split("_z")
            row, column = names.parse_well(well)
            rows.append(
                {"well": well, "row": row, "column": column, "site": 1, "time": 0, "channel": 0, "projection": ""}
                | {"z": int(z), "path": path.name, "page": 0, "size_y_px": 64, "size_x_px": 64, "dtype": "uint16"}
                | {"pixel_size_um": PIXEL_UM, "z_um": 5.0 * int(z), "channel_name": "Hoechst"}
            )
        return planes_frame(rows)


def plate(folder: Path, wells: int = 6, seed: int = 1) -> Plate:
    """A small OME-Zarr plate in `folder`: discs of several sizes in stacks of three planes, and a well of noise."""
    import numpy as np
    import tifffile

    from phenodose.names import row_label, well_name
    from phenodose.plates.ingest import ingest_plate
    from phenodose.plates.plate import Plate

    rng = np.random.default_rng(seed)
    raw = folder / "raw"
    raw.mkdir(parents=True)
    y, x = np.mgrid[:64, :64] - 31.5
    for number in range(wells):
        radius = 0 if number == wells - 1 else 8 + 3 * number
        well = well_name(row_label(1 + number // 20), 2 + number % 20)
        for z in range(3):
            image = rng.normal(400, 20, (64, 64)) + 5000 * (x**2 + y**2 < radius**2) / (1 + abs(z - 1))
            tifffile.imwrite(raw / f"{well}_z{z}.tif", image.clip(0, 65535).astype(np.uint16))
    ingest_plate(raw, folder / "P1.ome.zarr", _DrawnReader(), "P1")
    return Plate.open(folder / "P1.ome.zarr")


def tree_hash(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def frozen(value: Any) -> bytes:
    """A fingerprint of a frame, an array or a batch of curves: the same if nothing in it changed."""
    # What a batch computed once for its scorers is no change of it.
    data = {key: one for key, one in vars(value).items() if key != "_once"} if is_dataclass(value) else value
    return hashlib.sha256(pickle.dumps(copy.deepcopy(data))).digest()


def _positions(places: list[int]) -> np.ndarray:
    import numpy as np

    return np.asarray(places, dtype=np.int64)
