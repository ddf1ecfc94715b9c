"""Tables of curves, of scores, of what a second drug changes, and of dose matrices of two drugs."""

from __future__ import annotations

from phenodose.table import Column, Table
from phenodose.tables.columns import DRUG, PROVENANCE, READOUT, REPLICATE, SAMPLE, SCREEN, number, text

_CURVE_FIT: tuple[Column, ...] = (
    Column("model", "integer", "Number of free parameters of the chosen curve, 2 to 5", required=False),
    number("bottom", "Lower asymptote of inhibition", "fraction"),
    number("top", "Upper asymptote of inhibition", "fraction"),
    number("log10_mid", "log10 of the mid dose in nM", "log10 nM"),
    number("slope", "Hill slope h"),
    number("asymmetry", "Asymmetry exponent s"),
    number("gof", "1 - SSE/SST at all points, unweighted"),
    number("objective", "Value of the loss that was minimised, at its minimum"),
    number("min_dose_nM", "Lowest tested dose", "nM"),
    number("max_dose_nM", "Highest tested dose", "nM"),
    Column("n_doses", "integer", "Different tested doses"),
    Column("n_points", "integer", "Wells that entered the fit"),
    text("fit", "Name of the fit: robust or nplr"),
    text("status", "ok, flat, decreasing, misfit (replicates agree, and lie off the curve), or failed"),
    text("reason", "Why the status is not ok", required=False),
    Column(
        "identifiable",
        "boolean",
        "True if the 95 % interval of the half-effect dose lies within the tested range; empty without intervals",
        required=False,
    ),
    text("not_identifiable_because", "Where else the half-effect dose may lie", required=False),
    number("lack_of_fit_f", "Misfit over the scatter of replicates (F); empty without replicates or spare doses"),
    number("lack_of_fit_p", "Chance of so large an F where the curve is right"),
)

CURVES = Table(
    "curves",
    "One row a dose-response curve: inhibition over log dose, fitted.",
    (SCREEN, SAMPLE, READOUT, REPLICATE, DRUG, *_CURVE_FIT, *PROVENANCE),
    ("screen", "sample", "readout", "replicate", "drug"),
)

COMBINATION_EFFECTS = Table(
    "combination_effects",
    "One row a drug with an add-on, readout and dose: how much more it inhibits than the drug alone, by their curves.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        DRUG,
        text("add_on", "Second treatment"),
        number("add_on_concentration_nM", "Concentration of the second treatment; empty if nobody says it", "nM"),
        text("curve", "Name of the combination's curve, as in the column drug of curves and scores"),
        number("concentration_nM", "Concentration of the drug", "nM", required=True),
        number("inhibition_alone_percent", "Inhibition by the drug alone, against untreated cells", "percent"),
        number("inhibition_combined_percent", "Inhibition with the add-on, against cells with the add-on", "percent"),
        number("difference_percent", "Combined minus alone (dPI), not floored: below 0 the two work less", "percent"),
        number("lower_percent", "Lower end of the 95 % interval of the difference", "percent"),
        number("upper_percent", "Upper end", "percent"),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "curve", "concentration_nM"),
)

DOSE_PAIRS = Table(
    "dose_pairs",
    "One row a pair of doses of a dose matrix and measure: how far the two drugs together exceed what it expects.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        DRUG,
        text("add_on", "Second drug of the pair"),
        number("concentration_nM", "Concentration of the drug, above 0", "nM", required=True),
        number("add_on_concentration_nM", "Concentration of the second drug, above 0", "nM", required=True),
        text("model", "Measure, a model of what two drugs without interaction would do, such as bliss"),
        number(
            "inhibition_percent", "Inhibition against cells without any drug: mean of the wells, not clamped", "percent"
        ),
        number(
            "fitted_percent", "Inhibition of the fitted surface, where a measure compares that, such as zip", "percent"
        ),
        number("expected_percent", "Inhibition that the model expects of the two drugs by themselves", "percent"),
        number("excess_percent", "Measured (or fitted, where it is filled) minus expected; below 0 less", "percent"),
        number("lower_percent", "Lower end of the 95 % interval of the excess", "percent"),
        number("upper_percent", "Upper end", "percent"),
        Column("n_wells", "integer", "Wells with a value at this pair of doses"),
        text("status", "ok, or why there is no excess"),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "drug", "add_on", "concentration_nM", "add_on_concentration_nM", "model"),
)

