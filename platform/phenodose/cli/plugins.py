"""`phenodose plugins`: list what is installed, check one plugin, begin a new one.

Does not belong here: finding plugins (`phenodose.plugins.registry`) and the files of a new one
(`phenodose.plugins.scaffold`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from phenodose.cli.output import json_option, print_json
from phenodose.errors import PluginError
from phenodose.plugins import CONTRACT, KINDS, Found, Kind, Plugin, StagedReadout, registry


@click.group("plugins")
def command() -> None:
    """List, check and begin readers, readouts, scorers and embedders.

    \b
    Example: phenodose plugins list
    """


@command.command("list")
@json_option
def list_plugins(as_json: bool) -> None:
    """List every installed plugin, broken ones included, with its distribution.

    \b
    Example: phenodose plugins list --json
    """
    found = registry().report(load=True)
    if as_json:
        print_json([_as_json(one) for one in found])
        return
    for kind in KINDS:
        click.echo(f"{kind}s")
        for one in [f for f in found if f.kind == kind]:
            told = _class_of(one).description if one.status == "ok" else f"{one.status.upper()}: {one.error}"
            click.echo(f"  {one.name:<16} {told} [{one.distribution}]")


@command.command("check")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Needed only where two kinds have this name.")
@json_option
def check(name: str, kind: Kind | None, as_json: bool) -> None:
    """Import the plugin NAME, check it against the contract, and show its parameters.

    \b
    Example: phenodose plugins check dss_asym
    """
    matches = [one for one in registry().report() if one.name == name and kind in (None, one.kind)]
    if not matches:
        known = ", ".join(sorted({one.name for one in registry().report()})) or "none"
        raise PluginError(f"plugin {name!r} is not installed; installed are: {known}.")
    if len(matches) > 1:
        kinds = " or ".join(f"--kind {one.kind}" for one in matches)
        raise PluginError(f"plugin {name!r} exists in more than one kind; add {kinds}.")
    loaded = registry().get(matches[0].kind, name)
    one = next(f for f in registry().report() if (f.kind, f.name) == (matches[0].kind, name))
    told = _as_json(one) | {"contract": CONTRACT, "parameters": _parameters(loaded)}
    if issubclass(loaded, StagedReadout):
        told["phases"] = [phase.name for phase in loaded.phases]
    if as_json:
        print_json(told)
    else:
        _print(told)


@command.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(["scorer"]), default="scorer", show_default=True, help="What it is.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder to make it in.")
def new(name: str, kind: str, out: Path) -> None:
    """Write a distribution with a scorer NAME that installs, works and has a test.

    \b
    Example: phenodose plugins new mean_inhibition --kind scorer
    """
    from phenodose.plugins.scaffold import new_scorer

    folder = new_scorer(name, out)
    click.echo(f"{folder}\nInstall it with `pip install -e {folder}`, then `phenodose plugins check {name}`.")


def _print(told: dict[str, Any]) -> None:
    click.echo(f"{told['kind']} {told['name']} {told['version']}: ok, contract {told['contract']}")
    click.echo(f"  {told['description']}")
    click.echo(f"  from {told['distribution']}, {told['target']}")
    if "phases" in told:
        click.echo(f"  phases: {', '.join(told['phases'])}")
    for name, about in told["parameters"].items():
        meaning = f"  {about['description']}" if about["description"] else ""
        click.echo(f"  {name} = {about['default']!r}{meaning}")
    if not told["parameters"]:
        click.echo("  no parameters")


def _parameters(loaded: type[Plugin]) -> dict[str, dict[str, Any]]:
    """Parameter -> its default and meaning; all parameters must have a default."""
    defaults = loaded().parameters.model_dump(mode="json")
    fields = loaded.Parameters.model_fields
    return {name: {"default": defaults[name], "description": field.description or ""} for name, field in fields.items()}


def _as_json(one: Found) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": one.kind,
        "name": one.name,
        "status": one.status,
        "distribution": one.distribution,
        "target": one.target,
        "error": one.error,
    }
    if one.status == "ok":
        told |= {"version": _class_of(one).version, "description": _class_of(one).description}
    return told


def _class_of(one: Found) -> type[Plugin]:
    return registry().get(one.kind, one.name)
