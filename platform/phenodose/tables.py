"""Every table of the store, declared once.

Belongs here: the name, columns, types, units, keys and meaning of each table. The Parquet schema, the
DuckDB table, the blocking asset check and the docs page all come from these declarations. Does not
belong here: what a table is (`phenodose.table`), reading and writing (`phenodose.store.store`,
`phenodose.cohort.query`), and computing.
"""

from __future__ import annotations

from phenodose.table import Column, Table


def _text(name: str, description: str, required: bool = True) -> Column:
    return Column(name, "text", description, required=required)


def _number(name: str, description: str, unit: str = "", required: bool = False) -> Column:
    return Column(name, "number", description, unit, required)


_SCREEN = _text("screen", "Screen id: folder name and partition key")
_PLATE = _text("plate", "Plate name within the screen, such as P1")
_ROW = _text("row", "Row letter(s), A to AF")
_COLUMN = Column("column", "integer", "Column number from 1")
_WELL = _text("well", "Row letter and two-digit column, such as B07")
_READOUT = _text("readout", "Readout the values come from: ctg, mean_of_stack, cnn_phase2, ...")
_REPLICATE = _text("replicate", "'pooled' for all replicates together, else the replicate number")
_DRUG = _text("drug", "Treatment name as in the layout")
_SAMPLE = _text("sample", "Cell line or patient sample (pseudonym)")
PROVENANCE: tuple[Column, ...] = (
    _text("run_id", "Run that wrote the row"),
    _text("plugin", "Plugin that computed the row"),
    _text("plugin_version", "Version of that plugin"),
    _text("parameters", "Parameters of the plugin in that run, as JSON"),
    _text("checkpoint", "Hash of the network weights the row comes from; empty without a network", required=False),
)

SCREENS = Table(
    "screens",
    "One row a screen: all plates of one sample screened once.",
    (
        _SCREEN,
        _SAMPLE,
        _text("kind", "drug-screen or control-experiment"),
        _text("entity", "Diagnosis of the sample", required=False),
        _text("reader", "Reader that indexed the raw images; empty without images", required=False),
        Column("n_plates", "integer", "Plates in the layout"),
        Column("n_drugs", "integer", "Different therapy treatments in the layout"),
        _text("source", "Name of the raw screen folder"),
        _text("run_id", "Run that wrote the row"),
        _text("stale", "In the cohort: what is older than its inputs, and which has changed since", required=False),
    ),
    ("screen",),
)

WELLS = Table(
    "wells",
    "One row a well of the layout: what the well holds.",
    (
        _SCREEN,
        _PLATE,
        _WELL,
        _ROW,
        _COLUMN,
        _SAMPLE,
        _text("well_type", "neg, pos, therapy, trc, untreated, empty, or a free name such as STS and BzCl"),
        _text("treatment", "Drug or control substance", required=False),
        _number("concentration_nM", "Concentration of the treatment", "nM"),
        Column("replicate", "integer", "Replicate number from 1", required=False),
        _text("add_on", "Second treatment of a combination", required=False),
        _text("run_id", "Run that wrote the row"),
        _text("named_class", "What a person calls the well by its image, such as contaminated", required=False),
        _number("add_on_concentration_nM", "Concentration of the second treatment; empty if nobody says it", "nM"),
    ),
    ("screen", "plate", "well"),
)

PLATES = Table(
    "plates",
    "One row an OME-Zarr plate.",
    (
        _SCREEN,
        _PLATE,
        _text("path", "Place of the OME-Zarr plate, relative to the store"),
        Column("n_wells", "integer", "Wells with images"),
        Column("n_planes", "integer", "Planes read, projections included"),
        Column("size_x_px", "integer", "Width of an image", "px"),
        Column("size_y_px", "integer", "Height of an image", "px"),
        Column("n_z", "integer", "Planes of the longest stack"),
        _number("pixel_size_um", "Width of a pixel in the sample", "um"),
        _number("z_step_um", "Distance of neighbouring planes", "um"),
        _text("raw_hash", "Hash over the hashes of all raw planes"),
        _text("run_id", "Run that wrote the row"),
        _text("plugin", "Reader that indexed the raw folder"),
        _text("plugin_version", "Version of that reader"),
    ),
    ("screen", "plate"),
)

