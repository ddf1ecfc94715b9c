"""Lineage: the row that every finished step leaves in the table `runs`.

Belongs here: when a step ran, with which plugin and parameters, from which inputs, and the version of its
product. Does not belong here: the provenance columns of the products themselves (`phenodose.lineage.provenance`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import phenodose
from phenodose.io.files import hash_bytes, hash_json
from phenodose.plugins import Plugin
from phenodose.store.store import parameters_text
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from phenodose.pipeline.context import Context

#: Columns that differ from run to run though the product is the same.
_OF_THE_RUN = ["run_id", "seconds"]

#: What a step read: name -> hash, id, or a mapping of these.
Inputs = Mapping[str, Any]


def record_step(
    step: Context,
    started_at: datetime,
    finished_at: datetime,
    plugin: Plugin | None,
    inputs: Inputs,
    notes: Sequence[str] = (),
) -> None:
    """Write the step's row of the table `runs`; the row of an earlier run of the same asset is replaced."""
    row = {
        "screen": step.screen_id,
        "run_id": step.run_id,
        "asset": step.asset,
        "started_at": started_at,
        "finished_at": finished_at,
        "phenodose_version": phenodose.__version__,
        "plugin": plugin.name if plugin else None,
        "plugin_version": plugin.version if plugin else None,
        "parameters": parameters_text(plugin.parameters.model_dump()) if plugin else None,
        "inputs": parameters_text(dict(inputs)) if inputs else None,
        "notes": json.dumps(list(notes), ensure_ascii=False) if notes else None,
    }
    step.store.write_table("runs", step.screen_id, step.asset, TABLES["runs"].frame([row]))


def content_version(step: Context, tables: Sequence[tuple[str, str]], inputs: Inputs) -> str:
    """Version of a product: what its tables hold, without what tells of the run alone.

    Made again with the same result, a product has the same version, and nothing that was made from it is stale. A
    product without tables has the version of what it was made from; without both, that of its run.
    """
    if tables:
        frames = (step.store.read_table(table, step.screen_id, part) for table, part in tables)
        texts = [frame.drop(columns=_OF_THE_RUN, errors="ignore").to_csv(index=False) for frame in frames]
        return hash_bytes(*(text.encode() for text in texts))
    return hash_json(dict(inputs)) if inputs else step.run_id
