"""Lineage: the row that every finished step leaves in the table `runs`.

Belongs here: when a step ran, with which plugin and parameters, from which inputs. Does not belong
here: the provenance columns of the products themselves (`phenodose.provenance`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import phenodose
from phenodose.plugins import Plugin
from phenodose.store import Store, parameters_text
from phenodose.tables import TABLES

#: What a step read: name -> hash, id, or a mapping of these.
Inputs = Mapping[str, Any]


def record_step(
    store: Store,
    screen: str,
    asset: str,
    run_id: str,
    started_at: datetime,
    finished_at: datetime,
    plugin: Plugin | None,
    inputs: Inputs,
) -> None:
    """Write the step's row of the table `runs`; the row of an earlier run of the same asset is replaced."""
    row = {
        "screen": screen,
        "run_id": run_id,
        "asset": asset,
        "started_at": started_at,
        "finished_at": finished_at,
        "phenodose_version": phenodose.__version__,
        "plugin": plugin.name if plugin else None,
        "plugin_version": plugin.version if plugin else None,
        "parameters": parameters_text(plugin.parameters.model_dump()) if plugin else None,
        "inputs": parameters_text(dict(inputs)) if inputs else None,
    }
    store.write_table("runs", screen, asset, TABLES["runs"].frame([row]))
