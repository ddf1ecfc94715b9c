"""The code location that `dagster dev` loads: `defs`, and nothing else.

Belongs here: the one module-level object. Does not belong here: how it is built (`build`).
"""

import warnings

from dagster import BetaWarning, PreviewWarning

# Dagster warns in every process about parts of itself that it uses internally.
warnings.filterwarnings("ignore", category=BetaWarning)
warnings.filterwarnings("ignore", category=PreviewWarning)

from phenodose_assets.build import build_definitions  # noqa: E402

defs = build_definitions()
