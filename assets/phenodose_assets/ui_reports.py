"""Reports in the Dagster UI: a link on the page of an asset opens them, from the same server.

A report is a page that others' files have a say in (names of drugs, of samples), so it is shown as a page of nobody:
the browser lets it run, and gives it nothing of the UI's.

Belongs here: which file is sent, and how. Does not belong here: who may ask (`ui_door`), the addresses (`links`), what
a report says (`phenodose.reports`).
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from phenodose.errors import PhenodoseError
from phenodose.names import check_screen_id
from phenodose.settings.environment import read_environment
from phenodose.store.store import Store
from phenodose_assets.links import COHORT_NAME, REPORTS

_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads "
    "allow-modals; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def report_route() -> Route:
    """The server's answer at these addresses."""
    return Route(f"{REPORTS}{{name}}.html", _report, methods=["GET"])


async def _report(request: Request) -> Response:
    name = request.path_params["name"]
    try:
        page = await run_in_threadpool(_read, read_environment().open_store(), name)
    except (PhenodoseError, OSError) as error:
        return PlainTextResponse(f"{error}\n", 404, _HEADERS)
    return Response(page, headers=_HEADERS, media_type="text/html")


def _read(store: Store, name: str) -> bytes:
    from phenodose.reports import cohort_report_path

    screen, of_sample, sample = name.partition("+")
    if name == COHORT_NAME:
        path = cohort_report_path(store)
    else:
        path = store.report_path(check_screen_id(screen))
        path = path.with_name(f"{screen}+{check_screen_id(sample)}.html") if of_sample else path
    try:
        return store.local_copy(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such report; materialize `patient_report` of {screen}.") from None
