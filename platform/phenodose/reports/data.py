"""What a report of one screen is made from: its rows of all tables, and simple questions to them.

Does not belong here: words and figures of the report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from phenodose.errors import StoreError
from phenodose.names import curve_names, plate_sort_key
from phenodose.pipeline.hits import is_hit, standing_calls
from phenodose.pipeline.verdict import LEVELS, ranking_readout, ranking_scorer
from phenodose.plots.palette import readout_looks
from phenodose.reports.of_sample import rows_of_sample, samples_of
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plots.palette import Look
    from phenodose.plugins import Preferences
    from phenodose.store.store import Store

#: Verdicts on a quality figure, the worst first.
VERDICTS = LEVELS


@dataclass(frozen=True)
class ScreenData:
    """The rows of one screen, a frame a table, and who owns them.

    Attributes:
        store: the store.
        screen: screen id.
        tables: the rows, by table.
        only: the sample that the rows are of; '' for all samples of the screen.
        others: the samples of the screen whose rows are left out.
    """

    store: Store
    screen: str
    tables: dict[str, pd.DataFrame]
    only: str = ""
    others: tuple[str, ...] = ()

    @classmethod
    def load(cls, store: Store, screen: str, only: str = "") -> ScreenData:
        """Read all tables of the screen.

        Args:
            store: the store.
            screen: screen id.
            only: a sample of the screen, to leave out the rows of its other samples; '' for all.

        Raises:
            StoreError: no table has a row of this screen, or it has no such sample.
        """
        tables = {name: store.read_table(name, screen) for name in TABLES}
        if all(frame.empty for frame in tables.values()):
            made = sorted(store.read_table("screens")["screen"])
            raise StoreError(
                f"screen {screen!r}: the store {store.root} holds no result of it (screens with results: "
                f"{', '.join(made) or 'none'}); make some with `phenodose run FOLDER`."
            )
        found = cls(store, screen, tables)
        return found.of_sample(only) if only else found

    @cached_property
    def samples(self) -> list[str]:
        """The samples that drugs were given to, in order of their names."""
        return samples_of(self["wells"])

    def of_sample(self, sample: str) -> ScreenData:
        """The rows of one sample; all rows where the screen holds no other.

        Raises:
            StoreError: the screen has no such sample.
        """
        if self.samples == [sample]:
            return self
        rows = rows_of_sample(self.tables, self.screen, sample)
        others = tuple(one for one in self.samples if one != sample)
        return ScreenData(self.store, self.screen, rows, sample, others)

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self.tables[table]

    @cached_property
    def preferences(self) -> Preferences:
        """Order and colours of plugins at the store's site."""
        from phenodose.plugins import Preferences

        return Preferences.of_store(self.store)

    @cached_property
    def looks(self) -> dict[str, Look]:
        """How each readout is drawn."""
        return readout_looks(self.readouts, self.preferences.colours())

    @cached_property
    def labels(self) -> dict[str, str]:
        """Readout -> what readers are told it is called; two of the same label are told apart by their names."""
        found = {name: self.preferences.readout_label(name) for name in self.readouts}
        shared = [label for label in found.values() if list(found.values()).count(label) > 1]
        return {name: f"{label} ({name})" if label in shared else label for name, label in found.items()}

    def label(self, readout: str) -> str:
        """What readers are told a readout is called."""
        return self.labels.get(readout) or self.preferences.readout_label(readout)

    @cached_property
    def score_name(self) -> str:
        """What readers are told the score that ranks is called."""
        return self.preferences.scorer_label(self.scorer or "") or "score"

    def in_words(self, sentence: str) -> str:
        """A sentence with the labels of readouts in place of their names; keys of assets stay as they are."""
        if not self.labels:
            return sentence
        names = "|".join(re.escape(name) for name in sorted(self.labels, key=len, reverse=True))
        return re.sub(rf"(?<![\w/`.-])(?:{names})(?![\w/`-])", lambda found: self.labels[found.group()], sentence)

    @cached_property
    def about(self) -> dict[str, Any]:
        """The row of the table `screens`; empty values where it is missing."""
        import pandas as pd

        rows = self["screens"]
        if rows.empty:
            return dict.fromkeys(TABLES["screens"].column_names)
        return {str(k): None if pd.isna(v) else v for k, v in rows.iloc[0].to_dict().items()}

    @cached_property
    def sample(self) -> str:
        """The sample's name."""
        return self.only or str(self.about["sample"] or self.screen)

    @cached_property
    def readouts(self) -> list[str]:
        """Readouts with viabilities or scores, the one that ranks the drugs first."""
        return self.preferences.ordered_readouts({*self["viability"]["readout"], *self["scores"]["readout"]})

    @cached_property
    def plates(self) -> list[str]:
        """Plates with viabilities, in order."""
        return sorted(set(self["viability"]["plate"]), key=plate_sort_key)

    @cached_property
    def scorer(self) -> str | None:
        """The scorer that ranks: the first of those that name hits; None without any."""
        return ranking_scorer(self["scores"], self.preferences)

    @cached_property
    def pooled(self) -> pd.DataFrame:
        """Pooled scores of the ranking scorer, all readouts, with the calls that stand (`phenodose.pipeline.hits`).

        `hit` says here whether a drug counts as a hit, `readout_failed` whether its readout failed a quality check.
        """
        scores = self["scores"]
        own = scores[(scores["replicate"] == "pooled") & (scores["scorer"] == self.scorer)]
        standing = standing_calls(own, self["qc"])
        return standing.assign(hit=is_hit(standing))

    @cached_property
    def ranking_readout(self) -> str | None:
        """The readout that ranks the drugs; None without any score."""
        return ranking_readout(self.pooled, self.readouts)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """Pooled scores of the ranking readout, best first, drugs without a score last."""
        rows = self.pooled[self.pooled["readout"] == self.ranking_readout]
        return rows.sort_values(["score", "drug"], ascending=[False, True], na_position="last").reset_index(drop=True)

    @cached_property
    def drugs(self) -> list[str]:
        """All drugs of the screen, in order of the ranking, the unranked by name."""
        ranked = list(self.ranking["drug"])
        therapy = self["wells"].loc[self["wells"]["well_type"] == "therapy", "treatment"].dropna()
        others = sorted((set(therapy) | set(self.pooled["drug"])) - set(ranked))
        return ranked + others

    @cached_property
    def dosed_wells(self) -> pd.DataFrame:
        """Viability of every unmasked therapy well with its drug, concentration and replicate."""
        wells = therapy_wells(self["wells"])[["plate", "well", "drug", "concentration_nM", "replicate", "add_on"]]
        viability = self["viability"]
        usable = viability[~viability["masked"].astype(bool) & viability["viability_fraction"].notna()]
        columns = ["plate", "well", "readout", "viability_fraction"]
        return usable[columns].merge(wells, on=["plate", "well"])

    @cached_property
    def replicate_pairs(self) -> pd.DataFrame:
        """readout, drug, concentration_nM, first, second: viability of replicates 1 and 2 in percent."""
        rows = self.dosed_wells.dropna(subset=["replicate"])
        key = ["readout", "drug", "concentration_nM"]
        means = rows.pivot_table("viability_fraction", key, "replicate") * 100
        if not {1, 2} <= set(means.columns):
            return means.iloc[:0].reindex(columns=["first", "second"]).reset_index()
        pairs = means[[1, 2]].dropna().set_axis(["first", "second"], axis=1)
        return pairs.reset_index()


