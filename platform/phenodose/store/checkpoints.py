"""Checkpoints of a store: which one a screen uses, and which control experiment it comes from.

Belongs here: finding checkpoints by the rows of the table `checkpoints`. Does not belong here: training
them (`checkpoints`) and their files (the readout plugins).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phenodose.errors import CheckpointError, NotMade
from phenodose.io.places import is_remote, read_bytes, versions
from phenodose.store.store import Store
from phenodose.store.table_files import contents_of, readable


@dataclass(frozen=True)
class Checkpoint:
    """A trained phase that a screen uses.

    Attributes:
        folder: weights and record, on this machine.
        weights_hash: hash of the weights.
        trained_on: screen whose wells it was trained on.
    """

    folder: Path
    weights_hash: str
    trained_on: str


def checkpoint_key(readout: str, phase: str) -> str:
    """Asset key of a phase's checkpoint, also the part of the table that holds its row."""
    return f"checkpoint/{readout}/{phase}"


def checkpoint_row(store: Store, screen: str, readout: str, phase: str) -> Mapping[str, Any] | None:
    """The row of a screen's checkpoint, trained or adopted; None if there is none."""
    rows = store.read_table("checkpoints", screen, checkpoint_key(readout, phase))
    return {str(name): value for name, value in rows.iloc[0].items()} if len(rows) else None


def checkpoint_of(store: Store, screen: str, readout: str, phase: str) -> Checkpoint:
    """The checkpoint that a screen uses for a phase, its own or an adopted one.

    Raises:
        NotMade: the screen has none.
        CheckpointError: the adopted checkpoint was trained anew since it was adopted, or the files are those of another
            training than the one in the table, such as of an older backup.
    """
    key = checkpoint_key(readout, phase)
    row = checkpoint_row(store, screen, readout, phase)
    if row is None:
        raise NotMade(f"screen {screen} has no checkpoint {phase} of {readout}; materialize its asset `{key}` first.")
    trained_on = str(row["trained_on"])
    if trained_on != screen:
        origin = checkpoint_row(store, trained_on, readout, phase)
        if origin is None or origin["weights_hash"] != row["weights_hash"]:
            raise CheckpointError(
                f"{phase} of {readout}, which {screen} adopted from {trained_on}, was trained anew since; materialize "
                f"`{key}` of {screen} again, and what comes after it."
            )
    place = store.checkpoint_dir(trained_on, readout, phase)
    folder = store.local_copy(place)
    stored = _recorded_weights(folder)
    if stored not in ("", row["weights_hash"]):
        raise CheckpointError(
            f"{place} holds the weights {stored}, but those of the screen are {row['weights_hash']}: the files are of "
            f"another training; restore the right ones, or materialize `{key}` of {trained_on} again, and what comes "
            "after it."
        )
    return Checkpoint(folder, str(row["weights_hash"]), trained_on)


def _recorded_weights(folder: Path) -> str:
    """The hash of the weights by the record beside them; '' for a readout that keeps no such record."""
    try:
        found = json.loads(read_bytes(folder / "record.json") or b"{}")
        return str(found.get("weights_hash", ""))
    except (ValueError, AttributeError):
        return ""  # damaged: told by who loads it


@contextmanager
def checkpoints_read_once() -> Iterator[None]:
    """Meanwhile nobody looks again whether a store has new checkpoints, for a caller that asks for all its screens."""
    token = _LOOKED_AT.set({})
    try:
        yield
    finally:
        _LOOKED_AT.reset(token)


#: Rows of one part of the table `checkpoints` of all screens, which a process reads once for as long as its files
#: stay as they are: by place of the store and part, and there by screen with the state of its files.
_KEPT: dict[tuple[Path, str], dict[str, tuple[Any, tuple[Mapping[str, Any], ...]]]] = {}
_LOOKED_AT: ContextVar[dict[tuple[Path, str], list[Mapping[str, Any]]] | None] = ContextVar("looked_at", default=None)
_ROW = ("screen", "readout", "phase", "trained_on")
#: A folder that was written to less than this before it was looked at may be written to again in the same moment.
_SETTLED_NS = 1_000_000_000


