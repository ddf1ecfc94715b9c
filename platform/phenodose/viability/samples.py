"""Several samples on one layout: which wells belong to a sample, and whose controls it is measured by.

Belongs here: the one rule for layouts with several samples. Does not belong here: choosing controls by name
(`controls`) and scaling (`normalise`).

The rule: a sample is measured by its own control wells. Untreated cells of another sample say nothing of this one's
growth, so negative controls are never shared. Killed cells leave the background of the plate whichever sample they
were, so on a plate where a sample has no positive control of its own, those of the other samples on that plate serve,
and a note says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phenodose.viability.controls import Controls, choose_controls, wells_named
from phenodose.viability.normalise import Grouping


@dataclass(frozen=True)
class SampleWells:
    """The wells that one sample's viability is computed from.

    Attributes:
        sample: name of the sample.
        wells: the sample's rows of the layout in their order, then those of borrowed positive controls.
        position: int array (well of `wells`,): row of the layout.
        n_own: the first so many wells are the sample's own.
        borrowed: plate -> the samples whose positive controls serve on it.
    """

    sample: str
    wells: pd.DataFrame
    position: np.ndarray
    n_own: int
    borrowed: dict[str, list[str]]

    @property
    def has_drugs(self) -> bool:
        """Whether the sample has wells with a drug."""
        return bool((self.wells["well_type"][: self.n_own] == "therapy").any())

    def controls(self, negative: Sequence[str], positive: Sequence[str], lower_anchor: float | None = None) -> Controls:
        """The control wells among `wells`: of the negative ones the sample's own alone.

        Raises:
            InputError: as `choose_controls`.
        """
        return choose_controls(self.wells, negative, positive, f"sample {self.sample}", lower_anchor)

    def notes(self) -> list[str]:
        """A sentence on the plates whose positive controls are those of other samples."""
        return [
            f"sample {self.sample}: plate {plate} holds no positive control of this sample; those of "
            f"{', '.join(lenders)} on the same plate stand for viability 0."
            for plate, lenders in self.borrowed.items()
        ]


def wells_by_sample(layout_frame: pd.DataFrame, positive: Sequence[str], by: Grouping = "plate") -> list[SampleWells]:
    """The wells of every sample, in order of the samples' names.

    Args:
        layout_frame: `Layout.frame` with a sample in every row, or one sample for all.
        positive: names of the control of viability 0, most wanted first.
        by: group in which the controls' medians are taken; positive controls are shared by plate alone.
    """
    samples = sorted(layout_frame["sample"].dropna().unique())
    if len(samples) <= 1:
        everything = np.arange(len(layout_frame))
        name = samples[0] if samples else ""
        return [SampleWells(name, layout_frame.reset_index(drop=True), everything, len(everything), {})]
    return [_of_sample(layout_frame, sample, positive if by == "plate" else ()) for sample in samples]


def _of_sample(layout_frame: pd.DataFrame, sample: str, positive: Sequence[str]) -> SampleWells:
    own = np.flatnonzero((layout_frame["sample"] == sample).to_numpy())
    lent, lenders = [], {}
    if positive:
        serves = _positive_wells(layout_frame, positive)
        plates = layout_frame["plate"].to_numpy(dtype=object)
        for plate in dict.fromkeys(plates[own]):
            on_plate = np.flatnonzero(serves & (plates == plate))
            if len(on_plate) and not np.isin(on_plate, own).any():
                lent.append(on_plate)
                lenders[str(plate)] = sorted(layout_frame["sample"].iloc[on_plate].unique())
    position = np.concatenate([own, *lent])
    return SampleWells(sample, layout_frame.iloc[position].reset_index(drop=True), position, len(own), lenders)


def _positive_wells(layout_frame: pd.DataFrame, positive: Sequence[str]) -> np.ndarray:
    """Positive controls of all samples, without an add-on; bool (well,)."""
    plain = layout_frame["add_on"].astype(object).fillna("").eq("").to_numpy()
    return wells_named(layout_frame, positive)[1] & plain
