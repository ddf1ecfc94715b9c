"""Names of screens, plates and wells: how they are written, checked, joined and sorted.

Belongs here: everything about the spelling of an identifier. Does not belong here: what a well holds
(`phenodose.screens.layout`) or where a plate lies (`phenodose.store.store`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from typing import TYPE_CHECKING

from phenodose.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SCREEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_WELL = re.compile(r"([A-Za-z]{1,2})0*([1-9][0-9]?)\Z")
_NUMBERED_PLATE = re.compile(r"(?:p|platt?e)?[ _-]?0*([0-9]{1,15})\Z", re.IGNORECASE)

#: Rows and columns of the usual microplates, by number of wells.
PLATE_FORMATS: dict[int, tuple[int, int]] = {
    6: (2, 3),
    12: (3, 4),
    24: (4, 6),
    48: (6, 8),
    96: (8, 12),
    384: (16, 24),
    1536: (32, 48),
}
MAX_ROWS, MAX_COLUMNS = PLATE_FORMATS[1536]
#: Column of the concentration of a combination's second treatment.
ADD_ON_DOSE = "add_on_concentration_nM"
#: Signs of a name that stand in the name of a file.
_LONGEST_FILE_NAME = 80


def check_screen_id(screen: str) -> str:
    """Return `screen` if it may be a screen id (folder name and partition key), else raise InputError."""
    if not SCREEN_ID.match(screen):
        raise InputError(
            f"screen id {screen!r}: a screen id starts with a letter or digit and holds only letters, digits, "
            "dot, underscore and dash; rename the folder."
        )
    return screen


def row_label(index: int) -> str:
    """Letter(s) of a zero-based row index: 0 -> A, 25 -> Z, 26 -> AA, 31 -> AF."""
    if not 0 <= index < MAX_ROWS:
        raise InputError(f"row index {index}: rows run from 0 (A) to {MAX_ROWS - 1} (AF).")
    return chr(ord("A") + index) if index < 26 else "A" + chr(ord("A") + index - 26)


def row_index(label: str) -> int:
    """Zero-based index of a row label: A -> 0, P -> 15, AF -> 31; lower case is accepted."""
    letters = label.strip().upper()
    if len(letters) == 1 and "A" <= letters <= "Z":
        return ord(letters) - ord("A")
    if len(letters) == 2 and letters[0] == "A" and "A" <= letters[1] <= "F":
        return 26 + ord(letters[1]) - ord("A")
    raise InputError(f"row {label!r}: rows are letters A to Z, then AA to AF on 1536-well plates.")


def well_name(row: str, column: int) -> str:
    """The well's name, row letter and two-digit column: ('b', 7) -> 'B07'."""
    index = row_index(row)
    if not 1 <= column <= MAX_COLUMNS:
        raise InputError(f"column {column} of row {row}: columns run from 1 to {MAX_COLUMNS}.")
    return f"{row_label(index)}{column:02d}"


def parse_well(name: str) -> tuple[str, int]:
    """Row label and column of a well name: 'b7' or 'B07' -> ('B', 7)."""
    match = _WELL.match(name.strip())
    if match is None:
        raise InputError(f"well {name!r}: write the row letter and the column, for example B07.")
    row = row_label(row_index(match.group(1)))
    column = int(match.group(2))
    if column > MAX_COLUMNS:
        raise InputError(f"well {name!r}: columns run from 1 to {MAX_COLUMNS}.")
    return row, column


def class_key(name: str) -> str:
    """The key on which names of well classes are compared: 'Out-of_Focus' and 'out of focus' name the same class."""
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


def well_sort_key(name: str) -> tuple[int, int]:
    """Sort key of a well name: by row (A..Z, AA..AF), then column."""
    row, column = parse_well(name)
    return row_index(row), column


def plate_key(label: str) -> str:
    """The key on which plate labels of different files are joined.

    'P1', 'p01', 'Plate 1', 'Platte 1' and '1' name the same plate and give '1'; other labels ('1A', 'left') are
    compared in upper case.
    """
    text = label.strip()
    match = _NUMBERED_PLATE.match(text)
    return match.group(1) if match else text.upper()


def plate_sort_key(label: str) -> tuple[int, int, str]:
    """Sort key of a plate label: numbered plates by number first, then the others by text."""
    key = plate_key(label)
    return (0, int(key), "") if _NUMBERED_PLATE.match(key) else (1, 0, key)


def add_on_keys(wells: pd.DataFrame) -> pd.Series[str]:
    """What every well holds beside its treatment: 'B', 'B 100 nM' where its concentration is known, '' for nothing.

    Args:
        wells: add_on and, if it is known of any, add_on_concentration_nM.

    Returns:
        Text, with the index of `wells`; wells with the same text hold the same add-on in the same concentration.
    """
    add_on = _add_ons(wells)
    if ADD_ON_DOSE not in wells or not (add_on != "").any():
        return add_on
    dose = wells[ADD_ON_DOSE].astype("float64")
    texts = [f"{name} {value:.12g} nM" for name, value in zip(add_on, dose, strict=True)]
    return add_on.mask((add_on != "") & dose.notna(), wells[[]].assign(text=texts)["text"])


