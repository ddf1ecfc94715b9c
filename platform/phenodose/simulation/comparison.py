"""Results of a simulated screen beside its truth.

Belongs here: joining the store's tables with truth_wells.csv and truth_drugs.csv, and how well they agree.
Does not belong here: the truth itself (`truth`), and printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.names import plate_key, row_index
from phenodose.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """How the results of a simulated screen compare with its truth.

    Attributes:
        ranking: one row a drug, best true score first: drug, truth, and one column a readout; NaN where
            there is no score.
        agreement: one row a readout: readout, viability_pearson (over drug wells) and score_spearman (over
            drugs), NaN where there are too few values, n_wells, n_drugs.
        scorer: scorer compared.
    """

    ranking: pd.DataFrame
    agreement: pd.DataFrame
    scorer: str


def compare_with_truth(store: Store, screen: str, raw: Path, scorer: str = "dss_asym") -> Comparison:
    """Compare the pooled scores and the viabilities of a simulated screen with its truth.

    Args:
        store: holds the results.
        screen: screen id.
        raw: the simulated screen folder.
        scorer: a scorer that truth_drugs.csv has a column for.
    """
    import pandas as pd

    truth = pd.read_csv(raw / "truth_drugs.csv")[["drug", scorer]].rename(columns={scorer: "truth"})
    scores = store.read_table("scores", screen)
    scores = scores[(scores["scorer"] == scorer) & (scores["replicate"] == "pooled")]
    by_readout = scores.pivot_table(index="drug", columns="readout", values="score", dropna=False)
    ranking = truth.merge(by_readout, on="drug", how="left")
    wells = _drug_wells(store, screen, raw)
    rows = []
    for readout in sorted(set(scores["readout"])):
        own = wells[wells["readout"] == readout]
        scored = ranking.dropna(subset=[readout])
        rows.append(
            {
                "readout": readout,
                "viability_pearson": own["viability_fraction"].corr(own["truth"]) if len(own) > 2 else float("nan"),
                "score_spearman": scored[readout].rank().corr(scored["truth"].rank())
                if len(scored) > 2
                else float("nan"),
                "n_wells": len(own),
                "n_drugs": len(scored),
            }
        )
    ranking = ranking.sort_values(["truth", "drug"], ascending=[False, True]).reset_index(drop=True)
    return Comparison(ranking, pd.DataFrame(rows), scorer)


def _drug_wells(store: Store, screen: str, raw: Path) -> pd.DataFrame:
    """Readout, viability_fraction and true viability of every unmasked drug well."""
    import pandas as pd

    truth = pd.read_csv(raw / "truth_wells.csv", dtype={"plate": str})
    true_of = dict(zip(_places(truth), truth["viability_fraction"], strict=True))
    wells = store.read_table("wells", screen)
    therapy = set(_places(wells[wells["well_type"] == "therapy"]))
    viability = store.read_table("viability", screen)
    viability = viability[~viability["masked"].astype(bool)]
    places = _places(viability)
    viability = viability.assign(truth=pd.Series([true_of.get(place) for place in places], viability.index, "float64"))
    chosen = viability[[place in therapy for place in places]]
    return chosen[["readout", "viability_fraction", "truth"]].dropna()


def _places(frame: pd.DataFrame) -> list[tuple[str, int, int]]:
    columns = zip(frame["plate"], frame["row"], frame["column"], strict=True)
    return [(plate_key(str(plate)), row_index(str(row)), int(column)) for plate, row, column in columns]
