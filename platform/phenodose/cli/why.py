"""`phenodose why`: print where a score comes from.

Does not belong here: gathering the chain (`phenodose.lineage.trace`, `pairs`).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import click

from phenodose.cli.output import json_option, open_screens, print_json, store_option
from phenodose.errors import InputError

if TYPE_CHECKING:
    from phenodose.lineage.link import Link

#: Longer values are cut; `--json` has them whole.
_LONGEST = 90
#: The values of every well of a row stand below the table.
_VALUES = "values"


@click.command("why")
@click.argument("screen")
@click.argument("drug")
@click.option(
    "--scorer", help="Which score; default the one that ranks, such as dss_asym; of a pair a measure such as bliss."
)
@click.option("--readout", help="Only this readout; default all.")
@click.option("--sample", metavar="NAME", help="Of a screen of several samples this one; it has to be named there.")
@click.option("--replicate", default="pooled", show_default=True, help="pooled, or a replicate's number.")
@store_option
@json_option
def command(
    screen: str,
    drug: str,
    scorer: str | None,
    readout: str | None,
    sample: str | None,
    replicate: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Print the chain behind the score of DRUG in SCREEN: curve, wells, controls, networks, images, files, runs.

    Every link names its plugin, version, parameters and run. What has changed since is marked with !.
    --json tells long values whole. DRUG may be a pair of a dose matrix, "A + B": its excess, wells and controls.

    \b
    Example: phenodose why BT-40_V1_DS1 Trametinib --readout ctg
             phenodose why TWO_V1_DS1 Trametinib --sample HD-MB03
    """
    from phenodose.lineage.freshness import changes_since
    from phenodose.lineage.pairs import samples_given, why_drug_or_pair

    opened = open_screens(store, screen)
    having = samples_given(opened, screen, drug)
    if sample is None and len(having) > 1:
        raise InputError(
            f"{drug} was given to {len(having)} samples of {screen} ({', '.join(having)}): name one, such as --sample "
            f"{shlex.quote(having[0])}."
        )
    chains = why_drug_or_pair(opened, screen, drug, scorer, readout, replicate, sample)
    if as_json:
        print_json([chain.to_dict() for chain in chains])
        return
    told = [change.sentence for change in changes_since(opened, screen)]
    for sentence in told:
        click.echo(f"! {sentence}\n")
    click.echo("\n\n".join("\n".join(_lines(chain, "", told)) for chain in chains))


def _lines(link: Link, indent: str, told: Collection[str]) -> Iterator[str]:
    """The lines of a link and of those before it; of its doubts those that were not told above."""
    yield f"{indent}{link.what}"
    inner = indent + "  "
    facts = [f"{name} {_short(value)}" for name, value in link.facts.items()]
    yield from (f"{inner}{line}" for line in _wrapped(facts, 118 - len(inner)))
    yield from (f"{inner}! {doubt}" for doubt in link.doubts if doubt not in told)
    yield from (f"{inner}{line}" for line in _table([_without_values(row) for row in link.rows]))
    for row in link.rows:
        if _VALUES in row:
            yield f"{inner}{row['group']}, {row['control']}:"
            yield from (f"{inner}  {line}" for line in _wrapped(row[_VALUES].split("; "), 116 - len(inner)))
    for before in link.made_from:
        yield from _lines(before, inner, told)


def _without_values(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != _VALUES}


def _wrapped(facts: list[str], width: int) -> Iterator[str]:
    """Facts side by side, as many as fit on a line."""
    line = ""
    for fact in facts:
        if line and len(line) + 2 + len(fact) > width:
            yield line
            line = ""
        line = f"{line}, {fact}" if line else fact
    if line:
        yield line


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if any(row.get(name) not in (None, False) for row in rows)]
    cells = [names, *([_short(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(names))]
    for line in cells if rows else []:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _short(value: Any) -> str:
    text = f"{value:.5g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
