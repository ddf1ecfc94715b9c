"""The patient report as a person uses it in a real browser: maps on demand, contrast, keyboard, and on paper."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.plates.ingest import ingest_plate
from phenodose.plots import palette
from phenodose.reports import build_report
from phenodose.reports.activation import METHOD, OF_CLASS, wanted_maps
from phenodose.store.activation_maps import StoredMap, maps_folder, write_maps
from phenodose.store.store import Store
from phenodose_readers.pattern import PatternReader

SCREEN, WEIGHTS = "BT-40_V1_DS1", "f00d"


@pytest.fixture(scope="module")
def report(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the made-up screen with a dark image in every well and a strong map over every image."""
    import tifffile

    folder = tmp_path_factory.mktemp("use")
    store = Store.open(shutil.copytree(made_up_root, folder / "store"))
    rows = store.read_table("checkpoints", SCREEN)
    rows.loc[rows["phase"] == "phase3", "weights_hash"] = WEIGHTS
    store.write_table("checkpoints", SCREEN, "cnn", rows)
    for readout in ("cnn_phase2", "mean_of_stack"):  # their columns stay, their heat maps take long to draw
        (store.root / "tables" / "viability" / f"screen={SCREEN}" / f"{readout}.parquet").unlink()
    for plate, wells in store.read_table("wells", SCREEN).groupby("plate"):
        raw = folder / "raw" / str(plate)
        raw.mkdir(parents=True)
        for well in wells["well"]:
            pixels = np.full((160, 160), 300, np.uint16)
            pixels[0, 0] = 4000
            tifffile.imwrite(raw / f"{well}_MIP.tif", pixels)
        reader = PatternReader({"expression": r"(?P<well>[A-Z]\d\d)_(?P<projection>MIP)"})
        ingest_plate(raw, store.plate_path(SCREEN, str(plate)), reader, str(plate), workers=1)
    wanted = wanted_maps(store, SCREEN)
    maps = maps_folder(store, SCREEN, wanted.readout, wanted.phase, OF_CLASS, METHOD)
    maps.mkdir(parents=True)
    full = StoredMap(np.ones((24, 24), np.float32), "")
    write_maps(maps, dict.fromkeys(wanted.wells, full), {"checkpoint": wanted.weights})
    return build_report(store, SCREEN)


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    with browser.watched() as found:
        yield found


@pytest.fixture
def watched(window: Any, report: Path) -> Iterator[Any]:
    """The open report; at the end nothing went wrong and nothing left the file."""
    window.begin_again()
    window.open_file(report)
    yield window
    assert window.troubles == []
    assert window.outside() == []


def colour_of(tile: Any) -> np.ndarray:
    """Mean colour (r, g, b) of what is seen of an element."""
    import io

    from PIL import Image

    seen = Image.open(io.BytesIO(tile.screenshot())).convert("RGB")
    return np.asarray(seen, dtype=float).reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize("part", ["cards", "strip"])
def test_a_toggle_lays_the_maps_over_its_images_and_takes_them_away(watched: Any, part: str) -> None:
    page = watched.page
    button = page.locator(f"button.toggle[aria-controls={part}]")
    tile = page.locator(f"#{part} .tile:has(.map)").locator("visible=true").first
    map_over = tile.locator(".map")
    grey = colour_of(tile)
    assert np.ptp(grey) < 3, "a grey image"
    assert map_over.is_hidden()
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert map_over.is_visible()
    image, over = tile.locator("img[data-well]").bounding_box(), map_over.bounding_box()
    assert over == pytest.approx(image, abs=1), "the map lies exactly over its image"
    assert np.ptp(colour_of(tile)) > 60, "the map is seen"
    other = page.locator(f"#{'strip' if part == 'cards' else 'cards'} .map").first
    assert other.get_attribute("hidden") is not None, "a toggle moves only its own part"
    watched.screenshot(f"patient-report-maps-{part}")
    button.press("Space")
    assert map_over.is_hidden()
    assert colour_of(tile) == pytest.approx(grey, abs=1)


# --- contrast -------------------------------------------------------------------------------------


def luminance(rgb: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2, definition of relative luminance)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(text: str) -> tuple[float, ...]:
    if text.startswith("#"):
        return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))
    return tuple(float(v) for v in re.findall(r"[\d.]+", text)[:3])


def test_the_contrast_ratio_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast(rgb("#767676"), rgb("#ffffff")) == pytest.approx(4.54, abs=0.01)


def test_every_text_is_readable_on_its_ground(watched: Any) -> None:
    page = watched.page
    page.locator("button.toggle").first.click()
    page.locator("summary").first.click()
    found = page.evaluate(
        """() => {
          const seen = {};
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const e = node.parentElement;
            if (!node.textContent.trim() || !e.getClientRects().length || e.closest('script, title')) continue;
            const style = getComputedStyle(e), ink = e.closest('svg') ? style.fill : style.color;
            let ground = 'rgb(255, 255, 255)';
            for (let up = e; up; up = up.parentElement) {
              const own = getComputedStyle(up).backgroundColor;
              if (own && own !== 'rgba(0, 0, 0, 0)') { ground = own; break; }
            }
            seen[ink + '|' + ground] = node.textContent.trim().slice(0, 40);
          }
          return seen;
        }"""
    )
    assert len(found) >= 6
    ratios = {(pair, text): contrast(*(rgb(colour) for colour in pair.split("|"))) for pair, text in found.items()}
    assert {what: ratio for what, ratio in ratios.items() if ratio < 4.5} == {}


