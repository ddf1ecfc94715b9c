"""Modules of others are imported in processes of their own; what they declare is remembered by their files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from phenodose.plugins import Registry, import_trials
from phenodose.plugins.import_trials import declarations, forget_faults
from phenodose.settings.plugin_limits import PluginLimits

SOUND = """
from phenodose.plugins import Scorer
class It(Scorer):
    name, version, description = "{name}", "1", "For a test"
    def score(self, curves):
        return curves.top
"""
FAULTY = {
    "never_ends": ("import time\ntime.sleep(60)", "fails to import: it was ended after 5 s"),
    "ends_all": ("import os\nos._exit(3)", "ends the process that imports it (exit code 3)"),
    "exits": ("import sys\nsys.exit(3)", "SystemExit: 3"),
}


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Writes a distribution with a scorer of its name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def write(name: str, module: str) -> Path:
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[phenodose.scorers]\n{name} = trial_{name}:It\n")
        (site / f"trial_{name}.py").write_text(module)
        return site

    yield write
    for module in [name for name in sys.modules if name.startswith("trial_")]:
        del sys.modules[module]


def faults_of(*points: EntryPoint) -> dict[str, str]:
    """What is wrong with those that something is wrong with."""
    return {point.module: told.fault for point, told in declarations(points, 20).items() if told.fault}


def point(name: str) -> EntryPoint:
    return EntryPoint(name, f"trial_{name}:It", "phenodose.scorers")


def test_a_faulty_import_is_named_and_the_others_load(offer: Callable[[str, str], Path]) -> None:
    for name, (module, _) in FAULTY.items():
        offer(name, module)
    offer("sound", SOUND.format(name="sound"))
    found = Registry(limits=PluginLimits(import_seconds=5))
    assert {"sound", "dss_asym"} <= set(found.usable("scorer"))
    errors = {one.name: one.error for one in found.problems()}
    assert set(errors) == set(FAULTY)
    for name, (_, says) in FAULTY.items():
        assert f"scorer {name!r} of {name} 1.0" in errors[name]
        assert says in errors[name]


def test_what_was_tried_is_remembered_until_its_files_change(
    offer: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    really = import_trials._asked
    monkeypatch.setattr(
        import_trials, "_asked", lambda points, s: (asked.extend(one.module for one in points), really(points, s))[1]
    )
    site = offer("ends_all", "import os\nos._exit(3)")
    offer("sound", SOUND.format(name="sound"))
    points = [point("ends_all"), point("sound")]
    for _ in range(2):
        assert list(faults_of(*points)) == ["trial_ends_all"]
    assert asked == ["trial_ends_all", "trial_sound"]
    (site / "trial_ends_all.py").write_text(SOUND.format(name="ends_all"))
    assert faults_of(*points) == {}
    assert asked[2:] == ["trial_ends_all"]
    assert not {"trial_sound", "trial_ends_all"} & sys.modules.keys()


def test_a_fault_is_believed_for_an_hour_or_until_it_is_to_be_forgotten(
    offer: Callable[[str, str], Path], tmp_path: Path
) -> None:
    offer("sound", SOUND.format(name="sound"))
    memory = tmp_path / "cache" / "phenodose" / "imports.json"
    assert faults_of(point("sound")) == {}
    (stamp,) = known = json.loads(memory.read_text())
    known[stamp]["fault"] = "was ill"
    memory.write_text(json.dumps(known))
    assert faults_of(point("sound")) == {"trial_sound": "was ill"}
    forget_faults()
    assert faults_of(point("sound")) == {}
    memory.write_text(json.dumps({stamp: {**known[stamp], "at": known[stamp]["at"] - 4000}}))
    assert faults_of(point("sound")) == {}


def test_a_memory_that_cannot_be_read_or_kept_is_no_error(offer: Callable[[str, str], Path], tmp_path: Path) -> None:
    offer("sound", SOUND.format(name="sound"))
    (tmp_path / "cache").write_text("no folder")
    assert faults_of(point("sound")) == {}


def test_the_command_line_lives_beside_a_module_that_ends_its_process(offer: Callable[[str, str], Path]) -> None:
    site = offer("ends_all", "import os\nos._exit(3)")
    done = subprocess.run(
        [sys.executable, "-m", "phenodose", "plugins", "list"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "BROKEN: scorer 'ends_all' of ends_all 1.0" in done.stdout
    assert "dss_asym" in done.stdout
