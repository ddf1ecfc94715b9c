"""The viewer's server: GET only, on loopback only, for whoever has the address with its key.

Belongs here: addresses, refusals and headers. Does not belong here: what is answered (`plates`, `page/`).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from phenodose.errors import InputError, NotMade, PhenodoseError

if TYPE_CHECKING:
    from phenodose.viewer.plates import ScreenPlates

HOST = "127.0.0.1"
_OUR_NAMES = (HOST, "localhost")
_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"
_PAGE_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: The page loads from its own server only, no other page may frame or read it, and no image stays in a cache.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Answer:
    """What goes back to the browser."""

    body: bytes
    media_type: str
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


class ViewerServer(ThreadingHTTPServer):
    """Shows the plates of one screen at `address`; `serve_forever` and `shutdown` as of any server.

    Args:
        plates: what is shown.
        port: port on 127.0.0.1; 0 for any free one.

    Raises:
        InputError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, plates: ScreenPlates, port: int = 0) -> None:
        self.plates = plates
        self.key = secrets.token_urlsafe(16)
        self.page = {
            each.name: Answer(each.read_bytes(), _PAGE_TYPES["." + each.name.rpartition(".")[2]])
            for each in files("phenodose.viewer").joinpath("page").iterdir()
            if "." + each.name.rpartition(".")[2] in _PAGE_TYPES
        }
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(f"port {port} of {HOST} cannot be used ({error}); give another, or 0 for any.") from error

    @property
    def address(self) -> str:
        """Address of the page; without its key nothing is shown."""
        return f"http://{HOST}:{self.server_address[1]}/{self.key}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error; all others are told."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ViewerServer
    protocol_version = "HTTP/1.1"
    # Headers and a plane leave in two writes; the second must not wait for the first one's receipt.
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self) -> None:
        self._send(self._answer())

    def _refuse(self) -> None:
        self.close_connection = True
        answer = _said(HTTPStatus.METHOD_NOT_ALLOWED, "this server only shows: it answers GET.")
        self._send(Answer(answer.body, answer.media_type, answer.status, (("Allow", "GET"),)))

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _answer(self) -> Answer:
        # A foreign name that resolves to this machine is how a page from elsewhere would reach us (DNS rebinding).
        if _host_name(self.headers.get("Host", "")) not in _OUR_NAMES:
            return _said(HTTPStatus.FORBIDDEN, f"this server answers at {HOST} and localhost only.")
        key, *parts = [unquote(part) for part in self.path.partition("?")[0].split("/")[1:]]
        if not secrets.compare_digest(key.encode(), self.server.key.encode()) or not parts:
            return _said(HTTPStatus.NOT_FOUND, "open the whole address that `phenodose view` has printed.")
        if len(parts) == 1 and (parts[0] or "index.html") in self.server.page:
            return self.server.page[parts[0] or "index.html"]
        try:
            return _routed(self.server.plates, "/".join(part.replace("/", "\0") for part in parts), self.path)
        except (InputError, NotMade) as error:
            return _said(HTTPStatus.NOT_FOUND, str(error))
        except PhenodoseError as error:
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in (
            *_HEADERS.items(),
            *answer.headers,
            ("Content-Type", answer.media_type),
            ("Content-Length", str(len(answer.body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def version_string(self) -> str:
        """Nothing of versions is told."""
        return "phenodose"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name that http.server gives)
        """Nothing is logged: addresses hold the key."""


def _said(status: HTTPStatus, sentence: str) -> Answer:
    return Answer(sentence.encode(), _TEXT, status)


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


# --- what can be asked for ------------------------------------------------------------------------

_NAME, _NUMBER = r"([^/]{1,200})", r"([0-9]{1,6})"


def _routed(plates: ScreenPlates, path: str, asked: str) -> Answer:
    for pattern, handle in _ROUTES:
        if found := pattern.fullmatch(path):
            return handle(plates, *found.groups())
    return _said(HTTPStatus.NOT_FOUND, f"nothing is shown at {asked.partition('/')[2].partition('/')[2]!r}.")


def _screen(plates: ScreenPlates) -> Answer:
    return _json(plates.overview())


def _plate(plates: ScreenPlates, plate: str) -> Answer:
    return _json(plates.plate(plate))


def _well(plates: ScreenPlates, plate: str, well: str) -> Answer:
    return _json(plates.well(plate, well))


def _mosaic(plates: ScreenPlates, plate: str, channel: str) -> Answer:
    return Answer(plates.mosaic(plate, int(channel)), "image/png")


def _plane(plates: ScreenPlates, plate: str, well: str, kind: str, *numbers: str) -> Answer:
    level, site, time, channel, z = map(int, numbers)
    pixels = plates.pixels(plate, well, kind, level, site, time, channel, z)
    height, width = pixels.shape
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    said = (("X-Height", str(height)), ("X-Width", str(width)), ("X-Pixels", pixels.dtype.name))
    return Answer(little.tobytes(), "application/octet-stream", headers=said)


def _json(value: Any) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False, allow_nan=False).encode(), _JSON)


_ROUTES: list[tuple[re.Pattern[str], Callable[..., Answer]]] = [
    (re.compile(r"screen\.json"), _screen),
    (re.compile(rf"plates/{_NAME}/plate\.json"), _plate),
    (re.compile(rf"plates/{_NAME}/mosaics/{_NUMBER}\.png"), _mosaic),
    (re.compile(rf"plates/{_NAME}/wells/{_NAME}/well\.json"), _well),
    # kind, then pyramid level, site, time point, channel and plane
    (re.compile(rf"plates/{_NAME}/wells/{_NAME}/{_NAME}/{'/'.join([_NUMBER] * 5)}"), _plane),
]
