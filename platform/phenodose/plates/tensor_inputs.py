"""What the channels of a tensor show: a picture of a channel of the plate, as it is written in screen.toml.

Belongs here: the words and their meaning. Does not belong here: making the pictures (`tensors`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from phenodose.errors import InputError
from phenodose.training_records import DEFAULT_INPUTS

__all__ = ["DEFAULT_INPUTS", "PICTURES", "TensorInput", "TensorInputs"]

PICTURES = "MIP, MID, MIN, MEAN, SD, or Z0, Z1, ... for the planes from the lowest"
_PICTURE = re.compile(r"MIP|MID|MIN|MEAN|SD|Z[0-9]+")


@dataclass(frozen=True)
class TensorInput:
    """What one channel of a tensor shows.

    Attributes:
        picture: 'MIP' (maximum), 'MID' (middle plane), 'MIN' (minimum), 'MEAN' or 'SD' (mean and standard deviation
            over the planes), or 'Z' and the place of a plane in the stack, from 0.
        channel: channel of the plates, its number or its name; None for the nuclear channel.
    """

    picture: str
    channel: int | str | None = None

    @classmethod
    def parse(cls, text: str) -> TensorInput:
        """From 'MIP', or with a channel 'PI:MIP' or '1:MIN'.

        Raises:
            InputError: there is no such picture, or the channel before the colon is empty.
        """
        channel, colon, picture = text.rpartition(":")
        if not _PICTURE.fullmatch(picture) or (colon and not channel.strip()):
            raise InputError(
                f"input {text!r}: write one of {PICTURES}, for another channel than that of the nuclei with its number "
                "or name before it, such as 'PI:MIP' or '1:MIN'."
            )
        named = channel.strip()
        return cls(picture, (int(named) if named.isdecimal() else named) if colon else None)


def _checked(inputs: tuple[str, ...]) -> tuple[str, ...]:
    if len(inputs) != len(DEFAULT_INPUTS):
        raise ValueError(f"networks see three pictures, and these are {len(inputs)}; such as {list(DEFAULT_INPUTS)}")
    faults = []
    for text in inputs:
        try:
            TensorInput.parse(text)
        except InputError as error:
            faults.append(str(error).rstrip("."))
    if faults:
        raise ValueError("; ".join(faults))
    return inputs


#: The inputs of tensors as texts, checked by pydantic.
TensorInputs = Annotated[tuple[str, ...], AfterValidator(_checked)]
