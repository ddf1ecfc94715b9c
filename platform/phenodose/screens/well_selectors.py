"""Which wells a person means: `P2/C07`, `P2/C07-D12`, `plate:P2`, `drug:NAME`, `replicate:2`.

Belongs here: reading such a text, and finding its wells in a layout; names that are not there are told with the nearest
ones. Does not belong here: what is decided on the wells (`phenodose.screens.curations`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phenodose.errors import InputError
from phenodose.names import curve_names, parse_well, plate_key, row_index, well_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: What a text may begin with before its colon.
_KINDS = ("plate", "drug", "replicate")
_NUMBER = re.compile(r"#?(\d+)")
#: Says that all samples are meant.
ALL_SAMPLES = "all"
_NAMED = 6


@dataclass(frozen=True)
class Selector:
    """Wells of a screen by what they have in common; None where it does not matter.

    Attributes:
        plate: plate name as in the layout.
        well: a well such as C07, or the corners of a block such as C07-D12.
        drug: drug as scores name it: 'drug', or 'drug + add-on'.
        replicate: replicate number.
        sample: sample name.
        readout: readout whose readings are meant; the wells are the same.
    """

    plate: str | None = None
    well: str | None = None
    drug: str | None = None
    replicate: int | None = None
    sample: str | None = None
    readout: str | None = None

    @property
    def words(self) -> str:
        """The wells in words: 'P2/C07', 'drug Trametinib of sample BT-40 by ctg'."""
        if self.well is not None:
            text = f"{self.plate}/{self.well}"
        elif self.drug is not None:
            text = f"drug {self.drug}"
        elif self.replicate is not None:
            text = f"replicate {self.replicate}"
        else:
            text = f"plate {self.plate}"
        of = f" of sample {self.sample}" if self.sample is not None else ""
        return f"{text}{of}{f' by {self.readout}' if self.readout is not None else ''}"

    def wells(self, layout: pd.DataFrame) -> np.ndarray:
        """Which rows of the table `wells` are meant, bool array (well,)."""
        import numpy as np

        chosen = np.ones(len(layout), dtype=bool)
        if self.plate is not None:
            key = plate_key(self.plate)
            chosen &= np.array([plate_key(str(plate)) == key for plate in layout["plate"]], dtype=bool)
        if self.well is not None:
            chosen &= _in_block(layout, self.well)
        if self.drug is not None:
            chosen &= _of_drug(layout, self.drug)
        if self.replicate is not None:
            chosen &= layout["replicate"].eq(self.replicate).fillna(False).to_numpy(dtype=bool)
        if self.sample is not None:
            chosen &= layout["sample"].eq(self.sample).fillna(False).to_numpy(dtype=bool)
        return chosen


def number_in(text: str) -> int | None:
    """The number of a decision, where a text is one ('3', '#3'); None for any other."""
    match = _NUMBER.fullmatch(text.strip())
    return int(match[1]) if match else None


def selector_of(text: str, layout: pd.DataFrame, sample: str | None = None, readout: str | None = None) -> Selector:
    """What a person means by a text.

    Args:
        text: `P2/C07`, `P2/C07-D12`, `plate:P2`, `drug:NAME`, `replicate:2`; of a screen with one plate also `C07`.
        layout: rows of the table `wells`.
        sample: only wells of this sample; 'all' for those of all samples.
        readout: only readings of this readout; taken as it is.

    Raises:
        InputError: it names what the layout does not have, told with the nearest names; or a drug or replicate of
            several samples and no sample.
    """
    kind, colon, name = text.partition(":")
    kind, name = kind.strip().casefold(), name.strip()
    if colon and kind in _KINDS and name:
        found = {"plate": _plate, "drug": _drug, "replicate": _replicate}[kind](name, layout)
    else:
        found = _well(text.strip(), layout)
    found = Selector(found.plate, found.well, found.drug, found.replicate, _sample(found, layout, sample), readout)
    if not found.wells(layout).any():
        raise InputError(f"{text}: the layout has no well of {found.words}.")
    return found


def well_list(layout: pd.DataFrame, chosen: np.ndarray) -> list[str]:
    """Names of the chosen wells, such as 'P2/C07', in order of the layout."""
    rows = layout[chosen]
    return [f"{plate}/{well}" for plate, well in zip(rows["plate"], rows["well"], strict=True)]


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence on a name that is not there: the nearest ones, else all."""
    known = list(dict.fromkeys(map(str, names)))
    by_key = {one.casefold(): one for one in known}
    close = [by_key[key] for key in difflib.get_close_matches(name.casefold(), list(by_key), n=3, cutoff=0.5)]
    if close:
        return f"the nearest: {', '.join(close)}"
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return f"there are: {', '.join(known[:_NAMED]) or 'none'}{more}"


