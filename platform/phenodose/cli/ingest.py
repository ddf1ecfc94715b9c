"""`phenodose ingest`: one raw plate folder to one OME-Zarr plate."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import click

from phenodose.cli.output import json_option, print_json, progress_display
from phenodose.cli.reader_options import reader_of, reader_options


@click.command()
@click.argument("raw", metavar="RAW", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.ome.zarr")
@reader_options
@click.option("--plate", metavar="NAME", help="Name of the plate; by default OUT without its ending.")
@click.option("--workers", type=click.IntRange(min=1), help="Wells at the same time; default the number of processors.")
@click.option("--reread", is_flag=True, help="Read all raw images again, also those whose files look unchanged.")
@click.option("--virtual", is_flag=True, help="Only index the raw images: the plate can be opened, viewed and read.")
@json_option
def command(
    raw: Path,
    out: str,
    reader_name: str | None,
    param: tuple[str, ...],
    plate: str | None,
    workers: int | None,
    reread: bool,
    virtual: bool,
    as_json: bool,
) -> None:
    """Turn the raw images of one plate (RAW) into an OME-Zarr plate (OUT.ome.zarr, a path or s3://...).

    While its wells are written, the plate can be opened already: it is read from the raw images. With --virtual it
    stays so, and nothing but an index is written until you ingest it.

    Running it again on a plate that was interrupted goes on; on a finished plate it writes only the wells whose raw
    images have changed.

    \b
    Example: phenodose ingest ./INF_R_153_V1_DS1/P1 ./P1.ome.zarr
             phenodose ingest ./P1 s3://screens/P1.ome.zarr
             phenodose ingest ./P1 ./P1.ome.zarr --virtual
             phenodose ingest ./P1 ./P1.ome.zarr --reader pattern --param 'expression=(?P<well>[A-P]..)_z(?P<z>[0-9]+)'
    """
    from phenodose.io.places import place
    from phenodose.plates.ingest import FIRST, ONLY, ingest_plate

    start = time.monotonic()
    reader = reader_of(raw, reader_name, param)
    name = plate or place(out).name.removesuffix(".zarr").removesuffix(".ome")
    with progress_display(f"ingest {name}") as progress:
        record = ingest_plate(raw, out, reader, name, progress, workers, reread, ONLY if virtual else FIRST)
    seconds = time.monotonic() - start
    if as_json:
        print_json(asdict(record) | {"out": str(out), "reader": reader.name, "seconds": round(seconds, 3)})
        return
    for note in record.notes:
        click.echo(f"note: {note}", err=True)
    what = (
        f"{record.n_wells} wells, {record.n_planes} images of {record.size_y_px} x {record.size_x_px} px, "
        f"{record.n_z} planes a stack"
    )
    if virtual:
        indexed = f"indexed in {seconds:.1f} s; keep {raw} until the plate is ingested"
        click.echo(f"{out}: {what} (reader {reader.name}); {indexed}.")
        return
    done = f"{len(record.wells_written)} wells written" if record.wells_written else "nothing had changed"
    click.echo(f"{out}: {what} (reader {reader.name}); {done} in {seconds:.1f} s.")
