"""Which plugins a site puts first: the table [preferences] of site.toml.

    [preferences]
    readouts = ["ctg"]
    scorers = ["dss2"]
    measures = ["loewe"]
    embedders = ["pca"]
    colours = { ctg = "#CC79A7" }

Belongs here: what may stand in the table. Does not belong here: the order and colours that follow
(`phenodose.plugins.preferences`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


def is_colour(value: Any) -> bool:
    """Whether a value is a colour such as '#0072B2'."""
    return isinstance(value, str) and _COLOUR.fullmatch(value) is not None


def _colour(text: str) -> str:
    if not is_colour(text):
        raise ValueError(f"{text!r} is no colour; write red, green and blue such as '#0072B2'")
    return text


class PluginPreferences(BaseModel):
    """What a site puts first, whatever the plugins declare; what is not named follows by its declaration."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    readouts: tuple[str, ...] = Field((), description="Readouts, the one that ranks the drugs first, such as ctg")
    scorers: tuple[str, ...] = Field((), description="Scorers, the one that is taken where none is named first")
    measures: tuple[str, ...] = Field((), description="Measures of two drugs, the one that ranks pairs first")
    embedders: tuple[str, ...] = Field((), description="Embedders, the first to measure distances on first")
    colours: dict[str, Annotated[str, AfterValidator(_colour)]] = Field(
        {}, description="Colour by readout, such as '#0072B2'"
    )
