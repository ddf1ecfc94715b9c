"""A new plugin distribution of each kind installs, is found, keeps the contract, and its own tests pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phenodose.cli import main
from phenodose.errors import InputError, PluginError
from phenodose.plugins import KINDS, Kind
from phenodose.plugins.scaffold import new_plugin, next_steps, plugin_name


def run(*command: str, env: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def before_the_others(folder: Path) -> str:
    """The search path of this process, with a folder in front."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def new_plugins(place: Path) -> list[Path]:
    """The folder of a new plugin of each kind."""
    folders = []
    for kind in KINDS:
        folder = new_plugin(f"mean-{kind}", kind, place)
        assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == [
            "README.md",
            f"phenodose_{kind}_mean_{kind}.py",
            "pyproject.toml",
            f"tests/test_mean_{kind}.py",
        ]
        folders.append(folder)
    return folders


def test_a_new_plugin_of_each_kind_is_complete_and_its_own_tests_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_process: Any
) -> None:
    folders = new_plugins(tmp_path)
    for folder in folders:
        monkeypatch.syspath_prepend(str(folder))
    found = one_process.outcomes([folder / "tests" for folder in folders], tmp_path, monkeypatch)
    assert {name: told for name, told in found.items() if told != "passed"} == {}
    assert all(any(f"test_mean_{kind}.py::" in name for name in found) for kind in KINDS)


@pytest.mark.slow
def test_their_own_tests_pass_as_their_author_runs_them(tmp_path: Path) -> None:
    """Each call that is to be apart is a new process; above they share one."""
    folders = new_plugins(tmp_path)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(before_the_others(folder) for folder in folders)}
    pytest_command = (sys.executable, "-W", "error", "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider")
    said = run(*pytest_command, *map(str, folders), env=env, cwd=tmp_path)
    passed = [line for line in said.splitlines() if line.startswith("PASSED")]
    for kind in KINDS:
        assert any(f"test_mean_{kind}.py::" in line for line in passed)
    assert said.splitlines()[-1].startswith(f"{len(passed)} passed in ")


def test_a_new_scorer_installs_with_pip_and_is_checked(tmp_path: Path) -> None:
    folder = new_plugin("mean_top", "scorer", tmp_path)
    site = tmp_path / "site"
    env = {**os.environ, "PYTHONPATH": before_the_others(site)}
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--target", str(site), str(folder), env=env, cwd=tmp_path)
    told = json.loads(
        run(sys.executable, "-m", "phenodose", "plugins", "check", "mean_top", "--json", env=env, cwd=tmp_path)
    )
    assert told["status"] == "ok"
    assert told["distribution"] == "phenodose-scorer-mean-top 1.0"
    assert told["parameters"]["grid_points"]["default"] == 50
    assert set(told["rules"].values()) == {"kept"}


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_placeholder_is_left(tmp_path: Path, kind: Kind) -> None:
    folder = new_plugin("x1", kind, tmp_path)
    for file in folder.rglob("*"):
        if file.is_file():
            assert "@" not in file.read_text(encoding="utf-8")


def test_the_readme_has_the_next_three_commands(tmp_path: Path) -> None:
    folder = new_plugin("x1", "embedder", tmp_path)
    text = (folder / "README.md").read_text(encoding="utf-8")
    for step in next_steps(Path(), "embedder", "x1"):
        assert step.splitlines()[0] in text


def test_hyphens_become_underscores() -> None:
    assert plugin_name("my-scorer") == "my_scorer"


@pytest.mark.parametrize("name", ["", "Mean", "1st", "a--b", "a__b", "../x", "a b", "-a", "a-"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="lower-case letters"):
        new_plugin(name, "scorer", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    folder = new_plugin("mine", "scorer", tmp_path)
    before = (folder / "README.md").read_bytes()
    with pytest.raises(InputError, match="is there already"):
        new_plugin("mine", "scorer", tmp_path)
    assert (folder / "README.md").read_bytes() == before
    with pytest.raises(PluginError, match=r"already installed \(phenodose "):
        new_plugin("dss-asym", "scorer", tmp_path)


def test_the_command_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plugins", "new", "my-map", "--kind", "embedder", "--out", str(tmp_path)])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "pip install -e" in said
    assert "phenodose plugins check my_map" in said
    assert (tmp_path / "phenodose-embedder-my-map" / "pyproject.toml").is_file()
