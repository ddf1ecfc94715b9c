"""Activation maps in the report: laid over the images on demand, or a sentence why there are none."""

from __future__ import annotations

import base64
import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phenodose.errors import NotMade
from phenodose.plates.ingest import ingest_plate
from phenodose.plots.activation import activation_overlay
from phenodose.reports import build_report
from phenodose.reports.activation import METHOD, OF_CLASS, overlays, wanted_maps
from phenodose.reports.data import ScreenData
from phenodose.reports.patient import render_report
from phenodose.store.activation_maps import StoredMap, maps_folder, write_maps
from phenodose.store.store import Store
from phenodose_readers.pattern import PatternReader

#: As the made-up rows of viability have it.
WEIGHTS = "f00d"
SCREEN, WITHOUT = "BT-40_V1_DS1", "INF_R_153_V1_DS1"


class Page(HTMLParser):
    """The images and buttons of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.buttons: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attributes))
        if tag == "button":
            self.buttons.append(dict(attributes))


@pytest.fixture(scope="module")
def imaged(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up screen with a small image in every well of rows B to D, read out by the network of phase III.

    To be copied.
    """
    import tifffile

    folder = tmp_path_factory.mktemp("imaged")
    store = Store.open(shutil.copytree(made_up_root, folder / "store"))
    rows = store.read_table("checkpoints", SCREEN)
    rows.loc[rows["phase"] == "phase3", "weights_hash"] = WEIGHTS
    store.write_table("checkpoints", SCREEN, "cnn", rows)

    wells = store.read_table("wells", SCREEN)
    for plate, rows in wells.groupby("plate"):
        raw = folder / "raw" / str(plate)
        raw.mkdir(parents=True)
        for well in rows["well"]:
            if well[0] in "BCD":
                tifffile.imwrite(raw / f"{well}_MIP.tif", np.full((24, 24), 700, np.uint16))
        reader = PatternReader({"expression": r"(?P<well>[A-Z]\d\d)_(?P<projection>MIP)"})
        ingest_plate(raw, store.plate_path(SCREEN, str(plate)), reader, str(plate), workers=1)
    return store.root


@pytest.fixture
def imaged_store(imaged: Path, tmp_path: Path) -> Store:
    return Store.open(shutil.copytree(imaged, tmp_path / "store"))


def keep_maps(store: Store, wells: list[str], weights: str) -> None:
    folder = maps_folder(store, SCREEN, "cnn", "phase3", OF_CLASS, METHOD)
    folder.mkdir(parents=True)
    ramp = np.tile(np.linspace(0, 1, 24, dtype=np.float32), (24, 1))
    maps = {well: StoredMap(ramp * (number > 0), "") for number, well in enumerate(wells)}
    write_maps(folder, maps, {"checkpoint": weights})


def test_maps_are_wanted_of_the_shown_wells_and_the_ranking_network(imaged_store: Store) -> None:
    wanted = wanted_maps(imaged_store, SCREEN)
    assert (wanted.readout, wanted.phase, wanted.weights) == ("cnn", "phase3", WEIGHTS)
    assert {well[3] for well in wanted.wells} <= set("BCD")
    assert len(wanted.wells) == len(set(wanted.wells))
    wells = imaged_store.read_table("wells", SCREEN)
    series = wells[(wells["well_type"] == "therapy") & wells["well"].str[0].isin(list("BCD"))]
    first = series.sort_values("replicate").drop_duplicates(["treatment", "concentration_nM"])
    assert set(first["plate"] + "/" + first["well"]) <= set(wanted.wells), "a replicate of every drug's series"
    with pytest.raises(NotMade, match="no network"):
        wanted_maps(imaged_store, WITHOUT)


def test_maps_lie_over_their_images_hidden_until_asked_for(imaged_store: Store) -> None:
    wanted = wanted_maps(imaged_store, SCREEN)
    keep_maps(imaged_store, wanted.wells, wanted.weights)
    html = render_report(imaged_store, SCREEN)
    page = Page(html)
    toggles = [button for button in page.buttons if button.get("class") == "toggle"]
    assert {toggle["aria-controls"] for toggle in toggles} == {"cards", "strip"}
    assert {toggle["aria-pressed"] for toggle in toggles} == {"false"}
    assert all(html.count(f'id="{toggle["aria-controls"]}"') == 1 for toggle in toggles)
    maps = [image for image in page.images if image.get("class") == "map"]
    shown = [image["data-well"] for image in page.images if re.search(r" on P\d [B-D]\d\d$", image["alt"] or "")]
    assert set(wanted.wells) <= set(shown)
    assert len(maps) == sum(well in wanted.wells for well in shown)
    assert all("hidden" in image for image in maps)
    assert {image["alt"] for image in maps} == {
        f"nothing in {wanted.wells[0]} speaks for killed cells",
        *(f"what speaks for killed cells in {well}" for well in wanted.wells[1:]),
    }
    assert "http" not in "".join(str(image.get("src"))[:30] for image in page.images)


def test_without_maps_the_report_says_why(imaged_store: Store) -> None:
    none_yet = f"the store holds none; `phenodose report {SCREEN}` makes them."
    data = ScreenData.load(imaged_store, SCREEN)
    assert overlays(data)["reason"] == none_yet
    keep_maps(imaged_store, wanted_maps(imaged_store, SCREEN).wells, "those of another training")
    assert overlays(data)["reason"] == none_yet
    assert overlays(ScreenData.load(imaged_store, WITHOUT))["reason"] == f"no network has read out screen {WITHOUT}."
    html = build_report(imaged_store, SCREEN, no_maps="the checkpoint is damaged.").read_text(encoding="utf-8")
    assert "No maps of what the network looks at: the checkpoint is damaged." in html
    assert 'class="toggle"' not in html


def test_an_overlay_is_clear_where_nothing_speaks_for_the_class() -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    png = activation_overlay(ramp, 32)
    rgba = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)
    assert rgba.shape == (32, 32, 4)
    assert rgba[:, 0, 3].max() <= 8
    assert (np.diff(rgba[0, ::4, 3]) > 0).all()
    assert rgba[:, -1, :2].min() > 200, "the strongest is yellow"
    assert len(base64.b64encode(png)) < 4000