def _trained_here(store: Store, readout: str, phase: str) -> list[Mapping[str, Any]]:
    """Of a phase, the rows of the screens that trained it themselves, in order of their names."""
    part = checkpoint_key(readout, phase)
    known, looked_at = _KEPT.setdefault((store.root, part), {}), _LOOKED_AT.get()
    if looked_at is not None and (store.root, part) in looked_at:
        return looked_at[store.root, part]
    states, now = _states(store, part), time.time_ns()
    changed = [screen for screen, state in states.items() if known.get(screen, (None,))[0] != state]
    rows: dict[str, tuple[Mapping[str, Any], ...]] = dict.fromkeys(changed, ())
    for path, content in contents_of([store.table_part("checkpoints", screen, part) for screen in sorted(changed)]):
        own = readable(path, _rows_in, content, columns=list(_ROW))
        rows[path.parent.name.removeprefix("screen=")] = tuple(own)
    for screen in known.keys() - states.keys():
        del known[screen]
    for screen in changed:
        state = states[screen]
        is_settled = not isinstance(state, int) or now - state > _SETTLED_NS
        known[screen] = (state if is_settled else None), rows[screen]
    found = [
        row
        for screen in sorted(known)
        for row in known[screen][1]
        if row["readout"] == readout and row["phase"] == phase and row["trained_on"] == row["screen"]
    ]
    if looked_at is not None:
        looked_at[store.root, part] = found
    return found


def _rows_in(source: Any, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a Parquet file, a mapping each."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.ParquetFile(source).read(columns=columns, use_threads=False).to_pylist()
    return rows


def _states(store: Store, part: str) -> dict[str, str | int]:
    """By screen, what changes when this part of its rows does; one listing, whatever the number of screens."""
    folder = store.root / "tables" / "checkpoints"
    if is_remote(folder):
        name = store.table_part("checkpoints", "S", part).name
        found = {tuple(file.split("/")): state for file, state in versions(folder).items()}
        return {file[0].removeprefix("screen="): state for file, state in found.items() if file[1:] == (name,)}
    try:
        with os.scandir(folder) as entries:
            # A folder's time of change tells that a file was put in its place.
            there = [(entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name.startswith("screen=")]
    except FileNotFoundError:
        return {}
    return {name.removeprefix("screen="): changed for name, changed in there}


def checkpoint_to_adopt(store: Store, readout: str, phase: str, wanted: str | None) -> Mapping[str, Any]:
    """The row of the control experiment's checkpoint that a drug screen starts from.

    Args:
        store: where to look.
        readout: staged readout.
        phase: phase that is trained in control experiments.
        wanted: control experiment that screen.toml names; None for the one trained last.

    Raises:
        NotMade: the store holds no such checkpoint.
    """
    screens = [str(row["screen"]) for row in _trained_here(store, readout, phase)]
    if wanted is not None and wanted not in screens:
        raise NotMade(
            f"the store holds no {phase} of {readout} from the control experiment {wanted}, which screen.toml names "
            "under phase1; run that control experiment first."
        )
    if not screens:
        raise NotMade(
            f"the store holds no control experiment with {phase} of {readout}; run one first "
            "(its screen.toml says kind = 'control-experiment')."
        )
    finished: dict[str, Any] = {}
    for screen in screens:
        runs = store.read_table("runs", screen)
        for when in runs.loc[runs["asset"] == checkpoint_key(readout, phase), "finished_at"]:
            finished[screen] = when
    newest = max(screens, key=lambda screen: (screen in finished, finished.get(screen), screen))
    return checkpoint_row(store, wanted or newest, readout, phase) or {}