VIABILITY = Table(
    "viability",
    "One row a well and readout: the raw number and the viability it stands for.",
    (
        _SCREEN,
        _PLATE,
        _WELL,
        _ROW,
        _COLUMN,
        _READOUT,
        _number("raw", "The readout's own number, in the readout's unit"),
        _number(
            "raw_sd", "Standard deviation of a network's answers over augmented copies and seeds, in the unit of raw"
        ),
        _number("viability_fraction", "Raw scaled so that DMSO is 1 and the killing control is 0", "fraction"),
        _number("viability_sd_fraction", "raw_sd on the scale of viability", "fraction"),
        _number(
            "image_distance",
            "How far a network sees the well from all images that vouch for it; 1 is as far as two like controls",
        ),
        _text("control", "negative or positive where the well served as control of this readout", required=False),
        Column("masked", "boolean", "True where the well is left out of curves and controls"),
        _text("mask_reason", "Why the well is masked", required=False),
        _text("flag", "Gravest doubt about the reading: empty, saturated, contaminated, ...", required=False),
        _text("flag_reason", "Why the well is flagged; a flag alone changes no score", required=False),
        _text(
            "well_class",
            "Most probable class of the well's image; empty unless the readout was asked for classes (well_classes)",
            required=False,
        ),
        _number("class_probability", "Probability of that class, by a model of other wells where the well has a name"),
        *PROVENANCE,
    ),
    ("screen", "plate", "well", "readout"),
)

_OF_OBJECT: tuple[Column, ...] = (
    _WELL,
    Column("site", "integer", "Site of the well, as the plate counts them"),
    Column("object", "integer", "Number of the object in its image from 1"),
    _number("area_px", "Area in pixels of the full image", "px"),
    _number("area_um2", "Area in the sample; empty where the plate does not say how wide its pixels are", "um2"),
    _number("roundness", "4 pi area / perimeter^2 of the closed outline: 1 for a circle, less the more ragged"),
    _number("mean_intensity", "Mean grey value of the object in the maximum projection"),
    _number("x_um", "Centroid from the left of the image", "um"),
    _number("y_um", "Centroid from the top of the image", "um"),
)
#: What a readout says of an object.
OBJECT_COLUMNS: tuple[str, ...] = tuple(column.name for column in _OF_OBJECT)

OBJECTS = Table(
    "objects",
    "One row an object that a readout found in an image: a spheroid, an organoid, a fragment.",
    (_SCREEN, _PLATE, _READOUT, *_OF_OBJECT, *PROVENANCE),
    ("screen", "plate", "readout", "well", "site", "object"),
)

_CURVE_FIT: tuple[Column, ...] = (
    Column("model", "integer", "Number of free parameters of the chosen curve, 2 to 5", required=False),
    _number("bottom", "Lower asymptote of inhibition", "fraction"),
    _number("top", "Upper asymptote of inhibition", "fraction"),
    _number("log10_mid", "log10 of the mid dose in nM", "log10 nM"),
    _number("slope", "Hill slope h"),
    _number("asymmetry", "Asymmetry exponent s"),
    _number("gof", "1 - SSE/SST at all points, unweighted"),
    _number("objective", "Value of the loss that was minimised, at its minimum"),
    _number("min_dose_nM", "Lowest tested dose", "nM"),
    _number("max_dose_nM", "Highest tested dose", "nM"),
    Column("n_doses", "integer", "Different tested doses"),
    Column("n_points", "integer", "Wells that entered the fit"),
    _text("fit", "Name of the fit: robust or nplr"),
    _text("status", "ok, flat, decreasing, misfit (replicates agree, and lie off the curve), or failed"),
    _text("reason", "Why the status is not ok", required=False),
    Column(
        "identifiable",
        "boolean",
        "True if the 95 % interval of the half-effect dose lies within the tested range; empty without intervals",
        required=False,
    ),
    _text("not_identifiable_because", "Where else the half-effect dose may lie", required=False),
    _number("lack_of_fit_f", "Misfit over the scatter of replicates (F); empty without replicates or spare doses"),
    _number("lack_of_fit_p", "Chance of so large an F where the curve is right"),
)

CURVES = Table(
    "curves",
    "One row a dose-response curve: inhibition over log dose, fitted.",
    (_SCREEN, _SAMPLE, _READOUT, _REPLICATE, _DRUG, *_CURVE_FIT, *PROVENANCE),
    ("screen", "sample", "readout", "replicate", "drug"),
)

