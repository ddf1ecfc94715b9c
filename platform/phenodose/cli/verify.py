"""`phenodose verify`: is a plate, or everything in a store, still what was written?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from phenodose.cli.output import json_option, open_store, print_json, progress_display
from phenodose.cli.reader_options import reader_of, reader_options

_NAMED = 3


@click.command()
@click.argument("plate", metavar="[PLATE|STORE]", required=False)
@click.option("--raw", metavar="RAW", type=click.Path(path_type=Path), help="Compare with the raw images, too.")
@reader_options
@json_option
@click.pass_context
def command(
    context: click.Context,
    plate: str | None,
    raw: Path | None,
    reader_name: str | None,
    param: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check every byte of an OME-Zarr plate against its own hashes, and with --raw every raw image.

    Of a store every product of every screen is checked: plates, tables, curves, tensors, features, maps, checkpoints,
    reports, signed reports with their chain, and the cohort; and it is told what is older than its inputs. Without a
    name it is the store of the environment.
    Exit code 2 and a list of faults if anything is missing, truncated or changed.

    \b
    Example: phenodose verify ./P1.ome.zarr --raw ./INF_R_153_V1_DS1/P1
             phenodose verify ./store --json
    """
    from phenodose.errors import Faults, InputError, StoreError
    from phenodose.io.places import place
    from phenodose.plates.verify import verify_plate

    if plate is None or _is_store(plate):
        if raw is not None:
            raise InputError("--raw compares one plate with its raw images; name the plate, such as P1.ome.zarr.")
        _verify_store(context, plate, as_json)
        return
    reader = reader_of(raw, reader_name, param) if raw is not None else None
    with progress_display(f"verify {place(plate).name}") as progress:
        result = verify_plate(plate, raw, reader, progress)
    if as_json:
        print_json({"ok": not result.faults} | asdict(result))
        context.exit(2 if result.faults else 0)
    faults = Faults(str(plate), most=200)
    faults.extend(result.faults)
    faults.raise_if_any(StoreError)
    if result.virtual:
        click.echo(
            f"{plate}: not ingested yet: the files of all {result.n_raw} raw images of {result.n_wells} wells have the "
            "sizes and times of the index."
        )
        return
    if result.in_place:
        click.echo(
            f"{plate}: made elsewhere and used in place ({result.in_place}): all {result.n_files} chunks of "
            f"{result.n_wells} wells can be read. It has no hashes, so a changed pixel cannot be told."
        )
        return
    compared = f" and {result.n_raw} raw images" if raw is not None else ""
    click.echo(f"{plate}: {result.n_wells} wells, {result.n_files} files{compared} are as they were written.")


def _is_store(name: str) -> bool:
    from phenodose.io.places import place, storage_errors
    from phenodose.lineage.verify_store import is_store

    at = place(name)
    with storage_errors(at, "nothing can be checked; mend the connection or the permissions and verify again"):
        return is_store(at)


def _verify_store(context: click.Context, name: str | None, as_json: bool) -> None:
    from phenodose.errors import Faults, MissingInputError, StoreError
    from phenodose.lineage.verify_store import verify_store

    store = open_store(name)
    if not _is_store(str(store.root)):
        raise MissingInputError(
            f"{store.root}: there is no store here yet, so there is nothing to check; name a store, or a plate such as "
            "P1.ome.zarr."
        )
    with progress_display(f"verify {store.root}") as progress:
        found = verify_store(store, progress)
    if as_json:
        print_json({"ok": not found.faults} | asdict(found))
        context.exit(2 if found.faults else 0)
    for screen, sentences in found.stale.items():
        for sentence in sentences:
            click.echo(f"{screen}: {sentence}")
    for name, sentences in found.superseded.items():
        for sentence in sentences:
            click.echo(f"{name}: {sentence}")
    if found.without_seal:
        more = f" and {len(found.without_seal) - _NAMED} more" if len(found.without_seal) > _NAMED else ""
        click.echo(
            f"Made by an older version, with no hash to compare with: {', '.join(found.without_seal[:_NAMED])}{more}; "
            "`phenodose run SCREEN` makes them anew."
        )
    faults = Faults(str(store.root), most=200)
    faults.extend(found.faults)
    faults.raise_if_any(StoreError)
    checked = ", ".join(f"{n} {kind}" for kind, n in found.checked.items()) or "nothing"
    told = "everything is as it was written"
    if found.without_seal:
        told = f"no fault is found, but {len(found.without_seal)} of these have no hash to compare with"
    click.echo(f"{store.root}: {len(found.screens)} screens ({checked}): {told}.")
