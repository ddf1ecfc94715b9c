"""`phenodose report`: write the report of a screen, or of the cohort.

Does not belong here: what a report says (`phenodose.reports`).
"""

from __future__ import annotations

from pathlib import Path

import click

from phenodose.cli.output import json_option, open_screens, print_json, store_option
from phenodose.errors import InputError
from phenodose.settings.environment import CHROMIUM, read_environment


@click.command("report")
@click.argument("screen", required=False)
@click.option("--cohort", is_flag=True, help="Report on all screens together.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default in the store's reports/."
)
@click.option("--sample", metavar="NAME", help="Of a screen of several samples the page of this one.")
@click.option(
    "--maps/--no-maps", default=True, show_default=True,
    help="Whether to make the maps of what the network looks at, if the store holds none; needs the network's engine.",
)  # fmt: skip
@click.option(
    "--expected", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="With --cohort: CSV of expected hits, columns drug and sample or entity; default STORE/expected_hits.csv.",
)  # fmt: skip
@click.option(
    "--export", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="With --cohort: write every figure as SVG and PNG, and its data as CSV, into this folder too.",
)  # fmt: skip
@click.option("--entity", metavar="NAME", help="With --cohort: the screens of this entity alone.")
@click.option(
    "--newest", type=click.IntRange(min=1), metavar="N",
    help="With --cohort: the N screens made last; default 1000.",
)  # fmt: skip
@click.option(
    "--pdf", is_flag=True,
    help="Print the report as PDF beside the HTML file too, with the Chromium that is installed.",
)  # fmt: skip
@store_option
@json_option
def command(
    screen: str | None,
    cohort: bool,
    out: Path | None,
    sample: str | None,
    maps: bool,
    expected: Path | None,
    export: Path | None,
    entity: str | None,
    newest: int | None,
    pdf: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Write the report of SCREEN as one HTML file that needs no network, and say where.

    A screen of several samples has a page for each, beside an index of them; --out takes the page that --sample names.

    \b
    Example: phenodose report BT-40_V1_DS1 --pdf
             phenodose report TWO_V1_DS1 --sample HD-MB03 --out hd-mb03.html
             phenodose report --cohort --out cohort.html --export figures
             phenodose report --cohort --entity Neuroblastoma --newest 200 --out neuroblastoma.html
    """
    from phenodose.reports import build_cohort_report, build_report, cohort_report_path
    from phenodose.reports.activation import explain_report
    from phenodose.reports.cohort import export_cohort_figures
    from phenodose.reports.cohort.source import MOST_SCREENS, Selection
    from phenodose.reports.pages import page_of
    from phenodose.reports.pdf import find_browser, write_pdf

    if (screen is None) != cohort:
        raise InputError("name one screen, or give --cohort; `phenodose screen list` shows the screens.")
    browser = find_browser(read_environment().chromium, CHROMIUM) if pdf else ""
    if screen is not None and (expected or export):
        raise InputError("--expected and --export belong to the report of the cohort; leave SCREEN out, add --cohort.")
    if sample is not None and cohort:
        raise InputError("--sample belongs to the report of one screen; name the screen, and leave --cohort out.")
    if screen is not None and (entity or newest):
        raise InputError("--entity and --newest choose among screens; leave SCREEN out, add --cohort.")
    opened = open_screens(store, *([screen] if screen else []))
    own = cohort_report_path(opened) if screen is None else opened.report_path(screen)
    for place in filter(None, (out, export)):
        opened.expect_outside(place, own)
    pages: list[Path] = []
    files: list[Path] = []
    if screen is None:
        selection = Selection(entity, newest or MOST_SCREENS)
        path = build_cohort_report(opened, out, expected, selection)
        files = export_cohort_figures(opened, export, selection) if export else []
    else:
        asked = page_of(opened, screen, sample) if sample is not None and out is None else None
        no_maps = explain_report(opened, screen) if maps else ""
        path = build_report(opened, screen, out, no_maps, sample or "")
        if asked is not None:
            path = asked
        elif out is None:
            pages = [one for one in opened.files_of_samples(screen) if one.suffix == ".html"]
    if pdf:
        printed = [(page, page.with_suffix(".pdf")) for page in pages or [path]]
        for page, file in printed:
            write_pdf(page.read_text(encoding="utf-8"), file, browser)
        files = [*(file for _, file in printed), *files]
    files = [*pages, *files]
    if as_json:
        print_json(
            {
                "screen": screen,
                "report": str(path),
                "bytes": path.stat().st_size,
                "files": [str(file) for file in files],
            }
        )
    else:
        click.echo("\n".join(map(str, [path, *files])))
