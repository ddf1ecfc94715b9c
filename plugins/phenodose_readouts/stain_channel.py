"""The channel that a measured readout looks at, by its number or name.

Does not belong here: what is measured in it (`mean_of_stack`, `spheroids`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.errors import InputError

if TYPE_CHECKING:
    from phenodose.plates.plate import Plate


def stain_channel(plate: Plate, channel: int | str, readout: str) -> int:
    """Number of a channel of a plate, from 0.

    Args:
        plate: the plate.
        channel: the readout's parameter `channel`.
        readout: its name, for the message.

    Raises:
        InputError: the plate has no such channel.
    """
    from phenodose.plates.agreement import channel_number

    number = channel_number(plate.channels, channel, f"plate {plate.name}")
    if number >= len(plate.channels):
        raise InputError(
            f"plate {plate.name} has {len(plate.channels)} channels, counted from 0; the parameter `channel` of "
            f"{readout} is {number}."
        )
    return number
