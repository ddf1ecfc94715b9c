"""Rows of a table of two drugs gathered into dose matrices, and raw values made inhibition.

Belongs here: which rows make a matrix, and what contradicts that. Does not belong here: cells and columns
(`pair_table`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from phenodose.errors import Faults
from phenodose.viability.dose_matrices import MatrixWells

_MOST_NAMED = 3
#: Percentages that do not go beyond this are perhaps fractions; nor are fractions whose middle lies beyond it.
_LARGEST_FRACTION = 2.0
#: Relative to wells without any drug, in whatever scale, nothing is so large that it is the middle of a matrix.
_MOST_IN_THE_MIDDLE = 10.0
#: Wells without any drug are 1, give or take this.
_OFF_ONE = 0.5


@dataclass(frozen=True)
class PairRow:
    """One well of a table.

    Attributes:
        number: row of the file.
        sample: its sample.
        block: name of the matrix that it is of; None in tables without blocks.
        first: name of the first drug (None for none) and its concentration [nM], 0 where the well is without it.
        second: likewise.
        value: the response, or the raw value less the background.
        plate: name of the plate; '' where the table has none.
        well: name of the well; None where the table has none.
        duration: time of the reading; None where the table has none.
    """

    number: int
    sample: str
    block: str | None
    first: tuple[str | None, float]
    second: tuple[str | None, float]
    value: float
    plate: str
    well: str | None
    duration: float | None

    @property
    def doses(self) -> list[tuple[str, float]]:
        """The drugs that are in the well, with their concentrations."""
        return [(name, dose) for name, dose in (self.first, self.second) if name is not None and dose > 0]


def matrices_of(
    rows: Sequence[PairRow], is_raw: bool, is_viability: bool, percent: bool, faults: Faults, notes: list[str]
) -> list[MatrixWells]:
    """The dose matrices of all rows, in order of sample, drug and second drug.

    Args:
        rows: the wells that have a value.
        is_raw: whether the values are raw, and not a response.
        is_viability: whether a response is viability.
        percent: whether a response is in percent.
        faults: gets what contradicts itself; nothing is returned then.
        notes: gets sentences on what is read in a way that is not plain.
    """
    rows = _at_one_time(rows, faults, notes)
    if not rows:
        faults.add("all rows are of the beginning (Duration 0); give the reading at the end of the treatment too.")
        return []
    _tell_double(rows, faults, notes)
    _refuse_two_spellings(rows, faults)
    inhibition = _of_raw(rows, faults) if is_raw else _of_response(rows, is_viability, percent)
    groups = _by_block(rows, faults) if any(row.block is not None for row in rows) else _by_pair(rows)
    if faults:
        return []
    merged: dict[tuple[str, frozenset[str]], list[tuple[str, str, str, list[int]]]] = defaultdict(list)
    for sample, block, drug, add_on, places in groups:
        merged[sample, frozenset((drug, add_on))].append((block, drug, add_on, places))
    found = []
    for (sample, _), parts in merged.items():
        if len(parts) > 1:
            names = ", ".join(block for block, *_ in parts[:_MOST_NAMED]) + ", ..." * (len(parts) > _MOST_NAMED)
            notes.append(
                f"sample {sample}: blocks {names} hold the same two drugs, {parts[0][1]} and {parts[0][2]}; they are "
                "taken as replicates of one matrix. A column Sample would tell samples apart."
            )
        _, drug, add_on, _ = parts[0]
        found.append(_matrix(sample, drug, add_on, rows, inhibition, [at for part in parts for at in part[3]]))
    if not found:
        faults.add("no row has two drugs with a concentration above 0; a table of single drugs is for `phenodose fit`.")
    return sorted(found, key=lambda one: (one.sample, one.drug, one.add_on))


def _matrix(
    sample: str, drug: str, add_on: str, rows: Sequence[PairRow], inhibition: np.ndarray, places: Sequence[int]
) -> MatrixWells:
    """The wells of a pair, whichever of the two a row names first."""
    first, second = np.zeros(len(places)), np.zeros(len(places))
    for at, place in enumerate(places):
        for position, (name, dose) in enumerate((rows[place].first, rows[place].second)):
            if dose > 0:
                is_second = position == 1 if drug == add_on else name == add_on
                (second if is_second else first)[at] = dose
    return MatrixWells(sample, drug, add_on, first, second, inhibition[list(places)])


# --- rows of a matrix -------------------------------------------------------------------------------------


def _by_block(rows: Sequence[PairRow], faults: Faults) -> list[tuple[str, str, str, str, list[int]]]:
    """Sample, block, the two drugs and the rows of every block."""
    blocks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        if row.block is None:
            faults.add(f"row {row.number}: the block is empty but given in other rows; write it in every row.")
        else:
            blocks[row.sample, row.block].append(at)
    found = []
    for (sample, block), places in blocks.items():
        pairs = Counter(
            (rows[at].first[0], rows[at].second[0])
            for at in places
            if rows[at].first[0] is not None and rows[at].second[0] is not None
        )
        names = {name for at in places for name in (rows[at].first[0], rows[at].second[0]) if name is not None}
        of_sample = f" of sample {sample}" if len({row.sample for row in rows}) > 1 else ""
        if not pairs or not any(len(rows[at].doses) == 2 for at in places):
            faults.add(f"block {block}{of_sample} has no row with two drugs; give it both, or take it out.")
            continue
        drug, add_on = (str(name) for name in pairs.most_common(1)[0][0])
        if names != {drug, add_on}:
            others = ", ".join(sorted(names - {drug, add_on}))
            faults.add(
                f"block {block}{of_sample} holds {drug} and {add_on}, and {others} too; a block is a matrix of two "
                "drugs, so give each pair its own."
            )
            continue
        found.append((sample, block, drug, add_on, places))
    return found


def _by_pair(rows: Sequence[PairRow]) -> list[tuple[str, str, str, str, list[int]]]:
    """Sample, nothing, the two drugs and the rows of every pair; wells of a drug alone are those of all its pairs."""
    both: dict[tuple[str, frozenset[str]], list[int]] = defaultdict(list)
    alone: dict[tuple[str, str], list[int]] = defaultdict(list)
    none: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        names = [name for name, _ in row.doses]
        if len(names) == 2:
            both[row.sample, frozenset(names)].append(at)
        elif names:
            alone[row.sample, names[0]].append(at)
        else:
            none[row.sample].append(at)
    found = []
    for (sample, _), places in both.items():
        ways = Counter((str(rows[at].first[0]), str(rows[at].second[0])) for at in places)
        (drug, add_on), _ = min(ways.items(), key=lambda one: (-one[1], one[0]))
        singles = [*alone[sample, drug], *(alone[sample, add_on] if add_on != drug else [])]
        plates = {rows[at].plate for at in (*places, *singles)}
        untreated = [at for at in none[sample] if rows[at].plate in plates]
        found.append((sample, "", drug, add_on, [*places, *singles, *untreated]))
    return found


def _refuse_two_spellings(rows: Sequence[PairRow], faults: Faults) -> None:
    """Names that differ in upper and lower case alone would be two drugs, or samples, with half of the wells each."""
    spellings: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        for kind, name in (("drug", row.first[0]), ("drug", row.second[0]), ("sample", row.sample)):
            if name is not None:
                spellings[kind, name.casefold()].setdefault(name, row.number)
    for (kind, _), named in spellings.items():
        if len(named) > 1:
            places = " and ".join(f"{name!r} (row {number})" for name, number in named.items())
            faults.add(f"{places} differ in upper and lower case alone; write one name for one {kind}.")


def _tell_double(rows: Sequence[PairRow], faults: Faults, notes: list[str]) -> None:
    """Wells that are named twice are refused; rows alike in all that is read count as replicates, with a note."""
    wells = Counter((row.sample, row.plate, row.well) for row in rows if row.well is not None and row.plate)
    for (_, plate, well), count in wells.items():
        if count > 1:
            faults.add(f"plate {plate}, well {well} stands in the table {count} times; list a well once.")
    alike = Counter((row.sample, row.block, row.first, row.second, row.value, row.plate, row.well) for row in rows)
    double = sum(count - 1 for content, count in alike.items() if any(dose > 0 for _, dose in content[2:4]))
    if double:
        notes.append(f"{double} rows repeat another with the same drugs, doses and value; they count as replicates.")


def tell_odd_responses(
    matrices: Sequence[MatrixWells], is_viability: bool, percent: bool, insists: bool, faults: Faults, notes: list[str]
) -> None:
    """Tell of matrices whose responses are hardly what they are taken for: fractions as percent, raw values.

    Args:
        matrices: the matrices, read.
        is_viability: whether the response is viability.
        percent: whether it was taken for percent.
        insists: whether a person says the scale, who is believed.
        faults: gets what cannot be; a viability of 2 % at most in all wells, or of 1000 % in half of them.
        notes: gets what may be.
    """
    kind = "viability" if is_viability else "inhibition"
    for one in matrices:
        if not len(one.inhibition):
            continue
        response = 1 - one.inhibition if is_viability else one.inhibition
        largest, middle = float(np.abs(response).max()), float(np.median(np.abs(response)))
        where = f"sample {one.sample}: {one.drug} with {one.add_on}: the {kind}"
        if middle > _MOST_IN_THE_MIDDLE or (not percent and middle > _LARGEST_FRACTION and not insists):
            faults.add(
                f"{where} goes to {100 * largest:.4g} % of wells without any drug; say --scale percent if these are "
                "percentages, and give raw values in columns ReadoutValue and BackgroundValue."
            )
        elif percent and 0 < 100 * largest <= _LARGEST_FRACTION:
            told = f"{where} is read in percent and goes to no more than {100 * largest:.4g} %"
            if is_viability and not insists:
                faults.add(f"{told}, which looks like fractions; say --scale fraction or --scale percent.")
            else:
                notes.append(f"{told}; if these are fractions, say --scale fraction.")
        none = response[(one.first_nM == 0) & (one.second_nM == 0)]
        untreated = 1.0 if is_viability else 0.0
        if len(none) and abs(float(np.median(none)) - untreated) > _OFF_ONE:
            notes.append(
                f"{where} of its wells without any drug is {100 * float(np.median(none)):.4g} %, though it is relative "
                f"to them and should be about {100 * untreated:g} %."
            )


# --- values -----------------------------------------------------------------------------------------------


def _of_response(rows: Sequence[PairRow], is_viability: bool, percent: bool) -> np.ndarray:
    values = np.array([row.value for row in rows], dtype=np.float64) / (100.0 if percent else 1.0)
    return 1.0 - values if is_viability else values


def _of_raw(rows: Sequence[PairRow], faults: Faults) -> np.ndarray:
    """Raw values relative to the median of the wells of the plate and sample that hold no drug."""
    untreated: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if not row.doses:
            untreated[row.sample, row.plate].append(row.value)
    level = {place: float(np.median(values)) for place, values in untreated.items()}
    lacking = dict.fromkeys((row.sample, row.plate) for row in rows if level.get((row.sample, row.plate), 0.0) <= 0)
    for sample, plate in lacking:
        where = f"plate {plate}" if plate else "the table"
        faults.add(
            f"{where} has no well of {sample} without any drug whose value is above the background; raw values need "
            "such wells (DrugName vehicle, Concentration 0)."
        )
    if lacking:
        return np.full(len(rows), np.nan)
    return np.array([1.0 - row.value / level[row.sample, row.plate] for row in rows], dtype=np.float64)


def _at_one_time(rows: Sequence[PairRow], faults: Faults, notes: list[str]) -> list[PairRow]:
    """The rows of the end of the treatment; those of its beginning (Duration 0) are left out."""
    times = sorted({row.duration for row in rows if row.duration})
    if len(times) > 1:
        faults.add(f"Duration holds {_listed(times)}; give a table of one time.")
    ends = [row for row in rows if row.duration != 0]
    if len(ends) < len(rows):
        notes.append(f"{len(rows) - len(ends)} rows of the beginning (Duration 0) are left out.")
    return ends


def _listed(numbers: Iterable[float]) -> str:
    *most, last = (f"{number:g}" for number in numbers)
    return f"{', '.join(most)} and {last}"
