"""`phenodose signed`: which reports are signed, one of them, and its bytes.

Does not belong here: signing (`phenodose.cli.sign`), records (`phenodose.store.signed`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phenodose.cli.output import json_option, open_store, print_json, store_option

if TYPE_CHECKING:
    from phenodose.store.signed import SignedReport
    from phenodose.store.store import Store


@click.command("signed")
@click.argument("name", metavar="[SCREEN[@VERSION]]", required=False)
@click.option(
    "--into", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the report byte for byte as it was signed; its PDF if FILE ends in .pdf. Without a VERSION the newest.",
)  # fmt: skip
@click.option(
    "--again", is_flag=True, help="Make the report again from what was kept, and compare it with the signed one."
)
@click.option("--sample", metavar="NAME", help="With --into, of a screen of several samples: whose page is written.")
@click.option("--seal", metavar="SEAL", help="The seal as you have written it down: tell whether the report has it.")
@store_option
@json_option
def command(
    name: str | None,
    into: Path | None,
    again: bool,
    sample: str | None,
    seal: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """List signed reports, of all screens or of one; with a version tell what it says and rests on.

    Of a screen of several samples --sample names the one whose page is written.

    --again needs nothing but what was kept when it was signed: tables may have been made anew since, networks trained
    anew, plates removed. With --into the page that was made again is written. A later version of phenodose may draw a
    page otherwise; then the difference is told, exit code 2, and the signed bytes are still there.

    \b
    Example: phenodose signed BT-40_V1_DS1@1 --into report.html
             phenodose signed BT-40_V1_DS1@1 --again
    """
    from phenodose.errors import InputError
    from phenodose.store.signed import screen_and_version, signed_report, signed_reports, signed_screens

    opened = open_store(store)
    screen, version = screen_and_version(name) if name else (None, None)
    if screen is not None and (version is not None or into or again or seal):
        report = signed_report(opened, screen, version)
        _checked(opened, report, seal)
        if into or again:
            _written(opened, report, into, again, sample, as_json)
        elif as_json:
            print_json({"name": report.name} | dict(report.record))
        else:
            _show(report)
        return
    if into or again or seal:
        raise InputError("name the report, such as SCREEN@1; `phenodose signed` lists them.")
    screens = [screen] if screen is not None else signed_screens(opened)
    if screen is not None:
        signed_report(opened, screen)  # tells that nothing of it is signed
    reports = [report for one in screens for report in signed_reports(opened, one)]
    if as_json:
        print_json([_row(report) for report in reports])
        return
    if not reports:
        click.echo(f"No report in {opened.root} is signed yet; `phenodose sign SCREEN --by NAME` signs one.")
    for report in reports:
        cells = _row(report) | {"signed_at": report.when}
        click.echo("\t".join("-" if value in (None, "") else str(value) for value in cells.values()))


def _row(report: SignedReport) -> dict[str, Any]:
    record = report.record
    return {
        "name": report.name,
        "signed_at": report.signed_at,
        "by": report.by,
        "verdict": record["verdict"]["level"],
        "n_changes": len(record["changes_in_words"]) if record["amends"] else None,
        "because": record["because"],
        "seal": report.seal,
    }


def _checked(store: Store, report: SignedReport, seal: str | None) -> None:
    """Tell of every fault before anything of a report is shown.

    Raises:
        StoreError: the report is not as it was signed.
        InputError: its seal is another one.
    """
    from phenodose.errors import Faults, InputError, StoreError
    from phenodose.store.signed import signed_faults

    faults = Faults(report.name)
    for folder, found in signed_faults(store, report.screen):
        if int(folder.name) <= report.version:
            faults.extend(found)
    faults.raise_if_any(StoreError)
    if seal is not None and "".join(seal.split()).lower() != report.seal:
        raise InputError(
            f"{report.name} has the seal {report.seal}, and not {seal}: it is another version, or it was signed anew "
            "in the place of the one that you know."
        )


def _written(
    store: Store, report: SignedReport, into: Path | None, again: bool, sample: str | None, as_json: bool
) -> None:
    from phenodose.errors import InputError, StoreError
    from phenodose.io.files import written_where_named
    from phenodose.reports.signing import made_again, page_difference

    pages = {page: report.file(page) for page in report.pages}
    remade = made_again(store, report) if again else pages
    content = b""
    if into is not None:
        store.expect_outside(into)
        file = report.page(sample)
        content = remade.get(file, b"")
        if into.suffix.lower() == ".pdf":
            content = _pdf(report, str(Path(file).with_suffix(".pdf")), again)
        with written_where_named(into) as aside:
            aside.write_bytes(content)
    elif sample is not None:
        raise InputError("--sample belongs to --into FILE, which writes one page.")
    difference = page_difference(pages, remade)
    if difference:
        where = f" ({into} is the page made again)" if into else ""
        made = report.record["rests_on"]["software"]
        raise StoreError(
            f"{report.name} made again is not the page that was signed{where}: {difference}. It "
            f"was drawn by phenodose {made['phenodose']} under Python {made['python']}; the signed bytes are intact: "
            f"`phenodose signed {report.name} --into FILE`."
        )
    if as_json:
        n_bytes = len(content) if into else sum(map(len, remade.values()))
        print_json({"name": report.name, "file": str(into) if into else None, "bytes": n_bytes, "again": again})
    elif again:
        click.echo(f"{report.name}: made again from what was kept, byte for byte the page that was signed.")
    if into is not None and not as_json:
        click.echo(str(into))


def _pdf(report: SignedReport, file: str, again: bool) -> bytes:
    from phenodose.errors import InputError

    if again:
        raise InputError("a PDF is not made again; leave out --again, or name an HTML file.")
    if file not in report.record["files"]:
        raise InputError(f"{report.name} was signed without a PDF; name an HTML file.")
    return report.file(file)


def _show(report: SignedReport) -> None:
    record = report.record
    click.echo(f"{report.name}: signed by {report.by} on {report.when}")
    facts = {
        "because": record["because"],
        "verdict": f"{record['verdict']['level']}: {' '.join(record['verdict']['sentences'])}",
        "ranked by": " ".join(reversed(record["ranked_by"])) if record["ranked_by"] else "",
        "hits": ", ".join(drug for drug, call in record["calls"].items() if call == "hit") or "none",
        "borderline": ", ".join(drug for drug, call in record["calls"].items() if call == "borderline"),
        "signed anyway": " ".join(record["signed_anyway"]),
        "seal": report.seal,
        "seal of the version before": record["previous"] or "",
    }
    for name, value in facts.items():
        if value:
            click.echo(f"  {name}: {value}")
    if record["amends"]:
        click.echo(f"  amends version {record['amends']}:")
        for sentence in record["changes_in_words"] or ["nothing has changed"]:
            click.echo(f"    {sentence}")
    rests = record["rests_on"]
    click.echo("  rests on:")
    for asset, step in rests["steps"].items():
        plugin = f", {step['plugin']} {step['plugin_version']}" if "plugin" in step else ""
        click.echo(f"    {asset}{plugin}, phenodose {step['phenodose_version']}, {step['finished_at'][:19]}")
    for plate, raw_hash in rests["plates"].items():
        click.echo(f"    plate {plate}: {raw_hash}")
    for network in rests["networks"]:
        click.echo(f"    network {network['name']} of {network['trained_on']}: {network['weights']}")
    if rests["reference"]:
        click.echo(f"    scores of other samples: {', '.join(rests['reference'])}")
    click.echo(f"  {len(record['files'])} files; --json has the hash of each, and every input of every step")
