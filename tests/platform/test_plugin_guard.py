"""The guard by itself: what passes, what is refused, and how the answer is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import NotMade, PluginError
from phenodose.plugin_guard import PluginProcess, guarded
from phenodose.plugin_guard_results import result_fault
from phenodose.plugin_guard_worker import fingerprint, same
from phenodose.plugin_limits import Limits, PluginLimits
from phenodose.plugins import registry
from phenodose.plugins.registry import Found

MODULE = """
import os
import tempfile

import numpy as np

from phenodose.errors import NotMade
from phenodose.plugins import Embedder


class It(Embedder):
    name, version, description = "theirs", "1", "A map"

    def embed(self, features):
        if len(features) < 3:
            raise NotMade("too few wells")
        if len(features) == 7:
            return np.zeros(len(features))
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
def test_an_embedder_of_another_distribution_works_in_a_process_of_its_own() -> None:
    import os

    plugin = guarded(registry().get("embedder", "theirs"), {}, PluginLimits())
    assert isinstance(plugin, registry().get("embedder", "theirs"))
    features = np.arange(10, dtype=np.float32).reshape(5, 2)
    places = plugin.embed(features)
    np.testing.assert_array_equal(places[:, 0], features[:, 0])
    assert places[0, 1] != os.getpid()
    assert plugin.embed(features)[0, 1] == places[0, 1]
    with pytest.raises(PluginError, match=r"embedder 'theirs' of of_theirs 2\.0 .* gave the wrong columns: \(7,\)"):
        plugin.embed(np.ones((7, 2), dtype=np.float32))


@pytest.mark.usefixtures("theirs")
def test_a_plugin_may_say_that_there_can_be_no_result() -> None:
    plugin = guarded(registry().get("embedder", "theirs"), {}, PluginLimits())
    with pytest.raises(NotMade, match="too few wells"):
        plugin.embed(np.ones((1, 2), dtype=np.float32))


def test_our_own_plugins_work_in_this_process() -> None:
    plugin = guarded(registry().get("embedder", "pca"), {}, PluginLimits())
    assert type(plugin) is registry().get("embedder", "pca")


def test_a_module_that_cannot_be_found_is_named() -> None:
    found = Found("scorer", "gone", "nowhere 1.0", "a_module_that_is_gone:It", "ok")
    with pytest.raises(PluginError, match=r"scorer 'gone' of nowhere 1\.0 .* ModuleNotFoundError"):
        PluginProcess(found, {}, Limits()).call("score", ())


def test_one_plugin_may_have_limits_of_its_own() -> None:
    limits = PluginLimits.model_validate({"memory_GiB": 2, "of": {"slow": {"seconds": 3600}}})
    assert limits.for_plugin("slow") == Limits(seconds=3600, memory_GiB=2)
    assert limits.for_plugin("other") == Limits(seconds=600, memory_GiB=2)


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
