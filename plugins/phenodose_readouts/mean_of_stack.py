"""The readout mean of stack: the mean intensity of a well's whole z-stack.

Belongs here: which number is taken. Does not belong here: computing it, which happens once, while the plate is
ingested (`phenodose.plates.well_writer`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.plugins import ImageReadout, Parameters
from phenodose_readouts.stain_channel import stain_channel

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.plate import Plate


class MeanOfStackParameters(Parameters):
    """Which channel is measured."""

    channel: Annotated[int, Field(ge=0)] | str = Field(
        default=0, description="Channel of the nuclear stain: its number from 0, or its name"
    )


class MeanOfStackReadout(ImageReadout):
    """Mean intensity over all planes of the stack; of several sites, the mean of their means."""

    name = "mean_of_stack"
    label = "image, mean brightness"
    version = "1"
    description = "Mean intensity of the whole z-stack of a well."
    unit: ClassVar[str] = "grey value"
    precedence: ClassVar[int] = 30
    colour: ClassVar[str | None] = "#009E73"
    Parameters = MeanOfStackParameters

    def measure(self, plate: Plate) -> pd.DataFrame:
        """Mean of stack of every imaged well; NaN for wells that have only projections.

        Raises:
            NotMade: no well of the plate has a stack in that channel.
            InputError: the plate has no such channel.
        """
        import pandas as pd

        channel = stain_channel(plate, self.parameters.channel, self.name)
        rows = []
        for well in plate.wells:
            means = [plate.mean_of_stack(well, channel, site) for site in plate.meant_sites]
            known = [mean for mean in means if mean is not None]
            rows.append({"well": well, "raw": sum(known) / len(known) if known else float("nan")})
        frame = pd.DataFrame(rows, columns=["well", "raw"])
        if frame["raw"].isna().all():
            raise NotMade(
                f"plate {plate.name} holds only projections in channel {channel}: there is no stack to average."
            )
        return frame
