"""Measures of two drugs are plugins: others stand beside the built-in ones, and a faulty one costs itself alone."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest

from phenodose.combinations import DoseMatrix, excess_of
from phenodose.pipeline.dose_matrices import excess_of_matrices, installed_measures
from phenodose.plugins import ExcessMeasure, MatrixMeasure, Preferences, Registry, registry
from phenodose.settings.plugin_preferences import PluginPreferences
from phenodose.viability.dose_matrices import MatrixWells

A, B = (grid.ravel() for grid in np.meshgrid([0.0, 10.0, 100.0, 1000.0], [0.0, 5.0, 50.0, 500.0], indexing="ij"))
#: Effects of A and of B by itself, and together 10 points less than their sum.
ALONE = 0.5 * A / (A + 80), 0.4 * B / (B + 40)
TOGETHER = ALONE[0] + ALONE[1] - 0.1 * ((A > 0) & (B > 0))

THEIRS = """
    import numpy as np
    from phenodose.plugins import ExcessMeasure, MatrixMeasure

    class Additive(ExcessMeasure):
        name = "additive"
        version = "7"
        description = "Excess over the sum of the effects"
        label = "Additivity"
        precedence = 5

        def expected(self, effects):
            return effects.first[:, :, None] + effects.second[:, None, :]

    class Index(MatrixMeasure):
        name = "index"
        version = "1"
        description = "Log of an index, below 0 for synergy"
        unit = "log10"
        synergy = "below"

        def value(self, effects):
            return np.full(effects.shape[0], 0.25)

    class Faulty(ExcessMeasure):
        name = "faulty"
        version = "1"
        description = "Gives too few numbers"

        def expected(self, effects):
            return effects.first
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """What is installed where another distribution offers three measures."""
    info = tmp_path / "their_measures-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-measures\nVersion: 1.2\n")
    lines = ["[phenodose.measures]", *(f"{name} = their_measures:{name.title()}" for name in NAMES)]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (tmp_path / "their_measures.py").write_text(textwrap.dedent(THEIRS))
    monkeypatch.syspath_prepend(str(tmp_path))
    return Registry()


NAMES = ("additive", "index", "faulty")


def test_the_built_in_ones_are_registered_like_anyones() -> None:
    classes = registry().usable("measure")
    assert Preferences(measures=classes).ordered_measures() == ["bliss", "zip", "loewe", "hsa", "css"]
    for name in ("bliss", "zip", "loewe", "hsa"):
        assert issubclass(classes[name], ExcessMeasure)
    assert issubclass(classes["css"], MatrixMeasure)
    assert all(cls.formula and cls.source for cls in classes.values())
    site = PluginPreferences(measures=("loewe",))
    assert Preferences(measures=classes, site=site).ordered_measures()[0] == "loewe"


def test_another_measure_stands_beside_them_and_a_faulty_one_costs_itself(theirs: Registry) -> None:
    measures, notes = installed_measures(theirs)
    assert notes == []
    assert [one.name for one in measures] == ["additive", "bliss", "zip", "loewe", "hsa", "css", "faulty", "index"]
    wells = MatrixWells("S", "A", "B", A, B, TOGETHER - 0.1 * ((A > 0) & (B > 0)))
    found = excess_of_matrices([wells], "ctg", draws=40, measures=measures)
    theirs_of_pairs = found.pairs[found.pairs["model"] == "additive"]
    assert theirs_of_pairs["excess_percent"].tolist() == pytest.approx([-20.0] * 9)
    assert theirs_of_pairs[["lower_percent", "upper_percent"]].notna().all(axis=None)
    sums = found.sums.set_index("measure")
    assert sums.loc["additive", "value"] == pytest.approx(-20)
    assert sums.loc["additive", "interaction"] == "antagonism"
    assert tuple(sums.loc["index", ["value", "unit", "interaction", "probability_synergy"]]) == (
        *(0.25, "log10"),
        *("antagonism", 0.0),
    )
    assert set(found.pairs.loc[found.pairs["model"] == "faulty", "status"]) == {"faulty failed"}
    (fault,) = found.faults
    assert "measure 'faulty' of their-measures 1.2" in fault
    assert "where floats (1, 3, 3) are meant" in fault
    own = [one for one in measures if one.name in registry().names("measure")]
    alone = excess_of_matrices([wells], "ctg", draws=40, measures=own).sums.set_index("measure")
    assert alone["value"].equals(sums.loc[alone.index, "value"])


class Forgetful(ExcessMeasure):
    """Knows no dose above 50 nM of the second drug."""

    name, version, description = "forgetful", "1", "for a test"

    def expected(self, effects):
        known = np.where(effects.second_nM <= 50, effects.second, np.nan)
        return effects.first[:, :, None] + known[:, None, :]


def test_a_dose_pair_of_which_nothing_is_expected_does_not_count() -> None:
    found = excess_of([DoseMatrix(A, B, TOGETHER)], [Forgetful()], draws=40)
    status = found.pairs.set_index("second_nM")["status"]
    assert set(status[500.0]) == {"nothing is expected of this dose pair"}
    assert set(status[[5.0, 50.0]]) == {"ok"}
    assert found.sums["value"].iloc[0] == pytest.approx(-10)
    assert found.sums["lower"].iloc[0] < -10 < found.sums["upper"].iloc[0]
