"""The patient report keeps to a number of bytes whatever the images are, and tells what it left out for that."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phenodose.plates.ingest import ingest_plate
from phenodose.plots import data_uri, image_jpeg, well_photograph
from phenodose.reports.data import ScreenData
from phenodose.reports.patient import render_report
from phenodose.reports.well_images import SIZES_PX, Gallery
from phenodose.store.store import Store
from phenodose_readers.pattern import PatternReader

SCREEN = "BT-40_V1_DS1"


@pytest.fixture(scope="module")
def noisy(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The made-up screen with nothing but noise in every well: no image packs worse."""
    import tifffile

    folder = tmp_path_factory.mktemp("noisy")
    store = Store.open(shutil.copytree(made_up_root, folder / "store"))
    for table in ("viability", "curves", "scores", "qc"):  # two readouts are enough, and drawn faster
        for part in (store.root / "tables" / table / f"screen={SCREEN}").glob("*.parquet"):
            if part.stem.endswith(("cnn_phase2", "mean_of_stack")):
                part.unlink()
    rng = np.random.default_rng(5)
    hashes = {}
    for plate, rows in store.read_table("wells", SCREEN).groupby("plate"):
        raw = folder / "raw" / str(plate)
        raw.mkdir(parents=True)
        for well in rows["well"]:
            tifffile.imwrite(raw / f"{well}_MIP.tif", rng.integers(0, 60000, (160, 160)).astype(np.uint16))
        reader = PatternReader({"expression": r"(?P<well>[A-Z]\d\d)_(?P<projection>MIP)"})
        record = ingest_plate(raw, store.plate_path(SCREEN, str(plate)), reader, str(plate), workers=1)
        hashes[plate] = record.raw_hash
    plates = store.read_table("plates", SCREEN)
    store.write_table("plates", SCREEN, "images", plates.assign(raw_hash=plates["plate"].map(hashes)))
    return store


def shown_wells(html: str) -> set[str]:
    return set(re.findall(r'<img src="[^"]+"[^>]* data-well="([^"]+)"', html))


def said_left_out(html: str) -> int:
    found = re.search(r"(\d+) wells? ha(?:ve|s) no picture here, so that the file stays small", html)
    return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def whole(noisy: Store) -> str:
    return render_report(noisy, SCREEN)


@pytest.mark.parametrize("part", [0.8, 0.3])
def test_the_file_is_never_larger_than_told(noisy: Store, whole: str, part: float) -> None:
    n_bare = len(re.sub(r'data:image/jpeg[^"]*', "", whole).encode())
    most = n_bare + int(part * (len(whole.encode()) - n_bare))
    html = render_report(noisy, SCREEN, most_bytes=most)
    assert len(html.encode()) <= most
    assert len(html.encode()) > 0.6 * most, "the room is used"
    wells = shown_wells(html)
    assert len(wells) + said_left_out(html) == len(shown_wells(whole)), "every well has a picture or is counted"


def test_all_pictures_become_smaller_before_one_is_left_out(noisy: Store) -> None:
    gallery = Gallery(ScreenData.load(noisy, SCREEN))
    all_large = gallery.pictures(100_000_000)
    assert (all_large.size_px, all_large.n_left_out) == (SIZES_PX[0], 0)
    smaller = gallery.pictures(all_large.n_bytes - 1)
    assert smaller.size_px < SIZES_PX[0]
    assert set(smaller.uris) == set(all_large.uris)
    for uri in smaller.uris.values():
        picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        assert max(picture.size) == smaller.size_px
    few = gallery.pictures(all_large.n_bytes // 30)
    assert few.size_px == SIZES_PX[-1]
    assert few.n_left_out == len(all_large.uris) - len(few.uris) > 0
    assert list(few.uris) == list(all_large.uris)[: len(few.uris)], "the most wanted stay"
    assert few.n_bytes <= all_large.n_bytes // 30


def test_what_lies_over_a_picture_counts(noisy: Store) -> None:
    gallery = Gallery(ScreenData.load(noisy, SCREEN))
    alone = gallery.pictures(100_000_000)
    heavy = gallery.pictures(alone.n_bytes, dict.fromkeys(alone.uris, 5_000))
    assert heavy.size_px < alone.size_px


def test_without_any_room_numbers_stay_and_lineage_is_told_to_be_missing(noisy: Store, whole: str) -> None:
    html = render_report(noisy, SCREEN, most_bytes=1)
    assert shown_wells(html) == set()
    assert said_left_out(html) == len(shown_wells(whole))
    assert f'<code>phenodose why {SCREEN} "Trametinib"</code> prints it' in html
    assert 'class="why"' not in html
    assert 'class="why"' in whole
    scores = re.compile(r'data-score="([^"]*)"')
    assert scores.findall(html) == scores.findall(whole)
    assert said_left_out(whole) == 0


def test_a_photograph_keeps_what_a_person_sees_and_its_shape() -> None:
    y, x = np.mgrid[:300, :200]
    pixels = (1000 + 3000 * np.exp(-((y - 150) ** 2 + (x - 100) ** 2) / 2000)).astype(np.uint16)
    full = well_photograph(pixels, (1000, 4000), 150)
    assert full.size == (100, 150)
    packed = np.asarray(Image.open(io.BytesIO(image_jpeg(full))), dtype=float)
    assert np.abs(packed - np.asarray(full, dtype=float)).mean() < 2
    assert packed[75, 50] > 250
    assert packed[0, 0] < 5
    assert data_uri(image_jpeg(full)).startswith("data:image/jpeg;base64,")
