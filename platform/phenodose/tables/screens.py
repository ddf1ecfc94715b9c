"""Tables of what a screen is: screens, plates, wells, drugs, and the runs that wrote."""

from __future__ import annotations

from phenodose.table import Column, Table
from phenodose.tables.columns import COLUMN, DRUG, PLATE, ROW, SAMPLE, SCREEN, WELL, number, text

SCREENS = Table(
    "screens",
    "One row a screen: all plates of one sample screened once.",
    (
        SCREEN,
        SAMPLE,
        text("kind", "drug-screen or control-experiment"),
        text("entity", "Diagnosis of the sample", required=False),
        text("reader", "Reader that indexed the raw images; empty without images", required=False),
        Column("n_plates", "integer", "Plates in the layout"),
        Column("n_drugs", "integer", "Different therapy treatments in the layout"),
        text("source", "Name of the raw screen folder"),
        text("run_id", "Run that wrote the row"),
        text("stale", "In the cohort: what is older than its inputs, and which has changed since", required=False),
        text("verdict", "In the cohort: pass, warn, fail, or none where nothing was judged", required=False),
        text("verdict_reason", "In the cohort: why, in words, as the report says it", required=False),
        text("ranked_by", "In the cohort: the readout that ranks the drugs", required=False),
        Column("n_hits", "integer", "In the cohort: drugs that are hits by that readout", required=False),
    ),
    ("screen",),
)

WELLS = Table(
    "wells",
    "One row a well of the layout: what the well holds.",
    (
        SCREEN,
        PLATE,
        WELL,
        ROW,
        COLUMN,
        SAMPLE,
        text("well_type", "neg, pos, therapy, trc, untreated, empty, or a free name such as STS and BzCl"),
        text("treatment", "Drug or control substance", required=False),
        number("concentration_nM", "Concentration of the treatment", "nM"),
        Column("replicate", "integer", "Replicate number from 1", required=False),
        text("add_on", "Second treatment of a combination", required=False),
        text("run_id", "Run that wrote the row"),
        text("named_class", "What a person calls the well by its image, such as contaminated", required=False),
        number("add_on_concentration_nM", "Concentration of the second treatment; empty if nobody says it", "nM"),
    ),
    ("screen", "plate", "well"),
)

PLATES = Table(
    "plates",
    "One row an OME-Zarr plate.",
    (
        SCREEN,
        PLATE,
        text("path", "Place of the OME-Zarr plate, relative to the store"),
        Column("n_wells", "integer", "Wells with images"),
        Column("n_planes", "integer", "Planes read, projections included"),
        Column("size_x_px", "integer", "Width of an image", "px"),
        Column("size_y_px", "integer", "Height of an image", "px"),
        Column("n_z", "integer", "Planes of the longest stack"),
        number("pixel_size_um", "Width of a pixel in the sample", "um"),
        number("z_step_um", "Distance of neighbouring planes", "um"),
        text("raw_hash", "Hash over the hashes of all raw planes"),
        text("run_id", "Run that wrote the row"),
        text("plugin", "Reader that indexed the raw folder"),
        text("plugin_version", "Version of that reader"),
    ),
    ("screen", "plate"),
)

DRUGS = Table(
    "drugs",
    "One row a drug of a screen with its annotation.",
    (
        SCREEN,
        DRUG,
        text("drug_class", "Class of the drug, such as MEK inhibitor", required=False),
        text("targets", "Target genes, separated by commas", required=False),
        text("run_id", "Run that wrote the row"),
        text("library_name", "The drug's name in the drug library; empty if it is not there", required=False),
        text(
            "matched_by",
            "exact (the library's own name), synonym (another name of it there), site (a name that the site's table "
            "gives it), or none",
            required=False,
        ),
        text("class_from", "Where the class comes from: screen.toml, site or library", required=False),
        text("targets_from", "Where the targets come from: screen.toml, site or library", required=False),
        number("c_max_nM", "Highest concentration in plasma of patients, bound and unbound together", "nM"),
        text("c_max_dose", "Dose and schedule that it was measured at", required=False),
        text("c_max_source", "Who measured it: label, review or paper; or the site's table", required=False),
        number("fraction_unbound", "Part of the drug in plasma that is not bound to protein", "fraction"),
    ),
    ("screen", "drug"),
)

RUNS = Table(
    "runs",
    "One row a step that wrote rows: when, with what, from what.",
    (
        SCREEN,
        text("run_id", "Dagster run id, or 'cli-...' for a command"),
        text("asset", "Asset key, such as viability/ctg"),
        Column("started_at", "timestamp", "Start of the step"),
        Column("finished_at", "timestamp", "End of the step"),
        text("phenodose_version", "Version of phenodose"),
        text("plugin", "Plugin that ran", required=False),
        text("plugin_version", "Version of that plugin", required=False),
        text("parameters", "Parameters, as JSON", required=False),
        text("inputs", "Names and hashes of what was read, as JSON", required=False),
        text("notes", "Sentences on what was left out, shared or doubtful, as JSON", required=False),
        text("version", "Version of what was made: the same whenever it is the same", required=False),
        text("made_from", "Versions of the assets and inputs that it was made from, as JSON", required=False),
        text("files", "Seal of every file of a table that was written, as JSON", required=False),
    ),
    ("screen", "asset"),
)

NOT_MADE = Table(
    "not_made",
    "One row a step that gave nothing when it was last tried: it failed, or was skipped; gone as soon as it is made.",
    (
        SCREEN,
        text("asset", "Asset key, such as plate_images"),
        text("outcome", "failed, or skipped (the screen has not what it needs)"),
        text("reason", "Why, in words"),
        Column("tried_at", "timestamp", "When that was"),
        text("run_id", "Run that tried"),
    ),
    ("screen", "asset"),
)
