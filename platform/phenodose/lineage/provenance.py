"""What every stored row can say of itself: run, plugin, version, parameters, checkpoint.

Belongs here: the provenance record and how it fills the provenance columns. Does not belong here: the
columns' declaration (`phenodose.tables`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phenodose.store.store import parameters_text

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plugins import Plugin


@dataclass(frozen=True)
class Provenance:
    """Where a row comes from.

    Attributes:
        run_id: Dagster run id, or 'cli-...' for a command.
        plugin: name of the plugin that computed the row.
        plugin_version: its version.
        parameters: its parameters in that run, as one line of JSON.
        checkpoint: hash of the network weights the row comes from; None without a network.
    """

    run_id: str
    plugin: str
    plugin_version: str
    parameters: str
    checkpoint: str | None = None

    @classmethod
    def of(cls, run_id: str, plugin: Plugin, checkpoint: str | None = None) -> Provenance:
        """Provenance of what `plugin` computes in the run `run_id`."""
        return cls(run_id, plugin.name, plugin.version, parameters_text(plugin.parameters.model_dump()), checkpoint)

    def columns(self) -> dict[str, Any]:
        """The provenance columns and their values, for a row or a whole frame."""
        return {
            "run_id": self.run_id,
            "plugin": self.plugin,
            "plugin_version": self.plugin_version,
            "parameters": self.parameters,
            "checkpoint": self.checkpoint,
        }

    def stamp(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A copy of `frame` with the provenance columns set in every row."""
        return frame.assign(**self.columns())
