"""Which calls stand: a drug is a hit only by a readout that did not fail its quality check.

Belongs here: that rule, for every face that counts, marks or names hits (in SQL the view `hits` of the cohort says the
same). Does not belong here: the calls themselves (`phenodose.dose_response.hits`), and which readout ranks (`verdict`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.dose_response.hits import HIT

if TYPE_CHECKING:
    import pandas as pd


def standing_calls(scores: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """The scores with those of their calls that stand.

    Args:
        scores: rows of the table `scores`, or of what `phenodose score` writes (no screen, and maybe no readout).
        qc: the quality metrics of the same screens, likewise; one that names no sample is about all samples.

    Returns:
        The rows; `call` is empty where a quality metric of the readout and sample failed, and `readout_failed`
        (boolean) tells so. The other columns are as they were.
    """
    import pandas as pd

    keys = [name for name in ("screen", "readout") if name in scores and name in qc]
    bad = qc[qc["verdict"].eq("fail")]
    samples = [name if isinstance(name, str) else "" for name in bad["sample"]] if "sample" in qc else [""] * len(bad)
    known = set(zip(_keys(bad, keys), samples, strict=True))
    failed = (
        [
            (key, "") in known or (key, sample) in known
            for key, sample in zip(_keys(scores, keys), scores["sample"], strict=True)
        ]
        if known
        else False
    )
    gone = pd.Series(failed, index=scores.index, dtype=bool)
    call = scores["call"].astype(object)
    return scores.assign(call=call.where(~gone & call.notna(), None), readout_failed=gone)


def _keys(rows: pd.DataFrame, names: list[str]) -> list[tuple[str, ...]]:
    return list(zip(*(rows[name].tolist() for name in names), strict=True)) if names else [()] * len(rows)


def is_hit(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of `standing_calls` are hits."""
    return rows["call"].eq(HIT).astype(bool)


def not_judged(scores: pd.DataFrame) -> bool:
    """Whether scores that could be hits have no probability: they have no draws, or were made before there was one."""
    named = scores["hit"].notna()
    return bool(named.any()) and not bool(scores.loc[named, "p_hit_fraction"].notna().any())


def of_an_older_version(scores: pd.DataFrame) -> bool:
    """Whether scores that could be hits have intervals and yet no probability: what made them knew of none."""
    return not_judged(scores) and bool(scores.loc[scores["hit"].notna(), "lower"].notna().any())
