"""Parameters of plugins on the command line: `-p NAME=VALUE`, or `-p PLUGIN.NAME=VALUE` for one of several.

Belongs here: the option and what it means. Does not belong here: checking values, which each plugin's model does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from phenodose.errors import InputError
from phenodose.plugins.base import Plugin

_Command = TypeVar("_Command", bound=Callable[..., Any])


def plugin_options(command: _Command) -> _Command:
    """Give a command the option `-p [PLUGIN.]NAME=VALUE` (as `given`)."""
    return click.option(
        "-p",
        "--parameter",
        "given",
        metavar="[PLUGIN.]NAME=VALUE",
        multiple=True,
        help="A parameter of the plugin; values as in TOML, else text; may be repeated. docs/plugin_reference.md "
        "lists them.",
    )(command)


def given_parameters(given: Iterable[str], plugins: Mapping[str, type[Plugin]]) -> dict[str, dict[str, Any]]:
    """Parameters by plugin; one without a plugin's name goes to every plugin that has it.

    Raises:
        InputError: an item is not NAME=VALUE, or no plugin has that parameter.
    """
    parameters: dict[str, dict[str, Any]] = {}
    for item in given:
        left, equals, text = item.partition("=")
        plugin, dot, name = left.strip().rpartition(".")
        if not (equals and name):
            raise InputError(f"-p {item}: write NAME=VALUE or PLUGIN.NAME=VALUE, such as -p amin=10.")
        if dot and plugin not in plugins:
            raise InputError(f"-p {item}: {plugin!r} is not used here; used are: {', '.join(plugins)}.")
        takers = [one for one, cls in plugins.items() if plugin in ("", one) and name in cls.Parameters.model_fields]
        if not takers:
            known = sorted({f"{one}.{field}" for one, cls in plugins.items() for field in cls.Parameters.model_fields})
            raise InputError(f"-p {item}: no plugin here has a parameter {name!r}; there are: {', '.join(known)}.")
        for taker in takers:
            parameters.setdefault(taker, {})[name] = value_of(text.strip())
    return parameters


def value_of(text: str) -> Any:
    """A value as TOML writes it (10, 2.5, true, [1, 2]); anything else is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
