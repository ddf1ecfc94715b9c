"""One state of a screen: as it is now, or as a signed report has it.

Belongs here: what is asked of a state to tell it from another. Does not belong here: telling (`differences`,
`comparison`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from phenodose.errors import StoreError
from phenodose.lineage.freshness import changes_since
from phenodose.pipeline.verdict import ScreenVerdict, ranked_drugs, ranked_rows, screen_verdict, verdict_of
from phenodose.plugins import Preferences
from phenodose.store.signed import frozen_store, screen_and_version, signed_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from phenodose.store.signed import SignedReport
    from phenodose.store.store import Store


@dataclass(frozen=True)
class ScreenState:
    """One state of a screen.

    Attributes:
        name: 'SCREEN' as it is now, or 'SCREEN@VERSION'.
        store: the store, or the small one of a signed report.
        screen: screen id.
        report: the signed report; None for the screen as it is now.
        tables: the rows of one of its samples, by table; None for all rows of the screen.
    """

    name: str
    store: Store
    screen: str
    report: SignedReport | None = None
    tables: Mapping[str, pd.DataFrame] | None = None

    @classmethod
    def named(cls, store: Store, text: str) -> ScreenState:
        """The state that 'SCREEN' or 'SCREEN@VERSION' names.

        Raises:
            InputError: it names none.
            StoreError: the store holds no result of that screen.
        """
        screen, version = screen_and_version(text)
        if version is not None:
            return cls.of_report(store, signed_report(store, screen, version))
        found = cls(screen, store, screen)
        if found["screens"].empty and found["scores"].empty:
            made = ", ".join(sorted(store.read_table("screens")["screen"])) or "none"
            raise StoreError(
                f"screen {screen!r}: the store {store.root} holds no result of it (screens with results: {made}); make "
                "some with `phenodose run FOLDER`."
            )
        return found

    @classmethod
    def of_report(cls, store: Store, report: SignedReport) -> ScreenState:
        """The state that a signed report has kept."""
        return cls(report.name, frozen_store(store, report), report.screen, report)

    def __getitem__(self, table: str) -> pd.DataFrame:
        """The screen's rows of a table."""
        if self.tables is not None:
            return self.tables[table]
        known: dict[str, pd.DataFrame] = self.__dict__.setdefault("_tables", {})
        if table not in known:
            known[table] = self.store.read_table(table, self.screen)
        return known[table]

    @cached_property
    def verdict(self) -> ScreenVerdict:
        """The verdict on the screen in that state."""
        if self.tables is not None:
            stale = [change.sentence for change in changes_since(self.store, self.screen)]
            return screen_verdict(self.tables, Preferences.of_store(self.store), stale)
        return verdict_of(self.store, self.screen)

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """Pooled scores by the readout and scorer that rank the drugs, best first."""
        if self.tables is not None:
            return ranked_rows(self.tables, Preferences.of_store(self.store))
        return ranked_drugs(self.store, self.screen)

    @property
    def ranked_by(self) -> tuple[str, str] | None:
        """Readout and scorer that rank the drugs; None without any score."""
        if self.ranked.empty:
            return None
        return str(self.ranked["readout"].iloc[0]), str(self.ranked["scorer"].iloc[0])

    @property
    def samples(self) -> list[str]:
        """Names of the screen's samples, in order."""
        return sorted(set(self["wells"]["sample"].dropna()) | set(self["scores"]["sample"]))

    @property
    def readouts(self) -> list[str]:
        """Readouts with scores, the one that comes first at the site first."""
        return Preferences.of_store(self.store).ordered_readouts(set(self["scores"]["readout"]))

    @property
    def calls(self) -> dict[str, str | None]:
        """Call of every drug by the ranking readout, best first; of several samples by 'DRUG in SAMPLE'."""
        several = len(self.samples) > 1
        rows = self.ranked.itertuples()
        return {f"{row.drug} in {row.sample}" if several else str(row.drug): call_of(row) for row in rows}

    def pooled(self, readout: str, scorer: str) -> pd.DataFrame:
        """Scores of a readout and scorer with all replicates together."""
        rows = self["scores"]
        return rows[(rows["readout"] == readout) & (rows["scorer"] == scorer) & (rows["replicate"] == "pooled")]


def call_of(row: Any) -> str | None:
    """'hit', 'borderline' or 'no hit' of a row of the table `scores`; None where its scorer names no hits."""
    said = getattr(row, "call", None)
    if isinstance(said, str):
        return said
    return {True: "hit", False: "no hit"}.get(row.hit) if row.hit in (True, False) else None
