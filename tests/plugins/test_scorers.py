"""The built-in scorers: registered, documented, and right on curves with known scores."""

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import CurvePoints
from phenodose.errors import PluginError
from phenodose.plugins import registry

#: The scorers that score any curves.
ALWAYS = ["abs_ic25", "abs_ic50", "abs_ic75", "aoc", "auc", "dss1", "dss2", "dss3", "dss_asym", "dss_asym_adj", "emax"]
ALWAYS += ["rel_ic50", "yadav_dss1", "yadav_dss2", "yadav_dss3"]
#: Those that need reference samples, and those that need doublings.
SELECTIVE = ["rdss", "sdss_asym", "sdss_asym_adj", "zdss"]
GROWTH = ["gec50", "gr50", "gr_aoc", "gr_inf", "gr_max", "gr_p", "gr_r2", "gr_static", "gr_toxic", "h_gr"]
NAMES = sorted(ALWAYS + SELECTIVE + GROWTH)


@pytest.fixture(scope="module")
def curves() -> CurveBatch:
    """A strong, a partial, a weak and an inert drug, without noise, and one that cannot be fitted."""
    x = np.tile(np.arange(5.0), (5, 1))
    y = np.stack(
        [inhibition(x[0], 0.0, top, mid, 1.0, 1.0) for top, mid in ((1.0, 1.0), (0.4, 2.0), (0.3, 3.5), (0, 2))]
    )
    return fit_curves(CurvePoints(pd.DataFrame({"drug": list("abcde")}), x, np.vstack([y, np.full(5, np.nan)])))


@pytest.fixture(scope="module")
def needed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Parameters without which a scorer scores nothing."""
    path = tmp_path_factory.mktemp("reference") / "reference_samples.csv"
    scores = [
        f"s{s},{drug},{scorer},{s}" for s in (1, 2) for drug in "abcde" for scorer in ("dss_asym", "dss_asym_adj")
    ]
    path.write_text("\n".join(["sample,drug,scorer,score", *scores]))
    return {name: {"reference": str(path)} for name in SELECTIVE} | {name: {"doublings": 2.0} for name in GROWTH}


def scores(curves: CurveBatch, name: str, **parameters: object) -> tuple[np.ndarray, np.ndarray]:
    result = registry().create("scorer", name, parameters).score(curves)
    return np.asarray(getattr(result, "value", result)), getattr(result, "bound", None)


def test_all_are_registered_and_load():
    assert [name for name in registry().names("scorer") if name in NAMES] == NAMES
    for name in NAMES:
        assert registry().get("scorer", name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_failed_curves_have_no_score_and_the_others_do_not_depend_on_company(name, curves, needed):
    value, _ = scores(curves, name, **needed.get(name, {}))
    assert value.shape == (5,)
    assert np.isnan(value[4])
    alone = np.array([scores(curves.select(np.array([i])), name, **needed.get(name, {}))[0][0] for i in range(5)])
    np.testing.assert_array_equal(value, alone)


@pytest.mark.parametrize("name", NAMES)
def test_every_scorer_says_what_it_is(name):
    scorer = registry().get("scorer", name)
    assert scorer.unit in ("", "percent", "fraction", "nM")
    assert all([scorer.version, scorer.description, scorer.formula, scorer.source, scorer.span])
    assert (scorer.hit_threshold is not None) == (name == "dss_asym")


def test_stronger_drugs_score_as_more_sensitive(curves, needed):
    rising = [name for name in NAMES if registry().get("scorer", name).higher_is_more_sensitive]
    assert {"dss_asym", "dss_asym_adj", "yadav_dss2", "zdss", "gr_aoc", "aoc", "emax"} <= set(rising)
    for name in rising:
        value = scores(curves, name, **needed.get(name, {}))[0][:4]
        assert np.all(np.diff(value) <= 0)
        assert value[0] > value[3]
    falling = scores(curves, "gr_max", **needed["gr_max"])[0][:4]
    assert np.all(np.diff(falling) >= 0)
    auc, aoc = scores(curves, "auc")[0], scores(curves, "aoc")[0]
    np.testing.assert_allclose(auc[:4] + aoc[:4], 1)
    assert not registry().get("scorer", "auc").higher_is_more_sensitive


def test_relations_between_the_scores(curves):
    asym, one, two = (scores(curves, name)[0][:4] for name in ("dss_asym", "dss1", "dss2"))
    np.testing.assert_allclose(one, 2 * asym)
    np.testing.assert_allclose(two[:3], one[:3] / np.log10(100 * curves.top[:3]))
    assert registry().get("scorer", "dss_asym").hit_threshold == 10
    adjusted = scores(curves, "dss_asym_adj")[0][:4]
    np.testing.assert_allclose(adjusted, asym * np.maximum(np.nan_to_num(curves.gof[:4]), 0))


def test_minimum_activity_is_a_parameter(curves):
    low, high = (scores(curves, "dss_asym", amin=amin)[0][0] for amin in (0, 50))
    assert low > scores(curves, "dss_asym")[0][0] > high
    np.testing.assert_allclose(scores(curves, "dss_asym", amin="0")[0][0], low)
    for wrong in (100, -1, "some"):
        with pytest.raises(PluginError, match="amin"):
            registry().create("scorer", "dss_asym", {"amin": wrong})


def test_inhibitory_doses_are_values_or_bounds(curves):
    value, bound = scores(curves, "abs_ic50")
    np.testing.assert_allclose(value[0], 10, rtol=0.1)
    assert value[1:4].tolist() == [1e4] * 3
    assert bound[:4].tolist() == ["=", ">", ">", ">"]
    relative, bound = scores(curves, "rel_ic50")
    np.testing.assert_allclose(relative[:2], [10, 100], rtol=0.15)
    assert np.isnan(relative[3])  # an inert drug has no half way
