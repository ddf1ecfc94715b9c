"""The rules of scorers.

Belongs here: `ScorerConformance`. Does not belong here: what every plugin keeps (`rules`) and the curves (`synthetic`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from phenodose.plugins import Scorer, Scores
from phenodose.testing import synthetic
from phenodose.testing.isolation import refuse_traces
from phenodose.testing.operations import TooManyOperations, counted
from phenodose.testing.rules import PluginConformance, broken, smallest

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch

#: Lines of Python that scoring may execute: so many for each curve beside so many for the batch.
LINES_A_CURVE, LINES_A_BATCH = 1000, 200_000
_MANY = 10_000
_BOUNDS = {"=", "<", ">"}


class ScorerConformance(PluginConformance):
    """Subclass it, name your scorer, run pytest.

    A scorer that needs something before it scores anything (reference samples, say) is given it in `parameters`.
    """

    plugin: ClassVar[type[Scorer]]

    def scored(self, curves: CurveBatch) -> Scores:
        """The scores of a batch, checked for shape and type."""
        return checked(self.made().score(curves), len(curves), self.plugin.name)

    def test_it_gives_one_score_a_curve(self) -> None:
        """Scores are a float array as long as the batch; bounds are '=', '<' or '>'; hits can be told."""
        self.scored(synthetic.curves(30))
        threshold = self.plugin.hit_threshold
        if threshold is not None and not isinstance(threshold, int | float):
            raise broken("hit_threshold is a number or None", f"{threshold!r}")
        usual = self.plugin.usual_score
        if usual is not None and not (
            isinstance(usual, int | float) and usual > 0 and self.plugin.higher_is_more_sensitive
        ):
            raise broken(
                "usual_score is a number above 0, of a scorer whose higher scores are more sensitive, or None",
                f"{usual!r}",
            )
        if not isinstance(self.plugin.unit, str):
            raise broken("unit is a text, '' for none", f"{self.plugin.unit!r}")

    def test_a_curve_that_could_not_be_fitted_has_no_score(self) -> None:
        """NaN, and no exception."""
        import numpy as np

        batch = synthetic.curves(30)
        wrong = np.flatnonzero(~np.isnan(self.scored(batch).value) & ~batch.fitted).tolist()
        if wrong:
            raise broken(
                "the score of a curve that could not be fitted is NaN",
                f"{len(wrong)} have one",
                synthetic.described(batch, wrong[:1]),
            )

    def test_fitted_curves_have_scores_or_a_reason(self) -> None:
        """NaN everywhere is no score; where a fitted curve has none, `reason` says why."""
        import numpy as np

        batch = synthetic.curves(30)
        scores = self.scored(batch)
        missing = np.isnan(scores.value) & batch.fitted
        unsaid = missing if scores.reason is None else missing & (scores.reason == "")
        if missing.sum() == batch.fitted.sum():
            first = int(np.flatnonzero(batch.fitted)[0])
            raise broken("fitted curves have scores", "all are NaN", synthetic.described(batch, [first]))
        if scores.reason is not None and unsaid.any():
            raise broken(
                "a fitted curve without a score has a reason",
                f"{int(unsaid.sum())} have none",
                synthetic.described(batch, [int(np.flatnonzero(unsaid)[0])]),
            )

    def test_no_curves_give_no_scores(self) -> None:
        """An empty batch gives an empty array."""
        self._without_failing(synthetic.curves(0), "a batch of no curves gives no scores")

    def test_one_curve_of_one_replicate_is_scored(self) -> None:
        """A batch of one curve with one well a dose is as good as any."""
        self._without_failing(synthetic.curves(1, replicates=1), "a single curve of a single replicate is scored")

    def test_a_curve_without_fit_alone_is_no_error(self) -> None:
        """A batch in which nothing could be fitted gives NaN."""
        batch = synthetic.curves(7)
        self._without_failing(batch.select(~batch.fitted), "a batch of failed fits gives NaN")

    def test_it_is_deterministic(self) -> None:
        """The same curves get the same scores."""
        first, second = self.scored(synthetic.curves(30)).value, self.scored(synthetic.curves(30)).value
        wrong = _differing(first, second)
        if wrong:
            raise broken(
                "the same curves get the same scores; give a random generator a seed",
                f"{first[wrong[0]]!r} and then {second[wrong[0]]!r}",
                synthetic.described(synthetic.curves(30), wrong[:1]),
            )

    def test_the_order_of_curves_does_not_matter(self) -> None:
        """Phenodose scores draws of the same curves in batches of its own."""
        import numpy as np

        batch = synthetic.curves(30)

        def turned(places: list[int]) -> list[int]:
            some = batch.select(np.asarray(places, dtype=np.int64))
            backward = some.select(np.arange(len(places))[::-1])
            return _differing(self.scored(some).value, self.scored(backward).value[::-1])

        if turned(list(range(30))):
            few = smallest(range(30), lambda places: bool(turned(places)))
            raise broken(
                "a score does not depend on the order of the curves",
                "these, turned round, get other scores",
                synthetic.described(batch, few),
            )

    def test_the_other_curves_do_not_matter(self) -> None:
        """A curve alone gets the score that it gets among others."""
        import numpy as np

        batch = synthetic.curves(30)
        together = self.scored(batch).value
        for index in range(len(batch)):
            alone = self.scored(batch.select(np.array([index]))).value
            if _differing(together[index : index + 1], alone):
                raise broken(
                    "a score does not depend on the other curves of the batch",
                    f"{together[index]!r} among others, {alone[0]!r} alone",
                    synthetic.described(batch, [index]),
                )

    def test_it_does_not_change_the_curves(self) -> None:
        """The batch is shared with other scorers."""
        batch = synthetic.curves(30)
        before = synthetic.frozen(batch)
        self.made().score(batch)
        if synthetic.frozen(batch) != before:
            raise broken("a scorer does not change the curves it is given", f"{self.plugin.name} did; work on a copy")

    def test_ten_thousand_curves_are_within_the_budget(self) -> None:
        """Counted in executed lines of Python, not in seconds."""
        budget = LINES_A_BATCH + LINES_A_CURVE * _MANY
        batch, scorer = synthetic.curves(_MANY), self.made()
        scorer.score(synthetic.curves(2))  # imports are not counted
        try:
            scores, _ = counted(lambda: scorer.score(batch), budget)
        except TooManyOperations:
            raise broken(
                f"{_MANY:,} curves take at most {budget:,} lines of Python",
                "more; compute with arrays of all curves instead of one curve after another, and look for a loop "
                "that does not end",
            ) from None
        checked(scores, _MANY, self.plugin.name)

    def test_it_works_in_a_process_of_its_own_and_leaves_no_trace(self) -> None:
        """It gives the same scores there, writes nothing and connects to nothing."""
        import numpy as np

        seen = self.isolated(_score_apart, self.plugin, dict(self.parameters))
        refuse_traces(seen)
        here = self.scored(synthetic.curves(30)).value
        if not np.array_equal(here, seen.value, equal_nan=True):
            raise broken("a scorer gives the same scores in another process", "they differ")

    def _without_failing(self, curves: CurveBatch, rule: str) -> None:
        try:
            scores = self.made().score(curves)
        except Exception as error:
            example = synthetic.described(curves, list(range(len(curves)))[:1]) or "a batch of no curves"
            raise broken(rule, f"{type(error).__name__}: {error}", example) from error
        checked(scores, len(curves), self.plugin.name)


def checked(scores: Any, n: int, name: str) -> Scores:
    """What a scorer gave, as `Scores` of the right shape and types.

    Raises:
        Broken: it is anything else.
    """
    import numpy as np

    result = scores if isinstance(scores, Scores) else Scores(scores)
    value = result.value
    if not isinstance(value, np.ndarray) or value.shape != (n,) or not np.issubdtype(value.dtype, np.floating):
        text = f"an array {value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise broken("`score` returns a float array with one value a curve", f"{name} returned {text} for {n} curves")
    if np.isinf(value).any():
        raise broken("a score is a finite number or NaN", f"{name} returned {value[np.isinf(value)][0]}")
    for part in ("bound", "reason", "published"):
        array = getattr(result, part)
        if array is not None and np.shape(array) != (n,):
            raise broken(f"`{part}` has one entry a curve", f"{name} returned {np.shape(array)} for {n} curves")
    if result.bound is not None and not set(result.bound.tolist()) <= _BOUNDS:
        raise broken("`bound` is '=', '<' or '>'", f"{name} returned {sorted(set(map(str, result.bound)))}")
    return result


def _differing(first: np.ndarray, second: np.ndarray) -> list[int]:
    import numpy as np

    found: list[int] = np.flatnonzero(~np.isclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)).tolist()
    return found


def _score_apart(plugin: type[Scorer], parameters: Mapping[str, Any]) -> Any:
    scores = plugin(parameters).score(synthetic.curves(30))
    return scores.value if isinstance(scores, Scores) else scores
