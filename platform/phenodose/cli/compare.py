"""`phenodose compare`: two screens, or two versions of one, side by side.

Does not belong here: the numbers (`phenodose.signing.comparison`), the page (`phenodose.reports.comparison`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phenodose.cli.output import json_option, open_screens, print_json, store_option

if TYPE_CHECKING:
    from phenodose.signing.comparison import Comparison


@click.command("compare")
@click.argument("names", nargs=-1, required=True, metavar="SCREEN[@VERSION] SCREEN[@VERSION] ...")
@click.option("--readout", help="Compare by this readout; default the one that ranks the first screen's drugs.")
@click.option("--scorer", help="Compare by this score; default the one that ranks.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page with figures, too."
)
@store_option
@json_option
def command(
    names: tuple[str, ...], readout: str | None, scorer: str | None, html: Path | None, store: str | None, as_json: bool
) -> None:
    """Show screens or signed versions side by side: scores, intervals, differences, calls, verdicts, what changed.

    SCREEN is the screen as it is now, SCREEN@2 its signed version 2. Differences are to the first; between two screens
    they have a 95 % interval, and of versions of one screen it is said which inputs, wells and plugins differ.

    \b
    Example: phenodose compare BT-40_V1_DS1@1 BT-40_V1_DS1@2
             phenodose compare BT-40_V1_DS1 BT-40_V1_DS2 --html both.html
    """
    from phenodose.io.files import written_where_named
    from phenodose.signing.comparison import compare, to_json
    from phenodose.signing.state import ScreenState

    opened = open_screens(store, *(name for name in names if "@" not in name))
    if html is not None:
        opened.expect_outside(html)
    found = compare([ScreenState.named(opened, name) for name in names], readout, scorer)
    if html is not None:
        from phenodose.reports.comparison import comparison_page

        content = comparison_page(found)
        with written_where_named(html) as aside:
            aside.write_bytes(content)
    if as_json:
        print_json(to_json(found) | ({"html": str(html)} if html else {}))
        return
    click.echo("\n".join(_lines(found)))
    if html is not None:
        click.echo(str(html))


def _lines(found: Comparison) -> Iterator[str]:
    for one in found.facts:
        entity = f" ({one['entity']})" if one["entity"] else ""
        yield f"{one['name']}: {', '.join(one['samples'])}{entity}, signed {one['signed'] or '- (as it is now)'}"
        yield f"  {one['verdict']}: {one['verdict_reason']}"
        yield f"  ranked by {one['ranked_by'] or 'nothing'}; hits: {', '.join(one['hits']) or 'none'}"
    yield from found.notes
    yield ""
    unit = f" ({found.unit})" if found.unit else ""
    yield f"{found.scorer} by {found.readout}{unit}; differences to {found.names[0]}"
    yield from _table(found)
    for name, drugs in found.missing.items():
        if drugs:
            yield f"{name} has not: {', '.join(drugs)}"
    for name, changed in found.changes.items():
        yield ""
        yield f"What changed from {found.names[0]} to {name}:"
        yield from (f"  {sentence}" for sentence in changed.sentences() or ["Nothing."])


def _table(found: Comparison) -> Iterator[str]:
    from phenodose.reports.comparison import difference_text, interval_text, score_text

    heads = ["drug"]
    for name in found.names:
        heads += [name, "95 %", "call"]
    for name in found.names[1:]:
        heads += [f"{name} - first", "95 %"]
    rows = [heads]
    for row in found.drugs:
        cells = [row.drug]
        for score in row.scores:
            cells += [score_text(score), interval_text(score), (score.call or "") if score else ""]
        for one in row.differences:
            cells += [difference_text(one), interval_text(one)]
        rows.append(cells)
    widths = [max(len(cells[place]) for cells in rows) for place in range(len(heads))]
    for cells in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
