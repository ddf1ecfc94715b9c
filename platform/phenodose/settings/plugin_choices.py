"""Which plugins a site uses: the table [plugins] of site.toml.

    [plugins]
    disable = ["scorer:auc"]
    enable = ["readout:rescue"]
    choose = { "scorer:gr50" = "phenodose-growth" }

Belongs here: the settings. Does not belong here: what follows from them (`phenodose.plugins.registry`).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LABEL = re.compile(r"(reader|readout|scorer|measure|embedder):[a-z0-9_]+")


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} names no plugin; write kind:name, such as 'scorer:auc' or 'reader:itrade'")
    return text


Label = Annotated[str, AfterValidator(_label)]


class PluginChoices(BaseModel):
    """What a site disables and enables, and whose plugin it takes where two distributions offer one name."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    disable: tuple[Label, ...] = Field((), description="Plugins that are not used, each as kind:name")
    enable: tuple[Label, ...] = Field(
        (), description="Plugins that are used by choice only, and are wanted here, each as kind:name"
    )
    choose: dict[Label, str] = Field({}, description="Distribution whose plugin is taken, by kind:name")

    def __hash__(self) -> int:
        return hash((self.disable, self.enable, frozenset(self.choose.items())))
