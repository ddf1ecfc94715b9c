"""A report as PDF, printed by a Chromium that is installed: the same page, in its own print layout.

The browser prints one file that needs no network: it runs without scripts, with no name that it could look up, with a
profile of its own that is thrown away, and in its sandbox unless it is run by root, for whom Chromium has none.

Belongs here: finding and running the browser. Does not belong here: what is printed and how it looks (templates).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from phenodose.errors import InputError
from phenodose.io.files import written_where_named

#: What the policy of a page says of scripts, and what it says where it is printed: nothing runs there.
_SCRIPTS, _NO_SCRIPTS = "script-src 'unsafe-inline'", "script-src 'none'"
#: Programs that are looked for where none is named, in this order.
PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
#: The first version that prints page numbers by the page's own style sheet.
OLDEST = 131
#: What a report of many drugs with images takes on a slow machine, with much to spare.
MOST_SECONDS = 600.0
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
)
_HOW = (
    "install the package chromium (or Google Chrome, or Edge), or name its program in the variable {variable}; or open "
    "the HTML file in any browser and print it there."
)


def find_browser(named: str | None, variable: str) -> str:
    """The program of a browser that can print.

    Args:
        named: program that the site names; None looks for `PROGRAMS`.
        variable: the variable that it is named in, for the message.

    Raises:
        InputError: there is none, or the named one is not there.
    """
    if named:
        found = shutil.which(named)
        if found is None:
            raise InputError(f"{variable} names {named!r}, which is no program here; {_HOW.format(variable=variable)}")
        return found
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise InputError(
            f"a PDF is printed by Chromium, and none is installed (looked for {', '.join(PROGRAMS)}); "
            f"{_HOW.format(variable=variable)}"
        )
    return found


def write_pdf(html: str, path: Path, browser: str, most_seconds: float = MOST_SECONDS) -> None:
    """Print a page that needs no network into a PDF, which is moved into place when it is whole.

    Args:
        html: the page.
        path: the PDF.
        browser: program of a Chromium, see `find_browser`.
        most_seconds: longest time for printing.

    Raises:
        InputError: the browser is too old, or printed nothing.
    """
    with tempfile.TemporaryDirectory(prefix="phenodose-pdf-") as folder:
        place = Path(folder)
        _refuse_old(browser, place)
        page, printed = place / "report.html", place / "report.pdf"
        page.write_text(html.replace(_SCRIPTS, _NO_SCRIPTS, 1), encoding="utf-8")
        arguments = [*_FLAGS, f"--user-data-dir={place / 'profile'}", f"--print-to-pdf={printed}", page.as_uri()]
        told = _run([browser, *_without_sandbox(), *arguments], place, most_seconds)
        if not printed.is_file() or not printed.read_bytes().startswith(b"%PDF"):
            raise InputError(f"{browser} printed no PDF of the report; it said: {told or 'nothing'}")
        with written_where_named(path) as aside:
            aside.write_bytes(printed.read_bytes())


def _without_sandbox() -> list[str]:
    """Chromium refuses to run for root with its sandbox."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return ["--no-sandbox"] if is_root else []


def _refuse_old(browser: str, place: Path) -> None:
    said = _run([browser, "--version"], place, 60.0)
    version = re.search(r"\b(\d+)\.\d+\.\d+", said)
    if version is not None and int(version[1]) < OLDEST:
        raise InputError(
            f"{browser} is version {version[1]}, which prints no page numbers; update it to {OLDEST} or later."
        )


def _run(command: list[str], place: Path, most_seconds: float) -> str:
    """Run a browser to its end, with all processes that it starts; what it said, its last lines."""
    with (place / "said").open("wb") as said:
        running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=place, start_new_session=True
        )
        try:
            running.wait(most_seconds)
        except subprocess.TimeoutExpired as error:
            raise InputError(
                f"{command[0]} did not end within {most_seconds:.0f} s; end other work and retry."
            ) from error
        finally:
            _end(running)
    lines = (place / "said").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " ".join(lines[-3:])[:500]


def _end(running: subprocess.Popen[bytes]) -> None:
    """End the browser with everything that it started, wherever this was left from."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)
    elif running.poll() is None:
        running.kill()
    running.wait()
