"""What the commands share: options, progress on a terminal, JSON for machines.

Belongs here: presentation used by more than one command. Does not belong here: what a command does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from phenodose.progress import Progress

Function = TypeVar("Function", bound=Callable[..., Any])


def store_option(function: Function) -> Function:
    """The `--store` option; which plugins are used follows the site.toml of that store."""
    return click.option(
        "--store",
        metavar="DIR",
        default=None,
        callback=_at_store,
        help="Store: a folder or s3://bucket/prefix; default $PHENODOSE_STORE, else ./store.",
    )(function)


def _at_store(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """While the command runs, $PHENODOSE_STORE is the store, also in the processes that it starts."""
    if value:
        from phenodose.plugins import registry

        before = os.environ.get("PHENODOSE_STORE")

        def put_back() -> None:
            os.environ.pop("PHENODOSE_STORE", None)
            if before is not None:
                os.environ["PHENODOSE_STORE"] = before
            registry.cache_clear()

        ctx.call_on_close(put_back)
        os.environ["PHENODOSE_STORE"] = value if "://" in value else os.path.abspath(os.path.expanduser(value))  # noqa: PTH100, PTH111
        registry.cache_clear()
    return value


def json_option(function: Function) -> Function:
    """The `--json` option."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(function)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


@contextmanager
def progress_display(title: str) -> Iterator[Progress]:
    """A progress listener: a bar on a terminal, a plain line every tenth part elsewhere."""
    if not sys.stderr.isatty():
        yield _plain_lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None, message="")

        def listen(done: int, total: int, message: str) -> None:
            bars.update(task, completed=done, total=total, message=message)

        yield listen


def _plain_lines(title: str) -> Progress:
    told = -1

    def listen(done: int, total: int, message: str) -> None:
        nonlocal told
        tenth = 10 * done // total if total else 0
        if tenth != told:
            told = tenth
            click.echo(f"{title}: {done}/{total} {message}".rstrip(), err=True)

    return listen
