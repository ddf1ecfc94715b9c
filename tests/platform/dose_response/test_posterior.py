"""Intervals hold the truth as often as they say, the noise of a batch is found, and draws are repeatable."""

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.curve_prior import Noise
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.noise import estimate_noise, noise_and_evidence, noise_by_viability, noise_of_batch
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.scoring import score_with_all
from phenodose.errors import InputError
from phenodose.plugins import registry
from phenodose.simulation.curves import SimulatedCurves, simulate_curves

SCORERS = ("dss_asym", "auc", "abs_ic50")


def scored(curves: CurveBatch, *names: str) -> list[pd.DataFrame]:
    return score_with_all(curves, [registry().create("scorer", name) for name in names])


def held(simulation: SimulatedCurves, intervals: str = "posterior", draws: int = 200) -> dict[str, tuple[float, int]]:
    """Share of intervals that hold the true score, and their number, by scorer."""
    curves = fit_curves(simulation.points, bootstrap=draws, noise="batch", intervals=intervals)
    found = {}
    for name, rows, true in zip(SCORERS, scored(curves, *SCORERS), scored(simulation.truth, *SCORERS), strict=True):
        inside = (true["score"].notna() & rows["lower"].notna() & (true["bound"] == "=")).to_numpy()
        holds = (rows["lower"] <= true["score"] + 1e-9) & (true["score"] - 1e-9 <= rows["upper"])
        found[name] = float(holds[inside].mean()) if inside.any() else np.nan, int(inside.sum())
    return found


#: Kind of curves, number of doses, replicates.
DESIGNS = [
    ("clean", 5, 2),
    ("noisy", 5, 2),
    ("partial", 5, 2),
    ("flat", 5, 2),
    ("outlier", 5, 2),
    ("clean", 5, 1),
    ("outlier", 5, 1),
    ("noisy", 5, 3),
    ("noisy", 8, 2),
]


@pytest.mark.parametrize(
    ("kind", "doses", "replicates", "n", "draws"),
    [
        # With so many curves, intervals that always hold the truth are seen to be too wide.
        ("noisy", 5, 2, 180, 100),
        ("outlier", 5, 1, 180, 100),
        ("flat", 5, 2, 60, 100),
        *(pytest.param(*design, 250, 200, marks=pytest.mark.slow) for design in DESIGNS),
    ],
)
def test_nineteen_of_twenty_intervals_hold_the_truth(kind, doses, replicates, n, draws):
    simulation = simulate_curves(kind, n, 20260, doses, replicates, 4 / (doses - 1))
    for scorer, (share, count) in held(simulation, draws=draws).items():
        if not count:
            continue
        # three standard errors of a share of 0.95 about the promised 92 to 98 %
        margin = 3 * np.sqrt(0.95 * 0.05 / count)
        assert share >= 0.95 - max(margin, 0.03), scorer
        # the least value there is always lies in an interval that begins there
        if not (kind == "flat" and scorer == "dss_asym"):
            assert share <= 0.95 + max(margin, 0.03), scorer


def test_a_flat_drug_has_a_score_of_zero_and_an_interval_that_begins_there():
    simulation = simulate_curves("flat", 60, 8)
    (rows,) = scored(fit_curves(simulation.points, bootstrap=200, noise="batch"), "dss_asym")
    assert (rows["lower"] == 0).mean() > 0.95
    assert rows["upper"].median() < 3


def test_a_bad_well_widens_intervals_little_once_the_batch_shows_that_there_are_some():
    """The bootstrap spreads a bad well over all doses."""
    simulation = simulate_curves("outlier", 50, 3)

    def width(intervals: str) -> float:
        curves = fit_curves(simulation.points, bootstrap=60, noise="batch", intervals=intervals)
        (rows,) = scored(curves, "dss_asym")
        return float((rows["upper"] - rows["lower"]).median())

    assert width("posterior") < 0.5 * width("bootstrap")


@pytest.mark.parametrize(
    ("kind", "sd", "replicates"),
    [
        ("noisy", 0.10, 2),
        ("outlier", 0.03, 1),
        pytest.param("clean", 0.02, 1, marks=pytest.mark.slow),
        pytest.param("clean", 0.02, 2, marks=pytest.mark.slow),
        pytest.param("noisy", 0.10, 1, marks=pytest.mark.slow),
        pytest.param("outlier", 0.03, 2, marks=pytest.mark.slow),
    ],
)
def test_the_noise_of_a_batch_is_found_even_from_single_wells(kind, sd, replicates):
    """The first two see every branch; the others are further amounts of noise."""
    noise = estimate_noise(fit_curves(simulate_curves(kind, 150, 5, replicates=replicates).points))
    assert noise.sd == pytest.approx(sd, rel=0.15)
    assert noise.weight >= 8
    assert noise.bad_wells >= 0.05 if kind == "outlier" else noise.bad_wells <= 0.01


