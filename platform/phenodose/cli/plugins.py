"""`phenodose plugins`: list what is installed, check one plugin, begin a new one.

Does not belong here: finding plugins (`phenodose.plugins.registry`), the rules of the contract (`phenodose.testing`)
and the files of a new one (`phenodose.plugins.scaffold`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phenodose.cli.output import json_option, plugins_at, print_json, store_option
from phenodose.cli.plugin_options import given_parameters, plugin_options
from phenodose.errors import PluginError
from phenodose.plugins import KINDS, Found, Kind, Registry, StagedReadout
from phenodose.plugins.parameters import default_text, parameter_facts

if TYPE_CHECKING:
    from phenodose.testing.trial import Tried


@click.group("plugins")
def command() -> None:
    """List, check and begin readers, readouts, scorers, measures of two drugs and embedders.

    \b
    Example: phenodose plugins list
    """


@command.command("list")
@store_option
@json_option
def list_plugins(store: str | None, as_json: bool) -> None:
    """List every installed plugin, broken and disabled ones included, with its version and distribution.

    \b
    Example: phenodose plugins list --json
    """
    plugins = plugins_at(store)
    found = plugins.report(load=True)
    if as_json:
        print_json([_as_json(one, plugins) for one in found])
        return
    for kind in KINDS:
        click.echo(f"{kind}s")
        for one in [f for f in found if f.kind == kind]:
            click.echo(f"  {one.name:<16} {_line(one, plugins)} [{one.distribution}]")
    for note in plugins.notes():
        click.echo(f"phenodose: note: {note}", err=True)


@command.command("check")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Needed only where two kinds have this name.")
@click.option("--quick/--full", "quick", default=True, help="Rules that take seconds (default), or all of them.")
@click.option(
    "--raw",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="For a reader: a small raw folder of its microscope, to try all rules on a copy of it.",
)
@plugin_options
@store_option
@json_option
def check(
    name: str,
    kind: Kind | None,
    quick: bool,
    raw: Path | None,
    given: tuple[str, ...],
    store: str | None,
    as_json: bool,
) -> None:
    """Import the plugin NAME, try it on the rules of the contract, and show its parameters.

    \b
    Examples: phenodose plugins check dss_asym
      phenodose plugins check cnn --full -p backbone=micro -p epochs_phase1=2
    """
    from phenodose.plugins.import_trials import forget_faults

    forget_faults()
    plugins = plugins_at(store)
    one = _the_one(plugins, name, kind)
    loaded = plugins.get(one.kind, name)
    parameters = given_parameters(given, {name: loaded}).get(name, {})
    loaded(parameters)  # what cannot be made is told before it is tried
    facts = _as_json(next(f for f in plugins.report() if (f.kind, f.name) == (one.kind, name)), plugins)
    if issubclass(loaded, StagedReadout):
        facts["phases"] = [phase.name for phase in loaded.phases]
    tried = _tried(plugins, one.kind, name, parameters, not quick, raw)
    broken = [rule for rule in tried or () if rule.outcome == "broken"]
    facts["untried"] = _untried(one.kind, quick, raw)
    facts["rules"] = None if tried is None else {rule.rule: rule.outcome for rule in tried}
    if not broken and as_json:
        print_json(facts)
    elif not broken:
        _print(facts)
    if broken:
        messages = "\n".join(f"- {rule.rule}: {rule.message}" for rule in broken)
        raise PluginError(
            f"{one.kind} {name!r} of {one.distribution} breaks {len(broken)} of {len(tried or ())} rules of the "
            f"contract:\n{messages}\nMend {one.target} or tell its author; docs/plugins.md explains the rules."
        )


@command.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), default="scorer", show_default=True, help="What it is.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder to make it in.")
def new(name: str, kind: Kind, out: Path) -> None:
    """Write a distribution with a plugin NAME that installs, works and has its tests.

    \b
    Example: phenodose plugins new mean-inhibition --kind scorer
    """
    from phenodose.plugins.scaffold import new_plugin, next_steps, plugin_name

    folder = new_plugin(name, kind, out)
    click.echo(f"{folder}\nNext:")
    for step in next_steps(folder, kind, plugin_name(name)):
        click.echo(f"  {step}")


def _the_one(plugins: Registry, name: str, kind: Kind | None) -> Found:
    """The installed plugin of that name.

    Raises:
        PluginError: there is none, or there is one in more than one kind.
    """
    matches = [one for one in plugins.report() if one.name == name and kind in (None, one.kind)]
    if not matches:
        known = ", ".join(sorted({one.name for one in plugins.report()})) or "none"
        raise PluginError(f"plugin {name!r} is not installed; installed are: {known}.")
    if len(matches) > 1:
        kinds = " or ".join(f"--kind {one.kind}" for one in matches)
        raise PluginError(f"plugin {name!r} exists in more than one kind; add {kinds}.")
    return matches[0]


def _tried(
    plugins: Registry, kind: Kind, name: str, parameters: dict[str, Any], full: bool, raw: Path | None
) -> list[Tried] | None:
    """How the rules went; None where pytest, which tries them, is not installed."""
    from phenodose.testing.trial import can_try, try_plugin

    return try_plugin(kind, name, parameters, full, raw, plugins) if can_try() else None


def _untried(kind: Kind, quick: bool, raw: Path | None) -> str:
    """How the rules that were left out are tried; '' if there are none."""
    needed = (["--full"] if quick else []) + (["--raw FOLDER"] if kind == "reader" and raw is None else [])
    return f"others are tried with {' '.join(needed)}" if needed else ""


def _print(facts: dict[str, Any]) -> None:
    click.echo(f"{facts['kind']} {facts['name']} {facts['version']}: ok, contract {facts['contract']}")
    click.echo(f"  {facts['description']}")
    click.echo(f"  from {facts['distribution']}, {facts['target']}")
    if "phases" in facts:
        click.echo(f"  phases: {', '.join(facts['phases'])}")
    for name, about in facts["parameters"].items():
        range_ = f" ({about['range']})" if about["range"] else ""
        click.echo(f"  {name} = {about['default']!r}{range_}  {about['description']}".rstrip())
    if not facts["parameters"]:
        click.echo("  no parameters")
    if facts["rules"] is None:
        click.echo("  rules of the contract not tried: pytest is not installed")
    else:
        rest = f"; {facts['untried']}" if facts["untried"] else ""
        click.echo(f"  {len(facts['rules'])} rules of the contract tried, all kept{rest}")


def _line(one: Found, plugins: Registry) -> str:
    """One line on a plugin, for the list."""
    if one.status != "ok":
        return f"{one.status.upper()}: {one.error}"
    plugin = plugins.get(one.kind, one.name)
    choice = f' (by choice: [plugins] enable = ["{one.kind}:{one.name}"] in site.toml)'
    return f"{plugin.version:<4} {plugin.description}{choice if one.name in plugins.not_enabled(one.kind) else ''}"


def _as_json(one: Found, plugins: Registry) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kind": one.kind,
        "name": one.name,
        "status": one.status,
        "distribution": one.distribution,
        "target": one.target,
        "error": one.error,
    }
    if one.status == "ok":
        plugin = plugins.get(one.kind, one.name)
        described |= {"version": plugin.version, "description": plugin.description, "contract": plugin.contract}
        described["enabled"] = one.name not in plugins.not_enabled(one.kind)
        described["parameters"] = {
            facts.name: {
                "default": default_text(facts) if facts.required else facts.default,
                "description": facts.description,
                "type": facts.type,
                "range": facts.range,
                "unit": facts.unit,
            }
            for facts in parameter_facts(plugin.Parameters)
        }
    return described
