"""The door of the Dagster UI: who may knock, and that looking changes nothing.

Dagster's server answers whoever reaches it. A page of somebody else in the same browser reaches it, too: by a form, by
an address in a picture, or under a name of its own that it lets point to this machine. So a request must be sent to
one of the server's own names, a browser must say that it comes from the server's own pages, and what changes something
must be posted.

Belongs here: the checks, for any server of the ASGI kind. Does not belong here: starting the server (`ui_server`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Names by which a browser on this machine reaches it.
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_GOING_AWAY = 1008


class Door:
    """Passes on what may come in, and answers everything else itself."""

    def __init__(self, app: App, names: Collection[str]) -> None:
        """Stand before `app`; `names` are the host names under which it may be asked, without ports."""
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a web socket."""
        fault = self._fault(scope) if scope["type"] in ("http", "websocket") else None
        if fault is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _GOING_AWAY, "reason": fault})
        else:
            head = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 403, "headers": head})
            await send({"type": "http.response.body", "body": f"{fault}\n".encode()})

    def _fault(self, scope: Scope) -> str | None:
        """Why a request is refused; None if it may come in."""
        said: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            said.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip().lower())
        hosts, origins = said.get("host", []), said.get("origin", [])
        if len(hosts) != 1 or _name(hosts[0]) not in self._names:
            return "This server is not known by that name; start it with --allow-host NAME if it should be."
        if any(urlsplit(origin).netloc != hosts[0] for origin in origins):
            return "This request comes from a page of another server."
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if changes and any(site in ("cross-site", "same-site") for site in said.get("sec-fetch-site", [])):
            return "This request comes from a page of another server."
        if scope["type"] == "http" and scope["method"] != "POST" and _asks_for_a_change(scope["query_string"]):
            return "What changes something must be posted."
        return None


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets; '' if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _asks_for_a_change(query_string: bytes) -> bool:
    """Whether a GraphQL document in an address is, or holds, more than a question."""
    documents = [
        value
        for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        if name.strip().lower() == "query"
    ]
    if not documents:
        return False
    from graphql import GraphQLError, OperationType, parse

    for document in documents:
        try:
            found = parse(document, no_location=True)
        except GraphQLError:  # no document: the server refuses it, or it is a search of a page
            continue
        except RecursionError:
            return True
        if any(getattr(one, "operation", OperationType.QUERY) is not OperationType.QUERY for one in found.definitions):
            return True
    return False
