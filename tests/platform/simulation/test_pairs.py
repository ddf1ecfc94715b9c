"""Simulated pairs of drugs: whole matrices on plates, and a truth that fits the wells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.errors import InputError
from phenodose.screens.layout import read_layout
from phenodose.simulation import SimulatedScreen, simulate_screen
from phenodose.simulation.pairs import PAIRS_A_PLATE, pair_plates, simulated_pairs, truth_rows

SMALL = {"plates": 1, "drugs": 1, "size_px": 48, "planes": 1}


def test_a_pair_stands_in_duplicate_alone_and_in_every_pair_of_doses() -> None:
    pairs = simulated_pairs(PAIRS_A_PLATE + 1, seed=3)
    wells = pair_plates(pairs, after=2, rng=np.random.default_rng(1))
    assert sorted({well.plate for well in wells}) == ["P3", "P4"]
    held = pd.DataFrame([vars(well.content) | {"plate": well.plate} for well in wells])
    for pair in pairs:
        both = held[(held["treatment"] == pair.drug) & (held["add_on"] == pair.add_on)]
        assert len(both) == 2 * 25
        assert len(both["plate"].unique()) == 1
        for name in (pair.drug, pair.add_on):
            alone = held[(held["treatment"] == name) & held["add_on"].isna()]
            assert len(alone) == 2 * 5
            assert alone["plate"].unique().tolist() == both["plate"].unique().tolist()
    for _, plate in held.groupby("plate"):
        assert (plate["well_type"] == "neg").sum() == 10
        assert (plate["well_type"] == "pos").sum() == 8
        assert len(plate) == 384


def test_the_truth_of_a_kind_is_what_its_model_expects() -> None:
    columns = ["drug", "add_on", "kind", "first", "second", "inhibition", "model", "expected", "excess"]
    truth = pd.DataFrame(truth_rows(simulated_pairs(4, seed=3)), columns=columns)
    assert truth.groupby("drug")["kind"].first().tolist() == ["bliss", "loewe", "synergy", "antagonism"]
    for kind in ("bliss", "loewe"):
        own = truth[(truth["kind"] == kind) & (truth["model"] == kind)]
        assert own["excess"].abs().max() < 1e-6
    mean = truth[truth["model"] == "bliss"].groupby("kind")["excess"].mean()
    assert mean["synergy"] > 0 > mean["antagonism"]


def test_one_seed_is_one_sample() -> None:
    one, two = (list(truth_rows(simulated_pairs(2, seed=5))) for _ in range(2))
    assert one == two
    assert one != list(truth_rows(simulated_pairs(2, seed=6)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedScreen:
    """A screen with a pair of every kind."""
    return simulate_screen(tmp_path_factory.mktemp("with") / "S_V1_DS1", pairs=4, **SMALL)  # type: ignore[arg-type]


def test_a_screen_with_pairs_says_the_second_drug_and_leaves_the_other_plates_as_they_are(made, tmp_path) -> None:
    plain = simulate_screen(tmp_path / "S_V1_DS1", **SMALL)  # type: ignore[arg-type]
    assert made.n_pairs == 4
    assert made.plates == ("P1", "P2", "P3")
    layout = read_layout(made.folder / "layout.xlsx").frame
    both = layout[layout["add_on"].notna()]
    assert len(both) == 4 * 50
    assert (both["add_on_concentration_nM"] > 0).all()
    truth = pd.read_csv(made.folder / "truth_wells.csv")
    pairs = pd.read_csv(made.folder / "truth_pairs.csv")
    wells = truth[truth["add_on"].notna()].merge(
        pairs[pairs["model"] == "bliss"],
        left_on=["drug", "dose_nM", "add_on", "add_on_dose_nM"],
        right_on=["drug", "concentration_nM", "add_on", "add_on_concentration_nM"],
    )
    assert len(wells) == 4 * 50, "every well has its truth"
    assert (100 * (1 - wells["viability_fraction"]) - wells["inhibition_percent"]).abs().max() < 15
    assert (made.folder / "ctg" / "S_V1_DS1_P1.xlsx").read_bytes() == (
        plain.folder / "ctg" / "S_V1_DS1_P1.xlsx"
    ).read_bytes()
    assert "AddOnConcentration" not in pd.read_excel(plain.folder / "layout.xlsx", engine="openpyxl")


def test_what_is_simulated_is_scored_and_the_truth_lies_within_the_intervals(made, tmp_path) -> None:
    places = {name: tmp_path / f"{name}.csv" for name in ("out", "combinations", "dose-pairs")}
    files = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    folder = made.folder
    with pytest.raises(SystemExit) as ended:
        main(["score", "--layout", str(folder / "layout.xlsx"), "--readouts", str(folder / "ctg"), *files])
    assert ended.value.code == 0
    truth = pd.read_csv(folder / "truth_pairs.csv")
    means = truth.groupby(["drug", "add_on", "kind", "model"])["excess_percent"].mean().rename("true").reset_index()
    found = pd.read_csv(places["combinations"]).merge(
        means, left_on=["drug", "add_on", "measure"], right_on=["drug", "add_on", "model"]
    )
    assert len(found) == 4 * 3
    held = (found["lower"] <= found["true"]) & (found["true"] <= found["upper"])
    assert held.sum() >= 11
    said = found.set_index(["kind", "measure"])["interaction"]
    assert said["bliss", "bliss"] == "undecided"
    assert said["loewe", "loewe"] == "undecided"
    assert said["synergy", "loewe"] == "synergy"
    doses = pd.read_csv(places["dose-pairs"])
    assert len(doses.drop_duplicates(["drug", "concentration_nM", "add_on_concentration_nM"])) == 4 * 25


def test_a_control_experiment_has_no_pairs(tmp_path) -> None:
    with pytest.raises(InputError, match="a control experiment has no drugs"):
        simulate_screen(tmp_path / "S_CE", kind="control-experiment", pairs=1)
    with pytest.raises(InputError, match="pairs -1: take at least 0"):
        simulate_screen(tmp_path / "S_DS1", pairs=-1)
