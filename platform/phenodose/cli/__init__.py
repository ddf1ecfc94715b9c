"""The command line: `phenodose COMMAND`.

Belongs here: the list of commands and how errors become exit codes (0 done, 2 the user can mend it,
1 a bug). Each command is a module of this package, imported only when it is called, so that
`phenodose --help` is instant. Does not belong here: science.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from itertools import pairwise

import click

import phenodose
from phenodose.cli.ended import EXIT_CODE, SENTENCE, Terminated
from phenodose.cli.output import complain
from phenodose.cli.terminal import harmless_output
from phenodose.errors import PhenodoseError
from phenodose.io.machine_faults import fault_of_surroundings
from phenodose.io.privacy import private_files

#: Command -> its line in `phenodose --help`. Module `phenodose.cli.<name>`, - as _, holds `command`.
COMMANDS: dict[str, str] = {
    "demo": "Simulate a patient screen and take it from raw images to a drug ranking.",
    "simulate": "Write a raw screen folder with known truth.",
    "ingest": "Turn one raw plate folder into an OME-Zarr plate.",
    "verify": "Check every byte of an OME-Zarr plate against its own hashes and the raw files.",
    "export": "Write a screen as an RO-Crate, or a plate as NGFF 0.4 or as one file.",
    "screen": "Prepare, list and show screens.",
    "run": "Register a screen and materialize its assets.",
    "store": "Check whether several machines may use a store.",
    "curate": "Leave wells out of a screen's results, or take them back, with who and why.",
    "score": "Score a layout with readouts, without a store.",
    "fit": "Fit dose-response curves from a CSV file.",
    "combine": "Tell what two drugs do together, from a table with both doses.",
    "sql": "Ask the cohort in SQL, read-only.",
    "plugins": "List and check plugins.",
    "report": "Write the report of a screen.",
    "sign": "Freeze the report of a screen with all that it rests on.",
    "signed": "List signed reports, and give one back as it was signed.",
    "compare": "Show two screens, or two versions of one, side by side.",
    "view": "Show the plates of a screen in a browser.",
    "ui": "Show the store in the Dagster UI.",
    "why": "Show where a score comes from: wells, images, networks, runs.",
    "drugs": "Tell what the drug library knows of drugs.",
    "targets": "Tell at which targets of drugs a sample is sensitive.",
    "cam": "Show what in a well's image the network goes by.",
    "evaluate": "Tell how well the networks of screens have learned.",
    "transfer-study": "Tell what the epochs of phase I are worth to phase II.",
}


#: What click raises for a command or group by itself that needs more; before 8.2 it prints the help on its own.
_NO_ARGUMENTS: type[click.UsageError] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())


class LazyCommands(click.Group):
    """A command group that imports a command only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands in the order of a screen's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"phenodose.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(phenodose.__version__, prog_name="phenodose")
def cli() -> None:
    """From microscope images of drug-screened tumours to drug sensitivity scores.

    \b
    Example: phenodose demo --store ./store
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with 0, 2 (the user can mend it), 1 (a bug), or 130 and 143 (ended by a signal)."""
    wanted = sys.argv[1:] if arguments is None else arguments
    with private_files(), harmless_output():
        _run(wanted)


def _run(wanted: list[str]) -> None:
    try:
        code = cli.main(args=wanted, prog_name="phenodose", standalone_mode=False)
        # A full disk behind standard output is known only now.
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        _complain("interrupted; run the same command again to go on.", wanted)
        sys.exit(130)
    except Terminated:
        _complain(SENTENCE, wanted)
        sys.exit(EXIT_CODE)
    except click.ClickException as error:
        if isinstance(error, _NO_ARGUMENTS) and error.ctx is not None:
            click.echo(error.ctx.get_help())
            sys.exit(2)
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f" Try `{error.ctx.command_path} --help`."
        _complain(error.format_message() + hint, wanted)
        sys.exit(2)
    except PhenodoseError as error:
        _complain(str(error), wanted)
        sys.exit(2)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            sys.exit(0)
        if fault := fault_of_surroundings(error, _store_of(wanted)):
            _complain(str(fault), wanted)
            _forget_unwritten()
            sys.exit(2)
        if garbled := _garbled(wanted):
            _complain(f"{garbled}: this is no UTF-8; set the terminal to UTF-8, or write it otherwise.", wanted)
            sys.exit(2)
        traceback.print_exc()
        _complain("this is a bug in phenodose; the lines above say where.", wanted)
        sys.exit(1)


def _garbled(arguments: list[str]) -> str:
    """The first argument that is no UTF-8, as of a terminal set to Latin-1, or ''.

    A path may be such a name, so it is told only of a command that failed.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            return repr(argument.encode(errors="surrogateescape"))[1:]
    return ""


def _nobody_reads() -> bool:
    """Whether the reader of standard output has gone, as in `phenodose sql ... | head`; then it is silenced."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _store_of(arguments: list[str]) -> str:
    """What a command works on, for messages about what names no file."""
    named = [after for option, after in pairwise(arguments) if option == "--store"]
    return named[0] if named else "the store"


def _forget_unwritten() -> None:
    """What standard output could not take is not tried again when the process ends, which would be another error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, arguments: list[str]) -> None:
    complain(message, "--json" in arguments)