def signal_noise(n: int, proportional: float, constant: float, seed: int, replicates: int = 2) -> SimulatedCurves:
    """Curves whose wells have an error in proportion to viability, and one that is the same everywhere."""
    simulation = simulate_curves("clean", n, seed, replicates=replicates)
    x = simulation.points.log10_dose
    true = simulation.truth.inhibition_at(x)
    rng = np.random.default_rng(seed)
    y = true + proportional * (1 - true) * rng.standard_normal(x.shape) + constant * rng.standard_normal(x.shape)
    return SimulatedCurves(CurvePoints(simulation.points.keys, x, y), simulation.truth)


def test_wells_without_living_cells_are_as_quiet_as_their_replicates_agree():
    def killed(*noise: float) -> float:
        return noise_by_viability(fit_curves(signal_noise(75, *noise, seed=3).points)).killed

    assert killed(0.1, 0.03) == pytest.approx(0.03 / np.hypot(0.1, 0.03), rel=0.4)
    assert killed(0.0, 0.06) == pytest.approx(1.0, rel=0.3)
    with_bad_wells = noise_by_viability(fit_curves(simulate_curves("outlier", 75, 3, replicates=2).points))
    assert with_bad_wells.killed == pytest.approx(1.0, rel=0.3)  # bad wells are no noise of the others


def test_without_replicates_the_wells_of_all_curves_tell_it():
    def killed(*noise: float) -> float:
        curves = fit_curves(signal_noise(75, *noise, seed=3, replicates=1).points)
        assert noise_by_viability(curves) is None
        return estimate_noise(curves).killed

    assert killed(0.1, 0.03) <= 0.5
    assert killed(0.0, 0.06) == 1.0


def test_intervals_of_strong_drugs_are_as_narrow_as_their_quiet_wells_allow():
    simulation = signal_noise(180, 0.12, 0.02, 11)
    curves = fit_curves(simulation.points, bootstrap=100, noise="batch")
    (rows,), (true,) = scored(curves, "dss_asym"), scored(simulation.truth, "dss_asym")
    strong = true["score"] > 15
    inside = ((rows["lower"] <= true["score"]) & (true["score"] <= rows["upper"]))[strong]
    # with one noise for all wells nearly every interval holds the truth, and is wider by a third
    assert 0.89 <= inside.mean() <= 0.985
    uniform = fit_curves(simulation.points, bootstrap=100, noise=noise_and_evidence(curves)[0])
    (wide,) = scored(uniform, "dss_asym")
    assert (rows["upper"] - rows["lower"])[strong].mean() < 0.78 * (wide["upper"] - wide["lower"])[strong].mean()


def test_every_sample_and_readout_has_its_own_noise():
    clean, noisy = simulate_curves("clean", 60, 5).points, simulate_curves("noisy", 60, 5).points
    keys = pd.DataFrame({"sample": ["A"] * 60 + ["B"] * 60, "readout": "ctg", "drug": list(range(60)) * 2})
    both = CurvePoints(
        keys, *(np.concatenate([getattr(p, n) for p in (clean, noisy)]) for n in ("log10_dose", "inhibition"))
    )
    (first, of_clean), (second, of_noisy) = noise_of_batch(fit_curves(both))
    assert first.tolist() == list(range(60))
    assert second.tolist() == list(range(60, 120))
    assert of_clean.sd < 0.03 < 0.07 < of_noisy.sd


def test_noise_is_learned_from_the_curves_of_all_replicates_together():
    points = simulate_curves("noisy", 40, 2).points
    replicate = np.where(np.arange(40) < 20, "pooled", "1")
    curves = fit_curves(CurvePoints(points.keys.assign(replicate=replicate), points.log10_dose, points.inhibition))
    ((_, noise),) = noise_of_batch(curves)
    assert noise == estimate_noise(curves.select(np.arange(20)))


def test_nothing_is_learned_from_no_curves():
    points = CurvePoints(pd.DataFrame({"drug": ["a"]}), np.zeros((1, 3)), np.full((1, 3), np.nan))
    curves = fit_curves(points, bootstrap=5, noise="batch")
    assert np.isnan(curves.draws).all()


def test_draws_depend_on_the_noise_that_is_given_and_not_on_the_company():
    points = simulate_curves("partial", 9, 4).points
    noise = Noise(0.05, 20.0, 0.01)
    together = fit_curves(points, bootstrap=8, seed=2, noise=noise).draws
    order = np.array([5, 0, 7])
    some = CurvePoints(points.keys.iloc[order], points.log10_dose[order], points.inhibition[order])
    np.testing.assert_array_equal(fit_curves(some, bootstrap=8, seed=2, noise=noise).draws, together[order])
    wider = fit_curves(points, bootstrap=60, seed=2, noise=Noise(0.2, 200.0, 0.01)).draws
    narrow = fit_curves(points, bootstrap=60, seed=2, noise=Noise(0.02, 200.0, 0.01)).draws
    assert np.median(wider[:, :, 1].std(axis=1)) > 1.5 * np.median(narrow[:, :, 1].std(axis=1))


