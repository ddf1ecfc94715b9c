"""`phenodose verify`: is a plate still what was written, and what was imaged?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from phenodose.cli.output import json_option, print_json, progress_display
from phenodose.cli.reader_options import reader_of, reader_options


@click.command()
@click.argument("plate", metavar="PLATE")
@click.option("--raw", metavar="RAW", type=click.Path(path_type=Path), help="Compare with the raw images, too.")
@reader_options
@json_option
@click.pass_context
def command(
    context: click.Context,
    plate: str,
    raw: Path | None,
    reader_name: str | None,
    param: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check every byte of an OME-Zarr plate against its own hashes, and with --raw every raw image.

    Exit code 2 and a list of faults if anything is missing, truncated or changed.

    \b
    Example: phenodose verify ./P1.ome.zarr --raw ./INF_R_153_V1_DS1/P1
    """
    from phenodose.errors import Faults, StoreError
    from phenodose.io.places import place
    from phenodose.plates.verify import verify_plate

    reader = reader_of(raw, reader_name, param) if raw is not None else None
    with progress_display(f"verify {place(plate).name}") as progress:
        result = verify_plate(plate, raw, reader, progress)
    if as_json:
        print_json({"ok": not result.faults} | asdict(result))
        context.exit(2 if result.faults else 0)
    faults = Faults(str(plate), most=200)
    faults.extend(result.faults)
    faults.raise_if_any(StoreError)
    if result.in_place:
        click.echo(
            f"{plate}: made elsewhere and used in place ({result.in_place}): all {result.n_files} chunks of "
            f"{result.n_wells} wells can be read. It has no hashes, so a changed pixel cannot be told."
        )
        return
    compared = f" and {result.n_raw} raw images" if raw is not None else ""
    click.echo(f"{plate}: {result.n_wells} wells, {result.n_files} files{compared} are as they were written.")
