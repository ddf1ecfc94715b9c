"""`phenodose sql`: ask the cohort in SQL.

Does not belong here: the cohort itself (`phenodose.cohort.query`).
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phenodose.cli.output import open_store, store_option
from phenodose.errors import InputError
from phenodose.io.places import is_remote

if TYPE_CHECKING:
    import pyarrow as pa

    from phenodose.cohort.query import QueryResult
    from phenodose.store.store import Store

_WIDEST_CELL = 60
_MOST_NAMED = 3


@click.command("sql")
@click.argument("query")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    show_default=True,
    help="How the rows come out.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead of the terminal.")
@click.option("--limit", type=click.IntRange(min=1), default=10_000, show_default=True, help="Most rows.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=60, show_default=True, help="Most time it may take.")
@click.option("--rebuild", is_flag=True, help="Build the cohort anew from the store's tables first.")
@click.option(
    "--as-of",
    metavar="DATE",
    help="Ask the cohort as it was signed: of every screen the newest version signed until then; `signed` for now.",
)
@store_option
def command(
    query: str,
    form: str,
    out: Path | None,
    limit: int,
    seconds: float,
    rebuild: bool,
    as_of: str | None,
    store: str | None,
) -> None:
    """Ask the cohort of all screens one question in SQL, read-only.

    `SHOW TABLES` lists tables and views, `DESCRIBE scores` the columns of one. More examples stand in
    docs/sql_cookbook.md.

    \b
    Example: phenodose sql "SELECT screen, drug, score, p_hit_fraction FROM hits WHERE call = 'hit'"
             phenodose sql --as-of 2026-03-31 "SELECT screen, verdict, n_hits FROM screens"
    """
    from phenodose.cohort.build import rebuild_cohort
    from phenodose.cohort.query import query as ask
    from phenodose.pipeline.verdict import ScreenJudge
    from phenodose.sandbox.process_limits import process_limits

    if form == "parquet" and out is None:
        raise InputError("--format parquet needs a file; add `--out rows.parquet`.")
    if rebuild and as_of is not None:
        raise InputError("--as-of asks what was signed, which nothing builds anew; leave out --rebuild.")
    opened = open_store(store)
    if rebuild:
        for fault in rebuild_cohort(opened, judge=ScreenJudge(opened)).faults:
            click.echo(f"phenodose: {fault}", err=True)
    if as_of is not None:
        result = _as_signed(opened, as_of, query, limit, seconds)
    else:
        with process_limits(seconds):
            result = ask(opened, query, row_limit=limit, seconds=seconds)
    _put(result.table.rename_columns(_told_apart(result.table.column_names)), form, out)
    if result.truncated:
        click.echo(f"phenodose: there are more than {limit} rows; raise --limit to see them.", err=True)
    if as_of is None and not rebuild:
        _tell_what_changed(opened)


def _tell_what_changed(store: Store) -> None:
    """Say which screens are others by now; of a store in a bucket that would be as many requests as it has screens."""
    from phenodose.cohort.changed import changed_since_built

    changed = [] if is_remote(store.root) else sorted(changed_since_built(store))
    if changed:
        named = ", ".join(changed[:_MOST_NAMED])
        more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
        click.echo(
            f"phenodose: {named}{more}: changed since this database was built; add --rebuild to ask what is there now.",
            err=True,
        )


def _as_signed(store: Store, as_of: str, query: str, limit: int, seconds: float) -> QueryResult:
    """The answer of the cohort as it was signed; which versions it holds is told on standard error."""
    from phenodose.cohort.query import query as ask
    from phenodose.sandbox.process_limits import process_limits
    from phenodose.signing.as_of import in_words, moment, signed_cohort

    until = None if as_of.strip().lower() == "signed" else moment(as_of.strip())
    with signed_cohort(store, until) as cohort:
        click.echo(f"phenodose: {in_words(cohort.reports, cohort.without)}", err=True)
        for fault in cohort.faults:
            click.echo(f"phenodose: {fault}", err=True)
        with process_limits(seconds):
            return ask(cohort.store, query, row_limit=limit, seconds=seconds)


def _put(table: pa.Table, form: str, out: Path | None) -> None:
    if form == "parquet" and out is not None:
        import pyarrow.parquet as pq

        from phenodose.io.files import written_aside

        with written_aside(out) as aside:
            pq.write_table(table, aside)
        return
    try:
        text = {"table": _as_table, "csv": _as_csv, "json": _as_json}[form](table)
    except (OverflowError, ValueError) as error:
        raise InputError(
            f"a value of the answer cannot be written as {form} ({error}); CAST its column to VARCHAR."
        ) from error
    if out is None:
        sys.stdout.write(text)
    else:
        from phenodose.io.files import write_text

        write_text(out, text)


def _told_apart(names: list[str]) -> list[str]:
    """Names of columns of which several were one: `SELECT drug, *` gives drug and drug_2."""
    found: list[str] = []
    for name in names:
        number, told = 1, name
        while told in found or (number > 1 and told in names):
            number += 1
            told = f"{name}_{number}"
        found.append(told)
    return found


def _as_csv(table: pa.Table) -> str:
    from phenodose.io.spreadsheet_text import harmless_frame

    return str(harmless_frame(table.to_pandas()).to_csv(index=False, lineterminator="\n"))


def _as_json(table: pa.Table) -> str:
    import json

    rows = [{name: _json_value(value) for name, value in row.items()} for row in table.to_pylist()]
    return json.dumps(rows, indent=2, default=str, ensure_ascii=False) + "\n"


def _json_value(value: object) -> object:
    """JSON knows no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_table(table: pa.Table) -> str:
    """Columns side by side, numbers to the right; long cells are cut."""
    rows = [[_cell(value) for value in row.values()] for row in table.to_pylist()]
    names = list(table.column_names)
    right = [_is_number(str(kind)) for kind in table.schema.types]
    widths = [max(len(line[i]) for line in [names, *rows]) for i in range(len(names))]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    return "\n".join([line(names), line(["-" * w for w in widths]), *map(line, rows), f"({count})"]) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else _one_line(str(value))
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


def _one_line(text: str) -> str:
    """Blanks as one blank; signs that would move the cursor or change colours of a terminal as their codes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(text.split()))


def _is_number(kind: str) -> bool:
    return kind.startswith(("int", "uint", "double", "float", "decimal"))
