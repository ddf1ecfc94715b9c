"""Whether quality stops what comes after: metrics that `block` and fail.

Belongs here: the sentence that says why. Does not belong here: the limits and who may set them (`gates`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from phenodose.quality.gates import Limits, judge

if TYPE_CHECKING:
    import pandas as pd


def quality_block(qc: pd.DataFrame, limits: Limits) -> str:
    """Why the quality of a product stops what needs it; '' if it does not.

    Args:
        qc: rows of the table `qc`: readout, plate, metric, value.
        limits: the limits that hold now, which may be others than those that judged the rows.
    """
    sentences = []
    rows: Iterable[Any] = qc[qc["metric"].isin(limits.blocking) & qc["value"].notna()].itertuples()
    for row in rows:
        judgement = judge(row.metric, row.value, limits)
        if judgement.verdict == "fail":
            limit = limits.of[row.metric]
            sentences.append(
                f"{row.readout}, {row.plate}: {row.metric} is {row.value:.3g}, {judgement.words} (limit {limit.poor:g})"
            )
    if not sentences:
        return ""
    origins = " and ".join(sorted({limits.of[metric].origin for metric in limits.blocking}))
    return (
        f"blocked by quality ({origins}): {'; '.join(sentences)}. Mend the data, mask the wells, or set block = false "
        "for the metric."
    )
