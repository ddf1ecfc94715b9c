"""Dose matrices of a readout: what two drugs do together beyond what the models expect, for every face alike.

Belongs here: from the wells of a screen, or the table of another program, to the rows of the tables `dose_pairs` and
`combination_scores`, and which measures are taken. Does not belong here: which wells are a matrix
(`phenodose.viability.dose_matrices`), the measures (plugins) and what they are given (`phenodose.combinations`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phenodose.errors import PluginError
from phenodose.names import ADD_ON_DOSE
from phenodose.plugins import CombinationMeasure, Preferences, Registry, registry
from phenodose.tables import PROVENANCE, TABLES
from phenodose.viability.dose_matrices import MatrixWells, has_second_doses, matrix_wells, without_own_controls

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Stands in the column readout where nothing says what was measured.
READOUT = "readout"
#: Of so many pairs that lack something each has a sentence of its own.
_MOST_NOTES = 3
_MOST_PARTS = 2
#: The tables that dose matrices are written to.
PAIRS, SUMS = "dose_pairs", "combination_scores"
_OUTSIDE = {"screen", *(column.name for column in PROVENANCE)}
#: Their columns but for screen and provenance, which the caller knows.
COLUMNS = {table: [name for name in TABLES[table].column_names if name not in _OUTSIDE] for table in (PAIRS, SUMS)}


@dataclass(frozen=True)
class ReadoutMatrices:
    """What the dose matrices of a readout show.

    Attributes:
        pairs: one row a matrix, dose pair and measure of pairs, with `COLUMNS`.
        sums: one row a matrix and measure, likewise.
        notes: a sentence on everything that cannot be computed, each begins with the sample.
        figures: quality metrics by sample: metric, value and a remark each.
        faults: a sentence on each measure that failed; its rows say so in their status.
    """

    pairs: pd.DataFrame
    sums: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    figures: dict[str, list[tuple[str, float, str]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def combination_key(measure: str) -> str:
    """Asset key under which a measure that cannot be used is told."""
    return f"combinations/{measure}"


def of_single_drugs(viability: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """The rows of viability that may be points of curves: without the wells of dose matrices that have no own controls.

    Args:
        viability: rows of one readout, as `viability_of` gives them.
        wells: `Layout.frame` (or the table `wells`), one row a well.
    """
    if not has_second_doses(wells):
        return viability
    held = viability[["plate", "well", "control"]].merge(wells, on=["plate", "well"], how="left")
    none = without_own_controls(held, held["control"].eq("negative").to_numpy(dtype=bool))
    return viability[~none] if none.any() else viability


def readout_matrices(
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    readout: str,
    draws: int = 200,
    seed: int = 0,
    measures: Sequence[CombinationMeasure] | None = None,
) -> ReadoutMatrices:
    """What the dose matrices among the wells of a screen show; empty tables where there are none.

    Args:
        viability: as for `of_single_drugs`; wells masked for a flag, or by a person, do not count.
        wells: likewise.
        readout: name of the readout.
        draws: draws for the intervals; 0 for none.
        seed: seed of the draws.
        measures: what is measured; None for every installed measure with its defaults.
    """
    from phenodose.quality.wells import is_left_out

    if not has_second_doses(wells):
        return excess_of_matrices([], readout, draws, seed, measures)
    left_out = viability["masked"].to_numpy(dtype=bool) & is_left_out(viability["mask_reason"])
    found = excess_of_matrices(matrix_wells(viability, wells, left_out), readout, draws, seed, measures)
    found.notes[:0] = _without_curves(viability, wells)
    return found


def installed_measures(
    plugins: Registry | None = None,
    preferences: Preferences | None = None,
    make: Callable[[type[CombinationMeasure]], CombinationMeasure] | None = None,
) -> tuple[list[CombinationMeasure], list[str]]:
    """The measures of two drugs, the one that ranks pairs first, and a sentence on each that cannot be made.

    Args:
        plugins: what is installed.
        preferences: which comes first; by the plugins' own word if None.
        make: makes a plugin of its class; with its defaults if None.
    """
    from phenodose.plugins.isolation import shared_sandbox

    known = plugins or registry()
    classes = known.wanted("measure")
    order = (preferences or Preferences(measures=classes)).ordered_measures(classes)
    found, notes = [], []
    for name in order:
        try:
            found.append(make(classes[name]) if make else shared_sandbox(classes[name], {}, known))
        except PluginError as error:
            notes.append(f"the measure {name} of two drugs is left out: {error}")
    return found, notes


def excess_of_matrices(
    matrices: Sequence[MatrixWells],
    readout: str,
    draws: int = 200,
    seed: int = 0,
    measures: Sequence[CombinationMeasure] | None = None,
) -> ReadoutMatrices:
    """The tables of some dose matrices of one readout.

    Args:
        matrices: of one or several samples; the noise of wells is learned from all matrices of a sample.
        readout: name of the readout.
        draws: draws for the intervals; 0 for none.
        seed: seed of the draws.
        measures: what is measured; None for every installed measure with its defaults.
    """
    pairs, sums = [], []
    notes: list[str] = []
    failed: dict[str, None] = {}
    if measures is None:
        measures, notes = installed_measures() if matrices else ([], [])
    figures: dict[str, list[tuple[str, float, str]]] = {}
    for sample in dict.fromkeys(one.sample for one in matrices):
        own = [one for one in matrices if one.sample == sample]
        of_pairs, of_sums, doubtful, sd, faults = _of_sample(own, measures, draws, seed)
        pairs.append(of_pairs.assign(sample=sample, readout=readout))
        sums.append(of_sums.assign(sample=sample, readout=readout))
        as_add_on = {(one.drug, one.add_on) for one in own if one.has_controls}
        figures[sample] = _figures(of_pairs, as_add_on, doubtful, sd)
        failed.update(dict.fromkeys(faults))
        notes += _doubtful(sample, doubtful)
        notes += [*_not_computed(sample, of_sums, as_add_on), *_partly_computed(sample, of_pairs, as_add_on)]
    tables = joined(pairs, PAIRS, [readout]), joined(sums, SUMS, [readout])
    return ReadoutMatrices(*tables, notes, figures, list(failed))


def joined(parts: Sequence[pd.DataFrame], table: str, readouts: Sequence[str]) -> pd.DataFrame:
    """The rows of several parts of a table, in order of sample and readout; an empty table where there are none."""
    import pandas as pd

    filled = [part for part in parts if len(part)]
    if not filled:
        return TABLES[table].empty()[COLUMNS[table]]
    place = {name: at for at, name in enumerate(readouts)}
    rows = pd.concat(filled, ignore_index=True)
    rows = rows.assign(_readout=rows["readout"].map(place)).sort_values(["sample", "_readout"], kind="stable")
    return rows[COLUMNS[table]].reset_index(drop=True)


def _of_sample(
    matrices: Sequence[MatrixWells], measures: Sequence[CombinationMeasure], draws: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[str, str]], np.ndarray, list[str]]:
    """The rows of the matrices of one sample, with names; pairs that may be bad, in words; noise; failed measures."""
    import numpy as np
    import pandas as pd

    from phenodose.combinations import DoseMatrix, excess_of

    wells = [DoseMatrix(one.first_nM, one.second_nM, one.inhibition) for one in matrices]
    found = excess_of(wells, measures, draws, seed)
    tables = []
    for rows in (found.pairs, found.sums):
        number = rows["matrix"].to_numpy(dtype=np.int64)
        drug, add_on = ([getattr(matrices[at], name) for at in number] for name in ("drug", "add_on"))
        status = [_named(str(text), matrices[at]) for text, at in zip(rows["status"], number, strict=True)]
        named = pd.DataFrame({"drug": drug, "add_on": add_on}, index=rows.index, dtype=object)
        tables.append(pd.concat([named, rows.assign(status=status)], axis=1))
    pairs, sums = tables
    sums["interaction"] = sums["interaction"].astype(object).where(sums["interaction"] != "", None)
    doses = {"first_nM": "concentration_nM", "second_nM": ADD_ON_DOSE}
    columns = (found.doubtful[name] for name in ("matrix", "first_nM", "second_nM", "off_percent"))
    doubtful = [
        (
            f"{matrices[int(at)].drug} {first:.4g} nM with {matrices[int(at)].add_on} {second:.4g} nM",
            f"{off:+.0f} points",
        )
        for at, first, second, off in zip(*columns, strict=True)
    ]
    return pairs.rename(columns=doses), sums, doubtful, found.sd, list(found.faults.values())


def _figures(
    pairs: pd.DataFrame, as_add_on: set[tuple[str, str]], doubtful: Sequence[tuple[str, str]], sd: np.ndarray
) -> list[tuple[str, float, str]]:
    """The quality metrics of the matrices of one sample: metric, value, remark.

    A drug with an add-on that has controls was perhaps not meant as a matrix (`as_add_on`): it may lack single drugs.
    """
    import numpy as np

    ranking = pairs[pairs["model"] == next(iter(pairs["model"]), "")]
    names = zip(ranking["drug"], ranking["add_on"], strict=True)
    meant = ranking[np.array([pair not in as_add_on for pair in names], dtype=bool)]
    found = []
    if n := len(meant):
        without = int(meant["status"].ne("ok").sum())
        found.append(("pairs_without_excess_percent", 100 * without / n, f"{without} of {n} dose pairs"))
    if len(ranking) and np.isfinite(sd).any():
        found.append(("pair_noise_percent", 100 * float(np.nanmedian(sd)), f"{len(sd)} dose matrices"))
        shown = (" ".join(pair) for pair in doubtful[:3])
        remark = "; ".join([f"{len(doubtful)} of {len(ranking)} dose pairs", *shown])
        found.append(("doubtful_pairs_percent", 100 * len(doubtful) / len(ranking), remark))
    return found


def _doubtful(sample: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence on the dose pairs whose wells lie off those around them, if there are any."""
    if not pairs:
        return []
    shown = _listed([f"{pair} ({off})" for pair, off in pairs])
    return [
        f"sample {sample}: wells of {len(pairs)} dose pair{'s' * (len(pairs) > 1)} lie off those around them "
        f"and may be bad: {shown}. They count in every excess, and the intervals leave open whether they are right; "
        "mask them if not."
    ]


