"""The code location that `dagster dev` loads: `defs`, and nothing else.

Belongs here: the one module-level object, for the store that the environment names. Does not belong here: how it is
built (`build`).
"""

from phenodose.io.privacy import private_from_now_on
from phenodose.settings.environment import read_environment
from phenodose.settings.files import readable_as_site_says
from phenodose_assets.build import build_definitions
from phenodose_assets.executors.choice import cluster_settings

private_from_now_on()
_HERE = read_environment()
_STORE = _HERE.open_store()
readable_as_site_says(_STORE.root)
defs = build_definitions(
    store=_STORE,
    inbox=_HERE.inbox,
    training=_HERE.training,
    cluster=cluster_settings(_STORE, _HERE.executor),
)
