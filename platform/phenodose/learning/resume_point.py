"""The point that a killed training goes on from.

Belongs here: storing and finding it. Does not belong here: when one is written, and what it must agree in (`training`,
`contrastive`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from phenodose.io.files import written_aside


class ResumePoint:
    """Weights, optimiser state and history of the last saved epoch, one folder that is replaced whole."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    def restore(self, network: Any) -> list[dict[str, float]]:
        """Put the saved state into `network`; the history so far, empty if there is nothing to go on from."""
        record = self.folder / "history.json"
        if not record.is_file():
            return []
        saved = json.loads(record.read_text(encoding="utf-8"))
        if saved["key"] != self.key:
            return []
        network.load_weights(self.folder / "state.weights.h5")
        history: list[dict[str, float]] = saved["history"]
        return history

    def save(self, network: Any, history: list[dict[str, float]]) -> None:
        """Keep the network's weights, its optimiser's state and the history so far."""
        with written_aside(self.folder) as aside:
            aside.mkdir()
            network.save_weights(aside / "state.weights.h5")
            (aside / "history.json").write_text(json.dumps({"key": self.key, "history": history}), encoding="utf-8")
