"""Scores to targets: at which targets a sample is sensitive, and how the targets of its hits hang together.

Belongs here: which drugs, scores and files are taken, and the rows. Does not belong here: the statistics and reading
the files (`phenodose.drug_targets`), and where the files lie (`phenodose.screens.target_files`).

Drugs take part that were given alone. A drug's targets are those that screen.toml names, else those of the table in
the screen's folder, else those of the site's table, else those of the drug library (`phenodose.pipeline.drugs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from phenodose.errors import InputError, NotMade
from phenodose.io.files import hash_file
from phenodose.pipeline.hits import is_hit, standing_calls
from phenodose.pipeline.verdict import ranking_scorer
from phenodose.plugins import Parameters, Preferences
from phenodose.screens.target_files import TargetFiles, target_files
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.drug_targets.gene_tables import GeneTable
    from phenodose.drug_targets.interactions import Interactions
    from phenodose.pipeline.context import Context

#: Asset key, also the part of both tables, and the table of parameters.
TARGETS = "targets"
INTERACTIONS = "target_interactions"
_POOLED = "pooled"
_NO_MEAN = "nM"


class TargetParameters(Parameters):
    """How targets are judged."""

    scorers: tuple[str, ...] = Field(
        (), description="Scorers whose scores are compared; the one that ranks and its selective difference if left out"
    )
    draws: int = Field(9999, ge=999, le=1_000_000, description="Random draws of drugs behind a p value")
    seed: int = Field(0, ge=0, description="Seed of the draws")
    connectors: bool = Field(True, description="Whether genes that no drug aims at may link the targets of hits")


@dataclass(frozen=True)
class ScreenTargets:
    """The targets of a screen, as they stand in the store.

    Attributes:
        rows: rows of the table `targets`.
        interactions: rows of the table `target_interactions`.
        inputs: names and hashes of the files that were read.
        notes: what was left out, a sentence each.
    """

    rows: pd.DataFrame
    interactions: pd.DataFrame
    inputs: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def make_targets(step: Context) -> ScreenTargets:
    """Judge the targets of a screen and write the rows.

    Raises:
        NotMade: no target of a drug is known, or no drug with a known target has a score.
        InputError: a file is faulty, or a scorer is named that has no scores or none that have a mean.
    """
    import pandas as pd

    parameters = step.settings_of(TARGETS, TargetParameters)
    files = target_files(step.screen, step.store)
    wells = step.wells()
    alone = _drugs_alone(wells)
    notes: list[str] = []
    targets = _targets_of_drugs(step, files, alone, notes)
    scores = _scores(step, alone, notes)
    ranks, scorers = _scorers(step, scores, parameters.scorers)
    samples = list(dict.fromkeys(scores["sample"]))
    mutations, expression = _genes_of_samples(files, samples, notes)
    network = _network(files, targets, scores, notes)
    frames = []
    for (sample, readout), of_readout in scores.groupby(["sample", "readout"], sort=False):
        hits = set(of_readout.loc[(of_readout["scorer"] == ranks) & is_hit(of_readout), "drug"])
        for scorer in scorers:
            found = _judged(step, of_readout[of_readout["scorer"] == scorer], scorer, targets, hits, parameters)
            if scorer == ranks and len(found):
                scored = set(of_readout.loc[of_readout["scorer"] == ranks, "drug"])
                of_scored = {drug: genes for drug, genes in targets.items() if drug in scored}
                found = _with_hubs(found, network, of_scored, hits, parameters, f"{sample}, {readout}", notes)
            if len(found):
                frames.append(found.assign(sample=str(sample), readout=str(readout), scorer=scorer))
    if not frames:
        raise NotMade(f"no drug of {step.screen_id} with a known target has a score that can be compared")
    rows = pd.concat(frames, ignore_index=True).assign(screen=step.screen_id, run_id=step.run_id)
    rows = _laid_over(rows, mutations, expression)
    genes = set(rows["target"])
    edges = network.edges if network else pd.DataFrame(columns=["source", "target", "interaction", "directed", "score"])
    edges = edges[edges["source"].isin(genes) & edges["target"].isin(genes)]
    edges = edges.assign(screen=step.screen_id, run_id=step.run_id)
    step.store.write_table(TARGETS, step.screen_id, TARGETS, rows[TABLES[TARGETS].column_names])
    step.store.write_table(INTERACTIONS, step.screen_id, TARGETS, edges[TABLES[INTERACTIONS].column_names])
    inputs = {path.name: hash_file(path) for path in files.paths()}
    return ScreenTargets(rows, edges, inputs, notes)


# --- what goes in ---------------------------------------------------------------------------------


def _drugs_alone(wells: pd.DataFrame) -> list[str]:
    """The drugs that were given without an add-on."""
    therapy = wells[(wells["well_type"] == "therapy") & wells["treatment"].notna()]
    single = therapy["add_on"].astype(object).fillna("").astype(str).str.strip() == ""
    return sorted(set(therapy.loc[single, "treatment"]))


def _targets_of_drugs(
    step: Context, files: TargetFiles, drugs: Sequence[str], notes: list[str]
) -> dict[str, tuple[str, ...]]:
    """Genes by drug, of the drugs whose targets are known."""
    from phenodose.drug_targets.gene_tables import listed, read_drug_targets

    annotated = step.store.read_table("drugs", step.screen_id)
    said: dict[str, tuple[str, ...]] = {}
    of_library: dict[str, tuple[str, ...]] = {}
    for drug, genes, origin in zip(annotated["drug"], annotated["targets"], annotated["targets_from"], strict=True):
        if isinstance(genes, str):
            found_in = of_library if origin in ("library", "site") else said
            found_in[str(drug)] = tuple(gene for part in genes.split(",") if (gene := part.strip()))
    read = [read_drug_targets(path) for path in (files.own_targets, files.site_targets) if path is not None]
    tables = [table.of for table in read]
    notes.extend(note for table in read for note in table.notes)
    found: dict[str, tuple[str, ...]] = {}
    from_library = []
    for drug in drugs:
        genes = said.get(drug) or next((tuple(named) for table in tables if (named := _of_drug(table, drug))), ())
        if not genes and drug in of_library:
            genes = of_library[drug]
            from_library.append(drug)
        if genes:
            found[drug] = tuple(dict.fromkeys(genes))
    if not found:
        where = " or ".join(path.name for path in (files.own_targets, files.site_targets) if path is not None)
        raise NotMade(
            f"{step.screen_id}: the targets of its drugs are not known{f' to {where}' if where else ''}; write them "
            "into drug_targets.csv (columns drug and gene) in the store or in the screen's folder, or into screen.toml "
            '([drugs."NAME"] targets = ["GENE"])'
        )
    if from_library:
        n = len(from_library)
        notes.append(f"targets from the drug library: {n} of {len(drugs)} drugs: {listed(from_library)}.")
    if unknown := [drug for drug in drugs if drug not in found]:
        notes.append(f"no target is known of {len(unknown)} of {len(drugs)} drugs: {listed(unknown)}.")
    return found


def _of_drug(table: Mapping[str, Mapping[str, Any]], drug: str) -> Mapping[str, Any]:
    """The genes of a drug, of all names that differ from its own in case and blanks alone, its own first."""
    alike = sorted((name for name in table if _loose(name) == _loose(drug)), key=lambda name: name != drug)
    return {gene: said for name in alike for gene, said in table[name].items()}


def _loose(name: str) -> str:
    return "".join(name.split()).casefold()


def _scores(step: Context, alone: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """Pooled scores of the drugs that were given alone, with the calls that stand; the doubted ones are left out."""
    from phenodose.drug_targets.gene_tables import listed

    scores = step.store.read_table("scores", step.screen_id)
    scores = scores[(scores["replicate"] == _POOLED) & scores["score"].notna() & scores["drug"].isin(alone)]
    doubted = scores["doubt"].notna() & (scores["doubt"].astype(object).fillna("").astype(str) != "")
    if doubted.any():
        names = sorted({f"{row.drug} ({row.readout})" for row in scores[doubted].itertuples()})
        notes.append(f"scores that are not to be trusted take no part: {listed(names)}.")
    if scores[~doubted].empty:
        raise NotMade(f"{step.screen_id} has no scores of drugs given alone; materialize its scores first")
    return standing_calls(scores[~doubted], step.store.read_table("qc", step.screen_id))


def _scorers(step: Context, scores: pd.DataFrame, wanted: Sequence[str]) -> tuple[str | None, list[str]]:
    """The scorer that ranks (it names hits), and those whose scores are compared."""
    from phenodose.settings.site import read_site

    preferences = Preferences.of(step.plugins, read_site(step.store.root).preferences)
    there = list(dict.fromkeys(scores["scorer"]))
    units = dict(zip(scores["scorer"], scores["unit"], strict=True))
    ranks = ranking_scorer(scores, preferences)
    for name in wanted:
        if name not in there:
            raise InputError(
                f"[parameters.{TARGETS}] scorers: there are no scores of {name!r} for {step.screen_id}; name some of "
                f"{', '.join(sorted(there))}."
            )
        if units[name] == _NO_MEAN:
            raise InputError(
                f"[parameters.{TARGETS}] scorers: {name} gives doses, whose bounds have no mean; name a score that is "
                f"no dose{f', such as {ranks}' if ranks else ''}."
            )
    if wanted:
        return ranks, list(dict.fromkeys(wanted))
    first = ranks or next((name for name in preferences.ordered_scorers(there) if units[name] != _NO_MEAN), None)
    if first is None:
        raise NotMade(f"{step.screen_id} has doses for scores alone, which have no mean; make other scores first")
    comparing = [name for name, of in preferences.comparing_scorers().items() if of == first and name in there]
    return ranks, [first, *comparing]


def _genes_of_samples(
    files: TargetFiles, samples: Sequence[str], notes: list[str]
) -> tuple[GeneTable | None, GeneTable | None]:
    from phenodose.drug_targets.gene_tables import read_expression, read_mutations

    mutations = read_mutations(files.mutations, samples) if files.mutations else None
    expression = read_expression(files.expression, samples) if files.expression else None
    for table in (mutations, expression):
        notes.extend(table.notes if table else ())
    return mutations, expression


def _network(
    files: TargetFiles, targets: Mapping[str, Sequence[str]], scores: pd.DataFrame, notes: list[str]
) -> Interactions | None:
    """The interactions of the targets of scored drugs; None where the site has no file of interactions."""
    from phenodose.drug_targets.gene_tables import listed
    from phenodose.drug_targets.interactions import read_interactions

    if files.interactions is None:
        return None
    scored = set(scores["drug"])
    genes = {gene for drug, of_drug in targets.items() if drug in scored for gene in of_drug}
    network = read_interactions(files.interactions, genes, files.least_score, files.gene_names)
    notes.extend(network.notes)
    if unknown := sorted(genes - network.known):
        named = [f"{gene} (is it {network.alike[gene]}?)" for gene in unknown if gene in network.alike]
        named += [gene for gene in unknown if gene not in network.alike]
        notes.append(
            f"{files.interactions.name} does not name {len(unknown)} of {len(genes)} targets: {listed(named)}."
        )
    return network


# --- what comes out -------------------------------------------------------------------------------


def _judged(
    step: Context,
    scores: pd.DataFrame,
    scorer: str,
    targets: Mapping[str, Sequence[str]],
    hits: set[str],
    parameters: TargetParameters,
) -> pd.DataFrame:
    """Sensitivity at every target by one scorer of one sample and readout."""
    from phenodose.drug_targets.sensitivity import target_sensitivity

    plugin = step.plugins.wanted("scorer").get(scorer)
    rises = plugin is None or plugin.higher_is_more_sensitive
    rows = scores.assign(hit=scores["drug"].isin(hits))
    units = rows["unit"].dropna().unique()
    found = target_sensitivity(rows, targets, rises, parameters.draws, parameters.seed)
    return found.assign(unit=units[0] if len(units) else None)


def _with_hubs(
    found: pd.DataFrame,
    network: Interactions | None,
    targets: Mapping[str, Sequence[str]],
    hits: set[str],
    parameters: TargetParameters,
    of: str,
    notes: list[str],
) -> pd.DataFrame:
    """The rows with the place of every target among those of hits, and rows of genes that link them."""
    from phenodose.drug_targets.hubs import find_hubs

    if network is None:
        return found
    of_hits = sorted(hits & set(targets))
    hubs = find_hubs(targets, of_hits, network.edges, parameters.draws, parameters.seed, parameters.connectors)
    if hubs.n_left_out:
        notes.append(f"{of}: {hubs.n_left_out} further genes link targets of hits and are left out, the least likely.")
    genes = hubs.genes.drop(columns=["is_target", "of_hit"])
    rows = found.merge(genes, on="target", how="outer", sort=False)
    rows["n_drugs"] = rows["n_drugs"].fillna(0).astype("int64")
    rows["n_hits"] = rows["n_hits"].fillna(0).astype("int64")
    return rows


def _laid_over(rows: pd.DataFrame, mutations: GeneTable | None, expression: GeneTable | None) -> pd.DataFrame:
    """The rows with what is known of each gene in its sample, and every declared column."""
    keys = list(zip(rows["sample"], rows["target"], strict=True))

    def said(table: GeneTable | None) -> list[Any]:
        return [table.of.get(sample, {}).get(gene) if table else None for sample, gene in keys]

    values = said(expression)
    units: list[Any] = [expression.unit if expression and value is not None else None for value in values]
    rows = rows.assign(
        mutation=said(mutations),
        expression=[float("nan") if value is None else float(value) for value in values],
        expression_unit=units,
    )
    for name in TABLES[TARGETS].column_names:
        if name not in rows:
            rows[name] = None
    texts = ["drugs", "hit_drugs", "same_drugs_as"]
    rows[texts] = rows[texts].astype(object).where(rows[texts].notna() & (rows[texts] != ""), None)
    for name in ("n_interactions", "n_hit_interactions"):
        rows[name] = rows[name].astype("Int64")
    return rows