def _plate(name: str, layout: pd.DataFrame) -> Selector:
    plates = list(dict.fromkeys(layout["plate"].astype(str)))
    for plate in plates:
        if plate_key(plate) == plate_key(name):
            return Selector(plate=plate)
    raise InputError(f"plate {name!r}: the layout has no such plate; {nearest(name, plates)}.")


def _well(text: str, layout: pd.DataFrame) -> Selector:
    plate, slash, well = text.rpartition("/")
    plates = list(dict.fromkeys(layout["plate"].astype(str)))
    if not slash:
        if len(plates) > 1 or not _is_well(well):
            raise InputError(
                f"{text!r} names no wells: write PLATE/WELL such as {plates[0]}/C07, a block such as "
                f"{plates[0]}/C07-D12, plate:NAME, drug:NAME or replicate:NUMBER."
            )
        plate = plates[0]
    plate = str(_plate(plate, layout).plate)
    first, dash, last = well.partition("-")
    start, end = _place(first, text), _place(last, text) if dash else _place(first, text)
    rows = sorted((start[0], end[0]), key=row_index)
    columns = sorted((start[1], end[1]))
    name = well_name(rows[0], columns[0])
    if dash:
        name = f"{name}-{well_name(rows[1], columns[1])}"
    found = Selector(plate=plate, well=name)
    if not found.wells(layout).any():
        there = layout.loc[layout["plate"].astype(str) == plate, "well"].astype(str)
        raise InputError(f"{plate}/{name}: plate {plate} of the layout has no such well; {nearest(name, there)}.")
    return found


def _is_well(text: str) -> bool:
    try:
        return all(parse_well(part) for part in text.split("-"))
    except InputError:
        return False


def _place(text: str, whole: str) -> tuple[str, int]:
    try:
        return parse_well(text)
    except InputError as error:
        raise InputError(f"{whole}: {error}") from error


def _drug(name: str, layout: pd.DataFrame) -> Selector:
    drugs = layout[layout["well_type"] == "therapy"]
    names = list(dict.fromkeys([*curve_names(drugs), *_pairs(drugs)]))
    exact = [one for one in names if one == name] or [one for one in names if one.casefold() == name.casefold()]
    if not exact:
        raise InputError(f"drug {name!r}: the layout has no such drug; {nearest(name, names)}.")
    if len(exact) > 1:
        raise InputError(
            f"drug {name!r}: which is meant, {' or '.join(map(repr, exact))}? Write it as it stands there."
        )
    return Selector(drug=exact[0])


def _pairs(drugs: pd.DataFrame) -> list[str]:
    """Pairs of dose matrices and of add-ons in several concentrations, whichever these are."""
    add_on = drugs["add_on"].astype(object).fillna("").astype(str).str.strip()
    both = drugs["treatment"].astype(str) + " + " + add_on
    return list(both[add_on != ""])


def _of_drug(layout: pd.DataFrame, drug: str) -> np.ndarray:
    import numpy as np

    is_drug = layout["well_type"].eq("therapy").to_numpy(dtype=bool)
    add_on = layout["add_on"].astype(object).fillna("").astype(str).str.strip()
    pair = (layout["treatment"].astype(str) + " + " + add_on).where(add_on != "", "")
    return np.asarray(is_drug & (curve_names(layout).eq(drug) | pair.eq(drug)).to_numpy(dtype=bool))


def _replicate(name: str, layout: pd.DataFrame) -> Selector:
    there = sorted(int(number) for number in layout["replicate"].dropna().unique())
    if not name.isdigit() or int(name) not in there:
        raise InputError(
            f"replicate {name!r}: the layout has no such replicate; there are: {', '.join(map(str, there)) or 'none'}."
        )
    return Selector(replicate=int(name))


def _sample(found: Selector, layout: pd.DataFrame, sample: str | None) -> str | None:
    """The sample that limits a selector; a drug or replicate of several samples needs one."""
    every: Sequence[str] = list(dict.fromkeys(layout["sample"].dropna().astype(str)))
    if sample is not None and sample in every:
        return sample if len(every) > 1 else None
    if sample is not None and sample != ALL_SAMPLES:
        raise InputError(f"sample {sample!r}: the layout has no such sample; {nearest(sample, every)}.")
    of = list(dict.fromkeys(layout.loc[found.wells(layout), "sample"].dropna().astype(str)))
    if sample is None and found.well is None and found.plate is None and len(of) > 1:
        raise InputError(
            f"{found.words}: wells of the samples {', '.join(of)} are of it; say which with --sample NAME, or "
            f"--sample {ALL_SAMPLES}."
        )
    return None


def _in_block(layout: pd.DataFrame, block: str) -> np.ndarray:
    import numpy as np

    first, _, last = block.partition("-")
    (top, left), (bottom, right) = parse_well(first), parse_well(last or first)
    rows = np.array([row_index(str(row)) for row in layout["row"]])
    columns = layout["column"].to_numpy(dtype=int)
    within = (rows >= row_index(top)) & (rows <= row_index(bottom)) & (columns >= left) & (columns <= right)
    return np.asarray(within)
