"""Tables of screens that were read several times."""

from __future__ import annotations

from phenodose.table import Column, Table
from phenodose.tables.columns import DRUG, PLATE, PROVENANCE, READOUT, SAMPLE, SCREEN, WELL, number, text

_TIME = number("time_h", "Hours since the first reading, when the treatment began", "h", required=True)
_DOSE = number("concentration_nM", "Concentration of the drug; empty for controls", "nM")

TIME_COURSES = Table(
    "time_courses",
    "One row a well, readout and time of a screen that was read several times: cells, and how they grew.",
    (
        SCREEN,
        PLATE,
        WELL,
        READOUT,
        _TIME,
        SAMPLE,
        text("drug", "Treatment (with its add-on, as in curves); empty for controls", required=False),
        _DOSE,
        text("control", "negative or positive where the well served as control", required=False),
        text(
            "compared_with", "Add-on whose negative controls the well is compared with; empty for none", required=False
        ),
        number("raw", "The readout's own number; empty where the well was not read or is masked"),
        number("viability_fraction", "Cells over those of untreated wells at the same time", "fraction"),
        number("cells", "Cells over those at the start, none where the killed wells are"),
        number("growth_per_hour", "Doublings an hour since the reading before", "1/h"),
        number("untreated_growth_per_hour", "The same of untreated wells", "1/h"),
        number("gr", "2^(log2 cells / log2 cells of untreated wells) - 1: 1 no effect, 0 no growth, below 0 loss"),
        *PROVENANCE,
    ),
    ("screen", "plate", "well", "readout", "time_h"),
)

COURSE_CLASSES = Table(
    "course_classes",
    "One row a drug, dose and readout of such a screen: kill, slow, regrow or none, and how probable each is.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        DRUG,
        number("concentration_nM", "Concentration of the drug", "nM", required=True),
        Column("is_highest_dose", "boolean", "True at the drug's highest dose, whose class is the drug's"),
        text("course_class", "Most probable class; empty where nothing was read after the start", required=False),
        number("probability", "Probability of that class", "fraction"),
        number("p_kill", "Probability that cells are lost and do not come back", "fraction"),
        number("p_slow", "Probability that cells grow more slowly, or stand still", "fraction"),
        number("p_regrow", "Probability that cells stop or die first, and grow later", "fraction"),
        number("p_none", "Probability that cells grow as untreated ones", "fraction"),
        number("change_doublings", "Doublings from start to end that the model expects; below 0 cells are lost"),
        number("untreated_doublings", "Doublings of untreated cells from start to end"),
        number("noise_sd", "Standard deviation of one well's log2 cells, as the screen tells it"),
        Column("n_wells", "integer", "Wells of the dose"),
        Column("n_times", "integer", "Times at which they have a value"),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "drug", "concentration_nM"),
)

COURSE_CURVES = Table(
    "course_curves",
    "One row a drug, readout and time of such a screen: the GR curve over dose at that time.",
    (
        SCREEN,
        SAMPLE,
        READOUT,
        DRUG,
        _TIME,
        number("gr50_nM", "Dose at which the GR curve is 0.5; empty where it is not within the tested doses", "nM"),
        number("gec50_nM", "Dose of half the drug's own effect; empty where the curve is flat", "nM"),
        number("gr_inf", "GR that the curve goes to; the mean GR where it is flat"),
        number("h_gr", "Hill slope; empty where the curve is flat"),
        number("gr_max", "The lower of the mean GR at the two highest doses"),
        number("gr_aoc", "Mean of 1 - GR over the tested log-dose range"),
        number("r2", "R² of the curve"),
        number("p", "Chance of so good a curve where a flat line is right (F-test)"),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "drug", "time_h"),
)
