"""Interactions between genes: those of a database that concern some genes.

Belongs here: which rows stay, each pair once, and what is told of the rest. Does not belong here: the forms of the
files (`interaction_files`), and what interactions mean for drugs (`hubs`). Nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.drug_targets.interaction_files import Form, portions, read_gene_names
from phenodose.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_PROTEIN_ID = re.compile(r"(\d+\.)?ENS[A-Z]*P\d{6,}")
COLUMNS = ("source", "target", "interaction", "directed", "score")


@dataclass(frozen=True)
class Interactions:
    """Interactions of some genes.

    Attributes:
        edges: one row a pair of genes, with the columns `COLUMNS`: source and target (of an undirected pair in order of
            the alphabet), interaction (its kinds in the file's words, separated by '; '), directed, score (the largest,
            in the file's unit; NaN without one). At least one of the two is a wanted gene; no gene stands with itself.
        known: the wanted genes that the file names at all, whatever the score.
        alike: wanted gene that the file does not name -> names in it that differ in case and signs only.
        notes: what was read and what was passed over, a sentence each.
    """

    edges: pd.DataFrame
    known: frozenset[str] = frozenset()
    alike: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def read_interactions(
    path: Path, genes: Collection[str], least_score: float | None = None, gene_names: Path | None = None
) -> Interactions:
    """The interactions of some genes.

    Args:
        path: SIF (`A  kind  B`, no header), or a table with a header that names the columns of two genes.
        genes: the wanted genes.
        least_score: interactions of a lower score are left out, in the file's own unit; None for all.
        gene_names: table from the file's identifiers to symbols, such as STRING's `protein.info`; None for symbols.

    Raises:
        InputError: the file is none of these forms, holds no interaction, has identifiers in place of symbols and no
            table says which, or has no score to compare with `least_score`.
    """
    import pandas as pd

    symbols = read_gene_names(gene_names) if gene_names else {}
    counts = dict.fromkeys(("rows", "no gene", "itself", "low", "identifiers", "nameless"), 0)
    wanted, loose = set(genes), {_letters(gene): gene for gene in genes}
    known: set[str] = set()
    alike: dict[str, set[str]] = {}
    form, rows_of_file = portions(path, least_score)
    kept = []
    for portion in rows_of_file:
        counts["rows"] += len(portion)
        for end in ("source", "target"):
            if symbols:
                named = portion[end].map(symbols)
                counts["nameless"] += int((named.isna() & portion[end].notna()).sum())
                portion[end] = named
            names = pd.unique(portion[end].dropna())
            known |= wanted.intersection(names)
            for name in names:
                gene = loose.get(_letters(name))
                if gene is not None and gene != name:
                    alike.setdefault(gene, set()).add(name)
        counts["identifiers"] += int(portion["source"].astype(str).str.fullmatch(_PROTEIN_ID).sum())
        lacking = portion["source"].isna() | portion["target"].isna() | ~portion.pop("genes")
        itself = ~lacking & (portion["source"] == portion["target"])
        low = pd.Series(False, index=portion.index)
        if least_score is not None:
            low = ~lacking & ~itself & ~(portion["score"] >= least_score)
        counts["no gene"] += int(lacking.sum())
        counts["itself"] += int(itself.sum())
        counts["low"] += int(low.sum())
        portion = portion[~(lacking | itself | low)]
        kept.append(portion[portion["source"].isin(wanted) | portion["target"].isin(wanted)])
    if not counts["rows"]:
        raise InputError(f"{path}: holds no interaction; give a file with a row an interaction.")
    if counts["identifiers"] > counts["rows"] / 2:
        raise InputError(
            f"{path}: names proteins by identifiers (ENSP...) and not genes; give the table that goes with it, for "
            'STRING its protein.info file: gene_names = "..." below [targets] of site.toml.'
        )
    edges = _one_row_a_pair(pd.concat(kept, ignore_index=True))
    notes = _notes(path, form, counts, len(edges), least_score)
    said = {gene: ", ".join(sorted(names)) for gene, names in sorted(alike.items()) if gene not in known}
    return Interactions(edges, frozenset(known), said, notes)


def _notes(path: Path, form: Form, counts: Mapping[str, int], n: int, least_score: float | None) -> list[str]:
    said = [f"{path.name}: read as {form.words}; {n} of its {counts['rows']} rows are interactions of the targets."]
    if form.score is not None and least_score is None:
        said.append(
            f"{path.name}: interactions of every score are used; `least_score` below [targets] of site.toml leaves out "
            "the doubtful ones (STRING calls 0.7, or 700, high confidence)."
        )
    reasons = {
        "no gene": "do not name two genes",
        "itself": "are of a gene with itself",
        "low": f"have no score of {least_score:g} or more" if least_score is not None else "",
        "nameless": "have an identifier without a symbol",
    }
    parts = [f"{counts[key]} {words}" for key, words in reasons.items() if counts[key]]
    return [*said, *([f"{path.name}: rows passed over: {', '.join(parts)}."] if parts else [])]


def _one_row_a_pair(edges: pd.DataFrame) -> pd.DataFrame:
    """Every pair once: undirected ones in order of the alphabet, kinds together, the largest score."""
    if edges.empty:
        return edges[list(COLUMNS)]
    swap = ~edges["directed"] & (edges["source"] > edges["target"])
    first, second = edges["source"].where(~swap, edges["target"]), edges["target"].where(~swap, edges["source"])
    edges = edges.assign(source=first, target=second, interaction=edges["interaction"].fillna(""))
    grouped = edges.sort_values(["source", "target", "interaction"]).groupby(["source", "target"], sort=True)
    return grouped.agg(
        interaction=("interaction", lambda kinds: "; ".join(kind for kind in dict.fromkeys(kinds) if kind)),
        directed=("directed", "any"),
        score=("score", "max"),
    ).reset_index()[list(COLUMNS)]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
