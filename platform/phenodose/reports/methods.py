"""Where every number of a report comes from: steps, settings, networks, plates, as tables.

Settings that several steps share stand once and are named by a letter. Does not belong here: the chain of a single
score (`drug_cards`), recording (`phenodose.lineage`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of
from phenodose.names import plate_sort_key
from phenodose.reports.data import number_of, text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

#: Signs of a run's id by which steps name it.
_RUN_SIGNS = 8
#: The step that writes the report; the report does not tell it.
OWN_STEP = "patient_report"


class _Settings:
    """Every different setting of plugins, under a letter."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], str] = {}

    def key(self, plugin: str, parameters: str) -> str:
        """The letters of these settings, A to Z, AA and so on; '' for a step without parameters."""
        if not _pairs(parameters):
            return ""
        return self._keys.setdefault((plugin, parameters), _letters(len(self._keys)))

    def rows(self) -> list[dict[str, Any]]:
        """Key, plugin and parameters of all that were asked for."""
        return [
            {"key": key, "plugin": plugin, "parameters": _pairs(parameters)}
            for (plugin, parameters), key in self._keys.items()
        ]


def lineage(data: ScreenData) -> dict[str, Any]:
    """Runs, steps, plugins with versions and settings, networks, plates."""
    runs = data["runs"].sort_values(["finished_at", "asset"])
    # A page cannot tell the step that is writing it; to tell the one before would make the page of a run, which nobody
    # may sign, another than the page that `phenodose report` makes right after it.
    runs = runs[runs["asset"] != OWN_STEP]
    checkpoints = data["checkpoints"].sort_values(["readout", "phase"])
    settings = _Settings()
    names = _short_names(runs["run_id"].dropna().unique().tolist())
    return {
        "steps": [
            {
                "asset": row.asset,
                "run": names.get(row.run_id, ""),
                "finished": row.finished_at.strftime("%Y-%m-%d %H:%M:%S"),
                "plugin": f"{row.plugin} {text_of(row.plugin_version)}" if text_of(row.plugin) else "",
                "settings": settings.key(text_of(row.plugin), text_of(row.parameters)),
                "version": row.phenodose_version,
            }
            for row in rows_of(runs)
        ],
        "checkpoints": [
            {
                "name": f"{row.readout} {row.phase}",
                "weights": row.weights_hash,
                "parent": text_of(row.parent_hash) or "weights of the backbone",
                "trained_on": row.trained_on,
                "wells": f"{row.n_train} + {row.n_validation}",
                "epochs": row.epochs,
                "loss": f"{number_of(row.train_loss)} / {number_of(row.validation_loss)}",
                "auroc": number_of(row.validation_auroc, 3),
                "plugin": f"{row.plugin} {row.plugin_version}",
                "settings": settings.key(row.plugin, text_of(row.parameters)),
            }
            for row in rows_of(checkpoints)
        ],
        "plates": [
            {"plate": row.plate, "hash": row.raw_hash, "reader": f"{row.plugin} {row.plugin_version}"}
            for row in sorted(rows_of(data["plates"]), key=lambda row: plate_sort_key(row.plate))
        ],
        "fits": sorted(set(data["curves"]["fit"])),
        "settings": settings.rows(),
        "runs": [(short, run) for run, short in names.items() if short != run],
        "readouts": [(data.label(name), name) for name in data.readouts if data.label(name) != name],
        "not_made": _not_made(data["not_made"]),
    }


def _not_made(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Steps that failed or were skipped; those with the same reason, but for their own name, together."""
    alike: dict[tuple[str, str], list[Any]] = {}
    for row in rows_of(rows.sort_values(["outcome", "asset"])):
        own = str(row.asset).rpartition("/")[2]
        reason = re.sub(rf"\b{re.escape(own)}\b", "it", " ".join(text_of(row.reason).split()))
        alike.setdefault((row.outcome, reason), []).append(row)
    return [
        {
            "asset": ", ".join(str(row.asset) for row in some),
            "outcome": outcome,
            "reason": reason if len(some) > 1 else text_of(some[0].reason),
        }
        for (outcome, reason), some in alike.items()
    ]


def _pairs(parameters: str) -> list[tuple[str, str]]:
    """Names and values of parameters that are stored as JSON."""
    try:
        found = json.loads(parameters or "{}")
    except ValueError:
        return [("as stored", parameters)]
    return [(str(name), _value(value)) for name, value in found.items()] if isinstance(found, dict) else []


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(held)}" for name, held in value.items()) or "none"
    return str(value)


def _letters(place: int) -> str:
    turn, rest = divmod(place, 26)
    return (_letters(turn - 1) if turn else "") + chr(ord("A") + rest)


def _short_names(runs: list[str]) -> dict[str, str]:
    """Run -> the beginning of its id, whole where two begin alike."""
    starts = [run[:_RUN_SIGNS] for run in runs]
    return {run: start if starts.count(start) == 1 else run for run, start in zip(runs, starts, strict=True)}
