"""What the report of a screen says of an older version that was signed: that it amends it, and in what it differs.

Belongs here: which version is amended, and the words. Does not belong here: finding differences
(`phenodose.signing.differences`), where the words stand on the page (templates).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from phenodose.errors import PhenodoseError
from phenodose.io.files import write_json
from phenodose.io.places import read_bytes
from phenodose.reports.data import ScreenData
from phenodose.reports.of_sample import samples_of
from phenodose.signing.differences import OF_SAMPLE, Differences, differences
from phenodose.signing.state import ScreenState
from phenodose.store.signed import SignedReport, signed_report, signed_versions

if TYPE_CHECKING:
    from phenodose.store.store import Store

#: In the small store of a signed report: what its page says here.
_FROZEN = "amendment.json"
#: In that file, what the pages of single samples say.
_SAMPLES = "of_samples"
_T = TypeVar("_T")
_COMPARED: ContextVar[dict[tuple[str, ...], Any] | None] = ContextVar("compared", default=None)


@contextmanager
def compared_once() -> Iterator[None]:
    """While the block runs, a screen is compared with its signed version once, however many pages tell of it."""
    if _COMPARED.get() is not None:
        yield
        return
    token = _COMPARED.set({})
    try:
        yield
    finally:
        _COMPARED.reset(token)


def _once(make: Callable[[], _T], *key: object) -> _T:
    known = _COMPARED.get()
    if known is None:
        return make()
    name = tuple(map(str, key))
    if name not in known:
        known[name] = make()
    found: _T = known[name]
    return found


def amendment(store: Store, screen: str, sample: str = "") -> dict[str, Any] | None:
    """What the report of a screen amends; None if nothing is signed that differs from it.

    As long as nothing has changed since the newest signed version, that is what this version amends, so that the page
    is the same as the signed one.

    Args:
        store: the store.
        screen: screen id.
        sample: for whose page; what changed of the screen's other samples is then not told. '' for the whole screen.

    Returns:
        words: a sentence that leads to the changes; short: a clause for the head of the page; changes: a sentence each;
        of_screen: what changed of the whole screen, likewise, where the changes are those of a sample; version: the
        number of what is amended.
    """
    if store.frozen:
        told: dict[str, Any] | None = json.loads(read_bytes(store.root / _FROZEN) or b"null")
        of_sample: dict[str, Any] | None = (told or {}).get(_SAMPLES, {}).get(sample, told)
        return of_sample
    if not signed_versions(store, screen):
        return None
    try:
        report, found = since_newest(store, screen)
        if not found:
            return amendment(ScreenState.of_report(store, report).store, screen, sample)
        return _once(lambda: _told(store, report, found, sample), "told", store.root, screen, sample)
    except PhenodoseError as error:
        words = "A signed version of this report cannot be read"
        return {"words": f"{words}:", "short": words, "changes": [str(error)], "version": None}


def _told(store: Store, report: SignedReport, found: Differences, sample: str) -> dict[str, Any]:
    """What a page says of the changes since a signed version."""
    short = f"amends version {report.version}, signed by {report.by} on {report.when}"
    told = {"short": short, "version": report.version}
    if not sample:
        return told | {"words": f"This report {short}. Changed since:", "changes": found.sentences()}
    was = ScreenState.of_report(store, report)
    if sample not in samples_of(was["wells"]):
        return told | {"words": f"This report {short}, which did not hold this sample.", "changes": []}
    own = differences(*(_of_sample(state, sample) for state in (was, ScreenState(report.screen, store, report.screen))))
    changes, of_screen = own.only(OF_SAMPLE).sentences(), own.without(OF_SAMPLE).sentences()
    if any(len(getattr(own, kind)) < len(getattr(found, kind)) for kind in ("scores", "calls", "wells", "left_out")):
        of_screen.append("Other samples of the screen have changed; their pages say in what.")
    words = "Changed since of this sample:" if changes else "Nothing of this sample has changed since."
    return told | {"words": f"This report {short}. {words}", "changes": changes, "of_screen": of_screen}


def _of_sample(state: ScreenState, sample: str) -> ScreenState:
    return replace(state, tables=ScreenData.load(state.store, state.screen, sample).tables)


def since_newest(store: Store, screen: str) -> tuple[SignedReport, Differences]:
    """The newest signed version of a screen's report, and what has changed since.

    Raises:
        MissingInputError: none is signed.
        StoreError: it is damaged.
    """

    def compared() -> tuple[SignedReport, Differences]:
        report = signed_report(store, screen)
        return report, differences(ScreenState.of_report(store, report), ScreenState(screen, store, screen))

    return _once(compared, "since newest", store.root, screen)


def freeze_amendment(store: Store, screen: str, root: Path) -> None:
    """Write down what the pages of a screen say here, for the small store of a signed report."""
    told = amendment(store, screen)
    samples = samples_of(store.read_table("wells", screen))
    if told is not None and len(samples) > 1:
        told = told | {_SAMPLES: {sample: amendment(store, screen, sample) for sample in samples}}
    write_json(root / _FROZEN, told)
