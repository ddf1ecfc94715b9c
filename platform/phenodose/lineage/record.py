"""Lineage: the row that every finished step leaves in the table `runs`, and one that gave nothing in `not_made`.

Belongs here: when a step ran, with which plugin and parameters, from which inputs, and the version of its
product; or why there is none. Does not belong here: the provenance columns of the products themselves
(`phenodose.lineage.provenance`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import phenodose
from phenodose.errors import PhenodoseError
from phenodose.io.files import hash_bytes, hash_json
from phenodose.io.places import read_bytes
from phenodose.io.seals import seal_of
from phenodose.plugins import Plugin
from phenodose.screens.external_inputs import ExternalInput, is_watched, look_into
from phenodose.store.store import parameters_text
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from phenodose.pipeline.context import Context

#: Columns that differ from run to run though the product is the same, and those that the cohort fills in.
_OF_THE_RUN = ["run_id", "seconds", "stale", "verdict", "verdict_reason", "ranked_by", "n_hits"]
#: Columns of which nothing follows that does not rest on another table too: C max on `reachable_effects`, and no map of
#: drugs is made again because of it.
_ELSEWHERE = {"drugs": ["c_max_nM", "c_max_dose", "c_max_source", "fraction_unbound"]}

#: What a step read: name -> hash, id, or a mapping of these.
Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """What was made of what, as versions.

    Attributes:
        version: of the product, from `content_version`.
        made_from: of every asset and input that was there, from `versions_now`.
        tables: (table, part) of every file that was written.
    """

    version: str | None = None
    made_from: Mapping[str, str] = field(default_factory=dict)
    tables: Sequence[tuple[str, str]] = ()


def versions_now(step: Context, assets: Iterable[str], external: Iterable[ExternalInput]) -> dict[str, str]:
    """Version of everything that a step is about to be made from, by key; what is not there is left out.

    Args:
        step: screen and store.
        assets: keys of the assets that it needs or may take.
        external: its inputs that no asset makes; of these what can be looked at again at any time.
    """
    found: dict[str, str] = {}
    for key in assets:
        if version := _version_of(step, key):
            found[key] = version
    try:
        screen = step.screen
    except (PhenodoseError, OSError):
        return found
    now = look_into(screen, step.store, [thing for thing in external if is_watched(thing.key)])
    return found | {thing.key: version for thing, (version, _) in now.items()}


#: Versions by the seals of the files that hold them: the steps of a run ask for the same ones.
_VERSIONS: dict[str, str] = {}


def _version_of(step: Context, asset: str) -> str:
    """Version of an asset of the screen as its step recorded it; '' if it was not made, or by an older version."""
    content = read_bytes(step.store.table_part("runs", step.screen_id, asset))
    if content is None:
        return ""
    seal = seal_of(content)
    if seal and seal in _VERSIONS:
        return _VERSIONS[seal]
    rows = step.store.read_table("runs", step.screen_id, asset)
    version = rows["version"].iloc[0] if len(rows) else None
    known = version if isinstance(version, str) else ""
    if seal:
        _VERSIONS[seal] = known
    return known


def record_step(
    step: Context,
    started_at: datetime,
    finished_at: datetime,
    plugin: Plugin | None,
    inputs: Inputs,
    notes: Sequence[str] = (),
    made: Made | None = None,
) -> None:
    """Write the step's row of the table `runs`; the row of an earlier run of the same asset is replaced."""
    made = made or Made()
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
        "version": made.version,
        "made_from": parameters_text(dict(made.made_from)) if made.made_from else None,
        "files": parameters_text(_seals(step, made.tables)) if made.tables else None,
    }
    step.store.write_table("runs", step.screen_id, step.asset, TABLES["runs"].frame([row]))
    step.store.drop_table_part("not_made", step.screen_id, step.asset)


def record_not_made(step: Context, outcome: Literal["failed", "skipped"], reason: str) -> None:
    """Write the step's row of the table `not_made`; it goes when the step comes to its end.

    The reason names files as they lie in the raw folder: a long path before it would be all that a short place shows.
    """
    raw = str(step.store.source_of(step.screen_id)).rstrip("/")
    row = {
        "screen": step.screen_id,
        "asset": step.asset,
        "outcome": outcome,
        "reason": reason.replace(f"{raw}/", ""),
        "tried_at": datetime.now(UTC),
        "run_id": step.run_id,
    }
    step.store.write_table("not_made", step.screen_id, step.asset, TABLES["not_made"].frame([row]))


def _seals(step: Context, tables: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Seal of every file of a table, by table and part; '' for one that is not there."""
    files = {f"{table} {part}": step.store.table_part(table, step.screen_id, part) for table, part in tables}
    return {name: seal_of(read_bytes(file) or b"") for name, file in files.items()}


def content_version(step: Context, tables: Sequence[tuple[str, str]], inputs: Inputs) -> str:
    """Version of a product: what its tables hold, without what tells of the run alone.

    Made again with the same result, a product has the same version, and nothing that was made from it is stale. A
    product without tables has the version of what it was made from; without both, that of its run.
    """
    if tables:
        frames = ((table, step.store.read_table(table, step.screen_id, part)) for table, part in tables)
        texts = [
            frame.drop(columns=[*_OF_THE_RUN, *_ELSEWHERE.get(table, ())], errors="ignore").to_csv(index=False)
            for table, frame in frames
        ]
        return hash_bytes(*(text.encode() for text in texts))
    return hash_json(dict(inputs)) if inputs else step.run_id
