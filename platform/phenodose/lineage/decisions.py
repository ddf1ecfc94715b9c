"""Which decisions on wells bear on a score: exclusions and restorations of its wells and of the controls beside them.

Belongs here: finding them among a screen's decisions, and the link of the chain. Does not belong here: what holds for a
well (`phenodose.screens.curations`), and the chain (`trace`, `pairs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from phenodose.lineage.link import Link

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.screens.curations import Decision

#: Wells that are named one by one.
_NAMED = 12


def decision_links(
    decisions: Sequence[Decision], wells: pd.DataFrame, concerned: np.ndarray, readout: str
) -> list[Link]:
    """The link that tells which wells behind a score were left out or taken back; [] if none ever was.

    Args:
        decisions: of the screen, in order.
        wells: the wells of the readout, with the columns of the table `wells`.
        concerned: bool array (well,): the score's own wells, and the controls that they may be measured by.
        readout: whose readings are meant.
    """
    rows: dict[int, dict[str, Any]] = {}
    for one in decisions:
        if one.selector is None:  # undoes an exclusion by its number
            if one.undoes[0] in rows:
                rows[one.number] = _row(one, str(rows[one.undoes[0]]["wells"]))
        elif one.concerns(readout) and (hit := one.selector.wells(wells) & concerned).any():
            rows[one.number] = _row(one, _names(wells[hit]))
    return [Link("decisions on these wells and their controls", rows=list(rows.values()))] if rows else []


def _row(one: Decision, wells: str) -> dict[str, Any]:
    row = {
        "decision": one.number,
        "action": one.action,
        "what": one.what,
        "wells": wells,
        "by": one.by,
        "at": one.at.isoformat(timespec="seconds"),
        "because": one.because,
    }
    if one.undone_at is not None:
        row["undone"] = f"by {one.undone_by}, {one.undone_at.isoformat(timespec='seconds')}"
    return row


def _names(wells: pd.DataFrame) -> str:
    names = [f"{plate}/{well}" for plate, well in zip(wells["plate"], wells["well"], strict=True)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
