"""Views that keep what questions across all screens need of tables too large to be looked through each time.

Belongs here: pooled scores, what the cohort makes of a drug, agreement of replicates and of readouts, levels of
controls and the drift of these, strange images. Does not belong here: the other views (`views`, `hit_views`).
"""

from __future__ import annotations

from phenodose.cohort.view import View
from phenodose.dose_response.agreement import AGREE, DIFFER, UNDECIDED
from phenodose.quality.gates import Limits

#: With fewer earlier screens of a readout, drift over screens is told but not judged.
LEAST_EARLIER_SCREENS = 3

POOLED_SCORES = View(
    "pooled_scores",
    "One row a screen, sample, drug, readout and scorer: the score of all replicates together; sorted so that a "
    "scorer, readout and drug of all screens is found quickly (of one screen, ask `scores`).",
    """
    SELECT screen, sample, readout, scorer, drug, score, lower, upper, bound, unit, p_hit_fraction, call
    FROM scores
    WHERE replicate = 'pooled'
    """,
    kept=True,
    order="scorer, readout, drug, screen, sample",
)

DRUG_SCORES = View(
    "drug_scores",
    "One row a drug, readout and scorer: number of samples, mean and standard deviation of their pooled scores; a "
    "sample that was screened again counts once, with its mean.",
    """
    SELECT drug, readout, scorer, count(*) AS n_samples, avg(score) AS mean_score, stddev_samp(score) AS sd_score
    FROM (
        SELECT sample, drug, readout, scorer, avg(score) AS score
        FROM pooled_scores
        WHERE score IS NOT NULL
        GROUP BY sample, drug, readout, scorer
    )
    GROUP BY drug, readout, scorer
    """,
    kept=True,
    of_all=True,
    order="scorer, readout, drug",
)

#: Spearman's rho is Pearson's R of the ranks, ties sharing the mean of their ranks.
REPLICATE_AGREEMENT = View(
    "replicate_agreement",
    "One row a screen and readout: how well the viabilities of replicates agree, over all pairs of `replicate_pairs`.",
    """
    WITH ranked AS (
        SELECT screen, readout, first_viability_fraction AS first, second_viability_fraction AS second,
               rank() OVER (PARTITION BY screen, readout ORDER BY first_viability_fraction)
                   + count(*) OVER (PARTITION BY screen, readout, first_viability_fraction) / 2.0 AS first_rank,
               rank() OVER (PARTITION BY screen, readout ORDER BY second_viability_fraction)
                   + count(*) OVER (PARTITION BY screen, readout, second_viability_fraction) / 2.0 AS second_rank
        FROM replicate_pairs
    )
    SELECT screen, readout, count(*) AS pairs, corr(first, second) AS pearson, corr(first_rank, second_rank) AS spearman
    FROM ranked
    GROUP BY screen, readout
    """,
    kept=True,
)

AGREEMENT_COUNTS = View(
    "agreement_counts",
    "One row a scorer and imaging readout: in how many pairs of `agreement` it agrees with metabolic readouts, and the "
    "correlation of their scores.",
    f"""
    SELECT scorer, imaging_readout, count(*) AS pairs, count(*) FILTER (agreement = '{AGREE}') AS agree,
           count(*) FILTER (agreement = '{DIFFER}') AS differ, count(*) FILTER (agreement = '{UNDECIDED}') AS undecided,
           corr(imaging_score, metabolic_score) AS correlation
    FROM agreement
    GROUP BY scorer, imaging_readout
    """,
    kept=True,
    of_all=True,
)

CONTROL_LEVELS = View(
    "control_levels",
    "One row a screen and readout: medians of its raw controls, and the spread of its negative ones in viability.",
    """
    SELECT v.screen, v.readout,
           median(v.raw) FILTER (v.control = 'negative') AS negative_median,
           median(v.raw) FILTER (v.control = 'positive') AS positive_median,
           greatest(0.02, 1.4826 * mad(v.viability_fraction) FILTER (v.control = 'negative')) AS negative_spread
    FROM viability v
    JOIN wells w ON w.screen = v.screen AND w.plate = v.plate AND w.well = v.well
    WHERE NOT v.masked AND v.control IS NOT NULL AND coalesce(w.add_on, '') = ''
    GROUP BY v.screen, v.readout
    """,
    kept=True,
)


def strange_images(limits: Limits) -> View:
    """Few of many wells, which all of them would be looked through for."""
    return View(
        "strange_images",
        "One row a well and readout whose image lies further from like wells than the site's `most_image_distance`.",
        f"""
    SELECT v.screen, w.sample, v.readout, v.plate, v.well, w.well_type, w.treatment AS drug, w.concentration_nM,
           v.image_distance, v.flag, v.flag_reason, v.masked
    FROM viability v
    JOIN wells w ON w.screen = v.screen AND w.plate = v.plate AND w.well = v.well
    WHERE v.image_distance > {limits.most_image_distance!r}
    """,
        kept=True,
        order="image_distance DESC, screen, plate, well, readout",
    )


def control_drift(limits: Limits) -> View:
    """Drift over screens lives here and not in `qc`: a screen's own quality must not depend on its company."""
    figures = ("cohort_window_drift", "cohort_spread_drift")

    def beyond(side: str) -> str:
        compared = [(name, getattr(limits.of[name], side)) for name in figures]
        return " OR ".join(f"abs({name}) > {value!r}" for name, value in compared if value is not None) or "false"

    return View(
        "control_drift",
        "One row a screen and readout: its controls against those of the screens that the store made before.",
        f"""
    WITH made AS (
        SELECT screen, min(started_at) AS made_at FROM runs WHERE asset = 'layout' GROUP BY screen
    ), ordered AS (
        SELECT l.*, abs(negative_median - positive_median) AS control_window, m.made_at,
               row_number() OVER (PARTITION BY l.readout ORDER BY m.made_at NULLS LAST, l.screen) AS place
        FROM control_levels l
        LEFT JOIN made m USING (screen)
        WHERE negative_median <> positive_median
    ), figures AS (
        SELECT *, count(*) OVER earlier AS n_earlier,
               log2(control_window / median(control_window) OVER earlier) AS cohort_window_drift,
               greatest(0.0, log2(negative_spread / median(negative_spread) OVER earlier)) AS cohort_spread_drift
        FROM ordered
        WINDOW earlier AS (PARTITION BY readout ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT f.screen, s.sample, f.readout, f.made_at, f.n_earlier, f.negative_median, f.positive_median,
           f.control_window, f.negative_spread, f.cohort_window_drift,
           CASE WHEN f.n_earlier > 0 THEN f.cohort_spread_drift END AS cohort_spread_drift,
           CASE WHEN f.n_earlier < {LEAST_EARLIER_SCREENS} THEN 'none'
                WHEN {beyond("poor")} THEN 'fail'
                WHEN {beyond("good")} THEN 'warn'
                ELSE 'pass' END AS verdict
    FROM figures f
    LEFT JOIN screens s USING (screen)
    ORDER BY f.readout, f.place
    """,
    )
