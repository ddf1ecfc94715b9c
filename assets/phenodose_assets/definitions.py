"""The code location that `dagster dev` loads: `defs`, and nothing else.

Belongs here: the one module-level object. Does not belong here: how it is built (`build`).
"""

from phenodose_assets.build import build_definitions

defs = build_definitions()
