"""`phenodose sign`: freeze the report of a screen with all that it rests on.

Does not belong here: signing (`phenodose.reports.signing`), what is signed already (`phenodose.cli.signed`).
"""

from __future__ import annotations

import click

from phenodose.cli.output import json_option, open_screens, print_json, store_option


@click.command("sign")
@click.argument("screen")
@click.option("--by", required=True, metavar="NAME", help="Who signs.")
@click.option("--because", "--note", default="", metavar="TEXT", help="A note to keep with the signature.")
@click.option(
    "--anyway", is_flag=True,
    help="Sign although report, PDF or results are older than what they were made from; the record says so.",
)  # fmt: skip
@store_option
@json_option
def command(screen: str, by: str, because: str, anyway: bool, store: str | None, as_json: bool) -> None:
    """Freeze the report of SCREEN, as it lies in the store, with everything that it rests on.

    The first signature makes SCREEN@1; after a later change another one makes SCREEN@2, which names what changed. Look
    at the report before (`phenodose report SCREEN`); what is older than its inputs is refused. Nobody can change a
    signed report without its seal telling; the seal is worth most if you write it down elsewhere, too.

    \b
    Example: phenodose sign BT-40_V1_DS1 --by "A. Pathologist" --because "tumour board of 3 March"
    """
    from phenodose.reports.signing import sign_report

    report = sign_report(open_screens(store, screen), screen, by, because, anyway)
    if as_json:
        print_json({"name": report.name, "folder": str(report.folder)} | dict(report.record))
        return
    click.echo(f"{report.name}: signed by {report.by} on {report.when}.")
    for doubt in report.record["signed_anyway"]:
        click.echo(f"Signed anyway: {doubt}")
    if report.record["amends"]:
        changes = report.record["changes_in_words"] or ["Nothing has changed: the same report is signed once more."]
        click.echo(f"It amends version {report.record['amends']}:")
        for sentence in changes:
            click.echo(f"  {sentence}")
    if not report.record["made_again"]["same"]:
        click.echo(
            f"What is kept does not give the same page again ({report.record['made_again']['why']}); the page itself "
            "is kept."
        )
    click.echo(f"Seal: {report.seal}")
    click.echo("Write the seal down outside of this store: by it the report and all versions before can be proved.")
