"""What the cohort report is made from: a fixed number of questions to the cohort database.

Belongs here: the SQL. Its number does not grow with the screens, so a store in a bucket is as fast as one on a disk.
Does not belong here: what the report makes of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from phenodose.errors import InputError
from phenodose.names import corrected_name
from phenodose.plots.palette import Look, readout_looks
from phenodose.plugins import Preferences
from phenodose.table import of_arrow

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.cohort.query import QueryResult
    from phenodose.store.store import Store

#: A question takes at most this long.
_MOST_SECONDS = 300.0
#: Screens that a report shows if nobody chooses: more make a page that no browser opens gladly.
MOST_SCREENS = 1000

_SCREENS = """
    SELECT s.screen, s.sample, s.entity, s.kind, s.stale, s.verdict, s.verdict_reason, r.made_at
    FROM screens s LEFT JOIN (SELECT screen, min(started_at) AS made_at FROM runs GROUP BY screen) r USING (screen)
    ORDER BY s.screen
"""
_SCORERS = "SELECT DISTINCT scorer FROM scores WHERE hit IS NOT NULL"
#: A score that is no number is no score: one of them must not take the report from all screens.
_SCORES = """
    SELECT screen, sample, readout, drug, if(isfinite(score), score, NULL) AS score,
           if(isfinite(lower), lower, NULL) AS lower, if(isfinite(upper), upper, NULL) AS upper, p_hit_fraction, call
    FROM scores
    WHERE scorer = {scorer} AND replicate = 'pooled'
    ORDER BY screen, readout, drug, sample
"""
_FAILED = "SELECT DISTINCT screen, sample, readout, verdict FROM qc WHERE verdict = 'fail'"
_REPLICATE_SCORES = """
    SELECT a.screen, a.readout, a.drug, a.replicate AS first_replicate, b.replicate AS second_replicate,
           a.score AS first, b.score AS second
    FROM scores a JOIN scores b USING (screen, sample, readout, drug, scorer)
    WHERE a.scorer = {scorer} AND a.replicate <> 'pooled' AND b.replicate <> 'pooled'
        AND a.replicate < b.replicate AND isfinite(a.score) AND isfinite(b.score)
    ORDER BY ALL
"""
#: Spearman's rho is Pearson's R of the ranks, ties sharing the mean of their ranks. Of viabilities the database keeps
#: both.
_REPLICATE_AGREEMENT = f"""
    WITH pairs AS ({_REPLICATE_SCORES}), ranked AS (
        SELECT *,
               rank() OVER (PARTITION BY screen, readout ORDER BY first)
                   + count(*) OVER (PARTITION BY screen, readout, first) / 2.0 AS first_rank,
               rank() OVER (PARTITION BY screen, readout ORDER BY second)
                   + count(*) OVER (PARTITION BY screen, readout, second) / 2.0 AS second_rank
        FROM pairs
    )
    SELECT screen, readout, 'viability' AS quantity, pairs AS n, pearson, spearman FROM replicate_agreement
    UNION ALL
    SELECT screen, readout, 'DSS', count(*), corr(first, second), corr(first_rank, second_rank)
    FROM ranked GROUP BY screen, readout
    ORDER BY ALL
"""
_ZPRIME = """
    SELECT screen, plate, readout, value AS zprime_robust, threshold FROM qc
    WHERE metric = 'zprime_robust' AND plate <> 'screen' AND value IS NOT NULL AND isfinite(value)
    ORDER BY ALL
"""
#: Raw viability is the answer of a network: its rows have a checkpoint.
_RAW = """
    SELECT readout, least(greatest(floor(raw * 50), 0), 49)::INTEGER AS bin,
           coalesce(control, 'no control') AS well, count(*) AS wells
    FROM viability
    WHERE checkpoint IS NOT NULL AND raw IS NOT NULL AND isfinite(raw)
    GROUP BY ALL ORDER BY ALL
"""
_MAP = """
    SELECT screen, embedder, space, plate, well, x, y, well_type, treatment, drug_class
    FROM embeddings
    WHERE space IN (SELECT space FROM embeddings GROUP BY space HAVING count(DISTINCT screen) > 1)
    ORDER BY embedder, space, screen, plate, well
