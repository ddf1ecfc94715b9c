"""Limits of quality figures from configuration: defaults, site.toml, screen.toml.

Belongs here: the tables [quality.<metric>] and [wells] of both files as checked models, which of them wins,
and the verdict on a value. Does not belong here: default limits (`metrics`) and reading the files
(`phenodose.settings.site`, `phenodose.screens.screen`).

The screen's word counts before the site's, and the site's before the default, value by value: a screen may
say `block = true` alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from phenodose.errors import Faults
from phenodose.quality.metrics import METRICS, Verdict

#: Reasons for which a well can be flagged (`wells` says when).
FlagName = Literal["empty", "saturated", "contaminated", "out_of_distribution", "strange_image", "unlike"]
#: Where a limit comes from.
DEFAULT, SITE, SCREEN_FILE = "default", "site.toml", "screen.toml"


class QualitySetting(BaseModel):
    """What a file says of one figure: [quality.<metric>]."""

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


def _known(settings: dict[str, QualitySetting]) -> dict[str, QualitySetting]:
    unknown = sorted(set(settings) - set(METRICS))
    if unknown:
        raise ValueError(f"there is no quality figure {', '.join(unknown)}; known are {', '.join(METRICS)}")
    return settings


#: The table [quality] of a file.
QualitySettings = Annotated[dict[str, QualitySetting], AfterValidator(_known)]


@dataclass(frozen=True)
class Limit:
    """The limits of one figure as they hold for a screen.

    Attributes:
        good: beyond this value the verdict is pass; None if nothing is judged.
        poor: beyond this value the verdict is fail; None if nothing fails.
        block: whether a fail stops what needs the readout.
        origin: the file that says so, the most special one; 'default' if none does.
    """

    good: float | None
    poor: float | None
    block: bool = False
    origin: str = DEFAULT


@dataclass(frozen=True)
class Limits:
    """All limits that hold for a screen.

    Attributes:
        of: the limit of every figure.
        mask: flags whose wells are left out.
        most_sd: robust SDs of its like from which a well is flagged.
        most_image_distance: distance from which an image is strange, in typical distances of two like controls.
    """

    of: Mapping[str, Limit] = field(default_factory=lambda: {m: Limit(x.good, x.poor) for m, x in METRICS.items()})
    mask: tuple[str, ...] = ()
    most_sd: float = 6.0
    most_image_distance: float = 2.5

    @classmethod
    def resolve(
        cls,
        site: Mapping[str, QualitySetting] | None = None,
        screen: Mapping[str, QualitySetting] | None = None,
        site_wells: WellSettings | None = None,
        screen_wells: WellSettings | None = None,
    ) -> Limits:
        """The limits that hold: the screen's over the site's over the defaults.

        Raises:
            InputError: a figure would be poor before it stops being good.
        """
        limits = dict(cls().of)
        for origin, settings in ((SITE, site), (SCREEN_FILE, screen)):
            faults = Faults(origin)
            for metric, said in (settings or {}).items():
                limits[metric] = _changed(limits[metric], said, origin)
                faults.extend(_disorder(metric, limits[metric]))
            faults.raise_if_any()
        mask, most_sd, farthest = cls.mask, cls.most_sd, cls.most_image_distance
        for wells in (site_wells, screen_wells):
            if wells is not None:
                mask = mask if wells.mask is None else wells.mask
                most_sd = most_sd if wells.most_sd is None else wells.most_sd
                farthest = farthest if wells.most_image_distance is None else wells.most_image_distance
        return cls(limits, mask, most_sd, farthest)

    @property
    def blocking(self) -> set[str]:
        """Figures whose fail stops what needs the readout."""
        return {metric for metric, limit in self.of.items() if limit.block}


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


@dataclass(frozen=True)
class Judgement:
    """What a limit says of a value: the limit, where it comes from, the verdict, the plain words."""

    threshold: float | None
    origin: str | None
    verdict: Verdict
    words: str


def judge(metric: str, value: float, limits: Limits | None = None) -> Judgement:
    """The verdict on one figure; 'none' where it has no limit or no value."""
    limit, about = (limits or Limits()).of[metric], METRICS[metric]
    if limit.good is None and limit.poor is None:
        return Judgement(None, None, "none", "")
    threshold = limit.good if limit.good is not None else limit.poor
    if math.isnan(value):
        return Judgement(threshold, limit.origin, "none", "cannot be computed")
    verdict = _verdict(value, limit, about.higher_is_better)
    words = about.words[("pass", "warn", "fail").index(verdict)]
    return Judgement(threshold, limit.origin, verdict, words or "far beyond the limit")


def _verdict(value: float, limit: Limit, higher_is_better: bool) -> Literal["pass", "warn", "fail"]:
    if higher_is_better:
        fails = limit.poor is not None and value < limit.poor
        good = limit.good is None or value > limit.good
    else:
        fails = limit.poor is not None and abs(value) > limit.poor
        good = limit.good is None or abs(value) <= limit.good
    if fails:
        return "fail"
    return "pass" if good else "warn"
