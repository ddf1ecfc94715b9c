"""Tables of what comes from features of images: maps, phenotypes, and the networks' checkpoints."""

from __future__ import annotations

from phenodose.table import Column, Table
from phenodose.tables.columns import DRUG, PLATE, PROVENANCE, SAMPLE, SCREEN, WELL, number, text

EMBEDDINGS = Table(
    "embeddings",
    "One row a well on the phenotype map.",
    (
        SCREEN,
        PLATE,
        WELL,
        text("embedder", "Embedder that made the map"),
        text("readout", "Readout whose network gave the features"),
        number("x", "Horizontal place on the map", required=True),
        number("y", "Vertical place on the map", required=True),
        Column("n_components", "integer", "Principal components of the features that the map is made of", "", False),
        text("space", "Axes of the map: rows of equal space are comparable, others are not", required=False),
        text("sample", "Cell line or patient sample (pseudonym)", required=False),
        text("well_type", "As in the table wells", required=False),
        text("treatment", "Drug or control substance", required=False),
        text("drug_class", "Class of the drug; empty for controls", required=False),
        number("concentration_nM", "Concentration of the treatment", "nM"),
        Column("replicate", "integer", "Replicate number from 1", required=False),
        text("add_on", "Second treatment of a combination", required=False),
        *PROVENANCE,
    ),
    ("screen", "plate", "well", "embedder"),
)

PHENOTYPES = Table(
    "phenotypes",
    "One row a drug at its highest concentration: does it look other than untreated, and which drug is like it.",
    (
        SCREEN,
        SAMPLE,
        DRUG,
        text("features", "What is compared: 'image' (light, shape and grain of the pictures), or a network's readout"),
        Column("beyond_viability", "boolean", "True where what viability explains was taken out of the features"),
        text("viability_readout", "Readout whose viability was taken out; empty where none was", required=False),
        number("concentration_nM", "The drug's highest concentration", "nM"),
        text("drug_class", "Class of the drug", required=False),
        Column("n_wells", "integer", "Wells of the drug that have an image"),
        number("map", "Mean average precision: 1 if its wells find each other before any untreated well"),
        number("p_value", "Chance of so large a map in a random order"),
        number("q_value", "Share of false ones among the drugs with so small a p_value (Benjamini and Hochberg)"),
        text("nearest_drug", "The other drug of the screen with the most similar median profile", required=False),
        number("similarity", "Cosine between the two profiles, seen from the untreated wells"),
        number("same_map", "Mean average precision of the two drugs' wells finding each other before all other drugs'"),
        number("same_p_value", "Chance of so large a same_map in a random order"),
        number("same_q_value", "The same among all pairs of drugs (Benjamini and Hochberg)"),
        text("run_id", "Run that wrote the row"),
        text("checkpoint", "Hash of the network weights the features come from; empty without one", required=False),
    ),
    ("screen", "sample", "drug", "features", "beyond_viability"),
)

CHECKPOINTS = Table(
    "checkpoints",
    "One row a trained (or adopted) phase of a staged readout.",
    (
        SCREEN,
        text("readout", "Staged readout, such as cnn"),
        text("phase", "Phase, such as phase2"),
        text("weights_hash", "Hash of the weights file"),
        text("parent_hash", "Hash of the weights it started from", required=False),
        text("trained_on", "Screen whose wells it was trained on"),
        Column("n_train", "integer", "Training wells"),
        Column("n_validation", "integer", "Validation wells"),
        Column("epochs", "integer", "Epochs trained"),
        number("train_loss", "Training loss of the last epoch"),
        number("validation_loss", "Validation loss of the last epoch"),
        number("validation_auroc", "Area under the ROC curve of the validation wells"),
        number("seconds", "Training time", "s"),
        text("run_id", "Run that wrote the row"),
        text("plugin", "Plugin that trained"),
        text("plugin_version", "Version of that plugin"),
        text("parameters", "Parameters of the plugin in that run, as JSON"),
    ),
    ("screen", "readout", "phase"),
)
