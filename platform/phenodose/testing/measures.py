"""The rules of measures of two drugs together.

Belongs here: `ExcessMeasureConformance`, `MatrixMeasureConformance`. Does not belong here: what every plugin keeps
(`rules`) and the dose matrices (`synthetic_pairs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from phenodose.errors import NotMade
from phenodose.plugins import CombinationMeasure, ExcessMeasure, MatrixMeasure
from phenodose.testing import synthetic, synthetic_pairs
from phenodose.testing.isolation import refuse_traces
from phenodose.testing.operations import TooManyOperations, counted
from phenodose.testing.rules import PluginConformance, broken

if TYPE_CHECKING:
    import numpy as np

    from phenodose.combinations import PairEffects

#: Lines of Python that a measure may execute for two hundred draws of a matrix.
LINES_OF_DRAWS = 50_000
_DRAWS = 200
#: How far the expected effect beside an inert drug may lie off that of the other drug, fraction of inhibition.
_INERT = 0.02


class _AnyMeasureConformance(PluginConformance):
    """What both kinds share."""

    plugin: ClassVar[type[CombinationMeasure]]
    #: What is asked of the measure: of wells, and of draws.
    methods: ClassVar[tuple[str, str]]

    def measured(self, effects: PairEffects) -> np.ndarray:
        """What the measure gives for these effects, checked for shape and type."""
        return asked(self.made(), self.methods[effects.shape[0] != 1], effects)

    def test_it_gives_a_number_for_wells_and_for_every_draw(self) -> None:
        """Floats of the right shape, finite for a full matrix."""
        import numpy as np

        for n in (1, 30):
            effects = synthetic_pairs.effects(n)
            found = self.measured(effects)
            if not np.isfinite(found).all():
                raise broken("a full matrix has a number everywhere", f"{np.isnan(found).sum()} are NaN", f"n = {n}")

    def test_no_draws_give_no_numbers(self) -> None:
        """Intervals may not be wanted: n is 0 then."""
        self._without_failing(synthetic_pairs.effects(0), "no draws give no numbers")

    def test_a_partial_matrix_is_no_error(self) -> None:
        """Dose pairs that were not tested are NaN; a measure gives numbers, NaN, or `NotMade` with the reason."""
        self._without_failing(synthetic_pairs.partial(), "dose pairs that were not tested are no error")

    def test_two_drugs_of_one_dose_each_are_no_error(self) -> None:
        """The least that a matrix can be, and without curves: a number, NaN, or `NotMade` with the reason."""
        self._without_failing(synthetic_pairs.effects(1, doses=(1, 1)), "a matrix of one dose pair is no error")

    def test_the_order_of_the_drugs_does_not_matter(self) -> None:
        """Which of the two a layout calls the first drug is chance."""
        import numpy as np

        for n in (1, 30):
            effects = synthetic_pairs.effects(n)
            here, there = self.measured(effects), self.measured(synthetic_pairs.swapped(effects))
            there = there.transpose(0, 2, 1) if there.ndim == 3 else there
            if not np.allclose(here, there, rtol=1e-4, atol=1e-4, equal_nan=True):
                off = float(np.nanmax(np.abs(here - there)))
                raise broken("a measure does not depend on which drug is the first", f"off by {off:.3g}", f"n = {n}")

    def test_it_is_deterministic(self) -> None:
        """The same matrix gets the same numbers."""
        import numpy as np

        if not np.array_equal(
            self.measured(synthetic_pairs.effects(30)), self.measured(synthetic_pairs.effects(30)), equal_nan=True
        ):
            raise broken("the same matrix gets the same numbers; give a random generator a seed", "they differ")

    def test_it_does_not_change_the_effects(self) -> None:
        """They are shared with other measures."""
        effects = synthetic_pairs.effects(30)
        before = synthetic.frozen(effects)
        self.measured(effects)
        if synthetic.frozen(effects) != before:
            raise broken("a measure does not change what it is given", f"{self.plugin.name} did; work on a copy")

    def test_two_hundred_draws_are_within_the_budget(self) -> None:
        """Counted in executed lines of Python, not in seconds."""
        effects, measure = synthetic_pairs.effects(_DRAWS), self.made()
        asked(measure, self.methods[1], synthetic_pairs.effects(2))  # imports are not counted
        try:
            counted(lambda: asked(measure, self.methods[1], effects), LINES_OF_DRAWS)
        except TooManyOperations:
            raise broken(
                f"{_DRAWS} draws of a matrix take at most {LINES_OF_DRAWS:,} lines of Python",
                "more; compute with arrays of all draws, and look for a loop that does not end",
            ) from None

    def test_it_works_in_a_process_of_its_own_and_leaves_no_trace(self) -> None:
        """It gives the same numbers there, writes nothing and connects to nothing."""
        import numpy as np

        seen = self.isolated(_measure_apart, self.plugin, dict(self.parameters), self.methods[1])
        refuse_traces(seen)
        if not np.allclose(self.measured(synthetic_pairs.effects(30)), seen.value, rtol=1e-9, equal_nan=True):
            raise broken("a measure gives the same numbers in another process", "they differ")

    def _without_failing(self, effects: PairEffects, rule: str) -> None:
        try:
            self.measured(effects)
        except NotMade as lacking:
            if not str(lacking).strip():
                raise broken("NotMade says why", "it is empty") from lacking
        except AssertionError:
            raise
        except Exception as error:
            raise broken(rule, f"{type(error).__name__}: {error}", f"n, a, b = {effects.shape}") from error


class ExcessMeasureConformance(_AnyMeasureConformance):
    """For an `ExcessMeasure`: subclass it, name your measure, run pytest."""

    plugin: ClassVar[type[ExcessMeasure]]
    methods: ClassVar[tuple[str, str]] = ("expected", "expected_of_draws")

    def test_beside_an_inert_drug_the_other_does_what_it_does_alone(self) -> None:
        """Without any effect of the second drug the first one's own is expected, as a fraction."""
        import numpy as np

        effects = synthetic_pairs.with_inert_second(synthetic_pairs.effects(1))
        found, alone = self.measured(effects), np.broadcast_to(effects.first[:, :, None], effects.shape)
        off = np.abs(found - alone)
        if not off.max() <= _INERT:
            _, a, b = np.unravel_index(int(np.nanargmax(np.where(np.isnan(off), np.inf, off))), off.shape)
            raise broken(
                "beside a drug without any effect the other is expected to do what it does alone, a fraction",
                f"{found[0, a, b]:.3f} where the drug alone does {alone[0, a, b]:.3f}",
                f"{effects.first_nM[a]:g} nM with {effects.second_nM[b]:g} nM of the inert drug",
            )

    def test_it_says_on_which_side_synergy_lies(self) -> None:
        """More inhibition than expected is synergy."""
        if self.plugin.synergy != "above" or self.plugin.unit != ExcessMeasure.unit:
            raise broken(
                "an excess is in percentage points of inhibition and above 0 for synergy",
                f"unit {self.plugin.unit!r}, synergy {self.plugin.synergy!r}; other numbers are a MatrixMeasure",
            )


