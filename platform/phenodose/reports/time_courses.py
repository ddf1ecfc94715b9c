"""What the report shows of a screen that was read several times: what each drug does over time.

Does not belong here: the classes and their probabilities (`phenodose.time_courses`), drawing (`plots.courses`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.io.frames import rows_of
from phenodose.plots.courses import Course, drug_course
from phenodose.reports.data import text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

#: Order of the classes in the report, the strongest first, and what they are called.
_WORDS = {"kill": "kills", "regrow": "regrows", "slow": "slows", "none": "none"}
#: The least cells that a figure shows, of those at the start.
_LEAST_CELLS = 2.0**-8
#: Less than this is not sure.
_SURE = 0.95


def time_courses(data: ScreenData, links: dict[str, str]) -> dict[str, Any] | None:
    """Every drug and readout by the class of its highest dose, killing ones first; None for a screen read once.

    Args:
        data: the rows of the screen.
        links: drug -> address of its card within the page.
    """
    classes, wells = data["course_classes"], data["time_courses"]
    shown = classes[classes["is_highest_dose"].eq(True) & classes["course_class"].notna()]
    if shown.empty or wells.empty:
        return None
    rank = {name: place for place, name in enumerate(_WORDS)}
    ordered = shown.assign(_rank=shown["course_class"].map(rank)).sort_values(
        ["_rank", "probability", "drug", "readout"], ascending=[True, False, True, True]
    )
    rows = []
    for row in rows_of(ordered):
        same = (wells["readout"] == row.readout) & (wells["sample"] == row.sample)
        drug = text_of(row.drug)
        rows.append(
            {
                "drug": drug,
                "link": links.get(drug),
                "readout": row.readout,
                "rank": rank[row.course_class],
                "word": _WORDS[row.course_class],
                "probability": row.probability,
                "chance": f"{100 * row.probability:.0f} %{'' if row.probability >= _SURE else ' (not sure)'}",
                "others": _doses(classes, row),
                "change": row.change_doublings,
                "figure": _figure(wells[same], row, data.label(row.readout)),
            }
        )
    times = sorted(wells["time_h"].unique())
    return {"rows": rows, "times": ", ".join(f"{time:g}" for time in times)}


def _doses(classes: pd.DataFrame, row: Any) -> str:
    """The lowest dose from which on the drug has the class of its highest."""
    own = classes[
        (classes["readout"] == row.readout) & (classes["sample"] == row.sample) & (classes["drug"] == row.drug)
    ]
    lowest = row.concentration_nM
    for dose in rows_of(own.sort_values("concentration_nM", ascending=False)):
        if dose.course_class != row.course_class:
            break
        lowest = dose.concentration_nM
    return f"from {lowest:g} nM" if row.course_class != "none" else ""


def _figure(wells: pd.DataFrame, row: Any, readout: str) -> object:
    own = wells[wells["drug"] == row.drug]
    served = own["compared_with"].fillna("").iloc[0] if len(own) else ""
    untreated = wells[wells["control"].eq("negative") & wells["compared_with"].fillna("").eq(served)]
    doses = {dose: _course(some) for dose, some in own.groupby("concentration_nM", sort=True)}
    highest = doses.pop(row.concentration_nM, [])
    label = f"{text_of(row.drug)} over time, {readout}: {_WORDS[row.course_class]}"
    return drug_course(label, _course(untreated), list(doses.values()), highest)


def _course(wells: pd.DataFrame) -> Course:
    """Hours, and doublings of the middle well since the start."""
    middle = wells.groupby("time_h")["cells"].median().dropna()
    doublings = np.log2(np.maximum(middle.to_numpy(dtype=np.float64), _LEAST_CELLS))
    return list(zip(middle.index.astype(float).tolist(), doublings.tolist(), strict=True))
