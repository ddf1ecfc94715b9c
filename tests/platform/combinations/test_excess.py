"""Excess of dose matrices over HSA and Bliss on raw wells, what cannot be computed, and bad input."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from phenodose import excess_of
from phenodose.combinations import DoseMatrix
from phenodose.errors import InputError

DOSES = np.array([0.0, 1.0, 10.0, 100.0, 1000.0, 10000.0])


def wells(replicates: int = 1, seed: int = 0, noise: float = 0.05) -> pd.DataFrame:
    """A full matrix of two drugs that are independent: first_nM, second_nM, inhibition."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame([*product(DOSES, DOSES)] * replicates, columns=["first_nM", "second_nM"])
    first = 0.9 * frame["first_nM"] / (frame["first_nM"] + 80.0)
    second = 0.7 * frame["second_nM"] / (frame["second_nM"] + 300.0)
    frame["inhibition"] = first + second - first * second + noise * random.standard_normal(len(frame))
    return frame


def matrix(frame: pd.DataFrame) -> DoseMatrix:
    """The wells as a dose matrix."""
    return DoseMatrix(*(frame[name].to_numpy() for name in ("first_nM", "second_nM", "inhibition")))


def excess_by_hand(frame: pd.DataFrame) -> pd.DataFrame:
    """HSA and Bliss of the mean wells, written out pair by pair."""
    mean: dict[tuple[float, float], list[float]] = {}
    for a, b, y in frame[["first_nM", "second_nM", "inhibition"]].itertuples(index=False):
        mean.setdefault((a, b), []).append(y)
    rows = []
    for (a, b), values in mean.items():
        if a > 0 and b > 0:
            e, ea, eb = (sum(v) / len(v) for v in (values, mean[(a, 0.0)], mean[(0.0, b)]))
            rows.append((a, b, "hsa", 100 * (e - (ea if ea > eb else eb))))
            rows.append((a, b, "bliss", 100 * (e - (1 - (1 - ea) * (1 - eb)))))
    return pd.DataFrame(rows, columns=["first_nM", "second_nM", "model", "by_hand"])


@pytest.mark.parametrize("replicates", [1, 3])
def test_hsa_and_bliss_are_those_of_the_mean_wells(replicates: int) -> None:
    frame = wells(replicates)
    partial = frame[~((frame["first_nM"] == 10) & (frame["second_nM"] >= 100))]
    found = excess_of([matrix(partial)], draws=0)
    by_hand = excess_by_hand(partial)
    both = found.pairs.merge(by_hand, on=["first_nM", "second_nM", "model"])
    assert len(both) == len(by_hand) == 2 * 22
    np.testing.assert_allclose(both["excess_percent"], both["by_hand"], rtol=0, atol=1e-9)
    assert (both["n_wells"] == replicates).all()
    means = found.sums.set_index("measure")["value"]
    for model in ("hsa", "bliss"):
        assert means[model] == pytest.approx(by_hand.loc[by_hand["model"] == model, "by_hand"].mean(), abs=1e-9)


def test_the_order_of_wells_and_of_drugs_does_not_matter() -> None:
    frame = wells(2)
    shuffled = frame.sample(frac=1, random_state=1)
    one, other = (excess_of([matrix(f)], seed=3) for f in (frame, shuffled))
    pd.testing.assert_frame_equal(one.pairs, other.pairs)
    pd.testing.assert_frame_equal(one.sums, other.sums)
    swapped = excess_of([matrix(frame).swapped()], draws=0).pairs
    swapped = swapped.rename(columns={"first_nM": "second_nM", "second_nM": "first_nM"})
    both = one.pairs.merge(swapped, on=["first_nM", "second_nM", "model"])
    raw = both["model"].isin(["hsa", "bliss"])
    np.testing.assert_allclose(both.loc[raw, "excess_percent_x"], both.loc[raw, "excess_percent_y"], atol=1e-9)


