"""Drugs of a screen: what is known of each, and what it does at the concentration that patients' plasma reaches.

Belongs here: which source counts, the rows of the tables `drugs` and `reachable_effects`, and notes, for every face
alike. Does not belong here: the library (`phenodose.drug_library`) and reading curves (`dose_response.reachable`).

A drug's class and targets are those that screen.toml names ([drugs."NAME"]), else those of the site's table, else those
of the library that ships; all else comes from the latter two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phenodose.errors import NotMade
from phenodose.io.files import hash_file
from phenodose.plugins import Parameters, Plugin
from phenodose.screens.drug_files import library_of, site_library
from phenodose.store.curves import curves_key, read_curves
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.drug_library.library import DrugLibrary, LibraryDrug
    from phenodose.pipeline.context import Context
    from phenodose.screens.screen import DrugAnnotation

#: Asset keys, also the parts of the tables of these names.
DRUGS = "drugs"
REACHABLE = "reachable_effects"
#: Part in which the rows of `drugs` stood when `layout` wrote them.
_OLD_PART = "layout"
_POOLED = "pooled"
_OF_SCREEN = "screen.toml"


class ReachableEffects(Plugin):
    """The platform's own reading of curves at C max, so that its rows have a provenance like every plugin's."""

    name: ClassVar[str] = REACHABLE
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "Effect at the highest concentration in patients' plasma"
    Parameters: ClassVar[type[Parameters]] = Parameters


@dataclass(frozen=True)
class KnownDrugs:
    """What is known of the drugs of a screen.

    Attributes:
        rows: one a drug, with the columns of the table `drugs` but screen and run_id.
        notes: names that were found by a synonym, are one drug, or are not found; a sentence each.
    """

    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)


def known_drugs(
    names: Sequence[str], library: DrugLibrary, said: Mapping[str, DrugAnnotation] | None = None
) -> KnownDrugs:
    """Look up the drugs of a screen.

    Args:
        names: as the layout writes them.
        library: the library, as the site has it.
        said: class and targets that screen.toml names, by the same names.
    """
    rows, notes = [], list(library.notes)
    renamed, unknown = [], []
    of_one: dict[str, list[str]] = {}
    for name in names:
        match, own = library.find(name), (said or {}).get(name)
        drug = match.drug
        rows.append({"drug": name, "matched_by": match.by, **_annotation(drug, own)})
        if drug is None:
            near = library.alike(name)
            unknown.append(f"{name} (is it {near}?)" if near and not match.doubt else name)
            notes += [f"drug library: {match.doubt}; it counts as not known."] if match.doubt else []
            continue
        of_one.setdefault(drug.name, []).append(name)
        if match.by != "exact":
            renamed.append(f"{name} as {drug.name}")
    if renamed:
        notes.append(f"drug library: taken by another name: {_listed(renamed)}.")
    for drug_name, alike in of_one.items():
        if len(alike) > 1:
            notes.append(
                f"drug library: {' and '.join(alike)} are both {drug_name}, and stay {len(alike)} drugs here; give "
                "them one name in the layout if they are one."
            )
    if unknown and of_one:
        notes.append(f"not in the drug library: {len(unknown)} of {len(names)} drugs: {_listed(unknown)}.")
    lacking = [row["drug"] for row in rows if row["library_name"] and row["c_max_nM"] is None]
    if lacking:
        notes.append(f"the drug library knows no C max of {len(lacking)} of {len(names)} drugs: {_listed(lacking)}.")
    return KnownDrugs(rows, notes)


def _annotation(drug: LibraryDrug | None, own: DrugAnnotation | None) -> dict[str, Any]:
    """What a row says beside the drug's name and how it was found."""
    drug_class, class_from = (drug.drug_class, drug.comes_from("drug_class")) if drug else ("", "")
    targets, targets_from = (drug.targets, drug.comes_from("targets")) if drug else ((), "")
    if own is not None and own.drug_class:
        drug_class, class_from = own.drug_class, _OF_SCREEN
    if own is not None and own.targets:
        targets, targets_from = own.targets, _OF_SCREEN
    return {
        "drug_class": drug_class or None,
        "targets": ", ".join(targets) or None,
        "library_name": drug.name if drug else None,
        "class_from": class_from if drug_class else None,
        "targets_from": targets_from if targets else None,
        "c_max_nM": drug.c_max_nM if drug else None,
        "c_max_dose": (drug.c_max_dose if drug else "") or None,
        "c_max_source": (drug.c_max_source if drug else "") or None,
        "fraction_unbound": drug.fraction_unbound if drug else None,
    }


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# --- effects --------------------------------------------------------------------------------------