COMBINATION_EFFECTS = Table(
    "combination_effects",
    "One row a drug with an add-on, readout and dose: how much more it inhibits than the drug alone, by their curves.",
    (
        _SCREEN,
        _SAMPLE,
        _READOUT,
        _DRUG,
        _text("add_on", "Second treatment"),
        _number("add_on_concentration_nM", "Concentration of the second treatment; empty if nobody says it", "nM"),
        _text("curve", "Name of the combination's curve, as in the column drug of curves and scores"),
        _number("concentration_nM", "Concentration of the drug", "nM", required=True),
        _number("inhibition_alone_percent", "Inhibition by the drug alone, against untreated cells", "percent"),
        _number("inhibition_combined_percent", "Inhibition with the add-on, against cells with the add-on", "percent"),
        _number("difference_percent", "Combined minus alone (dPI), not floored: below 0 the two work less", "percent"),
        _number("lower_percent", "Lower end of the 95 % interval of the difference", "percent"),
        _number("upper_percent", "Upper end", "percent"),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "curve", "concentration_nM"),
)

SCORES = Table(
    "scores",
    "One row a curve and scorer: how sensitive the sample is to the drug.",
    (
        _SCREEN,
        _SAMPLE,
        _READOUT,
        _REPLICATE,
        _DRUG,
        _text("scorer", "Scorer that computed the value: dss_asym, ..."),
        _number("score", "The score, in the unit of its scorer"),
        _number("lower", "Lower end of the 95 % interval"),
        _number("upper", "Upper end of the 95 % interval"),
        _text("bound", "'=', or '<' / '>' where the value is only a bound"),
        _text("unit", "Unit of the score", required=False),
        Column("hit", "boolean", "True where the score reaches the scorer's hit threshold", required=False),
        _text("status", "ok, or why there is no score"),
        _text("lower_bound", "'=', or '<' where the interval may reach below its lower end", required=False),
        _text("upper_bound", "'=', or '>' where the interval may reach above its upper end", required=False),
        _number("published_value", "What published tables print for the score; empty where that is the score itself"),
        _text(
            "doubt",
            "Why the score is not to be trusted: many wells look unlike any control; empty where nothing says so",
            required=False,
        ),
        *PROVENANCE,
    ),
    ("screen", "sample", "readout", "replicate", "drug", "scorer"),
)

QC = Table(
    "qc",
    "One row a quality figure with its threshold and verdict.",
    (
        _SCREEN,
        _text("sample", "Sample whose wells the figure is of", required=False),
        _text("plate", "Plate name, or 'screen' for all plates together"),
        _text("readout", "Readout the figure is about"),
        _text("metric", "Name of the figure: zprime_robust, replicate_pearson, ..."),
        _number("value", "The figure"),
        _number("threshold", "Limit that the verdict uses"),
        _text("threshold_from", "Where the limit comes from: default, site.toml or screen.toml", required=False),
        _text("verdict", "pass, warn, fail, or none where there is no limit"),
        _text("explanation", "The verdict in plain words"),
        *PROVENANCE,
    ),
    ("screen", "sample", "plate", "readout", "metric"),
)

EMBEDDINGS = Table(
    "embeddings",
    "One row a well on the phenotype map.",
    (
        _SCREEN,
        _PLATE,
        _WELL,
        _text("embedder", "Embedder that made the map"),
        _text("readout", "Readout whose network gave the features"),
        _number("x", "Horizontal place on the map", required=True),
        _number("y", "Vertical place on the map", required=True),
        Column("n_components", "integer", "Principal components of the features that the map is made of", "", False),
        _text("space", "Axes of the map: rows of equal space are comparable, others are not", required=False),
        _text("sample", "Cell line or patient sample (pseudonym)", required=False),
        _text("well_type", "As in the table wells", required=False),
        _text("treatment", "Drug or control substance", required=False),
        _text("drug_class", "Class of the drug; empty for controls", required=False),
        _number("concentration_nM", "Concentration of the treatment", "nM"),
        Column("replicate", "integer", "Replicate number from 1", required=False),
        _text("add_on", "Second treatment of a combination", required=False),
        *PROVENANCE,
    ),
    ("screen", "plate", "well", "embedder"),
)