def serving_add_on(
    held: Iterable[str], plain: Iterable[str], group: Iterable[Hashable], there: Collection[tuple[Hashable, str]]
) -> np.ndarray:
    """The add-on whose negative controls serve each well.

    Those with the same add-on in the same concentration, else those with the add-on whose concentration nobody says.

    Args:
        held: what every well holds beside its treatment, as `add_on_keys` writes it.
        plain: the same without concentration.
        group: of what every well shares controls with, such as its plate and sample.
        there: group and `held` of the negative controls that can serve.

    Returns:
        Text (well,): the `held` of the controls that serve; the well's own where there are none.
    """
    import numpy as np

    return np.array(
        [
            without if (of, key) not in there and (of, without) in there else key
            for of, key, without in zip(group, held, plain, strict=True)
        ],
        dtype=object,
    )


def add_on_names(wells: pd.DataFrame, decide: pd.Series[bool] | None = None) -> pd.Series[str]:
    """As `add_on_keys`, without the concentration of an add-on that has only one: 'B', or 'B 100 nM' beside others.

    Args:
        wells: as for `add_on_keys`; concentrations are told apart within a sample, if the column is there.
        decide: the wells whose concentrations count; all if None.
    """
    import pandas as pd

    add_on, key = _add_ons(wells), add_on_keys(wells)
    dosed = key != add_on
    if not dosed.any():
        return add_on
    sample = wells["sample"].astype(object).fillna("") if "sample" in wells else ""
    held = wells[[]].assign(sample=sample, add_on=add_on, key=key)
    pairs = held[dosed if decide is None else dosed & decide].drop_duplicates()
    several = pairs[pairs.duplicated(["sample", "add_on"])]
    wanted = set(zip(several["sample"], several["add_on"], strict=True))
    told = [pair in wanted for pair in zip(held["sample"], held["add_on"], strict=True)]
    return key.where(pd.Series(told, index=key.index, dtype=bool), add_on)


def _add_ons(wells: pd.DataFrame) -> pd.Series[str]:
    import pandas as pd

    if wells["add_on"].isna().all():  # of most screens
        return pd.Series("", index=wells.index, name="add_on", dtype="str")
    return wells["add_on"].astype(object).fillna("").astype(str).str.strip()


def curve_names(wells: pd.DataFrame) -> pd.Series[str]:
    """The name of every well's curve: the drug, or 'drug + add-on' of a combination.

    Of an add-on that the sample's drugs were given with in several concentrations, every one is a curve of its own:
    'drug + add-on 100 nM'. What a combination is, its parts say and not its name: where another drug (or another pair)
    of the same sample has that name already, the combination is called 'drug with add-on add-on'.

    Args:
        wells: treatment, add_on, and where they are known add_on_concentration_nM, sample and well_type (wells with
            drugs decide).

    Returns:
        Text, with the index of `wells`; 'None' or 'nan' where a well has no treatment.
    """
    import pandas as pd

    add_on = add_on_names(wells, wells["well_type"].astype(object).eq("therapy") if "well_type" in wells else None)
    treatment = wells["treatment"].astype(object).astype(str)
    combined = add_on != ""
    name = treatment.where(~combined, treatment + " + " + add_on)
    if not combined.any():
        return name
    parts = wells.assign(_treatment=treatment, _add_on=add_on, _name=name)
    if "well_type" in parts:
        parts = parts[parts["well_type"].astype(object).eq("therapy")]
    keys = ["sample"] if "sample" in parts else []
    pairs = parts[[*keys, "_name", "_treatment", "_add_on"]].drop_duplicates()
    doubtful = pairs[pairs.duplicated([*keys, "_name"], keep=False)]
    if doubtful.empty:
        return name
    taken = set(doubtful[[*keys, "_name"]].astype(object).fillna("").itertuples(index=False, name=None))
    own = wells[keys].astype(object).fillna("").assign(_name=name)
    plain = [
        not is_combined or pair not in taken
        for is_combined, pair in zip(combined, own.itertuples(index=False, name=None), strict=True)
    ]
    return name.where(pd.Series(plain, index=name.index, dtype=bool), treatment + " with add-on " + add_on)


#: Ending of the name of a readout without the effects of place on the plate.
_CORRECTED = "_corrected"


def corrected_name(readout: str) -> str:
    """Name of a readout without the effects of place on the plate: `ctg_corrected` of `ctg`."""
    return readout + _CORRECTED


def measured_name(readout: str) -> str:
    """Name of the readout that was measured: `ctg` of `ctg_corrected` and of `ctg`."""
    return readout.removesuffix(_CORRECTED)


def in_a_row(names: Iterable[str]) -> str:
    """Names in a sentence, by commas, or by semicolons where a name holds a comma.

    >>> in_a_row(["A", "B"]), in_a_row(["1,3-DPG (12.1)", "B"])
    ('A, B', '1,3-DPG (12.1); B')
    """
    held = list(names)
    return ("; " if any("," in name for name in held) else ", ").join(held)


def names_for_files(names: Iterable[str]) -> dict[str, str]:
    """A name for a file for each of some names: letters, digits, dot, underscore and dash, and no two alike.

    A name of such signs stays as it is; others, and those that differ in upper and lower case alone, end in eight
    digits of their hash.
    """
    held = list(dict.fromkeys(names))
    alike = Counter(name.casefold() for name in held)
    found = {}
    for name in held:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:_LONGEST_FILE_NAME] or "sample"
        digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        found[name] = name if plain == name and alike[name.casefold()] == 1 else f"{plain}-{digits}"
    return found
