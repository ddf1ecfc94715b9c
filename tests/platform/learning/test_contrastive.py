"""Pre-training without labels: its loss is the papers', replicates are partners, and a kill loses nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phenodose.learning.augment import Augmentation
from phenodose.learning.backbones import LOGITS, Architecture, build, initialise
from phenodose.learning.contrastive import Contrastive, batches_of, contrastive_sums, partners_of, pretrain
from phenodose.learning.pace import Load, Pace
from phenodose.learning.training import Plan, drop_resume_point, fit
from phenodose.learning.training_sets import training_set
from phenodose.plugins import TrainingSet
from phenodose.training_records import UnlabelledWells
from phenodose.viability.controls import Controls
from phenodose_readouts.cnn import CnnReadout

MICRO = Architecture.of("micro", (16, 16, 3), (4, 8), (8,), "average")
HOW = Contrastive(epochs=3, batch_size=8, temperature=0.2, learning_rate=3e-3)
PLAN = Plan(
    phase="phase2",
    backbone="micro",
    epochs=2,
    learning_rate=1e-3,
    batch_size=4,
    label_smoothing=0.4,
    augmentation=Augmentation(),
    mixup_fraction=0.0,
    seed=0,
    contrastive=HOW,
)


def by_the_papers(projected: np.ndarray, alike: np.ndarray, temperature: float) -> float:
    """Sum over views of equation 2 of Khosla et al., written out."""
    z = projected.astype(np.float64)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    n, well, total = len(z), np.tile(np.arange(len(alike)), 2), 0.0
    kind = np.tile(alike, 2)
    for i in range(n):
        others = [a for a in range(n) if a != i]
        whole = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
        partners = [p for p in others if well[p] == well[i] or (kind[p] == kind[i] and kind[i] >= 0)]
        total -= np.mean([np.log(np.exp(z[i] @ z[p] / temperature) / whole) for p in partners])
    return float(total)


@pytest.mark.parametrize("alike", [[-1, -1, -1, -1, -1], [0, 0, 1, -1, 0]], ids=["NT-Xent", "with replicates"])
def test_the_loss_is_that_of_the_papers_and_fillings_count_nothing(alike: list[int]) -> None:
    kinds = np.array(alike)
    projected = np.random.default_rng(0).normal(size=(10, 6)).astype(np.float32)
    expected = by_the_papers(projected, kinds, 0.3)
    wanted, weights = partners_of(kinds), np.ones(10, dtype=np.float32)
    found = np.asarray(contrastive_sums(projected, wanted, weights, 0.3))
    assert found[0] == pytest.approx(expected, rel=1e-5)
    filled = np.concatenate([projected, np.full((2, 6), 9, np.float32)])
    more = np.asarray(contrastive_sums(filled, np.pad(wanted, (0, 2)), np.pad(weights, (0, 2)), 0.3))
    np.testing.assert_allclose(more, found, rtol=1e-5)


def test_views_that_lie_with_their_partners_have_all_answers_right() -> None:
    place = np.tile(np.eye(4, dtype=np.float32), (2, 1))
    loss, right = np.asarray(contrastive_sums(place, partners_of(np.full(4, -1)), np.ones(8, np.float32), 0.1))
    assert right == 8
    assert loss < 0.01


def test_every_well_is_seen_once_an_epoch_and_replicates_in_one_step() -> None:
    alike = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, -1, -1, -1, -1, -1])
    orders = [batches_of(alike, 8, np.random.default_rng(seed)) for seed in range(5)]
    for steps in orders:
        assert sorted(np.concatenate(steps)) == list(range(16))
        assert [len(step) for step in steps] == [8, 8]
    together = sum(len(set(np.flatnonzero(alike == 0)) & set(step)) == 2 for steps in orders for step in steps)
    assert together >= 3  # a pair may be cut where a step ends
    assert any((a[0] != b[0]).any() for a, b in pairwise(orders))


def wells(n: int = 20) -> TrainingSet:
    """Ten kinds of wells, each a texture of its own that two wells show at random places; eight controls."""
    rng = np.random.default_rng(0)
    alike = np.arange(n) // 2
    x = np.mgrid[:16, :16][1]
    images = np.stack([0.3 + 0.2 * np.sin((0.3 + 0.12 * kind) * x + rng.uniform(0, 6)) for kind in alike])
    images = np.repeat((images + rng.normal(0, 0.02, images.shape))[..., None], 3, axis=-1).astype(np.float32)
    labels = (np.arange(8) % 2).astype(np.float32)
    named = tuple(f"P1/B{i:02d}" for i in range(8))
    return TrainingSet(
        images[:8], labels, np.ones(8, bool), np.zeros(8, bool), named, unlabelled=UnlabelledWells(images, alike)
    )


def new_network() -> Any:
    network = build(MICRO)
    initialise(network, MICRO, "none", 0)
    return network


def test_a_network_learns_to_know_wells_again_and_its_logits_stay(tmp_path: Path) -> None:
    network, plan = new_network(), replace(PLAN, contrastive=replace(HOW, epochs=12))
    before = network.get_layer(LOGITS).get_weights()
    history = pretrain(network, wells(), plan)
    assert len(history) == 12
    assert history[-1]["loss"] < history[0]["loss"] - 0.2
    np.testing.assert_array_equal(network.get_layer(LOGITS).get_weights()[0], before[0])


def test_a_killed_training_ends_with_the_same_bits_whenever_it_was_killed(tmp_path: Path) -> None:
    def trained(work: Path | None, kill_at: str = "") -> list[np.ndarray]:
        network = new_network()

        def listen(done: int, total: int, message: str) -> None:
            if kill_at and kill_at in message:
                raise KeyboardInterrupt

        how: dict[str, Any] = {"work": work, "resume_every_s": 0.0, "progress": listen}
        fit(network, wells(), PLAN, **how, before=lambda: pretrain(network, wells(), PLAN, **how))
        return list(network.get_weights())

    whole = trained(None)
    for kill_at in ("contrastive epoch 2", "loss"):  # the second: after the first epoch of the training itself
        work = tmp_path / kill_at
        with pytest.raises(KeyboardInterrupt):
            trained(work, kill_at if "contrastive" in kill_at else "phase2: loss")
        again = trained(work)
        for one, other in zip(whole, again, strict=True):
            np.testing.assert_array_equal(one, other)
        drop_resume_point(work)
        assert list(work.iterdir()) == []


def test_all_imaged_wells_are_given_and_who_is_like_whom() -> None:
    rows = [("neg", "DMSO", None)] * 3 + [("pos", "STS", 250.0)] * 3 + [("therapy", "A", 10.0), ("therapy", "A", 10.0)]
    rows += [("therapy", "A", 99.0), ("empty", None, None), ("exclude", "B", 1.0)]
    layout = pd.DataFrame(rows, columns=["well_type", "treatment", "concentration_nM"])
    layout = layout.assign(plate="P1", row="B", column=np.arange(2, 2 + len(rows)), replicate=1, add_on=None)
    layout["well"] = [f"B{column:02d}" for column in layout["column"]]
    images = np.full((len(rows), 4, 4, 3), 9, dtype=np.uint16)
    tensors = xr.DataArray(
        images, dims=("well", "y", "x", "channel"), coords={"well": [f"P1/{well}" for well in layout["well"]]}
    )
    kind = layout["well_type"].to_numpy()
    controls = Controls(kind == "neg", kind == "pos", "neg", "pos")
    phase = replace(CnnReadout.phase("phase2"), validation_wells_per_class=1)
    data = training_set(phase, tensors, layout, controls, unlabelled=True)
    assert data.unlabelled is not None
    alike = data.unlabelled.alike.tolist()
    assert len(data.unlabelled.images) == 10
    assert alike[0] == alike[3] == alike[9] == -1  # held out, held out, and a well that holds nothing
    assert alike[1] == alike[2] != alike[4] == alike[5]
    assert alike[6] == alike[7] != alike[8]
    assert len(set(alike) - {-1}) == 4
    assert training_set(phase, tensors, layout, controls).unlabelled is None


def test_the_time_that_is_said_includes_it() -> None:
    pace = Pace(step_s=0.4, image_s=0.0, copy_s=0.0)
    alone, with_it = Load(5, 10, 0), Load(5, 10, 0, before=200, batch_size=4)
    assert with_it.seconds(pace) == pytest.approx(alone.seconds(pace) + 200 / 4 * 0.4)
    assert "after 200 images of pre-training" in with_it.text(pace)