PHENOTYPES = Table(
    "phenotypes",
    "One row a drug at its highest concentration: does it look other than untreated, and which drug is like it.",
    (
        _SCREEN,
        _SAMPLE,
        _DRUG,
        _text("features", "What is compared: 'image' (light, shape and grain of the pictures), or a network's readout"),
        Column("beyond_viability", "boolean", "True where what viability explains was taken out of the features"),
        _text("viability_readout", "Readout whose viability was taken out; empty where none was", required=False),
        _number("concentration_nM", "The drug's highest concentration", "nM"),
        _text("drug_class", "Class of the drug", required=False),
        Column("n_wells", "integer", "Wells of the drug that have an image"),
        _number("map", "Mean average precision: 1 if its wells find each other before any untreated well"),
        _number("p_value", "Chance of so large a map in a random order"),
        _number("q_value", "Share of false ones among the drugs with so small a p_value (Benjamini and Hochberg)"),
        _text("nearest_drug", "The other drug of the screen with the most similar median profile", required=False),
        _number("similarity", "Cosine between the two profiles, seen from the untreated wells"),
        _number(
            "same_map", "Mean average precision of the two drugs' wells finding each other before all other drugs'"
        ),
        _number("same_p_value", "Chance of so large a same_map in a random order"),
        _number("same_q_value", "The same among all pairs of drugs (Benjamini and Hochberg)"),
        _text("run_id", "Run that wrote the row"),
        _text("checkpoint", "Hash of the network weights the features come from; empty without one", required=False),
    ),
    ("screen", "sample", "drug", "features", "beyond_viability"),
)

CHECKPOINTS = Table(
    "checkpoints",
    "One row a trained (or adopted) phase of a staged readout.",
    (
        _SCREEN,
        _text("readout", "Staged readout, such as cnn"),
        _text("phase", "Phase, such as phase2"),
        _text("weights_hash", "Hash of the weights file"),
        _text("parent_hash", "Hash of the weights it started from", required=False),
        _text("trained_on", "Screen whose wells it was trained on"),
        Column("n_train", "integer", "Training wells"),
        Column("n_validation", "integer", "Validation wells"),
        Column("epochs", "integer", "Epochs trained"),
        _number("train_loss", "Training loss of the last epoch"),
        _number("validation_loss", "Validation loss of the last epoch"),
        _number("validation_auroc", "Area under the ROC curve of the validation wells"),
        _number("seconds", "Training time", "s"),
        _text("run_id", "Run that wrote the row"),
        _text("plugin", "Plugin that trained"),
        _text("plugin_version", "Version of that plugin"),
        _text("parameters", "Parameters of the plugin in that run, as JSON"),
    ),
    ("screen", "readout", "phase"),
)

RUNS = Table(
    "runs",
    "One row a step that wrote rows: when, with what, from what.",
    (
        _SCREEN,
        _text("run_id", "Dagster run id, or 'cli-...' for a command"),
        _text("asset", "Asset key, such as viability/ctg"),
        Column("started_at", "timestamp", "Start of the step"),
        Column("finished_at", "timestamp", "End of the step"),
        _text("phenodose_version", "Version of phenodose"),
        _text("plugin", "Plugin that ran", required=False),
        _text("plugin_version", "Version of that plugin", required=False),
        _text("parameters", "Parameters, as JSON", required=False),
        _text("inputs", "Names and hashes of what was read, as JSON", required=False),
        _text("notes", "Sentences on what was left out, shared or doubtful, as JSON", required=False),
        _text("version", "Version of what was made: the same whenever it is the same", required=False),
        _text("made_from", "Versions of the assets and inputs that it was made from, as JSON", required=False),
        _text("files", "Seal of every file of a table that was written, as JSON", required=False),
    ),
    ("screen", "asset"),
)

DRUGS = Table(
    "drugs",
    "One row a drug of a screen with its annotation.",
    (
        _SCREEN,
        _DRUG,
        _text("drug_class", "Class of the drug, such as MEK inhibitor", required=False),
        _text("targets", "Target genes, separated by commas", required=False),
        _text("run_id", "Run that wrote the row"),
    ),
    ("screen", "drug"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SCREENS,
        PLATES,
        WELLS,
        DRUGS,
        VIABILITY,
        OBJECTS,
        CURVES,
        COMBINATION_EFFECTS,
        SCORES,
        QC,
        EMBEDDINGS,
        PHENOTYPES,
        CHECKPOINTS,
        RUNS,
    )
}

CURVE_FIT_COLUMNS: tuple[str, ...] = tuple(column.name for column in _CURVE_FIT)


def schema_markdown() -> str:
    """The docs page of all tables, made from the declarations."""
    parts = [
        "# Tables\n\nEvery table of the store, as `phenodose.tables` declares it; `make docs` writes this page. "
        "The truth is Parquet\nbelow `tables/<table>/screen=<screen>/`; `cohort.duckdb` holds the same rows for SQL, "
        "with views (sql_cookbook.md)."
    ]
    for table in TABLES.values():
        lines = [f"## {table.name}", "", table.description, "", f"Key: {', '.join(table.key)}.", ""]
        lines += ["| column | type | unit | may be empty | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| {c.name} | {c.type} | {c.unit} | {'no' if c.required else 'yes'} | {c.description} |"
            for c in table.columns
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
