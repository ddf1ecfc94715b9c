"""The scorer contract: a batch of fitted dose-response curves becomes a number a curve.

Belongs here: the base class, its result, and the short form for a function of one curve. Does not
belong here: fitting and intervals (`phenodose.dose_response`), which the platform does for every scorer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from phenodose.plugins.base import Plugin

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import Curve, CurveBatch


@dataclass(frozen=True)
class Scores:
    """The scores of a batch.

    Attributes:
        value: float64 array (curve,); NaN where the curve has no score.
        bound: text array (curve,): '=' for a value, '<' or '>' where the value is only a bound (an
            IC50 that lies above the highest tested dose is '>' that dose). None means all '='.
        reason: text array (curve,): why a fitted curve has no score ('no reference'), '' where it has one;
            it becomes the status of the row. None means no reasons.
        published: float64 array (curve,): what published tables print for this score, where that is another
            number than the value (for a dose that is not reached, say); NaN where they print none. None if
            they print the value.
    """

    value: np.ndarray
    bound: np.ndarray | None = None
    reason: np.ndarray | None = None
    published: np.ndarray | None = None


class Scorer(Plugin):
    """One score, computed for whole batches of curves at once.

    The platform calls `score` again on draws of the same curves to give every score its
    interval, so it must not depend on the order or number of curves. A scorer that lacks what it needs for
    any score at all (reference samples, say) raises `NotMade` with the way out: its asset is then skipped.
    """

    #: Unit of the score; '' if it has none.
    unit: ClassVar[str] = ""
    #: A score of at least this much is a hit; None if the scorer names no hits.
    hit_threshold: ClassVar[float | None] = None
    #: Mean of the exponential distribution that scores of drugs have before any well is seen, for the probability of a
    #: hit: small scores are commoner than large ones. None if none is commoner, or scores do not begin at 0.
    usual_score: ClassVar[float | None] = None
    #: True if a larger score means a more sensitive sample.
    higher_is_more_sensitive: ClassVar[bool] = True
    #: The formula in one line, for the docs.
    formula: ClassVar[str] = ""
    #: Where the formula comes from: paper and section.
    source: ClassVar[str] = ""
    #: What values it takes, such as '0 to 100'.
    span: ClassVar[str] = ""
    #: What summary tables of reference samples call this score: 'DSS' where their columns are mean_DSS and sd_DSS;
    #: '' if they do not hold it.
    summary_name: ClassVar[str] = ""
    #: Whether it is the dose of half the effect in nM, which reports show beside the score and in the curve:
    #: 'relative' half way between the curve's asymptotes, 'absolute' at 50 % inhibition; None for any other score.
    half_effect: ClassVar[Literal["relative", "absolute"] | None] = None

    @abstractmethod
    def score(self, curves: CurveBatch) -> Scores | np.ndarray:
        """Score every curve of the batch; a float array (curve,) stands for `Scores` with '=' bounds."""


def scorer(
    name: str,
    version: str,
    description: str,
    unit: str = "",
    hit_threshold: float | None = None,
    higher_is_more_sensitive: bool = True,
) -> Callable[[Callable[[Curve], float]], type[Scorer]]:
    """Make a scorer of a function of one curve.

    Example:
        >>> @scorer("emax", version="1", description="Largest fitted inhibition", unit="percent")
        ... def emax(curve):
        ...     return 100 * float(curve.inhibition_at(curve.log10_dose_grid(50)).max())
        >>> emax.name
        'emax'
    """

    def decorate(function: Callable[[Curve], float]) -> type[Scorer]:
        def score(self: Scorer, curves: CurveBatch) -> np.ndarray:
            import numpy as np

            return np.array([function(curve) if curve.fitted else np.nan for curve in curves], dtype=np.float64)

        return type(
            f"{''.join(part.title() for part in name.split('_'))}Scorer",
            (Scorer,),
            {
                "__module__": function.__module__,
                # The class takes the function's place in its module, and there pickle looks for it.
                "__qualname__": function.__qualname__,
                "__doc__": function.__doc__ or description,
                "name": name,
                "version": version,
                "description": description,
                "unit": unit,
                "hit_threshold": hit_threshold,
                "higher_is_more_sensitive": higher_is_more_sensitive,
                "score": score,
            },
        )

    return decorate
