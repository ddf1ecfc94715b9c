"""The viewer's server: GET only, on loopback only, for whoever has the address with its key.

Belongs here: addresses, refusals and headers. Does not belong here: what is answered (`plates`, `page/`), HTTP
(Starlette and uvicorn).
"""

from __future__ import annotations

import json
import secrets
import socket
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from phenodose.errors import InputError, NotMade, PhenodoseError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from phenodose.viewer.plates import ScreenPlates

HOST = "127.0.0.1"
_OUR_NAMES = (HOST, "localhost")
_PAGE_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
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
#: The report is one file with scripts of its own. It runs apart (sandbox): it may lead to our page and read none of it.
_REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox allow-scripts allow-downloads",
    # A browser refuses a page that is both sandboxed and alone in its group of windows.
    "Cross-Origin-Opener-Policy": "unsafe-none",
}
#: Answers in the making that Ctrl-C waits for.
_LAST_ANSWERS_S = 1


class ViewerServer:
    """Shows the plates of one screen at `address`, from `serve_forever` until `shutdown` or Ctrl-C.

    Args:
        plates: what is shown.
        port: port on 127.0.0.1; 0 for any free one.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, plates: ScreenPlates, port: int = 0) -> None:
        self.plates = plates
        self.key = secrets.token_urlsafe(16)
        try:
            self._socket = socket.create_server((HOST, port))
        except OSError as error:
            raise InputError(f"port {port} of {HOST} cannot be used ({error}); give another, or 0 for any.") from error
        self.port: int = self._socket.getsockname()[1]
        app = Starlette(
            routes=[Mount(f"/{self.key}", routes=_ROUTES)],
            exception_handlers={HTTPException: _refused, PhenodoseError: _answer_to_fault},
        )
        app.router.redirect_slashes = False
        app.state.plates = plates
        config = uvicorn.Config(
            _Door(app, self.key),
            lifespan="off",
            ws="none",
            # Nothing is logged but what is wrong in the server itself: addresses hold the key.
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_LAST_ANSWERS_S,
        )
        self._server = uvicorn.Server(config)

    @property
    def address(self) -> str:
        """Address of the page; without its key nothing is shown."""
        return f"http://{HOST}:{self.port}/{self.key}/"

    def serve_forever(self) -> None:
        """Answer until `shutdown` or a signal; Ctrl-C raises KeyboardInterrupt."""
        self._server.run(sockets=[self._socket])

    def shutdown(self) -> None:
        """Ask `serve_forever` to return, from any thread."""
        self._server.should_exit = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class _Door:
    """Refuses whoever may be shown nothing, and sends the headers with every answer."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["method"] != "GET":
            # What such a request still sends is not read.
            headers = {"Allow": "GET", "Connection": "close"}
            return PlainTextResponse("this server only shows: it answers GET.", 405, headers)
        # A foreign name that resolves to this machine is how a page from elsewhere would reach us (DNS rebinding).
        if _host_name(dict(scope["headers"]).get(b"host", b"").decode("latin-1")) not in _OUR_NAMES:
            return PlainTextResponse(f"this server answers at {HOST} and localhost only.", 403)
        key, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not secrets.compare_digest(key.encode(), self._key) or not slash:
            return PlainTextResponse("open the whole address that `phenodose view` has printed.", 404)
        return None


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _refused(request: Request, error: Exception) -> Response:
    asked = request.scope["raw_path"].decode("latin-1").partition("/")[2].partition("/")[2]
    return PlainTextResponse(f"nothing is shown at {asked!r}.", 404)


def _answer_to_fault(request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 404 if isinstance(error, InputError | NotMade) else 500)


# --- what can be asked for: answered in threads, as every handler is a plain function -------------------


def _plates(request: Request) -> ScreenPlates:
    plates: ScreenPlates = request.app.state.plates
    return plates


def _page(request: Request) -> Response:
    # Looked up among the page's files: no name of a request becomes part of a path.
    name = request.path_params.get("name", "index.html")
    for file in files("phenodose.viewer").joinpath("page").iterdir():
        kind = file.name.rpartition(".")[2]
        if file.name == name and kind in _PAGE_TYPES:
            return Response(file.read_bytes(), media_type=_PAGE_TYPES[kind])
    raise HTTPException(404)


def _screen(request: Request) -> Response:
    return _json(_plates(request).overview())


def _report(request: Request) -> Response:
    screen = _plates(request).screen
    sample = request.path_params.get("sample")
    page = _plates(request).report(f"{screen}+{sample}.html" if sample else "")
    if page is None:
        raise NotMade(f"screen {screen} has no report in the store; `phenodose report {screen}` writes it.")
    return Response(page, media_type="text/html", headers=_REPORT_HEADERS)


def _strip(request: Request) -> Response:
    return _json(_plates(request).strip(request.query_params.get("drug", "")))


def _plate(request: Request) -> Response:
    return _json(_plates(request).plate(request.path_params["plate"]))


def _well(request: Request) -> Response:
    return _json(_plates(request).well(request.path_params["plate"], request.path_params["well"]))


def _mosaic(request: Request) -> Response:
    png = _plates(request).mosaic(request.path_params["plate"], request.path_params["channel"])
    return Response(png, media_type="image/png")


def _plane(request: Request) -> Response:
    asked = dict(request.path_params)
    pixels = _plates(request).pixels(asked.pop("plate"), **asked)
    height, width = pixels.shape
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    said = {"X-Height": str(height), "X-Width": str(width), "X-Pixels": pixels.dtype.name}
    return Response(little.tobytes(), headers=said, media_type="application/octet-stream")


def _json(value: Any) -> Response:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Response(text, media_type="application/json")


_PLANE = "{kind}/{level:int}/{site:int}/{time:int}/{channel:int}/{z:int}"
_ROUTES = [
    Route("/", _page),
    Route("/screen.json", _screen),
    Route("/strip.json", _strip),
    Route("/report.html", _report),
    Route("/{screen}+{sample}.html", _report),
    Route("/plates/{plate}/plate.json", _plate),
    Route("/plates/{plate}/mosaics/{channel:int}.png", _mosaic),
    Route("/plates/{plate}/wells/{well}/well.json", _well),
    Route(f"/plates/{{plate}}/wells/{{well}}/{_PLANE}", _plane),
    Route("/{name}", _page),
]
