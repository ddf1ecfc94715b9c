"""The settings of a whole site: `site.toml` beside the tables of a store.

Belongs here: what may stand in the file, and reading it. Does not belong here: settings of one screen
(`phenodose.screens.screen`) and what the settings mean (`phenodose.quality.gates`, `phenodose.plugins.registry`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenodose.errors import Faults, InputError
from phenodose.io.places import read_bytes
from phenodose.settings.cluster import ClusterSettings, SlurmSettings
from phenodose.settings.drugs import DrugSettings
from phenodose.settings.files import FileSettings
from phenodose.settings.plugin_choices import PluginChoices
from phenodose.settings.plugin_limits import Limits, PluginLimits
from phenodose.settings.plugin_preferences import PluginPreferences
from phenodose.settings.quality import QualitySetting, QualitySettings, WellSettings
from phenodose.settings.targets import TargetSettings
from phenodose.settings.training import TrainingSettings

SITE_NAME = "site.toml"
#: The tables about plugins.
PLUGIN_TABLES = ("plugins", "plugin_limits")


class SiteSettings(BaseModel):
    """The contents of site.toml; every value has a default that works."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    quality: QualitySettings = Field({}, description="Limits of quality figures for all screens")
    wells: WellSettings = Field(WellSettings(), description="What is done with doubtful wells of all screens")
    plugins: PluginChoices = Field(PluginChoices(), description="Plugins that this site disables or chooses")
    preferences: PluginPreferences = Field(PluginPreferences(), description="Plugins that come first, and colours")
    plugin_limits: PluginLimits = Field(PluginLimits(), description="What plugins of other distributions may take")
    files: FileSettings = Field(FileSettings(), description="Who may read products, caches and files on their way")
    training: TrainingSettings = Field(TrainingSettings(), description="How long networks may be trained")
    cluster: ClusterSettings = Field(ClusterSettings(), description="On which machines steps run")
    targets: TargetSettings = Field(TargetSettings(), description="Targets of drugs, and how they interact")
    drugs: DrugSettings = Field(DrugSettings(), description="What the site knows of drugs beside the drug library")


def read_site(root: Path, tables: Collection[str] | None = None) -> SiteSettings:
    """Read <store>/site.toml; a missing file means all defaults.

    Args:
        root: the store's folder or address.
        tables: only these are looked at; a fault in another one is no matter of those who ask. None for all.

    Raises:
        InputError: the file is not TOML or says something unknown; all faults in one message.
    """
    said = {name: value for name, value in _values(root).items() if tables is None or name in tables}
    try:
        return SiteSettings.model_validate(said)
    except ValidationError as error:
        faults = Faults(str(root / SITE_NAME))
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                faults.add(
                    f"{place}: there is no such setting here; known are {', '.join(_known_beside(fault['loc']))}."
                )
            else:
                faults.add(f"{place}: {fault['msg'].removeprefix('Value error, ')}.")
        faults.raise_if_any()
        raise


def _values(root: Path) -> dict[str, Any]:
    """What site.toml says; nothing if it is missing."""
    path = root / SITE_NAME
    content = read_bytes(path)
    if content is None:
        return {}
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}; mend the line or delete the file.") from error


def _known_beside(place: tuple[int | str, ...]) -> list[str]:
    """The settings that may stand where an unknown one stands."""
    if len(place) == 1:
        return list(SiteSettings.model_fields)
    if place[0] == "plugins":
        return list(PluginChoices.model_fields)
    if place[0] == "preferences":
        return list(PluginPreferences.model_fields)
    if place[0] == "training":
        return list(TrainingSettings.model_fields)
    if place[0] == "targets":
        return list(TargetSettings.model_fields)
    if place[0] == "cluster":
        return list((ClusterSettings if len(place) == 2 else SlurmSettings).model_fields)
    if place[0] == "drugs":
        return list(DrugSettings.model_fields)
    if place[0] == "files":
        return list(FileSettings.model_fields)
    if place[0] == "plugin_limits":
        return list((PluginLimits if len(place) == 2 else Limits).model_fields)
    return list((WellSettings if place[0] == "wells" else QualitySetting).model_fields)
