"""Interactions between genes: those of a database that concern some genes.

Belongs here: which rows stay, each pair once, and what is told of the rest. Does not belong here: the forms of the
files (`interaction_files`), and what interactions mean for drugs (`hubs`). Nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.drug_targets.interaction_files import Form, portions, read_gene_names
from phenodose.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_PROTEIN_ID = re.compile(r"(\d+\.)?ENS[A-Z]*P\d{6,}")
#: What is no gene: small molecules of Pathway Commons, complexes of OmniPath.
_NOT_A_GENE = re.compile(r"CHEBI:|COMPLEX:|CID:|SID:|pubchem:", re.I)
#: Stand for the number of a gene: there is none, or its identifier has no symbol.
_NO_GENE, _NAMELESS = -1, -2
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

    names = _Names(genes, read_gene_names(gene_names) if gene_names else None)
    counts = dict.fromkeys(("rows", "no gene", "itself", "low", "nameless"), 0)
    form, rows_of_file = portions(path, least_score)
    kept = []
    for portion in rows_of_file:
        counts["rows"] += len(portion)
        source, target = (names.numbers(portion[end]) for end in ("source", "target"))
        counts["nameless"] += int(((source == _NAMELESS) | (target == _NAMELESS)).sum())
        lacking = (source < 0) | (target < 0) | ~portion["genes"].to_numpy(dtype=bool)
        itself = ~lacking & (source == target)
        low = np.zeros(len(portion), dtype=bool)
        if least_score is not None:
            low = ~lacking & ~itself & ~(portion["score"].to_numpy() >= least_score)
        for key, passed_over in (("no gene", lacking), ("itself", itself), ("low", low)):
            counts[key] += int(passed_over.sum())
        wanted = ~(lacking | itself | low) & (names.wanted(source) | names.wanted(target))
        symbols = np.array(names.genes, dtype=object)
        rows = portion.loc[wanted, ["interaction", "directed", "score"]]
        kept.append(rows.assign(source=symbols[source[wanted]], target=symbols[target[wanted]]))
    if not counts["rows"]:
        raise InputError(f"{path}: holds no interaction; give a file with a row an interaction.")
    if names.n_identifiers > len(names.genes) / 2:
        raise InputError(
            f"{path}: names proteins by identifiers (ENSP...) and not genes; give the table that goes with it, for "
            'STRING its protein.info file: gene_names = "..." below [targets] of site.toml.'
        )
    edges = _one_row_a_pair(pd.concat(kept, ignore_index=True))
    notes = _notes(path, form, counts, len(edges), least_score)
    return Interactions(edges, frozenset(names.known), names.alike(), notes)


class _Names:
    """The names in a file, each looked at once: the gene that it stands for, and whether that is wanted."""

    def __init__(self, wanted: Collection[str], symbols: Mapping[str, str] | None) -> None:
        self.genes: list[str] = []
        self.known: set[str] = set()
        self.n_identifiers = 0
        self._symbols = symbols
        self._wanted = set(wanted)
        self._loose: dict[str, list[str]] = {}
        for gene in sorted(wanted):
            self._loose.setdefault(_letters(gene), []).append(gene)
        self._alike: dict[str, set[str]] = {}
        self._number_of_name: dict[str, int] = {}
        self._number_of_gene: dict[str, int] = {}

    def numbers(self, column: pd.Series[Any]) -> np.ndarray:
        """The number of the gene of every row; `_NO_GENE` or `_NAMELESS` without one.

        Args:
            column: categories of text.
        """
        of_names = [self._number(name) for name in column.cat.categories]
        found: np.ndarray = np.array([*of_names, _NO_GENE], dtype=np.int64)[column.cat.codes.to_numpy()]
        return found

    def wanted(self, numbers: np.ndarray) -> np.ndarray:
        """Whether the genes of these numbers are wanted."""
        is_wanted = np.array([*(gene in self._wanted for gene in self.genes), False, False], dtype=bool)
        found: np.ndarray = is_wanted[numbers]
        return found

    def alike(self) -> dict[str, str]:
        """Wanted gene that no name stands for -> names that differ from it in case and signs only."""
        return {gene: ", ".join(sorted(names)) for gene, names in sorted(self._alike.items()) if gene not in self.known}

    def _number(self, name: str) -> int:
        if name not in self._number_of_name:
            self._number_of_name[name] = self._looked_at(name)
        return self._number_of_name[name]

    def _looked_at(self, name: str) -> int:
        if _NOT_A_GENE.match(name):
            return _NO_GENE
        gene = name if self._symbols is None else self._symbols.get(name)
        if gene is None:
            return _NAMELESS
        if gene in self._number_of_gene:
            return self._number_of_gene[gene]
        self.n_identifiers += _PROTEIN_ID.fullmatch(gene) is not None
        if gene in self._wanted:
            self.known.add(gene)
        for meant in self._loose.get(_letters(gene), ()):
            if meant != gene:
                self._alike.setdefault(meant, set()).add(gene)
        self.genes.append(gene)
        self._number_of_gene[gene] = len(self.genes) - 1
        return len(self.genes) - 1


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
