"""Which controls viability is relative to: those named, else those of the readout, else wells of type neg and pos.

Belongs here: the choice, and a stated lower anchor in place of killed cells. Does not belong here: finding the controls
of a sample and plate (`phenodose.viability`), and the steps that use the choice (`pipeline.viability`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phenodose.errors import InputError

if TYPE_CHECKING:
    from phenodose.plugins import Readout
    from phenodose.viability.normalise import Grouping, RisesWith

#: Says that viability is the reading over that of untreated cells, and that nothing stands for killed cells.
PERCENT_OF_CONTROL = "percent of control"
#: Wells without cells, by well type or treatment.
BLANK_WELLS = ("blank", "blanks", "background", "medium", "medium only", "media", "no cells")


@dataclass(frozen=True)
class Normalisation:
    """How raw values become viability.

    Attributes:
        by: group whose controls viability is relative to.
        negative: names of the control of viability 1, by well type or treatment, most wanted first.
        positive: names of the control of viability 0, likewise.
        rises_with: what a larger raw value means; None takes what the controls say.
        mask_uncontrolled: leave out the wells of groups without usable controls, instead of refusing.
        lower_anchor: the raw value that stands for viability 0 instead of positive controls; None for these.
        anchored_by: what was said to stand for viability 0 instead of positive controls, a value or a name; '' if
            nothing was.
    """

    by: Grouping = "plate"
    negative: Sequence[str] = ("neg",)
    positive: Sequence[str] = ("pos",)
    rises_with: RisesWith | None = None
    mask_uncontrolled: bool = False
    lower_anchor: float | None = None
    anchored_by: str = ""

    @classmethod
    def of_readout(
        cls,
        readout: type[Readout] | None,
        by: Grouping = "plate",
        negative: Sequence[str] = (),
        positive: Sequence[str] = (),
        rises_with: RisesWith | None = None,
        mask_uncontrolled: bool | None = None,
        lower_anchor: float | str | None = None,
    ) -> Normalisation:
        """What was said, else what the readout's plugin declares, else the wells of type neg and pos.

        Args:
            readout: the plugin's class; None for numbers of which nobody says what they are.
            by: as above.
            negative: as above; empty if nothing was said.
            positive: as above; empty if nothing was said.
            rises_with: as above; None if nothing was said.
            mask_uncontrolled: as above; None if nothing was said.
            lower_anchor: as above; or 'percent of control' for the raw value 0, 'blank' for the blank
                wells, or the name of other wells, which then are the positive controls; None if nothing was said.

        Raises:
            InputError: both positive controls and a lower anchor were said.
        """
        if lower_anchor is not None and positive:
            raise InputError(
                f"both positive controls ({', '.join(positive)}) and a lower anchor ({lower_anchor}) are named; say "
                "one of them."
            )
        anchor, wells = _anchor(lower_anchor)
        said = "" if lower_anchor is None else f"{anchor:g}" if anchor is not None else str(lower_anchor)
        if anchor is not None and not _is_number(lower_anchor):
            said = PERCENT_OF_CONTROL
        positive = wells or positive
        if readout is None:
            return cls(
                by,
                tuple(negative) or ("neg",),
                tuple(positive) or ("pos",),
                rises_with,
                bool(mask_uncontrolled),
                anchor,
                said,
            )
        return cls(
            by,
            tuple(negative) or readout.negative_controls,
            tuple(positive) or readout.positive_controls,
            rises_with or readout.rises_with,
            readout.mask_uncontrolled if mask_uncontrolled is None else mask_uncontrolled,
            anchor,
            said,
        )


def _is_number(said: float | str | None) -> bool:
    try:
        float(said or 0)
    except ValueError:
        return False
    return True


def _anchor(said: float | str | None) -> tuple[float | None, tuple[str, ...]]:
    """The raw value of a stated lower anchor, or the names of its wells."""
    if said is None:
        return None, ()
    if str(said).strip().casefold().replace("_", " ").replace("-", " ") == PERCENT_OF_CONTROL:
        return 0.0, ()
    try:
        value = float(said)
    except ValueError:
        return None, BLANK_WELLS if str(said).strip().casefold() in BLANK_WELLS else (str(said),)
    if not math.isfinite(value):
        raise InputError(f"the lower anchor {said!r} is no number; write a raw value such as 0, or the name of wells.")
    return value, ()
