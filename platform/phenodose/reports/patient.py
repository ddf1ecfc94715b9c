"""The patient report: one screen from quality to ranking to lineage, as one HTML file.

Belongs here: the order of a page and the rendering of its template. Does not belong here: which pages a screen has
(`pages`), what the sections say (`sections`, `combinations`, `dose_pairs`, `drug_cards`, `phenotypes`, `evidence`), how
their figures look (`phenodose.plots`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from phenodose.names import in_a_row
from phenodose.plots.svg import marker_definitions
from phenodose.reports import (
    activation,
    amendment,
    combinations,
    decisions,
    dose_pairs,
    drug_cards,
    evidence,
    first_page,
    image_choice,
    methods,
    phenotypes,
    sections,
    targets,
    time_courses,
    viewer_links,
)
from phenodose.reports.data import Missing, ScreenData
from phenodose.reports.fitted_curves import fitted_curves
from phenodose.reports.strips import filled, scale_bars
from phenodose.reports.well_images import Gallery, WellImages
from phenodose.reports.words import page_style, shortened

if TYPE_CHECKING:
    import jinja2

    from phenodose.store.store import Store

TEMPLATES = Path(__file__).with_name("templates")
#: No report is larger, however many wells have an image.
MOST_FILE_BYTES = 15_000_000


def render_report(
    store: Store, screen: str, no_maps: str = "", most_bytes: int = MOST_FILE_BYTES, only: str = ""
) -> str:
    """The page of a screen, or of one of its samples, from the store; see `report_of`.

    Args:
        store: the store.
        screen: screen id.
        no_maps: as for `report_of`.
        most_bytes: as for `report_of`.
        only: a sample of the screen, for its page; '' where the screen holds no other.

    Raises:
        StoreError: the store holds no result of the screen, or the screen has no such sample.
    """
    return report_of(ScreenData.load(store, screen, only), no_maps, most_bytes)


def report_of(data: ScreenData, no_maps: str = "", most_bytes: int = MOST_FILE_BYTES) -> str:
    """The page of a screen or of one of its samples as one HTML document; the same tables give the same bytes.

    The pictures of wells take the bytes that the rest leaves. Where these are too few, pictures become smaller, then
    fewer, and at last the lineage of single drugs is left out; the page tells what is missing.

    Args:
        data: the rows of one sample.
        no_maps: why no activation maps could be made, if that was tried.
        most_bytes: size of the file that is kept to; numbers, curves and maps are shown even if they alone need more.
    """
    made, gallery = _sections(data, no_maps), Gallery(data, first_page.sheet_drugs(data))
    maps = {well: len(one["uri"]) for well, one in made["maps"]["wells"].items()}
    made["chains"] = True
    html = _filled(data, made, gallery.pictures(0))
    if len(html.encode()) > most_bytes:
        made["chains"] = False
        html = _filled(data, made, gallery.pictures(0))
    if gallery.reason:
        return html  # there are no pictures to find room for
    room = most_bytes - len(html.encode())
    while room > 0:
        pictures = gallery.pictures(room, maps)
        with_pictures = _filled(data, made, pictures)
        excess = len(with_pictures.encode()) - most_bytes
        if excess <= 0:
            return with_pictures
        room = min(room, pictures.n_bytes) - excess
    return html


def _sections(data: ScreenData, no_maps: str) -> dict[str, Any]:
    """Everything of the report but the pictures of wells."""
    links, fitted = sections.anchors(data), fitted_curves(data)
    return {
        "first": first_page.first_page(data, fitted),
        "page_style": Markup(page_style(shortened(data.sample, 60), f"screen {data.screen}")),
        "markers": marker_definitions(),
        "head": sections.header(data),
        "amendment": amendment.amendment(data.store, data.screen, data.only),
        "ranking": sections.ranking(data),
        "table": sections.drug_table(data),
        "combinations": combinations.combinations(data, links),
        "targets": targets.targets(data, links),
        "dose_matrices": dose_pairs.dose_pairs(data, links),
        "courses": time_courses.time_courses(data, links),
        "curves": drug_cards.drug_cards(data, fitted),
        "maps": activation.overlays(data, no_maps),
        "agreement": sections.agreement(data),
        "quality": evidence.quality(data),
        "decisions": decisions.decisions(data),
        "phenotypes": phenotypes.phenotypes(data, links),
        "pairs": phenotypes.distant_pairs(data),
        "links": links,
        "lineage": methods.lineage(data),
    }


def _filled(data: ScreenData, made: Mapping[str, Any], pictures: WellImages) -> str:
    shown, series = image_choice.images(data, pictures), image_choice.series_rows(data, pictures)
    rows = [row for of_drug in series.values() for row in of_drug]
    rows += [] if isinstance(shown, Missing) else shown["rows"]
    in_rows = {tile["well"] for row in rows for tile in row["tiles"]}
    bars = scale_bars(data) if pictures.uris else {}
    others = {well: uri for well, uri in pictures.uris.items() if well not in in_rows}
    return render(
        "patient.html.j2",
        data=data,
        label=data.label,
        bars=bars,
        bar_words=" or ".join(f"{length} µm" for length in sorted({bar.length_um for bar in bars.values()})),
        images=shown,
        series=series,
        pictures=pictures,
        other_pictures=others,
        **{**made, "first": _first_page(data, made, pictures)},
    )


def _first_page(data: ScreenData, made: Mapping[str, Any], pictures: WellImages) -> dict[str, Any] | Missing:
    """The first page, with its strips of images where there are any."""
    bars = scale_bars(data)
    rows = {drug: filled(tiles, pictures.uris, bars) for drug, tiles in pictures.strips.items()}
    page = first_page.laid_out(made["first"], any(rows.values()), _above(made["head"]))
    if isinstance(page, Missing):
        return page
    drugs = [one | {"strip": rows.get(one["drug"], [])} for one in page["drugs"]]
    lengths = {tile["bar"].length_um for one in drugs for tile in one["strip"] if tile["bar"]}
    return page | {"drugs": drugs, "bar_um": " or ".join(map(str, sorted(lengths)))}


def _above(head: Mapping[str, Any]) -> list[str]:
    """The words above the drugs of the first page; the sample's name is written in large."""
    large = 2 * [head["sample"] + " " * len(head["sample"])]
    return [
        *large,
        f"{head['entity']} {' ' * 100}",
        *head["stale"][: sections.MOST_STALE],
        head["older"],
        head["verdict"] + " " * 30,
    ]


def render(template: str, **context: object) -> str:
    """Fill a template of this package; everything that is not markup is escaped."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Pages of one screen say it by the labels of its readouts.
    environment.globals["label"] = str
    environment.filters["in_a_row"] = in_a_row
    environment.globals["wells_of"] = viewer_links.wells_of
    return environment
