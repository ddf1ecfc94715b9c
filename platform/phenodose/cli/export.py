"""`phenodose export`: a screen as an RO-Crate, or a plate in an older version of NGFF or as one zipped file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from phenodose.cli.output import json_option, open_screens, print_json, progress_display, store_option
from phenodose.errors import InputError

if TYPE_CHECKING:
    from phenodose.crate.export import Extent


@click.command()
@click.argument("plate", metavar="PLATE|SCREEN")
@click.argument("out", metavar="[OUT]", required=False)
@click.option("--ngff", "version", metavar="VERSION", help="Version of NGFF: 0.4, or 0.5 for OUT.ozx.")
@click.option("--workers", type=click.IntRange(min=1), help="Wells at the same time; default the number of processors.")
@click.option("--crate", metavar="DIR|ZIP", help="Write SCREEN as an RO-Crate: a folder, or one file NAME.zip.")
@click.option(
    "--plates",
    metavar="copy|none|ADDRESS",
    help="With --crate: copy the plates (default), leave them out, or tell where they lie: ADDRESS/PLATE.ome.zarr.",
)
@click.option("--licence", metavar="TEXT", help="With --crate: name or address of the licence; default none is given.")
@click.option("--publisher", metavar="NAME", help="With --crate: the site's name; default it is not named.")
@store_option
@json_option
def command(
    plate: str,
    out: str | None,
    version: str | None,
    workers: int | None,
    crate: str | None,
    plates: str | None,
    licence: str | None,
    publisher: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Write SCREEN as an RO-Crate, or an OME-Zarr plate (PLATE) as NGFF 0.4 (OUT.ome.zarr) or as one file (OUT.ozx).

    An RO-Crate is a folder or zip for people without phenodose: plates, layout, tables, report and the steps that made
    them; pseudonyms only, without paths and accounts (docs/crates.md).

    NGFF 0.4 is for programs that do not read NGFF 0.5. A zipped plate is the plate itself in one file. Both places may
    be paths or addresses such as s3://bucket/P1.ome.zarr. Nothing may be at OUT yet.

    \b
    Example: phenodose export BT-40_V1_DS1 --crate ./BT-40_V1_DS1.zip
             phenodose export ./P1.ome.zarr ./P1_v04.ome.zarr --ngff 0.4
             phenodose export ./P1.ome.zarr ./P1.ozx
    """
    if crate is not None:
        given = {"OUT": out, "--ngff": version, "--workers": workers}
        if surplus := [name for name, value in given.items() if value is not None]:
            raise InputError(f"{', '.join(surplus)}: belongs to a plate; --crate takes a screen: leave it out.")
        _write_crate(store, plate, crate, plates or "copy", licence or "", publisher or "", as_json)
        return
    given_crate = {"--plates": plates, "--licence": licence, "--publisher": publisher, "--store": store}
    if surplus := [name for name, value in given_crate.items() if value is not None]:
        raise InputError(f"{', '.join(surplus)}: belongs to a screen; give --crate DIR or --crate NAME.zip as well.")
    if out is None:
        raise InputError(
            f"{plate}: say where to: OUT.ome.zarr or OUT.ozx for a plate, --crate DIR or --crate NAME.zip for a screen."
        )
    _write_plate(plate, out, version, workers, as_json)


def _write_plate(plate: str, out: str, version: str | None, workers: int | None, as_json: bool) -> None:
    from phenodose.io.places import place
    from phenodose.plates.export import export_plate

    with progress_display(f"export {place(plate).name}") as progress:
        made = export_plate(plate, out, version, progress, workers)
    if as_json:
        print_json(asdict(made) | {"out": out})
        return
    click.echo(f"{out}: {made.n_wells} wells, {made.n_images} images as NGFF {made.ngff}.")


def _write_crate(
    store: str | None, screen: str, out: str, plates: str, licence: str, publisher: str, as_json: bool
) -> None:
    from phenodose.crate.export import export_crate

    def tell(extent: Extent) -> None:
        if extent.n_files:
            size = _size(extent.n_bytes)
            click.echo(f"{screen}: {extent.n_plates} plates, {extent.n_files} files, {size} to copy.", err=True)

    opened = open_screens(store, screen)
    with progress_display(f"export {screen}") as progress:
        made = export_crate(
            opened,
            screen,
            out,
            plates=plates,
            licence=licence,
            publisher=publisher,
            progress=progress,
            tell=tell,
        )
    if as_json:
        print_json(asdict(made))
        return
    for note in made.notes:
        click.echo(f"phenodose: note: {note}", err=True)
    click.echo(
        f"{made.place}: RO-Crate of {screen}, {made.n_files} files, {_size(made.n_bytes)}: {len(made.tables)} tables, "
        f"{len(made.plates)} plates."
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