def reachable_of(curves: CurveBatch, wells: pd.DataFrame, library: DrugLibrary) -> pd.DataFrame:
    """What the pooled curves of drugs with a known C max do at it.

    Args:
        curves: fitted curves with the keys sample, readout, replicate and drug.
        wells: sample, well_type, treatment, add_on (and add_on_concentration_nM): which curve is of which drugs.
        library: the library, as the site has it.

    Returns:
        One row a curve with the columns of the table `reachable_effects` but screen and provenance.
    """
    import numpy as np
    import pandas as pd

    from phenodose.dose_response.combination import combined_drugs
    from phenodose.dose_response.reachable import reachable_effects
    from phenodose.names import ADD_ON_DOSE

    pairs = {(pair["sample"], pair["drug"]): pair for pair in combined_drugs(wells).to_dict("records")}
    places: list[int] = []
    rows: list[dict[str, Any]] = []
    unbound: list[float] = []
    for at, key in enumerate(curves.keys.to_dict("records")):
        if key["replicate"] != _POOLED:
            continue
        pair = pairs.get((key["sample"], key["drug"]), {})
        treatment = pair.get("treatment", key["drug"])
        drug = library.find(treatment).drug
        if drug is None or drug.c_max_nM is None:
            continue
        free = float("nan") if drug.fraction_unbound is None else drug.c_max_nM * drug.fraction_unbound
        source = f"{drug.c_max_source} ({drug.c_max_dose})" if drug.c_max_dose else drug.c_max_source
        of_drug = {"treatment": treatment, "add_on": pair.get("add_on"), ADD_ON_DOSE: pair.get(ADD_ON_DOSE, np.nan)}
        of_drug |= {"library_name": drug.name, "c_max_nM": drug.c_max_nM, "c_max_source": source or None}
        rows.append({**{str(name): value for name, value in key.items()}, **of_drug, "c_max_unbound_nM": free})
        places.append(at)
        unbound.append(free)
    columns = [name for name in TABLES[REACHABLE].column_names if name not in ("screen", *_PROVENANCE)]
    if not rows:
        return TABLES[REACHABLE].empty()[columns]
    found = reachable_effects(
        curves.select(np.array(places)), np.array([row["c_max_nM"] for row in rows]), np.array(unbound)
    )
    return pd.concat([pd.DataFrame(rows), found], axis=1)[columns]


_PROVENANCE = ("run_id", "plugin", "plugin_version", "parameters", "checkpoint")


# --- of a screen in the store ---------------------------------------------------------------------


@dataclass(frozen=True)
class ScreenDrugs:
    """What is known of the drugs of a screen, as it stands in the store.

    Attributes:
        rows: rows of the table `drugs`.
        inputs: names and hashes of the files that were read.
        notes: as of `KnownDrugs`.
    """

    rows: pd.DataFrame
    inputs: dict[str, Any]
    notes: list[str]


def make_drugs(step: Context) -> ScreenDrugs:
    """Look up the drugs of a screen and write the rows.

    Raises:
        NotMade: the layout has not been made.
        InputError: the site's table is faulty.
    """
    wells = step.wells()
    therapy = wells.loc[wells["well_type"] == "therapy", "treatment"].dropna()
    found = known_drugs(sorted(therapy.unique()), library_of(step.store), step.screen.drugs)
    rows = TABLES[DRUGS].frame([{"screen": step.screen_id, "run_id": step.run_id, **row} for row in found.rows])
    step.store.write_table(DRUGS, step.screen_id, DRUGS, rows)
    step.store.drop_table_part(DRUGS, step.screen_id, _OLD_PART)
    own = site_library(step.store)
    return ScreenDrugs(rows, _inputs(own), found.notes)


@dataclass(frozen=True)
class ScreenReachable:
    """What the drugs of a screen do at C max, as it stands in the store.

    Attributes:
        rows: rows of the table `reachable_effects`.
        plugin: what read the curves.
        inputs: names and hashes of what was read.
    """

    rows: pd.DataFrame
    plugin: ReachableEffects
    inputs: dict[str, Any]


def make_reachable(step: Context, readouts: Sequence[str]) -> ScreenReachable:
    """Read the stored curves of a screen at C max and write the rows.

    Args:
        step: screen and store.
        readouts: the readouts whose curves are read, where there are curves.

    Raises:
        NotMade: there are no curves.
        InputError: the site's table of drugs is faulty.
    """
    import pandas as pd

    wells, library, plugin = step.wells(), library_of(step.store), step.create(ReachableEffects)
    inputs = _inputs(site_library(step.store))
    frames = []
    for readout in readouts:
        batch = read_curves(step.store, step.screen_id, readout)
        if batch is None or step.block_of(curves_key(readout)) or step.block_of(f"viability/{readout}"):
            continue
        inputs[curves_key(readout)] = hash_file(step.store.table_part("curves", step.screen_id, curves_key(readout)))
        checkpoint = step.store.read_table("curves", step.screen_id, curves_key(readout))["checkpoint"].iloc[0]
        rows = reachable_of(batch, wells, library).assign(screen=step.screen_id)
        frames.append(step.provenance(plugin, checkpoint).stamp(rows))
    if not frames:
        raise NotMade(f"{step.screen_id} has no curves; materialize one of its assets `curves/<readout>` first.")
    some = [frame for frame in frames if len(frame)] or [TABLES[REACHABLE].empty()]
    rows = pd.concat(some, ignore_index=True)[TABLES[REACHABLE].column_names]
    step.store.write_table(REACHABLE, step.screen_id, REACHABLE, rows)
    return ScreenReachable(rows, plugin, inputs)


def _inputs(own: Any) -> dict[str, Any]:
    from phenodose.drug_library.library_table import built_in_hash

    return {"drug library": built_in_hash()} | ({} if own is None else {own.name: hash_file(own)})
