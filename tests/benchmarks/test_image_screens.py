"""The data sets on which image readouts are compared are screens as a run would have them; nothing is read out here."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def image_screens(monkeypatch):
    """The module, with small images."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import image_screens

    other, third = image_screens.other_simulator, image_screens.third_simulator
    monkeypatch.setattr(third, "IMAGE_PX", 20)
    monkeypatch.setattr(other, "SAMPLES", [replace(sample, image_px=20, cells=20) for sample in other.SAMPLES])
    monkeypatch.setattr(third, "CULTURES", [replace(culture, cells=12) for culture in third.CULTURES])
    fourth = image_screens.fourth_simulator
    monkeypatch.setattr(fourth, "IMAGE_PX", 24)
    monkeypatch.setattr(fourth, "TISSUES", [replace(tissue, cells=15, hills=4.0) for tissue in fourth.TISSUES])
    fifth = image_screens.fifth_simulator
    monkeypatch.setattr(fifth, "IMAGE_PX", 48)
    monkeypatch.setattr(fifth, "COLONIES", [replace(colony, cells=12) for colony in fifth.COLONIES])
    return image_screens


@pytest.fixture
def organoids(tmp_path):
    """Four wells in the form of the real organoids: brighter after they swelled."""
    folder = tmp_path / "FIS_V1_DS1"
    (folder / "P1").mkdir(parents=True)
    (folder / "screen.toml").write_text("[tensors]\nsize_px = 8\n")
    rows = ["P1,A,1,FIS,neg,DMSO,0,", "P1,A,2,FIS,pos,Both,800.0,"]
    rows += ["P1,B,1,FIS,therapy,One,8.0,", "P1,B,2,FIS,therapy,One,8.0,"]
    head = "Plate,Row,Column,Sample,WellType,Treatment,Concentration,Replicate"
    (folder / "layout.csv").write_text("\n".join([head, *rows]))
    (tmp_path / "truth_wells.csv").write_text(
        "plate,well,area_60min_percent_of_start\nP1,B02,125\nP1,A01,100\nP1,A02,150\nP1,B01,140\n"
    )
    for number, well in enumerate(("A01", "A02", "B01", "B02"), 1):
        tifffile.imwrite(folder / "P1" / f"{well}_z1.tif", np.full((16, 16), number, dtype=np.uint8))
    return tmp_path


def test_simulated_screens_are_as_a_run_has_them(image_screens):
    size = image_screens.Size(px=16, drugs=1, controls=2)
    names = {data_set.name: data_set for data_set in image_screens.data_sets(size, ["dim"], organoids=None)}
    assert len(names) == 12
    for name in ("own, swelling", "other dim, fragmenting", "third, fading", "fourth, smearing"):
        pictured = names[name].make(1)
        screen, wells = pictured.screen, len(pictured.screen.layout)
        assert screen.tensors.shape == (wells, 16, 16, 3)
        assert screen.tensors.dtype == np.uint16
        np.testing.assert_array_equal(screen.tensors[..., 0], screen.tensors[..., 2])
        assert len(pictured.projections) == len(screen.mean_of_stack) == len(screen.viability) == wells
        drugs = screen.layout[screen.layout["well_type"] == "therapy"]
        assert set(drugs.groupby(["treatment", "concentration_nM"])["replicate"].nunique()) == {2}
        np.testing.assert_allclose(screen.viability[screen.layout["well_type"] == "neg"], 1.0, atol=0.15)
        assert not pictured.unlike.any()


@pytest.mark.parametrize("name", ["third", "fourth", "fifth"])
def test_drugs_that_kill_unlike_the_control_are_known(image_screens, name):
    pictured = image_screens.dying_unlike(image_screens.Size(px=16, drugs=4, controls=1))[name](0)
    layout = pictured.screen.layout
    unlike = layout[pictured.unlike]
    assert unlike["treatment"].nunique() == 3
    assert set(unlike["well_type"]) == {"therapy"}
    assert len(unlike) == 3 * 5 * 2
    assert pictured.screen.tensors.to_numpy().std(axis=(1, 2)).min() > 0


@pytest.mark.parametrize(("simulator", "samples"), [("fourth", "TISSUES"), ("fifth", "COLONIES")])
def test_each_way_of_dying_is_another_one_and_the_living_look_the_same(image_screens, simulator, samples):
    module = getattr(image_screens, f"{simulator}_simulator")
    sample, draw = getattr(module, samples)[0], module.stack
    stacks = [
        draw(replace(sample, dying=way), alive, 1.0, np.random.default_rng(3)).astype(float)
        for alive in (0.0, 1.0)
        for way in module.WAYS
    ]
    assert {stack.shape[1:] for stack in stacks} == {(module.IMAGE_PX, module.IMAGE_PX)}
    dead, living = stacks[:4], stacks[4:]
    assert all(np.array_equal(living[0], other) for other in living)
    assert all(not np.array_equal(one, other) for one, other in itertools.combinations(dead, 2))


def test_organoids_are_measured_by_their_swelling(image_screens, organoids):
    pictured = image_screens.organoid_screen(organoids)
    np.testing.assert_allclose(pictured.screen.viability, [1.0, 0.0, 0.2, 0.5])
    assert pictured.screen.tensors.shape == (4, 8, 8, 3)
    assert pictured.screen.tensors.to_numpy()[:, 0, 0, 0].tolist() == [257, 514, 771, 1028]
    pd.testing.assert_series_equal(
        pictured.screen.layout["replicate"], pd.Series([1, 1, 1, 2]), check_names=False, check_dtype=False
    )
