"""The options of every command that reads a raw folder: `--reader` and `--param`.

Belongs here: options to a reader. Does not belong here: which reader knows a folder (`phenodose.plugins.readers`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phenodose.cli.output import plugins_at
from phenodose.cli.plugin_options import param_option
from phenodose.errors import InputError

if TYPE_CHECKING:
    from phenodose.plugins import Reader

_Command = TypeVar("_Command", bound=Callable[..., Any])


def reader_options(command: _Command) -> _Command:
    """Give a command the options `--reader NAME` and `--param NAME=VALUE` (as `reader_name` and `param`)."""
    command = param_option("param", "NAME=VALUE", "A parameter of the reader named by --reader; may be repeated.")(
        command
    )
    return click.option(
        "--reader", "reader_name", metavar="NAME", help="Reader plugin; by default the one that knows the files."
    )(command)


def reader_of(folder: Path, name: str | None, param: Sequence[str]) -> Reader:
    """The reader of a raw folder, with the parameters given on the command line.

    Raises:
        InputError: a parameter is not NAME=VALUE or there is no --reader to take it; or no reader knows the folder.
        PluginError: the reader does not take the parameters.
    """
    from phenodose.plugins import choose_reader

    if param and name is None:
        raise InputError(f"--param {param[0]}: say which reader takes it, for example --reader pattern.")
    parameters = dict(_parsed(text) for text in param)
    given = {name: parameters} if name is not None else None
    return choose_reader(
        folder, plugins_at(), name, given, tell=lambda sentence: click.echo(f"note: {sentence}", err=True)
    )


def _parsed(text: str) -> tuple[str, Any]:
    """Name and value: lists and tables as JSON, everything else as text, which the reader's model converts."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"--param {text}: write NAME=VALUE, for example --param z_step_um=2.5.")
    if value[:1] in ("{", "["):
        try:
            return name.strip(), json.loads(value)
        except ValueError:
            pass  # a regular expression may begin like that
    return name.strip(), value
