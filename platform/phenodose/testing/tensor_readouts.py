"""The rules of readouts that learn from the tensors of a screen and its controls.

Belongs here: their suite, and the wells that they are tried on. Does not belong here: what all readouts keep
(`readouts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from phenodose.errors import NotMade
from phenodose.plugins import Inference, TensorReadout, TensorWells
from phenodose.plugins.results import result_fault
from phenodose.testing.isolation import refuse_traces
from phenodose.testing.readouts import ReadoutConformance
from phenodose.testing.rules import broken

#: Wells of each kind: living, killed, and two of each of four doses.
_CONTROLS, _DOSES = 8, (0.9, 0.6, 0.3, 0.1)


def wells_of_discs(size_px: int = 32, seed: int = 1) -> TensorWells:
    """24 wells with a disc whose light is the share of living cells, on two plates; four drugs, each twice.

    Their features are the mean and the spread of light, and their share of living cells was measured.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    living = np.array([1.0] * _CONTROLS + [0.0] * _CONTROLS + [share for share in _DOSES for _ in range(2)])
    y, x = np.mgrid[:size_px, :size_px] - (size_px - 1) / 2
    discs = (np.hypot(y, x)[None] < size_px * (0.25 + 0.1 * rng.random(len(living)))[:, None, None]).astype(float)
    texture = rng.gamma(2.0, 0.5, (len(living), size_px, size_px))
    light = 500 + 4000 * discs * (living[:, None, None] + (1 - living[:, None, None]) * texture)
    pictures = rng.poisson(light).clip(0, 65535).astype(np.uint16)
    number = np.arange(len(living))
    drugs = number >= 2 * _CONTROLS
    return TensorWells(
        images=np.stack([pictures, np.roll(pictures, 1, axis=2), pictures], axis=-1),
        channels=("MIP", "MID", "MIP"),
        negative=number < _CONTROLS,
        positive=(number >= _CONTROLS) & ~drugs,
        content=np.where(drugs, number // 2, -1),
        treatment=np.where(drugs, number // 2, -1),
        plate=np.where(number % 2 == 0, "P1", "P2"),
        features=np.stack([pictures.mean(axis=(1, 2)), pictures.std(axis=(1, 2))], axis=1),
        measured=living,
        compounds=np.stack([np.where(drugs, number // 2, -1), np.full(len(living), -1)], axis=1),
    )


class TensorReadoutConformance(ReadoutConformance):
    """For a `TensorReadout`. Its wells hold discs, the killed ones with another texture than the living.

    Attributes:
        size_px: height and width of the images that it is tried on.
    """

    plugin: ClassVar[type[TensorReadout]]
    size_px: ClassVar[int] = 32

    def test_every_well_gets_an_output_and_features(self) -> None:
        """One row a well, and finite numbers for images that are sound."""
        import numpy as np

        wells = wells_of_discs(self.size_px)
        found = self.made().read(wells)
        if fault := result_fault("read", (wells,), found, True):
            raise broken("`read` gives an `Inference` of all wells", fault)
        if not np.isfinite(found.raw).all() or not np.isfinite(found.features).all():
            raise broken("`read` gives finite numbers", f"{found.raw}")

    def test_living_and_killed_controls_are_told_apart(self) -> None:
        """The raw number rises with viability, as `rises_with` says, or falls."""
        import numpy as np

        wells = wells_of_discs(self.size_px)
        raw = self.made().read(wells).raw
        difference = float(np.median(raw[wells.negative]) - np.median(raw[wells.positive]))
        if not (difference < 0 if self.plugin.rises_with == "death" else difference > 0):
            raise broken("controls that differ get numbers that differ", f"their medians differ by {difference:g}")

    def test_it_is_deterministic(self) -> None:
        """The same wells give the same numbers, to the bit."""
        import numpy as np

        first, second = (self.made().read(wells_of_discs(self.size_px)).raw for _ in range(2))
        if not np.array_equal(first, second):
            raise broken("the same wells give the same numbers", "they differ from one time to the next")

    def test_no_controls_are_told(self) -> None:
        """Without killed controls there is nothing to learn from: `NotMade`."""
        from dataclasses import replace

        import numpy as np

        wells = wells_of_discs(self.size_px)
        try:
            self.made().read(replace(wells, positive=np.zeros(len(wells.images), dtype=bool)))
        except NotMade:
            return
        raise broken("a screen without killed controls raises `NotMade`", "`read` gave numbers all the same")

    def test_the_wells_stay_as_they_are(self) -> None:
        """What it is given is not changed."""
        from phenodose.plugins.isolated_calls import fingerprint

        wells = wells_of_discs(self.size_px)
        before = fingerprint(wells)
        self.made().read(wells)
        if fingerprint(wells) != before:
            raise broken("a readout does not change the wells it is given", f"{self.plugin.name} did; work on a copy")

    def test_it_works_in_a_process_of_its_own_and_leaves_no_trace(self) -> None:
        """It gives the same numbers there, writes nothing and connects to nothing."""
        import numpy as np

        seen = self.isolated(_read_apart, self.plugin, dict(self.parameters), self.size_px)
        refuse_traces(seen)
        if not np.allclose(seen.value.raw, self.made().read(wells_of_discs(self.size_px)).raw, rtol=1e-9, atol=0):
            raise broken("a readout gives the same numbers in another process", "they differ")


def _read_apart(plugin: type[TensorReadout], parameters: Mapping[str, Any], size_px: int) -> Inference:
    return plugin(parameters).read(wells_of_discs(size_px))
