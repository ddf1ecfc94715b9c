"""What the commands share: options, progress on a terminal, JSON for machines.

Belongs here: presentation used by more than one command. Does not belong here: what a command does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from phenodose.cli.terminal import harmless, harmless_stream, unfiltered
from phenodose.progress import Progress

if TYPE_CHECKING:
    from phenodose.plugins import Registry
    from phenodose.store.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])


def store_option(function: Function) -> Function:
    """The `--store` option; `open_store` opens what it names."""
    return click.option(
        "--store",
        metavar="DIR",
        default=None,
        help="Store: a folder or s3://bucket/prefix; default $PHENODOSE_STORE, else ./store.",
    )(function)


def open_store(location: str | None) -> Store:
    """The store that `--store` names, else the one of the environment, else ./store; nothing is created yet.

    Raises:
        InputError: the address is of no object store.
        StoreError: the bucket of an address is not there, or cannot be read.
    """
    from phenodose.settings.environment import read_environment
    from phenodose.settings.files import readable_as_site_says

    store = read_environment().open_store(location)
    readable_as_site_says(store.root)
    return store


def open_screens(location: str | None, *screens: str) -> Store:
    """The store as `open_store` gives it, if it knows the screens that a command is about.

    Raises:
        InputError, StoreError: as `open_store`.
        StoreError: a screen is not in the store; the one with the nearest name is told.
    """
    store = open_store(location)
    for screen in screens:
        store.expect_screen(screen)
    return store


def plugins_at(location: str | None = None) -> Registry:
    """What is installed, as the site.toml of that store says; the whole file is looked at.

    Args:
        location: from `--store`; None for the store of the environment, also where a command has no store.

    Raises:
        InputError: site.toml is faulty, or the address is of no object store.
        StoreError: the bucket of an address is not there, or cannot be read.
    """
    from phenodose.plugins import registry
    from phenodose.settings.environment import read_environment

    site = read_environment().site(location)
    return registry(site.plugins, site.plugin_limits)


def json_option(function: Function) -> Function:
    """The `--json` option."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(function)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def complain(message: str, as_json: bool) -> None:
    """Tell on standard error why a command ends."""
    click.echo(json.dumps({"error": message}) if as_json else f"phenodose: {message}", err=True)


@contextmanager
def progress_display(title: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """A progress listener: a bar on a terminal, a plain line every tenth part elsewhere.

    Args:
        title: what goes on.
        stream: where it is shown; standard error by default.
    """
    shown = unfiltered(stream or sys.stderr)
    if not shown.isatty():
        yield _plain_lines(title, harmless_stream(shown))
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
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Bars(*columns, console=Console(file=shown)) as bars:
        task = bars.add_task(title, total=None, message="")

        def listen(done: int, total: int, message: str) -> None:
            bars.update(task, completed=done, total=total, message=harmless(message))

        yield listen


def _plain_lines(title: str, stream: TextIO) -> Progress:
    last_tenth = -1

    def listen(done: int, total: int, message: str) -> None:
        nonlocal last_tenth
        tenth = 10 * done // total if total else 0
        if tenth != last_tenth:
            last_tenth = tenth
            click.echo(f"{title}: {done}/{total} {message}".rstrip(), file=stream)

    return listen
