"""TIFF pages of several samples (RGB) that hold one dye: how they become one grey image, by a person's choice.

Belongs here: which sample counts, and whether the samples hold one dye. Does not belong here: the checks of a file and
reading it (`tiff`).

A program that paints a grey image in the colour of its dye writes the grey value, times the colour, into three samples.
The strongest sample is then the grey value itself. Where the samples are no multiples of each other, several dyes were
laid over each other, and nothing can be said of one of them but by the name of its sample.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

#: Which sample of an RGB page counts: the strongest of samples that hold one dye, or one by its colour.
RgbChoice = Literal["strongest", "red", "green", "blue"]
#: How the choice is named in messages.
OPTION = (
    "the parameter `rgb` of the reader (below its [parameters] in screen.toml, or as --param rgb=...): "
    f"{', '.join(get_args(RgbChoice))}"
)
_COLOURS = ("red", "green", "blue")
#: Samples may depart from a multiple of the strongest by this part of its range, and by 2 counts: they were rounded.
_ROUNDED = 0.01


def is_rgb(page: Any) -> bool:
    """Whether a page of tifffile holds three samples of a pixel, or four with transparency."""
    return page.ndim == 3 and page.samplesperpixel in (3, 4) and page.samplesperpixel in (page.shape[0], page.shape[-1])


def size_of(page: Any) -> tuple[int, int]:
    """Height and width of a page, whether its samples lie beside each other or one after the other."""
    y, x = page.shape[1:] if _in_planes(page) else page.shape[:2]
    return int(y), int(x)


def one_channel(page: Any, pixels: np.ndarray, choice: RgbChoice) -> np.ndarray:
    """The sample that counts, dims y, x.

    Args:
        page: of tifffile, for which `is_rgb` holds.
        pixels: its pixels; transparency is passed over.
        choice: which one.

    Raises:
        ValueError: the strongest is wanted of samples that hold more than one dye.
    """
    samples = pixels if _in_planes(page) else np.moveaxis(pixels, -1, 0)
    if choice != "strongest":
        return np.ascontiguousarray(samples[_COLOURS.index(choice)])
    colours = samples[:3].reshape(3, -1).astype(np.float64)
    strongest = int(colours.sum(axis=1).argmax())
    light = colours[strongest]
    energy = float(light @ light)
    for number, other in enumerate(colours):
        departure = np.abs(other - (float(other @ light) / energy if energy else 0.0) * light).max()
        if departure > 2 + _ROUNDED * light.max():
            raise ValueError(
                f"its samples hold more than one dye: {_COLOURS[number]} is no multiple of {_COLOURS[strongest]}; take "
                f"the one that counts by name, or export the channels as single grey TIFF files"
            )
    return np.ascontiguousarray(samples[strongest])


def _in_planes(page: Any) -> bool:
    return bool(page.shape[-1] != page.samplesperpixel)
