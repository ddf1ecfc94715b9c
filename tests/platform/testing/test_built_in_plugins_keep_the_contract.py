"""Every built-in plugin passes the conformance kit that others are given.

What the kit asks in a process of its own, all plugins here are asked in one, one after the other (`one_process.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile

from phenodose.plugins import registry
from phenodose.testing import (
    EmbedderConformance,
    ExcessMeasureConformance,
    ImageReadoutConformance,
    MatrixMeasureConformance,
    ObjectReadoutConformance,
    PlateReaderReadoutConformance,
    ReaderConformance,
    ReferenceEmbedderConformance,
    ScorerConformance,
    StagedReadoutConformance,
    TensorReadoutConformance,
    synthetic,
)
from phenodose.testing.isolation import Seen
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.ctg import CtgReadout
from phenodose_readouts.features import FeaturesReadout
from phenodose_readouts.mean_of_stack import MeanOfStackReadout
from phenodose_readouts.rescue import RescueReadout
from phenodose_readouts.spheroids import SpheroidAreaReadout

SELECTIVE = {"sdss_asym", "sdss_asym_adj", "zdss", "rdss"}
#: One scorer of each way to score; the others of its module differ from it in a number or a name.
ONE_OF_EACH_WAY = {"abs_ic50", "auc", "dss2", "dss_asym", "emax", "gr50", "rel_ic50", "yadav_dss3", "zdss"}


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


#: Made once for each set of arguments.
the_same_curves = cache(synthetic.curves)


class InOneProcess:
    """For a suite whose plugins are asked in the process of all."""

    @pytest.fixture(autouse=True)
    def _in_one_process(self, one_process: Callable[..., Seen]) -> None:
        self._one_process = one_process

    def isolated(self, function: Callable[..., Any], *arguments: Any) -> Seen:
        return self._one_process(function, *arguments)


class _Scorers(InOneProcess, ScorerConformance):
    @pytest.fixture(autouse=True)
    def _one(self, scorer: str, reference: str) -> None:
        type(self).plugin = registry().get("scorer", scorer)
        type(self).parameters = {"reference": reference} if scorer in SELECTIVE else {}


@pytest.mark.parametrize("scorer", sorted(ONE_OF_EACH_WAY))
class TestScorersOfEachWay(_Scorers):
    pass


@pytest.mark.parametrize("scorer", sorted(set(each("scorer")) - ONE_OF_EACH_WAY))
class TestOtherScorers(_Scorers):
    """Their code is that of a scorer above, which keeps the slow rules too.

    They are given the same curves, so that what scorers of a kind share (a fit of growth rates, say) is made once.
    """

    @pytest.fixture(autouse=True)
    def _the_same_curves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(synthetic, "curves", the_same_curves)

    @pytest.mark.slow
    def test_ten_thousand_curves_are_within_the_budget(self) -> None:
        super().test_ten_thousand_curves_are_within_the_budget()

    @pytest.mark.slow
    def test_the_other_curves_do_not_matter(self) -> None:
        super().test_the_other_curves_do_not_matter()

    @pytest.mark.slow
    def test_the_order_of_curves_does_not_matter(self) -> None:
        super().test_the_order_of_curves_does_not_matter()


class TestCtg(InOneProcess, PlateReaderReadoutConformance):
    plugin = CtgReadout


class TestMeanOfStack(InOneProcess, ImageReadoutConformance):
    plugin = MeanOfStackReadout


class TestSpheroidArea(InOneProcess, ObjectReadoutConformance):
    plugin = SpheroidAreaReadout


class TestFeatures(InOneProcess, TensorReadoutConformance):
    plugin = FeaturesReadout
    parameters: ClassVar[Mapping[str, Any]] = {"copies": 1, "blends": 8}


class TestRescue(InOneProcess, TensorReadoutConformance):
    plugin = RescueReadout


class TestCnn(StagedReadoutConformance):
    plugin = CnnReadout
    parameters: ClassVar[Mapping[str, Any]] = {
        **CnnReadout.small_parameters(),
        "micro_widths": (4,),
        "micro_dense": (4,),
        "epochs_phase1": 2,
        "epochs_phase2": 1,
        "epochs_phase3": 1,
        "inference_copies": 0,
        "resume_every_s": 0.0,
    }

    @pytest.mark.slow
    def test_the_same_training_gives_the_same_weights(self, trained: dict[str, Path], tmp_path: Path) -> None:
        """Sister: tests/platform/learning/test_training.py trains twice and compares bits."""
        super().test_the_same_training_gives_the_same_weights(trained, tmp_path)


class TestExcessMeasures(InOneProcess, ExcessMeasureConformance):
    @pytest.fixture(autouse=True, params=["bliss", "hsa", "loewe", "zip"])
    def _one(self, request: pytest.FixtureRequest) -> None:
        type(self).plugin = registry().get("measure", request.param)


class TestCss(InOneProcess, MatrixMeasureConformance):
    plugin = registry().get("measure", "css")


class TestMaps(InOneProcess, EmbedderConformance):
    @pytest.fixture(autouse=True, params=["pca", "tsne"])
    def _one(self, request: pytest.FixtureRequest) -> None:
        type(self).plugin = registry().get("embedder", request.param)


class TestSharedMap(InOneProcess, ReferenceEmbedderConformance):
    plugin = registry().get("embedder", "shared")


class TestPatternReader(InOneProcess, ReaderConformance):
    plugin = registry().get("reader", "pattern")
    parameters: ClassVar[Mapping[str, Any]] = {"expression": r"(?P<well>[A-P]\d\d)-z(?P<z>\d)"}

    def make_raw(self, folder: Path) -> None:
        rng = np.random.default_rng(2)
        for well in ("B02", "C11"):
            for z in (1, 2, 3):
                tifffile.imwrite(folder / f"{well}-z{z}.tif", rng.integers(0, 9999, (24, 32), np.uint16))


class TestImageXpressReader(InOneProcess, ReaderConformance):
    plugin = registry().get("reader", "imagexpress")

    def make_raw(self, folder: Path) -> None:
        rng = np.random.default_rng(2)
        for step in (1, 2):
            (folder / f"ZStep_{step}").mkdir()
            for well in ("B02", "C11"):
                path = folder / f"ZStep_{step}" / f"x_{well}_s1.tif"
                tifffile.imwrite(path, rng.integers(0, 9999, (24, 32), np.uint16))


class TestItradeReader(InOneProcess, ReaderConformance):
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
    assert each("readout") == ["cnn", "ctg", "features", "mean_of_stack", "rescue", "spheroid_area"]
    assert each("measure") == ["bliss", "css", "hsa", "loewe", "zip"]
    assert each("embedder") == ["pca", "shared", "tsne", "umap"]
