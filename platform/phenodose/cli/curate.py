"""`phenodose curate`: leave wells out of a screen's results, take them back, list what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phenodose.cli.output import json_option, open_screens, print_json, store_option

if TYPE_CHECKING:
    from phenodose.screens.curations import Decision


@click.command("curate")
@click.argument("screen")
@click.argument("action", type=click.Choice(["exclude", "restore", "list"]))
@click.argument("wells", nargs=-1, metavar="[WELLS]...")
@click.option("--because", default="", metavar="TEXT", help="Why; needed to exclude and to restore.")
@click.option("--by", metavar="NAME", help="Who decides; default the account.")
@click.option("--drug", "drugs", metavar="NAME", multiple=True, help="All wells of a drug, as scores name it.")
@click.option("--replicate", "replicates", metavar="NUMBER", multiple=True, help="All wells of a replicate.")
@click.option("--plate", "plates", metavar="NAME", multiple=True, help="All wells of a plate.")
@click.option("--sample", metavar="NAME", help="Only wells of this sample; `all` for those of all samples.")
@click.option("--readout", metavar="NAME", help="Only readings of this readout; default all.")
@store_option
@json_option
def command(
    screen: str,
    action: str,
    wells: tuple[str, ...],
    because: str,
    by: str | None,
    drugs: tuple[str, ...],
    replicates: tuple[str, ...],
    plates: tuple[str, ...],
    sample: str | None,
    readout: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Leave WELLS of SCREEN out of its results, take them back, or list what was decided.

    WELLS are wells such as P2/C07, blocks such as P2/C07-D12, drug:NAME, replicate:NUMBER or plate:NAME; to restore,
    also the number of a decision. Who, when and why is kept; the layout stays as it is, and nothing is deleted.
    `phenodose run SCREEN --stale` then makes again what follows, and nothing else.

    \b
    Example: phenodose curate BT-40_V1_DS1 exclude P2/C07 P2/C08 --because "lint"
             phenodose curate BT-40_V1_DS1 exclude --drug Trametinib --because "wrong stock" --by "A. Doe"
             phenodose curate BT-40_V1_DS1 restore P2/C07 --because "lint was outside the spheroid"
             phenodose curate BT-40_V1_DS1 list
    """
    from phenodose.screens.curations import decisions_of
    from phenodose.screens.decide import account, decide

    opened = open_screens(store, screen)
    if action == "list":
        opened.source_of(screen)
        _show(decisions_of(opened, screen), as_json, f"No decision on wells of {screen}.")
        return
    named = [*wells, *_as("drug", drugs), *_as("replicate", replicates), *_as("plate", plates)]
    made = decide(
        opened,
        screen,
        "exclude" if action == "exclude" else "restore",
        named,
        because=because,
        by=account() if by is None else by,
        sample=sample,
        readout=readout,
    )
    _show(made, as_json, "")
    if not as_json:
        click.echo(f"What follows is older now; make it again with `phenodose run {screen} --stale`.")


def _as(kind: str, names: tuple[str, ...]) -> list[str]:
    return [f"{kind}:{name}" for name in names]


def _show(decisions: list[Decision], as_json: bool, none: str) -> None:
    if as_json:
        print_json([_plain(one) for one in decisions])
    elif not decisions:
        click.echo(none)
    for one in [] if as_json else decisions:
        wells = f"{one.n_wells} {'well' if one.n_wells == 1 else 'wells'}"
        click.echo(
            f"{one.number}\t{one.action}\t{one.what}\t{wells}\t{one.by}\t{one.at:%Y-%m-%d %H:%M UTC}\t{one.because}"
        )
        if one.undone_at is not None:
            click.echo(f"\tundone by {one.undone_by} on {one.undone_at:%Y-%m-%d %H:%M UTC}")


def _plain(one: Decision) -> dict[str, Any]:
    from phenodose.screens.curations import row_of

    row = {name: value for name, value in row_of("", one).items() if name != "screen"}
    return row | {name: value.isoformat() for name, value in row.items() if name.endswith("_at") and value is not None}
