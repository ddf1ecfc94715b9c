"""Modules that never end their import, or end the process, are named; what was tried is remembered by its files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from phenodose.plugins import Registry
from phenodose.sandbox import import_trials
from phenodose.sandbox.import_trials import forget_faults, import_faults

SOUND = """
from phenodose.plugins import Scorer
class It(Scorer):
    name, version, description = "{name}", "1", "For a test"
    def score(self, curves):
        return curves.top
"""
FAULTY = {
    "never_ends": ("import time\ntime.sleep(60)", "its import was ended after 10 s"),
    "ends_all": ("import os\nos._exit(3)", "ends the process that imports it (exit code 3)"),
    "exits": ("import sys\nsys.exit(3)", "SystemExit: 3"),
}


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Writes a distribution with a scorer of its name; an import may take ten seconds: time for sound ones anywhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PHENODOSE_STORE", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "site.toml").write_text("[plugin_limits]\nimport_seconds = 10\n")
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


def point(name: str) -> EntryPoint:
    return EntryPoint(name, f"trial_{name}:It", "phenodose.scorers")


def test_a_faulty_import_is_named_and_the_others_load(offer: Callable[[str, str], Path]) -> None:
    for name, (module, _) in FAULTY.items():
        offer(name, module)
    offer("sound", SOUND.format(name="sound"))
    found = Registry()
    assert {"sound", "dss_asym"} <= set(found.usable("scorer"))
    errors = {one.name: one.error for one in found.problems()}
    assert set(errors) == set(FAULTY)
    for name, (_, says) in FAULTY.items():
        assert f"scorer {name!r} of {name} 1.0" in errors[name]
        assert says in errors[name]


def test_what_was_tried_is_remembered_until_its_files_change(
    offer: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    really = import_trials._tried
    monkeypatch.setattr(import_trials, "_tried", lambda names, s: (tried.extend(names), really(names, s))[1])
    site = offer("ends_all", "import os\nos._exit(3)")
    offer("sound", SOUND.format(name="sound"))
    points = [point("ends_all"), point("sound")]
    for _ in range(2):
        assert list(import_faults(points, 20)) == ["trial_ends_all"]
    assert tried == ["trial_ends_all", "trial_sound"]
    (site / "trial_ends_all.py").write_text("# mended")
    assert import_faults(points, 20) == {}
    assert tried[2:] == ["trial_ends_all"]


def test_a_fault_is_believed_for_an_hour_or_until_it_is_to_be_forgotten(
    offer: Callable[[str, str], Path], tmp_path: Path
) -> None:
    offer("sound", SOUND.format(name="sound"))
    memory = tmp_path / "cache" / "phenodose" / "imports.json"
    assert import_faults([point("sound")], 20) == {}
    (stamp,) = known = json.loads(memory.read_text())
    known[stamp]["fault"] = "was ill"
    memory.write_text(json.dumps(known))
    assert import_faults([point("sound")], 20) == {"trial_sound": "was ill"}
    forget_faults()
    assert import_faults([point("sound")], 20) == {}
    memory.write_text(json.dumps({stamp: {"fault": "was ill", "at": known[stamp]["at"] - 4000}}))
    assert import_faults([point("sound")], 20) == {}


def test_a_memory_that_cannot_be_read_or_kept_is_no_error(offer: Callable[[str, str], Path], tmp_path: Path) -> None:
    offer("sound", SOUND.format(name="sound"))
    (tmp_path / "cache").write_text("no folder")
    assert import_faults([point("sound")], 20) == {}


def test_the_command_line_lives_beside_a_module_that_ends_its_process(offer: Callable[[str, str], Path]) -> None:
    site = offer("ends_all", "import os\nos._exit(3)")
    done = subprocess.run(
        [sys.executable, "-m", "phenodose", "plugins", "list"],
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "BROKEN: scorer 'ends_all' of ends_all 1.0" in done.stdout
    assert "dss_asym" in done.stdout
