"""The fitted curves of a screen in the store: rows of the table `curves`, their points and their draws beside.

Belongs here: writing both, reading them back as a batch, and the band that the draws give. Does not belong here:
fitting (`phenodose.dose_response`), and which wells become curves (the asset `curves/<readout>`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phenodose.errors import StoreError
from phenodose.io.files import written_aside
from phenodose.tables import CURVE_FIT_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.store.store import Store

_CURVES = "curves"
_KEYS = ("sample", "readout", "replicate", "drug")
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

    Raises:
        StoreError: rows and points are not of the same fit.
    """
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch

    rows = store.read_table(_CURVES, screen, curves_key(readout))
    if rows.empty:
        return None
    path = _points_path(store, screen, readout)
    there = store.local_copy(path)
    if not there.is_file():
        raise StoreError(f"{path} is missing; materialize `{curves_key(readout)}` of {screen} again.")
    with np.load(there) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if len(arrays["log10_dose"]) != len(rows):
        raise StoreError(f"{path} and its rows differ; materialize `{curves_key(readout)}` of {screen} again.")
    return replace(CurveBatch.from_frame(rows[[*_KEYS, *CURVE_FIT_COLUMNS]]), **arrays)


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

    if curves.draws is None or not curves.fitted[place]:
        return None
    drawn = curves.select(np.array([place])).drawn(0, curves.draws.shape[1])
    lower, upper = np.nanpercentile(drawn.inhibition_at(log10_dose), _ENDS, axis=0)
    return lower, upper


def _points_path(store: Store, screen: str, readout: str) -> Path:
    return store.screen_dir(screen) / "curves" / f"{readout}.npz"
