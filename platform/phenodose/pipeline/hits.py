"""Which calls stand: a drug is a hit only by a readout that did not fail its quality check.

Belongs here: that rule, for every face that counts, marks or names hits (in SQL the view `hits` of the cohort says the
same). Does not belong here: the calls themselves (`phenodose.dose_response.hits`), and which readout ranks (`verdict`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.dose_response.hits import HIT

if TYPE_CHECKING:
    import pandas as pd


def failed_readouts(qc: pd.DataFrame) -> list[str]:
    """The readouts with a quality metric that failed, by name; `qc` is of one screen."""
    return sorted(set(qc.loc[qc["verdict"].eq("fail"), "readout"]))


def standing_calls(scores: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """The scores with those of their calls that stand.

    Args:
        scores: rows of the table `scores`, or of what `phenodose score` writes (no screen, and maybe no readout).
        qc: the quality metrics of the same screens, likewise.

    Returns:
        The rows; `call` is empty where a quality metric of the readout failed, and `readout_failed` (boolean) tells so.
        The other columns are as they were.
    """
    import pandas as pd

    keys = [name for name in ("screen", "sample", "readout") if name in scores and name in qc]
    bad = qc.loc[qc["verdict"].eq("fail"), keys]
    if keys:
        known = set(bad.itertuples(index=False, name=None))
        failed = [key in known for key in scores[keys].itertuples(index=False, name=None)]
    else:
        failed = [len(bad) > 0] * len(scores)
    gone = pd.Series(failed, index=scores.index, dtype=bool)
    call = scores["call"].astype(object)
    return scores.assign(call=call.where(~gone & call.notna(), None), readout_failed=gone)


def is_hit(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of `standing_calls` are hits."""
    return rows["call"].eq(HIT).astype(bool)


def not_judged(scores: pd.DataFrame) -> bool:
    """Whether scores that could be hits have no probability: they have no draws, or were made before there was one."""
    named = scores["hit"].notna()
    return bool(named.any()) and not bool(scores.loc[named, "p_hit_fraction"].notna().any())