class MatrixMeasureConformance(_AnyMeasureConformance):
    """For a `MatrixMeasure`: subclass it, name your measure, run pytest."""

    plugin: ClassVar[type[MatrixMeasure]]
    methods: ClassVar[tuple[str, str]] = ("value", "value")

    def test_a_draw_does_not_depend_on_the_others(self) -> None:
        """The number of a draw alone is the one that it has among others."""
        import numpy as np

        effects = synthetic_pairs.effects(30)
        together = self.measured(effects)
        alone = asked(self.made(), "value", synthetic_pairs.draw(effects, 7))
        if not np.allclose(together[7], alone[0], rtol=1e-9, equal_nan=True):
            raise broken("a number does not depend on other draws", f"{together[7]!r} among others, {alone[0]!r} alone")


def asked(measure: Any, method: str, effects: PairEffects) -> np.ndarray:
    """What a method of a measure gives, of the right shape and type.

    Raises:
        Broken: it is anything else.
    """
    from phenodose.combinations.effects import expected_fault, value_fault

    result = getattr(measure, method)(effects)
    fault = (value_fault if method == "value" else expected_fault)(effects, result)
    if fault:
        raise broken(f"`{method}` gives floats, one for each that it is asked for", f"it {fault}", str(effects.shape))
    found: np.ndarray = result
    return found


def _measure_apart(plugin: type[Any], parameters: Mapping[str, Any], method: str) -> Any:
    return asked(plugin(parameters), method, synthetic_pairs.effects(30))
