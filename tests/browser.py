"""A real browser for the tests of pages: Chromium, driven by playwright, that cannot reach any network but loopback.

Belongs here: finding and starting Chromium, and what a page did (console, errors, requests). Does not
belong here: what a page should show; each test says that. `conftest.py` offers it as the fixture `browser`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: Without the last five, Chromium calls its maker's servers at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Milliseconds after which what a page should show does not come any more, however busy the machine is.
LONGEST_MS = 600_000
#: Looks at every control of a page.
CONTROLS = Path(__file__).with_name("controls.js")
MOST_TABS = 300
#: Folder in which screenshots lie after the tests, for a person to look at; none are made unless it is named.
ARTEFACTS = os.environ.get("PHENODOSE_TEST_ARTEFACTS", "")
#: Times that the Tab key is pressed before somebody looks where it has come.
TABS_AT_ONCE = 8


def chromium() -> str | None:
    """The path of an installed Chromium, or None."""
    wanted = [os.environ.get("PHENODOSE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in wanted if name and (found := shutil.which(name))), None)


class Watched:
    """A page and everything it said and asked for.

    Attributes:
        page: playwright's page.
        troubles: errors thrown by the page's scripts and errors and warnings on its console.
        requests: addresses that it asked for, in order, its own first.
        size: of its window at first, px.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.size = page.viewport_size
        self.troubles: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("console", self._heard)
        page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.type}: {message.text}")

    def begin_again(self) -> None:
        """An empty page as a new one is, without the seconds that a new profile takes; it has said nothing yet."""
        self.page.goto("about:blank")
        self.page.emulate_media(media="null")
        self.page.set_viewport_size(self.size)
        self.troubles.clear()
        self.requests.clear()

    def open_file(self, path: Path) -> Any:
        """Open an HTML file as a person would, with a double click; returns the page."""
        self.page.goto(path.resolve().as_uri())
        return self.page

    def outside(self) -> list[str]:
        """Requests that left the page's own file: every one that is not file:, data:, blob: or about:."""
        return [url for url in self.requests if urlsplit(url).scheme not in ("file", "data", "blob", "about")]

    def misplaced(self) -> list[str]:
        """What is wrong with the controls of the page as it stands: covered, without a name, beyond the window."""
        return list(self.page.evaluate(CONTROLS.read_text(encoding="utf-8")))

    def unreached(self) -> list[str]:
        """Controls that the Tab key does not come to, by id or text; it is pressed until it comes round."""
        self.page.evaluate(
            """() => {
              document.querySelectorAll('[data-tabbed]').forEach(e => delete e.dataset.tabbed);
              document.activeElement.blur();
              window.cameRound = false;
              window.noteFocus ??= document.addEventListener('focusin', ({ target }) => {
                window.cameRound ||= 'tabbed' in target.dataset;
                target.dataset.tabbed = '';
              }) ?? true;
            }"""
        )
        for _ in range(0, MOST_TABS, TABS_AT_ONCE):
            for _ in range(TABS_AT_ONCE):
                self.page.keyboard.press("Tab")
            if self.page.evaluate("window.cameRound"):
                break
        return list(
            self.page.evaluate(
                "() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]"
                ".filter(e => e.checkVisibility() && e.tabIndex >= 0 && !e.disabled && !('tabbed' in e.dataset))"
                ".map(e => e.id || e.textContent || e.outerHTML)"
            )
        )

    def screenshot(self, name: str, **how: Any) -> None:
        """Keep a picture of the page as NAME.png, where a folder for it is named."""
        if ARTEFACTS:
            Path(ARTEFACTS).mkdir(exist_ok=True)
            self.page.screenshot(path=Path(ARTEFACTS) / f"{name}.png", **how)


class Browser:
    """Chromium; each `watched()` page has a profile of its own."""

    def __init__(self, chromium_browser: Any) -> None:
        self._browser = chromium_browser

    @contextmanager
    def watched(self, width: int = 1280, height: int = 900, **context: Any) -> Iterator[Watched]:
        """A new page that is closed at the end; `context` goes to playwright's `new_context`."""
        made = self._browser.new_context(viewport={"width": width, "height": height}, **context)
        made.set_default_timeout(LONGEST_MS)
        try:
            yield Watched(made.new_page())
        finally:
            made.close()


@contextmanager
def started() -> Iterator[Browser]:
    """Chromium, started and at the end stopped. playwright holds the thread's event loop while it runs."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield Browser(browser)
        finally:
            browser.close()