COMBINATION_SCORES = Table(
    "combination_scores",
    "One row a dose matrix and measure: whether two drugs together exceed what a model expects, and how they inhibit.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        DRUG,
        text("add_on", "Second drug of the pair"),
        text("measure", "Measure of two drugs, such as bliss (mean excess over the dose pairs)"),
        number("value", "The measure, in its unit"),
        number("lower", "Lower end of the 95 % interval"),
        number("upper", "Upper end of the 95 % interval"),
        text("unit", "Unit of the measure, such as percentage points", required=False),
        number("probability_synergy", "Probability of synergy; empty for a measure that tells no interaction"),
        text("interaction", "synergy, antagonism or undecided, by the interval; empty likewise", required=False),
        text("status", "ok, or why there is no value"),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "drug", "add_on", "measure"),
)

SCORES = Table(
    "scores",
    "One row a curve and scorer: how sensitive the sample is to the drug.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        REPLICATE,
        DRUG,
        text("scorer", "Scorer that computed the value: dss_asym, ..."),
        number("score", "The score, in the unit of its scorer"),
        number("lower", "Lower end of the 95 % interval"),
        number("upper", "Upper end of the 95 % interval"),
        text("bound", "'=', or '<' / '>' where the value is only a bound"),
        text("unit", "Unit of the score", required=False),
        Column(
            "hit",
            "boolean",
            "True where the score itself reaches the scorer's hit threshold; how sure that is, `call` says",
            required=False,
        ),
        number(
            "p_hit_fraction",
            "Probability that the score reaches the threshold: share of the curve's draws, those of smaller scores "
            "counting more; empty without draws or threshold",
        ),
        text(
            "call",
            "hit, borderline or no hit, by the probabilities of the whole panel; empty where there is none",
            required=False,
        ),
        text("status", "ok, or why there is no score"),
        text("lower_bound", "'=', or '<' where the interval may reach below its lower end", required=False),
        text("upper_bound", "'=', or '>' where the interval may reach above its upper end", required=False),
        number("published_value", "What published tables print for the score; empty where that is the score itself"),
        text(
            "doubt",
            "Why the score is not to be trusted: many wells look unlike any control; empty where nothing says so",
            required=False,
        ),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "replicate", "drug", "scorer"),
)

REACHABLE_EFFECTS = Table(
    "reachable_effects",
    "One row a curve of a drug whose C max is known: what it does at the concentration that patients' plasma reaches.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        REPLICATE,
        DRUG,
        text("treatment", "The drug whose C max counts: the same, or the first of a drug with an add-on"),
        text("add_on", "Second treatment, at its own concentration; empty for a drug alone", required=False),
        number("add_on_concentration_nM", "Concentration of the second treatment; empty if nobody says it", "nM"),
        text("library_name", "Name of the drug in the drug library"),
        number("c_max_nM", "Highest concentration in plasma of patients, as in the table drugs", "nM", required=True),
        text("c_max_source", "Who measured it, at which dose", required=False),
        number(
            "effect_at_c_max_fraction",
            "Inhibition by the fitted curve at C max; at the nearest tested dose where C max lies outside these",
            "fraction",
        ),
        number("lower_fraction", "Lower end of the 95 % interval of that inhibition", "fraction"),
        number("upper_fraction", "Upper end", "fraction"),
        text(
            "bound",
            "'=', '>' where C max lies above the tested doses (at least so much), '<' where below (at most)",
            required=False,
        ),
        number("half_effect_nM", "Dose half way between the curve's asymptotes, within the tested doses", "nM"),
        text("half_effect_bound", "'=', or '<' / '>' where the tested doses do not reach it", required=False),
        Column(
            "needs_more_than_c_max",
            "boolean",
            "True if half the curve's effect needs more than C max; empty where the tested doses do not tell, or a "
            "curve has no effect",
            required=False,
        ),
        number("p_needs_more", "Chance of that, by the curve's draws; empty without draws"),
        number("c_max_unbound_nM", "The part of C max that is not bound to protein; empty if that is not known", "nM"),
        number("effect_at_c_max_unbound_fraction", "Inhibition at that, as for C max", "fraction"),
        text("unbound_bound", "'=', '>' or '<', as for C max", required=False),
        text("note", "What to know of the row, in words", required=False),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "replicate", "drug"),
)

#: What a fit says of a curve.
CURVE_FIT_COLUMNS: tuple[str, ...] = tuple(column.name for column in _CURVE_FIT)
