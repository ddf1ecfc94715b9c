"""The quality metrics and their limits, declared once: those of viability here, and all together.

Belongs here: what every metric is and the limits that hold where no configuration says otherwise; the docs
page and the asset checks come from here. Does not belong here: computing the metrics (the modules beside
this one) and limits from configuration (`gates`).
"""

from __future__ import annotations

from phenodose.quality.curve_metrics import CURVE_METRICS
from phenodose.quality.metric import PAIR_WORDS, REFERENCE, Metric, Step

_ZPRIME = "Zhang, Chung, Oldenburg 1999, doi 10.1177/108705719900400206"
_Z_WORDS = ("controls are excellently separated", "controls overlap little: usable", "controls overlap: poor")
_PLACE_WORDS = ("no effect of place", "the place on the plate shows", "the place on the plate dominates")
_DRIFT_WORDS = ("the controls hold their level", "the controls drift", "the controls drift strongly")
_SPREAD_WORDS = (
    "the controls spread as on the other plates",
    "the controls spread more than on the other plates",
    "the controls spread much more than on the other plates",
)
_SERIES_WORDS = (
    "inhibition rises with dose",
    "inhibition rises weakly with dose",
    "inhibition does not rise with dose",
)
_LEVELS = "median of the plate's control wells minus the median over all plates, divided by the typical window"

