"""The cohort as the reference: scores of the same drugs in the other samples of a store.

Belongs here: which samples of a store a screen is compared with. Does not belong here: tables of reference samples that
somebody wrote (`phenodose.dose_response.reference_samples`) and comparing (`phenodose.dose_response.selective`).

The rule: every other sample of the store that has a pooled score of the same drug, readout and scorer is a reference
sample. Other screens of the screen's own samples are left out; several screens of another sample count once, by the
mean of their scores. Of a drug with fewer than `LEAST_SAMPLES` such samples nothing is said.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.dose_response.reference_samples import REFERENCE_NAMES as REFERENCE_NAMES
from phenodose.errors import NotMade, StoreError
from phenodose.io.files import hash_bytes

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store

#: A drug is compared with at least so many other samples; a standard deviation of two says nothing.
LEAST_SAMPLES = 3
#: Columns of `cohort_scores`.
COHORT_COLUMNS = ("screen", "sample", "drug", "scorer", "score")
_POOLED = "pooled"


@dataclass(frozen=True)
class CohortTable:
    """Reference samples of a store, written as a table that scorers read.

    Attributes:
        path: the table: sample, drug, scorer, score; it is gone when the scores are made.
        n_samples: number of samples in it.
        content_hash: hash of the table.
    """

    path: Path
    n_samples: int
    content_hash: str


def cohort_scores(store: Store, screen: str, readout: str, scorer: str | None = None) -> pd.DataFrame:
    """The pooled scores of all screens of other samples, as their files hold them now.

    Args:
        store: the store.
        screen: the screen that is compared; its samples are left out, in its other screens too.
        readout: readout of the scores.
        scorer: scorer of the scores; None for all.

    Returns:
        One row a screen, sample, drug and scorer with `COHORT_COLUMNS`, in order of the screens.
    """
    import pandas as pd

    own = set(store.read_table("wells", screen)["sample"].dropna())
    frames = []
    for other in store.screens():
        if other == screen:
            continue
        try:
            rows = store.read_table("scores", other, f"scores/{scorer}") if scorer else pd.DataFrame()
            rows = rows if len(rows) else store.read_table("scores", other)
        except StoreError:
            continue  # a damaged file of another screen is told where that screen is looked at
        wanted = (rows["readout"] == readout) & (rows["replicate"] == _POOLED) & rows["score"].notna()
        wanted &= ~rows["sample"].isin(own)
        if scorer:
            wanted &= rows["scorer"] == scorer
        if wanted.any():
            frames.append(rows.loc[wanted, list(COHORT_COLUMNS)])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COHORT_COLUMNS))


def reference_of(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a sample, drug and scorer of `cohort_scores`, where at least `LEAST_SAMPLES` samples have the drug."""
    means = scores.groupby(["scorer", "drug", "sample"], sort=True)["score"].mean().reset_index()
    count = means.groupby(["scorer", "drug"])["sample"].transform("size")
    return means.loc[count >= LEAST_SAMPLES, ["sample", "drug", "scorer", "score"]].reset_index(drop=True)


@contextmanager
def cohort_table(store: Store, screen: str, readout: str, scorer: str | None) -> Iterator[CohortTable]:
    """The reference samples of a store as a table on disk, for the time that a scorer needs it.

    Raises:
        NotMade: the store holds too few other samples with that readout.
    """
    found = cohort_scores(store, screen, readout, scorer)
    rows = reference_of(found)
    if rows.empty:
        n = found["sample"].nunique()
        raise NotMade(
            f"there are no reference samples: the store holds {n} other sample{'' if n == 1 else 's'} with scores "
            f"{scorer + ' ' if scorer else ''}of {readout}, at least {LEAST_SAMPLES} with the same drug are needed; "
            "screen more samples, put reference_samples.csv into the store, or name a table in screen.toml "
            "([parameters.<scorer>] reference)"
        )
    content = rows.to_csv(index=False).encode()
    with tempfile.TemporaryDirectory(prefix="phenodose-reference-") as folder:
        path = Path(folder) / "reference_samples.csv"
        path.write_bytes(content)
        yield CohortTable(path, int(rows["sample"].nunique()), hash_bytes(content))
