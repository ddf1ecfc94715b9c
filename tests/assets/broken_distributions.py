"""Small distributions of scorers and other plugins, written into a folder for tests, and a screen made with them."""

from __future__ import annotations

import hashlib
import io
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import dagster as dg
import pytest

from phenodose.plugins import registry
from phenodose.store.store import Store
from phenodose_assets.resources import StepEvent
from phenodose_assets.run import Graph, materialize_screen

_HEAD = """
import os
import time
from dataclasses import replace

import numpy as np

from phenodose.plugins import Embedder, ImageReadout, PlateReaderReadout, Reader, Scorer, Scores
"""


def scorer(name: str, body: str, signature: str = "self, curves", more: str = "") -> str:
    """Text of the class `It`, a scorer whose method `score` has this body."""
    return _plugin("Scorer", name, f"score({signature})", body, more)


def other(base: str, name: str, method: str, body: str) -> str:
    """Text of the class `It`, a plugin of another kind with one method."""
    return _plugin(base, name, method, body, 'folder = "ctg"')


def _plugin(base: str, name: str, method: str, body: str, more: str) -> str:
    lines = [f"        {line}" for line in dedent(body).strip().splitlines()]
    declared = f'    name, version, description = "{name}", "1", "A plugin of a test"'
    return "\n".join([_HEAD, f"class It({base}):", declared, f"    {more}", f"    def {method}:", *lines, ""])


def module_of(distribution: str) -> str:
    """Name of the module of a distribution."""
    return "of_" + distribution.replace("-", "_")


def install(folder: Path, distribution: str, points: Mapping[str, str], module: str) -> None:
    """Write a distribution: entry points by name -> group, all of the class `It` of one module."""
    package = module_of(distribution)
    (folder / f"{package}.py").write_text(module, encoding="utf-8")
    info = folder / f"{package}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n", encoding="utf-8")
    text = "\n".join(f"[phenodose.{group}]\n{name} = {package}:It" for name, group in points.items())
    (info / "entry_points.txt").write_text(text + "\n", encoding="utf-8")


_GOOD = "return np.where(curves.fitted, curves.top, np.nan)"

#: Text of the faulty scorers by name; `twice` is offered by two distributions.
FAULTY = {
    "no_import": "import a_library_that_is_not_there",
    "wrong_signature": scorer("wrong_signature", _GOOD, "self, curves, drug_library"),
    "wrong_columns": scorer("wrong_columns", "return np.zeros((len(curves), 2))"),
    "only_nan": scorer("only_nan", "return np.full(len(curves), np.nan)"),
    "raises": scorer(
        "raises",
        """
        if (curves.keys["replicate"] == "2").any():
            raise RuntimeError("two replicates are odd")
        return np.where(curves.fitted, curves.top, np.nan)
        """,
    ),
    "endless": scorer("endless", "while True: time.sleep(1)"),
    "huge": scorer("huge", "kept = []\nwhile True: kept.append(np.ones(1 << 22))"),
    "writes": scorer(
        "writes",
        """
        for root, _, names in os.walk(os.environ["TEST_STORE"]):
            for name in names:
                with open(os.path.join(root, name), "w") as handle:
                    handle.write("mine")
        return np.where(curves.fitted, curves.top, np.nan)
        """,
    ),
    "writes_natively": scorer(
        "writes_natively",
        """
        import pyarrow.fs
        pyarrow.fs.LocalFileSystem().open_output_stream(os.environ["TEST_STORE"] + "/native.txt").write(b"mine")
        return np.where(curves.fitted, curves.top, np.nan)
        """,
    ),
    "changes": scorer("changes", "curves.top[:] = 0.5\nreturn np.where(curves.fitted, curves.top, np.nan)"),
    "other_contract": scorer("other_contract", _GOOD, more="contract = 99"),
    "random": scorer("random", "return np.random.default_rng().random(len(curves))"),
    "dies": scorer("dies", "os.abort()"),
}
GOOD = scorer("good", _GOOD)
TWICE = scorer("twice", _GOOD)


@dataclass(frozen=True)
class Made:
    """What became of every asset of a screen, and what was logged in the run."""

    state: dict[str, str]
    message: dict[str, str]
    mendable: dict[str, bool]
    said: str


def run(store: Path, selects: Mapping[str, str | None], path: list[Path]) -> dict[str, Made]:
    """Make screens one after the other with further folders on Python's path, looked at anew.

    No plugin of another distribution is ever imported here, so that no fault of theirs can reach this process.

    Args:
        store: folder of the store.
        selects: assets to make, separated by commas, or None for all, by screen.
        path: the further folders.
    """
    told: dict[str, list[StepEvent]] = {}
    known = set(sys.modules)
    said = io.StringIO()
    heard, log = logging.StreamHandler(said), logging.getLogger("phenodose_assets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "handlers", [*log.handlers, heard])
        for folder in path:
            patch.syspath_prepend(str(folder))
        patch.setenv("TEST_STORE", str(store))
        patch.setenv("PHENODOSE_STORE", str(store))
        patch.setenv("XDG_CACHE_HOME", str(store.parent / "cache"))
        registry.cache_clear()
        opened = Store.open(store)
        graph = Graph(opened)
        with dg.DagsterInstance.ephemeral() as instance:
            for screen, select in selects.items():
                listen = told.setdefault(screen, []).append
                materialize_screen(opened, screen, select=select, instance=instance, progress=listen, graph=graph)
    registry.cache_clear()
    assert not [name for name in set(sys.modules) - known if name.startswith(module_of(""))]
    return {screen: _made(events, said.getvalue()) for screen, events in told.items()}


def _made(events: list[StepEvent], said: str) -> Made:
    ended = [event for event in events if event.state in ("made", "failed", "skipped")]
    return Made(
        {event.asset: event.state for event in ended},
        {event.asset: event.message for event in ended},
        {event.asset: event.mendable for event in ended},
        said,
    )


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
