"""The rules of embedders.

Belongs here: `EmbedderConformance`, `ReferenceEmbedderConformance`. Does not belong here: what every plugin keeps
(`rules`) and the features (`synthetic`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from phenodose.errors import NotMade
from phenodose.plugins import Embedder, ReferenceEmbedder, WellFeatures
from phenodose.testing import synthetic
from phenodose.testing.isolation import refuse_traces
from phenodose.testing.rules import PluginConformance, broken

if TYPE_CHECKING:
    import numpy as np

WELLS = 60


class _AnyEmbedderConformance(PluginConformance):
    """What both kinds share: a map of some features."""

    def placed(self, features: np.ndarray) -> np.ndarray:
        """The map of these features."""
        return place(self.made(), features)

    def test_every_well_has_a_place(self) -> None:
        """A finite x and y for each."""
        import numpy as np

        found = self.placed(synthetic.features(WELLS))
        if not isinstance(found, np.ndarray) or found.shape != (WELLS, 2):
            shape = getattr(found, "shape", type(found).__name__)
            raise broken("an embedder returns an array (well, 2)", f"{shape} for {WELLS} wells")
        if not np.isfinite(found).all():
            well = int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
            raise broken("every well has a finite place", f"{found[well].tolist()}", f"well {well} of {WELLS}")

    def test_like_wells_lie_together(self) -> None:
        """Of two phenotypes far apart, a well's nearest neighbour on the map is mostly of its own."""
        import numpy as np

        found = self.placed(synthetic.features(WELLS))
        apart = np.linalg.norm(found[:, None] - found[None], axis=2) + np.diag(np.full(WELLS, np.inf))
        kind = np.arange(WELLS) % 2
        share = float((kind[apart.argmin(axis=1)] == kind).mean())
        if share < 0.8:
            raise broken("wells with like features lie close", f"{share:.0%} have a neighbour of their own phenotype")

    def test_it_is_deterministic(self) -> None:
        """The same features give the same map, to the bit."""
        import numpy as np

        if not np.array_equal(self.placed(synthetic.features(WELLS)), self.placed(synthetic.features(WELLS))):
            raise broken("the same features give the same map; give a random generator a seed", "two maps differ")

    def test_few_wells_make_a_map_or_a_sentence(self) -> None:
        """None, one, two or five wells: a map, or `NotMade` with the reason."""
        for wells in (0, 1, 2, 5):
            try:
                found = self.placed(synthetic.features(wells))
            except NotMade as error:
                if not str(error).strip():
                    raise broken("NotMade says why", "it is empty", f"{wells} wells") from error
                continue
            except Exception as error:
                raise broken(
                    "too few wells for a map raise NotMade", f"{type(error).__name__}: {error}", f"{wells} wells"
                ) from error
            if found.shape != (wells, 2):
                raise broken("an embedder returns an array (well, 2)", f"{found.shape}", f"{wells} wells")

    def test_wells_that_are_all_alike_are_no_error(self) -> None:
        """Features without any spread give places, or `NotMade`."""
        import numpy as np

        try:
            found = self.placed(np.ones((20, 16), dtype=np.float32))
        except NotMade:
            return
        except Exception as error:
            raise broken(
                "features without spread give places or NotMade", f"{type(error).__name__}: {error}", "20 wells of ones"
            ) from error
        if not np.isfinite(found).all():
            raise broken("every well has a finite place", "NaN", "20 wells of ones")

    def test_it_does_not_change_the_features(self) -> None:
        """They are shared with other embedders."""
        import numpy as np

        features = synthetic.features(WELLS)
        self.placed(features)
        if not np.array_equal(features, synthetic.features(WELLS)):
            raise broken("an embedder does not change the features it is given", f"{self.plugin.name} did")

    def test_it_works_in_a_process_of_its_own_and_leaves_no_trace(self) -> None:
        """It gives the same map there, writes nothing and connects to nothing."""
        import numpy as np

        seen = self.isolated(_place_apart, self.plugin, dict(self.parameters))
        refuse_traces(seen)
        if not np.allclose(seen.value, self.placed(synthetic.features(WELLS)), rtol=1e-6, atol=1e-6):
            raise broken("an embedder gives the same map in another process", "the maps differ")


class EmbedderConformance(_AnyEmbedderConformance):
    """For an `Embedder`: the map of one screen."""

    plugin: ClassVar[type[Embedder]]


class ReferenceEmbedderConformance(_AnyEmbedderConformance):
    """For a `ReferenceEmbedder`: maps on the axes of a control experiment."""

    plugin: ClassVar[type[ReferenceEmbedder]]

    def test_other_wells_of_the_screen_do_not_move_a_well(self) -> None:
        """With the same controls, a drug well lies where it lies whatever other drug wells there are."""
        import numpy as np

        features = synthetic.features(WELLS)
        few = np.r_[:40]
        if not np.allclose(self.placed(features)[few], self.placed(features[few]), rtol=1e-5, atol=1e-5):
            raise broken(
                "a place depends on the control experiment and the screen's own controls only",
                "places moved when 20 drug wells were left out",
            )


def place(embedder: Any, features: np.ndarray) -> np.ndarray:
    """The map by either kind; the first twenty wells are the controls of both experiments."""
    if isinstance(embedder, Embedder):
        return embedder.embed(features)
    placed: np.ndarray = embedder.embed_on(_with_controls(synthetic.features(40, seed=2)), _with_controls(features))
    return placed


def _with_controls(features: np.ndarray) -> WellFeatures:
    import numpy as np

    number = np.arange(len(features))
    return WellFeatures(features, (number < 20) & (number % 2 == 0), (number < 20) & (number % 2 == 1))


def _place_apart(plugin: type[Any], parameters: Mapping[str, Any]) -> Any:
    return place(plugin(parameters), synthetic.features(WELLS))
