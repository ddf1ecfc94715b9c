"""The GR curve: published numbers, a second way to compute it, flat lines, and static and toxic parts."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import least_squares

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.growth_rate import growth_rate, static_and_toxic, viability_of
from phenodose.dose_response.growth_rate_curves import fit_growth_rates, growth_rate_curves
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.scoring import score_curves
from phenodose.plugins import registry

#: Doses in µM of the published example ("case A" of GRmetrics), cell line MCF10A.
DOSES = np.array([0.001, 0.003162, 0.01, 0.03162, 0.1, 0.3162, 1, 3.162, 10])
#: Cells at each dose, untreated cells, cells at the start; and what the authors print: GR50, GR_max, GR_AOC, GEC50,
#: GRinf, h_GR, R², p.
PUBLISHED = [
    (
        ([1131, 1205, 1021, 743, 459, 318, 284, 274, 249], 1212.5, 299.5),
        (0.040159054, -0.08747187, 0.62269664, 0.0446507657, -0.06566854, 1.1638943, 0.99652415, 2.475791e-09),
    ),
    (
        ([1088, 1215, 1227, 1075, 1125, 967, 766, 531, 322], 1212.5, 299.5),
        (1.5811647277, 0.03655939, 0.25000478, 5.0994517132, -0.58410403, 0.6609052, 0.98156311, 8.509556e-07),
    ),
    (
        ([1172, 1146, 1115, 971, 817, 656, 651, 616, 577], 1212.5, 299.5),
        (0.3533063431, 0.38409025, 0.33139173, 0.0622008598, 0.39840933, 0.9174939, 0.99225109, 4.095831e-08),
    ),
    (
        ([2292, 2508, 2343, 2407, 2445, 2426, 1277, 587, 519], 2350.75, 299.5),
        (1.1750845547, 0.20316915, 0.17728904, 1.0215562368, 0.22517886, 4.2745170, 0.99490748, 9.424621e-09),
    ),
    (  # h_GR at its bound
        ([863, 824, 785, 771, 826, 808, 553, 409, 376], 796.25, 302.5),
        (1.0441774560, 0.16856439, 0.18959344, 0.9404222119, 0.20371284, 5.0000000, 0.97750655, 1.706854e-06),
    ),
]
NAMES = ("gr50", "gr_max", "gr_aoc", "gec50", "gr_inf", "h_gr", "gr_r2", "gr_p")


def published_curves() -> CurveBatch:
    """The wells of the published example as fitted curves, doses in nM."""
    counts = np.array([[x / untreated for x in cells] for (cells, untreated, _), _ in PUBLISHED])
    doublings = np.array([np.log2(untreated / start) for (_, untreated, start), _ in PUBLISHED])
    keys = pd.DataFrame({"drug": [f"D{i}" for i in range(len(PUBLISHED))]})
    x = np.tile(np.log10(1000 * DOSES), (len(counts), 1))
    return fit_curves(CurvePoints(keys, x, 1 - counts, doublings), bootstrap=20)


def test_the_published_example_is_met():
    curves = published_curves()
    printed = dict(zip(NAMES, np.array([numbers for _, numbers in PUBLISHED]).T, strict=True))
    for name in NAMES:
        scores = score_curves(curves, registry().create("scorer", name, {}))
        unit = 1000.0 if scores["unit"].iloc[0] == "nM" else 1.0
        found = scores["score"].to_numpy(dtype=float)
        if unit > 1:
            assert np.abs(np.log10(found / unit / printed[name])).max() < 1e-3, name
        else:
            np.testing.assert_allclose(found, printed[name], rtol=1e-3, atol=1e-9, err_msg=name)
        assert (scores["lower"] <= found).all()
        assert (found <= scores["upper"]).all()
        assert set(scores["status"]) == {"ok"}


def test_the_curve_is_that_of_least_squares_whoever_searches():
    rng = np.random.default_rng(19)
    x = np.tile(np.repeat(np.linspace(0, 4, 7), 2), (12, 1))
    inf, mid, slope = rng.uniform(-0.9, 0.4, 12), rng.uniform(0.8, 3.0, 12), rng.uniform(0.7, 2.5, 12)
    truth = inf[:, None] + (1 - inf[:, None]) / (1 + 10 ** (slope[:, None] * (x - mid[:, None])))
    y = truth + rng.normal(0, 0.05, x.shape)
    found = fit_growth_rates(x, y)
    for i in range(len(x)):

        def residuals(p, row=i):
            return p[0] + (1 - p[0]) / (1 + 10 ** (p[2] * (x[row] - p[1]))) - y[row]

        other = least_squares(residuals, [0.1, 2.0, 1.0], bounds=([-1, -2, 0.1], [1, 6, 5]), xtol=1e-12, ftol=1e-12)
        ours = residuals([found.gr_inf[i], found.log10_gec50[i], found.h_gr[i]])
        assert (ours**2).sum() <= 2 * other.cost * (1 + 1e-6)
        rss, tss, n = (ours**2).sum(), ((y[i] - y[i].mean()) ** 2).sum(), x.shape[1]
        f = ((tss - rss) / 2) / (rss / (n - 2))
        assert found.p[i] == pytest.approx(stats.f.sf(f, 2, n - 2), rel=1e-6)
        assert found.r2[i] == pytest.approx(1 - rss / tss)


def test_without_a_trend_a_line_is_kept_and_the_dose_is_a_bound():
    rng = np.random.default_rng(5)
    x = np.tile(np.linspace(0, 4, 9), (2, 1))
    rates = np.array([[0.97], [0.1]]) + rng.normal(0, 0.03, x.shape)
    viability = np.asarray(viability_of(1.0, np.array(2.0)) * ((1 + rates) / 2) ** 2)
    curves = fit_curves(CurvePoints(pd.DataFrame({"drug": ["a", "b"]}), x, 1 - viability, np.full(2, 2.0)))
    table = {name: score_curves(curves, registry().create("scorer", name, {})) for name in NAMES}
    assert (table["gr_p"]["score"] >= 0.05).all()
    assert table["gr50"]["bound"].tolist() == [">", "<"]
    assert table["gr50"]["score"].tolist() == [1e4, 1.0]
    np.testing.assert_allclose(table["gr_inf"]["score"], rates.mean(axis=1))
    assert table["gec50"]["score"].isna().all()
    assert table["gec50"]["status"].str.startswith("flat").all()
    assert table["gec50"]["published_value"].tolist() == [0, 0]


def test_a_dose_that_the_curve_reaches_later_is_a_bound_and_tables_print_it():
    x = np.linspace(0, 4, 9)[None]
    rates = -0.2 + 1.2 / (1 + 10 ** (x - 4.2))
    curves = fit_curves(CurvePoints(pd.DataFrame({"drug": ["a"]}), x, 1 - (1 + rates) / 2, np.ones(1)))
    row = score_curves(curves, registry().create("scorer", "gr50", {})).iloc[0]
    assert (row["score"], row["bound"]) == (1e4, ">")
    assert row["published_value"] == pytest.approx(10**4.2 * 0.5 / 0.7, rel=1e-3)


def test_too_few_doses_have_no_curve_but_what_wells_tell():
    x, y = np.array([[0.0, 0.0, 2.0, np.nan]]), np.array([[1.0, 0.9, -0.2, np.nan]])
    found = fit_growth_rates(x, y)
    assert np.isnan([found.gr_inf[0], found.p[0]]).all()
    assert found.gr_max[0] == pytest.approx(-0.2)
    assert found.gr_aoc[0] == pytest.approx(1 - (0.95 - 0.2) / 2)
    empty = growth_rate_curves(published_curves().select(np.array([], dtype=int)), np.array([]))
    assert all(len(values) == 0 for values in empty)


def test_static_and_toxic_parts_of_cells_that_divide_and_die_at_steady_rates():
    days, start = 3.0, 1000.0

    def counts(divides: float, dies: float) -> tuple[float, float]:
        """Living and dead cells after the time, by their rates per day in doublings."""
        net = divides - dies
        living = start * 2 ** (net * days)
        dead = dies * np.log(2) * start * (days if net == 0 else (2 ** (net * days) - 1) / (net * np.log(2)))
        return living, dead

    untreated = counts(0.9, 0.05)
    for divides, dies in ((0.9, 0.05), (0.45, 0.05), (0.02, 0.05), (0.9, 0.6), (0.3, 0.3)):
        static, toxic = static_and_toxic(
            *(np.array(value) for value in (*counts(divides, dies), *untreated, start, 0.0, days))
        )
        assert static == pytest.approx(2 ** (divides / 0.9) - 1, rel=1e-6)
        assert toxic == pytest.approx(2 ** (0.05 - dies) - 1, rel=1e-6, abs=1e-12)
    assert growth_rate(np.array(1.0), np.array(2.0)) == 1.0


def test_without_death_counts_the_sign_tells_slowed_growth_from_loss():
    curves = published_curves()
    static, toxic, both = (
        score_curves(curves, registry().create("scorer", name, {}))["score"]
        for name in ("gr_static", "gr_toxic", "gr_max")
    )
    np.testing.assert_allclose(static + toxic, both)
    assert (static >= 0).all()
    assert (toxic <= 0).all()
    assert toxic[0] == both[0] < 0
