"""`phenodose screen`: prepare a raw folder; list, show and remove the screens of a store."""

from __future__ import annotations

from pathlib import Path

import click

from phenodose.cli.output import json_option, open_screens, open_store, plugins_at, print_json, store_option


@click.group()
def command() -> None:
    """Prepare, list, show and remove screens.

    \b
    Example: phenodose screen init ./BT-40_V1_DS1
             phenodose screen import ./iTRADE-Data ./screens
             phenodose screen list
             phenodose screen show BT-40_V1_DS1
             phenodose screen remove BT-40_V1_DS1
    """


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace a screen.toml that is there.")
@click.option("--preset", metavar="NAME", help="Settings of the networks that belong together: paper, small.")
def init(folder: Path, overwrite: bool, preset: str | None) -> None:
    """Write screen.toml from what lies in FOLDER.

    With a layout in it, everything is looked at as `phenodose run` does; what it would refuse is refused here, and
    nothing is written; what looks like a slip is told.

    \b
    Example: phenodose screen init ./BT-40_V1_DS1
             phenodose screen init ./BT-40_V1_DS1 --preset small
    """
    from phenodose.plugins.presets import expect_preset, with_preset
    from phenodose.screens.registration import check_screen
    from phenodose.screens.screen import ParametersByPlugin, Screen, init_screen

    plugins = plugins_at()
    if preset is not None:
        expect_preset(preset, plugins)
    notes: list[str] = []

    def settle(parameters: ParametersByPlugin) -> ParametersByPlugin:
        if preset is None:
            return parameters
        settled, gone = with_preset(preset, parameters, plugins)
        if gone:
            click.echo(f"phenodose: note: the preset {preset} takes the place of {', '.join(gone)}.", err=True)
        return settled

    if Screen.load(folder, plugins.plate_reader_folders()).layout_path is not None:
        notes = check_screen(folder, plugins)
    for note in notes:
        click.echo(f"phenodose: note: {note}", err=True)
    click.echo(init_screen(folder, overwrite, plugins.plate_reader_folders(), settle))


@command.command(name="import")
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--screen", "screens", metavar="ID", multiple=True, help="Only this screen; may be given several times.")
@json_option
def import_(data: Path, out: Path, screens: tuple[str, ...], as_json: bool) -> None:
    """Arrange the public iTRADE data set in DATA as screen folders below OUT.

    Images and matrices are linked, not copied, where the disk allows it. Screens that are there already are left as
    they are.

    \b
    Example: phenodose screen import ./iTRADE-Data ./screens --screen BT-40_V1_DS1
    """
    from dataclasses import asdict

    from phenodose.screens.itrade import arrange

    arranged = arrange(data, out, screens)
    if as_json:
        print_json([asdict(each) for each in arranged])
        return
    for each in arranged:
        matrices = ", ".join(
            name
            for name, there in (("metabolic", each.has_metabolic), ("mean of stack", each.has_mean_of_stack))
            if there
        )
        click.echo(f"{each.folder}: {len(each.plates)} plates, {each.n_images} images; matrices: {matrices or 'none'}.")


@command.command(name="list")
@store_option
@json_option
def list_(store: str | None, as_json: bool) -> None:
    """List the screens of the store: id, when made, entity, verdict, hits, the readout that ranks, raw folder.

    Verdict and hits are those of the cohort, and of screens that have changed since it was built those of their tables.

    \b
    Example: phenodose screen list --store ./store
    """
    from phenodose.pipeline.verdict import ScreenJudge
    from phenodose.screens.overview import listed_screens

    opened = open_store(store)
    rows = listed_screens(opened, ScreenJudge(opened))
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo(f"No screen in {opened.root} yet; `phenodose run FOLDER` registers one.")
    for row in rows:
        click.echo("\t".join("-" if value is None else str(value) for value in row.values()))


@command.command()
@click.argument("screen")
@store_option
@json_option
def show(screen: str, store: str | None, as_json: bool) -> None:
    """Show what is known of one screen: its inputs and what has been made of them.

    \b
    Example: phenodose screen show BT-40_V1_DS1
    """
    from phenodose.screens.overview import screen_overview

    overview = screen_overview(open_screens(store, screen), screen)
    if as_json:
        print_json(overview)
        return
    for name, value in overview.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, entry in value.items():
                click.echo(f"  {key}: {entry}")
        else:
            click.echo(f"{name}: {value}")


@command.command(name="remove")
@click.argument("screen")
@click.option("--yes", is_flag=True, help="Remove it; without this the command only tells what would go.")
@click.option("--signed-too", is_flag=True, help="Remove its signed reports, too; without this it is refused.")
@store_option
@json_option
def remove_(screen: str, yes: bool, signed_too: bool, store: str | None, as_json: bool) -> None:
    """Take SCREEN out of the store: plates, tensors, networks, rows and reports, and its partition and runs in Dagster.

    Its raw folder stays, so `phenodose run FOLDER` makes everything again, but for signed reports: a screen that has
    some is removed with --signed-too only. What this cannot reach is listed. Refused while a run works on it.

    \b
    Example: phenodose screen remove BT-40_V1_DS1
             phenodose screen remove BT-40_V1_DS1 --yes
    """
    from phenodose.screens.remove_screen import held_by

    opened = open_store(store)
    found = held_by(opened, screen)
    source = str(opened.source_of(screen)) if screen in opened.screens() else None
    left: list[str] = []
    if yes:
        from phenodose_assets.remove_screen import remove_everywhere

        left = remove_everywhere(opened, screen, signed_too).left
    if as_json:
        print_json(
            {
                "screen": screen,
                "removed": yes,
                "source": source,
                "left": left,
                "places": [{"path": str(h.path), "files": h.files, "size_bytes": h.size_bytes} for h in found],
            }
        )
        return
    for held in found:
        click.echo(
            f"{'removed' if yes else 'would go'}: {held.path} ({held.files} files, {held.size_bytes / 1e6:.1f} MB)"
        )
    for one in left:
        click.echo(f"not removed, if it is there: {one}")
    if not yes:
        from phenodose.store.signed import signed_versions

        versions = [f"{screen}@{version}" for version in signed_versions(opened, screen)]
        also = (
            f" --signed-too` removes it with its signed reports {', '.join(versions)}." if versions else "` removes it."
        )
        click.echo(f"Nothing was removed. `phenodose screen remove {screen} --yes{also}")
    elif source:
        click.echo(
            f"Its raw folder {source} is untouched. If a sensor watches the folder it lies in, move it away, or the "
            "screen comes back."
        )
