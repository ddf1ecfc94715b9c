"""Checkpoints of a store: which one a screen uses, and which control experiment it comes from.

Belongs here: finding checkpoints by the rows of the table `checkpoints`. Does not belong here: training
them (`checkpoints`) and their files (the readout plugins).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import CheckpointError, NotMade
from phenodose.io.places import read_bytes
from phenodose.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


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
    """Meanwhile the checkpoints of a store are read once, for a caller that asks for every one of its screens."""
    token = _READ.set({})
    try:
        yield
    finally:
        _READ.reset(token)


def _of_all_screens(store: Store) -> pd.DataFrame:
    read = _READ.get()
    if read is None:
        return store.read_table("checkpoints")
    if store.root not in read:
        read[store.root] = store.read_table("checkpoints")
    return read[store.root]


_READ: ContextVar[dict[Path, pd.DataFrame] | None] = ContextVar("checkpoints_read", default=None)


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
    rows = _of_all_screens(store)
    rows = rows[(rows["readout"] == readout) & (rows["phase"] == phase) & (rows["trained_on"] == rows["screen"])]
    if wanted is not None and wanted not in set(rows["screen"]):
        raise NotMade(
            f"the store holds no {phase} of {readout} from the control experiment {wanted}, which screen.toml names "
            "under phase1; run that control experiment first."
        )
    if rows.empty:
        raise NotMade(
            f"the store holds no control experiment with {phase} of {readout}; run one first "
            "(its screen.toml says kind = 'control-experiment')."
        )
    finished: dict[str, Any] = {}
    for screen in rows["screen"].unique():
        runs = store.read_table("runs", screen)
        for when in runs.loc[runs["asset"] == checkpoint_key(readout, phase), "finished_at"]:
            finished[screen] = when
    newest = max(rows["screen"], key=lambda screen: (screen in finished, finished.get(screen), screen))
    return checkpoint_row(store, wanted or newest, readout, phase) or {}