def test_a_well_without_a_value_does_not_count() -> None:
    frame = wells(2)
    frame.loc[(frame["first_nM"] == 10) & (frame["second_nM"] == 10), "inhibition"] = [np.nan, 0.5]
    pair = excess_of([matrix(frame)], draws=0).pairs.query("first_nM == 10 and second_nM == 10 and model == 'bliss'")
    assert pair["n_wells"].tolist() == [1]
    assert pair["inhibition_percent"].tolist() == [50.0]


def test_a_dose_without_single_wells_takes_the_curve_of_the_drug() -> None:
    frame = wells(2, noise=0.0)
    frame = frame[~((frame["first_nM"] == 100) & (frame["second_nM"] == 0))]
    pairs = excess_of([matrix(frame)], draws=0).pairs.query("model == 'bliss' and first_nM == 100")
    assert (pairs["status"] == "ok").all()
    assert pairs["excess_percent"].abs().max() < 2


def test_beyond_the_doses_of_the_single_wells_nothing_is_made_up() -> None:
    frame = wells()
    frame = frame[~((frame["first_nM"] == 10000) & (frame["second_nM"] == 0))]
    pairs = excess_of([matrix(frame)]).pairs.query("first_nM == 10000")
    assert set(pairs["status"]) == {"the first drug alone was not tested up or down to 10000 nM"}
    assert pairs[["expected_percent", "excess_percent", "lower_percent", "upper_percent"]].isna().all(axis=None)
    assert pairs["inhibition_percent"].notna().all()


def test_a_matrix_without_single_drug_wells_says_so() -> None:
    frame = wells()
    found = excess_of([matrix(frame[frame["second_nM"] > 0])])
    assert set(found.pairs["status"]) == {"no wells with the first drug alone"}
    sums = found.sums.query("measure in ('hsa', 'bliss')")
    assert set(sums["status"]) == {"no wells with the first drug alone"}
    assert set(sums["interaction"]) == {""}
    assert sums["value"].isna().all()


def test_a_single_ratio_design_has_what_single_wells_and_curves_give() -> None:
    frame = wells(2)
    ratio = frame[(frame["first_nM"] == 0) | (frame["second_nM"] == 0) | (frame["first_nM"] == frame["second_nM"])]
    found = excess_of([matrix(ratio)])
    status = found.pairs.groupby("model")["status"].agg(set).to_dict()
    assert status["hsa"] == status["bliss"] == status["loewe"] == {"ok"}
    assert all(text.startswith("needs the ") and "fewer than 3 doses" in text for text in status["zip"])
    sums = found.sums.set_index("measure")
    assert sums.loc[["hsa", "bliss", "loewe"], ["value", "lower", "upper"]].notna().all(axis=None)
    assert sums.loc[["zip", "css"], "value"].isna().all()
    assert sums.loc["css", "status"] == "CSS needs two doses with 3 doses of the other drug"


def test_one_dose_of_the_second_drug_gives_hsa_and_bliss_with_intervals() -> None:
    frame = wells(2)
    found = excess_of([matrix(frame[frame["second_nM"].isin([0, 100])])])
    rows = found.pairs.set_index("model")
    assert rows.loc[["hsa", "bliss"], ["excess_percent", "lower_percent", "upper_percent"]].notna().all(axis=None)
    reason = "the second drug alone has 1 dose; its curve needs 3"
    assert set(rows.loc["loewe", "status"]) == set(rows.loc["zip", "status"]) == {reason}


def test_the_sum_is_over_the_pairs_that_have_an_excess() -> None:
    frame = wells()
    found = excess_of([matrix(frame[~((frame["first_nM"] == 10000) & (frame["second_nM"] == 0))])])
    pairs = found.pairs.query("model == 'bliss' and status == 'ok'")
    assert len(pairs) == 20
    value = found.sums.set_index("measure").loc["bliss", "value"]
    assert value == pytest.approx(pairs["excess_percent"].mean())


def test_intervals_need_no_replicates_and_hold_the_excess() -> None:
    found = excess_of([matrix(wells(seed=seed)) for seed in range(3)], seed=1)
    of_wells = found.pairs[found.pairs["model"] != "zip"]
    width = of_wells["upper_percent"] - of_wells["lower_percent"]
    assert width.between(5, 80).all()
    sums = found.sums.query("measure == 'bliss'")
    assert ((sums["lower"] < 0) & (sums["upper"] > 0)).all()
    assert set(sums["interaction"]) == {"undecided"}


