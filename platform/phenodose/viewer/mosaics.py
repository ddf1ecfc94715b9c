"""Mosaics of whole plates, made once and kept, so that a browser has one with one request.

Belongs here: where a mosaic is kept and when it is made again. Does not belong here: how a mosaic is put together
(`Plate.mosaic`).
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.io.files import hash_json, written_aside

if TYPE_CHECKING:
    from phenodose.plates.plate import Plate
    from phenodose.store.store import Store

#: Raised when the same plate would give another picture.
_FORMAT = 1
_WIDTH_PX = 1536
_MOST_TILE_PX = 128


def tile_px(plate: Plate) -> int:
    """Side of a well in the mosaic: 64 px on a plate of 24 columns, at most 128 px."""
    return max(8, min(_MOST_TILE_PX, _WIDTH_PX // plate.n_columns))


def mosaic_path(store: Store, screen: str, name: str, plate: Plate, channel: int) -> Path:
    """Where the mosaic of a plate and channel is kept on this machine; other pixels or windows give another path.

    Args:
        store: holds the screen; of a store in a bucket the mosaic is kept in its cache folder on this machine.
        screen: id of the screen.
        name: name of the plate's folder, without its ending.
        plate: the opened plate.
        channel: number of the channel, from 0.
    """
    shown = [plate.chosen_time, plate.chosen_site]
    key = hash_json([_FORMAT, plate.raw_hash, list(plate.windows[channel]), tile_px(plate), shown])
    return store.here(store.screen_dir(screen)) / "mosaics" / f"{name}_{channel}_{key[:16]}.png"


def mosaic_png(store: Store, screen: str, name: str, plate: Plate, channel: int) -> bytes:
    """The mosaic as a grey PNG without loss: the kept one, else it is made and kept.

    Where nothing can be written, such as in a store that is mounted read-only, it is made and not kept. The arguments
    are those of `mosaic_path`.

    Raises:
        StoreError: the pixels of a well are damaged or cannot be read.
    """
    path = mosaic_path(store, screen, name, plate, channel)
    with contextlib.suppress(OSError):
        return path.read_bytes()
    png = _png(plate, channel)
    with contextlib.suppress(OSError):
        with written_aside(path) as aside:
            aside.write_bytes(png)
        for older in path.parent.glob(f"{name}_{channel}_*.png"):
            if older != path:
                older.unlink()
    return png


def _png(plate: Plate, channel: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(plate.mosaic(tile_px(plate), channel)).save(buffer, format="PNG")
    return buffer.getvalue()
