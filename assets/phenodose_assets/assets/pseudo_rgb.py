"""The asset of the group `tensors`: `pseudo_rgb`.

Does not belong here: how images become tensors (`phenodose.plates.tensors`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.pipeline.context import Context, Result
from phenodose.plugins import Parameters
from phenodose.store.store import Store
from phenodose_assets.assets.plate_images import PLATE_IMAGES
from phenodose_assets.external import IMAGE_SETTINGS, TENSOR_SETTINGS
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

PSEUDO_RGB = "pseudo_rgb"
_GROUP = "tensors"


class TensorParameters(Parameters):
    """How images become tensors; screen.toml has them under [tensors] and [channels]."""

    size_px: int | None = Field(None, ge=16, le=2048, description="Edge of the square tensor")
    channel: Annotated[int, Field(ge=0)] | str | None = Field(
        None, description="The nuclear channel: its number from 0, or its name"
    )


def tensor_assets() -> list[ScreenAsset]:
    """The tensors of a screen."""
    return [
        ScreenAsset(
            key=PSEUDO_RGB,
            group=_GROUP,
            description="Every well as a small pseudo-RGB image: maximum projection, middle plane, maximum projection, "
            "or what [tensors] inputs of screen.toml names.",
            make=_make_pseudo_rgb,
            needs=(PLATE_IMAGES,),
            reads=(TENSOR_SETTINGS, IMAGE_SETTINGS),
            settings=((_GROUP, TensorParameters),),
            kinds=frozenset({"zarr", "xarray"}),
            cores=True,
        )
    ]


def plate_paths(store: Store, screen: str) -> dict[str, str]:
    """Place of every OME-Zarr plate of a screen by plate name, as text for `Store.plate_at`.

    Raises:
        NotMade: the screen has no plates in the store.
    """
    plates = store.read_table("plates", screen, PLATE_IMAGES)
    if plates.empty:
        raise NotMade(f"screen {screen} has no plates in the store; materialize its asset `plate_images` first.")
    return dict(zip(plates["plate"], plates["path"], strict=True))


def _make_pseudo_rgb(step: Context) -> Result:
    from phenodose.pipeline.images import chosen_plates, image_hashes
    from phenodose.plates.tensors import build_tensors, open_tensors

    parameters = step.settings_of(_GROUP, TensorParameters)
    size_px = parameters.size_px or step.screen.size_px
    channel = step.screen.channel if parameters.channel is None else parameters.channel
    plates, notes = chosen_plates(step, plate_paths(step.store, step.screen_id), averaged=False)
    hashes = image_hashes(step, plates)
    out = step.store.tensor_path(step.screen_id)
    inputs = step.screen.settings.tensors.inputs
    build_tensors(plates, out, size_px, channel, step.progress, inputs)
    tensors = open_tensors(out)
    return Result(
        show=lambda: {
            "path": metadata.path(out),
            "dims": ", ".join(f"{dim} {size}" for dim, size in tensors.sizes.items()),
            **metadata.numbers({"n wells": tensors.sizes["well"], "size px": size_px}),
        },
        inputs={
            **hashes,
            "size_px": size_px,
            "channel": channel,
            "inputs": list(inputs),
            **{
                f"image of {name}": f"time {one.chosen_time}, "
                f"site {'all' if one.sites_together else one.meant_sites[0]}"
                for name, one in plates.items()
                if one.shape.n_times > 1 or len(one.shape.sites) > 1
            },
        },
        notes=notes,
    )
