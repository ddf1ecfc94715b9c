"""The table of all built-in scorers in docs/scores.md, made from what the scorers declare.

Belongs here: the columns of that table, and the example curve whose scores it shows. Does not belong here:
the rest of the page, which is written by hand.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.plugins.registry import Registry, registry
from phenodose.plugins.scorers import Scorer
from phenodose.plugins.selective import REFERENCE

if TYPE_CHECKING:
    from phenodose.dose_response.curves import CurveBatch

BEGIN, END = "<!-- scorers: begin, written by `make docs` -->", "<!-- scorers: end -->"
_BUILT_IN = "phenodose "
#: Statistics of the example's reference samples: mean, SD, median and MAD of DSS_asym, mean of the adjusted one.
_REFERENCE_SAMPLES = "Drug.Name,mean_DSS,sd_DSS,median_DSS,mad_DSS,mean_DSS_adj\n" + "Example,10,4,9,5,9\n"


def example_curve() -> CurveBatch:
    """One curve: inhibition from 0 to 100 %, half at 100 nM, slope 1, tested from 1 to 10,000 nM, GOF 0.98."""
    import numpy as np
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch

    x = np.arange(5.0)[None]
    one = np.ones(1)
    return CurveBatch(
        keys=pd.DataFrame({"drug": ["Example"]}),
        log10_dose=x,
        inhibition=np.full_like(x, np.nan),
        fit="robust",
        model=np.array([3]),
        bottom=0 * one,
        top=one,
        log10_mid=2 * one,
        slope=one,
        asymmetry=one,
        gof=0.98 * one,
        objective=0 * one,
        min_dose_nM=one,
        max_dose_nM=1e4 * one,
        n_doses=np.array([5]),
        n_points=np.array([5]),
        status=np.array(["ok"], dtype=object),
        reason=np.array([""], dtype=object),
        doublings=2 * one,
    )


def example_scores(plugins: Registry | None = None) -> dict[str, float]:
    """Score of the example curve by every built-in scorer."""
    import numpy as np

    curve = example_curve()
    values = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference_samples.csv"
        path.write_text(_REFERENCE_SAMPLES, encoding="utf-8")
        for scorer in _built_in(plugins or registry()):
            needed: dict[str, Any] = {REFERENCE: str(path)} if REFERENCE in scorer.Parameters.model_fields else {}
            result = scorer(needed).score(curve)
            values[scorer.name] = float(np.asarray(getattr(result, "value", result))[0])
    return values


def scorers_markdown(plugins: Registry | None = None) -> str:
    """The table, a row a scorer, between its marks."""
    plugins = plugins or registry()
    values = example_scores(plugins)
    lines = [
        "| scorer | formula | unit | range | more sensitive | a hit | version | example | source |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for scorer in _built_in(plugins):
        sign = "higher" if scorer.higher_is_more_sensitive else "lower"
        beyond = "≥" if scorer.higher_is_more_sensitive else "≤"
        hit = "names none" if scorer.hit_threshold is None else f"{beyond} {scorer.hit_threshold:g}"
        cells = [f"`{scorer.name}`", scorer.formula, scorer.unit or "none", scorer.span, sign, hit, scorer.version]
        lines.append("| " + " | ".join([*cells, f"{values[scorer.name]:.4g}", scorer.source]) + " |")
    return "\n".join([BEGIN, *lines, END])


def with_scorers(page: str, plugins: Registry | None = None) -> str:
    """The page with a fresh table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + scorers_markdown(plugins) + after


def _built_in(plugins: Registry) -> list[type[Scorer]]:
    own = {found.name for found in plugins.report() if found.distribution.startswith(_BUILT_IN)}
    return [scorer for name, scorer in sorted(plugins.usable("scorer").items()) if name in own]
