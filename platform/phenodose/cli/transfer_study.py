"""`phenodose transfer-study`: what the epochs of phase I are worth to phase II.

Does not belong here: the trainings (`phenodose.learning.transfer_study`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from phenodose.cli.default_plugins import staged_readout
from phenodose.cli.native_messages import filter_stderr
from phenodose.cli.output import json_option, open_screens, plugins_at, print_json, progress_display, store_option
from phenodose.cli.plugin_options import param_option
from phenodose.errors import InputError

_SHOWN = (
    *("backbone", "first_weights", "phase1_epochs"),
    *("validation_loss", "validation_accuracy", "validation_auroc"),
)


@click.command("transfer-study")
@click.argument("control_experiment")
@click.argument("screens", nargs=-1, required=True, metavar="SCREEN...")
@click.option(
    "--epochs", default="0,20,...,200", show_default=True, metavar="LIST",
    help="Epochs of phase I after which phase II is tried; '...' goes on in equal steps.",
)  # fmt: skip
@click.option("--backbones", metavar="LIST", help="Networks to compare, such as vgg16,vgg19,mobilenet_v3.")
@param_option(
    "settings",
    "NAME=VALUE",
    "A parameter of the readout, such as epochs_phase2=50, or of one network, such as vgg16.weights_file=FILE; may be "
    "repeated; wins over screen.toml of the control experiment.",
)
@click.option("--readout", help="Staged readout; default the first that is installed.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Folder of table and picture; default STORE/studies.",
)  # fmt: skip
@store_option
@json_option
def command(
    control_experiment: str,
    screens: tuple[str, ...],
    epochs: str,
    backbones: str | None,
    settings: tuple[str, ...],
    readout: str | None,
    out: Path | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Train phase II of SCREENs after several lengths of phase I, and without pretraining.

    The screens must be in the store with layout and tensors (`phenodose run SCREEN --select pseudo_rgb` and what it
    needs). Writes transfer_<CONTROL_EXPERIMENT>.csv and .png. Phase I is trained once for each network; a study that
    was interrupted goes on where it was. Nothing in the screens' own checkpoints changes.

    \b
    Example: phenodose transfer-study INF_R_153_CE BT-40_V1_DS1 HD-MB03_V1_DS1 --backbones vgg19,vgg16
    """
    from phenodose.io.files import written_aside
    from phenodose.pipeline.transfer_study import run_transfer_study
    from phenodose.plots.transfer import transfer_curves

    opened = open_screens(store, control_experiment, *screens)
    plugin = staged_readout(plugins_at(store), readout)
    with filter_stderr() as stream, progress_display("transfer study", stream) as progress:
        rows = run_transfer_study(
            opened,
            control_experiment,
            list(dict.fromkeys(screens)),
            plugin,
            parse_epochs(epochs),
            _networks(plugin.name, settings, backbones),
            progress,
        )
    folder = out or opened.root / "studies"
    table = folder / f"transfer_{control_experiment}.csv"
    with written_aside(table) as aside:
        rows.to_csv(aside, index=False)
    title = f"Transfer study: phase I of {control_experiment}, phase II of {', '.join(screens)}"
    picture = table.with_suffix(".png")
    with written_aside(picture) as aside:
        aside.write_bytes(transfer_curves(rows, title if len(title) <= 120 else f"{title[:117]}..."))
    if as_json:
        records = json.loads(rows.to_json(orient="records"))
        print_json({"table": str(table), "picture": str(picture), "rows": records})
        return
    keys = list(_SHOWN[:3])
    means = rows.groupby(keys, sort=False)[list(_SHOWN[3:])].mean().reset_index()
    click.echo(f"Phase II, mean of {rows['screen'].nunique()} screen(s)\n")
    click.echo(means.to_string(index=False, float_format="{:.4f}".format))
    click.echo(f"\n{table}\n{picture}")


def parse_epochs(text: str) -> list[int]:
    """'0,20,...,200' and '0,5,10' as numbers of epochs.

    Raises:
        InputError: the text is no such list.
    """
    fault = f"--epochs {text!r}: write numbers such as 0,20,40 or 0,20,...,200."
    numbers: list[int] = []
    parts = [part.strip() for part in text.split(",")]
    for index, part in enumerate(parts):
        if part == "...":
            following = parts[index + 1] if index + 1 < len(parts) else ""
            step = numbers[-1] - numbers[-2] if len(numbers) > 1 else 0
            if step <= 0 or not following.isdigit() or (int(following) - numbers[-1]) % step:
                raise InputError(fault)
            numbers += range(numbers[-1] + step, int(following), step)
        elif part.isdigit():
            numbers.append(int(part))
        else:
            raise InputError(fault)
    return numbers


def _networks(readout: str, settings: tuple[str, ...], backbones: str | None) -> list[dict[str, Any]]:
    """The parameters of every network, from --param and --backbones; what is set for one network wins."""
    from phenodose.cli.run import parse_settings

    names = [name.strip() for name in (backbones or "").split(",") if name.strip()]
    plain = (setting.removeprefix(f"{readout}.") for setting in settings)
    of_one = tuple(f"{name}." for name in names)
    found = parse_settings(text if text.startswith(of_one) else f"{readout}.{text}" for text in plain)
    own = found.pop(readout, {})
    return [{**own, **found.get(name, {}), "backbone": name} for name in names] or [own]
