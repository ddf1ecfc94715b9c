"""The viewer's page in a real browser; what it shows is compared with the arrays of the plate."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from phenodose.viewer.server import ViewerServer

#: Widths and heights of windows: a telephone, a large screen, and one that is low; the other two are laid out as the
#: first two (`viewer.css` has one width and one height from which on a page is laid out otherwise).
WINDOWS = ((390, 844), (1920, 1080), (1200, 500))
BETWEEN = ((683, 700), (1024, 768))
#: The farthest that a well lies from its place on the mosaic, px, and the place of the worst in words.
FARTHEST = """() => {
  const picture = document.getElementById('mosaic').getBoundingClientRect();
  const worst = [0, ''];
  for (const cell of document.querySelectorAll('#grid [data-well]')) {
    const at = cell.getBoundingClientRect(), well = cell.dataset.well;
    const row = well.charCodeAt(0) - 65, column = Number(well.slice(1)) - 1;
    const meant = [picture.left + picture.width * column / 24, picture.top + picture.height * row / 16,
      picture.left + picture.width * (column + 1) / 24, picture.top + picture.height * (row + 1) / 16];
    [at.left, at.top, at.right, at.bottom].forEach((side, n) => {
      if (Math.abs(side - meant[n]) > worst[0]) { worst[0] = Math.abs(side - meant[n]); worst[1] = well; }
    });
  }
  return [...worst, picture.width / picture.height, picture.width / 24];
}"""

HOSTILE = "<script>document.title='taken'</script>"


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    with browser.watched() as watched:
        yield watched


@pytest.fixture
def page(window: Any, shown: ViewerServer) -> Iterator[Any]:
    """The page with its mosaic; at the end nothing was wrong and nothing but the server was asked."""
    window.begin_again()
    window.page.goto(shown.address)
    window.page.wait_for_selector("#mosaic[data-shown=P1]")
    yield window
    assert window.troubles == []
    assert {urlsplit(url).netloc for url in window.outside()} == {urlsplit(shown.address).netloc}


def open_well(page: Any, well: str) -> None:
    page.click(f"#grid [data-well={well}]")
    page.wait_for_selector(f"#stage[data-shown^={well}]")


def canvas_pixels(page: Any) -> np.ndarray:
    """What the stage shows, dims y, x, RGB."""
    png = page.evaluate("document.getElementById('canvas').toDataURL('image/png')").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


def windowed(pixels: np.ndarray, start: float, end: float) -> np.ndarray:
    return np.clip(np.rint((pixels.astype(float) - start) * 255 / max(1, end - start)), 0, 255).astype(np.uint8)


def whole_image(page: Any, size: int) -> np.ndarray:
    """The image at 1 : 1 in the middle of the stage."""
    page.keyboard.press("1")
    page.wait_for_selector(f"#stage[data-level='0'][data-width='{size}'][data-height='{size}']")
    seen = canvas_pixels(page)
    # as JavaScript rounds: halves up
    top, left = (int(np.floor(side / 2 - size / 2 + 0.5)) for side in seen.shape[:2])
    return seen[top : top + size, left : left + size]


def test_the_mosaic_is_one_request_and_every_well_has_its_place(page: Any, shown: ViewerServer) -> None:
    wells = shown.plates.plates["P1"].wells
    assert [url.rpartition("/")[2] for url in page.requests if "mosaics" in url] == ["0.png"]
    assert not [url for url in page.requests if "/wells/" in url]
    frame, cell = page.page.locator("#mosaic"), page.page.locator(f"#grid [data-well={wells[0]}]")
    picture, place = frame.bounding_box(), cell.bounding_box()
    tile = picture["width"] / 24
    assert place["x"] == pytest.approx(picture["x"] + (int(wells[0][1:]) - 1) * tile, abs=1.5)
    assert place["y"] == pytest.approx(picture["y"] + (ord(wells[0][0]) - 65) * tile, abs=1.5)
    assert page.page.locator("#grid button:not(.absent)").count() == len(wells)
    page.screenshot("viewer-mosaic")


@pytest.mark.parametrize(
    "windows", [pytest.param(WINDOWS, id="farthest"), pytest.param(BETWEEN, id="between", marks=pytest.mark.slow)]
)
def test_in_every_window_wells_lie_on_their_pictures_and_every_control_is_in_reach(
    browser: Any, shown: ViewerServer, windows: tuple[tuple[int, int], ...]
) -> None:
    wells = shown.plates.plates["P1"].wells
    with browser.watched() as watched:
        page = watched.page
        for width, height in windows:
            page.set_viewport_size({"width": width, "height": height})
            page.goto("about:blank")
            page.goto(shown.address)
            page.wait_for_selector("#mosaic[data-shown=P1]")
            page.select_option("#colour-by", "flags")
            page.select_option("#drug", "Drug A")
            farthest, well, ratio, tile = page.evaluate(FARTHEST)
            assert farthest <= 0.5, (width, well)
            assert ratio == pytest.approx(24 / 16, rel=0.002), width
            assert tile > 12, width
            found = {"plate": (watched.misplaced(), watched.unreached())}
            watched.screenshot(f"viewer-plate-{width}", full_page=True)
            page.click("#side-by-side")
            page.wait_for_selector("#strip[data-shown='Drug A']")
            found["strip"] = (watched.misplaced(), watched.unreached())
            watched.screenshot(f"viewer-strip-{width}", full_page=True)
            page.click(f"#strip [data-plate=P1][data-well={wells[0]}]")
            page.wait_for_selector(f"#stage[data-shown^={wells[0]}]")
            found["well"] = (watched.misplaced(), watched.unreached())
            stage = page.locator("#stage").bounding_box()
            assert min(stage["width"], stage["height"]) >= 290 or height < 560, (width, stage)
            watched.screenshot(f"viewer-well-{width}", full_page=True)
            assert found == {view: ([], []) for view in ("plate", "strip", "well")}, width
        assert watched.troubles == []


def test_what_is_known_of_a_well_is_told_as_text(page: Any, shown: ViewerServer) -> None:
    wells = shown.plates.plates["P1"].wells
    page.page.hover(f"#grid [data-well={wells[0]}]")
    told = page.page.inner_text("#hovered-facts").split("\n")
    assert page.page.inner_text("#hovered") == f"Well {wells[0]}"
    assert {"Drug A", "2.5 µM", "0.0 %", "ctg: saturated. it is too bright"} <= set(told)
    page.page.hover(f"#grid [data-well={wells[1]}]")
    assert HOSTILE in page.page.inner_text("#hovered-facts")
    assert "taken" not in page.page.title()


def test_wells_are_coloured_by_what_is_chosen(page: Any, shown: ViewerServer) -> None:
    wells = shown.plates.plates["P1"].wells

    def tint(well: str) -> str:
        return page.page.locator(f"#grid [data-well={well}]").evaluate("cell => cell.style.getPropertyValue('--tint')")

    page.page.select_option("#colour-by", "viability")
    assert [tint(well) for well in (wells[0], wells[2])] == ["rgb(68,1,84)", "rgb(33,145,140)"]  # 0 and 50 %
    page.page.select_option("#colour-by", "flags")
    signs = [page.page.inner_text(f"#grid [data-well={well}]") for well in wells]
    assert signs == ["!", "×", "", ""]
    assert page.page.inner_text("#grid [data-well=P24]") == "", "a flag marks an image"
    assert page.page.inner_text("#apart").endswith("without an image, so not marked: 1 that holds something (P24).")
    page.page.select_option("#colour-by", "type")
    assert page.page.inner_text("#legend").split() == ["nneg", "ttherapy"]  # sign and name
    page.screenshot("viewer-coloured")


def test_wells_are_filtered_by_drug_dose_and_type(page: Any, shown: ViewerServer) -> None:
    wells = shown.plates.plates["P1"].wells

    def bright() -> list[str]:
        return page.page.eval_on_selector_all(
            "#grid button:not(.absent):not(.other)", "all => all.map(cell => cell.dataset.well)"
        )

    assert bright() == wells
    page.page.select_option("#drug", "Drug A")
    assert bright() == [wells[0], wells[3]]
    assert page.page.inner_text("#filtered") == "2 wells here, 2 with an image; the drug is also on P2"
    assert page.page.locator("#dose option").all_text_contents() == ["all", "2.5 µM"]
    page.page.select_option("#dose", label="2.5 µM")
    assert bright() == [wells[0], wells[3]]
    page.page.select_option("#drug", HOSTILE)
    assert page.page.inner_text("#filtered").startswith("2 wells here, 1 with an image")
    page.page.select_option("#drug", "")
    page.page.select_option("#kind-of-well", label="neg")
    assert bright() == [wells[2]]
    assert page.page.inner_text("#filtered") == "1 well here, 1 with an image"


def test_the_mosaic_is_brightened_by_keys(page: Any, shown: ViewerServer) -> None:
    def pixel(share: float) -> int:
        """What a share of the display window is shown as, 0 to 255."""
        table = page.page.locator("#brightness feFuncR").get_attribute("tableValues").split(" ")
        return round(255 * float(table[round(255 * share)]))

    cell = page.page.locator(f"#grid [data-well={shown.plates.plates['P1'].wells[2]}]")

    def brightness() -> float:
        return float(np.asarray(Image.open(io.BytesIO(cell.screenshot())).convert("L")).mean())

    before = brightness()
    slider = page.page.locator("#plate-view [data-sets=gamma]")
    slider.focus()
    for _ in range(20):
        page.page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "2.00"
    assert pixel(0.25) == 128  # 255 * 0.25 ** (1 / 2)
    page.page.locator("#plate-view [data-sets=white]").fill("50")
    page.page.locator("#plate-view [data-sets=black]").fill("90")
    assert page.page.locator("#plate-view [data-sets=black]").input_value() == "49", "black stays below white"
    page.page.locator("#plate-view [data-sets=black]").fill("10")
    assert [pixel(0.09), pixel(0.5), pixel(0.9)] == [0, 255, 255]
    assert brightness() > 1.2 * before, "the picture itself follows"
    page.page.locator("#plate-view").get_by_role("button", name="as stored").click()
    assert page.page.locator("body.brightened").count() == 0
    assert len([url for url in page.requests if "mosaics" in url]) == 1


def test_a_drug_is_shown_by_dose_beside_controls_of_its_plate(page: Any, shown: ViewerServer) -> None:
    wells = shown.plates.plates["P1"].wells
    page.page.select_option("#drug", "Drug A")
    page.page.locator("#side-by-side").press("Enter")
    page.page.wait_for_selector("#strip[data-shown='Drug A']")
    first = page.page.locator("#strip section").first
    assert first.locator("h3").inner_text() == "plate P1, replicate 1"
    assert first.locator("figure").evaluate_all("all => all.map(e => [e.className, e.firstChild.dataset.well])") == [
        ["control", wells[2]],
        ["step", wells[0]],
        ["step", wells[3]],
    ]
    assert "DMSO, negative, all its wells" in first.inner_text()
    assert first.locator("button").nth(1).get_attribute("aria-label") == (
        f"P1 {wells[0]}, 2.5 µM, viability 0 %, flagged"
    )
    # A tile shows its own well of the mosaic: one of 24 columns and 16 rows, moved to its place.
    size, place = first.locator(f"[data-well={wells[0]}] .cut").evaluate(
        "e => [getComputedStyle(e).backgroundSize, getComputedStyle(e).backgroundPosition]"
    )
    assert size == "2400% 1600%"
    across, down = (float(share.rstrip("%")) for share in place.split(" "))
    assert across == pytest.approx(100 * (int(wells[0][1:]) - 1) / 23, abs=0.01)
    assert down == pytest.approx(100 * (ord(wells[0][0]) - 65) / 15, abs=0.01)
    first.locator(f"[data-well={wells[3]}]").press("Enter")
    page.page.wait_for_selector(f"#stage[data-shown^={wells[3]}]")
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector("#strip-view:not([hidden])")
    page.page.wait_for_function(f"document.activeElement.dataset.well === '{wells[3]}'")
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector("#plate-view:not([hidden])")
    assert page.page.input_value("#drug") == "Drug A"


def test_a_well_is_left_out_by_a_command_that_can_be_copied(page: Any, shown: ViewerServer) -> None:
    well = shown.plates.plates["P1"].wells[0]
    said = f'phenodose curate TINY_V1_DS1 exclude P1/{well} --because "..."'
    page.page.locator(f"#grid [data-well={well}]").focus()
    assert page.page.inner_text("#hovered-links-decide") == said
    open_well(page.page, well)
    assert page.page.inner_text("#well-links-decide") == said
    assert "Leave this well out" in page.page.inner_text("#well-links")
    page.page.locator("[data-copies=well-links-decide]").press("Enter")
    page.page.wait_for_selector("[data-copies=well-links-decide]:not(:text-is('copy'))")


def test_a_well_shows_the_stored_pixels_in_the_plates_window(page: Any, shown: ViewerServer) -> None:
    plate = shown.plates.plates["P1"]
    well = plate.wells[0]
    open_well(page.page, well)
    page.screenshot("viewer-well")
    seen = whole_image(page.page, 384)
    np.testing.assert_array_equal(seen[..., 0], seen[..., 2])
    np.testing.assert_array_equal(seen[..., 0], windowed(plate.plane(well, 1), *plate.windows[0]))


def test_keys_and_slider_go_through_z_and_to_the_maximum(page: Any, shown: ViewerServer) -> None:
    plate = shown.plates.plates["P1"]
    well, window = plate.wells[0], plate.windows[0]
    open_well(page.page, well)
    page.page.keyboard.press("ArrowUp")
    page.page.wait_for_selector(f"#stage[data-shown='{well} stack 2']")
    np.testing.assert_array_equal(
        whole_image(page.page, 384)[..., 0], windowed(plate.plane(well, 2), *plate.windows[0])
    )
    page.page.locator("#z").fill("0")
    page.page.wait_for_selector(f"#stage[data-shown='{well} stack 0']")
    np.testing.assert_array_equal(
        whole_image(page.page, 384)[..., 0], windowed(plate.plane(well, 0), *plate.windows[0])
    )
    page.page.locator("#stage").focus()
    page.page.keyboard.press("m")
    page.page.wait_for_selector(f"#stage[data-shown='{well} maximum 0']")
    np.testing.assert_array_equal(whole_image(page.page, 384)[..., 0], windowed(plate.mip(well), *window))
    # Each plane was asked for once a level, the neighbours ahead.
    planes = [url for url in page.requests if "/stack/0/" in url]
    assert len(planes) == len(set(planes))


def test_limits_of_contrast_and_colours(page: Any, shown: ViewerServer) -> None:
    plate = shown.plates.plates["P1"]
    well = plate.wells[0]
    open_well(page.page, well)
    page.page.fill("#end-0", "5000")
    page.page.fill("#start-0", "300")
    page.page.press("#start-0", "Enter")
    page.page.get_by_label("in colour").check()
    page.page.locator("#stage").focus()
    seen = whole_image(page.page, 384)
    assert seen[..., :2].max() == 0
    np.testing.assert_array_equal(seen[..., 2], windowed(plate.plane(well, 1), 300, 5000))
    page.page.get_by_role("button", name="this image").click()
    assert int(page.page.input_value("#end-0")) == pytest.approx(np.quantile(plate.plane(well, 1), 0.999), rel=0.02)
    page.page.get_by_role("button", name="whole plate").click()
    assert [int(page.page.input_value(f"#{end}-0")) for end in ("start", "end")] == list(plate.windows[0])


def test_a_small_picture_comes_from_a_small_level_and_the_bar_has_its_length(page: Any, shown: ViewerServer) -> None:
    plate = shown.plates.plates["P1"]
    open_well(page.page, plate.wells[0])
    whole_image(page.page, 384)
    bar = page.page.locator("#scale-bar")
    um = float(bar.get_attribute("data-um") or 0)
    assert bar.bounding_box()["width"] == pytest.approx(um / (plate.pixel_size_um or 0), abs=1)
    for _ in range(5):
        page.page.keyboard.press("-")
    page.page.wait_for_selector("#stage[data-level='1'][data-width='192']")
    page.page.keyboard.press("0")
    page.page.wait_for_selector("#stage[data-level='0']")


def test_from_well_to_well_by_key(page: Any, shown: ViewerServer) -> None:
    wells = shown.plates.plates["P1"].wells
    page.page.locator(f"#grid [data-well={wells[0]}]").focus()
    page.page.keyboard.press("ArrowRight")
    beside = f"{wells[0][0]}{int(wells[0][1:]) + 1:02d}"
    assert page.page.evaluate("document.activeElement.dataset.well") == beside
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector(f"#stage[data-shown^={wells[0]}]")
    page.page.keyboard.press("ArrowRight")
    page.page.wait_for_selector(f"#stage[data-shown^={wells[1]}]")
    page.page.keyboard.press("ArrowLeft")
    page.page.wait_for_selector(f"#stage[data-shown^={wells[0]}]")
    # The first well and the fourth hold the same, and so do those of the second plate.
    page.page.keyboard.press("Shift+ArrowRight")
    page.page.wait_for_selector(f"#stage[data-shown^={wells[3]}]")
    page.page.keyboard.press("Shift+ArrowRight")
    page.page.wait_for_selector(f"#stage[data-shown^={shown.plates.plates['P2'].wells[0]}]")
    assert page.page.input_value("#plate") == "P2"
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector("#mosaic[data-shown=P2]")
    page.page.go_back()
    page.page.wait_for_selector("#well-view:not([hidden])")


def test_napari_and_the_place_are_told(page: Any, shown: ViewerServer) -> None:
    well = shown.plates.plates["P1"].wells[0]
    open_well(page.page, well)
    told = shown.plates.well("P1", well)
    assert page.page.inner_text("#napari") == told["napari"]
    assert page.page.inner_text("#path") == told["path"]
    page.page.click("[data-copies=napari]")
    page.page.wait_for_selector("[data-copies=napari]:not(:text-is('copy'))")


def test_a_fault_is_said_on_the_page(browser: Any, shown: ViewerServer) -> None:
    with browser.watched() as watched:
        watched.page.goto(f"{shown.address}#plate=P9")
        watched.page.wait_for_selector("#trouble:not([hidden])")
        assert "has no plate 'P9' with images; it has P1, P2" in watched.page.inner_text("#trouble")
