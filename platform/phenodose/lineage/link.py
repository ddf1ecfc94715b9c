"""One link of the chain from a number back to what it was made from.

Does not belong here: gathering links (`trace`, `pairs`), printing them (`phenodose.cli.why`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Link:
    """One link of the chain.

    Attributes:
        what: what it is, such as 'curve of ctg'.
        facts: name -> value, in order; names carry units.
        rows: a table of like things, such as wells; empty if there is none.
        doubts: what does not fit any more, one sentence each.
        made_from: the links before it.
    """

    what: str
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    made_from: list[Link] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The chain as plain values, for JSON."""
        return asdict(self)

    def every(self) -> Iterator[Link]:
        """This link and all before it."""
        yield self
        for link in self.made_from:
            yield from link.every()
