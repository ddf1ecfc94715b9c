"""Every built-in plugin passes the conformance kit that others are given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile

from phenodose.plugins import registry
from phenodose.testing import (
    EmbedderConformance,
    ImageReadoutConformance,
    ObjectReadoutConformance,
    PlateReaderReadoutConformance,
    ReaderConformance,
    ReferenceEmbedderConformance,
    ScorerConformance,
    StagedReadoutConformance,
    TensorReadoutConformance,
)
from phenodose.testing.isolation import refuse_traces, run_isolated
from phenodose.testing.scorers import _score_apart
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.ctg import CtgReadout
from phenodose_readouts.features import FeaturesReadout
from phenodose_readouts.mean_of_stack import MeanOfStackReadout
from phenodose_readouts.spheroids import SpheroidAreaReadout

SELECTIVE = {"sdss_asym", "sdss_asym_adj", "zdss", "rdss"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Reference samples for every drug of the kit's curves."""
    path = tmp_path_factory.mktemp("reference") / "reference_samples.csv"
    rows = [
        f"s{s},D{drug},{scorer},{s * 3}"
        for s in (1, 2, 3)
        for drug in range(30)
        for scorer in ("dss_asym", "dss_asym_adj")
    ]
    path.write_text("\n".join(["sample,drug,scorer,score", *rows]))
    return str(path)


def each(kind: str) -> list[str]:
    return [name for name in registry().names(kind) if registry().get(kind, name).__module__.startswith("phenodose_")]


#: These go through the kit's own rule of a process of its own; one process is enough for all the others together.
APART = {"dss_asym", "zdss"}


class TestScorers(ScorerConformance):
    @pytest.fixture(autouse=True, params=each("scorer"))
    def _one(self, request: pytest.FixtureRequest, reference: str) -> None:
        type(self).plugin = registry().get("scorer", request.param)
        type(self).parameters = {"reference": reference} if request.param in SELECTIVE else {}

    def test_it_works_in_a_process_of_its_own_and_leaves_no_trace(self) -> None:
        if self.plugin.name in APART:
            super().test_it_works_in_a_process_of_its_own_and_leaves_no_trace()


def test_all_scorers_give_the_same_in_another_process_and_leave_no_trace_there(reference: str) -> None:
    plugins = [registry().get("scorer", name) for name in each("scorer")]
    parameters = [{"reference": reference} if plugin.name in SELECTIVE else {} for plugin in plugins]
    seen = run_isolated(list, map(_score_apart, plugins, parameters))
    refuse_traces(seen)
    for plugin, given, there in zip(plugins, parameters, seen.value, strict=True):
        np.testing.assert_array_equal(_score_apart(plugin, given), there, err_msg=plugin.name)


class TestCtg(PlateReaderReadoutConformance):
    plugin = CtgReadout


class TestMeanOfStack(ImageReadoutConformance):
    plugin = MeanOfStackReadout


class TestSpheroidArea(ObjectReadoutConformance):
    plugin = SpheroidAreaReadout


class TestFeatures(TensorReadoutConformance):
    plugin = FeaturesReadout


class TestCnn(StagedReadoutConformance):
    plugin = CnnReadout
    parameters: ClassVar[Mapping[str, Any]] = {
        **CnnReadout.small_parameters(),
        "micro_widths": (4, 8),
        "micro_dense": (8,),
        "epochs_phase1": 2,
        "epochs_phase2": 2,
        "epochs_phase3": 2,
        "inference_copies": 0,
        "resume_every_s": 0.0,
    }


class TestMaps(EmbedderConformance):
    @pytest.fixture(autouse=True, params=["pca", "tsne"])
    def _one(self, request: pytest.FixtureRequest) -> None:
        type(self).plugin = registry().get("embedder", request.param)


class TestSharedMap(ReferenceEmbedderConformance):
    plugin = registry().get("embedder", "shared")


class TestPatternReader(ReaderConformance):
    plugin = registry().get("reader", "pattern")
    parameters: ClassVar[Mapping[str, Any]] = {"expression": r"(?P<well>[A-P]\d\d)-z(?P<z>\d)"}

    def make_raw(self, folder: Path) -> None:
        rng = np.random.default_rng(2)
        for well in ("B02", "C11"):
            for z in (1, 2, 3):
                tifffile.imwrite(folder / f"{well}-z{z}.tif", rng.integers(0, 9999, (24, 32), np.uint16))


class TestImageXpressReader(ReaderConformance):
    plugin = registry().get("reader", "imagexpress")

    def make_raw(self, folder: Path) -> None:
        rng = np.random.default_rng(2)
        for step in (1, 2):
            (folder / f"ZStep_{step}").mkdir()
            for well in ("B02", "C11"):
                path = folder / f"ZStep_{step}" / f"x_{well}_s1.tif"
                tifffile.imwrite(path, rng.integers(0, 9999, (24, 32), np.uint16))


class TestItradeReader(ReaderConformance):
    plugin = registry().get("reader", "itrade")

    def make_raw(self, folder: Path) -> None:
        rng = np.random.default_rng(2)
        for well in ("B02", "C11"):
            for kind in ("proj", "midz"):
                path = folder / f"X_V1_DS1_P1_{well}_{kind}_224x224.tif"
                tifffile.imwrite(path, rng.integers(0, 9999, (224, 224), np.uint16))


def test_all_kinds_are_tried() -> None:
    """`ome_zarr` has planes in Zarr, not in files, and `umap` is an extra; all other built-ins are above."""
    assert each("reader") == ["hcs_ai", "imagexpress", "itrade", "ome_zarr", "pattern"]
    assert each("readout") == ["cnn", "ctg", "features", "mean_of_stack", "spheroid_area"]
    assert each("embedder") == ["pca", "shared", "tsne", "umap"]
