"""The quality metrics of fitted curves and of the cohort, declared once.

Belongs here: metrics that the steps `curves/<readout>` and `cohort_db` tell. Does not belong here: those of viability
(`metrics`, which joins all) and computing them (`curve_shapes`, `fit_residuals`, `replicates`, `phenodose.cohort`).
"""

from __future__ import annotations

from phenodose.quality.metric import OWN, PAIR_WORDS, REFERENCE, Metric

_NRFE = "formula: Ianevski et al. 2025, doi 10.1016/j.isci.2025.113470; limits: convention of this project"
_FIT_WORDS = (
    "wells lie around their curves as noise predicts",
    "wells lie farther from their curves than noise predicts",
    "wells lie much farther from their curves than noise predicts",
)

CURVE_METRICS: dict[str, Metric] = {
    "replicate_dss_pearson": Metric(
        "replicates of DSS, Pearson",
        "Agreement of the drug sensitivity scores of single replicates.",
        "Pearson r of DSS_asym over drugs; with more than two replicates the mean over all pairs of them",
        0.8,
        0.5,
        True,
        PAIR_WORDS,
        REFERENCE,
        "curves",
    ),
    "replicate_dss_spearman": Metric(
        "replicates of DSS, Spearman",
        "Agreement of the drugs' ranks between single replicates.",
        "Spearman rho of DSS_asym over drugs; with more than two replicates the mean over all pairs of them",
        0.6,
        0.3,
        True,
        PAIR_WORDS,
        REFERENCE,
        "curves",
    ),
    "falling_curves_percent": Metric(
        "curves that fall with dose",
        "Whether drugs kill less with rising dose; finds swapped controls and reversed dilution series.",
        "100 * drugs that kill at the lowest dose and by a quarter less at the highest / these and the drugs that kill "
        "by a quarter more",
        5.0,
        25.0,
        False,
        (
            "inhibition rises with dose",
            "curves of some drugs fall with dose",
            "curves fall with dose: swapped controls or a reversed dilution series",
        ),
        OWN,
        "curves",
    ),
    "misfit_curves_percent": Metric(
        "drugs that no curve describes",
        "Whether wells turn back or lie off their curve although replicates agree; finds mixed-up doses and hooks.",
        "100 * drugs with status misfit / drugs with replicates and a curve",
        5.0,
        20.0,
        False,
        (
            "curves describe their wells",
            "some curves do not describe their wells",
            "curves do not describe their wells",
        ),
        "lack-of-fit test: Draper and Smith 1998, Applied Regression Analysis, section 2.1; limits: convention of this "
        "project",
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
        OWN,
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
        OWN,
        "curves",
    ),
    "pairs_without_excess_percent": Metric(
        "dose pairs without an excess",
        "Whether dose matrices have the wells with each drug alone; finds matrices that show no interaction.",
        "100 * dose pairs without an excess by the measure that ranks pairs / dose pairs of all matrices of the sample",
        0.0,
        50.0,
        False,
        (
            "every dose pair has its drugs alone",
            "some dose pairs lack a drug alone",
            "most dose pairs lack a drug alone",
        ),
        OWN,
        "curves",
    ),
    "pair_noise_percent": Metric(
        "noise of dose matrices",
        "Scatter of the wells of dose matrices about smooth effects; finds matrices too noisy to show an interaction.",
        "median over matrices of the posterior median of a well's standard deviation, percentage points",
        10.0,
        20.0,
        False,
        ("wells of dose matrices agree", "wells of dose matrices scatter", "wells of dose matrices scatter widely"),
        OWN,
        "curves",
    ),
    "doubtful_pairs_percent": Metric(
        "dose pairs with doubtful wells",
        "Wells of dose pairs that lie off those around them beyond noise; finds bad wells that no replicate shows.",
        "100 * dose pairs whose wells are more probably bad than good / dose pairs of all matrices of the sample",
        4.0,
        12.0,
        False,
        ("hardly any dose pair is doubtful", "some dose pairs are doubtful", "many dose pairs are doubtful"),
        OWN,
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
        OWN,
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
        OWN,
        "cohort",
    ),
}
