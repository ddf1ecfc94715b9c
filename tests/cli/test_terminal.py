"""Whatever stands in names and messages, a terminal is given text."""

from __future__ import annotations

import io
import json
import sys

import click
import pytest

from phenodose.cli import main
from phenodose.cli.output import print_json, progress_display
from phenodose.cli.terminal import harmless, harmless_output, unfiltered

TITLE = "\x1b]0;pwned\x07"


@pytest.mark.parametrize(
    "sign", ["\x00", "\x07", "\x08", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\ud800"]
)
def test_a_sign_that_a_terminal_obeys_is_written_as_its_code(sign: str) -> None:
    assert harmless(f"a{sign}b") == f"a\\u{ord(sign):04x}b"


def test_lines_tabs_and_letters_of_all_peoples_stay() -> None:
    text = "Drüg\tα-Amanitin\n薬 🙂 é\r\n"
    assert harmless(text) == text
    assert harmless("overwritten\rnew") == "overwritten\\u000dnew"


def test_everything_that_is_printed_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with harmless_output():
        click.echo(f"out {TITLE}")
        click.echo(f"err {TITLE}", err=True)
        sys.stdout.write(f"print {TITLE}\n")
        sys.stderr.writelines([TITLE])
    told = capsys.readouterr()
    assert told.out == "out \\u001b]0;pwned\\u0007\nprint \\u001b]0;pwned\\u0007\n"
    assert "\x1b" not in told.err
    assert not hasattr(sys.stdout, "unfiltered")


def test_json_stays_the_same_document(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"drug": f"{TITLE}\x9b\u202e\n"}
    with harmless_output():
        print_json(value)
    told = capsys.readouterr().out
    assert json.loads(told) == value
    assert told.replace("\n", "").isprintable()


def test_a_message_of_an_error_and_a_wrong_option(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["screen", "show", TITLE], [f"--{TITLE}"], ["fit", f"none{TITLE}.csv"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        told = capsys.readouterr()
        assert "\x1b" not in told.out + told.err


class Terminal(io.StringIO):
    """A stream that a display takes for a terminal."""

    def isatty(self) -> bool:
        return True


def test_bars_move_the_cursor_and_names_in_them_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with harmless_output():
        assert unfiltered(sys.stderr) is terminal
        with progress_display("work") as listen:
            listen(1, 2, f"P1 {TITLE}")
    assert TITLE not in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
