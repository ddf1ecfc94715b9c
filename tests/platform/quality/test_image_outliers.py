"""Strange images: spoilt wells stand out, new phenotypes that a replicate shares do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.names import well_name
from phenodose.quality.gates import Limits
from phenodose.quality.image_features import image_features
from phenodose.quality.image_outliers import image_distances, image_outliers
from phenodose.quality.wells import checked_viability
from phenodose.settings.quality import WellSettings, resolve_limits
from phenodose.simulation.in_memory import simulate_in_memory
from phenodose.simulation.spoilt_images import SPOILT, spoil
from phenodose.viability.controls import Controls, choose_controls

LIMIT = Limits.most_image_distance
DOSES_NM = (1.0, 10.0, 100.0, 1000.0, 10000.0)
N_FEATURES = 12


def layout(drugs: int = 8, replicates: int = 2) -> pd.DataFrame:
    """Ten neg and ten pos wells, and drugs in five doses and several replicates."""
    rows: list[tuple[object, ...]] = [("neg", "DMSO", None, 1)] * 10 + [("pos", "STS", None, 1)] * 10
    rows += [("therapy", f"D{d}", dose, r + 1) for d in range(drugs) for dose in DOSES_NM for r in range(replicates)]
    frame = pd.DataFrame(rows, columns=["well_type", "treatment", "concentration_nM", "replicate"])
    place = np.arange(len(frame))
    frame = frame.assign(plate="P1", sample="S", add_on=None, row=[chr(65 + n // 20) for n in place])
    frame["column"] = place % 20 + 1
    frame["well"] = [well_name(row, column) for row, column in zip(frame["row"], frame["column"], strict=True)]
    return frame.assign(concentration_nM=frame["concentration_nM"].astype(float))


def controls_of(wells: pd.DataFrame) -> Controls:
    return choose_controls(wells, ("neg",), ("pos",), "test")


def features_of(wells: pd.DataFrame, seed: int = 0, step: float = 8.0) -> np.ndarray:
    """Untreated around 0, killed far along the first axis; drugs kill with rising dose, each in its own direction."""
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 1, (len(wells), N_FEATURES))
    found[(wells["well_type"] == "pos").to_numpy(), 0] += 30
    for drug, rows in wells[wells["well_type"] == "therapy"].groupby("treatment"):
        axis = int(str(drug)[1:]) % N_FEATURES
        found[rows.index, axis] += step * np.log10(rows["concentration_nM"].to_numpy())
    return found


def place_of(wells: pd.DataFrame, drug: str, dose: float, replicate: int = 1) -> int:
    chosen = (wells["treatment"] == drug) & (wells["concentration_nM"] == dose) & (wells["replicate"] == replicate)
    return int(wells.index[chosen][0])


@pytest.mark.parametrize("seed", range(4))
def test_drugs_that_look_like_nothing_else_are_not_strange_if_a_replicate_agrees(seed: int) -> None:
    wells = layout()
    distance = image_distances(features_of(wells, seed), wells, controls_of(wells), LIMIT)
    assert np.isfinite(distance).all()
    assert distance.max() < LIMIT
    # in units of the typical distance of two controls the nearest are nearer than that
    assert 0.4 < np.median(distance[:20]) <= 1


def test_one_that_stands_alone_is_strange_and_its_replicate_is_not() -> None:
    wells = layout()
    features = features_of(wells)
    place = place_of(wells, "D3", 100.0)
    features[place, 7] -= 60
    distance, told = image_outliers({"features": features}, wells, controls_of(wells), LIMIT)
    assert list(told) == [place]
    assert distance[place] > 5
    assert "the image is strange by its features" in told[place]
    assert f"({LIMIT:g} is the limit)" in told[place]


def test_a_drug_with_a_spoilt_replicate_is_vouched_for_by_its_neighbouring_doses() -> None:
    wells = layout(drugs=1)
    features = features_of(wells)
    spoilt = place_of(wells, "D0", 100.0, replicate=2)
    features[spoilt, 5] += 80
    assert list(image_outliers({"f": features}, wells, controls_of(wells), LIMIT)[1]) == [spoilt]


def test_several_wells_with_the_same_fault_do_not_vouch_for_each_other() -> None:
    wells = layout()
    features = features_of(wells)
    spoilt = [place_of(wells, drug, 10.0) for drug in ("D1", "D2", "D4", "D6")] + [3, 14]
    features[spoilt] = np.random.default_rng(5).normal(0, 0.3, (len(spoilt), N_FEATURES))
    features[spoilt, 9] = 70.0
    assert sorted(image_outliers({"f": features}, wells, controls_of(wells), LIMIT)[1]) == sorted(spoilt)


def test_a_screen_without_replicates_goes_by_its_doses() -> None:
    wells = layout(replicates=1)
    features = features_of(wells, step=4.0)
    place = place_of(wells, "D5", 100.0)
    features[place, 2] -= 90
    assert list(image_outliers({"f": features}, wells, controls_of(wells), LIMIT)[1]) == [place]


def test_nothing_is_said_without_images_or_controls() -> None:
    wells = layout()
    features = features_of(wells)
    features[30:40] = np.nan
    distance = image_distances(features, wells, controls_of(wells), LIMIT)
    assert np.isnan(distance[30:40]).all()
    assert np.isfinite(distance[40:]).all()
    few = features.copy()
    few[3:10] = np.nan  # three untreated wells are left
    assert np.isnan(image_distances(few, wells, controls_of(wells), LIMIT)).all()
    assert np.isnan(image_distances(np.ones_like(features), wells, controls_of(wells), LIMIT)).all()
    assert np.isnan(image_outliers({}, wells, controls_of(wells), LIMIT)[0]).all()


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.floats(0.01, 100), st.integers(0, 5))
def test_distances_do_not_depend_on_scale_turn_or_order(seed: int, scale: float, shuffle: int) -> None:
    wells = layout(drugs=3)
    features = features_of(wells, seed)
    features[25, 3] += 50
    plain = image_distances(features, wells, controls_of(wells), LIMIT)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(N_FEATURES, N_FEATURES)))
    order = np.random.default_rng(shuffle).permutation(len(wells))
    mixed = wells.iloc[order].reset_index(drop=True)
    other = image_distances(scale * features[order] @ turn + 5.0, mixed, controls_of(mixed), LIMIT)
    np.testing.assert_allclose(other, plain[order], rtol=1e-6)


def test_a_strange_image_is_a_flag_that_can_be_masked() -> None:
    wells = layout()
    rng = np.random.default_rng(1)
    dose = wells["concentration_nM"].fillna(1).to_numpy()
    truth = np.where(wells["well_type"] == "pos", 0.0, np.where(wells["well_type"] == "neg", 1.0, 1 / (1 + dose / 100)))
    raw = wells[["plate", "row", "column"]].assign(raw=0.2 + 0.6 * truth + rng.normal(0, 0.01, len(wells)))
    features = features_of(wells)
    place = place_of(wells, "D2", 10.0)
    features[place, 4] -= 70
    views = {"network's features": features}
    proposed = checked_viability(raw, wells, controls_of(wells), views=views)
    assert list(proposed.index[proposed["flag"].notna()]) == [place]
    assert proposed.loc[place, "flag"] == "strange_image"
    assert not proposed["masked"].any()
    assert proposed.loc[place, "image_distance"] > LIMIT
    limits = resolve_limits(screen_wells=WellSettings(mask=("strange_image",)))
    masked = checked_viability(raw, wells, controls_of(wells), limits=limits, views=views)
    assert list(masked.index[masked["masked"]]) == [place]
    assert masked.loc[place, "mask_reason"].startswith("flagged strange_image: the image is strange by its network's")
    patient = resolve_limits(site_wells=WellSettings(most_image_distance=1000))
    assert checked_viability(raw, wells, controls_of(wells), limits=patient, views=views)["flag"].isna().all()


def spoilt_screen(morphology: str, seed: int) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Figures, layout and fault ('' for none) of a simulated screen with three wells of each fault."""
    types = ("neg", "pos", "therapy", "BzCl", "untreated")
    screen = simulate_in_memory(
        "S_V1_DS1", morphology=morphology, seed=seed, plates=2, drugs=8, size_px=64, well_types=types
    )
    rng = np.random.default_rng(seed)
    images, fault = screen.tensors.to_numpy().copy(), np.full(len(screen.layout), "", dtype=object)
    for number, well in enumerate(rng.permutation(len(fault))[: 3 * len(SPOILT)]):
        fault[well] = SPOILT[number % len(SPOILT)]
        mip, mid = spoil(images[well].transpose(2, 0, 1)[:2], fault[well], rng)
        images[well] = np.stack([mip, mid, mip], axis=-1)
    tensors = screen.tensors.copy(data=images).assign_coords(channel=["MIP", "MID", "MIP"])
    return image_features(tensors), screen.layout, fault


#: Seed of the simulated screen of every morphology.
SEEDS = {"rounded": 40, "detaching": 41, "fragmenting": 42, "swelling": 43}


@pytest.mark.parametrize(
    "morphologies", [("rounded", "fragmenting"), pytest.param(tuple(SEEDS), marks=pytest.mark.slow)]
)
def test_spoilt_wells_of_simulated_screens_are_found_and_sound_ones_left_alone(morphologies: tuple[str, ...]) -> None:
    found, faults = [], []
    for morphology in morphologies:
        figures, wells, fault = spoilt_screen(morphology, SEEDS[morphology])
        controls = choose_controls(wells, ("neg",), ("Staurosporine", "pos"), "test")
        found.append(image_distances(figures, wells, controls, LIMIT) > LIMIT)
        faults.append(fault)
    flagged, fault = np.concatenate(found), np.concatenate(faults)
    assert flagged[fault == ""].mean() <= 0.02
    assert flagged[fault == "empty"].all()
    assert flagged[np.isin(fault, ["fibre", "blurred", "half"])].mean() >= 0.85
