"""Drugs whose image score is not to be trusted: their wells look neither alive nor killed as the control kills.

Belongs here: which drugs these are, and the sentence on each. Does not belong here: which wells look so (`wells`), and
what is done with the doubt (scores, reports).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.names import curve_names

if TYPE_CHECKING:
    import pandas as pd

#: Flag of a well whose image lies outside what the controls span.
UNLIKE_CONTROLS = "unlike_controls"
#: One well of a drug may look odd for a fibre or a bubble; from so many on it is the drug.
LEAST_WELLS = 2


def untrusted_drugs(viability: pd.DataFrame, wells: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The drugs of a readout of which too many wells look like nothing that the controls show.

    Args:
        viability: rows of the table `viability` of one readout: plate, well, flag.
        wells: rows of the table `wells` (or of a layout) of the same wells.

    Returns:
        Sample and drug, named as its curve -> how many of its wells they are, such as '5 of 10 wells'.
    """
    beyond = viability.loc[viability["flag"] == UNLIKE_CONTROLS, ["plate", "well"]]
    if beyond.empty:
        return {}
    treated = wells[wells["well_type"] == "therapy"]
    flagged = treated[["plate", "well"]].merge(beyond.assign(beyond=True), on=["plate", "well"], how="left")
    counts = (
        treated.assign(drug=curve_names(treated), beyond=flagged["beyond"].eq(True).to_numpy())
        .groupby(["sample", "drug"], sort=True)["beyond"]
        .agg(["sum", "size"])
    )
    found = counts[counts["sum"] >= LEAST_WELLS]
    return {
        (str(sample), str(drug)): f"{beyond} of {size} wells"
        for (sample, drug), beyond, size in zip(found.index, found["sum"], found["size"], strict=True)
    }


def doubt(wells: str) -> str:
    """The sentence on a score, for the number of wells that `untrusted_drugs` gives."""
    return f"not trusted: {wells} look neither alive nor killed as the killing control kills"
