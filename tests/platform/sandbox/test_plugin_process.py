"""An isolated plugin by itself: what passes, what is refused, and how the answer is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import InputError, NotMade, PluginError
from phenodose.plugins import PluginChoices, Registry, choose_reader, planes_frame, registry
from phenodose.plugins.isolated_calls import fingerprint, same
from phenodose.plugins.isolation import PluginProcess, is_sandboxed, sandboxed
from phenodose.plugins.registry import Found
from phenodose.plugins.results import result_fault
from phenodose.plugins.scores_page import example_curve
from phenodose.settings.plugin_limits import Limits, PluginLimits

MODULE = """
import os
import tempfile

import numpy as np

from phenodose.errors import NotMade
from phenodose.plugins import Embedder


class Evil:
    def __repr__(self):
        return "evil"

    def __reduce__(self):
        return os.mkdir, (os.path.join(os.path.dirname(__file__), "by_reply"),)


class It(Embedder):
    name, version, description = "theirs", "1", "A map"

    def embed(self, features):
        if len(features) < 3:
            raise NotMade("too few wells")
        if len(features) == 8:
            return Evil()
        if len(features) == 9:
            return np.array([[Evil(), Evil()]] * 9)
        with tempfile.TemporaryFile() as own:
            own.write(b"my notes")
        print("this goes to the log")
        return np.stack([features[:, 0], np.full(len(features), os.getpid(), dtype=float)], axis=1)
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An embedder of another distribution."""
    (tmp_path / "of_theirs.py").write_text(dedent(MODULE), encoding="utf-8")
    info = tmp_path / "of_theirs-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of_theirs\nVersion: 2.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[phenodose.embedders]\ntheirs = of_theirs:It\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()
    yield
    registry.cache_clear()
    sys.modules.pop("of_theirs", None)


@pytest.mark.usefixtures("theirs")
def test_an_embedder_of_another_distribution_works_in_a_process_of_its_own(tmp_path: Path) -> None:
    """What is wrong is told, that there can be no result is passed on, and nothing of it runs where it is read."""
    import os

    plugin = sandboxed(registry().get("embedder", "theirs"), {}, registry())
    assert isinstance(plugin, registry().get("embedder", "theirs"))
    features = np.arange(10, dtype=np.float32).reshape(5, 2)
    places = plugin.embed(features)
    np.testing.assert_array_equal(places[:, 0], features[:, 0])
    assert places[0, 1] != os.getpid()
    assert plugin.embed(features)[0, 1] == places[0, 1]
    with pytest.raises(NotMade, match="too few wells"):
        plugin.embed(np.ones((1, 2), dtype=np.float32))
    for n, told in (
        (8, r"embedder 'theirs' of of_theirs 2\.0 .* gave the wrong columns: Evil, meant is an array"),
        (9, "gave the wrong columns: object"),
    ):
        with pytest.raises(PluginError, match=told):
            plugin.embed(np.ones((n, 2), dtype=np.float32))
    assert not (tmp_path / "by_reply").exists()


def test_our_own_plugins_work_in_this_process() -> None:
    plugin = sandboxed(registry().get("embedder", "pca"), {}, registry())
    assert type(plugin) is registry().get("embedder", "pca")


def test_a_module_that_cannot_be_found_is_named() -> None:
    found = Found("scorer", "gone", "nowhere 1.0", "a_module_that_is_gone:It", "ok")
    with pytest.raises(PluginError, match=r"scorer 'gone' of nowhere 1\.0 .* ModuleNotFoundError"):
        PluginProcess(found, {}, Registry()).call("score", ())


def test_one_plugin_may_have_limits_of_its_own() -> None:
    limits = PluginLimits.model_validate({"memory_GiB": 2, "of": {"slow": {"seconds": 3600}}})
    assert limits.for_plugin("slow") == Limits(seconds=3600, memory_GiB=2)
    assert limits.for_plugin("other") == Limits(seconds=600, memory_GiB=2)


SELECTIVE = """
import numpy as np
from phenodose.plugins import Scorer, SelectiveScorer
class {cls}(Scorer):
    name, version, description = "based", "1", "A number"
    def score(self, curves):
        return np.full(len(curves), {number}.0)
class Versus(SelectiveScorer):
    name, version, description = "versus", "1", "Against others"
    compared, comparison = "based", "difference"