def _named(status: str, matrix: MatrixWells) -> str:
    """A status with the names of the drugs; of two drugs that both lack wells of their own it says so."""
    names = {"the first drug": matrix.drug, "the second drug": matrix.add_on}
    said = re.sub("|".join(names), lambda match: names[match.group()], status)
    if len(lacking := matrix.lacking) > 1 and said == f"no wells with {lacking[0]} alone":
        return f"{said} and none with {lacking[1]} alone"
    return said


def _not_computed(sample: str, sums: pd.DataFrame, as_add_on: set[tuple[str, str]]) -> list[str]:
    """A sentence on the measures that have no value: why, for each pair; of many pairs on all of them together.

    Of a drug with an add-on that has controls, whose few doses were perhaps not meant as a matrix (`as_add_on`), only
    if it has no value at all.
    """
    lacking = sums[sums["status"] != "ok"]
    by_pair: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}
    for keys, rows in lacking.groupby(["drug", "add_on", "status"], sort=False):
        drug, add_on, reason = map(str, keys)
        if (drug, add_on) in as_add_on and len(rows) < len(sums["measure"].unique()):
            continue
        by_pair.setdefault(tuple(rows["measure"]), []).append((drug, add_on, _shortened(reason)))
    notes = []
    for measures, pairs in by_pair.items():
        cannot = f"{_listed(measures)} cannot be computed"
        if len(pairs) <= _MOST_NOTES:
            notes += [
                f"sample {sample}: {drug} with {add_on}: {cannot} ({reason}){_remedy(reason)}."
                for drug, add_on, reason in pairs
            ]
        else:
            shown = _listed([f"{drug} with {add_on} ({reason})" for drug, add_on, reason in pairs])
            notes.append(f"sample {sample}: of {len(pairs)} dose matrices {cannot}: {shown}; `status` says why.")
    return notes


