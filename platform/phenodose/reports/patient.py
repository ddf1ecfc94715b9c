"""The patient report: one screen from quality to ranking to lineage, as one HTML file.

Belongs here: the order of the report and the rendering of its template. What the sections say is in
`sections`, `drug_cards`, `phenotypes` and `evidence`, how their figures look in `figures`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.files import write_text
from phenodose.reports import activation, drug_cards, evidence, images, phenotypes, sections
from phenodose.reports.data import ScreenData
from phenodose.reports.svg import marker_definitions

if TYPE_CHECKING:
    import jinja2

    from phenodose.store import Store

TEMPLATES = Path(__file__).with_name("templates")


def build_report(store: Store, screen: str, out: Path | None = None, no_maps: str = "") -> Path:
    """Write the report of a screen and return its path.

    Args:
        store: the store.
        screen: screen id.
        out: file to write; `store.report_path(screen)` by default.
        no_maps: why no activation maps could be made, if that was tried.

    Raises:
        StoreError: the store holds no result of the screen.
    """
    path = out or store.report_path(screen)
    write_text(path, render_report(store, screen, no_maps))
    return path


def render_report(store: Store, screen: str, no_maps: str = "") -> str:
    """The report of a screen as one HTML document; the same tables give the same bytes.

    Raises:
        StoreError: the store holds no result of the screen.
    """
    data = ScreenData.load(store, screen)
    pictures, links = images.well_pictures(data), sections.anchors(data)
    return render(
        "patient.html.j2",
        data=data,
        markers=marker_definitions(),
        head=sections.header(data),
        ranking=sections.ranking(data),
        table=sections.drug_table(data),
        curves=drug_cards.drug_cards(data, pictures),
        images=images.images(data),
        maps=activation.overlays(data, no_maps),
        agreement=sections.agreement(data),
        quality=evidence.quality(data),
        phenotypes=phenotypes.phenotypes(data, links),
        pairs=phenotypes.distant_pairs(data),
        pictures=pictures,
        shown_wells={
            tile["well"]
            for drug in data.drugs
            for row in images.series_rows(data, pictures, drug)
            for tile in row["tiles"]
        },
        links=links,
        lineage=evidence.lineage(data),
    )


def render(template: str, **context: object) -> str:
    """Fill a template of this package; everything that is not markup is escaped."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
