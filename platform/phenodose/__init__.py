"""phenodose: from microscope images of drug-screened tumours to drug sensitivity scores.

The names below are the public face (`phenodose.api`, docs/python.md): they change only with a line in CHANGELOG.md.
The package holds the science, the storage, the plugin engine, the pipeline and the command line; it imports no Dagster:
the asset graph is wiring and lives in `phenodose_assets`. Nothing heavy is imported here, so that `import phenodose`
stays instant.
"""

from phenodose.api import (
    curate,
    excess_of,
    fit_curves,
    installed_plugins,
    open_plate,
    open_store,
    query,
    read_layout,
    read_readouts,
    read_scores,
    read_viability,
    run_screen,
    score_layout,
)
from phenodose.errors import InputError, PhenodoseError

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "PhenodoseError",
    "curate",
    "excess_of",
    "fit_curves",
    "installed_plugins",
    "open_plate",
    "open_store",
    "query",
    "read_layout",
    "read_readouts",
    "read_scores",
    "read_viability",
    "run_screen",
    "score_layout",
]
