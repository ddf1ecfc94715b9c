"""The table of decisions on wells: which are left out of a screen's results, who said so, when and why."""

from __future__ import annotations

from phenodose.table import Column, Table
from phenodose.tables.columns import SCREEN, text

#: How the mask_reason of a well begins that a person has left out.
EXCLUDED = "excluded by decision "

CURATIONS = Table(
    "curations",
    "One row a decision that leaves wells out of a screen's results or takes them back (`phenodose curate`); rows are "
    "added and never taken away.",
    (
        SCREEN,
        Column("number", "integer", "Number of the decision within the screen, from 1"),
        text("action", "exclude or restore"),
        text("what", "The wells in words, such as P2/C07 or drug Trametinib"),
        text("plate", "Plate of the wells; empty where wells of all plates are meant", required=False),
        text("well", "Well, or the corners of a block such as C07-D12; empty where all of a plate are", required=False),
        text("drug", "Drug as scores name it, with its add-on; empty where no drug is named", required=False),
        Column("replicate", "integer", "Replicate number; empty where no replicate is named", required=False),
        text("sample", "Only wells of this sample; empty for all", required=False),
        text("readout", "Only readings of this readout; empty for all", required=False),
        text("undoes", "Of a restoration: numbers of the exclusions that it ended, such as 1, 4", required=False),
        Column("n_wells", "integer", "Wells that it named when it was taken"),
        text("decided_by", "Who decided: the account, or the name given"),
        Column("decided_at", "timestamp", "When"),
        text("because", "Why"),
        text("undone_by", "Of an exclusion that holds for no well any more: who ended it", required=False),
        Column("undone_at", "timestamp", "When that was", required=False),
    ),
    ("screen", "number"),
)
