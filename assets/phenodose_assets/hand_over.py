"""What a step hands on to another step of its run: JSON in the store, so that both may run on different machines.

Products are no hand-overs: they lie in the store under their own names, and Dagster hands on nothing of them. What is
left is small: the names of an asset's parts, what is known of each, and why an asset failed. It lies in
`.hand_over/<run>/` and goes with the run. It is data and never a pickle, since whoever may write to a bucket could
otherwise have anything run on every machine that reads it.

Belongs here: the IO manager, and removing what ended runs left. Does not belong here: what is handed on (`graph`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from phenodose.errors import StoreError
from phenodose.io.files import write_json
from phenodose.io.places import folders, read_bytes, remove_tree
from phenodose.store.store import Store

#: Folder of the store that holds what steps hand on, by run.
FOLDER = ".hand_over"
#: A hand-over is small; a larger one is no hand-over but a product.
MOST_BYTES = 4_000_000
_RUN = re.compile(r"[0-9a-f-]{36}")


class HandOver(dg.IOManager):
    """Keeps what steps hand on in the store."""

    def __init__(self, store: Callable[[], Store]) -> None:
        """Remember how the store is opened."""
        self._store = store

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Keep what a step gives.

        Raises:
            TypeError: it is not made of texts, numbers, lists and tables with names, or is too large: a bug.
        """
        if obj is None or context.dagster_type.is_nothing:
            return
        # What comes back must be what was given; tuples, dates and objects would not.
        text = json.dumps(obj, allow_nan=False)
        if json.loads(text) != obj:
            raise TypeError(f"{context.step_key} hands on something that is not JSON: {obj!r:.200}")
        if len(text) > MOST_BYTES:
            raise TypeError(f"{context.step_key} hands on {len(text)} bytes; what is large is a product of the store")
        write_json(self._path(context), obj)

    def load_input(self, context: dg.InputContext) -> Any:
        """What an earlier step gave.

        Raises:
            StoreError: it is gone, or not JSON.
        """
        upstream = context.upstream_output
        if upstream is None or context.dagster_type.is_nothing:
            return None
        path = self._path(upstream)
        content = read_bytes(path)
        if content is None:
            raise StoreError(
                f"{path} is not there: what steps hand on goes when their run ends. Start a new run; what is made is "
                "kept."
            )
        try:
            return json.loads(content)
        except ValueError as error:
            raise StoreError(f"{path} is damaged ({error}); start a new run, what is made is kept.") from error

    def _path(self, output: dg.OutputContext) -> Path:
        """Where an output lies; all that is not a plain letter in a step's or output's name is written in hex."""
        names = [output.step_key, output.name, output.mapping_key or ""]
        return hand_over_folder(self._store(), output.run_id) / f"{'.'.join(map(_plain, names))}.json"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", lambda found: f"-{ord(found[0]):x}-", name)


def hand_over_folder(store: Store, run_id: str) -> Path:
    """The folder of what the steps of a run hand on.

    Raises:
        StoreError: the run's id is none that Dagster gives.
    """
    if not _RUN.fullmatch(run_id):
        raise StoreError(f"{run_id!r} is no id of a run; ids are made by Dagster.")
    return store.root / FOLDER / run_id


def remove_hand_overs(instance: dg.DagsterInstance, store: Store) -> list[str]:
    """Remove what ended runs of this instance handed on, and give their ids.

    Runs that the instance does not know may be another instance's, and under way: they are left.
    """
    removed = []
    for folder in folders(store.root / FOLDER):
        if not _RUN.fullmatch(folder.name):
            continue
        run = instance.get_run_by_id(folder.name)
        if run is not None and run.is_finished:
            remove_tree(folder)
            removed.append(folder.name)
    return removed
