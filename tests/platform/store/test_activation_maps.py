"""Maps of the store are found again only for the network and the images they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from phenodose.store.activation_maps import StoredMap, image_hashes, maps_folder, read_maps, write_maps
from phenodose.store.store import Store

FACTS = {"checkpoint": "abc", "phase": "phase3", "class": "pos", "method": "grad-cam", "channels": "all"}


def test_maps_come_back_for_the_same_network_only(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    folder = maps_folder(store, "S", "cnn", "phase3", "pos", "grad-cam")
    assert read_maps(store, folder, FACTS) == {}
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    made = {
        "P1/B02": StoredMap(rng.random((5, 4), dtype=np.float32), "image-1"),
        "P1/B03": StoredMap(np.zeros((5, 4), dtype=np.float32), "image-2"),
    }
    write_maps(folder, made, FACTS)
    found = read_maps(store, folder, FACTS)
    assert list(found) == list(made)
    for well, one in made.items():
        np.testing.assert_array_equal(found[well].activation, one.activation)
        assert found[well].image == one.image
    assert [one.is_flat for one in found.values()] == [False, True]
    assert read_maps(store, folder, {"checkpoint": "another"}) == {}


def test_an_image_is_known_by_its_pixels() -> None:
    pixels = np.arange(2 * 3 * 3 * 3, dtype=np.uint16).reshape(2, 3, 3, 3)
    tensors = xr.DataArray(pixels, dims=("well", "y", "x", "channel"), coords={"well": ["P1/B02", "P1/B03"]})
    before = image_hashes(tensors)
    changed = tensors.copy()
    changed[1, 2, 2, 2] += 1
    after = image_hashes(changed)
    assert before["P1/B02"] == after["P1/B02"]
    assert before["P1/B03"] != after["P1/B03"]
