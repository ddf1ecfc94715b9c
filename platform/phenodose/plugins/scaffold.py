"""A new plugin distribution that works from the first minute: `phenodose plugins new`.

Belongs here: the files of such a distribution. Does not belong here: the contract itself (the modules
beside this one).
"""

from __future__ import annotations

import re
from pathlib import Path

from phenodose.errors import InputError, PluginError
from phenodose.files import written_aside

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "@DISTRIBUTION@"
version = "1.0"
description = "The scorer @NAME@ for phenodose"
requires-python = ">=3.11"
dependencies = ["phenodose"]

[project.entry-points."phenodose.scorers"]
@NAME@ = "@MODULE@:@CLASS@"

[tool.hatch.build.targets.wheel]
only-include = ["@MODULE@.py"]
"""

_MODULE = '''\
"""The scorer @NAME@: the mean fitted inhibition over the tested doses. Put your own formula into `score`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plugins import Parameters, Scorer
from pydantic import Field

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch


class @CLASS@Parameters(Parameters):
    """What a user may set; every field needs a default and a range."""

    grid_points: int = Field(50, ge=2, le=1000, description="Doses at which the curve is evaluated")


class @CLASS@(Scorer):
    """Mean of the fitted inhibition over log dose, in percent."""

    name = "@NAME@"
    version = "1.0"  # change it when the same curves give another score
    description = "Mean fitted inhibition over the tested doses"
    unit = "percent"
    hit_threshold = None  # a number, if a score from there on is a hit
    Parameters = @CLASS@Parameters

    def score(self, curves: CurveBatch) -> np.ndarray:
        """Score all curves at once: a float array, NaN for a curve that could not be fitted."""
        grid = curves.log10_dose_grid(self.parameters.grid_points)
        return 100 * curves.inhibition_at(grid).mean(axis=1)
'''

_TEST = '''\
"""The scorer @NAME@ gives known values for known curves and keeps its contract."""

import numpy as np
import pandas as pd
import pytest
from @MODULE@ import @CLASS@
from phenodose.dose_response.curves import CurveBatch
from phenodose.tables import CURVE_FIT_COLUMNS


def curves(*half_doses_nM: float) -> CurveBatch:
    """Curves from 0 to full inhibition, tested from 1 to 10000 nM; None is a failed fit."""
    common = dict.fromkeys(CURVE_FIT_COLUMNS) | {
        "min_dose_nM": 1.0, "max_dose_nM": 10000.0, "n_doses": 5, "n_points": 10, "fit": "robust"
    }
    ok = {"model": 3, "bottom": 0.0, "top": 1.0, "slope": 1.0, "asymmetry": 1.0, "status": "ok"}
    rows = [
        common | (ok | {"log10_mid": np.log10(half)} if half else {"model": 0, "status": "failed"})
        for half in half_doses_nM
    ]
    return CurveBatch.from_frame(pd.DataFrame(rows))


def test_a_curve_with_its_middle_in_the_middle_inhibits_half():
    assert @CLASS@().score(curves(100.0))[0] == pytest.approx(50, abs=0.5)


def test_potent_drugs_score_higher_and_failed_fits_have_no_score():
    potent, weak, failed = @CLASS@().score(curves(10.0, 1000.0, None))
    assert potent > weak
    assert np.isnan(failed)


def test_the_score_depends_on_neither_order_nor_number_of_curves():
    forward = @CLASS@().score(curves(10.0, 100.0, 1000.0))
    backward = @CLASS@().score(curves(1000.0, 100.0, 10.0))
    np.testing.assert_allclose(forward, backward[::-1], rtol=1e-12)
    np.testing.assert_allclose(forward[:1], @CLASS@().score(curves(10.0)), rtol=1e-12)
'''

_README = """\
# @DISTRIBUTION@

The scorer `@NAME@` for phenodose. The formula stands in `score` of `@MODULE@.py`.

```
pip install -e .
phenodose plugins check @NAME@
pytest
phenodose run SCREEN --select scores/@NAME@
phenodose sql "SELECT drug, score FROM scores WHERE scorer = '@NAME@' ORDER BY score DESC"
```

In a running Dagster UI press *Reload definitions*: the asset `scores/@NAME@` appears.
"""


def new_scorer(name: str, parent: Path) -> Path:
    """Write a complete distribution with one scorer, its test and its instructions.

    Args:
        name: name of the scorer: lower-case words joined by underscores.
        parent: folder in which the distribution's folder is made.

    Returns:
        The distribution's folder.

    Raises:
        InputError: the name is no plugin name, or the folder is there already.
        PluginError: an installed distribution offers a scorer of that name.
    """
    from phenodose.plugins.registry import registry

    if not _NAME.match(name):
        raise InputError(f"plugin name {name!r}: use lower-case letters, digits and underscores, such as mean_top.")
    if name in registry().names("scorer"):
        raise PluginError(f"scorer {name!r} is already installed; choose another name.")
    distribution = "phenodose-scorer-" + name.replace("_", "-")
    words = {
        "@DISTRIBUTION@": distribution,
        "@MODULE@": "phenodose_scorer_" + name,
        "@CLASS@": "".join(part.title() for part in name.split("_")) + "Scorer",
        "@NAME@": name,
    }
    folder = parent / distribution
    if folder.exists():
        raise InputError(f"{folder} is there already; choose another name or another folder.")
    files = {
        "pyproject.toml": _PYPROJECT,
        f"{words['@MODULE@']}.py": _MODULE,
        f"tests/test_{name}.py": _TEST,
        "README.md": _README,
    }
    with written_aside(folder) as aside:
        for path, text in files.items():
            for sign, word in words.items():
                text = text.replace(sign, word)
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).write_text(text, encoding="utf-8")
    return folder