def test_what_a_matrix_is_told_does_not_depend_on_its_place() -> None:
    several = [matrix(wells(seed=seed)) for seed in range(3)]
    forth, back = excess_of(several).pairs, excess_of(several[::-1]).pairs
    forth, back = forth[forth["matrix"] == 0], back[back["matrix"] == 2]
    pd.testing.assert_frame_equal(
        forth.drop(columns="matrix").reset_index(drop=True),
        back.drop(columns="matrix").reset_index(drop=True),
        rtol=1e-6,
    )


def test_no_matrices_and_no_wells_give_empty_tables() -> None:
    assert excess_of([]).pairs.empty
    nothing = DoseMatrix(np.array([]), np.array([]), np.array([]))
    found = excess_of([nothing])
    assert found.pairs.empty
    assert set(found.sums["status"]) == {"no wells with both drugs"}


def test_a_broken_reading_is_named_and_leaves_the_other_matrices_alone() -> None:
    broken = wells()
    broken.loc[3, "inhibition"] = 1e9
    found = excess_of([matrix(broken), matrix(wells())])
    assert set(found.sums.loc[found.sums["matrix"] == 0, "status"]) == {
        "an inhibition of 1e+09 is a broken reading; mask the well"
    }
    assert set(found.sums.loc[found.sums["matrix"] == 1, "status"]) == {"ok"}


def test_drugs_that_let_cells_grow_have_an_excess_too() -> None:
    frame = wells(noise=0.0)
    falls = -0.3 * frame["first_nM"] / (frame["first_nM"] + 80.0)
    rises = 0.9 * frame["second_nM"] / (frame["second_nM"] + 300.0)
    frame["inhibition"] = falls + rises
    sums = excess_of([matrix(frame)]).sums.set_index("measure")
    assert sums.loc["loewe", "value"] == pytest.approx(0.0, abs=2)
    assert (sums["lower"] <= sums["value"]).all()
    assert (sums["value"] <= sums["upper"]).all()


def test_two_drugs_without_effect_are_not_called_antagonistic() -> None:
    inert = []
    for seed in range(12):
        frame = wells(seed=seed)
        frame["inhibition"] = 0.05 * np.random.default_rng(seed).standard_normal(len(frame))
        inert.append(matrix(frame))
    sums = excess_of(inert).sums.set_index("measure")
    for model in ("hsa", "bliss", "loewe", "zip"):
        assert (sums.loc[model, "interaction"] == "undecided").sum() >= 10
    middle = (sums.loc["hsa", "lower"] + sums.loc["hsa", "upper"]) / 2
    assert abs(middle.mean()) < abs(sums.loc["hsa", "value"].mean())


def test_bad_input_is_said_in_one_sentence() -> None:
    ones = np.ones(2)
    with pytest.raises(InputError, match="one value of each for every well"):
        DoseMatrix(ones, ones, np.ones(3))
    with pytest.raises(InputError, match="first_nM has -1"):
        DoseMatrix(-ones, ones, ones)
    with pytest.raises(InputError, match="second_nM has nan"):
        DoseMatrix(ones, np.nan * ones, ones)
    with pytest.raises(InputError, match="draws -1"):
        excess_of([], draws=-1)


def test_a_broken_reading_changes_nothing_in_the_matrices_beside_it() -> None:
    doses = np.array([0.0, 10.0, 100.0, 1000.0])
    first, second = (grid.ravel() for grid in np.meshgrid(doses, doses))
    values = 1 - 1 / (1 + first / 50) / (1 + second / 90)
    broken = values.copy()
    broken[5] = 1e298
    sound = DoseMatrix(first, second, values)
    alone = excess_of([sound], draws=50).sums
    beside = excess_of([sound, DoseMatrix(first, second, broken)], draws=50).sums
    pd.testing.assert_frame_equal(beside[beside["matrix"] == 0], alone)
    assert beside.loc[beside["matrix"] == 1, "status"].str.contains("broken reading").all()
