"""Tables of the targets of drugs, and of how they interact."""

from __future__ import annotations

from phenodose.table import Column, Table
from phenodose.tables.columns import READOUT, SAMPLE, SCREEN, number, text

TARGETS = Table(
    "targets",
    "One row a target gene, readout and scorer: how sensitive the sample is at it, and its place among other targets.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        text("scorer", "Scorer whose scores are compared"),
        text("target", "Gene: a target of drugs, or (n_drugs 0) one that interacts with the targets of several hits"),
        Column("n_drugs", "integer", "Drugs of the screen that have the target and a score"),
        text("drugs", "Their names, separated by '; '", required=False),
        Column("n_hits", "integer", "Hits among them, by the scorer that ranks"),
        text("hit_drugs", "Their names", required=False),
        number("mean_score", "Mean score of the target's drugs, in the unit of the scorer"),
        number("lower", "Lower end of the 95 % interval of that mean, from the drugs' own intervals"),
        number("upper", "Upper end"),
        number("sd_score", "Standard deviation between the drugs; empty for one drug"),
        text("unit", "Unit of the scores", required=False),
        number(
            "p_value",
            "Chance that drugs drawn at random score so high; empty for one drug, which tells of itself alone",
        ),
        number("q_value", "Share of false ones among the targets with so small a p_value (Benjamini and Hochberg)"),
        text("same_drugs_as", "Targets of exactly the same drugs, which cannot be told apart", required=False),
        Column("n_interactions", "integer", "Targets of the screen's drugs that it interacts with", required=False),
        Column("n_hit_interactions", "integer", "Targets of hits that it interacts with", required=False),
        number("expected_hit_interactions", "The same of as many drugs drawn at random, on average"),
        number("hub_p_value", "Chance of so many interactions with the targets of drugs drawn at random"),
        number(
            "hub_q_value", "Share of false ones among the hubs with so small a hub_p_value (Benjamini and Hochberg)"
        ),
        number("betweenness", "Share of the shortest paths between targets of hits that lead through it", "fraction"),
        text("mutation", "What is altered in the sample, as the screen's table of mutations says it", required=False),
        number("expression", "Expression in the sample, as the screen's table of expression says it"),
        text("expression_unit", "Its unit: log2 fold change, or z", required=False),
        text("run_id", "Run that wrote the row"),
    ),
    ("screen", "sample", "readout", "scorer", "target"),
)

TARGET_INTERACTIONS = Table(
    "target_interactions",
    "One row a pair of genes of the table targets that interact, by the site's file of interactions.",
    (
        SCREEN,
        text("source", "Gene that acts, or the first in the alphabet"),
        text("target", "Gene that is acted on, or the second"),
        text("interaction", "Kinds of interaction, in the file's words, separated by '; '", required=False),
        Column("directed", "boolean", "True where the file says which gene acts on which"),
        number("score", "Score of the interaction, in the file's own unit"),
        text("run_id", "Run that wrote the row"),
    ),
    ("screen", "source", "target"),
)