def test_figures_can_be_told_from_paper_and_from_each_other_without_colour() -> None:
    white = rgb("#ffffff")
    for colour in palette.CYCLE:
        assert contrast(rgb(colour), white) >= 2, colour
    looks = [palette.look(index) for index in range(len(palette.CYCLE))]
    assert len({look.marker for look in looks}) == len(looks), "a marker each: colour is never the only sign"
    assert contrast(rgb("#d55e00"), rgb("#d9dce1")) >= 2, "hits from other bars; hits are named in bold too"


def test_no_text_is_unreadably_small(watched: Any) -> None:
    smallest = watched.page.evaluate(
        """() => Math.min(...Array.from(document.querySelectorAll('#ranking svg text, article.drug.selected svg text,'
             + ' #agreement svg text, td, td small, p, li, code, th'))
          .filter(e => e.getClientRects().length && e.textContent.trim())
          .map(e => parseFloat(getComputedStyle(e).fontSize)
             * (e.ownerSVGElement ? e.ownerSVGElement.getBoundingClientRect().width
                / e.ownerSVGElement.viewBox.baseVal.width : 1)))"""
    )
    assert smallest >= 9


# --- keyboard -------------------------------------------------------------------------------------


def test_tab_reaches_every_control_with_a_visible_focus(watched: Any) -> None:
    page = watched.page
    wanted = page.evaluate(
        """() => {
          const all = Array.from(document.querySelectorAll(
            'a[href], button, input, select, summary, [tabindex="0"]')).filter(e => e.getClientRects().length);
          all.forEach((e, i) => e.dataset.stop = i);
          // Of radio buttons with one name the chosen one is the stop; arrow keys reach the others.
          return all.filter(e => e.type !== 'radio' || e.checked).map(e => e.dataset.stop);
        }"""
    )
    assert len(wanted) > 50
    reached, unseen = set(), []
    for _ in range(len(wanted) + 15):
        page.keyboard.press("Tab")
        stop, seen, name = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
              return [e.dataset.stop, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1,
                      e.outerHTML.slice(0, 80)]; }"""
        )
        if stop is not None:
            reached.add(stop)
            if not seen:
                unseen.append(name)
    assert set(wanted) - reached == set()
    assert unseen == []


def test_boxes_and_buttons_answer_to_space_and_enter(watched: Any) -> None:
    page = watched.page
    page.locator("#every").press("Space")
    assert page.locator("article.drug").locator("visible=true").count() == 6
    page.locator("#every").press("Space")
    for key in ("Enter", "Space"):
        before = page.locator("#choice").input_value()
        page.locator("#after").press(key)
        assert page.locator("#choice").input_value() != before
    page.locator("#choice").press("ArrowUp")
    assert page.locator("article.drug.selected").get_attribute("id") == page.locator("#choice").input_value()
    box = page.locator(".phenotype").first
    box.locator("input[value=class]").press("ArrowRight")
    assert box.get_attribute("data-colour") == "qc"
    page.locator(".skip").press("Enter")
    assert page.evaluate("location.hash") == "#main"


# --- paper ----------------------------------------------------------------------------------------


def overlapping(page: Any) -> list[Any]:
    """Images of series that lie over another card or row's name."""
    found: list[Any] = page.evaluate(
        """() => {
          const out = [];
          document.querySelectorAll('article.drug').forEach(card => {
            const frame = card.getBoundingClientRect();
            card.querySelectorAll('.tile, svg, th').forEach(e => {
              const r = e.getBoundingClientRect();
              if (r.width && (r.right > frame.right + 1 || r.left < frame.left - 1)) out.push(card.id);
            });
            card.querySelectorAll('.strip tr').forEach(row => {
              const cells = Array.from(row.cells).map(c => (c.querySelector('.tile') || c).getBoundingClientRect());
              for (let i = 1; i < cells.length; i++) if (cells[i].left < cells[i - 1].right - 1) out.push(card.id + i);
            });
          });
          return out;
        }"""
    )
    return found


def test_nothing_is_cut_off_or_covered_on_paper(watched: Any, tmp_path: Path) -> None:
    page = watched.page
    page.set_viewport_size({"width": 710, "height": 1020})  # A4 less the margins, at 96 px an inch
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = page.eval_on_selector_all(
        "table, svg, img, td, th, p",
        "all => all.filter(e => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1)"
        ".map(e => e.outerHTML.slice(0, 80))",
    )
    assert cut == []
    assert overlapping(page) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".controls, .picker, nav, .toggle").locator("visible=true").count() == 0
    watched.screenshot("patient-report-paper", full_page=True)
    path = tmp_path / "report.pdf"
    page.pdf(path=str(path), prefer_css_page_size=True)
    data = path.read_bytes()
    boxes = {tuple(map(float, box)) for box in re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", unpacked(data))}
    assert len(boxes) == 1
    width, height = boxes.pop()
    assert (width, height) == pytest.approx((595, 842), abs=2), "A4 in points"


def unpacked(pdf: bytes) -> bytes:
    """The file followed by its packed objects."""
    parts = [pdf]
    for start in re.finditer(rb"stream\r?\n", pdf):
        try:
            parts.append(zlib.decompressobj().decompress(pdf[start.end() :]))
        except zlib.error:
            continue
    return b"\n".join(parts)
