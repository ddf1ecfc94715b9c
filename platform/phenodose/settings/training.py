"""How long networks may be trained: the table [training] of site.toml.

Belongs here: the setting, and what holds without it. Does not belong here: how long a training takes
(`phenodose.learning.pace`) and what is done about it (`phenodose.pipeline.training_clock`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

#: Without a graphics card: a training that is started in the evening is done in the morning.
NIGHT_H = 8.0


class TrainingSettings(BaseModel):
    """How long networks may be trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    longest_h: float | None = Field(
        None,
        gt=0,
        description=f"Longest training of one phase, hours; if left out {NIGHT_H:g}, on a graphics card any",
    )

    def most_h(self, on_gpu: bool) -> float | None:
        """Hours that a phase may take; None for any."""
        if self.longest_h is not None:
            return self.longest_h
        return None if on_gpu else NIGHT_H
