"""The steps that made a screen's results, as runs of software: the chain of `phenodose why` for programs.

One action a step, as the profile Process Run Crate 0.5 has it: the plugin and phenodose as instruments, what was read
as objects, what was made as result, start and end. A product is told by its asset key and its version, so that the
result of one step is the object of the next; what no step makes (raw files, settings) is told by its version alone. A
step that failed is an action that failed, with the reason.

Source: Workflow Run RO-Crate, Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5).

Belongs here: rows of `runs` and `not_made` as entities. Does not belong here: files (`document`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import phenodose
from phenodose.crate.tables import table_file
from phenodose.io.files import hash_json
from phenodose.lineage.rows import records

if TYPE_CHECKING:
    import pandas as pd

Entity = dict[str, Any]
AGENT = "#site"
_DONE, _FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"
#: Characters of a note or reason.
_LONGEST = 4000


def reference(identifier: str) -> dict[str, str]:
    """A link to an entity."""
    return {"@id": identifier}


def one_or_all(links: Iterable[str]) -> Any:
    """Links as JSON-LD has them in a crate: one by itself, several in a list, each once."""
    found = [reference(link) for link in dict.fromkeys(links)]
    return found[0] if len(found) == 1 else found


class Workflow:
    """Entities of the steps of one screen.

    Attributes:
        entities: by identifier, in order.
        actions: identifiers of the actions, in order of time.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], results: Mapping[str, list[str]]) -> None:
        """Make the entities.

        Args:
            tables: rows of the screen by table.
            results: identifiers of files of the crate that a step made, by asset key.
        """
        self.entities: dict[str, Entity] = {}
        self.actions: list[str] = []
        self._tables = tables
        self._results = results
        runs = _rows(tables, "runs", "started_at")
        self._versions = {row["asset"]: row["version"] for row in runs}
        for row in runs:
            self._action(row)
        for row in _rows(tables, "not_made", "tried_at"):
            if row["outcome"] == "failed":
                self._failure(row)

    def phenodose(self, version: str) -> str:
        """The identifier of a version of phenodose."""
        return self._add(
            f"#phenodose-{quote(version)}",
            lambda: {
                "@type": "SoftwareApplication",
                "name": "phenodose",
                "description": "Platform for drug screens of tumour spheroids",
                "softwareVersion": version,
            },
        )

    def _add(self, identifier: str, make: Callable[[], Entity]) -> str:
        if identifier not in self.entities:
            self.entities[identifier] = {"@id": identifier} | make()
        return identifier

    def _action(self, row: Mapping[str, Any]) -> None:
        asset = str(row["asset"])
        software = self.phenodose(row["phenodose_version"])
        inputs = [self._input(key, version) for key, version in _parsed(row["made_from"]).items()]
        inputs += [self._fact(key, value) for key, value in _parsed(row["inputs"]).items() if not _known(key, row)]
        plugin = [self._plugin(row["plugin"], row["plugin_version"], software)] if _is(row["plugin"]) else []
        inputs += [self._parameter(row, name, value) for name, value in _parsed(row["parameters"]).items()]
        result = [self._product(asset, row["version"]), *self._results.get(asset, [])]
        action = {
            "@type": "CreateAction",
            "name": asset,
            "description": _description(asset, row["notes"]),
            "startTime": _time(row["started_at"]),
            "endTime": _time(row["finished_at"]),
            "actionStatus": _DONE,
            "agent": reference(AGENT),
            "instrument": one_or_all([*plugin, software]),
            "object": one_or_all(inputs),
            "result": one_or_all(result),
            "identifier": str(row["run_id"]),
        }
        self._note_action(f"#run/{quote(asset)}", action)

    def _failure(self, row: Mapping[str, Any]) -> None:
        asset = str(row["asset"])
        action = {
            "@type": "CreateAction",
            "name": asset,
            "description": f"Step {asset} of phenodose, which failed when it was last tried; it made nothing.",
            "endTime": _time(row["tried_at"]),
            "actionStatus": _FAILED,
            "agent": reference(AGENT),
            "instrument": reference(self.phenodose(phenodose.__version__)),
            "error": str(row["reason"])[:_LONGEST],
            "identifier": str(row["run_id"]),
        }
        self._note_action(f"#failed-run/{quote(asset)}", action)

    def _note_action(self, identifier: str, action: Entity) -> None:
        self._add(identifier, lambda: {key: value for key, value in action.items() if value != []})
        self.actions.append(identifier)

    def _product(self, asset: str, version: Any) -> str:
        """What a step made: rows of the crate's tables if it is the version that is there."""
        identifier = f"#made/{quote(asset)}" + (f"/{version}" if _is(version) else "")

        def make() -> Entity:
            entity: Entity = {"@type": "CreativeWork", "name": f"product of {asset}"}
            if _is(version):
                entity["version"] = str(version)
            if self._versions.get(asset) == version:
                files = [table_file(table) for table in self._written(asset) if table in self._tables]
                if files:
                    entity["isPartOf"] = one_or_all(files)
            else:
                entity["description"] = "An earlier version, which is in the crate no more."
            return entity

        return self._add(identifier, make)

    def _written(self, asset: str) -> list[str]:
        """The tables that a step wrote rows of."""
        rows = self._tables["runs"]
        files = _parsed(rows.loc[rows["asset"] == asset, "files"].iloc[0])
        return list(dict.fromkeys(name.partition(" ")[0] for name in files))

    def _input(self, key: str, version: Any) -> str:
        if key in self._versions:
            return self._product(key, version)
        kind = "settings" if key.startswith("settings/") else "an input from outside"
        entity = {
            "@type": "CreativeWork",
            "name": key,
            "version": str(version),
            "description": f"{key}: {kind}, which is not in the crate and is told by its hash.",
        }
        return self._add(f"#input/{quote(key)}/{quote(str(version))}", lambda: entity)

    def _plugin(self, name: str, version: Any, software: str) -> str:
        shown = str(version) if _is(version) else "unknown"
        entity = {
            "@type": "SoftwareApplication",
            "name": name,
            "description": f"Plugin {name} of phenodose",
            "softwareVersion": shown,
            "softwareRequirements": reference(software),
        }
        return self._add(f"#plugin/{quote(name)}-{quote(shown)}", lambda: entity)

    def _parameter(self, row: Mapping[str, Any], name: str, value: Any) -> str:
        where = f"{quote(str(row['plugin']))}.{quote(name)}"
        return self._property(f"#parameter/{where}", name, f"Parameter {name} of {row['plugin']}", value)

    def _fact(self, key: str, value: Any) -> str:
        return self._property(f"#read/{quote(key)}", key, "What was read, by name: its hash, or how it was read", value)

    def _property(self, stem: str, name: str, description: str, value: Any) -> str:
        plain = isinstance(value, (str, int, float))
        entity = {
            "@type": "PropertyValue",
            "name": name,
            "description": description,
            "value": value if plain else json.dumps(value),
        }
        return self._add(f"{stem}/{hash_json(value)[:12]}", lambda: entity)


def _known(key: str, row: Mapping[str, Any]) -> bool:
    """Whether what was read is told by its version already."""
    return key in _parsed(row["made_from"])


def _rows(tables: Mapping[str, pd.DataFrame], table: str, by: str) -> list[dict[str, Any]]:
    if table not in tables:
        return []
    return records(tables[table].sort_values([by, "asset"]))


def _is(cell: Any) -> bool:
    return isinstance(cell, str) and cell != ""


def _parsed(text: Any) -> dict[str, Any]:
    found = json.loads(text) if isinstance(text, str) else {}
    return found if isinstance(found, dict) else {}


def _description(asset: str, notes: Any) -> str:
    told = json.loads(notes) if isinstance(notes, str) else []
    return " ".join([f"Step {asset} of phenodose.", *map(str, told)])[:_LONGEST]


def _time(moment: Any) -> str:
    return str(moment.isoformat(timespec="seconds"))
