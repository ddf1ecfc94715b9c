"""Decisions on wells: which are left out of a screen's results, who said so, when and why.

They stand in the store beside the layout, which stays as it was brought: one row a decision in the table `curations`,
numbered from 1. A decision is added and never taken away; a restoration is a decision of its own. What holds for a well
follows from going through them in order: it is left out as long as an exclusion that names it is not undone.

Belongs here: the record, and what holds for each well. Does not belong here: taking decisions
(`phenodose.screens.decide`), which wells a text means (`phenodose.screens.well_selectors`), and leaving wells out of
the viability (`phenodose.quality.wells`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from phenodose.errors import StoreError
from phenodose.io.files import hash_json
from phenodose.names import measured_name
from phenodose.screens.well_selectors import Selector, well_list
from phenodose.tables.curations import EXCLUDED

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.store.store import Store

Action = Literal["exclude", "restore"]
#: The table, and the one part of it that a screen has.
CURATIONS, PART = "curations", "decisions"
#: What a step's record of its inputs calls the decisions that it heeded: the newest number, a hash of the wells.
DECISIONS = "decisions"
#: Longest reason and name.
_MOST_TEXT = 500
_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        number: within the screen, from 1.
        action: 'exclude' or 'restore'.
        selector: the wells; None of a restoration that names an exclusion by its number.
        what: the wells in words.
        undoes: of a restoration, numbers of the exclusions that it ended.
        n_wells: wells that it named when it was taken.
        by: who decided.
        at: when, UTC.
        because: why.
        undone_by: of an exclusion that holds for no well any more, who ended it.
        undone_at: when that was.
    """

    number: int
    action: Action
    selector: Selector | None
    what: str
    undoes: tuple[int, ...]
    n_wells: int
    by: str
    at: datetime
    because: str
    undone_by: str | None = None
    undone_at: datetime | None = None

    @property
    def words(self) -> str:
        """The decision in words: 'decision 3 (P2/C07 excluded by A. Doe: lint)'."""
        return f"decision {self.number} ({self.what} {self.action}d by {self.by}: {self.because})"

    @property
    def readout(self) -> str | None:
        """The readout that it is limited to; None for all."""
        return self.selector.readout if self.selector is not None else None

    @property
    def holds(self) -> bool:
        """Whether it is an exclusion that holds for a well still."""
        return self.action == "exclude" and self.undone_at is None

    def concerns(self, readout: str | None) -> bool:
        """Whether it is on the readings of a readout; of None, whether it is on all."""
        return self.readout is None or (readout is not None and self.readout == measured_name(readout))


def decisions_of(store: Store, screen: str) -> list[Decision]:
    """All decisions on a screen in the order in which they were taken; [] if there are none.

    Raises:
        StoreError: the record is damaged, or rows are missing in it.
    """
    rows = store.read_table(CURATIONS, screen)
    if rows.empty:
        return []
    found = [_decision(row) for row in rows.sort_values("number").to_dict("records")]
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise StoreError(
            f"{store.table_part(CURATIONS, screen, PART)}: decisions are missing (it holds the numbers "
            f"{', '.join(str(one.number) for one in found)}); restore the file from a backup."
        )
    return found


def excluded(decisions: Sequence[Decision], layout: pd.DataFrame, readout: str | None) -> dict[int, np.ndarray]:
    """The exclusions that hold, by number: which wells each leaves out, bool array (well,).

    Args:
        decisions: in order.
        layout: rows of the table `wells`.
        readout: whose readings are asked about; None for what holds for every readout.
    """
    held: dict[int, np.ndarray] = {}
    for one in decisions:
        for number in one.undoes:
            held.pop(number, None)
        if one.selector is None or not one.concerns(readout):
            continue
        wells = one.selector.wells(layout)
        if one.action == "exclude":
            held[one.number] = wells
        else:
            held = {number: those & ~wells for number, those in held.items()}
    return {number: wells for number, wells in held.items() if wells.any()}


@dataclass(frozen=True)
class Excluded:
    """What holds for the wells of a readout.

    Attributes:
        reasons: one a row of the layout: why the well is left out; None where it is not. Its index is the layout's.
        version: '' if no well is left out; else a hash of which are, and by which decisions.
        newest: number of the newest decision, 0 without any.
        nowhere: decisions that hold and name no well of the layout any more.
    """

    reasons: pd.Series[Any]
    version: str
    newest: int
    nowhere: tuple[Decision, ...] = ()


def excluded_wells(store: Store, screen: str, layout: pd.DataFrame, readout: str) -> Excluded:
    """Which wells of a readout are left out by decisions, and why.

    Raises:
        StoreError: the record is damaged.
    """
    import pandas as pd

    decisions = decisions_of(store, screen)
    held = excluded(decisions, layout, readout)
    told: list[list[str]] = [[] for _ in range(len(layout))]
    for number, wells in held.items():
        one = decisions[number - 1]
        for row in wells.nonzero()[0]:
            told[row].append(f"{EXCLUDED}{number} ({one.by}): {one.because}")
    reasons = pd.Series(["; ".join(texts) or None for texts in told], index=layout.index, dtype=object)
    version = hash_json({number: well_list(layout, wells) for number, wells in held.items()}) if held else ""
    lost = (one for one in decisions if one.holds and one.concerns(readout))
    nowhere = tuple(one for one in lost if one.selector is not None and not one.selector.wells(layout).any())
    return Excluded(reasons, version, len(decisions), nowhere)


def in_force(store: Store, screen: str) -> dict[str, str] | None:
    """The exclusions that are not wholly undone, in words by number; None if nothing was ever decided."""
    decisions = decisions_of(store, screen)
    if not decisions:
        return None
    # A restoration of some of an exclusion's wells tells by its own number.
    newest = max((one.number for one in decisions if one.action == "restore"), default=0)
    held = {str(one.number): one.words for one in decisions if one.holds}
    return held | ({"restored": str(newest)} if held and newest else {})


def row_of(screen: str, one: Decision) -> dict[str, Any]:
    """A decision as a row of the table `curations`."""
    of = one.selector or Selector()
    return {
        "screen": screen,
        "number": one.number,
        "action": one.action,
        "what": one.what,
        "plate": of.plate,
        "well": of.well,
        "drug": of.drug,
        "replicate": of.replicate,
        "sample": of.sample,
        "readout": of.readout,
        "undoes": ", ".join(map(str, one.undoes)) or None,
        "n_wells": one.n_wells,
        "decided_by": one.by,
        "decided_at": one.at,
        "because": one.because,
        "undone_by": one.undone_by,
        "undone_at": one.undone_at,
    }


def _decision(row: dict[Any, Any]) -> Decision:
    import pandas as pd

    known = {str(name): None if pd.isna(value) else value for name, value in row.items()}
    replicate = None if known["replicate"] is None else int(known["replicate"])
    named = (known["plate"], known["drug"], replicate)
    selector = Selector(known["plate"], known["well"], known["drug"], replicate, known["sample"], known["readout"])
    undone_at = known["undone_at"]
    return Decision(
        number=int(row["number"]),
        action=row["action"],
        what=str(row["what"]),
        selector=None if named == (None, None, None) else selector,
        undoes=tuple(int(part) for part in (known["undoes"] or "").split(",") if part.strip()),
        n_wells=int(row["n_wells"]),
        by=str(row["decided_by"]),
        at=row["decided_at"].to_pydatetime(),
        because=str(row["because"]),
        undone_by=known["undone_by"],
        undone_at=None if undone_at is None else undone_at.to_pydatetime(),
    )
