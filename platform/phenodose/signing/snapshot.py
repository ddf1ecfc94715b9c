"""What a signed report keeps of its store: a small store of its own, from which the report can be made again.

Of the screen every table, the curves with their draws, activation maps, and of plates the pictures that the report
shows; of other screens only the rows that the report shows: the scores behind the ranking's bars, and the networks that
the screen's networks started from. Files are copied on write where the file system can (`phenodose.io.copy_on_write`).

Belongs here: what is kept. Does not belong here: what is asked of it (`phenodose.reports`), the record of the signature
(`phenodose.reports.signing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.errors import StoreError
from phenodose.io.copy_on_write import copy_file, copy_tree
from phenodose.io.files import write_json
from phenodose.io.places import files, read_bytes
from phenodose.lineage.freshness import Change, freeze_changes
from phenodose.names import curve_names
from phenodose.pipeline.reference_samples import cohort_scores
from phenodose.pipeline.verdict import ranked_drugs
from phenodose.settings.site import SITE_NAME
from phenodose.store.activation_maps import FOLDER as MAPS_FOLDER
from phenodose.store.store import Store
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.kept_pictures import PictureLog

_SOURCE = "source.json"


def write_snapshot(store: Store, screen: str, root: Path, pictures: PictureLog, changes: Iterable[Change]) -> Store:
    """Keep what the report of a screen is made of, and return the small store.

    Args:
        store: the store.
        screen: screen id.
        root: a new folder on this machine.
        pictures: what the report asked of its plates.
        changes: what has changed since products of the screen were made.

    Raises:
        StoreError: a file is damaged, or was removed meanwhile.
    """
    kept = Store(root, frozen=True)
    own, there = store.screen_dir(screen), kept.screen_dir(screen)
    root.mkdir(parents=True)
    for table in TABLES:
        folder = store.root / "tables" / table / f"screen={screen}"
        for file in files(folder, "*.parquet"):
            copy_file(file, root / "tables" / table / folder.name / file.name)
    if read_bytes(own / _SOURCE) is not None:
        copy_file(own / _SOURCE, there / _SOURCE)
    for name in ("curves", MAPS_FOLDER):
        copy_tree(own / name, there / name)
    tensors = store.tensor_path(screen) / "zarr.json"
    if read_bytes(tensors) is not None:  # of the tensors their record: which images they were made of
        copy_file(tensors, kept.tensor_path(screen) / "zarr.json")
    if read_bytes(store.root / SITE_NAME) is not None:
        copy_file(store.root / SITE_NAME, root / SITE_NAME)
    _keep_reference(store, screen, kept)
    _keep_networks(store, screen, kept)
    pictures.write(root)
    freeze_changes(changes, root)
    return kept


def _keep_reference(store: Store, screen: str, kept: Store) -> None:
    """Scores of other samples' screens by the readout and scorer that rank the drugs: nothing else of them."""
    ranked = ranked_drugs(store, screen)
    if ranked.empty:
        return
    readout, scorer = str(ranked["readout"].iloc[0]), str(ranked["scorer"].iloc[0])
    drugs = drugs_of(store, screen)
    for other, rows in cohort_scores(store, screen, readout, scorer).groupby("screen"):
        scores = store.read_table("scores", str(other))
        wanted = (scores["scorer"] == scorer) & (scores["readout"] == readout) & (scores["replicate"] == "pooled")
        wanted &= scores["drug"].isin(drugs) & scores["sample"].isin(rows["sample"])
        _keep_rows(kept, "scores", str(other), f"scores/{scorer}", scores[wanted])


def drugs_of(store: Store, screen: str) -> set[str]:
    """The drugs of a screen, as its wells and its scores name them."""
    wells = store.read_table("wells", screen)
    return {*store.read_table("scores", screen)["drug"], *wells["treatment"].dropna(), *curve_names(wells).dropna()}


def _keep_networks(store: Store, screen: str, kept: Store) -> None:
    """Rows of the networks of other screens that the screen's networks started from."""
    for other, rows in ancestors(store, screen).groupby("screen"):
        if other != screen:
            _keep_rows(kept, "checkpoints", str(other), "checkpoints", rows)


def ancestors(store: Store, screen: str) -> pd.DataFrame:
    """Rows of the table `checkpoints` of all networks behind a screen's viabilities: its own, and their parents."""
    own = store.read_table("checkpoints", screen)
    waiting = {*own["parent_hash"].dropna(), *store.read_table("viability", screen)["checkpoint"].dropna()}
    if not waiting and own.empty:
        return own
    try:
        every = store.read_table("checkpoints")
    except StoreError:
        every = own  # a damaged file of another screen is told where that screen is looked at
    found = set(own["weights_hash"])
    while waiting:
        found |= waiting
        parents = every.loc[every["weights_hash"].isin(waiting), "parent_hash"].dropna()
        waiting = set(parents) - found
    return every[every["weights_hash"].isin(found)]


def _keep_rows(kept: Store, table: str, screen: str, part: str, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    kept.write_table(table, screen, part, rows.reset_index(drop=True))
    write_json(kept.screen_dir(screen) / _SOURCE, {"screen": screen, "source": ""})
