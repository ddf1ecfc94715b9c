"""Limits of quality metrics as they hold for a screen, and the verdict on a value.

Does not belong here: default limits (`metrics`), and what files say of them (`phenodose.settings.quality`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from phenodose.quality.metric import Verdict
from phenodose.quality.metrics import METRICS

#: Origin of a limit that no file sets.
DEFAULT = "default"


@dataclass(frozen=True)
class Limit:
    """The limits of one metric as they hold for a screen.

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
        of: the limit of every metric.
        mask: flags whose wells are left out.
        most_sd: robust SDs of its like from which a well is flagged.
        most_image_distance: distance from which an image is strange, in typical distances of two like controls.
        no_cell_state: classes of wells that are no state of cells; upper and lower case, '_' and '-' do not matter.
    """

    of: Mapping[str, Limit] = field(default_factory=lambda: {m: Limit(x.good, x.poor) for m, x in METRICS.items()})
    mask: tuple[str, ...] = ()
    most_sd: float = 6.0
    most_image_distance: float = 2.5
    no_cell_state: tuple[str, ...] = ("empty", "contaminated", "out of focus")

    @property
    def blocking(self) -> set[str]:
        """Metrics whose fail stops what needs the readout."""
        return {metric for metric, limit in self.of.items() if limit.block}


@dataclass(frozen=True)
class Judgement:
    """What a limit says of a value: the limit, where it comes from, the verdict, the plain words."""

    threshold: float | None
    origin: str | None
    verdict: Verdict
    words: str


def judge(metric: str, value: float, limits: Limits | None = None) -> Judgement:
    """The verdict on one metric; 'none' where it has no limit or no value."""
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
