"""The view of drugs and their effect at the concentration that patients' plasma reaches.

Does not belong here: the other views (`views`), and computing the effect (`phenodose.dose_response.reachable`).
"""

from __future__ import annotations

from phenodose.cohort.view import View

REACHABLE = View(
    "reachable",
    "One row a drug (as in `hits`): its effect at the concentration that patients' plasma reaches, and whether half of "
    "it needs more; empty where no C max is known.",
    """
    SELECT h.*, r.c_max_nM, r.effect_at_c_max_fraction, r.lower_fraction AS effect_lower_fraction,
           r.upper_fraction AS effect_upper_fraction, r.bound AS effect_bound, r.half_effect_nM, r.half_effect_bound,
           r.needs_more_than_c_max, r.p_needs_more, r.c_max_unbound_nM, r.effect_at_c_max_unbound_fraction,
           r.library_name, r.c_max_source, r.note
    FROM hits h
    LEFT JOIN reachable_effects r ON r.screen = h.screen AND r.sample = h.sample AND r.readout = h.readout
         AND r.drug = h.drug AND r.replicate = 'pooled'
    """,
)
