"""`phenodose export`: a plate in an older version of NGFF, or as one zipped file."""

from __future__ import annotations

from dataclasses import asdict

import click

from phenodose.cli.output import json_option, print_json, progress_display


@click.command()
@click.argument("plate", metavar="PLATE")
@click.argument("out", metavar="OUT")
@click.option("--ngff", "version", metavar="VERSION", help="Version of NGFF: 0.4, or 0.5 for OUT.ozx.")
@click.option("--workers", type=click.IntRange(min=1), help="Wells at the same time; default the number of processors.")
@json_option
def command(plate: str, out: str, version: str | None, workers: int | None, as_json: bool) -> None:
    """Write an OME-Zarr plate (PLATE) as NGFF 0.4 (OUT.ome.zarr), or as one zipped file (OUT.ozx).

    NGFF 0.4 is for programs that do not read NGFF 0.5. A zipped plate is the plate itself in one file. Both places may
    be paths or addresses such as s3://bucket/P1.ome.zarr. Nothing may be at OUT yet.

    \b
    Example: phenodose export ./P1.ome.zarr ./P1_v04.ome.zarr --ngff 0.4
             phenodose export ./P1.ome.zarr ./P1.ozx
    """
    from phenodose.io.places import place
    from phenodose.plates.export import export_plate

    with progress_display(f"export {place(plate).name}") as progress:
        made = export_plate(plate, out, version, progress, workers)
    if as_json:
        print_json(asdict(made) | {"out": out})
        return
    click.echo(f"{out}: {made.n_wells} wells, {made.n_images} images as NGFF {made.ngff}.")
