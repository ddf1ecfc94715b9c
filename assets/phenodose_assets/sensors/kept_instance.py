"""Dagster's instance, kept open from one tick of a sensor to the next.

Dagster opens an instance for every tick in which `context.instance` or a resource is asked for; where runs are kept in
SQLite it then loads seventy scripts to see that the databases are of its version. That was most of what a code server
took of the processor while nothing happened (`benchmarks/idle_daemon.py`). So a sensor asks here, and takes no
resources.
"""

from __future__ import annotations

import json
import threading

import dagster as dg

_LOCK = threading.Lock()
#: By what it was opened from; one, unless somebody edits dagster.yaml meanwhile.
_KEPT: dict[str, dg.DagsterInstance] = {}


def instance_of(context: dg.SensorEvaluationContext) -> dg.DagsterInstance:
    """The instance that a tick belongs to; that of a context made by hand is its own."""
    if context.instance_ref is None:
        return context.instance
    opened_from = json.dumps(context.instance_ref.to_dict(), sort_keys=True, default=str)
    with _LOCK:
        if opened_from not in _KEPT:
            _KEPT[opened_from] = dg.DagsterInstance.from_ref(context.instance_ref)
        return _KEPT[opened_from]
