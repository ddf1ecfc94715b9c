"""The code location that `dagster dev` loads: `defs`, and nothing else.

Belongs here: the one module-level object, for the store that the environment names. Does not belong here: how it is
built (`build`).
"""

import warnings

from dagster import BetaWarning, PreviewWarning

# Dagster warns in every process about parts of itself that it uses internally.
warnings.filterwarnings("ignore", category=BetaWarning)
warnings.filterwarnings("ignore", category=PreviewWarning)

from phenodose.settings.environment import read_environment  # noqa: E402
from phenodose_assets.build import build_definitions  # noqa: E402

_HERE = read_environment()
defs = build_definitions(store=_HERE.open_store(), inbox=_HERE.inbox, training=_HERE.training)
