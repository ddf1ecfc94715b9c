"""The fitted curves of a screen in the store: rows of the table `curves`, their points and their draws beside.

Belongs here: writing both, reading them back as a batch, and the band that the draws give. Does not belong here:
fitting (`phenodose.dose_response`), and which wells become curves (the asset `curves/<readout>`).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from phenodose.errors import StoreError
from phenodose.io.files import hash_bytes, written_aside
from phenodose.io.places import read_bytes, remove
from phenodose.io.seals import OPEN_SEAL, read_sealed, seal_of, sealed
from phenodose.tables import CURVE_FIT_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.store.store import Store

_CURVES = "curves"
#: In the file of points: the seal of the rows that they belong to.
_OF_ROWS = "of_rows"
_KEYS = ("sample", "readout", "replicate", "drug")
#: So many draws are kept with what was computed of them, about 3 KB each.
_MOST_KEPT = 100_000
#: Curves by the hashes of their files, the one used last at the end.
_LAST_READ: dict[tuple[str, str], CurveBatch] = {}
#: Percentiles of the draws between which the curve lies with 95 %.
_ENDS = (2.5, 97.5)


def curves_key(readout: str) -> str:
    """The asset key of a readout's curves, and the name of their part of the table."""
    return f"curves/{readout}"


def write_points(store: Store, screen: str, readout: str, batch: CurveBatch) -> None:
    """Keep the points and the draws of fitted curves beside their rows, which are written before.

    The file is sealed, and names the seal of the rows: it is read with these rows only.
    """
    import numpy as np

    arrays = {"log10_dose": batch.log10_dose, "inhibition": batch.inhibition}
    for name in ("draws", "doublings"):
        if getattr(batch, name) is not None:
            arrays[name] = getattr(batch, name)
    rows = read_bytes(store.table_part(_CURVES, screen, curves_key(readout)))
    if rows is not None and (of_rows := seal_of(rows)):
        arrays[_OF_ROWS] = np.array(of_rows)
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=False, **arrays)
    with zipfile.ZipFile(held, "a") as archive:
        archive.comment = OPEN_SEAL.encode()
    with written_aside(points_path(store, screen, readout)) as aside:
        aside.write_bytes(sealed(held.getvalue()))


def drop_points(store: Store, screen: str, readout: str) -> None:
    """Remove the points of a readout, if there are any."""
    remove(points_path(store, screen, readout))


def read_curves(store: Store, screen: str, readout: str) -> CurveBatch | None:
    """The curves of a readout as they were fitted, with points and draws; None if there are none.

    As long as the files are the same, the same object is given again: the scorers of a screen, which read it one after
    the other, share what they compute of it (`CurveBatch.once`).

    Raises:
        StoreError: rows and points are not of the same fit, or have changed since they were written.
    """
    rows_path, path = store.table_part(_CURVES, screen, curves_key(readout)), points_path(store, screen, readout)
    rows_content = read_bytes(rows_path)
    if rows_content is None:
        return None
    again = f"materialize `{curves_key(readout)}` of {screen} again"
    points = read_sealed(path, again)
    version = (hash_bytes(rows_content), hash_bytes(points or b""))
    if version not in _LAST_READ:
        rows = store.read_table(_CURVES, screen, curves_key(readout))
        if rows.empty:
            return None
        if points is None:
            raise StoreError(f"{path} is missing; {again}.")
        try:
            batch = _joined(rows, points, seal_of(rows_content))
        except (zipfile.BadZipFile, zlib.error, ValueError, TypeError, KeyError, EOFError) as error:
            raise StoreError(f"{path} is damaged ({error}); {again}.") from error
        if batch is None:
            raise StoreError(f"{path} and its rows differ; {again}.")
        _LAST_READ[version] = batch
    _LAST_READ[version] = _LAST_READ.pop(version)  # the last one is the one used last
    while len(_LAST_READ) > 1 and sum(map(_n_draws, _LAST_READ.values())) > _MOST_KEPT:
        _LAST_READ.pop(next(iter(_LAST_READ)))
    return _LAST_READ[version]


def points_fault(store: Store, screen: str, readout: str) -> str:
    """Why the points of a readout cannot be used with their rows, with the remedy; '' if they can, or are not there."""
    import numpy as np

    path = points_path(store, screen, readout)
    again = f"materialize `{curves_key(readout)}` of {screen} again"
    rows = read_bytes(store.table_part(_CURVES, screen, curves_key(readout)))
    try:
        points = read_sealed(path, again)
        if rows is None or points is None or not seal_of(points):
            return ""
        with np.load(io.BytesIO(points)) as stored:
            of_rows = str(stored[_OF_ROWS]) if _OF_ROWS in stored.files else ""
        return "" if of_rows in ("", seal_of(rows)) else f"{path} and its rows differ; {again}."
    except StoreError as error:
        return str(error)


def _joined(rows: pd.DataFrame, points: bytes, seal: str) -> CurveBatch | None:
    """Rows with a seal, and the bytes of points, as curves; None if they are not of the same fit."""
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch

    with np.load(io.BytesIO(points)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    of_rows = arrays.pop(_OF_ROWS, None)
    if len(arrays["log10_dose"]) != len(rows) or (of_rows is not None and str(of_rows) != seal):
        return None
    batch = replace(CurveBatch.from_frame(rows[[*_KEYS, *CURVE_FIT_COLUMNS]]), **arrays)
    if _n_draws(batch) <= _MOST_KEPT:
        batch.keep_draws()
    return batch


def _n_draws(batch: CurveBatch) -> int:
    return 0 if batch.draws is None else int(batch.draws.shape[0] * batch.draws.shape[1])


def band(curves: CurveBatch, place: int, log10_dose: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Between which inhibitions a curve lies with 95 %, dose by dose, by the draws that give scores their intervals.

    Args:
        curves: a batch with draws.
        place: which of its curves.
        log10_dose: doses (k,) in log10 nM.

    Returns:
        Lower and upper inhibition (fraction), float64 (k,) each; None if the curve has no draws.
    """
    import numpy as np

    from phenodose.dose_response.models import inhibition

    if curves.draws is None or not curves.fitted[place]:
        return None
    drawn = inhibition(np.atleast_2d(log10_dose), *(column[:, None] for column in curves.draws[place].T))
    lower, upper = np.nanpercentile(drawn, _ENDS, axis=0)
    return lower, upper


def points_path(store: Store, screen: str, readout: str) -> Path:
    """File of the points of a readout's curves, and of their draws."""
    return store.screen_dir(screen) / "curves" / f"{readout}.npz"
