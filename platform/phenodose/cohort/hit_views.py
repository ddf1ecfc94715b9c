"""The views of hits: what is said of every drug, and whether imaging and metabolic readouts say the same.

Belongs here: the rules of `phenodose.pipeline.hits`, of the ranking (`phenodose.pipeline.verdict.ranked_drugs`) and of
`phenodose.dose_response.agreement` in SQL; tests hold them equal. Does not belong here: the other views (`views`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phenodose.cohort.view import CURVES_WITH_ADD_ON, WORST_VERDICT, View, literal
from phenodose.dose_response.agreement import AGREE, DIFFER, SURE, UNDECIDED
from phenodose.dose_response.hits import HIT
from phenodose.names import corrected_name


@dataclass(frozen=True)
class RankingOrder:
    """What ranks the drugs of a screen that has several: each the most wanted first, and all that the cohort holds."""

    readouts: Sequence[str] = ()
    scorers: Sequence[str] = ()


#: The worst verdict on every readout of every screen and sample; a metric that names no sample is about all of them.
_QUALITY = f"""quality AS (
        SELECT screen, sample, readout, {WORST_VERDICT} AS verdict
        FROM (
            SELECT s.screen, s.sample, s.readout, q.verdict
            FROM (
                SELECT DISTINCT screen, sample, readout FROM scores WHERE replicate = 'pooled' AND hit IS NOT NULL
            ) s
            JOIN qc q ON q.screen = s.screen AND q.readout = s.readout
                AND (coalesce(q.sample, '') = '' OR q.sample = s.sample)
        )
        GROUP BY screen, sample, readout
    )"""


def hits_view(order: RankingOrder) -> View:
    """Every drug once, by the readout that ranks its screen."""
    return View(
        "hits",
        "One row a screen, sample and drug (with its add-on): the pooled score of the readout that ranks the screen, "
        "and whether the drug is a hit; `call` is empty where that readout failed a quality check.",
        f"""
    WITH {CURVES_WITH_ADD_ON}, {_QUALITY}, ranking_scorers AS (
        SELECT screen, arg_min(scorer, list_position({_list(order.scorers)}, scorer)) AS scorer
        FROM scores WHERE hit IS NOT NULL GROUP BY screen
    ), ranking_readouts AS (
        SELECT screen, scorer, arg_min(readout, list_position({_list(order.readouts)}, readout)) AS readout
        FROM scores JOIN ranking_scorers USING (screen, scorer)
        WHERE replicate = 'pooled' AND score IS NOT NULL GROUP BY screen, scorer
    )
    SELECT s.screen, s.sample, c.entity, s.drug, w.add_on, w.add_on_concentration_nM,
           CASE WHEN q.verdict IS DISTINCT FROM 'fail' THEN s.call END AS call, s.p_hit_fraction,
           s.score, s.lower, s.upper, s.unit, s.status, s.doubt, d.drug_class, d.targets,
           s.readout, s.scorer, q.verdict AS readout_verdict
    FROM scores s
    JOIN ranking_readouts r ON r.screen = s.screen AND r.scorer = s.scorer AND r.readout = s.readout
    LEFT JOIN screens c ON c.screen = s.screen
    LEFT JOIN combinations w ON w.screen = s.screen AND w.sample = s.sample AND w.curve = s.drug
    LEFT JOIN drugs d ON d.screen = s.screen AND d.drug = coalesce(w.drug, s.drug)
    LEFT JOIN quality q ON q.screen = s.screen AND q.sample = s.sample AND q.readout = s.readout
    WHERE s.replicate = 'pooled'
    """,
        kept=True,
    )


def agreement_view(metabolic: Sequence[str], thresholds: Mapping[str, float]) -> View:
    """Imaging against metabolic readouts, drug by drug.

    Args:
        metabolic: readouts that come from a plate reader.
        thresholds: hit thresholds of the scorers.
    """
    names = _names(metabolic)
    known = " ".join(f"WHEN {literal(name)} THEN {value!r}" for name, value in sorted(thresholds.items()))
    threshold = f"CASE scorer {known} END" if known else "NULL::DOUBLE"
    return View(
        "agreement",
        "One row a screen, sample, drug, scorer and pair of an imaging with a metabolic readout: do they agree, "
        "differ, or is that undecided, by their intervals and probabilities.",
        f"""
    WITH {_QUALITY}, standing AS (
        SELECT s.*, q.verdict AS quality, CASE WHEN q.verdict IS DISTINCT FROM 'fail' THEN s.call END AS stands
        FROM scores s
        LEFT JOIN quality q ON q.screen = s.screen AND q.sample = s.sample AND q.readout = s.readout
        WHERE s.replicate = 'pooled' AND s.hit IS NOT NULL
    ), pairs AS (
        SELECT i.screen, i.sample, i.drug, i.scorer, i.readout AS imaging_readout, m.readout AS metabolic_readout,
               i.score AS imaging_score, i.lower AS imaging_lower, i.upper AS imaging_upper,
               i.p_hit_fraction AS imaging_p_hit_fraction, i.stands AS imaging_call, i.quality AS imaging_verdict,
               m.score AS metabolic_score, m.lower AS metabolic_lower, m.upper AS metabolic_upper,
               m.p_hit_fraction AS metabolic_p_hit_fraction, m.stands AS metabolic_call, m.quality AS metabolic_verdict,
               i.score - m.score AS difference,
               i.score - m.score - sqrt((i.score - i.lower) ** 2 + (m.upper - m.score) ** 2) AS difference_lower,
               i.score - m.score + sqrt((i.upper - i.score) ** 2 + (m.score - m.lower) ** 2) AS difference_upper,
               i.p_hit_fraction * m.p_hit_fraction
                   + (1 - i.p_hit_fraction) * (1 - m.p_hit_fraction) AS p_same_fraction
        FROM standing i
        JOIN standing m ON m.screen = i.screen AND m.sample = i.sample AND m.drug = i.drug AND m.scorer = i.scorer
        WHERE m.readout IN ({names}) AND i.readout NOT IN ({names})
    )
    SELECT *,
           CASE WHEN p_same_fraction IS NULL OR NOT isfinite(p_same_fraction)
                     OR coalesce(imaging_verdict, '') = 'fail' OR coalesce(metabolic_verdict, '') = 'fail'
                THEN '{UNDECIDED}'
                WHEN p_same_fraction <= {1 - SURE + 1e-9!r} OR coalesce(difference_lower > {threshold}, false)
                     OR coalesce(difference_upper < -({threshold}), false)
                THEN '{DIFFER}'
                WHEN p_same_fraction >= {SURE - 1e-9!r} THEN '{AGREE}'
                ELSE '{UNDECIDED}' END AS agreement
    FROM pairs
    """,
        kept=True,
    )


#: Made from `agreement`, for those who ask for the hits alone.
IMAGING_VS_METABOLIC = View(
    "imaging_vs_metabolic",
    "One row a screen, drug, scorer and pair of an imaging with a metabolic readout that did not fail: which of the "
    "two calls it a hit?",
    f"""
    SELECT screen, sample, drug, scorer, imaging_readout, metabolic_readout, imaging_score, metabolic_score,
           CASE WHEN imaging_call = '{HIT}' AND metabolic_call = '{HIT}' THEN 'both'
                WHEN imaging_call = '{HIT}' THEN 'imaging only'
                WHEN metabolic_call = '{HIT}' THEN 'metabolic only'
                ELSE 'neither' END AS hit_in
    FROM agreement
    WHERE coalesce(imaging_verdict, '') <> 'fail' AND coalesce(metabolic_verdict, '') <> 'fail'
    """,
)


def _names(metabolic: Sequence[str]) -> str:
    both = [one for name in metabolic for one in (name, corrected_name(name))]
    return ", ".join(literal(name) for name in both) or "NULL"


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(literal(name) for name in names)}]::VARCHAR[]"
