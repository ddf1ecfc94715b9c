"""docs/scores.md: its table is what the scorers declare, and its example is right when computed a second way."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import least_squares

from phenodose.cohort.query import query
from phenodose.dose_response.reference_samples import SUMMARY_COLUMNS, read_reference
from phenodose.plugins import registry
from phenodose.plugins.scores_page import example_scores, with_scorers
from phenodose.store.store import Store

PAGE = (Path(__file__).parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert with_scorers(PAGE) == PAGE, "run `make docs`"


def test_every_built_in_scorer_has_a_row() -> None:
    built_in = {found.name for found in registry().report() if found.distribution.startswith("phenodose ")}
    for name in built_in & set(registry().names("scorer")):
        assert f"\n| `{name}` | " in PAGE


def inhibition(x: float) -> float:
    return 1 / (1 + 100 / 10**x)


def growth(x: float) -> float:
    return float(2 ** (1 + np.log2(1 - inhibition(x)) / 2) - 1)


def of_growth() -> dict[str, float]:
    """GR metrics of the five readings of the example."""
    x = np.arange(5.0)
    rates = np.array([growth(at) for at in x])

    def curve(p: np.ndarray) -> np.ndarray:
        return np.asarray(p[0] + (1 - p[0]) / (1 + 10 ** (p[2] * (x - p[1]))))

    fit = least_squares(lambda p: curve(p) - rates, [0.1, 2, 1], bounds=([-1, -2, 0.1], [1, 6, 5]), xtol=1e-14)
    inf, mid, slope = fit.x
    rss, tss = 2 * fit.cost, ((rates - rates.mean()) ** 2).sum()
    return {
        "gr50": 10**mid * (0.5 / (0.5 - inf)) ** (1 / slope),
        "gec50": 10**mid,
        "gr_inf": inf,
        "h_gr": slope,
        "gr_r2": 1 - rss / tss,
        "gr_p": stats.f.sf((tss - rss) / 2 / (rss / 3), 2, 3),
        "gr_max": rates[-1],
        "gr_static": 0.0,
        "gr_toxic": rates[-1],
        "gr_aoc": np.trapezoid(1 - rates, x) / 4,
    }


def test_the_example_computed_a_second_way() -> None:
    auto, half = 10.0, 100 / 9  # minimum activity; inhibition is 10 % at 100 / 9 nM
    start = np.log10(half)
    area = quad(lambda x: 100 * inhibition(x) - auto, start, 4)[0]
    dss1 = 100 * area / (90 * 4)
    gof = 0.98
    # Yadav's curve is symmetric as well, but its top is the largest reading, 99 %
    expected = {
        "aoc": 0.5,
        "auc": 0.5,
        "emax": 100 / 1.01,
        "abs_ic25": 100 / 3,
        "abs_ic50": 100.0,
        "abs_ic75": 300.0,
        "rel_ic50": 100.0,
        "dss1": dss1,
        "dss_asym": dss1 / 2,
        "dss2": dss1 / 2,
        "dss3": dss1 * (4 - start) / 4,
        "dss_asym_adj": gof * dss1 / 2,
        "sdss_asym": dss1 / 2 - 10,
        "sdss_asym_adj": gof * dss1 / 2 - 9,
        "zdss": (dss1 / 2 - 10) / 5,
        "rdss": (dss1 / 2 - 9) / 6,
        **of_growth(),
    }
    found = example_scores()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-3), name
    yadav = {name: found[name] for name in sorted(set(found) - set(expected))}
    assert list(yadav) == ["yadav_dss1", "yadav_dss2", "yadav_dss3"]
    np.testing.assert_allclose(list(yadav.values()), [dss1, expected["dss2"], expected["dss3"]], rtol=0.01)


def test_the_query_of_stored_screens_is_a_reference(made_up_root: Path, tmp_path: Path) -> None:
    found = re.search(r'sql "(SELECT sample.*?)" --format csv', PAGE, re.DOTALL)
    assert found is not None
    sql = found.group(1).replace("HEALTHY_1", "BT-40_V1_DS1").replace("HEALTHY_2", "INF_R_153_V1_DS1")
    path = tmp_path / "reference_samples.csv"
    query(Store.open(made_up_root), sql).table.to_pandas().to_csv(path, index=False)
    samples = read_reference(path)
    assert samples.has("dss_asym", ["mean", "sd", "median", "mad"])
    assert samples.statistic("dss_asym", "mean", ["Trametinib"])[0] > 10


def test_the_forms_of_a_reference_are_described() -> None:
    for column in SUMMARY_COLUMNS:
        assert f"`{column}`" in PAGE or column.endswith("_adj")
