"""`phenodose curate` and `phenodose run --stale`: decided on the command line, made again from there on alone."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.store.store import Store

SCREEN = "TST_V1_DS1"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PHENODOSE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return int(str(ended.value.code)), told.out, told.err

    return call


@pytest.mark.usefixtures("no_cohort_report")
def test_one_step_makes_again_only_what_follows(
    run: Run, small_ctg_screen: Path, tmp_path: Path, site_of: Callable[..., str]
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "site.toml").write_text(site_of("readout:ctg", "scorer:dss_asym"))
    (small_ctg_screen / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n")
    code, _, err = run("run", small_ctg_screen, "--select", "layout,viability/ctg,curves/ctg,scores/dss_asym")
    assert code == 0, err
    code, out, err = run("curate", SCREEN, "exclude", "P1/D07", "--drug", "weak", "--because", "lint")
    assert code == 0, err
    assert f"1\texclude\tP1/D07\t1 well\t{getpass.getuser()}\t" in out
    assert "2\texclude\tdrug Weak\t10 wells\t" in out
    assert f"make it again with `phenodose run {SCREEN} --stale`" in out
    code, out, err = run("run", SCREEN, "--stale", "--json")
    assert code == 0, err
    made = json.loads(out)["made"]
    assert made == ["viability/ctg", "curves/ctg", "scores/dss_asym", "patient_report"]
    assert Store.open(tmp_path / "store").read_table("viability", SCREEN)["masked"].sum() == 11
    code, out, err = run("run", SCREEN, "--stale")
    assert (code, out) == (0, f"Nothing of {SCREEN} is older than its inputs.\n"), err
    assert "drug Weak" in run("sql", "SELECT what, undone_by FROM curations ORDER BY number")[1]
    code, out, _ = run("curate", SCREEN, "restore", "1", "--because", "on the lid", "--by", "B. Roe", "--json")
    assert code == 0
    assert json.loads(out)[0] | {"decided_at": ""} == {
        "number": 3, "action": "restore", "what": "P1/D07", "plate": None, "well": None, "drug": None,
        "replicate": None, "sample": None, "readout": None, "undoes": "1", "n_wells": 1, "decided_by": "B. Roe",
        "decided_at": "", "because": "on the lid", "undone_by": None, "undone_at": None,
    }  # fmt: skip
    code, out, _ = run("curate", SCREEN, "list")
    assert "\tundone by B. Roe on " in out.splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("curate", "NONE_V1", "list"), "screen 'NONE_V1' is not in the store"),
        (("curate", SCREEN, "exclude", "P1/D07"), "TST_V1_DS1"),
        (("curate", SCREEN, "lose", "P1/D07"), "is not one of 'exclude', 'restore', 'list'"),
        (("run", SCREEN, "--stale"), "is not in the store"),
    ],
    ids=["no such screen", "no such screen to exclude from", "no such action", "nothing to be stale"],
)
def test_what_is_refused(run: Run, arguments: tuple[str, ...], told: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in err
