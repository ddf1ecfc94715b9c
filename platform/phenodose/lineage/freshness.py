"""What of a screen is older than its inputs: an input or an earlier step has changed since it was made.

Every step notes the versions of what it was made from (`phenodose.lineage.record`). Here they are compared with what
there is now: the layout file, the plate-reader files, screen.toml and site.toml, the products of the steps before, and
the files that the step wrote. Report, cohort report, `phenodose why`, viewer and the cohort's `screens.stale` say it.

Belongs here: the comparison, and the sentence on it. Does not belong here: raw images (`phenodose.plates.ingest`
compares them), making anything again, Dagster's own staleness (`phenodose_assets.sensors.stale_screens`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.dose_response import ENGINE_VERSION
from phenodose.dose_response.reference_samples import REFERENCE_NAMES
from phenodose.errors import PhenodoseError
from phenodose.io.files import hash_file, hash_json, write_json
from phenodose.io.places import files, is_remote, read_bytes
from phenodose.io.seals import seal_of
from phenodose.lineage.taught_networks import taught_otherwise
from phenodose.plugins import Kind, plugins_of
from phenodose.screens.curations import CURATIONS as CURATIONS_TABLE
from phenodose.screens.curations import DECISIONS, PART, Decision, decisions_of, excluded_wells
from phenodose.screens.drug_files import site_library_files
from phenodose.screens.external_inputs import (
    CURATIONS,
    input_of,
    is_external,
    is_watched,
    looked_at,
    name_of,
)
from phenodose.screens.target_files import site_target_files
from phenodose.store.curves import points_fault, points_path

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store

#: Made anew whenever it is asked for, so that its age says nothing.
_REPORT = "patient_report"
_NAMED = 6
#: Before there was a step `drugs`, `layout` wrote its table.
_MOVED = "drugs layout"
#: Decisions that are named.
_MOST_DECISIONS = 3
#: Columns of the table `runs` in which a step recorded itself.
STEP_COLUMNS = ("asset", "inputs", "made_from", "files", "version", "plugin", "plugin_version")
#: Tables whose files each have the name of the asset that wrote them.
_BY_ASSET = ("viability", "curves", "scores")
#: Kind of the plugin that makes an asset, by the first part of its key.
_KINDS: Mapping[str, Kind] = {"viability": "readout", "scores": "scorer", "embedding": "embedder"}
#: What had changed when a report was signed, in the root of a store that is frozen.
_FROZEN = "changes.json"


@dataclass(frozen=True)
class Change:
    """Something that has changed since products were made from it.

    Attributes:
        what: key of the input or asset, such as `raw/layout`, or the file that a step wrote.
        direct: keys of what was made from it.
        products: keys of everything that is older than it, directly or through others.
        sentence: what is older than what, and what to do.
        kept: whether the products are good to be kept as they are until somebody asks for others by name.
    """

    what: str
    direct: tuple[str, ...]
    products: tuple[str, ...]
    sentence: str
    kept: bool = False


def changes_since(store: Store, screen: str, runs: pd.DataFrame | None = None) -> list[Change]:
    """What has changed since products of a screen were made from it; [] if every product fits its inputs.

    A raw folder that is not there any more (it is archived) is no change, nor is what an older version did not note.
    One that is there and cannot be read is told, as then nobody knows.

    Args:
        store: the store.
        screen: screen id.
        runs: its rows of the table `runs`, `STEP_COLUMNS` of them; None to read them.
    """
    if store.frozen:
        return _as_it_was(store)
    if runs is None:
        runs = store.read_table("runs", screen)
    return _Runs(store, screen, runs).changes()


def freeze_changes(changes: Iterable[Change], root: Path) -> None:
    """Write down what had changed, for a store that is frozen: whoever looks there is told the same."""
    write_json(root / _FROZEN, [asdict(change) for change in changes])


def _as_it_was(store: Store) -> list[Change]:
    told: list[dict[str, Any]] = json.loads(read_bytes(store.root / _FROZEN) or b"[]")
    lists = ("direct", "products")
    as_told: list[dict[str, Any]] = [
        {name: tuple(value) if name in lists else value for name, value in one.items()} for one in told
    ]
    return [Change(**one) for one in as_told]


class InputStates:
    """Tells of many screens whether something came or changed in their raw folders, without reading any file."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._folders = set(plugins_of(store).plate_reader_folders().values())
        tables = [*site_target_files(store.root), *site_library_files(store.root)]
        self._of_site = [store.root / name for name in ("site.toml", *REFERENCE_NAMES)] + tables
        self._plugins = [*sorted({found.distribution for found in plugins_of(store).report()}), ENGINE_VERSION]

    def state(self, screen: str) -> tuple[str, str]:
        """What a screen's raw folder looks like from outside: names, sizes and times of layout, settings and tables.

        As long as it and the screen's tables are the same, `changes_since` says the same.

        Returns:
            Of the screen's own files, '' where this machine does not have its folder; and of those of all screens.
        """
        site = hash_json([*(_entry(path) for path in self._of_site), self._plugins])
        try:
            folder = self.store.source_of(screen)
        except PhenodoseError:
            return "", site
        if not folder.is_dir():
            return "", site
        of_readers = [folder / name for name in sorted(self._folders)]
        times = [path for place in of_readers if place.is_dir() for path in sorted(place.iterdir()) if path.is_dir()]
        places = [folder, *of_readers, *times, *([] if is_remote(self.store.root) else [self._points_of(screen)])]
        return hash_json([list(_entries(place)) for place in places]), site

    def _points_of(self, screen: str) -> Path:
        return points_path(self.store, screen, "any").parent