def _remedy(reason: str) -> str:
    """What to do about a drug that no well holds alone; '' for other reasons."""
    return "; add wells with each drug alone, at the doses of the pairs" * reason.startswith("no wells with")


def _partly_computed(sample: str, pairs: pd.DataFrame, as_add_on: set[tuple[str, str]]) -> list[str]:
    """A sentence on each matrix whose means are over some of its dose pairs alone; of many matrices on all together."""
    found = []
    for names, rows in pairs.groupby(["drug", "add_on"], sort=False):
        drug, add_on = map(str, names)
        ok = rows["status"].eq("ok").groupby(rows["model"], sort=False).agg(["sum", "size"])
        partly = ok[(ok["sum"] > 0) & (ok["sum"] < ok["size"])]
        if partly.empty or (drug, add_on) in as_add_on:
            continue
        parts = [
            f"{number} of {size} for {_listed([str(model) for model in some.index])}"
            for (number, size), some in partly.groupby(["sum", "size"], sort=False)
        ]
        lacking = rows[rows["model"].isin(partly.index) & rows["status"].ne("ok")]
        reason = _shortened("; ".join(dict.fromkeys(lacking["status"])))
        found.append(
            (f"{drug} with {add_on}", f"the mean is over some dose pairs alone, {' and '.join(parts)} ({reason})")
        )
    if len(found) <= _MOST_NOTES:
        return [f"sample {sample}: {pair}: {said}." for pair, said in found]
    named = _listed([pair for pair, _ in found])
    return [f"sample {sample}: the means of {len(found)} dose matrices are over some of their dose pairs: {named}."]


def _shortened(reason: str) -> str:
    """The beginning of a reason that goes through dose after dose."""
    parts = reason.split("; ")
    return "; ".join(parts[:_MOST_PARTS]) + "; ..." * (len(parts) > _MOST_PARTS)


def _without_curves(viability: pd.DataFrame, wells: pd.DataFrame) -> list[str]:
    """A sentence on each sample with wells of dose matrices that are measured against cells without any drug."""
    held = wells.merge(viability[["plate", "well", "control"]], on=["plate", "well"], how="inner")
    none: np.ndarray = without_own_controls(held, held["control"].eq("negative").to_numpy(dtype=bool))
    notes = []
    for sample, rows in held[none].groupby("sample", sort=True):
        pairs = rows[["treatment", "add_on"]].drop_duplicates()
        shown = [f"{drug} with {add_on}" for drug, add_on in pairs.itertuples(index=False, name=None)]
        notes.append(
            f"sample {sample}: {len(rows)} wells of dose matrices ({_listed(shown)}) are measured against cells "
            "without any drug, as no negative control holds the second drug; they make no curves with an add-on."
        )
    return notes


def _listed(names: Sequence[str]) -> str:
    most = 5
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
