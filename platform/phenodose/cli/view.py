"""`phenodose view`: the plates of a screen in a browser.

Does not belong here: the server and its page (`phenodose.viewer`).
"""

from __future__ import annotations

from urllib.parse import quote

import click

from phenodose.cli.output import open_screens, store_option


@click.command("view")
@click.argument("screen")
@click.option("--plate", metavar="NAME", help="Plate shown first; default the first.")
@click.option("--drug", metavar="NAME", help="Begin with the dilution strip of that drug instead of a plate.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port; 0 for any free one.")
@click.option("--no-open", is_flag=True, help="Print the address only, open no browser.")
@store_option
def command(screen: str, plate: str | None, drug: str | None, port: int, no_open: bool, store: str | None) -> None:
    """Show the plates of SCREEN in a browser: mosaics, then each well at full resolution and through z.

    The server answers on this machine only (127.0.0.1), at the address that is printed, until Ctrl-C.

    \b
    Example: phenodose view BT-40_V1_DS1 --plate P2
    """
    import threading
    import webbrowser

    from phenodose.viewer.plates import ScreenPlates
    from phenodose.viewer.server import ViewerServer

    plates = ScreenPlates(open_screens(store, screen), screen)
    if plate is not None:
        plates.check_plate(plate)
    if drug is not None:
        plates.check_drug(drug)
    for fault in plates.faults.values():
        click.echo(f"not shown: {fault}", err=True)
    with ViewerServer(plates, port) as server:
        place = {"plate": plate, "strip": drug}
        shown = "&".join(f"{name}={quote(value, safe='')}" for name, value in place.items() if value)
        address = server.address + (f"#{shown}" if shown else "")
        click.echo(f"{screen}: {len(plates.plates)} plate(s) at {address}\nCtrl-C ends it.")
        threading.Thread(target=plates.make_mosaics, daemon=True).start()
        if not no_open:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("ended.")
