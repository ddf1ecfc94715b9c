"""`phenodose evaluate`: what the paper tells of its networks, for screens in the store.

Does not belong here: the figures (`phenodose.pipeline.evaluation`).
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from phenodose.cli.default_plugins import staged_readout
from phenodose.cli.native_messages import filter_stderr
from phenodose.cli.output import json_option, open_screens, plugins_at, print_json, progress_display, store_option


@click.command("evaluate")
@click.argument("screens", nargs=-1, required=True, metavar="SCREEN...")
@click.option("--readout", help="Staged readout; default the first that is installed.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Folder of tables and pictures; default STORE/evaluation.",
)  # fmt: skip
@store_option
@json_option
def command(screens: tuple[str, ...], readout: str | None, out: Path | None, store: str | None, as_json: bool) -> None:
    """Tell how well the networks of SCREENs have learned.

    Writes phases.csv (loss, accuracy and AUROC of training and held-out wells by phase), replicates.csv (agreement of
    replicates of viability and DSS by readout), and a histogram of raw viability for each screen and phase.

    \b
    Example: phenodose evaluate BT-40_V1_DS1 HD-MB03_V1_DS1
    """
    from phenodose.pipeline.evaluation import evaluate, write_evaluation

    opened = open_screens(store, *screens)
    plugin = staged_readout(plugins_at(store), readout)
    with filter_stderr() as stream, progress_display("evaluate", stream) as progress:
        found = evaluate(opened, list(dict.fromkeys(screens)), plugin, progress)
    written = write_evaluation(found, out or opened.root / "evaluation")
    if as_json:
        answer = {name: json.loads(table.to_json(orient="records")) for name, table in found.tables().items()}
        print_json({**answer, "files": [str(file) for file in written]})
        return
    for table in found.tables().values():
        click.echo(table.to_string(index=False, float_format="{:.4f}".format, na_rep="-") + "\n")
    for file in written:
        click.echo(str(file))
