"""`phenodose run`: register a screen and materialize its assets."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from phenodose.cli.ended import ends_at_once
from phenodose.cli.output import json_option, open_store, plugins_at, print_json, store_option
from phenodose.cli.plugin_options import param_option
from phenodose.cli.steps import (
    answer,
    failed_quality,
    how_to_see,
    outcome_json,
    print_answer,
    print_failed_quality,
    print_outcome,
    print_products,
    products,
    steps_display,
)
from phenodose.errors import InputError, MissingInputError
from phenodose.names import SCREEN_ID
from phenodose.store.store import Store

#: Asset that is made anew with anything else.
REPORT = "patient_report"


@click.command()
@click.argument("target", metavar="DIR_OR_SCREEN")
@store_option
@click.option(
    "--select",
    "selected",
    metavar="ASSETS",
    multiple=True,
    help="Assets, groups or selections, separated by commas; may be repeated; default all.",
)
@param_option("settings", "PLUGIN.NAME=VALUE", "A parameter, may be repeated; wins over screen.toml.")
@click.option("--stale", is_flag=True, help="Only what is older than its inputs, such as decisions, and the report.")
@json_option
@ends_at_once
def command(
    target: str,
    store: str | None,
    selected: tuple[str, ...],
    settings: tuple[str, ...],
    stale: bool,
    as_json: bool,
) -> None:
    """Register the screen folder DIR and materialize its assets, or those of a SCREEN that is registered.

    What cannot be made for the screen is skipped with its reason. The run shows in the Dagster UI. Ended by Ctrl-C or
    SIGTERM, the same command goes on where it was.

    \b
    Example: phenodose run inbox/BT-40_V1_DS1 --store ./store
             phenodose run BT-40_V1_DS1 --select scores --param cnn.epochs_phase2=100
             phenodose run BT-40_V1_DS1 --stale
    """
    from phenodose.screens.drug_files import library_of
    from phenodose.screens.registration import screen_to_make
    from phenodose.settings.environment import read_environment
    from phenodose_assets.instance import open_instance
    from phenodose_assets.run import Graph, materialize_cohort, materialize_screen, selected_keys

    plugins = plugins_at(store)
    plugins.refuse_clashes()
    opened = open_store(store)
    parameters = parse_settings(settings)
    select: str | None = ",".join(selected) or None
    folder = _folder(opened, target)
    graph = Graph(opened, read_environment().training)
    if stale:
        select = _stale(opened, folder, select, selected_keys(opened, None))
        if not select:
            nothing = f"Nothing of {folder.resolve().name} is older than its inputs."
            if broken := _failed(opened, folder.resolve().name):
                nothing += f" What failed before needs a run without --stale: {', '.join(broken)}."
            print_json({"made": [], "notes": [nothing]}) if as_json else click.echo(nothing)
            return
    wanted = selected_keys(opened, select, graph)
    if select:
        _train_again(opened, folder.resolve().name, select)
    if {"drugs", "reachable_effects"} & wanted:
        library_of(opened)  # a faulty table of the site is told before anything is computed
    screen = screen_to_make(opened, folder, plugins, images="plate_images" in wanted)
    with open_instance(opened) as instance, steps_display(screen.id) as progress:
        outcome = materialize_screen(
            opened,
            screen.id,
            select=select,
            parameters=parameters,
            instance=instance,
            progress=progress,
            graph=graph,
        )
        cohort = materialize_cohort(opened, instance=instance, progress=progress, graph=graph)
    failed = failed_quality(opened, screen)
    if as_json:
        shown = {"failed_quality": failed, "products": products(opened, screen.id)}
        print_json(outcome_json(outcome) | shown | answer(opened, screen.id))
    else:
        print_failed_quality(failed)
        print_outcome(outcome)
        print_products(opened, screen.id)
        print_answer(answer(opened, screen.id))
        click.echo(how_to_see(opened))
    outcome.raise_if_failed()
    cohort.raise_if_failed()


def _stale(store: Store, folder: Path, select: str | None, assets: set[str]) -> str:
    """The assets that are older than their inputs, and the report, as a selection; '' if there are none.

    A network that has learned from a well which is left out since is not trained again unasked.

    Raises:
        InputError: the screen is not in the store yet, or a selection is given as well.
    """
    from phenodose.lineage.freshness import changes_since

    screen = folder.resolve().name
    if select is not None:
        raise InputError("--stale makes what is older than its inputs, --select what is named: give one of the two.")
    if screen not in store.screens():
        raise InputError(f"--stale: the store {store.root} does not hold {screen} yet; run it without --stale.")
    changes = [change for change in changes_since(store, screen) if not change.kept]
    found = {key for change in changes for key in change.products} & assets
    # A name without a slash may be that of a group, too.
    keys = sorted(found | ({REPORT} & assets)) if found else []
    return ",".join(key if "/" in key else f'key:"{key}"' for key in keys)


def _failed(store: Store, screen: str) -> list[str]:
    """The assets that failed when they were tried last."""
    rows = store.read_table("not_made", screen)
    return sorted(rows.loc[rows["outcome"] == "failed", "asset"])


def _train_again(store: Store, screen: str, select: str) -> None:
    """Forget how networks that are named were trained, if another training would be of other wells (decisions)."""
    from phenodose.lineage.freshness import changes_since

    named = {item.strip().strip("+*") for item in select.split(",")}
    if screen not in store.screens() or not any(name.startswith("checkpoint/") for name in named):
        return
    for change in changes_since(store, screen):
        if change.kept and change.what in named:
            # Without its record a training that differs by decisions alone is not taken for the same.
            store.drop_table_part("runs", screen, change.what)


def _folder(store: Store, target: str) -> Path:
    """The raw folder that the user means: a folder, else the source of a registered screen."""
    folder = Path(target).expanduser()
    if folder.is_dir():
        return folder
    if SCREEN_ID.match(target) and target in store.screens():
        return store.source_of(target)
    raise MissingInputError(f"{target}: there is no such folder, and {store.unknown_screen(target)}")


def parse_settings(settings: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`cnn.epochs_phase1=20` and the like as parameters by plugin; values as in TOML, else text.

    Raises:
        InputError: an item is not PLUGIN.NAME=VALUE.
    """
    parameters: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        plugin, dot, key = name.strip().partition(".")
        if not (equals and dot and plugin and key):
            raise InputError(f"--param {setting!r}: write PLUGIN.NAME=VALUE, such as cnn.epochs_phase1=20.")
        parameters.setdefault(plugin, {})[key] = _value(text.strip())
    return parameters


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
