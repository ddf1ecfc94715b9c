"""The views of the cohort database: the questions a data scientist asks first, declared once.

Belongs here: name, meaning and SQL of every view over the declared tables; those of hits are in `hit_views`. Does not
belong here: building the database and asking it (`phenodose.cohort.query`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phenodose.cohort.hit_views import IMAGING_VS_METABOLIC, RankingOrder, agreement_view, hits_view
from phenodose.cohort.reachable_view import REACHABLE
from phenodose.cohort.summary_views import (
    AGREEMENT_COUNTS,
    CONTROL_LEVELS,
    DRUG_SCORES,
    POOLED_SCORES,
    REPLICATE_AGREEMENT,
    control_drift,
    strange_images,
)
from phenodose.cohort.view import CURVES_WITH_ADD_ON, WORST_VERDICT, View, identifier, literal
from phenodose.quality.gates import Limits


def cohort_views(
    readouts: Sequence[str],
    metabolic: Sequence[str],
    limits: Limits | None = None,
    scorer: str = "",
    comparisons: Mapping[str, bool] | None = None,
    order: RankingOrder | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> list[View]:
    """All views for a cohort.

    Args:
        readouts: readouts that the cohort holds; `scores_wide` has a column for each.
        metabolic: readouts that come from a plate reader; all others are imaging readouts.
        limits: limits of quality metrics that hold for the site; the defaults if None.
        scorer: the scorer that is taken where none is named; `scores_wide` holds its scores.
        comparisons: scorers that compare scores with reference samples; True for one that gives the difference to
            `scorer`, of which the interval is shown too.
        order: which readout and which scorer rank a screen that has several.
        thresholds: hit thresholds of the scorers that name hits.
    """
    return [
        _scores_wide(readouts, scorer),
        hits_view(order or RankingOrder()),
        _selective_scores(scorer, comparisons or {}),
        POOLED_SCORES,
        DRUG_SCORES,
        COHORT_Z_SCORES,
        TARGET_RANKS,
        DRUG_COMBINATIONS,
        SYNERGIES,
        agreement_view(metabolic, thresholds or {}),
        AGREEMENT_COUNTS,
        IMAGING_VS_METABOLIC,
        DOSE_POINTS,
        READOUTS,
        REPLICATE_PAIRS,
        REPLICATE_AGREEMENT,
        QC_SUMMARY,
        DOUBTFUL_WELLS,
        strange_images(limits or Limits()),
        CONTROL_LEVELS,
        control_drift(limits or Limits()),
        LATEST_RUNS,
        LATEST_RUN_OF_SCREEN,
        REACHABLE,
    ]


#: With fewer samples there is no z-score.
LEAST_SAMPLES = 3

COHORT_Z_SCORES = View(
    "cohort_z_scores",
    "One row a screen, drug, readout and scorer: the pooled score in standard deviations from the mean of all samples.",
    f"""
    SELECT s.screen, s.sample, s.drug, s.readout, s.scorer, s.score, s.unit, c.n_samples, c.mean_score, c.sd_score,
           CASE WHEN c.n_samples >= {LEAST_SAMPLES} AND c.sd_score > 0
                THEN (s.score - c.mean_score) / c.sd_score END AS z_score
    FROM scores s
    JOIN drug_scores c USING (drug, readout, scorer)
    WHERE s.replicate = 'pooled' AND s.score IS NOT NULL AND coalesce(s.unit, '') <> 'nM'
    """,
)

TARGET_RANKS = View(
    "target_ranks",
    "One row a screen, readout, scorer and target: its rank in the sample, and its mean score in the other samples.",
    """
    WITH by_sample AS (
        SELECT sample, readout, scorer, target, avg(mean_score) AS mean_score
        FROM targets
        WHERE n_drugs > 0
        GROUP BY ALL
    ), others AS (
        SELECT sample, readout, scorer, target, nullif(count(*) OVER every - 1, 0) AS n_others,
               (coalesce(sum(mean_score) OVER every, 0) - coalesce(mean_score, 0))
                   / nullif(count(mean_score) OVER every - (mean_score IS NOT NULL)::INTEGER, 0) AS mean_of_others
        FROM by_sample
        WINDOW every AS (PARTITION BY readout, scorer, target)
    )
    SELECT t.screen, t.sample, t.readout, t.scorer, t.target, t.n_drugs, t.n_hits, t.drugs,
           t.mean_score, t.lower, t.upper, t.p_value, t.q_value,
           rank() OVER (PARTITION BY t.screen, t.sample, t.readout, t.scorer
                        ORDER BY t.p_value NULLS LAST, t.mean_score DESC) AS rank,
           o.n_others, o.mean_of_others, t.mean_score - o.mean_of_others AS above_others,
           t.n_hit_interactions, t.hub_q_value, t.mutation, t.expression, t.expression_unit
    FROM targets t
    LEFT JOIN others o ON o.sample = t.sample AND o.readout = t.readout AND o.scorer = t.scorer AND o.target = t.target
    WHERE t.n_drugs > 0
    """,
)

#: Difference and interval are the rows of the scorers 'dc<scorer>' (`phenodose.dose_response.combination`); where a
#: store made before has none, they are computed likewise. Curves are named as `phenodose.names.curve_names` does.
DRUG_COMBINATIONS = View(
    "drug_combinations",
    "One row a drug given with an add-on (in one concentration), readout and scorer: score with it, alone, difference.",
    f"""
    WITH {CURVES_WITH_ADD_ON}
    SELECT w.screen, w.sample, w.drug, w.add_on, w.add_on_concentration_nM, c.readout, c.scorer,
           c.score AS combined_score, m.score AS alone_score, coalesce(d.score, c.score - m.score) AS difference,
           coalesce(d.lower, c.score - m.score - sqrt((c.score - c.lower) ** 2 + (m.upper - m.score) ** 2)) AS lower,
           coalesce(d.upper, c.score - m.score + sqrt((c.upper - c.score) ** 2 + (m.score - m.lower) ** 2)) AS upper,
           c.unit
    FROM combinations w
    JOIN scores c ON c.screen = w.screen AND c.drug = w.curve
    LEFT JOIN scores m ON m.screen = c.screen AND m.sample = c.sample AND m.readout = c.readout
        AND m.replicate = c.replicate AND m.scorer = c.scorer AND m.drug = w.drug AND w.is_alone_too
    LEFT JOIN scores d ON d.screen = c.screen AND d.sample = c.sample AND d.readout = c.readout
        AND d.replicate = c.replicate AND d.scorer = 'dc' || c.scorer AND d.drug = c.drug
    WHERE c.replicate = 'pooled' AND c.sample = w.sample AND coalesce(c.unit, '') <> 'nM'
        AND NOT (starts_with(c.scorer, 'dc') AND m.score IS NULL)
    """,
)

SYNERGIES = View(
    "synergies",
    "One row a dose matrix, readout and measure of two drugs: its number with the interval and what it says, and its "
    "place among the pairs of the sample by that measure.",
    """
    SELECT c.screen, c.sample, s.entity, c.readout, c.drug, c.add_on, c.measure,
           rank() OVER (
               PARTITION BY c.screen, c.sample, c.readout, c.measure
               ORDER BY CASE WHEN isfinite(c.value) THEN c.value END DESC NULLS LAST
           ) AS place,
           c.value, c.lower, c.upper, c.unit, c.probability_synergy, c.interaction,
           CASE WHEN c.status <> 'ok' THEN c.status END AS not_computed
    FROM combination_scores c
    LEFT JOIN screens s USING (screen)
    """,
)

DOSE_POINTS = View(
    "dose_points",
    "One row a dosed well and readout: what it holds and how viable it is; masked wells are marked, not dropped.",
    """
    SELECT v.screen, w.sample, v.readout, v.plate, v.well, w.well_type, w.treatment AS drug,
           w.concentration_nM, w.replicate, w.add_on, w.add_on_concentration_nM, v.raw, v.viability_fraction,
           1 - v.viability_fraction AS inhibition_fraction, v.masked, v.mask_reason
    FROM viability v
    JOIN wells w ON w.screen = v.screen AND w.plate = v.plate AND w.well = v.well
    WHERE w.well_type IN ('therapy', 'trc') AND w.concentration_nM > 0
    """,
)

READOUTS = View(
    "readouts",
    "One row a well and readout: the raw number, before the controls made it viability, and what read it.",
    """
    SELECT screen, plate, well, "row", "column", readout, raw, raw_sd, image_distance,
           run_id, plugin, plugin_version, parameters, checkpoint
    FROM viability
    """,
)

REPLICATE_PAIRS = View(
    "replicate_pairs",
    "One row a drug, concentration and pair of replicates: the mean viability of the unmasked wells of each.",
    """
    WITH means AS (
        SELECT screen, readout, drug, concentration_nM, coalesce(add_on, '') AS add_on,
               coalesce(add_on_concentration_nM, 0) AS add_on_dose, replicate,
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
        AND b.concentration_nM = a.concentration_nM AND b.add_on = a.add_on AND b.add_on_dose = a.add_on_dose
        AND b.replicate > a.replicate
    """,
    kept=True,
)

QC_SUMMARY = View(
    "qc_summary",
    "One row a screen and readout: the worst verdict and the figures that are looked at first.",
    f"""
    SELECT screen, readout,
           {WORST_VERDICT} AS verdict,
           count(*) FILTER (verdict = 'fail') AS n_fail,
           count(*) FILTER (verdict = 'warn') AS n_warn,
           count(*) FILTER (verdict = 'pass') AS n_pass,
           min(value) FILTER (metric = 'zprime_robust' AND plate <> 'screen') AS lowest_zprime_robust,
           max(value) FILTER (metric = 'replicate_pearson' AND plate = 'screen') AS replicate_pearson,
           string_agg(explanation, ' ' ORDER BY plate, metric) FILTER (verdict IN ('fail', 'warn')) AS complaints
    FROM qc
    GROUP BY screen, readout
    """,
    kept=True,
)

DOUBTFUL_WELLS = View(
    "doubtful_wells",
    "One row a well and readout that is flagged or masked, with the reason; wells without cells are left out.",
    """
    SELECT v.screen, w.sample, v.readout, v.plate, v.well, w.well_type, w.treatment AS drug, w.concentration_nM,
           w.replicate, w.add_on, v.raw, v.viability_fraction, v.control, v.flag, v.flag_reason, v.masked,
           v.mask_reason, v.well_class, v.class_probability
    FROM viability v
    JOIN wells w ON w.screen = v.screen AND w.plate = v.plate AND w.well = v.well
    WHERE (v.flag IS NOT NULL OR v.masked) AND w.well_type NOT IN ('empty', 'exclude')
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


LATEST_RUN_OF_SCREEN = View(
    "latest_run_of_screen",
    "One row a screen: the run that wrote rows of it last, and which of its assets that run made.",
    """
    SELECT r.screen, r.run_id, min(r.started_at) AS started_at, max(r.finished_at) AS finished_at,
           sum(epoch(r.finished_at) - epoch(r.started_at)) AS seconds,
           any_value(r.phenodose_version) AS phenodose_version,
           count(*) AS n_assets, string_agg(r.asset, ', ' ORDER BY r.asset) AS assets
    FROM runs r
    JOIN (SELECT screen, arg_max(run_id, finished_at) AS run_id FROM runs GROUP BY screen) latest
        USING (screen, run_id)
    GROUP BY r.screen, r.run_id
    """,
)


def _selective_scores(scorer: str, comparisons: Mapping[str, bool]) -> View:
    of = {name: [("score", name)] for name in (scorer, *comparisons) if name}
    for name in (name for name, with_interval in comparisons.items() if with_interval):
        of[name] += [("lower", f"{name}_lower"), ("upper", f"{name}_upper")]
    columns = "".join(
        f",\n           max({value}) FILTER (scorer = {literal(name)}) AS {identifier(column)}"
        for name, shown in of.items()
        for value, column in shown
    )
    names = ", ".join(literal(name) for name in of) or "NULL"
    return View(
        "selective_scores",
        f"One row a screen, drug and readout that was compared with reference samples: {scorer} and the pooled "
        "comparisons.",
        f"""
    SELECT screen, sample, readout, drug{columns}
    FROM scores
    WHERE replicate = 'pooled' AND scorer IN ({names})
    GROUP BY screen, sample, readout, drug
    HAVING count(score) FILTER (scorer <> {literal(scorer)}) > 0
    """,
    )


def _scores_wide(readouts: Sequence[str], scorer: str) -> View:
    columns = "".join(
        f",\n           max(score) FILTER (readout = {literal(name)}) AS {identifier(name)}" for name in readouts
    )
    return View(
        "scores_wide",
        f"One row a screen and drug: the pooled {scorer} of every readout, a column a readout.",
        f"""
    SELECT screen, sample, drug{columns}
    FROM scores
    WHERE scorer = {literal(scorer)} AND replicate = 'pooled'
    GROUP BY screen, sample, drug
    """,
    )
