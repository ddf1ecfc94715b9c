"""Tables of what readouts say of wells and of the objects in them, and of its quality."""

from __future__ import annotations

from phenodose.table import Column, Table
from phenodose.tables.columns import COLUMN, PLATE, PROVENANCE, READOUT, ROW, SCREEN, WELL, number, text

VIABILITY = Table(
    "viability",
    "One row a well and readout: the raw number and the viability it stands for.",
    (
        SCREEN,
        PLATE,
        WELL,
        ROW,
        COLUMN,
        READOUT,
        number("raw", "The readout's own number, in the readout's unit"),
        number(
            "raw_sd", "Standard deviation of a network's answers over augmented copies and seeds, in the unit of raw"
        ),
        number("viability_fraction", "Raw scaled so that DMSO is 1 and the killing control is 0", "fraction"),
        number("viability_sd_fraction", "raw_sd on the scale of viability", "fraction"),
        number(
            "image_distance",
            "How far a network sees the well from all images that vouch for it; 1 is as far as two like controls",
        ),
        text("control", "negative or positive where the well served as control of this readout", required=False),
        Column("masked", "boolean", "True where the well is left out of curves and controls"),
        text("mask_reason", "Why the well is masked", required=False),
        text("flag", "Gravest doubt about the reading: empty, saturated, contaminated, ...", required=False),
        text("flag_reason", "Why the well is flagged; a flag alone changes no score", required=False),
        text(
            "well_class",
            "Most probable class of the well's image; empty unless the readout was asked for classes (well_classes)",
            required=False,
        ),
        number("class_probability", "Probability of that class, by a model of other wells where the well has a name"),
        *PROVENANCE,
    ),
    ("screen", "plate", "well", "readout"),
)

_OF_OBJECT: tuple[Column, ...] = (
    WELL,
    Column("site", "integer", "Site of the well, as the plate counts them"),
    Column("object", "integer", "Number of the object in its image from 1"),
    number("area_px", "Area in pixels of the full image", "px"),
    number("area_um2", "Area in the sample; empty where the plate does not say how wide its pixels are", "um2"),
    number("roundness", "4 pi area / perimeter^2 of the closed outline: 1 for a circle, less the more ragged"),
    number("mean_intensity", "Mean grey value of the object in the maximum projection"),
    number("x_um", "Centroid from the left of the image", "um"),
    number("y_um", "Centroid from the top of the image", "um"),
)
#: What a readout says of an object.
OBJECT_COLUMNS: tuple[str, ...] = tuple(column.name for column in _OF_OBJECT)

OBJECTS = Table(
    "objects",
    "One row an object that a readout found in an image: a spheroid, an organoid, a fragment.",
    (SCREEN, PLATE, READOUT, *_OF_OBJECT, *PROVENANCE),
    ("screen", "plate", "readout", "well", "site", "object"),
)

QC = Table(
    "qc",
    "One row a quality figure with its threshold and verdict.",
    (
        SCREEN,
        text("sample", "Sample whose wells the figure is of", required=False),
        text("plate", "Plate name, or 'screen' for all plates together"),
        text("readout", "Readout the figure is about"),
        text("metric", "Name of the figure: zprime_robust, replicate_pearson, ..."),
        number("value", "The figure"),
        number("threshold", "Limit that the verdict uses"),
        text("threshold_from", "Where the limit comes from: default, site.toml or screen.toml", required=False),
        text("verdict", "pass, warn, fail, or none where there is no limit"),
        text("explanation", "The verdict in plain words"),
        *PROVENANCE,
    ),
    ("screen", "sample", "plate", "readout", "metric"),
)
