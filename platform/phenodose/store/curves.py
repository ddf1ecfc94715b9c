"""The fitted curves of a screen in the store: rows of the table `curves`, their points and their draws beside.

Belongs here: writing both, reading them back as a batch, and the band that the draws give. Does not belong here:
fitting (`phenodose.dose_response`), and which wells become curves (the asset `curves/<readout>`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phenodose.errors import StoreError
from phenodose.io.files import hash_file, written_aside
from phenodose.tables import CURVE_FIT_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.store.store import Store

_CURVES = "curves"
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
    """Keep the points and the draws of fitted curves beside their rows."""
    import numpy as np

    arrays = {"log10_dose": batch.log10_dose, "inhibition": batch.inhibition}
    for name in ("draws", "doublings"):
        if getattr(batch, name) is not None:
            arrays[name] = getattr(batch, name)
    with written_aside(_points_path(store, screen, readout)) as aside, aside.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def read_curves(store: Store, screen: str, readout: str) -> CurveBatch | None:
    """The curves of a readout as they were fitted, with points and draws; None if there are none.

    As long as the files are the same, the same object is given again: the scorers of a screen, which read it one after
    the other, share what they compute of it (`CurveBatch.once`).

    Raises:
        StoreError: rows and points are not of the same fit.
    """
    rows_path, path = store.table_part(_CURVES, screen, curves_key(readout)), _points_path(store, screen, readout)
    there = store.local_copy(path)
    if not rows_path.is_file():
        return None
    version = (hash_file(rows_path), hash_file(there) if there.is_file() else "")
    if version not in _LAST_READ:
        rows = store.read_table(_CURVES, screen, curves_key(readout))
        if rows.empty:
            return None
        if not there.is_file():
            raise StoreError(f"{path} is missing; materialize `{curves_key(readout)}` of {screen} again.")
        batch = _joined(rows, there)
        if batch is None:
            raise StoreError(f"{path} and its rows differ; materialize `{curves_key(readout)}` of {screen} again.")
        _LAST_READ[version] = batch
    _LAST_READ[version] = _LAST_READ.pop(version)  # the last one is the one used last
    while len(_LAST_READ) > 1 and sum(map(_n_draws, _LAST_READ.values())) > _MOST_KEPT:
        _LAST_READ.pop(next(iter(_LAST_READ)))
    return _LAST_READ[version]


def _joined(rows: pd.DataFrame, points: Path) -> CurveBatch | None:
    """Rows and points as curves; None if they are not of the same fit."""
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch

    with np.load(points) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if len(arrays["log10_dose"]) != len(rows):
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


def _points_path(store: Store, screen: str, readout: str) -> Path:
    return store.screen_dir(screen) / "curves" / f"{readout}.npz"
