"""What was decided on the wells of a screen, and commands that leave doubtful wells out.

Belongs here: rows and commands as the report shows them. Does not belong here: taking decisions
(`phenodose.screens.decide`), flags (`phenodose.quality.wells`).
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of
from phenodose.reports.data import text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

#: A command names so many wells at most.
_MOST_WELLS = 24


def decisions(data: ScreenData) -> dict[str, Any]:
    """All decisions with who, when and why, and for each flag of a readout the command that leaves its wells out."""
    return {
        "rows": [
            {
                "number": row.number,
                "action": "left out" if row.action == "exclude" else "taken back",
                "what": row.what,
                "by": row.decided_by,
                "at": f"{row.decided_at:%Y-%m-%d %H:%M} UTC",
                "because": row.because,
                "undone": f"by {row.undone_by}, {row.undone_at:%Y-%m-%d %H:%M} UTC" if text_of(row.undone_by) else "",
            }
            for row in rows_of(data["curations"].sort_values("number"))
        ],
        "commands": _commands(data),
    }


def exclude_command(screen: str, wells: list[str], because: str, readout: str) -> str:
    """The command that leaves wells such as 'P2/C07' out of a readout."""
    words = ["phenodose", "curate", screen, "exclude", *wells, "--readout", readout, "--because", because]
    return shlex.join(words)


def _commands(data: ScreenData) -> list[dict[str, str]]:
    viability = data["viability"]
    # A readout without effects of place has the wells of the one that was measured.
    flagged = viability[viability["flag"].notna() & ~viability["masked"].astype(bool)]
    found = []
    for (readout, flag), rows in flagged.groupby(["readout", "flag"], sort=True):
        if not str(readout).endswith("_corrected"):
            found.append(_command(data.screen, str(readout), str(flag), rows))
    return found


def _command(screen: str, readout: str, flag: str, rows: pd.DataFrame) -> dict[str, str]:
    wells = [f"{plate}/{well}" for plate, well in zip(rows["plate"], rows["well"], strict=True)]
    of = f", the first {_MOST_WELLS} of {len(wells)}" if len(wells) > _MOST_WELLS else ""
    command = exclude_command(screen, wells[:_MOST_WELLS], f"flagged {flag}", readout)
    return {"what": f"{readout}, {flag}{of}", "command": command}
