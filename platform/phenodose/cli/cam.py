"""`phenodose cam`: show what in a well's image the network goes by.

Does not belong here: computing the maps (`phenodose.learning.activation_maps`).
"""

from __future__ import annotations

import click

from phenodose.cli.default_plugins import staged_readout
from phenodose.cli.native_messages import filter_stderr
from phenodose.cli.output import json_option, open_screens, plugins_at, print_json, store_option

_METHODS = ("grad-cam", "grad-cam++", "score-cam")


@click.command("cam")
@click.argument("screen")
@click.argument("wells", nargs=-1, required=True, metavar="WELL...")
@click.option("--readout", help="Staged readout; default the first that is installed.")
@click.option("--phase", help="Phase whose network is asked; default the last that the screen has.")
@click.option(
    "--class", "of_class", type=click.Choice(("neg", "pos")), default="neg", show_default=True,
    help="neg: what speaks for living cells; pos: for killed ones.",
)  # fmt: skip
@click.option("--method", type=click.Choice(_METHODS), default="grad-cam", show_default=True, help="How it is asked.")
@click.option(
    "--channels", "most_channels", type=click.IntRange(min=1),
    help="Score-CAM asks once a channel of the feature maps: only for this many that vary most; default all.",
)  # fmt: skip
@store_option
@json_option
def command(
    screen: str,
    wells: tuple[str, ...],
    readout: str | None,
    phase: str | None,
    of_class: str,
    method: str,
    most_channels: int | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Write the class-activation maps of WELLs such as P1/B07 into the store, and print their folder.

    The folder holds a picture a well (its projection, and the map over it) and maps.zarr, which opens with xarray.

    \b
    Example: phenodose cam BT-40_V1_DS1 P1/B07 P2/B07 --class pos
    """
    from phenodose.errors import InputError
    from phenodose.pipeline.activation_maps import Explanation, explain_wells

    opened = open_screens(store, screen)
    plugin = staged_readout(plugins_at(store), readout)
    phases = [one.name for one in plugin.phases]
    if phase is not None and phase not in phases:
        raise InputError(f"phase {phase!r} of {plugin.name} is unknown; there are: {', '.join(phases)}.")
    asked = Explanation(plugin, phase, of_class, method, most_channels)  # type: ignore[arg-type]
    with filter_stderr():
        folder = explain_wells(opened, screen, wells, asked)
    if as_json:
        print_json({"screen": screen, "wells": list(wells), "folder": str(folder)})
    else:
        click.echo(str(folder))
