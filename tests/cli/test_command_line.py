"""What all commands share: help of bare groups, one name for parameters, and screens that a store does not hold."""

from __future__ import annotations

import sys
import zipfile
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from phenodose.cli import COMMANDS, cli, main
from phenodose.cli.plugin_options import param_option
from phenodose.errors import InputError
from phenodose.lineage.freshness import Change
from phenodose.screens.matrices import read_readings

SCREEN = "BT-40_V1_DS1"
#: How each command that works on a screen of a store is called with one.
OF_A_SCREEN = (
    ("why", "NAME", "Trametinib"),
    ("screen", "show", "NAME"),
    ("screen", "remove", "NAME"),
    ("report", "NAME"),
    ("view", "NAME", "--no-open"),
    ("targets", "NAME"),
    ("cam", "NAME", "P1/B07"),
    ("evaluate", "NAME"),
    ("transfer-study", "NAME", SCREEN),
    ("export", "NAME", "--crate", "crate"),
    ("curate", "NAME", "exclude", "P1/B07", "--because", "lint"),
    ("sign", "NAME", "--by", "A. Doe"),
    ("compare", "NAME", SCREEN),
)


def called(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_a_group_by_itself_prints_its_help(capsys):
    groups = [name for name in COMMANDS if isinstance(cli.get_command(click.Context(cli), name), click.Group)]
    assert {"screen", "plugins"} <= set(groups)
    for words in ([], *([name] for name in groups)):
        code, out, err = called(capsys, *words)
        assert code in (0, 2)
        assert out.startswith(" ".join(["Usage: phenodose", *words]))
        assert "Commands:" in out
        assert err == ""


@pytest.mark.parametrize("words", OF_A_SCREEN, ids=lambda words: " ".join(words[:2]).replace(" NAME", ""))
def test_an_unknown_screen_is_told_so_with_the_nearest_name(words, made_up_store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    store = ["--store", str(made_up_store.root)]
    code, _, err = called(capsys, *("bt-40_v1_ds2" if word == "NAME" else word for word in words), *store)
    assert code == 2
    assert f"'bt-40_v1_ds2' is not in the store {made_up_store.root} (did you mean {SCREEN}?" in err
    assert err.count("\n") == 1


def test_run_tells_the_nearest_name_too(made_up_store, capsys):
    pytest.importorskip("dagster")
    code, _, err = called(capsys, "run", "BT40_V1_DS1", "--store", str(made_up_store.root))
    assert code == 2
    assert "there is no such folder" in err
    assert f"did you mean {SCREEN}?" in err


def test_a_parameter_has_one_name_and_its_old_names_go_on_working():
    @click.command()
    @param_option("given", "NAME=VALUE", "A parameter.")
    def command(given: tuple[str, ...]) -> None:
        click.echo(",".join(given))

    words = ["--param", "a=1", "-p", "b=2", "--set", "c=3", "--parameter", "d=4"]
    assert CliRunner().invoke(command, words).output == "a=1,b=2,c=3,d=4\n"
    text = CliRunner().invoke(command, ["--help"]).output
    assert "-p, --param NAME=VALUE" in text
    assert "--set" not in text
    assert "--parameter" not in text


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("screen", "demo")])
def test_no_command_calls_parameters_otherwise(name):
    command = cli.get_command(click.Context(cli), name)
    every = command.commands.values() if isinstance(command, click.Group) else [command]
    for one in every:
        shown = one.get_help(click.Context(one))
        assert "--set " not in shown
        assert "--parameter " not in shown


def test_select_may_be_repeated(small_ctg_screen, tmp_path, monkeypatch, capsys):
    asked = []

    def refuse(store, select, graph=None):
        asked.append(select)
        raise InputError("enough")

    fake = ModuleType("phenodose_assets.run")
    fake.Graph = lambda *_: None
    fake.selected_keys, fake.materialize_cohort, fake.materialize_screen = refuse, None, None
    instance = ModuleType("phenodose_assets.instance")
    instance.open_instance = None
    monkeypatch.setitem(sys.modules, "phenodose_assets.run", fake)
    monkeypatch.setitem(sys.modules, "phenodose_assets.instance", instance)
    words = ["run", str(small_ctg_screen), "--store", str(tmp_path / "store")]
    code, _, err = called(capsys, *words, "--select", "layout,curves", "--select", "scores")
    assert (code, asked) == (2, ["layout,curves,scores"])
    assert "enough" in err


def test_courses_of_one_time_are_refused_before_anything_is_computed(small_ctg_screen, tmp_path, monkeypatch, capsys):
    def never(*args, **kwargs):
        raise AssertionError("it was computed")

    monkeypatch.setattr("phenodose.pipeline.score_layout.score_layout", never)
    layout = next(small_ctg_screen.glob("*layout*"))
    readouts = next(path for path in small_ctg_screen.iterdir() if path.is_dir())
    words = ["score", "--layout", str(layout), "--readouts", str(readouts), "--out", str(tmp_path / "scores.csv")]
    code, _, err = called(capsys, *words, "--courses", str(tmp_path / "courses.csv"))
    assert code == 2
    assert "no readout was read several times" in err


def test_a_zip_of_several_times_says_what_to_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "ctg.zip", "w") as archive:
        for time in ("0h", "24h"):
            archive.writestr(f"{time}/S_P1.csv", "1,2,3\n4,5,6\n")
    with pytest.raises(InputError, match="unpack the zip and give the folder, with nothing but folders named by hours"):
        read_readings(tmp_path / "ctg.zip")


def test_why_says_once_what_is_older_than_its_inputs(made_up_store, monkeypatch, capsys):
    sentence = "results are older than the layout."
    change = Change("raw/layout", ("scores/dss_asym",), ("scores/dss_asym",), sentence)
    monkeypatch.setattr("phenodose.lineage.freshness.changes_since", lambda store, screen: [change])
    words = ["why", SCREEN, "Trametinib", "--readout", "ctg", "--store", str(made_up_store.root)]
    code, out, _ = called(capsys, *words)
    assert code == 0
    assert out.count(sentence) == 1
    assert out.startswith(f"! {sentence}")
