"""What the UI shows of a materialization: inline pictures, short tables, figures.

Belongs here: turning pictures, frames and numbers into Dagster metadata values, small enough for the
event log. Does not belong here: drawing (`phenodose.plots`).

The UI renders Markdown, in which a picture or a link is fetched: what comes from a file (a drug, a sample, a plate, a
message) goes through `plain` before it stands in one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

#: Pictures live in the event log, which every page of the UI reads.
MOST_PICTURE_BYTES = 60_000
#: What begins something else than text in Markdown, and how it is written as text.
_MEANT = {
    **{sign: f"\\{sign}" for sign in "\\`[]"},
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
    "|": "/",
}


def plain(text: object) -> str:
    """A text that stands for itself in Markdown: no picture, link, tag or code comes of it, on one line."""
    escaped = "".join(_MEANT.get(sign, sign if sign.isprintable() else " ") for sign in str(text))
    return " ".join(escaped.split())


def picture(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """A PNG shown inline."""
    from phenodose.plots import markdown_image

    if len(png) > MOST_PICTURE_BYTES:
        return dg.MetadataValue.md(f"*{plain(alt)}: the picture takes {len(png)} bytes, too many for the event log.*")
    return dg.MetadataValue.md(markdown_image(png, plain(alt)))


def pictures(pngs: Mapping[str, bytes]) -> dg.MarkdownMetadataValue:
    """Several PNGs below each other, each under its name."""
    parts = [f"**{plain(name)}**\n\n{picture(png, name).value}" for name, png in pngs.items()]
    return dg.MetadataValue.md("\n\n".join(parts))


def thumbnails(wells: pd.DataFrame, value: str, limits: tuple[float, float] | None = None) -> dict[str, Any]:
    """A tiny picture of every plate, which the UI shows at once: 'plate P1' and so on.

    Args:
        wells: columns plate, row, column and `value`; one row a well.
        value: the column to show.
        limits: values at the ends of the colour scale; those of all plates together by default.
    """
    from phenodose.plots import plate_thumbnail

    shown = wells[["plate", "row", "column"]].assign(value=wells[value])
    if limits is None and shown["value"].notna().any():
        limits = float(shown["value"].min()), float(shown["value"].max())
    if limits is None or limits[0] == limits[1]:
        return {}
    return {
        f"plate {plate}": picture(plate_thumbnail(rows, limits), f"plate {plate}")
        for plate, rows in shown.groupby("plate", sort=False)
    }


def table(frame: pd.DataFrame, columns: Sequence[str] | None = None, rows: int = 12) -> dg.MarkdownMetadataValue:
    """The first rows of a frame as a Markdown table."""
    shown = frame[list(columns)] if columns is not None else frame
    lines = ["| " + " | ".join(map(plain, shown.columns)) + " |", "|" + "---|" * len(shown.columns)]
    lines += ["| " + " | ".join(_cell(v) for v in row) + " |" for row in shown.head(rows).itertuples(index=False)]
    if len(shown) > rows:
        lines.append(f"\n{len(shown) - rows} more rows in the store.")
    return dg.MetadataValue.md("\n".join(lines))


def markdown(text: str) -> dg.MarkdownMetadataValue:
    """A text in Markdown, written by us: what comes from a file is in it as `plain` gives it."""
    return dg.MetadataValue.md(text)


def listed(texts: Sequence[str], none: str) -> dg.MarkdownMetadataValue:
    """Texts as they are, one below the other.

    Args:
        texts: from wherever.
        none: what stands there without any.
    """
    return dg.MetadataValue.md("\n".join(f"- {plain(text)}" for text in texts) or none)


def numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as floats, which the UI plots over screens; what is no finite number is left out."""
    return {
        name: dg.MetadataValue.float(float(value))
        for name, value in values.items()
        if value is not None and math.isfinite(float(value))
    }


def path(place: Path) -> dg.PathMetadataValue:
    """Where a product lies."""
    return dg.MetadataValue.path(str(place))


def link(address: str) -> dg.UrlMetadataValue:
    """An address that the UI opens in a new tab; of our own server, without its name."""
    return dg.MetadataValue.url(address)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None else plain(value)
