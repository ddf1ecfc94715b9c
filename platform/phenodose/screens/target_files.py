"""Where the tables of targets, interactions, mutations and expression of a screen lie.

Belongs here: the names that are looked for in the screen's folder and in the store, and what site.toml names. Does not
belong here: reading them (`phenodose.drug_targets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phenodose.errors import InputError, MissingInputError
from phenodose.io.spreadsheet import ACCEPTED
from phenodose.screens.inside import expect_inside
from phenodose.screens.screen import Screen
from phenodose.settings.site import read_site
from phenodose.store.store import Store

#: Names without their ending, in the screen's folder; the first also in the store.
DRUG_TARGETS, MUTATIONS, EXPRESSION = "drug_targets", "mutations", "expression"
INTERACTIONS = "interactions"
#: Endings that are looked for in the store, which may be a bucket; site.toml names other files.
SITE_TABLES = (".csv", ".xlsx", ".tsv")
_MUTATION_ENDINGS = (*ACCEPTED, ".maf")
_SITE_NETWORKS = (".sif", ".tsv", ".csv", ".txt")


@dataclass(frozen=True)
class TargetFiles:
    """The files of a screen; None where there is none.

    Attributes:
        own_targets: targets of drugs, in the screen's folder.
        site_targets: targets of drugs, of all screens of the store.
        interactions: interactions between genes, of all screens.
        gene_names: what the identifiers of the interactions mean.
        mutations: altered genes of the screen's samples.
        expression: expression of genes of the screen's samples.
        least_score: score below which an interaction is left out.
    """

    own_targets: Path | None
    site_targets: Path | None
    interactions: Path | None
    gene_names: Path | None
    mutations: Path | None
    expression: Path | None
    least_score: float | None

    def paths(self) -> list[Path]:
        """All files there are."""
        every = (
            *(self.own_targets, self.site_targets, self.interactions, self.gene_names),
            *(self.mutations, self.expression),
        )
        return [path for path in every if path is not None]


def target_files(screen: Screen, store: Store) -> TargetFiles:
    """The files that say what drugs of a screen aim at and what is known of these genes.

    Raises:
        InputError: one table lies there in two forms, a named file is missing, or site.toml is faulty.
    """
    site = read_site(store.root, {"targets"}).targets
    return TargetFiles(
        own_targets=_in_folder(screen, DRUG_TARGETS),
        site_targets=file_of_site(store, site.drug_targets, "[targets] drug_targets", DRUG_TARGETS, SITE_TABLES),
        interactions=file_of_site(store, site.interactions, "[targets] interactions", INTERACTIONS, _SITE_NETWORKS),
        gene_names=file_of_site(store, site.gene_names, "[targets] gene_names", "", ()),
        mutations=_in_folder(screen, MUTATIONS, _MUTATION_ENDINGS),
        expression=_in_folder(screen, EXPRESSION),
        least_score=site.least_score,
    )


def site_target_files(root: Path) -> list[Path]:
    """Where the files of all screens of a store may lie, whether they are there or not; [] of a faulty site.toml."""
    try:
        site = read_site(root, {"targets"}).targets
    except InputError:
        return []
    named = [name for name in (site.drug_targets, site.interactions, site.gene_names) if name]
    usual = [
        *(f"{DRUG_TARGETS}{ending}" for ending in SITE_TABLES),
        *(f"{INTERACTIONS}{ending}" for ending in _SITE_NETWORKS),
    ]
    return [own if (own := Path(name).expanduser()).is_absolute() else root / name for name in [*named, *usual]]


def own_table_names() -> list[str]:
    """Every name that such a table in the folder of a screen may have."""
    endings = {DRUG_TARGETS: ACCEPTED, MUTATIONS: _MUTATION_ENDINGS, EXPRESSION: ACCEPTED}
    return [f"{name}{ending}" for name, of_name in endings.items() for ending in of_name]


def _in_folder(screen: Screen, name: str, endings: Sequence[str] = ACCEPTED) -> Path | None:
    found = [path for ending in endings if (path := screen.folder / f"{name}{ending}").is_file()]
    return expect_inside(_one(found), screen.folder) if found else None


def file_of_site(store: Store, named: str | None, setting: str, usual: str, endings: Sequence[str]) -> Path | None:
    """The file that site.toml names, else the one of the usual name in the store; None without one.

    Args:
        store: the store.
        named: the path that site.toml says, which may start at the store.
        setting: how messages name that setting, such as '[targets] drug_targets'.
        usual: the usual name without its ending.
        endings: endings that are looked for.

    Raises:
        InputError: the named file is missing, or the usual one lies there in two forms.
    """
    if named is None:
        places = (store.local_copy(store.root / f"{usual}{ending}") for ending in endings)
        found = [path for path in places if path.is_file()]
        return _one(found) if found else None
    own = Path(named).expanduser()
    path = own if own.is_absolute() else store.local_copy(store.root / named)
    if not path.is_file():
        raise MissingInputError(
            f"{path}: there is no such file; site.toml of the store names it ({setting}): check the path."
        )
    return path


def _one(found: Sequence[Path]) -> Path:
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InputError(f"{found[0].parent}: holds {names}, which may not say the same; keep one of them.")
    return found[0]
