"""`phenodose store`: whether several machines may use a store."""

from __future__ import annotations

from dataclasses import asdict

import click

from phenodose.cli.output import json_option, open_store, print_json, store_option
from phenodose.errors import MissingInputError, StoreError


@click.group()
def command() -> None:
    """Check whether several machines may use a store.

    \b
    Example: phenodose store check --store /nfs/lab
    """


@command.command()
@click.option("--seconds", type=click.FloatRange(0, 3600), default=60.0, help="How long to wait for the other machine.")
@json_option
@store_option
def check(seconds: float, as_json: bool, store: str | None) -> None:
    """Tell whether machines that share a store keep out of each other's way.

    Of a store in a folder, run it on two machines at once: it tells whether locks of the operating system reach from
    one to the other, and whether files are made once. From then on both know that they are not alone. Of a store in a
    bucket, one machine is enough: it tells whether the server keeps to the conditions of a writing.

    \b
    Example: phenodose store check --store /nfs/lab
    """
    from phenodose.io.host_check import check_with_other_host
    from phenodose.io.lock_places import LockObject
    from phenodose.io.places import is_remote

    opened = open_store(store)
    if is_remote(opened.root):
        LockObject(opened.root / ".check").expect_conditions()
        found = {"store": str(opened.root), "conditions": True}
        print_json(found) if as_json else click.echo(
            f"{opened.root}: the server keeps to the conditions of a writing; any number of machines may use the store."
        )
        return
    if not opened.root.is_dir():
        raise MissingInputError(f"{opened.root}: there is no such folder; make it, on a disk that the machines share.")
    click.echo(f"Waiting up to {seconds:g} s for another machine that runs this check ...", err=True)
    try:
        checked = check_with_other_host(opened.root, seconds)
    except OSError as error:
        raise StoreError(f"{opened.root}: the check came to no end ({error.strerror or error}).") from error
    if as_json:
        print_json({"store": str(opened.root), **asdict(checked)})
    else:
        kind = checked.file_system or "a file system of unknown kind"
        click.echo(f"{opened.root} lies on {kind}.")
        if checked.other is None:
            alone = "such a disk is one machine's own" if checked.of_one_machine else "machines may share it"
            click.echo(f"No other machine ran this check within {seconds:g} s; {alone}.")
        else:
            reaches = "reach" if checked.flock_reaches else "do NOT reach"
            click.echo(f"Locks of the operating system {reaches} {checked.other}.")
            click.echo(f"Files that are to be made once were: {checked.made_once:.0%}. The store is locked with them.")
    if checked.made_once is not None and checked.made_once < 1:
        raise StoreError(
            f"{opened.root}: two machines made the same file at once, so that nothing can be locked between them; use "
            "NFSv4, a cluster file system with consistent links, or a bucket."
        )
