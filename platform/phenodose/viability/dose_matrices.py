"""Dose matrices of two drugs in a layout: which wells they are, and their inhibition against cells without any drug.

Belongs here: the one rule for what a dose matrix is, and the scale on which its wells stand. Does not belong here: what
two drugs do together (`phenodose.combinations`), and a drug with an add-on in a constant dose, which is relative to the
add-on alone (`normalise`).

The rule: the wells of a sample with a drug and an add-on, each in a known concentration above 0, are a dose matrix if
both come in two concentrations or more. Where no negative control of the sample holds the add-on, they are one as well
if the add-on is also given as a drug by itself, in however many concentrations. A full grid, a part of one, doses in a
fixed ratio: all are dose matrices. The drug alone are its wells without add-on; the add-on alone are the wells that
have it as their drug, and control wells of living cells that hold it. A as add-on of B and B as add-on of A are one
matrix: its drug is what more of its wells call so, of equals the first by alphabet.

A screen of drugs with one constant add-on has its controls with the add-on, and stays what it is: viability relative to
the add-on alone. Its wells may be a dose matrix beside that. Where no control of the sample holds the add-on, there is
nothing of that kind to be relative to, so the wells of a dose matrix are measured against cells without any drug, and
make no dose-response curve with the add-on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phenodose.names import ADD_ON_DOSE

if TYPE_CHECKING:
    import pandas as pd

#: Wells with one drug of living cells that are no negative control of the readout.
_LIVING = ("neg", "untreated")
#: Two plain wells whose viabilities lie within this of a line through all others stand on one scale.
_ON_THE_LINE = 1e-6


@dataclass(frozen=True)
class MatrixWells:
    """The wells of one dose matrix.

    Attributes:
        sample: its sample.
        drug: name of the drug, as the layout's Treatment.
        add_on: name of the second drug.
        first_nM: float64 (n,), concentration of the drug in every well, 0 for none.
        second_nM: float64 (n,), of the second drug.
        inhibition: float64 (n,), fraction, against cells without any drug; not clamped.
        has_controls: negative controls hold the second drug, so that the wells are a drug with an add-on as well.
    """

    sample: str
    drug: str
    add_on: str
    first_nM: np.ndarray
    second_nM: np.ndarray
    inhibition: np.ndarray
    has_controls: bool = False

    @property
    def lacking(self) -> list[str]:
        """Which of the two drugs has no well by itself."""
        alone = ((self.second_nM == 0) & (self.first_nM > 0), (self.first_nM == 0) & (self.second_nM > 0))
        return [name for name, wells in zip((self.drug, self.add_on), alone, strict=True) if not wells.any()]


def has_second_doses(wells: pd.DataFrame) -> bool:
    """Whether any well says the concentrations of two drugs; without, there is no dose matrix."""
    said = ADD_ON_DOSE in wells and "concentration_nM" in wells
    return said and bool((wells["concentration_nM"].gt(0) & wells[ADD_ON_DOSE].gt(0)).any())


def without_own_controls(wells: pd.DataFrame, negative: np.ndarray) -> np.ndarray:
    """Wells of dose matrices that are measured against cells without any drug, bool array (well,).

    Args:
        wells: well_type, treatment, concentration_nM, add_on (and sample, add_on_concentration_nM).
        negative: bool array (well,), the negative controls of the readout.
    """
    found = np.zeros(len(wells), dtype=bool)
    if has_second_doses(wells):
        for pair in _pairs(wells, negative):
            if not pair.has_control:
                found[pair.at] = True
    return found


def matrix_wells(viability: pd.DataFrame, wells: pd.DataFrame, left_out: np.ndarray) -> list[MatrixWells]:
    """The dose matrices of a readout, in order of sample, drug and second drug.

    Args:
        viability: rows of one readout, as `to_viability` gives them: plate, well, raw, viability_fraction, control,
            masked.
        wells: plate, well, sample, well_type, treatment, concentration_nM, add_on, add_on_concentration_nM.
        left_out: bool array (row of `viability`,): wells whose reading does not count.

    Returns:
        Every matrix with the wells of both drugs, of each alone, and the plain negative controls of their plates; wells
        without a value are left out, and a matrix of which none has one is there without wells.
    """
    if not has_second_doses(wells):
        return []
    read = viability[["plate", "well", "raw", "viability_fraction", "control"]].assign(left_out=left_out)
    all_wells = wells.merge(read, on=["plate", "well"], how="inner").reset_index(drop=True)
    negative = all_wells["control"].eq("negative").to_numpy(dtype=bool)
    merged: dict[tuple[str, str, str], list[_Pair]] = {}
    for pair in _pairs(all_wells, negative):
        first, second = sorted((pair.drug_key, pair.add_on_key))
        merged.setdefault((pair.sample, first, second), []).append(pair)
    if not merged:
        return []
    inhibition = _plain_inhibition(all_wells, negative)
    usable = np.isfinite(inhibition) & ~all_wells["left_out"].to_numpy(dtype=bool)
    found = [
        _of_pair(all_wells, min(ways, key=lambda way: (-len(way.at), way.drug_key)), negative, inhibition, usable)
        for ways in merged.values()
    ]
    return sorted(found, key=lambda one: (one.sample, one.drug, one.add_on))


def _of_pair(
    wells: pd.DataFrame, pair: _Pair, negative: np.ndarray, inhibition: np.ndarray, usable: np.ndarray
) -> MatrixWells:
    """The wells that hold nothing but the two drugs of a pair, whichever of them is the add-on."""
    drug, add_on = _keys(wells, "treatment"), _keys(wells, "add_on")
    dose, added = (wells[name].to_numpy(np.float64) for name in ("concentration_nM", ADD_ON_DOSE))
    therapy = wells["well_type"].eq("therapy").to_numpy(dtype=bool)
    living = (negative | wells["well_type"].isin(_LIVING).to_numpy(dtype=bool)) & ~therapy
    dose, added = np.where(therapy, dose, 0.0), np.where(add_on == "", 0.0, added)
    names = (pair.drug_key, pair.add_on_key)
    within = np.isin(add_on.astype(str), ("", *names)) & (np.isin(drug.astype(str), names) | ~therapy)
    within &= (_texts(wells, "sample") == pair.sample) & (therapy | living) & usable
    is_dosed = within & ((dose > 0) | (added > 0)) & np.isfinite(dose) & np.isfinite(added)
    plates = wells["plate"].isin(wells.loc[is_dosed, "plate"].unique()).to_numpy(dtype=bool)
    at = np.flatnonzero(is_dosed | (within & negative & (add_on == "") & plates))
    # What is the add-on of a well of the other way round is its drug.
    turned = (drug[at] == pair.add_on_key) & therapy[at] & (pair.drug_key != pair.add_on_key)
    turned |= ~therapy[at] & (add_on[at] == pair.drug_key) & (pair.drug_key != pair.add_on_key)
    first, second = np.where(turned, added[at], dose[at]), np.where(turned, dose[at], added[at])
    values = inhibition[at]
    if pair.drug_key == pair.add_on_key:  # a drug with itself: either of the two alone is the drug alone
        alone = (first > 0) & (second == 0)
        first, second = np.append(first, np.zeros(alone.sum())), np.append(second, first[alone])
        values = np.append(values, values[alone])
    return MatrixWells(pair.sample, pair.drug, pair.add_on, first, second, values, pair.has_control)


# --- the pairs of a layout --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """A drug and an add-on of a sample that are a dose matrix, one way round.

    Attributes:
        at: int array: the wells with both.
        has_control: whether a negative control of the sample holds the add-on.
    """

    sample: str
    drug: str
    add_on: str
    drug_key: str
    add_on_key: str
    at: np.ndarray
    has_control: bool


def _pairs(wells: pd.DataFrame, negative: np.ndarray) -> Iterator[_Pair]:
    """Every dose matrix of the wells, one way round."""
    import pandas as pd

    sample, drug, add_on = _texts(wells, "sample"), _keys(wells, "treatment"), _keys(wells, "add_on")
    dose = wells["concentration_nM"].to_numpy(np.float64)
    added = wells[ADD_ON_DOSE].to_numpy(np.float64)
    therapy = wells["well_type"].eq("therapy").to_numpy(dtype=bool) & (drug != "")
    both = pd.DataFrame({"sample": sample, "drug": drug, "add_on": add_on, "dose": dose, "added": added})
    both = both[therapy & (add_on != "") & (dose > 0) & (added > 0)]
    controlled = set(zip(sample[negative], add_on[negative], strict=True))
    single = set(zip(sample[therapy & (add_on == "")], drug[therapy & (add_on == "")], strict=True))
    names, second_names = _texts(wells, "treatment"), _texts(wells, "add_on")
    ways = dict(iter(both.groupby(["sample", "drug", "add_on"], sort=True)))
    for (of, first, second), rows in ways.items():
        turned = ways.get((of, second, first))
        doses, of_second = set(rows["dose"]), set(rows["added"])
        if turned is not None:
            doses, of_second = doses | set(turned["added"]), of_second | set(turned["dose"])
        has_control = (of, second) in controlled
        if min(len(doses), len(of_second)) < 2 and (has_control or (of, second) not in single):
            continue
        at = rows.index.to_numpy(dtype=np.int64)
        yield _Pair(of, str(names[at[0]]), str(second_names[at[0]]), first, second, at, has_control)


def _texts(wells: pd.DataFrame, name: str) -> np.ndarray:
    """A column as text without blanks around it; '' where it is empty or there is none."""
    if name not in wells:
        return np.full(len(wells), "", dtype=object)
    return wells[name].astype(object).fillna("").astype(str).str.strip().to_numpy(dtype=object)


def _keys(wells: pd.DataFrame, name: str) -> np.ndarray:
    """A column of names as they are compared: the add-on 'temozolomide' is the drug 'Temozolomide'."""
    return np.array([text.casefold() for text in _texts(wells, name)], dtype=object)


# --- inhibition against cells without any drug --------------------------------------------------------


def _plain_inhibition(wells: pd.DataFrame, negative: np.ndarray) -> np.ndarray:
    """Inhibition of every well on the scale on which the wells without add-on of its plate stand; NaN without one.

    Viability is an affine function of the raw value within a group of wells, whatever its controls are (those of the
    plate, of the treatment, a stated lower anchor). So the wells without add-on and their stored viabilities tell the
    function, and it is applied to the raw values of those with one: on the plate; else of the drug on the plate; else
    of the drug, where wells of several plates stand on one scale.
    """
    import pandas as pd

    raw, viability = (wells[name].to_numpy(np.float64) for name in ("raw", "viability_fraction"))
    add_on = _texts(wells, "add_on")
    own = without_own_controls(wells, negative)
    on_scale = np.isfinite(raw) & np.isfinite(viability) & ((add_on == "") | own)
    found = np.where(on_scale, viability, np.nan)
    sample, plate, drug = _texts(wells, "sample"), _texts(wells, "plate"), _keys(wells, "treatment")
    wanted = np.isfinite(raw) & ~on_scale & (add_on != "")
    groups = pd.DataFrame({"sample": sample, "plate": plate, "drug": drug})
    for keys in (["sample", "plate"], ["sample", "plate", "drug"], ["sample", "drug"]):
        for place in groups.groupby(keys, sort=False).indices.values():
            if "plate" not in keys and len(set(plate[place][on_scale[place]])) < 2:
                continue
            scale = _line(raw[place][on_scale[place]], viability[place][on_scale[place]])
            of = place[wanted[place] & ~np.isfinite(found[place])]
            if scale is not None and len(of):
                found[of] = scale[0] + scale[1] * raw[of]
    return 1.0 - found


def _line(raw: np.ndarray, viability: np.ndarray) -> tuple[float, float] | None:
    """Intercept and slope of viability over the raw value; None if the wells do not stand on one line."""
    if len(raw) < 2 or raw.min() == raw.max():
        return None
    low, high = int(raw.argmin()), int(raw.argmax())
    slope = (viability[high] - viability[low]) / (raw[high] - raw[low])
    intercept = viability[low] - slope * raw[low]
    beside = np.abs(intercept + slope * raw - viability).max()
    return (float(intercept), float(slope)) if beside <= _ON_THE_LINE * max(1.0, np.abs(viability).max()) else None