@dataclass(frozen=True)
class Missing:
    """A section of a report that cannot be shown, and why: a clause or sentence that ends with a stop."""

    reason: str


def with_drug(wells: pd.DataFrame) -> pd.DataFrame:
    """The wells and their `drug`: a treatment with an add-on is a drug of its own, named as its curve."""
    return wells.assign(drug=curve_names(wells).where(wells["treatment"].notna()))


def therapy_wells(wells: pd.DataFrame) -> pd.DataFrame:
    """The wells with a drug and a concentration."""
    return with_drug(wells[(wells["well_type"] == "therapy") & (wells["concentration_nM"] > 0)])


def calls_of(scores: pd.DataFrame) -> list[str]:
    """What every score says of its drug by the calls that stand: 'hit', 'borderline', 'no hit', or '' for nothing."""
    return [text_of(call) for call in scores["call"]]


def is_true(cells: pd.Series[Any]) -> pd.Series[bool]:
    """True where the cell is true; False where it is false or empty."""
    return cells.eq(True).astype(bool)


def text_of(value: Any) -> str:
    """The text, or '' for an empty cell."""
    return value if isinstance(value, str) else ""


def number_of(value: float, digits: int = 4) -> str:
    """The number with that many significant digits and no exponent, or '' for an empty cell.

    >>> number_of(20378.7), number_of(0.012345), number_of(float("nan"))
    ('20379', '0.01235', '')
    """
    import numpy as np

    if value is None or value != value:
        return ""
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return str(np.format_float_positional(float(f"{value:.{digits}g}"), trim="-"))
