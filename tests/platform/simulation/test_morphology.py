"""Samples that look different: what is set is seen, is written down, and is the same in memory as in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.simulation import simulate_screen, spheroid
from phenodose.simulation.in_memory import simulate_in_memory
from phenodose.simulation.morphology import DEATHS, MORPHOLOGIES, Morphology, morphology_of

OPTICS = spheroid.Optics(size_px=96, planes=3)
LIGHT = spheroid.illumination(OPTICS, np.random.default_rng(0))
OTHERS = ("detaching", "fragmenting", "swelling")


def projections(morphology: Morphology, viability: float, n: int = 6) -> np.ndarray:
    """Light above the camera's offset, dims well, y, x, at gain 1."""
    stacks = [
        spheroid.render_stack(viability, "apoptosis", 1.0, OPTICS, LIGHT, np.random.default_rng(seed), morphology)
        for seed in range(n)
    ]
    return np.stack([stack.max(axis=0) for stack in stacks]).astype(float) - 150


def radius_px(images: np.ndarray) -> float:
    """Radius of a disc of the mean area that is brighter than a third of the bright part."""
    bright = images > np.percentile(images, 97, axis=(1, 2), keepdims=True) / 3
    return float(np.sqrt(bright.sum(axis=(1, 2)).mean() / np.pi))


def test_size_and_brightness_are_those_of_the_sample() -> None:
    radii = {name: radius_px(projections(MORPHOLOGIES[name], 1.0)) for name in OTHERS}
    by_setting = sorted(OTHERS, key=lambda name: MORPHOLOGIES[name].radius_um)
    assert sorted(OTHERS, key=radii.__getitem__) == by_setting
    light = {name: float(np.percentile(projections(MORPHOLOGIES[name], 1.0), 97)) for name in OTHERS}
    assert sorted(OTHERS, key=light.__getitem__) == sorted(OTHERS, key=lambda name: MORPHOLOGIES[name].stain)


def test_killed_cells_detach_fragment_and_swell() -> None:
    kept, spread, fine = {}, {}, {}
    for name in OTHERS:
        alive, killed = projections(MORPHOLOGIES[name], 1.0), projections(MORPHOLOGIES[name], 0.0)
        distance = np.hypot(*(np.mgrid[:96, :96] - 47.5))
        weight = np.clip(killed, 0, None)
        spread[name] = float((weight * distance).sum() / weight.sum() / radius_px(alive))
        kept[name] = float(weight.sum() / np.clip(alive, 0, None).sum())
        fine[name] = float(np.abs(np.diff(killed, axis=1)).mean() / killed.std())
    assert max(spread, key=spread.__getitem__) == "detaching"
    assert min(kept, key=kept.__getitem__) == "detaching"
    assert fine["swelling"] < fine["fragmenting"]


def test_drugs_kill_the_samples_way_as_far_as_is_set() -> None:
    own = MORPHOLOGIES["swelling"]
    assert own.dead_cells is not None
    assert own.dying("apoptosis") == own.dying("mitotic") == own.dead_cells
    assert own.dying("lysis") == DEATHS["lysis"]
    half = replace(own, drug_share=0.5)
    assert half.dying("apoptosis") == own.dead_cells
    assert half.dying("mitotic").clumped == (DEATHS["mitotic"].clumped + own.dead_cells.clumped) / 2
    assert MORPHOLOGIES["rounded"].dying("mitotic") == DEATHS["mitotic"]


def test_an_unknown_morphology_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'flat' is unknown; there are: rounded, detaching, fragmenting, swelling\."):
        morphology_of("flat")
    with pytest.raises(InputError, match="'flat' is unknown"):
        simulate_screen(tmp_path / "A_DS1", morphology="flat")
    assert list(tmp_path.iterdir()) == []


def test_files_and_memory_hold_the_same_wells(tmp_path: Path) -> None:
    made = simulate_screen(
        tmp_path / "A_CE", kind="control-experiment", control_wells=6, size_px=48, planes=2, morphology="swelling"
    )
    held = simulate_in_memory(
        "A_CE", kind="control-experiment", control_wells=6, size_px=48, planes=2, morphology="swelling"
    )
    truth = pd.read_csv(made.folder / "truth_wells.csv")
    np.testing.assert_allclose(held.viability, truth["viability_fraction"], atol=1e-9)
    for number, well in enumerate(held.layout["well"]):
        planes = [next((made.folder / "P1").glob(f"*/*/ZStep_{step}/*_P1_{well}*.tif")) for step in (1, 2)]
        stack = np.stack([tifffile.imread(plane) for plane in planes])
        np.testing.assert_array_equal(held.tensors[number, :, :, 0], stack.max(axis=0))
        np.testing.assert_array_equal(held.tensors[number, :, :, 1], stack[1])
        assert held.mean_of_stack[number] == stack.mean()


def test_the_truth_tells_the_morphology_unless_it_is_the_default(tmp_path: Path) -> None:
    small = {"kind": "control-experiment", "control_wells": 4, "size_px": 48, "planes": 1}
    made = simulate_screen(tmp_path / "A_CE", morphology="fragmenting", **small)  # type: ignore[arg-type]
    told = pd.read_csv(made.folder / "truth_morphology.csv", dtype=str).set_index("setting")["value"]
    own = MORPHOLOGIES["fragmenting"]
    assert told["name"] == "fragmenting"
    assert float(told["radius_um"]) == own.radius_um
    assert own.dead_cells is not None
    assert float(told["dead_cells.fragmented"]) == own.dead_cells.fragmented
    plain = simulate_screen(tmp_path / "B_CE", **small)  # type: ignore[arg-type]
    assert not (plain.folder / "truth_morphology.csv").exists()


def test_staining_spreads_as_set() -> None:
    few = {"kind": "control-experiment", "control_wells": 40, "size_px": 48, "planes": 1}
    means = simulate_in_memory("A_CE", morphology="fragmenting", **few).mean_of_stack - 150  # type: ignore[arg-type]
    less = simulate_in_memory("A_CE", morphology="swelling", **few).mean_of_stack - 150  # type: ignore[arg-type]
    assert np.std(np.log(means)) > 1.5 * np.std(np.log(less))
