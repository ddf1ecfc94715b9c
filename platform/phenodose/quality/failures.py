"""Failed quality metrics in words, for terminals and machines.

Belongs here: gathering the rows of the table `qc` that fail, a sentence a metric. Does not belong here: judging
(`gates`), and stopping what comes after (`blocking`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.quality.gates import Limits
from phenodose.quality.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

_KEPT = ("sample", "readout", "plate", "metric", "value", "explanation")


def failed_figures(qc: pd.DataFrame, limits: Limits | None = None) -> list[dict[str, Any]]:
    """The metrics that fail, a dictionary each: sample, readout, plate, metric, value, limit, explanation.

    Args:
        qc: rows of the table `qc`, or of what `phenodose score` writes (there sample or readout may be missing).
        limits: the limits that judged them; the defaults if None.
    """
    failed = qc[qc["verdict"] == "fail"]
    of = (limits or Limits()).of
    return [
        {name: row[name] for name in _KEPT if name in row} | {"limit": of[str(row["metric"])].poor}
        for row in failed.to_dict("records")
    ]


def failure_sentences(failed: list[dict[str, Any]]) -> list[str]:
    """One sentence a sample, readout and metric: every place where it fails, and what that means in the worst of them.

    Args:
        failed: from `failed_figures`.
    """
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in failed:
        key = (str(one.get("sample", "")), str(one.get("readout", "")), str(one["metric"]))
        groups.setdefault(key, []).append(one)
    return [_sentence(*key, rows) for key, rows in groups.items()]


def _sentence(sample: str, readout: str, metric: str, rows: list[dict[str, Any]]) -> str:
    about = METRICS[metric]
    worst = (min if about.higher_is_better else max)(
        rows, key=lambda row: row["value"] if about.higher_is_better else abs(row["value"])
    )
    of = ", ".join(part for part in (f"sample {sample}" * bool(sample), f"readout {readout}" * bool(readout)) if part)
    values = ", ".join(f"{row['plate']} {row['value']:.3g}" for row in rows)
    side = "below" if about.higher_is_better else "above"
    limit = "" if worst["limit"] is None else f"; fails {side} {worst['limit']:g}"
    return f"{of}{': ' * bool(of)}{metric} ({values}{limit}): {worst['explanation']}"
