"""Presets of plugins: settings that belong together, chosen by one word.

Belongs here: which there are, and writing one into the parameters of a screen. Does not belong here: their values,
which plugins declare (`base.Parameters.presets`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phenodose.errors import InputError
from phenodose.plugins.base import PRESET, Parameters
from phenodose.plugins.registry import KINDS, Registry


def presets_of(plugins: Registry) -> dict[str, dict[str, type[Parameters]]]:
    """Preset -> the parameters of the plugins that have it, by the plugin's name."""
    found: dict[str, dict[str, type[Parameters]]] = {}
    for kind in KINDS:
        for name, plugin in plugins.usable(kind).items():
            for preset in getattr(plugin.Parameters, "presets", {}):
                found.setdefault(preset, {})[name] = plugin.Parameters
    return found


def expect_preset(preset: str, plugins: Registry) -> None:
    """Raise InputError unless a plugin has a preset of that name."""
    known = presets_of(plugins)
    if preset not in known:
        raise InputError(f"preset {preset!r}: there is no such preset; there are: {', '.join(known) or 'none'}.")


def with_preset(
    preset: str, parameters: Mapping[str, Mapping[str, Any]], plugins: Registry
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Parameters by plugin that go by a preset, wherever a plugin has one of that name.

    Args:
        preset: its name.
        parameters: what was said before.
        plugins: what is installed.

    Returns:
        The parameters, and the names (`cnn.backbone`) of those whose place the preset takes.

    Raises:
        InputError: no plugin has such a preset.
    """
    expect_preset(preset, plugins)
    settled = {name: dict(values) for name, values in parameters.items()}
    gone = []
    for name, model in presets_of(plugins)[preset].items():
        before = settled.get(name, {})
        values = model.presets[preset]
        gone += [f"{name}.{key} = {before[key]!r}" for key in values if key in before]
        settled[name] = {PRESET: preset} | {
            key: value for key, value in before.items() if key != PRESET and key not in values
        }
    return settled, gone