def _entries(folder: Path) -> Iterator[Any]:
    try:
        with os.scandir(folder) as found:
            names = sorted(entry.name for entry in found if entry.is_file())
    except OSError:
        return
    for name in names:
        yield name, _entry(folder / name)


def _entry(path: Path) -> Any:
    if is_remote(path):
        return None
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


class _Runs:
    """The steps of a screen, as they recorded themselves."""

    def __init__(self, store: Store, screen: str, runs: pd.DataFrame) -> None:
        self.store, self.screen = store, screen
        self._inputs = {str(a): _parsed(text) for a, text in zip(runs["asset"], runs["inputs"], strict=True)}
        self._made_from = {str(a): _parsed(text) for a, text in zip(runs["asset"], runs["made_from"], strict=True)}
        self._files = {str(a): _parsed(text) for a, text in zip(runs["asset"], runs["files"], strict=True)}
        self._versions = {str(a): v for a, v in zip(runs["asset"], runs["version"], strict=True) if isinstance(v, str)}
        #: What has changed, in words, by key.
        self._names: dict[str, str] = {}
        self._faults: list[str] = []
        if file := next((name for name in self._inputs.get("layout", {}) if "." in name), ""):
            self._names["layout"] = f"`layout` ({file})"
        self._plugins = {
            str(a): (str(name), str(version))
            for a, name, version in zip(runs["asset"], runs["plugin"], runs["plugin_version"], strict=True)
            if isinstance(name, str) and isinstance(version, str)
        }
        self._folder: Path | None = None
        self._unknown_source = ""
        try:
            self._folder = store.source_of(screen)
        except PhenodoseError as error:
            self._unknown_source = str(error)

    def changes(self) -> list[Change]:
        changed: dict[str, list[str]] = {}
        for key, asset in [*self._of_external(), *self._of_assets(), *self._of_plugins(), *self._of_older_records()]:
            changed.setdefault(key, []).append(asset)
        found = [self._change(key, assets) for key, assets in changed.items() if set(assets) != {_REPORT}]
        found += [self._replaced(asset, file) for asset, file in self._replaced_files()]
        found += [Change(key, (key,), (key,), said, kept=True) for key, said in self._taught()]
        return [*self._unseen(), *found, *self._unrecorded(), *self._decided(), *self._points()]

    def _taught(self) -> Iterator[tuple[str, str]]:
        return taught_otherwise(self.store, self.screen, self._inputs)

    def _of_external(self) -> Iterator[tuple[str, str]]:
        """Key of every input that has changed, with each asset that was made from another version of it."""
        wanted: dict[tuple[str, bool], list[str]] = {}
        for asset, versions in self._made_from.items():
            for key in filter(is_watched, versions):
                if key == CURATIONS.key:
                    continue  # which of them concern a readout, `_decided` tells
                wanted.setdefault((key, self._compares(asset)), []).append(asset)
        if self._folder is None or not wanted:
            return
        things = {input_of(key, compares): (key, compares) for key, compares in wanted}
        look = looked_at(self._folder, self.store, things)
        self._faults = list(look.faults)
        for thing, (version, contents) in look.found.items():
            for asset in wanted[things[thing]]:
                if self._made_from[asset][thing.key] != version:
                    self._names[thing.key] = name_of(thing, contents)
                    yield thing.key, asset
        for thing in look.gone:
            self._names[thing.key] = f"{name_of(thing, {})} (gone from {self._folder})"
            yield from ((thing.key, asset) for asset in wanted[things[thing]])

    def _unseen(self) -> Iterator[Change]:
        """That nobody knows whether products fit their inputs, as these cannot be looked at."""
        made = sorted(asset for asset, versions in self._made_from.items() if any(map(is_watched, versions)))
        faults = self._faults or ([self._unknown_source] if self._unknown_source and made else [])
        for fault in faults:
            sentence = f"Whether results fit their inputs cannot be told: {fault.rstrip('.')}."
            yield Change("raw", tuple(made), tuple(sorted({*made, *self._after(made)})), sentence)

    def _unrecorded(self) -> Iterator[Change]:
        """Products of which there is no record any more, and those that were made from them."""
        known = {key for versions in self._made_from.values() for key in versions if not is_external(key)}
        lost = {key for key in known if key not in self._inputs}
        # A bucket is not asked for a list each time; where there is no record at all, it is.
        looks = not self._inputs or not is_remote(self.store.root)
        if looks and all(self._files[asset] for asset in self._inputs if "/" in asset):
            lost |= set(self._written()) - self._inputs.keys()
        for key in sorted(lost):
            after = self._after([key])
            what = f"; from it {_listed(after)} {'was' if len(after) == 1 else 'were'} made" if after else ""
            sentence = (
                f"There is no record any more of how `{key}` was made{what}; make it again with "
                f"`phenodose run {self.screen}`."
            )
            yield Change(key, (key,), (key, *after), sentence)

    def _written(self) -> Iterator[str]:
        """Assets by the names of files of tables, without the files that an asset recorded (a corrected readout's)."""
        recorded = {name for written in self._files.values() for name in written}
        for table in _BY_ASSET:
            folder = self.store.table_part(table, self.screen, "any").parent
            for file in files(folder, "*.parquet"):
                part = file.stem.replace(".", "/", 1)
                if f"{table} {part}" not in recorded:
                    yield part

    def _of_plugins(self) -> Iterator[tuple[str, str]]:
        """Assets that another version of their plugin has made."""
        plugins = plugins_of(self.store)
        for asset, (name, version) in self._plugins.items():
            group = asset.partition("/")[0]
            installed = ENGINE_VERSION if group == "curves" else None
            if (kind := _KINDS.get(group)) is not None:
                with suppress(PhenodoseError):  # one that is gone or cannot be used has no newer version
                    installed = plugins.get(kind, name).version
            if installed is not None and installed != version:
                key = f"code/{asset}"
                self._names[key] = f"version {installed} of {name} (made by {version})"
                yield key, asset

    def _decided(self) -> Iterator[Change]:
        """Decisions on wells since a readout's viability was made."""
        decisions = decisions_of(self.store, self.screen)
        heeding = {asset: made[DECISIONS] for asset, made in self._inputs.items() if DECISIONS in made}
        if lost := [asset for asset, heeded in heeding.items() if heeded["newest"] > len(decisions)]:
            yield self._lost_decisions(lost, max(heeding[asset]["newest"] for asset in lost))
        if not decisions or lost:
            return
        layout = self.store.read_table("wells", self.screen)
        by_news: dict[tuple[str, str], list[str]] = {}
        for asset in (one for one in self._inputs if one.startswith("viability/")):
            heeded = heeding.get(asset, {})
            readout = asset.partition("/")[2]
            if excluded_wells(self.store, self.screen, layout, readout).version == heeded.get("wells", ""):
                continue
            since = [one for one in decisions[heeded.get("newest", 0) :] if one.concerns(readout)]
            by_news.setdefault(_of_decisions(since), []).append(asset)
        for (key, words), assets in by_news.items():
            after, alone = self._after(assets), len(assets) == 1
            further = f", and with {'it' if alone else 'them'} {_listed(after)}" if after else ""
            sentence = (
                f"{_listed(assets)} {'is' if alone else 'are'} older than {words}{further}; make "
                f"{'it' if alone and not after else 'them'} again with `phenodose run {self.screen} --stale`."
            )
            yield Change(key, tuple(assets), (*assets, *after), sentence)

    def _lost_decisions(self, assets: list[str], newest: int) -> Change:
        file = self.store.table_part(CURATIONS_TABLE, self.screen, PART)
        sentence = (
            f"{file.relative_to(self.store.root)} is gone or older than {_listed(assets)}, which heeded decisions up "
            f"to {newest}; restore it from a backup, or decide again with `phenodose curate`."
        )
        return Change(str(file), tuple(assets), (*assets, *self._after(assets)), sentence)

    def _compares(self, asset: str) -> bool:
        """Whether a step compared with reference samples."""
        return asset.startswith("scores/") and any(not key.startswith("curves/") for key in self._inputs[asset])

    def _of_assets(self) -> Iterator[tuple[str, str]]:
        for asset, versions in self._made_from.items():
            for key, version in versions.items():
                if self._versions.get(key, version) != version:
                    yield key, asset

    def _of_older_records(self) -> Iterator[tuple[str, str]]:
        """Of steps of an older version: the layout file, and the files of tables that they read."""
        for asset, inputs in self._inputs.items():
            if self._made_from[asset]:
                continue
            for name, read in inputs.items():
                if asset == "layout" and "." in name and self._folder is not None:
                    file = self._folder / name
                    if file.is_file() and hash_file(file) != read:
                        self._names["raw/layout"] = f"the layout file {name}"
                        yield "raw/layout", asset
                elif name in self._inputs and isinstance(read, str):
                    part = self.store.table_part(name.partition("/")[0], self.screen, name)
                    if not part.is_file() or hash_file(part) != read:
                        yield name, asset

    def _change(self, key: str, direct: Iterable[str]) -> Change:
        first = [asset for asset in direct if asset != _REPORT]
        after = self._after(first)
        name = self._names.get(key, f"`{key}`")
        alone = len(first) == 1
        further = f", and with {'it' if alone else 'them'} {_listed(after)}" if after else ""
        sentence = (
            f"{_listed(first)} {'is' if alone else 'are'} older than {name}, changed since{further}; make "
            f"{'it' if alone and not after else 'them'} again with `phenodose run {self.screen}`."
        )
        return Change(key, tuple(first), (*first, *after), sentence)

    def _after(self, assets: Iterable[str]) -> list[str]:
        """What was made from these, directly or through others, in order of their keys."""
        gone = set(assets)
        while True:
            more = {asset for asset, keys in self._sources().items() if not gone.isdisjoint(keys)} - gone
            if not more:
                return sorted(gone - set(assets) - {_REPORT})
            gone |= more

    def _sources(self) -> Mapping[str, set[str]]:
        return {asset: {*self._made_from[asset], *self._inputs[asset]} for asset in self._inputs}

    def _replaced_files(self) -> Iterator[tuple[str, Path]]:
        """Files of tables that are not those that their step wrote; in a bucket nothing is read for that."""
        if is_remote(self.store.root):
            return
        for asset, written in self._files.items():
            for name, seal in written.items():
                if name == _MOVED:
                    continue
                table, _, part = name.partition(" ")
                file = self.store.table_part(table, self.screen, part)
                if seal and (not file.is_file() or seal_of(file.read_bytes()) != seal):
                    yield asset, file

    def _points(self) -> Iterator[Change]:
        """Points of curves that are not those of their rows: bands and new scores cannot be made of them."""
        for asset in (one for one in self._inputs if one.startswith("curves/")):
            if fault := points_fault(self.store, self.screen, asset.partition("/")[2]):
                yield Change(asset, (asset,), (asset,), fault)

    def _replaced(self, asset: str, file: Path) -> Change:
        state = "is not the file that" if file.is_file() else "is gone, which"
        sentence = (
            f"{file.relative_to(self.store.root)} {state} `{asset}` wrote (restored, exchanged or changed since); make "
            f"it again with `phenodose run {self.screen}`."
        )
        return Change(str(file), (asset,), (asset, *self._after([asset])), sentence)


def _of_decisions(since: list[Decision]) -> tuple[str, str]:
    """Key and words of what was decided since."""
    if not since:  # the layout has other wells for the same decisions
        return CURATIONS.key, "the wells that decisions leave out"
    newest = since[-_MOST_DECISIONS:]
    before = f"{len(since) - len(newest)} decisions, " if len(since) > len(newest) else ""
    return f"{CURATIONS.key} {since[-1].number}", before + ", ".join(one.words for one in newest)


def _parsed(text: Any) -> dict[str, Any]:
    found = json.loads(text) if isinstance(text, str) else {}
    return found if isinstance(found, dict) else {}


def _listed(keys: Iterable[str]) -> str:
    names = [f"`{key}`" for key in keys]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
