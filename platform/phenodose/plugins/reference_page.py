"""docs/plugin_reference.md, made from what the plugins declare.

Belongs here: the page of all built-in plugins with their parameters. Does not belong here: the contract in words
(docs/plugins.md), the formulas of scores (docs/scores.md, `scores_page`).
"""

from __future__ import annotations

from phenodose.plugins.base import Plugin, contract_text
from phenodose.plugins.parameters import default_text, parameter_facts
from phenodose.plugins.readouts import StagedReadout
from phenodose.plugins.registry import KINDS, Registry, group_of, registry

_OURS = "phenodose"
_HEAD = """\
# Plugins and their parameters

Made by `make docs` from what the plugins declare; do not edit. `phenodose plugins list --json` tells the same of what
is installed at your site. Plugin contract {contract}.

A parameter is set in `screen.toml` (`[parameters.dss_asym]`, then `amin = 10`), in the launchpad of the Dagster UI,
with `phenodose run SCREEN --param dss_asym.amin=10`, or with `phenodose score ... --param dss_asym.amin=10`.
Whatever was used stands in the table `runs`, and `phenodose why` shows it.
"""


def reference_markdown(plugins: Registry | None = None) -> str:
    """The whole page."""
    plugins = plugins or registry()
    lines = [_HEAD.format(contract=contract_text())]
    for kind in KINDS:
        lines += [f"## {kind.title()}s", "", f"Entry-point group `{group_of(kind)}`.", ""]
        ours = {
            found.name for found in plugins.report() if found.kind == kind and found.distribution.split(" ")[0] == _OURS
        }
        for name, plugin in sorted(plugins.usable(kind).items()):
            if name in ours:
                lines += _plugin(plugin)
    return "\n".join(lines).rstrip() + "\n"


def _declared(plugin: type[Plugin]) -> list[str]:
    """What the plugin declares beyond what it needs, each as a few words."""
    found = [f"in reports: {plugin.label}"] if plugin.label else []
    found += [f"precedence {plugin.precedence}"] if plugin.precedence != Plugin.precedence else []
    if issubclass(plugin, StagedReadout):
        phases = [one for one in plugin.phases if one.reads_out and one.precedence is not None]
        found += [f"precedence of {one.name} {one.precedence}" for one in phases]
        found += [f"{one.name} in reports: {one.label}" for one in plugin.phases if one.label]
    if limits := getattr(plugin, "label_range", None):
        found.append(f"labels from {limits[0]:g} to {limits[1]:g}")
    if error := getattr(plugin, "scale_error", None):
        found.append(f"scale usually off by {error[0]:g} living, {error[1]:g} half-way, {error[2]:g} killed")
    return found + (["distances on its map mean something"] if getattr(plugin, "measures_distance", False) else [])


def _plugin(plugin: type[Plugin]) -> list[str]:
    unit = getattr(plugin, "unit", "")
    facts = [f"version {plugin.version}", *([f"unit {unit}"] if unit else []), *_declared(plugin)]
    lines = [f"### `{plugin.name}`", "", f"{plugin.description.rstrip('.')}. ({', '.join(facts)})", ""]
    parameters = parameter_facts(plugin.Parameters)
    if not parameters:
        return [*lines, "No parameters.", ""]
    lines += ["| parameter | type | default | range | unit | meaning |", "|---|---|---|---|---|---|"]
    for one in parameters:
        cells = [f"`{one.name}`", one.type, f"`{default_text(one)}`", one.range, one.unit, one.description]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]
