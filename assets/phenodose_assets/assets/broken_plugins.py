"""Assets of plugins that cannot be used: each fails with what is wrong with its plugin.

So a person sees the plugin where it was expected, in red and with the way out, and nothing else stops.

Belongs here: the assets that stand for faulty plugins. Does not belong here: finding the faults
(`phenodose.plugins.Registry`) and faults that show only while a plugin works (`phenodose.plugins.isolation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from phenodose.errors import PluginError
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.dose_matrices import combination_key
from phenodose.pipeline.embeddings import embedding_key
from phenodose.pipeline.scores import scores_key
from phenodose.pipeline.viability import viability_key
from phenodose.plugins import Found, Kind
from phenodose_assets.graph.screen_asset import ScreenAsset

#: Group and key of what a plugin of a kind makes; readers make none of their own. Measures are a part of the curves.
_PLACES = {
    "readout": ("readouts", viability_key),
    "scorer": ("scores", scores_key),
    "measure": ("scores", combination_key),
    "embedder": ("phenotypes", embedding_key),
}
_KINDS = frozenset({"faulty"})


def broken_plugin_assets(problems: Sequence[Found]) -> list[ScreenAsset]:
    """One asset a faulty plugin."""
    return [_asset(problem, problem.kind) for problem in problems if problem.kind in _PLACES]


def _asset(problem: Found, kind: Kind) -> ScreenAsset:
    group, key_of = _PLACES[kind]
    return ScreenAsset(
        key=key_of(problem.name),
        group=group,
        description=f"Cannot be made: {problem.error}",
        make=partial(_fail, problem.error),
        kinds=_KINDS,
    )


def _fail(error: str, step: Context) -> Result:
    raise PluginError(error)
