"""The code location that `dagster dev` loads: `defs`, and nothing else.

Belongs here: the one module-level object, for the store that the environment names. Does not belong here: how it is
built (`build`).
"""

from phenodose.settings.environment import read_environment
from phenodose_assets.build import build_definitions

_HERE = read_environment()
defs = build_definitions(store=_HERE.open_store(), inbox=_HERE.inbox, training=_HERE.training)
