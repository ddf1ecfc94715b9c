"""Where the numbers of two drugs together come from: from a pair's excess back to wells, controls and raw files.

Belongs here: the chain of a pair that was given in a dose matrix. Does not belong here: chains of scores (`trace`), of
which a drug with an add-on has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.lineage.link import Link
from phenodose.lineage.rows import records, some
from phenodose.lineage.trace import ScreenTables, why
from phenodose.names import ADD_ON_DOSE

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.store.store import Store

_PAIR = ("sample", "readout", "drug", "add_on")
_MEASURE = (
    *("measure", "value", "lower", "upper", "unit", "probability_synergy", "interaction", "status"),
    *("plugin_version", "parameters"),
)
_WELL = (
    *("plate", "well", "treatment", "concentration_nM", "add_on", ADD_ON_DOSE),
    *("replicate", "raw", "masked", "mask_reason", "flag", "flag_reason"),
)


def why_drug_or_pair(
    store: Store,
    screen: str,
    drug: str,
    scorer: str | None = None,
    readout: str | None = None,
    replicate: str = "pooled",
    sample: str | None = None,
) -> list[Link]:
    """The chains of the scores of a drug, and of the pair 'drug + add-on' where it was given in a dose matrix.

    Args:
        store: the store.
        screen: screen id.
        drug: as for `trace.why`; or a pair, 'A + B' or 'B + A'.
        scorer: which score; the name of a measure of pairs asks for the pair alone. None for scores and pair.
        readout: only this readout; None for all.
        replicate: as for `trace.why`.
        sample: only this sample; None for all.

    Raises:
        StoreError: the screen has no scores.
        InputError: there is no such drug, pair, scorer, readout, replicate or sample.
    """
    tables = _PairTables(store, screen)
    pairs = tables.chains_of_pair(drug, scorer, readout, sample)
    if pairs and (scorer in tables.measures or not tables.has_curve(drug)):
        return pairs
    return [*why(store, screen, drug, scorer, readout, replicate, sample), *([] if scorer else pairs)]


def samples_given(store: Store, screen: str, drug: str) -> list[str]:
    """The samples of a screen with a score of a drug, or of a pair 'A + B', in order of their names."""
    tables = _PairTables(store, screen)
    scores = tables["scores"]
    rows = [scores[scores["drug"].astype(str).str.lower() == drug.lower()], tables.rows_of_pair(drug)]
    return sorted({str(sample) for found in rows for sample in found["sample"].dropna()})


class _PairTables(ScreenTables):
    """The tables of one screen, and the chains of its pairs."""

    @property
    def measures(self) -> set[str]:
        return set(self["combination_scores"]["measure"])

    def has_curve(self, drug: str) -> bool:
        """Whether a curve has this name; upper and lower case do not matter."""
        return drug.lower() in set(self["scores"]["drug"].astype(str).str.lower())

    def rows_of_pair(self, name: str) -> pd.DataFrame:
        import pandas as pd

        rows = self["combination_scores"]
        named = [
            name.casefold() in (f"{one} + {other}".casefold(), f"{other} + {one}".casefold())
            for one, other in zip(rows["drug"], rows["add_on"], strict=True)
        ]
        return rows[pd.Series(named, index=rows.index, dtype=bool)]

    def chains_of_pair(self, name: str, scorer: str | None, readout: str | None, sample: str | None) -> list[Link]:
        rows = self.rows_of_pair(name)
        if scorer is not None:
            rows = rows[rows["measure"] == scorer]
        if readout is not None:
            rows = rows[rows["readout"] == readout]
        if sample is not None:
            rows = rows[rows["sample"] == sample]
        return [self._pair(key, records(own)) for key, own in rows.groupby(list(_PAIR), sort=True)]

    def _pair(self, key: tuple[Any, ...], measures: list[dict[str, Any]]) -> Link:
        sample, readout, drug, add_on = key
        part = f"curves/{readout}"
        link = Link(
            f"{drug} and {add_on} together in {sample} by {readout}",
            self._made_by(measures[0], part),
            rows=[some(row, _MEASURE) for row in measures],
            doubts=[*self._older(part), *self._changed(part, f"viability/{readout}")],
        )
        link.made_from.append(self._doses(key))
        return link

    def _doses(self, key: tuple[Any, ...]) -> Link:
        """The inhibition that was measured at every pair of doses, and its excess, a column a model."""
        rows = self["dose_pairs"]
        for column, value in zip(_PAIR, key, strict=True):
            rows = rows[rows[column] == value]
        doses = ["concentration_nM", ADD_ON_DOSE]
        seen = rows.groupby(doses)["inhibition_percent"].first()
        wide = rows.pivot_table("excess_percent", doses, "model").add_suffix("_excess_percent")
        link = Link("pairs of doses", rows=records(seen.to_frame().join(wide).reset_index()))
        link.made_from.append(self._wells_of_pair(key))
        return link

    def _wells_of_pair(self, key: tuple[Any, ...]) -> Link:
        """The wells of both drugs, alone and together; inhibition is against cells without any drug."""
        sample, readout, drug, add_on = key
        part = f"viability/{readout}"
        wells = self._all_wells(readout)
        wells = wells[wells["sample"] == sample]
        both = {drug.casefold(), add_on.casefold()}
        first, second = (_folded(wells[name]) for name in ("treatment", "add_on"))
        dosed = (wells["well_type"] == "therapy") & first.isin(both) & (second.isin(both) | (second == ""))
        with_second_alone = (wells["control"] == "negative") & second.isin(both) & (wells[ADD_ON_DOSE] > 0)
        own = wells[dosed | with_second_alone]
        if own.empty:
            return Link(f"wells by {readout}", doubts=[f"their rows are gone; materialize `{part}` again."])
        own = own.sort_values(["treatment", "concentration_nM", ADD_ON_DOSE, "plate", "well"], na_position="first")
        run = self._run(part)
        by = str((run["inputs"].get("normalise_by") if run else None) or "plate")
        row = records(own.iloc[[0]])[0]
        link = Link(
            f"wells by {readout}",
            {"inhibition": "against cells without any drug", "normalised_by": by} | self._made_by(row, part),
            rows=[some(well, _WELL) for well in records(own)],
            doubts=self._older(part),
        )
        link.made_from.append(self._plain_controls(readout, own[dosed.loc[own.index]], by))
        places = list(zip(own["plate"], own["well"], strict=True))
        link.made_from.extend(self._decisions(readout, places, frozenset(own["plate"])))
        checkpoints = dict.fromkeys(own["checkpoint"].dropna()) if "checkpoint" in own else {}
        for weights in checkpoints:
            link.made_from.extend(self._checkpoints(weights))
        plates = frozenset(own["plate"])
        link.made_from.extend(self._sources(part, plates, not self.is_metabolic(run)))
        return link

    def _plain_controls(self, readout: str, drug_wells: pd.DataFrame, by: str) -> Link:
        """The controls without add-on of the plates (or treatments) of some wells."""
        from phenodose.lineage.controls import ControlWells

        plain = drug_wells.assign(add_on=None, **{ADD_ON_DOSE: float("nan")})
        return Link(f"controls of {readout}", rows=ControlWells(self._all_wells(readout)).rows(plain, by))


def _folded(values: pd.Series[Any]) -> pd.Series[Any]:
    return values.astype(object).fillna("").astype(str).str.strip().str.casefold()