"""
_TREATMENTS = "SELECT DISTINCT screen, treatment AS drug FROM wells WHERE treatment IS NOT NULL ORDER BY ALL"
_DRIFT = "SELECT * EXCLUDE (made_at) FROM control_drift"
#: A pair is one pair, whichever of the two drugs the layout calls the add-on; of a sample every screen counts.
_PAIRS = """
    SELECT readout, least(drug, add_on) AS first, greatest(drug, add_on) AS second, measure AS model,
           count(DISTINCT sample) AS n_samples, median(value) AS median, min(value) AS lowest, max(value) AS highest,
           list(DISTINCT sample ORDER BY sample) FILTER (interaction = 'synergy') AS synergy,
           list(DISTINCT sample ORDER BY sample) FILTER (interaction = 'antagonism') AS antagonism
    FROM combination_scores
    WHERE interaction IS NOT NULL AND isfinite(value)
    GROUP BY ALL ORDER BY ALL
"""
_CHECKPOINTS = """
    SELECT screen, readout, phase, epochs, n_train, n_validation, train_loss, validation_loss, validation_auroc
    FROM checkpoints ORDER BY screen, readout, phase
"""


#: Tables and views that these questions are asked of.
_ASKED = (
    *("screens", "runs", "scores", "qc", "replicate_agreement", "viability", "embeddings", "wells"),
    *("control_drift", "combination_scores", "checkpoints"),
)


@dataclass(frozen=True)
class Selection:
    """Which screens a report shows.

    Attributes:
        entity: those of this entity alone; None for all.
        newest: of these the ones that were made last, at most so many.
    """

    entity: str | None = None
    newest: int = MOST_SCREENS

    def of(self, screens: pd.DataFrame) -> tuple[list[str] | None, str]:
        """Names of the screens that are shown, None for all; and a sentence on what is left out, '' if nothing is.

        Args:
            screens: screen, entity and made_at of all screens.

        Raises:
            InputError: no screen is of this entity.
        """
        named = screens if self.entity is None else screens[screens["entity"] == self.entity]
        if named.empty and len(screens):
            known = ", ".join(sorted(map(str, screens["entity"].dropna().unique()))) or "none"
            raise InputError(f"--entity {self.entity!r}: no screen is of this entity; the store has: {known}.")
        shown = named.sort_values(["made_at", "screen"], na_position="first").tail(self.newest)
        if len(shown) == len(screens):
            return None, ""
        screen = "screen" if len(shown) == 1 else "screens"
        made = f"the {len(shown)} {screen} made last" if len(shown) < len(named) else f"{len(shown)} {screen}"
        of = "" if self.entity is None else f" of {self.entity}"
        return sorted(shown["screen"]), (
            f"This page shows {made}{of}; the other {len(screens) - len(shown)} of the store are left out. "
            "Choose others with `phenodose report --cohort --entity NAME --newest N --out FILE`."
        )


@dataclass(frozen=True)
class Cohort:
    """The rows of the cohort that the report shows.

    Attributes:
        screens: screen, sample, entity, kind, stale, verdict, verdict_reason, made_at; a row a screen.
        scores: screen, sample, readout, drug, score, lower, upper, p_hit_fraction, call, readout_failed, hit; pooled
            scores of the scorer that ranks, with the calls that stand (`phenodose.pipeline.hits`); `hit` is whether a
            drug counts as one.
        replicate_scores: pairs of scores of two replicates of a screen, readout and drug.
        replicate_agreement: correlations of replicates by screen, readout and quantity.
        zprime: robust Z' of every plate and readout.
        raw: counts of wells by raw viability in 50 bins from 0 to 1, readout and control.
        maps: wells of maps that hold more than one screen.
        treatments: screen, drug; everything that stands in a layout.
        drift: the view `control_drift`.
        checkpoints: trained phases of every screen.
        pairs: readout, first, second, model, n_samples, median, lowest, highest (excess), synergy and antagonism (the
            samples); dose matrices, a row a pair of drugs, readout and model.
        metabolic: readouts that come from a plate reader.
        faults: files that the database had to leave out.
        preferences: order and colours of plugins at the store's site.
        scorer: the scorer that ranks: the first of those that name hits; None without any.
        left_out: a sentence on the screens of the store that are not shown; '' if all are.
    """

    screens: pd.DataFrame
    scores: pd.DataFrame
    replicate_scores: pd.DataFrame
    replicate_agreement: pd.DataFrame
    zprime: pd.DataFrame
    raw: pd.DataFrame
    maps: pd.DataFrame
    treatments: pd.DataFrame
    drift: pd.DataFrame
    checkpoints: pd.DataFrame
    pairs: pd.DataFrame
    metabolic: frozenset[str]
    faults: tuple[str, ...]
    preferences: Preferences
    scorer: str | None
    left_out: str = ""

    @cached_property
    def readouts(self) -> list[str]:
        """Readouts with scores, those that rank screens first."""
        found = set(self.scores.loc[self.scores["score"].notna(), "readout"])
        return self.preferences.ordered_readouts(found)

    def looks(self, readouts: Iterable[str]) -> dict[str, Look]:
        """How each of these readouts is drawn."""
        return readout_looks(readouts, self.preferences.colours())

    @cached_property
    def hit_threshold(self) -> float | None:
        """Score from which the ranking scorer calls a hit; None if it names none or is not installed."""
        found = self.preferences.scorers.get(self.scorer or "")
        return None if found is None else found.hit_threshold

    @cached_property
    def ranked_by(self) -> dict[str, str]:
        """Name of a screen -> the readout that ranks its drugs."""
        known = self.scores[self.scores["score"].notna()]
        of = known.groupby("screen")["readout"].agg(set)
        return {str(screen): next(r for r in self.readouts if r in own) for screen, own in of.items()}


def read_cohort(store: Store, selection: Selection | None = None) -> Cohort:
    """Bring the cohort database up to date and read what the report shows.

    Raises:
        InputError: no screen is as `selection` wants it.
    """
    from phenodose.cohort.build import rebuild_cohort
    from phenodose.cohort.query import questions
    from phenodose.pipeline.verdict import ScreenJudge

    faults = rebuild_cohort(store, judge=ScreenJudge(store)).faults
    with questions(store, _MOST_SECONDS) as answer:
        return _read(store, selection or Selection(), faults, answer)


def _read(
    store: Store, selection: Selection, faults: Sequence[str], answer: Callable[[str, int | None], QueryResult]
) -> Cohort:
    from phenodose.cohort.view import literal, literals
    from phenodose.pipeline.hits import is_hit, standing_calls

    scope = ""

    def ask(sql: str) -> pd.DataFrame:
        begin = sql.strip()
        if scope:
            begin = f"{scope}, {begin.removeprefix('WITH')}" if begin.startswith("WITH") else f"{scope} {begin}"
        return of_arrow(answer(begin, None).table)

    shown, left_out = selection.of(ask(_SCREENS))
    if shown is not None:
        # What is left out is hidden from every question by tables of the same names.
        only = f"WHERE screen IN ({literals(shown)})"
        scope = "WITH " + ", ".join(f"{name} AS (SELECT * FROM main.{name} {only})" for name in _ASKED)
    preferences = Preferences.of_store(store)
    scorer = next(iter(preferences.ordered_scorers(ask(_SCORERS)["scorer"])), preferences.default_scorer())
    named = literal(scorer or "")
    scores = standing_calls(ask(_SCORES.format(scorer=named)), ask(_FAILED))
    return Cohort(
        screens=ask(_SCREENS),
        scores=scores.assign(hit=is_hit(scores)),
        replicate_scores=ask(_REPLICATE_SCORES.format(scorer=named)),
        replicate_agreement=ask(_REPLICATE_AGREEMENT.format(scorer=named)),
        zprime=ask(_ZPRIME),
        raw=ask(_RAW),
        maps=ask(_MAP),
        treatments=ask(_TREATMENTS),
        drift=ask(_DRIFT),
        checkpoints=ask(_CHECKPOINTS),
        pairs=ask(_PAIRS),
        metabolic=frozenset(one for name in preferences.metabolic_readouts() for one in (name, corrected_name(name))),
        faults=tuple(faults),
        preferences=preferences,
        scorer=scorer,
        left_out=left_out,
    )
