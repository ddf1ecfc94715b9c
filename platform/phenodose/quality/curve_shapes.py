"""What the shapes of a sample's curves say together: curves that fall with dose, and wells that no curve describes.

Belongs here: which drugs these are, for metrics and notes alike. Does not belong here: judging one curve
(`phenodose.dose_response.lack_of_fit`), limits and words (`metrics`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from phenodose.dose_response.curves import CurveBatch

#: Change of inhibition over the tested doses from which on a drug has an effect [fraction].
LEAST_EFFECT = 0.25
_POOLED = "pooled"


@dataclass(frozen=True)
class CurveShapes:
    """How the pooled curves of one sample run; a drug stands with its inhibitions where that tells more.

    Attributes:
        rising: drugs whose inhibition rises with dose by a quarter or more.
        falling: drugs that kill at the lowest dose and whose inhibition falls by a quarter or more: drug -> inhibition
            (fraction) of the curve at the lowest and at the highest dose.
        growing: drugs under which viability rises to five quarters of untreated cells or more: likewise.
        misfits: drugs whose replicates agree and whose curve lies off them: drug -> the curve's reason.
        tested: drugs whose replicates could show a misfit.
    """

    rising: list[str] = field(default_factory=list)
    falling: dict[str, tuple[float, float]] = field(default_factory=dict)
    growing: dict[str, tuple[float, float]] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)
    tested: int = 0

    @property
    def falling_percent(self) -> float:
        """Share of the drugs with an effect whose inhibition falls [percent]; NaN where none has an effect."""
        acting = len(self.rising) + len(self.falling)
        return 100 * len(self.falling) / acting if acting else float("nan")

    @property
    def misfit_percent(self) -> float:
        """Share of the drugs with replicates that no curve describes [percent]; NaN without replicates."""
        return 100 * len(self.misfits) / self.tested if self.tested else float("nan")


def curve_shapes(curves: CurveBatch) -> CurveShapes:
    """How the pooled curves run.

    Args:
        curves: the curves of one sample and readout with the keys replicate and drug.
    """
    found = CurveShapes()
    pooled = np.flatnonzero((curves.keys["replicate"] == _POOLED).to_numpy() & curves.fitted)
    ends = curves.inhibition_at(np.stack(curves.log10_dose_range, axis=1))
    tested = 0
    for i in pooled.tolist():
        drug, first, last = str(curves.keys["drug"].iloc[i]), float(ends[i, 0]), float(ends[i, 1])
        if curves.n_points[i] > curves.n_doses[i]:
            tested += 1
        if curves.status[i] == "misfit":
            found.misfits[drug] = str(curves.reason[i])
        if last - first >= LEAST_EFFECT:
            found.rising.append(drug)
        elif first - last >= LEAST_EFFECT and first >= LEAST_EFFECT:
            found.falling[drug] = (first, last)
        elif first - last >= LEAST_EFFECT and last <= -LEAST_EFFECT:
            found.growing[drug] = (first, last)
    return CurveShapes(found.rising, found.falling, found.growing, found.misfits, tested)


def shape_notes(sample: str, shapes: CurveShapes) -> list[str]:
    """A sentence on each kind of drug whose score does not mean what a score usually means."""
    notes = []
    if shapes.falling:
        notes.append(
            f"sample {sample}: inhibition falls with dose under {_ends(shapes.falling)}; their scores do not tell of "
            "sensitivity. Look for a reversed dilution series, or for swapped controls."
        )
    if shapes.growing:
        notes.append(
            f"sample {sample}: viability rises with dose, beyond that of untreated cells, under "
            f"{_ends(shapes.growing)} (inhibition at the lowest and the highest dose)."
        )
    if shapes.misfits:
        text = "; ".join(f"{drug}: {reason.rstrip('.')}" for drug, reason in shapes.misfits.items())
        notes.append(
            f"sample {sample}: no curve describes the wells of these drugs, and their scores do not stand for them: "
            f"{text}. Look for doses or wells that were mixed up."
        )
    return notes


def _ends(drugs: dict[str, tuple[float, float]]) -> str:
    return ", ".join(f"{drug} ({100 * first:.0f} % to {100 * last:.0f} %)" for drug, (first, last) in drugs.items())
