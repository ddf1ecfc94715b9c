"""Pictures: small SVG, PNG and JPEG images of plates, curves, rankings and maps.

Belongs here: functions that take arrays or frames and return bytes, small enough (below 40 kB at
their default width) for an event log, in colours and shapes that colour-blind people tell apart.
Figures of few marks are SVG (`svg`, `svg_figures`), drawn in milliseconds; for the others matplotlib is
used through its Figure object, without pyplot and without global state. Does not belong here: computing
what is shown, and the HTML report (`phenodose.reports`).
"""

from phenodose.plots.drugs import dose_response_plot, ranking_bars
from phenodose.plots.maps import embedding_map
from phenodose.plots.plates import plate_heatmap, plate_picture, plate_thumbnail, shrunk, well_photograph, well_picture
from phenodose.plots.png import data_uri, image_jpeg, markdown_image
from phenodose.plots.training import training_curve
from phenodose.plots.wells import replicate_scatter, viability_histogram

__all__ = [
    "data_uri",
    "dose_response_plot",
    "embedding_map",
    "image_jpeg",
    "markdown_image",
    "plate_heatmap",
    "plate_picture",
    "plate_thumbnail",
    "ranking_bars",
    "replicate_scatter",
    "shrunk",
    "training_curve",
    "viability_histogram",
    "well_photograph",
    "well_picture",
]
