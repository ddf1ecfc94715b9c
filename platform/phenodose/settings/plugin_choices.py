"""Which plugins a site uses: the table [plugins] of site.toml.

    [plugins]
    disable = ["scorer:auc"]
    choose = { "scorer:gr50" = "phenodose-growth" }

Belongs here: the settings, and reading them for the store at hand. Does not belong here: what follows from them
(`registry`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from phenodose.settings.site import SiteSettings

_LABEL = re.compile(r"(reader|readout|scorer|embedder):[a-z0-9_]+")


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} names no plugin; write kind:name, such as 'scorer:auc' or 'reader:itrade'")
    return text


Label = Annotated[str, AfterValidator(_label)]


class PluginChoices(BaseModel):
    """What a site disables, and whose plugin it takes where two distributions offer one name."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    disable: tuple[Label, ...] = Field((), description="Plugins that are not used, each as kind:name")
    choose: dict[Label, str] = Field({}, description="Distribution whose plugin is taken, by kind:name")


def site_choices() -> PluginChoices:
    """The choices of the site whose store is at $PHENODOSE_STORE, else ./store; none without a site.toml.

    Raises:
        InputError: site.toml is faulty.
    """
    site = local_site()
    return PluginChoices() if site is None else site.plugins


def local_site() -> SiteSettings | None:
    """The settings of the site whose store is at $PHENODOSE_STORE, else ./store; None without a site.toml.

    Raises:
        InputError: site.toml is faulty.
    """
    place = os.environ.get("PHENODOSE_STORE") or "store"
    if "://" not in place and not (Path(place).expanduser() / "site.toml").exists():
        return None
    # Late: most sites have no such file, and the settings of a site know much more than plugins.
    from phenodose.settings.site import read_site
    from phenodose.store.store import Store

    return read_site(Store.open(place).root)
