"""What site.toml and screen.toml say of quality: the tables [quality.<metric>] and [wells].

The screen's word counts before the site's, and the site's before the default, value by value: a screen may
say `block = true` alone.

Belongs here: the tables of both files as checked models, and which of them wins. Does not belong here: default limits
and verdicts (`phenodose.quality`), and reading the files (`site`, `phenodose.screens.screen`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from phenodose.errors import Faults
from phenodose.quality.gates import Limit, Limits
from phenodose.quality.metrics import METRICS

#: Reasons for which a well can be flagged (`phenodose.quality.wells` says when).
FlagName = Literal[
    "empty",
    "saturated",
    "contaminated",
    "out_of_focus",
    "no_cell_state",
    "out_of_distribution",
    "strange_image",
    "unlike_controls",
    "unlike",
]
#: Where a limit comes from.
SITE, SCREEN_FILE = "site.toml", "screen.toml"


class QualitySetting(BaseModel):
    """What a file says of one metric: [quality.<metric>]."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    good: float | None = Field(None, allow_inf_nan=False, description="Beyond this value the verdict is pass")
    poor: float | None = Field(None, allow_inf_nan=False, description="Beyond this value the verdict is fail")
    block: bool | None = Field(None, description="Whether nothing that needs the readout is made after a fail")


class WellSettings(BaseModel):
    """What a file says of doubtful wells: [wells]."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    mask: tuple[FlagName, ...] | None = Field(None, description="Flags whose wells are left out of curves and controls")
    most_sd: float | None = Field(None, gt=0, le=1000, description="Robust SDs of its like from which a well is unlike")
    most_image_distance: float | None = Field(
        None, gt=0, le=1000, description="Distance from which an image is strange; 1 is as far as two like controls"
    )
    no_cell_state: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, description="Classes of wells that are no state of cells, such as 'empty': their wells are flagged"
    )


def _known(settings: dict[str, QualitySetting]) -> dict[str, QualitySetting]:
    unknown = sorted(set(settings) - set(METRICS))
    if unknown:
        raise ValueError(f"there is no quality figure {', '.join(unknown)}; known are {', '.join(METRICS)}")
    return settings


#: The table [quality] of a file.
QualitySettings = Annotated[dict[str, QualitySetting], AfterValidator(_known)]


def resolve_limits(
    site: Mapping[str, QualitySetting] | None = None,
    screen: Mapping[str, QualitySetting] | None = None,
    site_wells: WellSettings | None = None,
    screen_wells: WellSettings | None = None,
) -> Limits:
    """The limits that hold: the screen's over the site's over the defaults.

    Raises:
        InputError: a metric would be poor before it stops being good.
    """
    limits = dict(Limits().of)
    for origin, settings in ((SITE, site), (SCREEN_FILE, screen)):
        faults = Faults(origin)
        for metric, said in (settings or {}).items():
            limits[metric] = _changed(limits[metric], said, origin)
            faults.extend(_disorder(metric, limits[metric]))
        faults.raise_if_any()
    mask, most_sd, farthest = Limits.mask, Limits.most_sd, Limits.most_image_distance
    no_cell_state = Limits.no_cell_state
    for wells in (site_wells, screen_wells):
        if wells is not None:
            mask = mask if wells.mask is None else wells.mask
            most_sd = most_sd if wells.most_sd is None else wells.most_sd
            farthest = farthest if wells.most_image_distance is None else wells.most_image_distance
            no_cell_state = no_cell_state if wells.no_cell_state is None else wells.no_cell_state
    return Limits(limits, mask, most_sd, farthest, no_cell_state)


def _changed(limit: Limit, said: QualitySetting, origin: str) -> Limit:
    return Limit(
        limit.good if said.good is None else said.good,
        limit.poor if said.poor is None else said.poor,
        limit.block if said.block is None else said.block,
        origin,
    )


def _disorder(metric: str, limit: Limit) -> list[str]:
    if limit.good is None or limit.poor is None:
        return []
    higher = METRICS[metric].higher_is_better
    if (limit.good >= limit.poor) if higher else (limit.good <= limit.poor):
        return []
    return [
        f"quality.{metric}: poor is {limit.poor:g} and good is {limit.good:g}; of this figure "
        f"{'higher' if higher else 'lower'} values are better, so set poor {'below' if higher else 'above'} good."
    ]