@pytest.mark.parametrize("draws", [1, 7, 250])
def test_there_are_as_many_draws_as_asked_for(draws):
    assert fit_curves(simulate_curves("noisy", 2, 1).points, bootstrap=draws).draws.shape == (2, draws, 5)


def test_inhibitions_far_beyond_the_usual_are_drawn_on_their_own_scale():
    x = np.repeat(np.arange(5.0), 2)[None]
    y = 30 * inhibition(x, 0.0, 1.0, 2.0, 1.5, 1.0) + np.random.default_rng(1).normal(0, 0.6, x.shape)
    curves = fit_curves(CurvePoints(pd.DataFrame({"drug": ["a"]}), x, y), bootstrap=200)
    drawn = curves.drawn(0, 200).inhibition_at(x[0])
    np.testing.assert_allclose(np.median(drawn, axis=0), 30 * inhibition(x[0], 0.0, 1.0, 2.0, 1.5, 1.0), atol=2.5)


def test_the_bootstrap_over_wells_is_there_too():
    points = simulate_curves("noisy", 30, 6).points
    first, again = (fit_curves(points, bootstrap=20, intervals="bootstrap").draws for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first[:, :, 2].std(axis=1) > 0).all()
    shares = held(simulate_curves("noisy", 80, 7), "bootstrap", draws=100)
    assert shares["dss_asym"][0] > 0.85
    with pytest.raises(InputError, match="intervals 'jackknife': there are posterior and bootstrap"):
        fit_curves(points, bootstrap=2, intervals="jackknife")


def test_an_interval_that_reaches_beyond_the_tested_doses_says_so():
    x = np.repeat(np.arange(5.0), 2)
    rng = np.random.default_rng(2)
    parameters = [(0, 1.0, 2.0), (0, 0.2, 2.0), (0, 1.0, -1.5), (0, 0.56, 3.0)]
    y = np.array([inhibition(x, b, t, m, 1.2, 1.0) for b, t, m in parameters]) + rng.normal(0, 0.05, (4, 10))
    points = CurvePoints(pd.DataFrame({"drug": list("abcd")}), np.tile(x, (4, 1)), y)
    (rows,) = scored(fit_curves(points, bootstrap=200), "abs_ic50")
    assert rows["bound"].tolist()[:3] == ["=", ">", "<"]
    assert rows["upper_bound"].tolist() == ["=", ">", "=", ">"]
    assert rows["lower_bound"].tolist() == ["=", "=", "<", "="]
    assert rows["upper"].tolist()[1] == 10_000
    assert rows["upper"].tolist()[3] == 10_000
    assert rows["lower"].tolist()[3] < 10_000
    assert rows["lower"].tolist()[2] == 1
    (without,) = scored(fit_curves(points), "abs_ic50")
    assert without[["lower_bound", "upper_bound"]].isna().all(axis=None)


def test_the_published_value_stands_beside_the_bound():
    x = np.repeat(np.arange(5.0), 2)
    y = np.array([inhibition(x, 0, t, 2.0, 1.2, 1.0) for t in (1.0, 0.2)])
    curves = fit_curves(CurvePoints(pd.DataFrame({"drug": list("ab")}), np.tile(x, (2, 1)), y), bootstrap=20)
    ic50, dss = scored(curves, "abs_ic50", "dss_asym")
    assert ic50["bound"].tolist() == ["=", ">"]
    assert ic50["published_value"].tolist() == pytest.approx([ic50["score"][0], 10_000], rel=1e-6)
    assert dss["published_value"].isna().all()


def test_curves_that_the_wells_place_are_identifiable_and_others_tell_why_not():
    x = np.repeat(np.arange(5.0), 2)
    rng = np.random.default_rng(4)
    parameters = [(0.0, 0.9, 2.0), (0.0, 0.0, 2.0), (0.0, 1.0, 4.6), (0.0, 0.9, -0.8)]
    y = np.array([inhibition(x, b, t, m, 1.3, 1.0) for b, t, m in parameters]) + rng.normal(0, 0.03, (4, 10))
    points = CurvePoints(pd.DataFrame({"drug": ["good", "flat", "late", "early"]}), np.tile(x, (4, 1)), y)
    frame = fit_curves(points, bootstrap=300).to_frame().set_index("drug")
    assert frame["identifiable"].tolist() == [True, False, False, False]
    assert frame["not_identifiable_because"].isna().tolist() == [True, False, False, False]
    assert "above the highest tested dose (1e+04 nM)" in frame.loc["late", "not_identifiable_because"]
    assert "below the lowest tested dose (1 nM)" in frame.loc["early", "not_identifiable_because"]
    without = fit_curves(points).to_frame()
    assert without["identifiable"].isna().all()
    assert str(without["identifiable"].dtype) == "boolean"
