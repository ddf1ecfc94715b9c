"""The second drug of a combination: the words that mean none, its concentration, and what must hold of all its wells.

Belongs here: what the columns AddOn and AddOnConcentration say together. Does not belong here: single cells of other
columns (`layout_rows`), names of curves (`phenodose.names`), controls (`phenodose.viability.normalise`).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping

import pandas as pd

from phenodose.names import ADD_ON_DOSE, add_on_keys, curve_names

#: What a column AddOn says of wells without one, in lower case and without blanks, '_', '-' and brackets around it.
_NO_ADD_ON = frozenset(
    [
        *("", "0", "0.0", "/", "\\", ".", "–", "—", "no", "non", "none", "nil", "null", "nothing", "without", "w/o"),
        *("n.a.", "n.a", "single", "keinaddon", "nonegiven", "ø", "∅"),
        *("noaddon", "nodrug", "notreatment", "nocompound", "drugfree", "notapplicable", "notadded", "empty", "blank"),
        *(
            "mono",
            "monotherapy",
            "singleagent",
            "alone",
            "untreated",
            "kein",
            "keine",
            "keines",
            "ohne",
            "aucun",
            "false",
        ),
    ]
)
#: Likewise, of wells that got something without effect instead, in whatever concentration.
_WITHOUT_EFFECT = frozenset(
    ("mock", "medium", "mediumonly", "media", "pbs", "saline", "water", "h2o", "control", "ctrl")
)
#: Or the solvent, whatever strength is written beside it: 'DMSO 0.1 %', 'Vehicle control'.
_SOLVENT = re.compile(
    r"\+?(?:with)?(?:[0-9.,]+%(?:v/v)?)?(?:dmso|vehicle|vehikel|solvent|veh|carrier|ethanol|etoh|lösungsmittel)(?:control|ctrl|only|alone|kontrolle)?"
    r"\(?(?:[0-9.,]+(?:vol)?%)?(?:v/v)?(?:dmso)?\)?(?:v/v)?"
)
_MOST_NAMED = 3


def add_on_of(text: str | None) -> str | None:
    """The second treatment; None where the word says that there is none."""
    if text is None:
        return None
    word, bare = _word(text)
    return None if bare in _NO_ADD_ON | _WITHOUT_EFFECT or _SOLVENT.fullmatch(word) else text


def means_nothing(text: str) -> bool:
    """Whether a cell says in words that there is nothing ('none', '-'); a 0 is a number."""
    bare = _word(text)[1]
    return bare in _NO_ADD_ON and not bare.startswith("0")


def _word(text: str) -> tuple[str, str]:
    """As words are compared, and without brackets around it."""
    word = re.sub(r"[\s_-]", "", text.casefold())
    return word, word[1:-1] if word[:1] + word[-1:] in ("()", "[]", "<>") else word


def dosed_add_on(text: str | None, dose: float | None) -> tuple[str | None, float | None, str]:
    """Second treatment and its concentration [nM] of a well that holds cells.

    Args:
        text: the cell AddOn.
        dose: the cell AddOnConcentration [nM].

    Returns:
        Name and concentration, both None for a well without second treatment (its concentration 0 says so too), and
        what is wrong ('' if nothing).
    """
    name = add_on_of(text)
    if dose is None:
        return name, None, ""
    if not 0 <= dose < float("inf"):
        return name, None, f"AddOnConcentration is {dose:g}; write a concentration, 0 or nothing."
    if dose == 0:
        return None, None, ""
    if name is not None:
        return name, dose, ""
    word, bare = _word(text or "")
    if bare in _WITHOUT_EFFECT or _SOLVENT.fullmatch(word):
        return None, None, ""
    said = f"AddOn is {text!r}" if text else "AddOn is empty"
    return (
        None,
        None,
        (f"AddOnConcentration is {dose:g} nM but {said}; write the second drug's name, or 0 for its dose."),
    )


def complete_add_ons(frame: pd.DataFrame, file_rows: Mapping[int, object]) -> tuple[list[str], list[str]]:
    """Fill in concentrations that only one can be, in place, and look at all wells of an add-on together.

    A well without a drug (a control) takes the only concentration that the add-on has in its sample. Where there are
    several, it stays without, and serves the concentrations that have no control of their own.

    Args:
        frame: the wells in file order: sample, well_type, add_on, add_on_concentration_nM; treatment.
        file_rows: row of the file, by index of the frame.

    Returns:
        Faults and notes, a sentence each.
    """
    faults: list[str] = []
    notes: list[str] = []
    without_name: list[Hashable] = []
    groups = frame[frame["add_on"].notna()].groupby(["sample", "add_on"], dropna=False, sort=False)
    for (_, add_on), rows in groups:
        doses = sorted(rows[ADD_ON_DOSE].dropna().unique())
        without = rows[rows[ADD_ON_DOSE].isna() & ~rows["well_type"].isin(["empty", "exclude"])]
        if not doses or without.empty:
            continue
        drugs = without[without["well_type"].isin(["therapy", "trc"])]
        if len(drugs):
            given = file_rows[rows.index[rows[ADD_ON_DOSE].notna()][0]]
            without_name.extend(rows.index)  # their concentration says what they are called
            faults.append(
                f"AddOnConcentration of the add-on {add_on!r} is empty in row {_places(drugs, file_rows)} but given in "
                f"row {given}; write it in every row with a drug, or 0 where the drug was given alone."
            )
        elif len(doses) == 1:
            frame.loc[without.index, ADD_ON_DOSE] = doses[0]
            notes.append(
                f"{len(without)} wells with the add-on {add_on!r} and no drug give no AddOnConcentration; "
                f"{doses[0]:g} nM is taken, the only one that it has."
            )
        else:
            notes.append(
                f"{len(without)} wells with the add-on {add_on!r} and no drug give no AddOnConcentration; as negative "
                "controls they serve its concentrations that have none of their own."
            )
    return faults + _one_name(frame.drop(without_name)), notes


def _one_name(frame: pd.DataFrame) -> list[str]:
    """Combinations of one name: an add-on called 'B 100 nM' beside B in 100 nM."""
    if frame[ADD_ON_DOSE].isna().all():
        return []
    held = frame[["sample", "add_on", ADD_ON_DOSE]].assign(key=add_on_keys(frame)).dropna(subset="add_on")
    held = held.drop_duplicates()
    faults = [
        f"the add-on {key!r} is both a name and a name with its concentration; write names without concentrations."
        for key in held.loc[held.duplicated(["sample", "key"]), "key"].unique()
    ]
    drugs = frame[frame["well_type"] == "therapy"]
    named = drugs[["sample", "treatment"]].assign(key=add_on_keys(drugs), drug=curve_names(drugs)).drop_duplicates()
    double = named[named.duplicated(["sample", "drug"], keep=False)]
    if not faults:
        faults = [
            f"{' and '.join(f'{drug!r} with {key!r}' if key else repr(drug) for drug, key in parts)} would both be "
            f"called {name!r}; rename one of them."
            for name, rows in double.groupby("drug", sort=False)
            for parts in [rows[["treatment", "key"]].itertuples(index=False, name=None)]
        ]
    return faults


def _places(rows: pd.DataFrame, file_rows: Mapping[int, object]) -> str:
    more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
    return ", ".join(str(file_rows[index]) for index in rows.index[:_MOST_NAMED]) + more