METRICS: dict[str, Metric] = {
    "zprime": Metric(
        "Z' (root of summed variances)",
        "Separation of the two controls; finds weak or noisy controls.",
        "1 - 3 sqrt(var_n + var_p) / |mean_n - mean_p|",
        0.5,
        0.0,
        True,
        _Z_WORDS,
        _ZPRIME,
    ),
    "zprime_classic": Metric(
        "Z' (as first published)",
        "Separation of the two controls; finds weak or noisy controls.",
        "1 - 3 (SD_n + SD_p) / |mean_n - mean_p|",
        0.5,
        0.0,
        True,
        _Z_WORDS,
        _ZPRIME,
    ),
    "zprime_robust": Metric(
        "robust Z'",
        "Separation of the two controls by medians; a single bad control well does not move it.",
        "1 - 3 (MAD_n + MAD_p) / |median_n - median_p|, MAD times 1.4826",
        0.5,
        0.0,
        True,
        _Z_WORDS,
        _ZPRIME,
    ),
    "ssmd": Metric(
        "SSMD",
        "Distance of the two controls in units of their joint spread; finds a killing control that does not kill.",
        "|mean_n - mean_p| / sqrt(var_n + var_p)",
        3.0,
        2.0,
        True,
        ("killing control is strong", "killing control is weak", "killing control is poor"),
        "Zhang 2007, doi 10.1016/j.ygeno.2006.12.014, very strong control",
    ),
    "signal_to_background": Metric(
        "signal to background",
        "How many times the killing control the untreated cells give.",
        "mean_n / mean_p",
        higher_is_better=True,
    ),
    **{
        f"{control}_{name}": Metric(f"{control} controls, {title}", f"Raw readings of the {control} controls.", formula)
        for control in ("negative", "positive")
        for name, title, formula in (
            ("mean", "mean", "mean of raw"),
            ("sd", "spread", "standard deviation of raw, n - 1"),
        )
    },
    "negative_cv_percent": Metric(
        "negative controls, CV",
        "Relative spread of the untreated cells; finds uneven seeding and dispensing.",
        "100 SD_n / |mean_n|",
        20.0,
        None,
        False,
        ("negative controls vary little", "negative controls vary much", ""),
        "Assay Guidance Manual, HTS assay validation: CV of the signal at most 20 %",
    ),
    "positive_cv_percent": Metric(
        "positive controls, CV", "Relative spread of the killed cells.", "100 SD_p / |mean_p|"
    ),
    "replicate_pearson": Metric(
        "replicates of viability, Pearson",
        "Agreement of replicate wells; finds mixed-up plates and noise.",
        "Pearson r of the viability of all pairs of therapy wells that differ in the replicate alone",
        0.8,
        0.5,
        True,
        PAIR_WORDS,
        REFERENCE,
    ),
    "replicate_spearman": Metric(
        "replicates of viability, Spearman",
        "Agreement of the ranks of replicate wells; wells without effect rank by noise alone.",
        "Spearman rho of the same pairs",
        0.6,
        0.3,
        True,
        PAIR_WORDS,
        REFERENCE,
    ),
    "replicate_pearson_log10_raw": Metric(
        "replicates of log10 raw, Pearson",
        "Agreement of replicate wells before normalisation, by the plate of the first replicate.",
        "Pearson r of log10 raw of the pairs",
        0.8,
        0.5,
        True,
        PAIR_WORDS,
    ),
    "series_spearman": Metric(
        "dilution series, rank correlation",
        "Whether the killing control kills more with rising dose; finds swapped doses.",
        "Spearman rho of dose and inhibition over the trc wells, the weakest series",
        0.8,
        0.5,
        True,
        _SERIES_WORDS,
        REFERENCE,
    ),
    "series_largest_fall": Metric(
        "dilution series, largest fall",
        "Largest step back of the killing control's inhibition from one dose to the next.",
        "largest fall of the median inhibition between neighbouring doses, fraction of viability",
        0.1,
        0.3,
        False,
        ("inhibition never falls with dose", "inhibition falls at a dose", "inhibition falls strongly at a dose"),
        REFERENCE,
    ),
    "edge_effect": Metric(
        "edge effect",
        "Whether outer wells read differently from like wells inside; finds evaporation.",
        "median over outermost wells minus median over inner wells of (well - mean of its like wells)",
        0.1,
        0.3,
        False,
        _PLACE_WORDS,
    ),
    # The strongest of all rows or columns is told, which noise alone drives to about 0.1.
    **{
        f"{line}_effect": Metric(
            f"{line} effect",
            f"The {line} that reads most differently from its like wells; finds a bad tip or a skipped {line}.",
            f"median over the {line} of (well - mean of its like wells), the {line} farthest from 0",
            0.15,
            0.3,
            False,
            _PLACE_WORDS,
        )
        for line in ("row", "column")
    },
    **{
        f"{control}_drift": Metric(
            f"{control} controls, drift over plates",
            f"Whether the {control} controls of a plate stand at another level than those of the other plates; "
            "finds reagent, time and cell-number drift.",
            f"{_LEVELS}; 'screen' repeats the plate farthest from 0",
            0.2,
            0.5,
            False,
            _DRIFT_WORDS,
        )
        for control in ("negative", "positive")
    },
    **{
        f"{control}_spread_ratio": Metric(
            f"{control} controls, spread against the other plates",
            f"Whether the {control} controls of a plate spread more than those of the other plates.",
            "SD of the plate's control wells / root mean square SD of the other plates (at least 2 % of the "
            "window), each in units of its plate's window; 'screen' repeats the largest",
            2.5,
            5.0,
            False,
            _SPREAD_WORDS,
        )
        for control in ("negative", "positive")
    },
    "effect_at_lowest_dose": Metric(
        "effect at the lowest doses",
        "Whether most drugs begin without effect; finds swapped controls, dead untreated cells and dilution series "
        "that start too high.",
        "median over the drugs of the median inhibition at their lowest dose, fraction; from 3 drugs on",
        0.25,
        0.5,
        False,
        (
            "most drugs begin without effect",
            "most drugs begin off the untreated cells",
            "most drugs begin far off the untreated cells: swapped or dead controls, or doses too high",
        ),
    ),
    "beyond_killing_control": Metric(
        "drugs beyond the killing control",
        "Whether drugs kill more than the killing control; finds one that does not kill.",
        "median inhibition of the drug at its strongest dose, minus 1, of the second strongest drug (of fewer than 5 "
        "the strongest); below 0 counts as 0",
        0.15,
        0.3,
        False,
        (
            "no drugs kill more than the killing control",
            "drugs kill more than the killing control",
            "drugs kill far more than the killing control, which does not kill all cells",
        ),
    ),
    "masked_therapy_percent": Metric(
        "therapy wells left out",
        "Share of the drug wells that no curve uses, with the reasons.",
        "100 masked / all therapy wells",
        5.0,
        50.0,
        False,
        ("few wells are missing", "many wells are missing", "most wells are missing"),
    ),
    "flagged_percent": Metric(
        "flagged wells",
        "Share of therapy and control wells whose reading is doubtful, with the reasons.",
        "100 flagged / all therapy and control wells with a value",
        5.0,
        20.0,
        False,
        ("few wells are doubtful", "many wells are doubtful", "very many wells are doubtful"),
    ),
    "input_notes": Metric(
        "notes on the inputs",
        "Sentences on the layout and the plate-reader files that a person should look at: names that may be of two "
        "samples, a sheet or block that was chosen, doses that look wrong. Absent where there are none.",
        "number of notes on layout and files",
        0.0,
        None,
        False,
        ("nothing is doubtful in the files", "look at the notes", "look at the notes"),
    ),
    **CURVE_METRICS,
}


def metrics_of(step: Step) -> dict[str, Metric]:
    """The metrics that one step tells."""
    return {name: metric for name, metric in METRICS.items() if metric.step == step}
