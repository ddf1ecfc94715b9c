"""`phenodose store check`: a folder that is not there is no store of one machine's own."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from phenodose.cli.store import command
from phenodose.errors import MissingInputError


def test_a_mistyped_folder_is_told_and_not_made(tmp_path: Path) -> None:
    place = tmp_path / "nfs" / "lab"
    result = CliRunner().invoke(command, ["check", "--store", str(place)])
    assert isinstance(result.exception, MissingInputError)
    assert "there is no such folder" in str(result.exception)
    assert not place.parent.exists()


def test_alone_it_says_whom_it_waits_for_and_that_nobody_came(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["check", "--store", str(tmp_path), "--seconds", "0"])
    assert result.exit_code == 0
    assert "Waiting up to 0 s for another machine" in result.stderr
    assert "No other machine ran this check within 0 s" in result.stdout
    assert list(tmp_path.iterdir()) == []
