"""How much time and memory a plugin of another distribution may take: the table [plugin_limits] of site.toml.

Belongs here: the settings. Does not belong here: holding plugins to them (`phenodose.plugins.isolation`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """How much one plugin may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    seconds: float = Field(
        600, gt=0, description="Time for one asset of one screen; of a network between two words of progress"
    )
    memory_GiB: float = Field(4, gt=0, description="Memory that a plugin may take beside its libraries")
    sniff_seconds: float = Field(20, gt=0, description="Time of a reader to say whether a folder is its own")
    network_memory_GiB: float = Field(32, gt=0, description="Memory of a network's process, its libraries included")


class PluginLimits(Limits):
    """How much plugins of other distributions may take; `of` names those that may take more or less."""

    import_seconds: float = Field(20, gt=0, description="Time that the import of a plugin's module may take")
    of: dict[str, Limits] = Field({}, description="Limits of single plugins, by name")

    def for_plugin(self, name: str) -> Limits:
        """The limits of one plugin."""
        own = self.of[name].model_dump(exclude_unset=True) if name in self.of else {}
        return Limits(**{field: getattr(self, field) for field in Limits.model_fields} | own)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())
