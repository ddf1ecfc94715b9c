"""The cohort as it was signed: a database of the newest signed version of every screen, up to a moment.

It is built from what signed reports have kept, so that whatever was made anew since changes nothing; screens that
nobody had signed by then are not in it, and are named.

Belongs here: which versions, and building. Does not belong here: the database (`phenodose.cohort`), asking it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.cohort.build import rebuild_cohort
from phenodose.errors import InputError, MissingInputError
from phenodose.io.copy_on_write import copy_file
from phenodose.io.places import files, read_bytes
from phenodose.pipeline.verdict import ScreenJudge
from phenodose.settings.site import SITE_NAME
from phenodose.store.signed import SignedReport, frozen_store, signed_reports, signed_screens
from phenodose.store.store import Store
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


#: The largest distance of a local time from UTC.
_MOST_AHEAD = timedelta(hours=14)


@dataclass(frozen=True)
class SignedCohort:
    """The cohort as it was signed.

    Attributes:
        store: holds the database; gone when the block ends.
        reports: the version of every screen that is in it.
        without: screens of the store that nobody had signed by then.
        faults: what could not be taken into the database, a sentence each.
    """

    store: Store
    reports: list[SignedReport]
    without: list[str]
    faults: tuple[str, ...]


def moment(text: str) -> datetime:
    """The moment that a date or a time means, in UTC; a date means its end.

    Raises:
        InputError: it is neither, or lies in the future.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"--as-of {text!r} is no date: write 2026-03-31 (the end of that day, UTC), 2026-03-31T12:00, or `signed` "
            "for the newest signed version of every screen."
        ) from error
    is_date = len(text) <= len("2026-03-31")
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    now = datetime.now(UTC)
    # East of Greenwich it may be tomorrow already.
    if found.date() > (now + _MOST_AHEAD).date() if is_date else found > now:
        raise InputError(
            f"--as-of {text!r} lies in the future, and nobody knows what will be signed by then; write `signed` for "
            "the newest signed version of every screen."
        )
    return datetime.combine(found.date(), time.max, tzinfo=UTC) if is_date else found


def reports_as_of(store: Store, until: datetime | None) -> list[SignedReport]:
    """The newest version of every screen's signed reports that was signed until a moment; None for now.

    Raises:
        StoreError: a record is damaged.
    """
    found = []
    for screen in signed_screens(store):
        there = [
            report
            for report in signed_reports(store, screen)
            if until is None or datetime.fromisoformat(report.signed_at) <= until
        ]
        found += there[-1:]
    return found


@contextmanager
def signed_cohort(store: Store, until: datetime | None) -> Iterator[SignedCohort]:
    """The cohort of the newest signed versions until a moment, built for the time of the block.

    Args:
        store: the store.
        until: the moment; None for now.

    Raises:
        MissingInputError: nothing was signed by then.
        StoreError: a record, or a file that was kept, is damaged.
    """
    reports = reports_as_of(store, until)
    if not reports:
        when = "" if until is None else f" by {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        raise MissingInputError(
            f"{store.root}: no report was signed{when}; `phenodose signed` lists what is, and `phenodose sign SCREEN "
            "--by NAME` signs one."
        )
    known = {*store.screens(), *store.read_table("screens")["screen"]}
    with tempfile.TemporaryDirectory(prefix="phenodose-as-of-") as folder:
        built = Store(Path(folder))
        for report in reports:
            _take(frozen_store(store, report), report.screen, built.root)
        newest = frozen_store(store, max(reports, key=lambda report: report.signed_at))
        if read_bytes(newest.root / SITE_NAME) is not None:
            copy_file(newest.root / SITE_NAME, built.root / SITE_NAME)
        stores = {report.screen: frozen_store(store, report) for report in reports}
        found = rebuild_cohort(built, whole=True, judge=_AsSigned(built, stores))
        yield SignedCohort(built, reports, sorted(known - stores.keys()), found.faults)


def _take(kept: Store, screen: str, root: Path) -> None:
    for table in TABLES:
        folder = kept.root / "tables" / table / f"screen={screen}"
        for file in files(folder, "*.parquet"):
            copy_file(file, root / "tables" / table / folder.name / file.name)


class _AsSigned(ScreenJudge):
    """Says of every screen what was said of it when it was signed."""

    def __init__(self, store: Store, kept: Mapping[str, Store]) -> None:
        super().__init__(store)
        self._kept = {screen: ScreenJudge(one) for screen, one in kept.items()}

    def state(self, screen: str) -> tuple[str, str]:
        """The same for ever."""
        return "signed", ""

    def judge(self, screen: str, tables: Mapping[str, pd.DataFrame] | None = None) -> Mapping[str, str | int | None]:
        """Cells of the columns of `screens` that the cohort fills in; by the rows that were kept."""
        return self._kept[screen].judge(screen)


def in_words(reports: Sequence[SignedReport], without: Sequence[str]) -> str:
    """Which versions a cohort holds, in a sentence."""
    told = f"as signed: {', '.join(report.name for report in reports)}"
    return told + (f"; not signed by then, and left out: {', '.join(without)}" if without else "")
