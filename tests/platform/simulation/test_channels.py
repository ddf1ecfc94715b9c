"""A simulated screen of two dyes and bright-field: from raw files to viability that agrees with the truth."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.errors import InputError
from phenodose.names import well_name
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose.plugins import TensorWells
from phenodose.screens.layout import read_layout
from phenodose.simulation.channels import INPUTS, bright_field, death_stain
from phenodose.simulation.morphology import MORPHOLOGIES
from phenodose.simulation.screen import simulate_screen
from phenodose.simulation.spheroid import Optics, Spheroid, grown
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readouts.features import FeaturesReadout

OPTICS = Optics(48, 3)
FLAT = np.ones((48, 48), dtype=np.float32)


def spheroid(viability: float, seed: int = 0) -> Spheroid:
    return grown(viability, "apoptosis", OPTICS, np.random.default_rng(seed), MORPHOLOGIES["rounded"])


def test_the_death_stain_shines_where_cells_died() -> None:
    living, killed = (death_stain(spheroid(v), OPTICS, FLAT, np.random.default_rng(1)).mean() for v in (1.0, 0.0))
    assert killed > 2 * living
    untouched = replace(spheroid(1.0), n_living=10**6)  # not even the few that die by nature
    assert death_stain(untouched, OPTICS, FLAT, np.random.default_rng(1)).max() < 800


def test_a_living_spheroid_is_dark_in_bright_field() -> None:
    living, killed = (
        bright_field(spheroid(v), OPTICS, FLAT, np.random.default_rng(1)).min(axis=0).astype(float) for v in (1.0, 0.0)
    )
    middle = slice(18, 30)
    assert living[middle, middle].mean() < 0.6 * living[:3].mean()
    assert killed.mean() > living.mean()


def test_channels_that_there_are_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="channels 'GFP': take one of hoechst, all"):
        simulate_screen(tmp_path / "A_V1_DS1", channels="GFP")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inbox") / "THREE_V1_DS1"
    made = simulate_screen(folder, plates=1, drugs=1, size_px=48, planes=2, channels="all")
    assert made.n_images == made.n_wells * 3 * 3
    return folder


def tensors_of(screen: Path, out: Path, inputs: tuple[str, ...]) -> Any:
    ingest_plate(screen / "P1", out / "P1.ome.zarr", ImageXpressReader(), "P1", workers=1)
    build_tensors({"P1": Plate.open(out / "P1.ome.zarr")}, out / "t", 48, "Hoechst", pictures=inputs)
    return open_tensors(out / "t")


def test_from_raw_files_of_three_channels_to_viability_that_agrees_with_the_truth(screen: Path, tmp_path: Path) -> None:
    settings = tomllib.loads((screen / "screen.toml").read_text(encoding="utf-8"))
    assert settings["channels"] == {"nuclei": "Hoechst"}
    assert tuple(settings["tensors"]["inputs"]) == INPUTS == ("MIP", "PI:MEAN", "Bright-field:MIN")
    tensors = tensors_of(screen, tmp_path, INPUTS)
    layout = read_layout(screen / "layout.xlsx").frame.set_index("well").loc[tensors["well_name"].to_numpy()]
    truth = pd.read_csv(screen / "truth_wells.csv")
    truth["well"] = [well_name(row, column) for row, column in zip(truth["row"], truth["column"], strict=True)]
    truth = truth.set_index("well").loc[tensors["well_name"].to_numpy()]
    kind = layout["well_type"].to_numpy()
    drugs = kind == "therapy"
    content = layout.groupby(["treatment", "concentration_nM"], dropna=False).ngroup().to_numpy()
    wells = TensorWells(
        images=tensors.to_numpy(),
        channels=tuple(tensors["channel"].to_numpy().astype(str)),
        negative=kind == "neg",
        positive=np.isin(layout["treatment"].astype(str), ["STS", "Staurosporine"]) & (kind == "pos"),
        content=np.where(drugs, content, -1),
        treatment=np.where(drugs, layout.groupby("treatment", dropna=False).ngroup().to_numpy(), -1),
        plate=tensors["plate"].to_numpy().astype(str),
    )
    seen = FeaturesReadout({"copies": 1, "blends": 16}).read(wells)
    viability = truth["viability_fraction"].to_numpy()
    assert np.corrcoef(seen.raw[drugs], viability[drugs])[0, 1] > 0.93
    # Each channel shows it by itself: death as light, life as darkness.
    death, darkness = (wells.images[drugs, ..., place].mean(axis=(1, 2)) for place in (1, 2))
    assert np.corrcoef(death, viability[drugs])[0, 1] < -0.5
    assert np.corrcoef(darkness, viability[drugs])[0, 1] < -0.5
