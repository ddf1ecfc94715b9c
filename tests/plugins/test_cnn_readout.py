"""The readout `cnn`: its phases, and a small staged run on made-up textures."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phenodose.errors import CheckpointError, PluginError
from phenodose.learning.training import auroc
from phenodose.learning.training_sets import training_set
from phenodose.plugins import TrainingSet, registry
from phenodose.viability.controls import Controls
from phenodose_readouts.cnn import CnnReadout

SIZE_PX = 32
SMALL: dict[str, Any] = {
    **CnnReadout.small_parameters(),
    "micro_widths": (4, 8),
    "micro_dense": (8,),
    "epochs_phase1": 12,
    "epochs_phase2": 8,
    "epochs_phase3": 3,
    "learning_rate_phase1": 3e-3,
    "learning_rate_phase2": 2e-3,
    "learning_rate_decay": "none",  # so few epochs have no time for a falling one
    "mixup_fraction": 0.5,
    "inference_copies": 0,
}
DOSES_NM = (1.0, 10.0, 100.0)


def picture(viability: float, rng: np.random.Generator) -> np.ndarray:
    """Counts of a field of soft discs (alive) and small dots (dead), stained at random by a factor of 2.5."""
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    light = np.zeros((SIZE_PX, SIZE_PX))
    for alive in rng.random(14) < viability:
        y, x = rng.uniform(3, SIZE_PX - 3, 2)
        radius = 3.0 if alive else 1.0
        light = np.maximum(light, np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * radius**2)))
    counts = 200 + 4000 * rng.uniform(0.5, 1.25) * light + rng.normal(0, 30, light.shape)
    return np.repeat(np.clip(counts, 0, 65535).astype(np.uint16)[..., None], 3, axis=-1)


def made_up_screen(seed: int, controls: int, drugs: int) -> tuple[xr.DataArray, pd.DataFrame, Controls, np.ndarray]:
    """Tensors, layout, controls and true viability of one plate."""
    rng = np.random.default_rng(seed)
    rows = [("neg", "DMSO", None, None, 1.0)] * controls + [("pos", "STS", 250.0, None, 0.0)] * controls
    for drug in range(drugs):
        for number, dose in enumerate(DOSES_NM):
            rows += [("therapy", f"D{drug}", dose, replicate, 1 - number / 2) for replicate in (1, 2)]
    layout = pd.DataFrame(rows, columns=["well_type", "treatment", "concentration_nM", "replicate", "truth"])
    place = np.arange(len(layout))
    layout = layout.assign(plate="P1", row=[chr(66 + n % 14) for n in place], column=2 + place // 14, add_on=None)
    layout["well"] = [f"{row}{column:02d}" for row, column in zip(layout["row"], layout["column"], strict=True)]
    tensors = xr.DataArray(
        np.stack([picture(truth, rng) for truth in layout["truth"]]),
        dims=("well", "y", "x", "channel"),
        coords={"well": [f"P1/{well}" for well in layout["well"]]},
    )
    kind = layout["well_type"].to_numpy()
    return tensors, layout, Controls(kind == "neg", kind == "pos", "neg", "pos"), layout["truth"].to_numpy()


@pytest.fixture(scope="module")
def control_experiment() -> TrainingSet:
    tensors, layout, controls, _ = made_up_screen(seed=1, controls=40, drugs=0)
    return training_set(CnnReadout.phase("phase1"), tensors, layout, controls)


@pytest.fixture(scope="module")
def phase1(control_experiment: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cnn") / "phase1"
    CnnReadout(SMALL).train(CnnReadout.phase("phase1"), control_experiment, None, folder)
    return folder


def separation(raw: np.ndarray, controls: Controls) -> float:
    either = controls.negative | controls.positive
    area = auroc(raw[either], controls.negative[either])
    assert area is not None
    return area


def test_three_phases_learn_textures_whatever_the_staining(phase1: Path, tmp_path: Path) -> None:
    readout = CnnReadout(SMALL)
    tensors, layout, controls, truth = made_up_screen(seed=2, controls=12, drugs=6)
    two = training_set(readout.phase("phase2"), tensors, layout, controls)
    told: list[int] = []
    record2 = readout.train(readout.phase("phase2"), two, phase1, tmp_path / "phase2", lambda n, *_: told.append(n))
    assert told == list(range(1, 9))
    assert record2.validation_auroc == 1.0
    assert (record2.n_train, record2.n_validation) == (18, 6)
    assert record2.history[-1]["loss"] >= 0.50040 - 1e-5
    said2 = readout.infer(tmp_path / "phase2", tensors)
    assert separation(said2.raw, controls) == 1.0

    outputs = pd.Series(said2.raw, index=tensors["well"].to_numpy())
    three = training_set(readout.phase("phase3"), tensors, layout, controls, outputs)
    assert len(three.wells) == len(layout)
    record3 = readout.train(readout.phase("phase3"), three, tmp_path / "phase2", tmp_path / "phase3")
    assert record3.parent_hash == record2.weights_hash
    assert record3.validation_auroc is None
    said3 = readout.infer(tmp_path / "phase3", tensors)
    assert separation(said3.raw, controls) == 1.0
    drugs = ~(controls.negative | controls.positive)
    # 14 discs a field draw their fate by chance, so even a perfect reader stays near 0.95.
    assert np.corrcoef(said3.raw[drugs], truth[drugs])[0, 1] > 0.9
    assert said3.features.shape == (len(layout), 8)


def shuffled(data: TrainingSet, seed: int) -> TrainingSet:
    """The labels of a random half of each class crossed; a free permutation can agree with 60 % of the truth."""
    labels = data.labels.copy()
    rng = np.random.default_rng(seed)
    for held_out in (False, True):
        for label in (0, 1):
            wells = np.flatnonzero((data.labels == label) & (data.validation == held_out))
            labels[rng.permutation(wells)[: len(wells) // 2]] = 1 - label
    return replace(data, labels=labels)


def with_empty_wells(seed: int) -> tuple[xr.DataArray, pd.DataFrame, Controls, np.ndarray]:
    """A screen with ten wells of noise after its own, nine of which are called empty."""
    tensors, layout, controls, truth = made_up_screen(seed=seed, controls=12, drugs=3)
    rng = np.random.default_rng(seed)
    noise = np.clip(200 + rng.normal(0, 30, (10, SIZE_PX, SIZE_PX, 1)), 0, None).astype(np.uint16)
    names = [f"P1/H{column:02d}" for column in range(14, 24)]
    empty = xr.DataArray(np.repeat(noise, 3, axis=-1), dims=tensors.dims, coords={"well": names})
    rows = [{"plate": name[:2], "well": name[3:], "row": "H", "column": int(name[4:])} for name in names]
    more = pd.DataFrame(rows).assign(well_type=["empty"] * 9 + ["therapy"], treatment=None, replicate=None)
    whole = pd.concat([layout, more], ignore_index=True)
    nothing = np.zeros(10, dtype=bool)
    both = Controls(np.r_[controls.negative, nothing], np.r_[controls.positive, nothing], "neg", "pos")
    return xr.concat([tensors, empty], "well"), whole, both, truth


def test_by_choice_a_network_learns_further_classes_and_viability_stays_what_it_is(
    phase1: Path, tmp_path: Path
) -> None:
    from phenodose.pipeline.well_classes import named_classes

    readout = CnnReadout({**SMALL, "well_classes": True, "epochs_phase2": 25})
    tensors, wells, controls, truth = with_empty_wells(seed=3)
    two = training_set(readout.phase("phase2"), tensors, wells, controls, named=named_classes(wells))
    assert two.class_names == ("killed", "living", "empty")
    assert two.classes is not None
    held_out = np.bincount(two.classes[two.validation])
    assert held_out.tolist() == [3, 3, 3]
    assert (two.labels[two.classes == 2] == 0.5).all()
    # Its parent knows two classes, and becomes its start all the same.
    record = readout.train(readout.phase("phase2"), two, phase1, tmp_path / "two")
    assert record.extra["classes"] == ["killed", "living", "empty"]
    said = readout.infer(tmp_path / "two", tensors)
    assert said.class_names == ("killed", "living", "empty")
    assert said.class_probability is not None
    assert said.class_unseen is not None
    read = said.class_probability.argmax(axis=1)
    assert (read[-10:] == 2).all()
    assert (read[: 2 * 12] == np.repeat([1, 0], 12)).mean() > 0.9
    assert said.class_unseen.sum() == len(wells) - (~two.validation).sum()
    cells = said.class_probability[:, :2]
    np.testing.assert_allclose(said.raw, cells[:, 1] / cells.sum(axis=1), rtol=1e-5)
    # Drug wells are taught what their duplicates read, which says nothing of further classes.
    outputs = pd.Series(np.where(read > 1, np.nan, said.raw), index=tensors["well"].to_numpy())
    three = training_set(readout.phase("phase3"), tensors, wells, controls, outputs, named_classes(wells))
    assert three.classes is not None
    assert (three.classes == -1).sum() == (read[24 : len(truth)] < 2).sum()
    assert np.bincount(three.classes[three.classes >= 0]).tolist() == [12, 12, 9]


def test_shuffled_labels_teach_nothing(control_experiment: TrainingSet, tmp_path: Path) -> None:
    readout = CnnReadout(SMALL)
    readout.train(readout.phase("phase1"), shuffled(control_experiment, seed=0), None, tmp_path / "phase1")
    tensors, _, controls, _ = made_up_screen(seed=2, controls=12, drugs=0)
    raw = readout.infer(tmp_path / "phase1", tensors).raw
    assert separation(raw, controls) < 0.9
    assert abs(np.median(raw[controls.negative]) - np.median(raw[controls.positive])) < 0.2


def test_a_phase_one_of_true_labels_already_tells_the_classes_apart(phase1: Path) -> None:
    tensors, _, controls, _ = made_up_screen(seed=2, controls=12, drugs=0)
    raw = CnnReadout(SMALL).infer(phase1, tensors).raw
    assert separation(raw, controls) == 1.0
    assert np.median(raw[controls.negative]) - np.median(raw[controls.positive]) > 0.2


def test_held_out_wells_are_asked_about_as_all_wells_will_be(
    phase1: Path, control_experiment: TrainingSet, tmp_path: Path
) -> None:
    """Mislabelled held-out wells make an area between 0 and 1, which tells the two ways of asking apart."""
    readout = CnnReadout({**SMALL, "epochs_phase2": 1, "learning_rate_phase2": 1e-9, "inference_copies": 3})
    labels = control_experiment.labels.copy()
    held_out = np.flatnonzero(control_experiment.validation)
    labels[held_out] = np.arange(len(held_out)) % 2
    data = replace(control_experiment, labels=labels)
    record = readout.train(readout.phase("phase2"), data, phase1, tmp_path)
    counts = np.round(data.images[held_out] * 65535).astype(np.uint16)
    tensors = xr.DataArray(counts, dims=("well", "y", "x", "channel"))
    asked = readout.infer(tmp_path, tensors)
    assert record.validation_auroc == auroc(asked.raw, labels[held_out] > 0.5)
    assert asked.raw_sd is not None
    assert asked.raw_sd.shape == (len(held_out),)


def test_a_parent_of_another_network_is_refused(phase1: Path, control_experiment: TrainingSet, tmp_path: Path) -> None:
    wider = CnnReadout({**SMALL, "micro_widths": (4, 9)})
    with pytest.raises(CheckpointError, match="same backbone parameters and image size"):
        wider.train(wider.phase("phase2"), control_experiment, phase1, tmp_path / "phase2")


def test_tensors_of_another_size_are_refused(phase1: Path) -> None:
    tensors, *_ = made_up_screen(seed=3, controls=1, drugs=0)
    with pytest.raises(CheckpointError, match=r"\(32, 32, 3\).*\(30, 32, 3\)"):
        CnnReadout(SMALL).infer(phase1, tensors.isel(y=slice(0, 30)))


def test_the_defaults_are_those_of_the_paper() -> None:
    p = CnnReadout().parameters
    assert (p.backbone, p.weights, p.batch_size, p.label_smoothing) == ("vgg19", "imagenet", 1, 0.4)
    assert (p.epochs_phase1, p.epochs_phase2, p.epochs_phase3) == (200, 200, 200)
    assert (p.learning_rate_phase1, p.learning_rate_phase2, p.learning_rate_phase3) == (1e-7, 3e-7, 3e-7)
    assert (p.rotation_degrees, p.shift_fraction, p.zoom_min, p.zoom_max) == (30, 0.1, 0.9, 1.1)
    assert (p.intensity_min, p.intensity_max, p.flip) == (0.5, 1.5, True)
    assert (p.mixup_fraction, p.inference_copies) == (0, 0)
    assert [phase.validation_wells_per_class for phase in CnnReadout.phases] == [10, 3, 0]


def test_the_readouts_are_phase_two_and_three() -> None:
    assert registry().get("readout", "cnn") is CnnReadout
    assert CnnReadout.readout_names() == ["cnn_phase2", "cnn_phase3"]


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"backbone": "micro"}, "micro has no ImageNet weights"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"micro_dense": ()}, "at least one positive number"),
        ({"epochs_phase1": 0}, "epochs_phase1"),
        ({"backbone": "micro", "weights": "none", "intensity_mode": "tf28"}, "set intensity_mode to 'raw'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, Any], fault: str) -> None:
    with pytest.raises(PluginError, match=fault):
        CnnReadout(parameters)


def test_listing_the_plugin_imports_no_keras() -> None:
    heavy = {"keras", "tensorflow", "numpy", "pandas", "xarray"}
    code = f"import sys, phenodose_readouts.cnn as m; m.CnnReadout(); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_killed_training_goes_on_and_leaves_the_same_checkpoint(
    phase1: Path, control_experiment: TrainingSet, tmp_path: Path
) -> None:
    """Sister: tests/platform/learning/test_ensemble.py kills a readout of two networks, and trains each again alone."""
    readout = CnnReadout({**SMALL, "resume_every_s": 0.0})
    phase = readout.phase("phase1")

    def kill(done: int, total: int, message: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        readout.train(phase, control_experiment, None, tmp_path, kill)
    told: list[int] = []
    record = readout.train(phase, control_experiment, None, tmp_path, lambda n, *_: told.append(n))
    assert told == list(range(6, 13))
    assert len(record.history) == 12
    assert record.parameters["seed"] == 0
    assert (tmp_path / "network.weights.h5").read_bytes() == (phase1 / "network.weights.h5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.weights.h5", "record.json"]
