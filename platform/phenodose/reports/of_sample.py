"""One sample of a screen that holds several: its rows of every table, so that its page shows no number of another one.

A drug is one curve a sample, so everything that a page finds by the name of a drug is right only among the rows of one
sample.

Belongs here: which rows are a sample's. Does not belong here: whose controls a sample is measured by
(`phenodose.viability.samples`), which pages there are (`pages`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def samples_of(wells: pd.DataFrame) -> list[str]:
    """The samples that drugs were given to, in order of their names.

    Args:
        wells: rows of the table `wells` of one screen.
    """
    return sorted(map(str, wells.loc[wells["well_type"] == "therapy", "sample"].dropna().unique()))


def rows_of_sample(tables: Mapping[str, pd.DataFrame], screen: str, sample: str) -> dict[str, pd.DataFrame]:
    """The rows of one sample of a screen.

    Wells are those of the sample, and where it has no positive control of its own on a plate those that serve it there;
    plates without a well of the sample are left out. Rows that name no sample and no plate are of all samples.

    Args:
        tables: frames of one screen, by table.
        screen: screen id, for messages.
        sample: one of `samples_of`.

    Raises:
        StoreError: the screen has no such sample.
    """
    import pandas as pd

    wells = tables["wells"]
    known = samples_of(wells)
    if sample not in known:
        raise StoreError(f"screen {screen!r}: there is no sample {sample!r}; it holds {', '.join(known) or 'none'}.")
    own = wells["sample"].isna() | (wells["sample"] == sample)
    plates = set(wells.loc[wells["sample"] == sample, "plate"])
    other_plates = set(wells["plate"]) - plates
    strange = pd.MultiIndex.from_frame(wells.loc[~own, ["plate", "well"]])
    strange = strange.difference(_borrowed(tables["viability"], wells, sample))
    kept = {}
    for name, frame in tables.items():
        if {"plate", "well"} <= set(frame.columns):
            frame = frame[~pd.MultiIndex.from_frame(frame[["plate", "well"]]).isin(strange)]
        if "plate" in frame.columns:
            frame = frame[~frame["plate"].isin(other_plates)]
        if "sample" in frame.columns and name not in ("screens", "wells"):
            frame = frame[frame["sample"].isna() | frame["sample"].isin(["", sample])]
        kept[name] = frame.reset_index(drop=True)
    drugs = kept["wells"].loc[kept["wells"]["well_type"] == "therapy", "treatment"]
    kept["screens"] = kept["screens"].assign(sample=sample, n_plates=len(plates), n_drugs=drugs.nunique())
    return kept


def _borrowed(viability: pd.DataFrame, wells: pd.DataFrame, sample: str) -> pd.MultiIndex:
    """Plate and well of the positive controls of other samples on plates on which the sample has none."""
    import pandas as pd

    positive = viability.loc[viability["control"] == "positive", ["plate", "well"]].drop_duplicates()
    positive = positive.merge(wells[["plate", "well", "sample"]], on=["plate", "well"])
    served = set(positive.loc[positive["sample"] == sample, "plate"])
    return pd.MultiIndex.from_frame(positive.loc[~positive["plate"].isin(served), ["plate", "well"]])