"""


@pytest.mark.parametrize(("chosen", "number"), [pytest.param("based_one", 1, marks=pytest.mark.slow), ("based_two", 2)])
def test_a_selective_scorer_of_another_distribution_compares_the_scorer_that_the_site_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, number: int
) -> None:
    """Two offer a scorer of one name, and the second is chosen."""
    for name, cls, gives in (("based_one", "One", 1), ("based_two", "Two", 2)):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (tmp_path / f"{name}.py").write_text(SELECTIVE.format(cls=cls, number=gives), encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        more = f"versus = {name}:Versus\n" if gives == 1 else ""
        (info / "entry_points.txt").write_text(f"[phenodose.scorers]\nbased = {name}:{cls}\n{more}", encoding="utf-8")
    (tmp_path / "reference.csv").write_text("drug,sample,scorer,score\nExample,a,based,10\nExample,b,based,20\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = Registry(choices=PluginChoices(choose={"scorer:based": chosen}))
    scorer = sandboxed(plugins.get("scorer", "versus"), {"reference": str(tmp_path / "reference.csv")}, plugins)
    assert is_sandboxed(scorer)
    assert scorer.score(example_curve()).value.tolist() == [number - 15]
    ours = plugins.create("scorer", "zdss", {"of": "based"})
    assert ours._scorer.score(example_curve()).tolist() == [number]
    for name in ("based_one", "based_two"):
        sys.modules.pop(name, None)


_MATRICES = pd.DataFrame({"plate": "P1", "row": [0, 0], "column": [0, 1], "value": [1.0, 2.0]})
_RAW = _MATRICES.rename(columns={"value": "raw"})


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (_RAW, ""),
        (_RAW.iloc[:1], ""),
        ([1, 2], "gave a list"),
        (_RAW.drop(columns="raw"), "raw missing"),
        (_RAW.assign(raw="x"), "`raw` is"),
        (_RAW.assign(raw=np.nan), "NaN everywhere"),
        (_RAW.assign(column=0), "the same well twice: P1 0 0"),
        (_RAW.assign(column=[0, 5]), "not asked for: P1 0 5"),
    ],
)
def test_readings_are_checked_at_the_door(result: object, told: str) -> None:
    fault = result_fault("measure", (_MATRICES,), result, first=True)
    assert told in fault
    assert bool(told) == bool(fault)


def test_a_map_of_another_shape_is_refused() -> None:
    fault = result_fault("embed", (np.ones((7, 2), dtype=np.float32),), np.zeros(7), first=True)
    assert fault.startswith("gave the wrong columns: (7,)")


@given(st.lists(st.floats(), min_size=1), st.integers(min_value=0))
def test_a_changed_number_changes_the_fingerprint_and_equal_input_does_not(values: list[float], place: int) -> None:
    array = np.array(values)
    table = pd.DataFrame({"x": array})
    assert fingerprint((array, table)) == fingerprint((array.copy(), table.copy()))
    changed = array.copy()
    changed[place % len(values)] = 1.0 if changed[place % len(values)] != 1.0 else 2.0
    assert fingerprint((changed,)) != fingerprint((array,))
    assert fingerprint(table.assign(x=changed)) != fingerprint(table)
    assert same(array, array.copy())
    assert not same(array, changed)


READER = """
import os
import time
from pathlib import Path

import numpy as np

from phenodose.errors import InputError
from phenodose.plugins import Reader, planes_frame


def plane(well, path):
    return {"well": well, "row": well[0], "column": int(well[1:]), "site": 1, "time": 0, "channel": 0, "z": 0,
            "projection": "", "path": path, "page": 0, "size_y_px": 4, "size_x_px": 4, "dtype": "uint16"}


class It(Reader):
    name, version, description = "theirs", "1", "A reader"

    def sniff(self, folder):
        what = (folder / "sniff").read_text()
        if what == "endless":
            time.sleep(60)
        if what == "write":
            (folder / "mine").write_text("mine")
        return float(what)

    def index(self, folder):
        what = (folder / "index").read_text()
        if what == "no images":
            raise InputError(f"{folder}: holds no images; give another.")
        rows = [plane("B02", "a.tif"), plane("B03", "b.tif")]
        if what == "bug":
            raise KeyError("tag")
        return planes_frame(rows)

    def read_plane(self, folder, plane):
        if plane.well == "B03":
            return np.zeros((9, 9), dtype=np.uint16)
        return np.full((4, 4), os.getpid() % 1000, dtype=np.uint16)
