"""What the report shows of the targets of drugs: those that the sample is sensitive at, and the network of the hits.

Does not belong here: the statistics (`phenodose.drug_targets`) and drawing (`phenodose.plots.target_network`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.drug_targets.network import hit_network
from phenodose.drug_targets.sensitivity import BETWEEN
from phenodose.io.frames import rows_of
from phenodose.plots.target_network import target_network
from phenodose.reports.data import Missing, number_of, text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

#: Share of false ones among what is called sensitive, and a hub.
_Q = 0.05
_ASSET = "targets"
_NONE = (
    "no target of the screen's drugs is known to the store; write drug_targets.csv (columns drug and gene) into it and "
    "run the screen again."
)


def targets(data: ScreenData, links: dict[str, str]) -> dict[str, Any] | Missing:
    """Every sample's targets by the readout and the scorer that rank, the most sensitive first, and its network.

    Args:
        data: the rows of the screen.
        links: drug -> address of its card within the page.
    """
    rows = data["targets"]
    ranked = rows[(rows["readout"] == data.ranking_readout) & (rows["scorer"] == data.scorer)]
    if rows.empty:
        tried = data["not_made"]
        return Missing(next(iter(tried.loc[tried["asset"] == _ASSET, "reason"]), _NONE))
    if ranked.empty:
        return Missing(f"there are no targets by {data.scorer} of {data.ranking_readout}; see the table targets.")
    others = [name for name in dict.fromkeys(rows["scorer"]) if name != data.scorer]
    second = next((name for name in others if name in data.preferences.comparing_scorers()), None)
    compared = rows[(rows["readout"] == data.ranking_readout) & (rows["scorer"] == second)]
    samples = []
    for sample, of_sample in ranked.groupby("sample", sort=False):
        network = hit_network(of_sample, data["target_interactions"])
        of_second = compared[compared["sample"] == sample].set_index("target")
        aimed = of_sample[of_sample["n_drugs"] > 0]
        samples.append(
            {
                "sample": str(sample),
                "rows": [_row(row, of_second) for row in rows_of(_ordered(of_sample))],
                "n_targets": len(aimed),
                "n_tested": int(aimed["p_value"].notna().sum()),
                "sensitive": list(aimed.loc[aimed["q_value"] <= _Q, "target"]),
                "hubs": list(of_sample.loc[of_sample["hub_q_value"] <= _Q, "target"]),
                "figure": target_network(network, f"Network of the hits of {sample}", links).markup()
                if network
                else "",
                "n_left_out": network.n_left_out if network else 0,
                "has_interactions": bool(of_sample["n_interactions"].notna().any()),
            }
        )
    has_omics = bool(ranked["mutation"].notna().any() or ranked["expression"].notna().any())
    unit = next(iter(ranked["expression_unit"].dropna()), "")
    return {
        "samples": samples,
        "scorer": data.scorer,
        "second": second,
        "readout": data.ranking_readout,
        "omics": has_omics,
        "unit": unit,
    }


def targets_by_drug(data: ScreenData) -> dict[str, str]:
    """The target genes of every drug that took part, separated by commas."""
    found: dict[str, dict[str, None]] = {}
    for row in rows_of(data["targets"][["target", "drugs"]]):
        for drug in text_of(row.drugs).split(BETWEEN):
            found.setdefault(drug, {})[row.target] = None
    return {drug: ", ".join(sorted(genes)) for drug, genes in found.items() if drug}


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Targets by p, then by mean score; genes that are no target last, by their own p."""
    marked = rows.assign(
        _aimed=rows["n_drugs"] == 0, _p=rows["p_value"].where(rows["n_drugs"] > 0, rows["hub_p_value"])
    )
    ordered = marked.sort_values(
        ["_aimed", "_p", "mean_score", "target"], ascending=[True, True, False, True], na_position="last"
    )
    return ordered.drop(columns=["_aimed", "_p"])


def _row(row: Any, second: pd.DataFrame) -> dict[str, Any]:
    other = second.loc[row.target] if row.target in second.index else None
    hits = set(text_of(row.hit_drugs).split(BETWEEN))
    drugs = [(drug, drug in hits) for drug in text_of(row.drugs).split(BETWEEN) if drug]
    interval = "" if row.lower != row.lower else f"{row.lower:.1f} to {row.upper:.1f}"
    # What interacts with no target at all has no chance to do so.
    chance = row.expected_hit_interactions == row.expected_hit_interactions and row.n_interactions > 0
    return {
        "target": row.target,
        "drugs": drugs,
        "same": text_of(row.same_drugs_as),
        "mean": row.mean_score,
        "mean_text": "" if row.mean_score != row.mean_score else f"{row.mean_score:.1f}",
        "interval": interval,
        "p": row.p_value,
        "p_text": number_of(row.p_value, 2),
        "q_text": number_of(row.q_value, 2),
        "is_sensitive": row.q_value <= _Q,
        "second": "" if other is None or other["mean_score"] != other["mean_score"] else f"{other['mean_score']:.1f}",
        "second_q": "" if other is None else number_of(other["q_value"], 2),
        "links": "" if row.n_hit_interactions != row.n_hit_interactions else f"{row.n_hit_interactions:.0f}",
        "expected": f"{row.expected_hit_interactions:.1f}" if chance else "",
        "hub_q": row.hub_q_value,
        "hub_q_text": number_of(row.hub_q_value, 2),
        "mutation": text_of(row.mutation),
        "expression": "" if row.expression != row.expression else f"{row.expression:+.1f}",
    }
