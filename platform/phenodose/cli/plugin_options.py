"""Parameters of plugins on the command line: `--param NAME=VALUE`, or `--param PLUGIN.NAME=VALUE` for one of several.

One name in every command, short `-p`; the names that commands had before (`--set`, `--parameter`) go on working.

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


#: Names of the option in earlier versions, which no help shows.
_OLD_NAMES = ("--set", "--parameter")


class _ParamOption(click.Option):
    """An option that has old names, too."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help, without the old names."""
        every = self.opts
        self.opts = [name for name in every if name not in _OLD_NAMES]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = every


def param_option(as_name: str, metavar: str, help_text: str) -> Callable[[_Command], _Command]:
    """Give a command the option `--param` (`-p`, and its old names).

    Args:
        as_name: the command's argument.
        metavar: what stands after it, such as NAME=VALUE.
        help_text: what it sets, and what it wins over.
    """
    names = ("-p", "--param", *_OLD_NAMES)
    return click.option(*names, as_name, cls=_ParamOption, metavar=metavar, multiple=True, help=help_text)


def plugin_options(command: _Command) -> _Command:
    """Give a command the option `--param [PLUGIN.]NAME=VALUE` (as `given`)."""
    return param_option(
        "given",
        "[PLUGIN.]NAME=VALUE",
        "A parameter of the plugin; values as in TOML, else text; may be repeated. docs/plugin_reference.md "
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
            raise InputError(f"--param {item}: write NAME=VALUE or PLUGIN.NAME=VALUE, such as --param amin=10.")
        if dot and plugin not in plugins:
            raise InputError(f"--param {item}: {plugin!r} is not used here; used are: {', '.join(plugins)}.")
        takers = [one for one, cls in plugins.items() if plugin in ("", one) and name in cls.Parameters.model_fields]
        if not takers:
            known = sorted({f"{one}.{field}" for one, cls in plugins.items() for field in cls.Parameters.model_fields})
            raise InputError(f"--param {item}: no plugin here has a parameter {name!r}; there are: {', '.join(known)}.")
        for taker in takers:
            parameters.setdefault(taker, {})[name] = value_of(text.strip())
    return parameters


def value_of(text: str) -> Any:
    """A value as TOML writes it (10, 2.5, true, [1, 2]); anything else is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
