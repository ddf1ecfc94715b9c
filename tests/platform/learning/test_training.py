"""The training loop: targets, figures, sameness from run to run, and going on after a kill."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from phenodose.errors import CheckpointError
from phenodose.learning import batches
from phenodose.learning.augment import Augmentation
from phenodose.learning.backbones import BACKBONES, Architecture, build, initialise
from phenodose.learning.intensity import IntensityMode
from phenodose.learning.preprocess import network_input
from phenodose.learning.training import Plan, auroc, drop_resume_point, fit, inputs_hash, least_loss, targets
from phenodose.plugins import TrainingSet

MICRO = Architecture.of("micro", (16, 16, 3), widths=(4, 4), dense=(4,))
PLAN = Plan(
    phase="phase1",
    backbone="micro",
    epochs=4,
    learning_rate=1e-3,
    batch_size=4,
    label_smoothing=0.4,
    augmentation=Augmentation(),
    mixup_fraction=0.5,
    seed=0,
)


def wells(n: int = 14, seed: int = 0) -> TrainingSet:
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 2).astype(np.float32)
    validation = np.zeros(n, dtype=bool)
    validation[:2] = True
    images = rng.random((n, 16, 16, 3), dtype=np.float32) * (0.2 + 0.2 * labels[:, None, None, None])
    return TrainingSet(images, labels, np.ones(n, dtype=bool), validation, tuple(f"P1/B{i:02d}" for i in range(n)))


def new_network(seed: int = 0, precision: str = "float32") -> Any:
    network = build(MICRO, precision)
    initialise(network, MICRO, "none", seed)
    return network


def trained(
    plan: Plan = PLAN, data: TrainingSet | None = None, precision: str = "float32", **more: Any
) -> tuple[list[np.ndarray], Any]:
    network = new_network(precision=precision)
    history = fit(network, wells() if data is None else data, plan, **more)
    return network.get_weights(), history


@cache
def usually_trained() -> tuple[list[np.ndarray], Any]:
    """What `trained` gives without arguments; for reading only."""
    return trained()


#: In mixed precision and with a rate that falls, so that a killed training has all that it may have to remember.
FALLING = replace(PLAN, learning_rate_decay="cosine")


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_the_learning_rate_falls_along_a_half_cosine_if_told(precision: str) -> None:
    """The first epoch is the same with and without decay, and the next is not.

    In mixed precision the rate is told to another optimiser; the killed training below ends alike only if it is.
    """
    told: list[float] = []

    class Listener:
        def __call__(self, done: int, total: int, message: str) -> None: ...

        def epoch(self, done: int, total: int, message: str, figures: Any) -> None:
            told.append(figures["learning_rate"])

    network = new_network(precision=precision)
    falling = fit(network, wells(), FALLING, progress=Listener())
    assert told == pytest.approx([1e-3 * 0.5 * (1 + np.cos(np.pi * epoch / 4)) for epoch in range(4)])
    assert float(network.optimizer.learning_rate) == pytest.approx(told[-1])
    assert replace(PLAN, batch_size=4, adam_as_batch_1=True).learning_rate_in(3) == pytest.approx(2e-3)
    if precision == "float32":
        _, constant = usually_trained()
        assert falling[0] == constant[0]
        assert falling[1]["loss"] != constant[1]["loss"]


def test_controls_are_trained_to_0_8_and_0_2_so_that_no_loss_is_below_0_50040() -> None:
    wanted = targets(wells(), 0.4)
    np.testing.assert_allclose(np.unique(wanted), [0.2, 0.8], rtol=1e-6)
    assert wanted[1].tolist() == pytest.approx([0.2, 0.8])  # a negative control: (pos, neg)
    assert least_loss(wanted) == pytest.approx(0.50040, abs=5e-6)


def test_the_least_loss_of_the_paper_follows_from_its_labels_alone() -> None:
    """Whatever the number of wells of each class: the entropy of (0.8, 0.2) in nats."""
    for negative, positive in ((88, 102), (27, 21), (1, 0)):
        labels = np.repeat(np.array([1, 0], np.float32), (negative, positive))
        n = len(labels)
        data = TrainingSet(np.zeros((n, 1, 1, 3), np.float32), labels, np.ones(n, bool), np.zeros(n, bool), ("",) * n)
        assert least_loss(targets(data, 0.4)) == pytest.approx(0.5004024, abs=5e-8)


def test_labels_of_drug_wells_are_not_smoothed_again() -> None:
    data = replace(wells(2), labels=np.array([1.0, 0.7], np.float32), is_control=np.array([True, False]))
    np.testing.assert_allclose(targets(data, 0.4)[:, 1], [0.8, 0.7], rtol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
def test_auroc_is_the_chance_that_a_negative_control_lies_above_a_positive_one(pairs: list[tuple[int, bool]]) -> None:
    viability = np.array([value for value, _ in pairs], dtype=np.float64)
    negative = np.array([is_negative for _, is_negative in pairs])
    area = auroc(viability, negative)
    if negative.all() or not negative.any():
        assert area is None
        return
    above = viability[negative][:, None] - viability[~negative][None, :]
    assert area == pytest.approx(np.mean((above > 0) + 0.5 * (above == 0)))


def test_the_same_training_gives_the_same_bits() -> None:
    first, history = usually_trained()
    again, history_again = trained()
    assert history == history_again
    for mine, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert set(history[0]) == {"loss", "accuracy", "validation_loss", "validation_accuracy"}
    other_seed, _ = trained(replace(PLAN, seed=1))
    assert not all(np.array_equal(mine, other) for mine, other in zip(first, other_seed, strict=True))


@pytest.mark.parametrize(
    ("precision", "plan"),
    [
        ("mixed_float16", FALLING),
        *(pytest.param("float32", plan, marks=pytest.mark.slow) for plan in (PLAN, FALLING)),
    ],
)
def test_a_killed_training_goes_on_and_ends_with_the_same_bits(tmp_path: Path, precision: str, plan: Plan) -> None:
    """With float16 the scale of the loss is a part of the state too, and with a decay the rate of the epoch."""
    whole, history = trained(plan, precision=precision)

    class Killed(Exception):
        pass

    def kill_after_the_third_epoch(done: int, total: int, message: str) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        trained(plan, precision=precision, work=tmp_path, resume_every_s=0, progress=kill_after_the_third_epoch)
    (tmp_path / ".resume.0123abcd.partial").mkdir()
    (tmp_path / ".resume.0123abcd.partial" / "state.weights.h5").write_bytes(b"half")
    (tmp_path / ".record.json.0123abcd.partial").write_bytes(b"{")
    told: list[int] = []
    resumed, resumed_history = trained(
        plan,
        precision=precision,
        work=tmp_path,
        resume_every_s=0,
        progress=lambda done, total, message: told.append(done),
    )
    assert told == [4]
    assert resumed_history == history
    for mine, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(mine, other)
    # What a kill left half written is removed before training goes on.
    assert [path.name for path in tmp_path.iterdir()] == ["resume"]
    drop_resume_point(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_resume_point_of_another_training_is_not_gone_on_from(tmp_path: Path) -> None:
    def kill_after(epochs: int) -> Any:
        def kill(done: int, total: int, message: str) -> None:
            told.append(done)
            if len(told) == epochs:
                raise KeyboardInterrupt

        return kill

    told: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        trained(work=tmp_path / "killed", resume_every_s=0, progress=kill_after(2))
    assert told == [1, 2]
    for changed in ("plan", "data", "parent"):
        work = shutil.copytree(tmp_path / "killed", tmp_path / changed)
        plan = replace(PLAN, learning_rate=2e-3) if changed == "plan" else PLAN
        data = wells(seed=1) if changed == "data" else wells()
        network = new_network(seed=1 if changed == "parent" else 0)
        told.clear()
        with pytest.raises(KeyboardInterrupt):
            fit(network, data, plan, work, 0, kill_after(1))
        assert told == [1], changed


def test_epochs_of_many_chunks_train_every_well_once_and_end_alike_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of two batches; the last one holds one batch, and that is not full."""
    plan = replace(PLAN, epochs=3)
    monkeypatch.setattr(batches, "_CHUNK", 8)
    data = wells(2 + 17)
    whole, history = trained(plan, data)

    def kill(done: int, total: int, message: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(plan, data, work=tmp_path, resume_every_s=0, progress=kill)
    resumed, resumed_history = trained(plan, data, work=tmp_path, resume_every_s=0)
    assert resumed_history == history
    for mine, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("batch_size", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4)), 5])
