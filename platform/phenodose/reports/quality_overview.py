"""All quality metrics of a screen in one table: a row a metric, a column a readout.

Does not belong here: the metrics plate by plate (`evidence`), the verdict on the screen (`phenodose.pipeline.verdict`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of
from phenodose.quality.metrics import METRICS
from phenodose.reports.data import VERDICTS, number_of

if TYPE_CHECKING:
    from phenodose.reports.data import ScreenData


def overview(data: ScreenData) -> dict[str, Any]:
    """Of every metric with a verdict the worst value of every readout, and the plate that has it.

    Of values of the same verdict the screen's own is taken, then the first plate's.
    """
    found: dict[tuple[str, str], Any] = {}
    for row in sorted(rows_of(data["qc"]), key=lambda row: (VERDICTS.index(row.verdict), row.plate != "screen")):
        found.setdefault((row.metric, row.readout), row)
    judged = {metric for (metric, _), row in found.items() if row.verdict != "none"}
    order = {metric: place for place, metric in enumerate(METRICS)}
    readouts = [name for name in data.readouts if any(readout == name for _, readout in found)]
    return {
        "readouts": [data.label(name) for name in readouts],
        "rows": [
            {
                "title": METRICS[metric].title if metric in METRICS else metric,
                "cells": [_cell(found.get((metric, name))) for name in readouts],
            }
            for metric in sorted(judged, key=lambda metric: (order.get(metric, len(order)), metric))
        ],
    }


def _cell(row: Any) -> dict[str, str]:
    if row is None:
        return {"text": "", "verdict": "none", "plate": ""}
    return {
        "text": number_of(row.value, 3),
        "verdict": row.verdict,
        "plate": "" if row.plate == "screen" else f"plate {row.plate}",
    }
