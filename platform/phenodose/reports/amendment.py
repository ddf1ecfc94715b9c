"""What the report of a screen says of an older version that was signed: that it amends it, and in what it differs.

Belongs here: which version is amended, and the words. Does not belong here: finding differences
(`phenodose.signing.differences`), where the words stand on the page (templates).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import PhenodoseError
from phenodose.io.files import write_json
from phenodose.io.places import read_bytes
from phenodose.signing.differences import Differences, differences
from phenodose.signing.state import ScreenState
from phenodose.store.signed import SignedReport, signed_report, signed_versions

if TYPE_CHECKING:
    from phenodose.store.store import Store

#: In the small store of a signed report: what its page says here.
_FROZEN = "amendment.json"


def amendment(store: Store, screen: str) -> dict[str, Any] | None:
    """What the report of a screen amends; None if nothing is signed that differs from it.

    As long as nothing has changed since the newest signed version, that is what this version amends, so that the page
    is the same as the signed one.

    Returns:
        words: a sentence that leads to the changes; short: a clause for the head of the page; changes: a sentence each;
        version: the number of what is amended.
    """
    if store.frozen:
        told: dict[str, Any] | None = json.loads(read_bytes(store.root / _FROZEN) or b"null")
        return told
    if not signed_versions(store, screen):
        return None
    try:
        report, found = since_newest(store, screen)
        if not found:
            return amendment(ScreenState.of_report(store, report).store, screen)
    except PhenodoseError as error:
        words = "A signed version of this report cannot be read"
        return {"words": f"{words}:", "short": words, "changes": [str(error)], "version": None}
    short = f"amends version {report.version}, signed by {report.by} on {report.when}"
    words = f"This report {short}. Changed since:"
    return {"words": words, "short": short, "changes": found.sentences(), "version": report.version}


def since_newest(store: Store, screen: str) -> tuple[SignedReport, Differences]:
    """The newest signed version of a screen's report, and what has changed since.

    Raises:
        MissingInputError: none is signed.
        StoreError: it is damaged.
    """
    report = signed_report(store, screen)
    return report, differences(ScreenState.of_report(store, report), ScreenState(screen, store, screen))


def freeze_amendment(told: dict[str, Any] | None, root: Path) -> None:
    """Write down what a page says here, for the small store of a signed report."""
    write_json(root / _FROZEN, told)
