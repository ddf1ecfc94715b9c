"""Pages that tell by themselves whether they were changed: the seal of all their bytes in a comment at their end.

Does not belong here: seals (`phenodose.io.seals`), signed reports (`signing`).
"""

from __future__ import annotations

from phenodose.io.seals import OPEN_SEAL, sealed

_COMMENT = f"<!-- {OPEN_SEAL} -->\n"
#: What sealing adds to a page.
SEAL_BYTES = len(_COMMENT) + 1


def sealed_page(html: str) -> bytes:
    """The bytes of the file of a page, with its seal."""
    return sealed(f"{html.rstrip()}\n{_COMMENT}".encode())
