"""What a screen is made from that no asset makes, as Dagster knows it.

Each input is an external asset with one partition a screen. What it holds now is reported to Dagster as an observation
with a data version; an asset that was made from another version is stale.

Belongs here: `ExternalAsset`, and comparing what there is now with what Dagster knows. Does not belong here: looking
(`phenodose.screens.external_inputs`), when that is done (`new_screens`, `run`), and which asset reads what (the module
of the asset).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from phenodose.io.files import hash_json
from phenodose.screens import external_inputs as inputs
from phenodose.screens.external_inputs import ExternalInput, look_at
from phenodose.store.store import Store
from phenodose_assets.data_versions import DATA_VERSION, data_version, newest_events
from phenodose_assets.partitions import screens

#: Version of an input of which nothing is said, such as a table that screen.toml does not hold.
NOTHING = hash_json({})
#: Tag that says that the data version is not one of Dagster's own.
_OWN_TAG = "dagster/data_version_is_user_provided"


@dataclass(frozen=True)
class ExternalAsset(ExternalInput):
    """One thing outside the graph that assets are made from."""

    @classmethod
    def of(cls, thing: ExternalInput) -> ExternalAsset:
        """The external asset of an input."""
        return cls(thing.key, thing.description, thing.look)

    @property
    def asset_key(self) -> dg.AssetKey:
        """The Dagster asset key."""
        return dg.AssetKey(self.key.split("/"))

    def spec(self, owner: str, takers: Collection[str]) -> dg.AssetSpec:
        """The external asset.

        Args:
            owner: who answers for it.
            takers: where the assets lie that are made from it; settings of one place lie together, too.
        """
        group = self.key.split("/")[0]
        kind = {"settings": "toml", "shared": "tensorflow"}.get(group, "file")
        alone = group == "settings" and len(takers) == 1
        return dg.AssetSpec(
            self.asset_key,
            group_name=f"{group}/of_{next(iter(takers))}" if alone else group,
            description=self.description,
            owners=[owner],
            kinds={kind},
            partitions_def=screens,
        )


#: What was found of a screen: version and contents, by external asset.
Found = Mapping[ExternalAsset, tuple[str, Any]]


def unknown_versions(instance: dg.DagsterInstance, found: Mapping[str, Found]) -> list[dg.AssetObservation]:
    """Observations of what was found, by screen, and Dagster does not know yet.

    An input of which nothing was ever said is none: most tables of parameters are in no screen.toml.
    """
    news = []
    for asset in dict.fromkeys(asset for of_screen in found.values() for asset in of_screen):
        screens_found = [screen for screen, of_screen in found.items() if asset in of_screen]
        known = newest_events(instance.fetch_observations, asset.asset_key, screens_found)
        for screen in screens_found:
            version, contents = found[screen][asset]
            if (data_version(known[screen]) if screen in known else NOTHING) != version:
                tags = {DATA_VERSION: version, _OWN_TAG: "true"}
                shown = _shown(contents)
                news.append(dg.AssetObservation(asset.asset_key, partition=screen, tags=tags, metadata=shown))
    return news


def new_observations(
    instance: dg.DagsterInstance, store: Store, folder: Path, external: Iterable[ExternalAsset]
) -> list[dg.AssetObservation]:
    """What a raw screen folder holds now and Dagster does not know yet; see `look_at`."""
    return unknown_versions(instance, {folder.resolve().name: look_at(folder, store, external)})


def _shown(found: Any) -> dict[str, Any]:
    """The first entries, for the page of the external asset."""
    values = found if isinstance(found, dict) else {"hash": found}
    return {str(name): str(value)[:200] for name, value in list(values.items())[:50]}


def readings(readout: str) -> ExternalAsset:
    """The plate-reader files of a readout."""
    return ExternalAsset.of(inputs.readings(readout))


def settings_of(table: str, fields: Sequence[str]) -> ExternalAsset:
    """What screen.toml says of the parameters of a plugin or step, see `external_inputs.settings_of`."""
    return ExternalAsset.of(inputs.settings_of(table, fields))


LAYOUT_FILE = ExternalAsset.of(inputs.LAYOUT_FILE)
IMAGE_FILES = ExternalAsset.of(inputs.IMAGE_FILES)
SAMPLE = ExternalAsset.of(inputs.SAMPLE)
READER = ExternalAsset.of(inputs.READER)
TENSOR_SETTINGS = ExternalAsset.of(inputs.TENSOR_SETTINGS)
IMAGE_SETTINGS = ExternalAsset.of(inputs.IMAGE_SETTINGS)
CONTROLS = ExternalAsset.of(inputs.CONTROLS)
QUALITY = ExternalAsset.of(inputs.QUALITY)
CURATIONS = ExternalAsset.of(inputs.CURATIONS)
TARGET_TABLES = ExternalAsset.of(inputs.TARGET_TABLES)
DRUG_LIBRARY = ExternalAsset.of(inputs.DRUG_LIBRARY)
