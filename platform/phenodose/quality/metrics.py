"""The quality figures and their limits, declared once: meaning, formula, direction, words, source.

Belongs here: what every figure is and the limits that hold where no configuration says otherwise; the docs
page and the asset checks come from here. Does not belong here: computing the figures (the modules beside
this one) and limits from configuration (`gates`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "warn", "fail", "none"]
#: Which step tells a figure: the one that makes viability, the one that fits curves, or the cohort.
Step = Literal["viability", "curves", "cohort"]

_OWN = "convention of this project"
_ZPRIME = "Zhang, Chung, Oldenburg 1999, doi 10.1177/108705719900400206"
_NRFE = "formula: Ianevski et al. 2025, doi 10.1016/j.isci.2025.113470; limits: convention of this project"
_REFERENCE = "Berker et al. 2022, doi 10.1109/TMI.2022.3205554, section on quality; limits: convention of this project"


@dataclass(frozen=True)
class Metric:
    """One quality figure.

    Attributes:
        title: name for people.
        meaning: what it tells and what it finds, a sentence.
        formula: how it is computed.
        good: beyond this value the verdict is pass; None if nothing is judged.
        poor: beyond this value the verdict is fail; None if nothing fails.
        higher_is_better: direction; where it is False the absolute value is judged.
        words: the verdict in plain words: pass, warn, fail.
        source: where formula and limits come from.
        step: which step tells it.
    """

    title: str
    meaning: str
    formula: str
    good: float | None = None
    poor: float | None = None
    higher_is_better: bool = False
    words: tuple[str, str, str] = ("within the limit", "beyond the limit", "far beyond the limit")
    source: str = _OWN
    step: Step = "viability"

    @property
    def limit_words(self) -> dict[str, str]:
        """The default limits in words, such as {'good': 'above 0.5', 'poor': 'below 0'}."""
        words = {"good": "above" if self.higher_is_better else "up to"}
        words["poor"] = "below" if self.higher_is_better else "above"
        values = {"good": self.good, "poor": self.poor}
        return {side: f"{words[side]} {value:g}" for side, value in values.items() if value is not None}


_Z_WORDS = ("controls are excellently separated", "controls overlap little: usable", "controls overlap: poor")
_PAIR_WORDS = ("replicates agree", "replicates agree moderately", "replicates disagree")
_PLACE_WORDS = ("no effect of place", "the place on the plate shows", "the place on the plate dominates")
_DRIFT_WORDS = ("the controls hold their level", "the controls drift", "the controls drift strongly")
_SPREAD_WORDS = (
    "the controls spread as on the other plates",
    "the controls spread more than on the other plates",
    "the controls spread much more than on the other plates",
)
_FIT_WORDS = (
    "wells lie around their curves as noise predicts",
    "wells lie farther from their curves than noise predicts",
    "wells lie much farther from their curves than noise predicts",
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
        _PAIR_WORDS,
        _REFERENCE,
    ),
    "replicate_spearman": Metric(
        "replicates of viability, Spearman",
        "Agreement of the ranks of replicate wells; wells without effect rank by noise alone.",
        "Spearman rho of the same pairs",
        0.6,
        0.3,
        True,
        _PAIR_WORDS,
        _REFERENCE,
    ),
    "replicate_pearson_log10_raw": Metric(
        "replicates of log10 raw, Pearson",
        "Agreement of replicate wells before normalisation, by the plate of the first replicate.",
        "Pearson r of log10 raw of the pairs",
        0.8,
        0.5,
        True,
        _PAIR_WORDS,
    ),
    "series_spearman": Metric(
        "dilution series, rank correlation",
        "Whether the killing control kills more with rising dose; finds swapped doses.",
        "Spearman rho of dose and inhibition over the trc wells, the weakest series",
        0.8,
        0.5,
        True,
        _SERIES_WORDS,
        _REFERENCE,
    ),
    "series_largest_fall": Metric(
        "dilution series, largest fall",
        "Largest step back of the killing control's inhibition from one dose to the next.",
        "largest fall of the median inhibition between neighbouring doses, fraction of viability",
        0.1,
        0.3,
        False,
        ("inhibition never falls with dose", "inhibition falls at a dose", "inhibition falls strongly at a dose"),
        _REFERENCE,
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
    "replicate_dss_pearson": Metric(
        "replicates of DSS, Pearson",
        "Agreement of the drug sensitivity scores of single replicates.",
        "Pearson r of DSS_asym over drugs; with more than two replicates the mean over all pairs of them",
        0.8,
        0.5,
        True,
        _PAIR_WORDS,
        _REFERENCE,
        "curves",
    ),
    "replicate_dss_spearman": Metric(
        "replicates of DSS, Spearman",
        "Agreement of the drugs' ranks between single replicates.",
        "Spearman rho of DSS_asym over drugs; with more than two replicates the mean over all pairs of them",
        0.6,
        0.3,
        True,
        _PAIR_WORDS,
        _REFERENCE,
        "curves",
    ),
    "nrfe_percent": Metric(
        "NRFE",
        "Mean distance of a plate's wells from their curves; finds faults that controls do not see.",
        "mean over the plate's therapy wells of 100 |residual| (1 + f (1 - f) / 0.25), f the curve's inhibition "
        "within 0 to 1",
        10.0,
        15.0,
        False,
        ("wells lie close to their curves", "wells lie off their curves", "wells lie far off their curves"),
        _NRFE,
        "curves",
    ),
    "fit_residual_ratio": Metric(
        "residual of the fits over noise",
        "The same in units of noise: 1 where the wells scatter as noise predicts; finds mis-dispensed wells.",
        "sqrt(sum (residual / noise)^2 / degrees of freedom); noise is the larger of what the controls and the "
        "median residual of the screen at like viability predict",
        1.8,
        3.0,
        False,
        _FIT_WORDS,
        _OWN,
        "curves",
    ),
    "fit_residual_pattern": Metric(
        "spatial pattern of the fits' residuals",
        "Whether neighbouring wells deviate from their curves in the same direction; finds gradients and blocks "
        "that controls miss.",
        "Moran's I of the residuals (Gaussian weights, 2 wells wide) minus its expectation, in standard deviations "
        "under independent noise, fits and plate levels taken into account; below 0 counts as 0",
        3.0,
        6.0,
        False,
        (
            "residuals show no spatial pattern",
            "residuals show a spatial pattern",
            "residuals show a strong spatial pattern",
        ),
        "Moran's I of regression residuals (Cliff and Ord 1981); limits: convention of this project",
        "curves",
    ),
    "fit_residual_offset": Metric(
        "offset of the plate from the fits",
        "Whether all drug wells of a plate read higher or lower than their replicates elsewhere; finds control wells "
        "that do not stand for their plate.",
        "median of viability minus the curve's over the plate's therapy wells",
        0.1,
        0.25,
        False,
        ("the plate agrees with the others", "the plate lies off the others", "the plate lies far off the others"),
        _OWN,
        "curves",
    ),
    "cohort_window_drift": Metric(
        "control window against earlier screens",
        "Whether the distance of the two controls changed since the earlier screens; finds ageing reagents and lamps.",
        "log2(window / median window of the earlier screens of the readout), window = |median_n - median_p| raw",
        1.0,
        2.0,
        False,
        ("the controls are as in earlier screens", "the controls changed", "the controls changed strongly"),
        _OWN,
        "cohort",
    ),
    "cohort_spread_drift": Metric(
        "control spread against earlier screens",
        "Whether the untreated wells spread more than in the earlier screens.",
        "log2(spread / median spread of the earlier screens of the readout), spread = MAD of the negative controls' "
        "viability times 1.4826, at least 0.02; below 0 counts as 0",
        1.0,
        2.0,
        False,
        ("the controls spread as in earlier screens", "the controls spread more", "the controls spread much more"),
        _OWN,
        "cohort",
    ),
}


def metrics_of(step: Step) -> dict[str, Metric]:
    """The figures that one step tells."""
    return {name: metric for name, metric in METRICS.items() if metric.step == step}
