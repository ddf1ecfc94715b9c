"""Taking decisions on wells: what a person asks for is checked as a whole, and written or refused as a whole.

Belongs here: who, when and why, and refusing what makes no difference. Does not belong here: the record and what
holds (`phenodose.screens.curations`), which wells a text means (`phenodose.screens.well_selectors`), and what
exclusions would leave (`phenodose.screens.left_without`).
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from phenodose.errors import Faults, InputError
from phenodose.io.typed_text import one_line
from phenodose.names import measured_name
from phenodose.screens.curations import CURATIONS, PART, Action, Decision, decisions_of, excluded, row_of
from phenodose.screens.left_without import left_without
from phenodose.screens.well_selectors import nearest, number_in, selector_of
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store

#: Longest reason and name.
_MOST_TEXT = 500
_WAIT_SECONDS = 30


def account() -> str:
    """The name of the account that runs this process.

    Raises:
        InputError: the machine knows none.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise InputError("this machine has no name for the account: say who decides with --by NAME.") from error


def decide(
    store: Store,
    screen: str,
    action: Action,
    texts: Sequence[str],
    *,
    because: str,
    by: str,
    sample: str | None = None,
    readout: str | None = None,
) -> list[Decision]:
    """Take decisions: one for each text, all of them or none.

    Args:
        store: the store.
        screen: screen id.
        action: 'exclude' or 'restore'.
        texts: as for `selector_of`; of a restoration also numbers of exclusions.
        because: why.
        by: who decides.
        sample: only wells of this sample; 'all' for all.
        readout: only readings of this readout.

    Returns:
        The decisions.

    Raises:
        InputError: a text names nothing that is there, wells that are excluded already or not, or all that is left;
            or there is no reason. All in one message; nothing is written.
        StoreError: there is no such screen, or its record is damaged.
        BusyError: another process is deciding and does not end.
    """
    store.source_of(screen)
    path = store.table_part(CURATIONS, screen, PART)

    def busy(who: str) -> str:
        return f"decisions on {screen} are being written by {who}; wait for it to end, then run this again."

    with store.locked(path.with_name(".decisions.lock"), busy, _WAIT_SECONDS):
        layout = store.read_table("wells", screen)
        if layout.empty:
            raise InputError(f"screen {screen} has no wells in the store yet; make it with `phenodose run {screen}`.")
        before = decisions_of(store, screen)
        faults = Faults(f"screen {screen}")
        faults.extend(_faults_of_words(because, by))
        faults.extend(_faults_of_readout(store, screen, readout))
        if not texts:
            faults.add("no wells are named: write wells such as P2/C07, or drug:NAME, replicate:NUMBER, plate:NAME.")
        now = datetime.now(UTC).replace(microsecond=0)
        decisions = list(before)
        for text in texts:
            try:
                new = _new(decisions, layout, action, text, sample, readout)
            except InputError as error:
                faults.add(str(error))
                continue
            decisions.append(replace(new, by=one_line(by), at=now, because=one_line(because)))
            decisions = _ended(decisions, layout)
        if action == "exclude" and len(decisions) > len(before):
            faults.extend(left_without(store, screen, layout, before, decisions))
        faults.raise_if_any()
        rows = [row_of(screen, one) for one in decisions]
        store.write_table(CURATIONS, screen, PART, TABLES[CURATIONS].frame(rows))
    return decisions[len(before) :]


def _new(
    decisions: Sequence[Decision],
    layout: pd.DataFrame,
    action: Action,
    text: str,
    sample: str | None,
    readout: str | None,
) -> Decision:
    """A decision that is still without who, when and why.

    Raises:
        InputError: it makes no difference, or names nothing that is there.
    """
    import numpy as np

    number = number_in(text)
    if number is not None and action == "restore":
        one = _numbered(decisions, number)
        return Decision(len(decisions) + 1, action, None, one.what, (number,), one.n_wells, "", datetime.now(UTC), "")
    selector = selector_of(text, layout, sample, readout)
    wells = selector.wells(layout)
    if action == "exclude":
        held = excluded(decisions, layout, selector.readout)
        same = [n for n, those in held.items() if (those & wells).any()]
        if same and not (wells & ~np.any([held[n] for n in same], axis=0)).any():
            listed = ", ".join(decisions[n - 1].words for n in same)
            raise InputError(f"{selector.words} is excluded already, by {listed}.")
    else:
        # Restored for all readouts, it is so for each.
        every = {one.readout for one in decisions} if selector.readout is None else {selector.readout}
        states = [excluded(decisions, layout, one) for one in every]
        if not any((those & wells).any() for state in states for those in state.values()):
            now = [one.what for one in decisions if one.holds]
            raise InputError(f"{selector.words} is not excluded; {nearest(selector.words, now)}.")
    return Decision(
        len(decisions) + 1, action, selector, selector.words, (), int(wells.sum()), "", datetime.now(UTC), ""
    )


def _numbered(decisions: Sequence[Decision], number: int) -> Decision:
    """The exclusion of a number, which holds still.

    Raises:
        InputError: there is none.
    """
    if not 1 <= number <= len(decisions):
        numbers = ", ".join(str(one.number) for one in decisions if one.holds)
        raise InputError(f"decision {number}: there is none of that number; exclusions that hold: {numbers or 'none'}.")
    one = decisions[number - 1]
    if one.action == "restore":
        raise InputError(f"{one.words} restored wells; to leave them out again, exclude them.")
    if one.undone_at is not None:
        raise InputError(f"{one.words} was undone already, by {one.undone_by} on {one.undone_at:%Y-%m-%d}.")
    return one


def _ended(decisions: list[Decision], layout: pd.DataFrame) -> list[Decision]:
    """The decisions with what the last one ended noted on it and on each exclusion that holds nowhere any more."""
    last = decisions[-1]
    if last.action == "exclude":
        return decisions
    ended = set(last.undoes)
    for readout in {one.readout for one in decisions if one.holds}:
        held = excluded(decisions, layout, readout)
        own = [one for one in decisions if one.holds and one.readout == readout and _is_there(one, layout)]
        ended |= {one.number for one in own if one.number not in held}
    noted = [
        replace(one, undone_by=last.by, undone_at=last.at) if one.number in ended and one.undone_at is None else one
        for one in decisions[:-1]
    ]
    return [*noted, replace(last, undoes=tuple(sorted(ended)))]


def _is_there(one: Decision, layout: pd.DataFrame) -> bool:
    """Whether the layout has wells of a decision; one that lost them to another layout has not ended."""
    return one.selector is not None and bool(one.selector.wells(layout).any())


def _faults_of_words(because: str, by: str) -> Iterable[str]:
    for option, text, meaning in (("--because", because, "the reason"), ("--by", by, "who decides")):
        if not any(sign.isalnum() for sign in text):
            yield f"{option}: {meaning} is missing; a decision without it is worth nothing to those who come later."
        elif len(text) > _MOST_TEXT:
            yield f"{option}: {len(text)} characters; {_MOST_TEXT} are the most."


def _faults_of_readout(store: Store, screen: str, readout: str | None) -> Iterable[str]:
    if readout is None:
        return
    there = sorted({measured_name(str(name)) for name in store.read_table("viability", screen)["readout"].unique()})
    if readout not in there:
        yield f"readout {readout!r}: the screen has no such readout; {nearest(readout, there)}."