"""


@pytest.fixture
def their_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A reader of another distribution, and a folder whose files say how it is to behave."""
    site, folder = tmp_path / "site", tmp_path / "raw"
    info = site / "of_reader-2.0.dist-info"
    info.mkdir(parents=True)
    folder.mkdir()
    (site / "of_reader.py").write_text(READER, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of_reader\nVersion: 2.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[phenodose.readers]\ntheirs = of_reader:It\n", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(site))
    registry.cache_clear()
    yield folder
    registry.cache_clear()
    sys.modules.pop("of_reader", None)


def test_an_index_and_its_planes_are_checked_at_the_door(their_reader: Path) -> None:
    """And what is wrong with a folder is no fault of its reader."""
    import os

    reader = sandboxed(registry().get("reader", "theirs"), {}, registry())
    (their_reader / "index").write_text("fine")
    planes = list(reader.index(their_reader).itertuples(index=False, name=None))
    assert len(planes) == 2
    (their_reader / "index").write_text("no images")
    with pytest.raises(InputError, match="raw: holds no images; give another"):
        reader.index(their_reader)
    (their_reader / "index").write_text("fine")
    rows = reader.index(their_reader).itertuples(index=False)
    fine, wrong = (SimpleNamespace(**row._asdict()) for row in rows)
    assert reader.read_plane(their_reader, fine)[0, 0] != os.getpid() % 1000
    with pytest.raises(PluginError, match=r"gave \(9, 9\) uint16 for b.tif, well B03; its own index says \(4, 4\)"):
        reader.read_plane(their_reader, wrong)
    (their_reader / "index").write_text("bug")
    with pytest.raises(
        PluginError, match=r"reader 'theirs' of of_reader 2\.0 .* raised KeyError: 'tag' \(of_reader.py, line "
    ):
        reader.index(their_reader)


def test_an_index_with_the_same_image_twice_or_a_file_from_outside_is_refused() -> None:
    place = {"well": "B02", "row": "B", "column": 2, "site": 1, "time": 0, "channel": 0, "z": 0, "projection": ""}
    plane = place | {"path": "a.tif", "page": 0, "size_y_px": 4, "size_x_px": 4, "dtype": "uint16"}
    for planes, told in (
        ([plane], ""),
        ([plane, plane], "gave the same image twice: B02"),
        ([plane, plane | {"z": 1, "path": "../b.tif"}], "names a file outside the raw folder: ../b.tif"),
    ):
        fault = result_fault("index", (Path("raw"),), planes_frame(planes), first=True)
        assert told in fault
        assert bool(told) == bool(fault)


def test_a_reader_that_never_answers_costs_its_limit_once(their_reader: Path) -> None:
    limits = PluginLimits(sniff_seconds=1)
    for name in ("B02_z1.tif", "one.tif"):
        (their_reader / name).write_bytes(b"")
    for answer in ("endless", "0.9"):
        (their_reader / "sniff").write_text(answer)
        # Who did not answer is not asked again: the second answer would have been taken.
        with pytest.raises(InputError, match=r"no installed reader knows .*'theirs' .* it was ended after 1 s"):
            choose_reader(their_reader, registry(limits=limits))


def test_one_process_sniffs_at_all_folders(their_reader: Path) -> None:
    (their_reader / "sniff").write_text("0.9")
    reader = choose_reader(their_reader, registry())
    assert choose_reader(their_reader, registry()) is reader
    assert isinstance(reader, registry().get("reader", "theirs"))
    told: list[str] = []
    (their_reader / "sniff").write_text("write")
    with pytest.raises(InputError, match=r"writes where it must not: it tried to change .*raw/mine"):
        choose_reader(their_reader, registry(), tell=told.append)
    assert not (their_reader / "mine").exists()


def test_a_module_may_hold_the_types_of_its_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An enum of the plugin's module, a path, a decimal, a nested model: the process gets what the step was given."""
    module = """
from decimal import Decimal
from enum import Enum
from pathlib import Path
import numpy as np
from pydantic import Field
from phenodose.plugins import Embedder, Parameters as Base

class Way(Enum):
    UP = "up"
    DOWN = "down"

class Step(Base):
    size: Decimal = Field(Decimal("0.1"), description="Size")

class Parameters(Base):
    way: Way = Field(Way.UP, description="Way")
    step: Step = Field(Step(), description="Step")
    place: Path = Field(Path("a"), description="Place")
    pair: tuple[int, float] = Field((1, 2.0), description="Pair")

class It(Embedder):
    name, version, description = "typed", "1", "A map"
    Parameters = Parameters
    def embed(self, features):
        p = self.parameters
        assert (p.way, p.place, p.pair) == (Way.DOWN, Path("b"), (3, 4.0)), p
        return np.full((len(features), 2), float(p.step.size))
"""
    (tmp_path / "of_typed.py").write_text(module, encoding="utf-8")
    info = tmp_path / "of_typed-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of_typed\nVersion: 2.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[phenodose.embedders]\ntyped = of_typed:It\n", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()
    given = {"way": "down", "step": {"size": "0.25"}, "place": "b", "pair": [3, 4]}
    plugin = sandboxed(registry().get("embedder", "typed"), given, registry())
    np.testing.assert_array_equal(plugin.embed(np.ones((2, 3), dtype=np.float32)), np.full((2, 2), 0.25))
    registry.cache_clear()
