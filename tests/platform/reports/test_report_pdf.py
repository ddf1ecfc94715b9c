"""A report is printed as PDF by the Chromium that is installed; without one, the message says what to do."""

from __future__ import annotations

import importlib.util
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from phenodose.cli import main
from phenodose.errors import InputError
from phenodose.reports.pdf import find_browser, write_pdf

SCREEN = "BT-40_V1_DS1"
VARIABLE = "PHENODOSE_CHROMIUM"


def program(path: Path, script: str) -> str:
    """A program that stands for a browser."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def installed() -> str:
    spec = importlib.util.spec_from_file_location("browser", Path(__file__).parents[2] / "browser.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: str | None = module.chromium()
    if found is None:
        pytest.skip("no Chromium here; install the package chromium, or name one in PHENODOSE_CHROMIUM")
    return found


def run(store: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """`phenodose report SCREEN --pdf`: exit code, output, messages."""
    with pytest.raises(SystemExit) as ended:
        main(["report", SCREEN, "--no-maps", "--pdf", "--store", str(store), "--out", str(out)])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_a_report_is_printed_beside_its_page(
    made_up_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, installed())
    out = tmp_path / "one.html"
    code, said, _ = run(made_up_root, out, capsys)
    assert (code, said.split()) == (0, [str(out), str(out.with_suffix(".pdf"))])
    printed = out.with_suffix(".pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    n_pages = len(re.findall(rb"/Type\s*/Page[^s]", printed))
    assert 2 <= n_pages <= 8, "six drugs, four readouts and two plates"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.html", "one.pdf"]


def test_without_a_browser_nothing_is_written_and_the_message_says_what_to_do(
    made_up_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    out = tmp_path / "one.html"
    code, _, message = run(made_up_root, out, capsys)
    assert code == 2
    assert "install the package chromium" in message
    assert VARIABLE in message
    assert not out.exists()


def test_a_named_browser_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match=f"{VARIABLE} names 'no-such-browser', which is no program here"):
        find_browser("no-such-browser", VARIABLE)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo Chromium 120.0.6099.1", "is version 120, which prints no page numbers; update it to 131"),
        ('echo "Chromium 140.0.1.1"; echo no display', "printed no PDF of the report; it said: .*no display"),
    ],
)
def test_a_browser_that_cannot_print_is_told_and_leaves_nothing(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_pdf("<p>", tmp_path / "out" / "one.pdf", program(tmp_path / "browser", script))
    assert not (tmp_path / "out").exists()


def test_a_browser_that_does_not_end_is_ended(tmp_path: Path) -> None:
    slow = program(tmp_path / "browser", 'case "$1" in --version) ;; *) sleep 600 ;; esac')
    with pytest.raises(InputError, match="did not end within 1 s"):
        write_pdf("<p>", tmp_path / "one.pdf", slow, most_seconds=1)


def test_no_script_runs_in_print_and_no_name_is_looked_up(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = (
        f'for last; do :; done; echo "$@" >> {seen}; case "$last" in file:*) cat "${{last#file://}}" >> {seen} ;; esac'
    )
    page = "<meta content=\"default-src 'none'; script-src 'unsafe-inline'\"><p>"
    with pytest.raises(InputError, match="printed no PDF"):
        write_pdf(page, tmp_path / "one.pdf", program(tmp_path / "browser", script))
    told = seen.read_text(encoding="utf-8")
    assert "script-src 'none'" in told
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in told
    assert "unsafe-inline" not in told


def test_only_root_prints_without_the_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = program(tmp_path / "browser", f'echo "$@" >> {seen}')
    for user, expected in ((0, True), (1000, False)):
        seen.write_text("", encoding="utf-8")
        monkeypatch.setattr("os.geteuid", _constant(user))
        with pytest.raises(InputError, match="printed no PDF"):
            write_pdf("<p>", tmp_path / "one.pdf", browser)
        assert ("--no-sandbox" in seen.read_text(encoding="utf-8")) is expected


def _constant(value: int) -> Any:
    return lambda: value
