"""`phenodose ui`: the Dagster UI of a store.

Does not belong here: its processes (`phenodose_assets.ui`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from phenodose.cli.output import open_store, store_option


@click.command("ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port.")
@click.option(
    "--allow-host", "names", metavar="NAME", multiple=True,
    help="A further name under which browsers may ask it, such as that of a proxy; may be given several times.",
)  # fmt: skip
@click.option(
    "--inbox", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where new screens arrive; default $PHENODOSE_INBOX, else ./inbox.",
)  # fmt: skip
@store_option
def command(host: str, port: int, names: tuple[str, ...], inbox: Path | None, store: str | None) -> None:
    """Show the store in the Dagster UI, with its sensors, until Ctrl-C.

    It answers under this machine's own names only, to its own pages only, and nothing that an address asks for changes
    anything. It knows no users: whoever reaches it may do everything, so let it listen at 127.0.0.1, or stand behind a
    proxy that asks who comes.

    \b
    Example: phenodose ui --store ./store
    """
    from phenodose_assets.ui import serve

    opened = open_store(store)
    click.echo(f"{opened.root} at http://{f'[{host}]' if ':' in host else host}:{port}\nCtrl-C ends it.")
    try:
        serve(opened, host, port, names, inbox, partial(click.echo, err=True))
    except KeyboardInterrupt:
        click.echo("ended.")
