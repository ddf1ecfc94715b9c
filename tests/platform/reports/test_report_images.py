"""Dilution series and controls come from the plates of the store; what cannot be read is said."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from phenodose.plates.ingest import ingest_plate
from phenodose.reports.data import Missing, ScreenData
from phenodose.reports.image_choice import images
from phenodose.reports.patient import render_report
from phenodose.reports.well_images import Gallery
from phenodose.store.store import Store
from phenodose_readers.imagexpress import ImageXpressReader

SCREEN = "BT-40_V1_DS1"


def brightness(column: int) -> int:
    return 1000 * column


def write_projections(folder: Path, wells: list[str]) -> Path:
    """Raw maximum projections as MetaXpress writes them, each of one brightness: its column times 1000."""
    folder.mkdir(parents=True)
    for number, well in enumerate(wells):
        guid = f"{number:08X}-0000-0000-0000-000000000000"
        pixels = np.full((40, 48), brightness(int(well[1:])), np.uint16)
        pixels[0, 0], pixels[0, 1] = 0, 10000
        props = (
            f'<prop id="stage-label" type="string" value="{well} : Site 1"/>'
            '<prop id="Z Projection Method" type="string" value="Maximum"/>'
        )
        description = f"<MetaData><PlaneInfo>{props}</PlaneInfo></MetaData>"
        path = folder / f"Plate_x_{well}_s1_w1{guid}.tif"
        tifffile.imwrite(path, pixels, description=description, metadata=None, software="MetaSeries")
    return folder


@pytest.fixture(scope="module")
def imaged(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up store with images of all wells but those of row G; to be copied."""
    folder = tmp_path_factory.mktemp("imaged")
    store = Store.open(shutil.copytree(made_up_root, folder / "store"))
    wells = store.read_table("wells", SCREEN)
    hashes = {}
    for plate, rows in wells.groupby("plate"):
        imaged = [well for well in rows["well"] if not well.startswith("G")]
        raw = write_projections(folder / "raw" / str(plate), imaged)
        out = store.plate_path(SCREEN, str(plate))
        hashes[plate] = ingest_plate(raw, out, ImageXpressReader(), str(plate), workers=1).raw_hash
    rows = store.read_table("plates", SCREEN)
    store.write_table("plates", SCREEN, "images", rows.assign(raw_hash=rows["plate"].map(hashes)))
    return store.root


@pytest.fixture
def imaged_store(imaged: Path, tmp_path: Path) -> Store:
    return Store.open(shutil.copytree(imaged, tmp_path / "store"))


def test_images_of_another_plate_are_not_shown(imaged_store: Store) -> None:
    first, second = (imaged_store.plate_path(SCREEN, name) for name in ("P1", "P2"))
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    found = images_of(imaged_store)
    assert isinstance(found, Missing)
    assert "P1.ome.zarr holds plate P2, and not P1" in found.reason


def images_of(store: Store) -> dict[str, Any] | Missing:
    data = ScreenData.load(store, SCREEN)
    return images(data, Gallery(data).pictures(1_000_000))


def grey(uri: str) -> float:
    picture = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    return float(np.median(np.asarray(Image.open(io.BytesIO(picture)).convert("L"))))


def test_series_run_from_the_lowest_concentration_and_controls_follow(imaged_store: Store) -> None:
    found = images_of(imaged_store)
    assert not isinstance(found, Missing)
    names = [row["name"] for row in found["rows"]]
    # The sixth drug lies in row G, which was not imaged.
    assert names == [
        "Trametinib",
        "Panobinostat",
        "Vemurafenib",
        "Venetoclax",
        "Lorlatinib",
        "negative control",
        "positive control",
    ]
    series = found["rows"][0]["tiles"]
    assert [tile["caption"] for tile in series] == ["1 nM", "10 nM", "100 nM", "1000 nM", "10000 nM"]
    assert series[0]["alt"] == "Trametinib 1 nM on P1 B04"
    shown = [grey(tile["uri"]) for tile in series]
    assert shown == sorted(shown)
    assert shown[0] < shown[-1], "columns 4 to 8 get brighter"
    negative = found["rows"][-2]["tiles"]
    assert [tile["caption"] for tile in negative] == ["P1 B02", "P1 C02", "P1 D02", "P1 E02", "P1 F02"]


def test_doubtful_wells_follow_with_the_reason(imaged_store: Store) -> None:
    rows = imaged_store.read_table("viability", SCREEN, "ctg")
    doubted = rows["well"].isin(["C05", "D06"]) & (rows["plate"] == "P2")
    flags = rows["well"].map({"C05": "empty", "D06": "strange_image"}).where(doubted)
    rows = rows.assign(flag=flags, flag_reason=("because of " + flags).where(doubted, None))
    imaged_store.write_table("viability", SCREEN, "ctg", rows)
    found = images_of(imaged_store)
    assert not isinstance(found, Missing)
    last = found["rows"][-2:]
    assert [row["name"] for row in last] == ["doubtful: empty", "doubtful: strange_image"]
    assert [[tile["caption"] for tile in row["tiles"]] for row in last] == [["P2 C05"], ["P2 D06"]]
    assert last[1]["tiles"][0]["alt"].endswith(" on P2 D06: because of strange_image")


def test_the_images_stand_in_the_report(imaged_store: Store) -> None:
    html = render_report(imaged_store, SCREEN)
    assert 'alt="Trametinib 10000 nM on P1 B08"' in html
    assert "Not shown: the plates cannot be read" not in html


def test_missing_and_damaged_plates_are_told(imaged_store: Store) -> None:
    html = render_report(imaged_store, "INF_R_153_V1_DS1")
    assert "Not shown: the screen has no images in the store." in html
    shutil.rmtree(imaged_store.plate_path(SCREEN, "P2"))
    found = images_of(imaged_store)
    assert isinstance(found, Missing)
    assert "the plates cannot be read" in found.reason
    assert "P2.ome.zarr" in found.reason