def test_chunks_do_not_change_the_training(monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
    """A batch of 5 leaves a last one that is not full."""
    plan = replace(PLAN, batch_size=batch_size, mixup_fraction=0.0, epochs=2)
    whole, history = trained(plan)
    monkeypatch.setattr(batches, "_CHUNK", 5)
    parts, history_of_parts = trained(plan)
    for mine, other in zip(history, history_of_parts, strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    for weights, same in zip(whole, parts, strict=True):
        np.testing.assert_allclose(weights, same, rtol=1e-3, atol=1e-6)


def test_held_out_wells_do_not_change_the_weights() -> None:
    data = wells()
    images = data.images.copy()
    images[data.validation] = 0.9
    first, _ = usually_trained()
    other, _ = trained(data=replace(data, images=images))
    for mine, theirs in zip(first, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_hash_of_the_inputs_knows_images_labels_split_and_names() -> None:
    data = wells()
    hashes = {
        inputs_hash(data),
        inputs_hash(replace(data, images=data.images + np.float32(1e-6))),
        inputs_hash(replace(data, labels=1 - data.labels)),
        inputs_hash(replace(data, validation=~data.validation)),
        inputs_hash(replace(data, wells=data.wells[::-1])),
    }
    assert len(hashes) == 5
    assert inputs_hash(wells()) == inputs_hash(data)


@pytest.mark.parametrize("batch_size", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_the_loss_of_an_epoch_is_the_mean_over_its_wells(batch_size: int) -> None:
    data = wells()
    plan = replace(
        PLAN,
        epochs=1,
        learning_rate=1e-12,  # the weights stay, so that the loss is that of the first weights
        batch_size=batch_size,
        augmentation=Augmentation.none(),
        mixup_fraction=0.0,
    )
    _, (entry,) = trained(plan, data)
    logits = np.asarray(new_network()(network_input(data.images, "micro")), dtype=np.float64)
    loss = -(targets(data, 0.4) * log_softmax(logits, axis=1)).sum(axis=1)
    right = (logits[:, 1] > logits[:, 0]) == (data.labels > 0.5)
    for name, members in (("", ~data.validation), ("validation_", data.validation)):
        assert entry[f"{name}loss"] == pytest.approx(loss[members].mean(), rel=1e-4)
        assert entry[f"{name}accuracy"] == pytest.approx(right[members].mean())


def test_a_training_that_diverges_is_stopped_with_its_epoch_and_a_remedy() -> None:
    network = new_network()
    kernel, bias = network.get_layer("dense_logits").get_weights()
    network.get_layer("dense_logits").set_weights([kernel * np.nan, bias])
    with pytest.raises(CheckpointError, match=r"loss of epoch 1 of 4 is nan; set a learning_rate_phase1 below 0\.001"):
        fit(network, wells(), PLAN)


def test_every_intensity_mode_trains_on_other_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network as if it started from natural images, so that every mode has a meaning for it."""
    monkeypatch.setitem(BACKBONES, "micro", replace(BACKBONES["micro"], preprocessing="vgg19"))
    modes: tuple[IntensityMode, ...] = ("raw", "tf28", "keras29")
    data, inputs = wells(), []
    for mode in modes:
        chunks = batches.Chunks(data, replace(PLAN, intensity_mode=mode), targets(data, 0.4))
        inputs.append(np.asarray(chunks.make(next(chunks.from_epoch(0)).source)))
    assert np.isfinite(inputs).all()
    for one, other in combinations(inputs, 2):
        assert np.abs(one - other).max() > 0.01
