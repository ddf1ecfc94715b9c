"""The map that screens share: like phenotypes of different patients lie close, and no screen moves another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.errors import NotMade
from phenodose.learning.training_sets import training_set
from phenodose.plugins import Inference, WellFeatures, registry
from phenodose.simulation.in_memory import ScreenInMemory, simulate_in_memory
from phenodose.viability.controls import choose_controls
from phenodose_readouts.cnn import CnnReadout

SMALL: dict[str, Any] = {
    **CnnReadout.small_parameters(),
    "micro_dense": (32,),
    "epochs_phase1": 20,
    "inference_copies": 2,
}
#: Patients of different morphology, brightness and size of spheroids.
PATIENTS = {"A_V1_DS1": ("rounded", 3), "B_V1_DS1": ("detaching", 4)}


def simulated(screen: str, morphology: str = "rounded", seed: int = 1, **options: Any) -> ScreenInMemory:
    return simulate_in_memory(screen, morphology=morphology, seed=seed, plates=2, size_px=48, **options)


def seen(made: ScreenInMemory, said: Inference) -> WellFeatures:
    controls = choose_controls(made.layout, ("neg",), ("Staurosporine", "pos"), "test")
    return WellFeatures(said.features, controls.negative, controls.positive)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[CnnReadout, Path, WellFeatures]:
    """A phase I, and what it says of the control experiment that taught it."""
    folder = tmp_path_factory.mktemp("shared") / "phase1"
    readout = CnnReadout(SMALL)
    experiment = simulated("C_CE", kind="control-experiment", control_wells=60)
    controls = choose_controls(experiment.layout, ("neg",), ("pos",), "test")
    phase = readout.phase("phase1")
    readout.train(phase, training_set(phase, experiment.tensors, experiment.layout, controls), None, folder)
    return readout, folder, seen(experiment, readout.infer(folder, experiment.tensors))


@pytest.fixture(scope="module")
def maps(network: tuple[CnnReadout, Path, WellFeatures]) -> dict[str, pd.DataFrame]:
    """Places of both patients' wells with their phenotype: alive, or killed by staurosporine."""
    readout, folder, reference = network
    found = {}
    for screen, (morphology, seed) in PATIENTS.items():
        made = simulated(screen, morphology, seed, drugs=3)
        places = (
            registry().create("embedder", "shared").embed_on(reference, seen(made, readout.infer(folder, made.tensors)))
        )
        kind = made.layout["well_type"].to_numpy()
        alive = (kind == "neg") | ((kind == "therapy") & (made.viability > 0.95))
        phenotype = np.where(alive, "alive", np.where(kind == "pos", "killed", ""))
        found[screen] = pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "phenotype": phenotype})
    return found


def test_like_phenotypes_of_different_patients_lie_closer_than_different_ones(maps: dict[str, pd.DataFrame]) -> None:
    a, b = (frame[frame["phenotype"] != ""] for frame in maps.values())
    apart = np.linalg.norm(a[["x", "y"]].to_numpy()[:, None] - b[["x", "y"]].to_numpy()[None], axis=-1)
    alike = a["phenotype"].to_numpy()[:, None] == b["phenotype"].to_numpy()[None]
    assert np.median(apart[alike]) < 0.5 * np.median(apart[~alike])
    # the nearest well of the other patient has the same phenotype
    nearest = b["phenotype"].to_numpy()[apart.argmin(axis=1)]
    assert (nearest == a["phenotype"].to_numpy()).mean() > 0.9


def test_untreated_cells_of_both_patients_lie_in_one_place(maps: dict[str, pd.DataFrame]) -> None:
    medians = [frame.loc[frame["phenotype"] == "alive", ["x", "y"]].median() for frame in maps.values()]
    spread = np.concatenate([frame[["x", "y"]].to_numpy() for frame in maps.values()]).std(axis=0)
    assert np.linalg.norm((medians[0] - medians[1]) / spread) < 0.5


def made_up(seed: int, shift: float = 0.0) -> WellFeatures:
    rng = np.random.default_rng(seed)
    kind = np.arange(40) % 2 == 0
    features = rng.normal(0, 1, (40, 6)) + shift
    features[kind, 1] += 9
    return WellFeatures(features.astype(np.float32), kind, ~kind)


def test_a_shift_of_the_whole_screen_is_taken_out_unless_told_otherwise() -> None:
    reference, screen = made_up(0), made_up(1)
    shifted = WellFeatures(screen.features + np.float32(5), screen.negative, screen.positive)
    aligned = registry().create("embedder", "shared")
    np.testing.assert_allclose(aligned.embed_on(reference, shifted), aligned.embed_on(reference, screen), atol=1e-4)
    plain = registry().create("embedder", "shared", {"align": "none"})
    assert np.abs(plain.embed_on(reference, shifted) - plain.embed_on(reference, screen)).max() > 1


def test_sphering_sees_every_screen_from_its_own_untreated_cells() -> None:
    reference, screen = made_up(0), made_up(1)
    wider = WellFeatures(3 * screen.features + np.float32(5), screen.negative, screen.positive)
    sphering = registry().create("embedder", "shared", {"align": "sphering"})
    places = sphering.embed_on(reference, screen)
    np.testing.assert_allclose(sphering.embed_on(reference, wider), places, atol=1e-4)
    untreated, killed = (np.median(places[kind], axis=0) for kind in (screen.negative, screen.positive))
    assert np.linalg.norm(untreated - killed) > 3 * places[screen.negative].std(axis=0).max()
    few = np.arange(40) < 5
    with pytest.raises(NotMade, match="3 negative controls have an image, and sphering needs 4"):
        sphering.embed_on(reference, WellFeatures(screen.features[few], screen.negative[few], screen.positive[few]))


def test_a_well_lies_where_it_lies_whichever_other_wells_are_placed() -> None:
    reference, screen = made_up(0), made_up(1)
    few = np.flatnonzero(screen.negative | (np.arange(40) < 9))
    embedder = registry().create("embedder", "shared")
    part = WellFeatures(screen.features[few], screen.negative[few], screen.positive[few])
    np.testing.assert_allclose(embedder.embed_on(reference, part), embedder.embed_on(reference, screen)[few], atol=1e-9)


def test_what_has_no_axes_or_no_untreated_cells_says_why() -> None:
    reference, screen = made_up(0), made_up(1)
    nothing = np.zeros(40, dtype=bool)
    embedder = registry().create("embedder", "shared")
    with pytest.raises(NotMade, match="0 control wells with images"):
        embedder.embed_on(WellFeatures(reference.features, nothing, nothing), screen)
    with pytest.raises(NotMade, match="align = 'none'"):
        embedder.embed_on(reference, WellFeatures(screen.features, nothing, screen.positive))
