"""A new plugin distribution installs, is found, keeps the contract, and its own test passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.errors import InputError, PluginError
from phenodose.plugins.scaffold import new_scorer


def run(*command: str, env: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_new_scorer_installs_is_found_and_passes_its_own_test(tmp_path: Path) -> None:
    folder = new_scorer("mean_top", tmp_path)
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == [
        "README.md",
        "phenodose_scorer_mean_top.py",
        "pyproject.toml",
        "tests/test_mean_top.py",
    ]
    site = tmp_path / "site"
    env = {**os.environ, "PYTHONPATH": str(site)}
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--target", str(site), str(folder), env=env, cwd=tmp_path)
    told = json.loads(
        run(sys.executable, "-m", "phenodose", "plugins", "check", "mean_top", "--json", env=env, cwd=tmp_path)
    )
    assert told["status"] == "ok"
    assert told["distribution"] == "phenodose-scorer-mean-top 1.0"
    assert told["parameters"]["grid_points"]["default"] == 50
    said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", env=env, cwd=folder)
    assert "3 passed" in said


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    folder = new_scorer("x1", tmp_path)
    for file in folder.rglob("*"):
        if file.is_file():
            assert "@" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", "Mean", "1st", "a-b", "a__b", "../x", "a b"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="lower-case letters"):
        new_scorer(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    folder = new_scorer("mine", tmp_path)
    before = (folder / "README.md").read_bytes()
    with pytest.raises(InputError, match="is there already"):
        new_scorer("mine", tmp_path)
    assert (folder / "README.md").read_bytes() == before
    with pytest.raises(PluginError, match="already installed"):
        new_scorer("dss_asym", tmp_path)


def test_the_command_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plugins", "new", "mine", "--kind", "scorer", "--out", str(tmp_path)])
    assert not ended.value.code
    assert "pip install -e" in capsys.readouterr().out
    assert (tmp_path / "phenodose-scorer-mine" / "pyproject.toml").is_file()
