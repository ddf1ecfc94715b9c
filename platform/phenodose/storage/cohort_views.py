"""The views of the cohort database: the questions a data scientist asks first, declared once.

Belongs here: name, meaning and SQL of every view over the declared tables. Does not belong here:
building the database and asking it (`phenodose.storage.warehouse`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """One view: what a row is, and the query behind it."""

    name: str
    description: str
    sql: str


def cohort_views(readouts: Sequence[str], metabolic: Sequence[str]) -> list[View]:
    """All views for a cohort.

    Args:
        readouts: readouts that the cohort holds; `scores_wide` has a column for each.
        metabolic: readouts that come from a plate reader; all others are imaging readouts.
    """
    return [
        _scores_wide(readouts),
        HITS,
        _imaging_vs_metabolic(metabolic),
        DOSE_POINTS,
        REPLICATE_PAIRS,
        QC_SUMMARY,
        LATEST_RUNS,
    ]


HITS = View(
    "hits",
    "One row a hit: pooled score at or above the hit threshold of its scorer, with the drug's annotation.",
    """
    SELECT s.screen, s.sample, c.entity, s.drug, d.drug_class, d.targets,
           s.readout, s.scorer, s.score, s.lower, s.upper, s.unit
    FROM scores s
    LEFT JOIN screens c USING (screen)
    LEFT JOIN drugs d ON d.screen = s.screen AND d.drug = s.drug
    WHERE s.hit AND s.replicate = 'pooled'
    """,
)

DOSE_POINTS = View(
    "dose_points",
    "One row a dosed well and readout: what it holds and how viable it is; masked wells are marked, not dropped.",
    """
    SELECT v.screen, w.sample, v.readout, v.plate, v.well, w.well_type, w.treatment AS drug,
           w.concentration_nM, w.replicate, w.add_on, v.raw, v.viability_fraction,
           1 - v.viability_fraction AS inhibition_fraction, v.masked, v.mask_reason
    FROM viability v
    JOIN wells w ON w.screen = v.screen AND w.plate = v.plate AND w.well = v.well
    WHERE w.well_type IN ('therapy', 'trc') AND w.concentration_nM > 0
    """,
)

REPLICATE_PAIRS = View(
    "replicate_pairs",
    "One row a drug, concentration and pair of replicates: the mean viability of the unmasked wells of each.",
    """
    WITH means AS (
        SELECT screen, readout, drug, concentration_nM, coalesce(add_on, '') AS add_on, replicate,
               avg(viability_fraction) AS viability_fraction
        FROM dose_points
        WHERE NOT masked AND well_type = 'therapy' AND replicate IS NOT NULL AND viability_fraction IS NOT NULL
        GROUP BY ALL
    )
    SELECT a.screen, a.readout, a.drug, a.concentration_nM,
           a.replicate AS first_replicate, b.replicate AS second_replicate,
           a.viability_fraction AS first_viability_fraction,
           b.viability_fraction AS second_viability_fraction
    FROM means a
    JOIN means b ON b.screen = a.screen AND b.readout = a.readout AND b.drug = a.drug
        AND b.concentration_nM = a.concentration_nM AND b.add_on = a.add_on AND b.replicate > a.replicate
    """,
)

QC_SUMMARY = View(
    "qc_summary",
    "One row a screen and readout: the worst verdict and the figures that are looked at first.",
    """
    SELECT screen, readout,
           CASE WHEN bool_or(verdict = 'fail') THEN 'fail'
                WHEN bool_or(verdict = 'warn') THEN 'warn'
                WHEN bool_or(verdict = 'pass') THEN 'pass'
                ELSE 'none' END AS verdict,
           count(*) FILTER (verdict = 'fail') AS n_fail,
           count(*) FILTER (verdict = 'warn') AS n_warn,
           count(*) FILTER (verdict = 'pass') AS n_pass,
           min(value) FILTER (metric = 'zprime_robust' AND plate <> 'screen') AS lowest_zprime_robust,
           max(value) FILTER (metric = 'replicate_pearson' AND plate = 'screen') AS replicate_pearson,
           string_agg(explanation, ' ' ORDER BY plate, metric) FILTER (verdict IN ('fail', 'warn')) AS complaints
    FROM qc
    GROUP BY screen, readout
    """,
)

LATEST_RUNS = View(
    "latest_runs",
    "One row a screen and asset: the step that wrote the rows now in the tables, newest first.",
    """
    SELECT screen, asset, run_id, plugin, plugin_version, phenodose_version, started_at, finished_at,
           epoch(finished_at) - epoch(started_at) AS seconds
    FROM runs
    ORDER BY finished_at DESC, screen, asset
    """,
)


def _scores_wide(readouts: Sequence[str]) -> View:
    columns = "".join(
        f",\n           max(score) FILTER (readout = {literal(name)}) AS {identifier(name)}" for name in readouts
    )
    return View(
        "scores_wide",
        "One row a screen and drug: the pooled DSS_asym of every readout, a column a readout.",
        f"""
    SELECT screen, sample, drug{columns}
    FROM scores
    WHERE scorer = 'dss_asym' AND replicate = 'pooled'
    GROUP BY screen, sample, drug
    """,
    )


def _imaging_vs_metabolic(metabolic: Sequence[str]) -> View:
    names = ", ".join(literal(name) for name in metabolic) or "NULL"
    return View(
        "imaging_vs_metabolic",
        "One row a screen, drug, scorer and pair of an imaging with a metabolic readout: do they agree on the hit?",
        f"""
    SELECT i.screen, i.sample, i.drug, i.scorer,
           i.readout AS imaging_readout, m.readout AS metabolic_readout,
           i.score AS imaging_score, m.score AS metabolic_score,
           CASE WHEN i.hit AND m.hit THEN 'both'
                WHEN i.hit THEN 'imaging only'
                WHEN m.hit THEN 'metabolic only'
                ELSE 'neither' END AS hit_in
    FROM scores i
    JOIN scores m ON m.screen = i.screen AND m.sample = i.sample AND m.drug = i.drug AND m.scorer = i.scorer
    WHERE i.replicate = 'pooled' AND m.replicate = 'pooled'
        AND i.hit IS NOT NULL AND m.hit IS NOT NULL
        AND m.readout IN ({names}) AND i.readout NOT IN ({names})
    """,
    )


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(text: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + text.replace('"', '""') + '"'
