"""A real S3 server on the loopback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")


class S3Server:
    """moto's S3 on a free port of the loopback, with one empty bucket; `fail_every` makes it fail now and then.

    `denies` makes it refuse everything, `ignores_conditions` write whatever a request says about it, and `before` is
    called with the method and path of every request.
    """

    def __init__(self) -> None:
        from moto.server import create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        # Not moto's dispatcher: it looks at every request which of all services is meant.
        self._app = create_backend_app("s3")
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        self._counting = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.requests = self.failed = 0
        self.fail_every = 0
        self.denies = self.ignores_conditions = False
        self.before: Callable[[str, str], None] | None = None
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        with self._counting:
            self.requests += 1
            fails = self.fail_every and self.requests % self.fail_every == 0
            self.failed += bool(fails)
        if self.before is not None:
            self.before(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if self.ignores_conditions:
            environ = {name: value for name, value in environ.items() if name not in _CONDITIONS}
        if self.denies:
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        if not fails:
            return self._app(environ, start_response)
        body = b"<Error><Code>InternalError</Code><Message>made up</Message></Error>"
        # The client would take what it sends for the next request if it were left in the pipe.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("500 Internal Server Error", [("Content-Type", "application/xml")])
        return [body]

    def close(self) -> None:
        self._server.shutdown()
