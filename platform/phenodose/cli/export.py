"""`phenodose export`: a plate in an older version of NGFF."""

from __future__ import annotations

from dataclasses import asdict

import click

from phenodose.cli.output import json_option, print_json, progress_display


@click.command()
@click.argument("plate", metavar="PLATE")
@click.argument("out", metavar="OUT.ome.zarr")
@click.option("--ngff", "version", metavar="VERSION", default="0.4", show_default=True, help="Version of NGFF.")
@click.option("--workers", type=click.IntRange(min=1), help="Wells at the same time; default the number of processors.")
@json_option
def command(plate: str, out: str, version: str, workers: int | None, as_json: bool) -> None:
    """Write an OME-Zarr plate (PLATE) as NGFF 0.4 (OUT.ome.zarr), for programs that do not read NGFF 0.5.

    Both may be paths or addresses such as s3://bucket/P1.ome.zarr. Nothing may be at OUT yet.

    \b
    Example: phenodose export ./P1.ome.zarr ./P1_v04.ome.zarr --ngff 0.4
    """
    from phenodose.io.places import place
    from phenodose.plates.export import export_plate

    with progress_display(f"export {place(plate).name}") as progress:
        made = export_plate(plate, out, version, progress, workers)
    if as_json:
        print_json(asdict(made) | {"out": out, "ngff": version})
        return
    click.echo(f"{out}: {made.n_wells} wells, {made.n_images} images as NGFF {version}.")
