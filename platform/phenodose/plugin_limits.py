"""How much time and memory a plugin of another distribution may take: the table [plugin_limits] of site.toml.

Belongs here: the settings. Does not belong here: holding plugins to them (`phenodose.plugin_guard`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """How much one plugin may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seconds: float = Field(600, gt=0, description="Time of a plugin for one asset of one screen")
    memory_GiB: float = Field(4, gt=0, description="Memory that a plugin may take beside its libraries")


class PluginLimits(Limits):
    """How much plugins of other distributions may take; `of` names those that may take more or less."""

    of: dict[str, Limits] = Field({}, description="Limits of single plugins, by name")

    def for_plugin(self, name: str) -> Limits:
        """The limits of one plugin."""
        own = self.of[name].model_dump(exclude_unset=True) if name in self.of else {}
        return Limits(**{"seconds": self.seconds, "memory_GiB": self.memory_GiB, **own})
