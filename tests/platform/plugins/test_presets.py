"""Presets: one word for settings that belong together; what is said beside it wins, and its name is kept."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from click.testing import CliRunner

from phenodose.cli import cli
from phenodose.errors import InputError, PluginError
from phenodose.pipeline.context import Context
from phenodose.pipeline.network_jobs import _completed, _values
from phenodose.plugins import Parameters, registry
from phenodose.plugins.presets import with_preset
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.cnn_parameters import CnnParameters

PRESETS = CnnParameters.presets


class Two(Parameters):
    """Parameters with presets of two values."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"a": 1, "b": 2}, "slow": {"a": 10, "b": 20}}
    preset: Literal["quick", "slow"] | None = None
    a: int = 0
    b: int = 0
    c: int = 0


def test_a_preset_gives_what_nobody_said_and_its_name_is_kept() -> None:
    assert Two(preset="quick", b=5).model_dump() == {"preset": "quick", "a": 1, "b": 5, "c": 0}
    assert Two(b=5).model_dump() == {"preset": None, "a": 0, "b": 5, "c": 0}


def test_what_was_kept_gives_the_same_again() -> None:
    kept = Two(preset="quick", b=5).model_dump(mode="json")
    assert Two(**kept) == Two(preset="quick", b=5)


@pytest.mark.parametrize(
    ("general", "special", "a", "b", "c"),
    [
        ({"preset": "quick"}, {"a": 7}, 7, 2, 0),
        ({"a": 7, "c": 3}, {"preset": "quick"}, 1, 2, 3),
        ({"preset": "slow", "b": 8}, {"preset": "quick", "a": 6}, 6, 2, 0),
    ],
)
def test_a_preset_of_the_more_special_word_wins_over_all_that_it_says(
    general: dict[str, Any], special: dict[str, Any], a: int, b: int, c: int
) -> None:
    found = Two(**Two.layered(general, special))
    assert (found.a, found.b, found.c) == (a, b, c)


def test_presets_of_the_network_say_the_same_parameters() -> None:
    assert {frozenset(values) for values in PRESETS.values()} == {frozenset(PRESETS["paper"])}
    choices = CnnParameters.model_json_schema()["properties"]["preset"]["anyOf"][0]["enum"]
    assert choices == list(PRESETS)


def test_paper_is_what_holds_where_nothing_is_said() -> None:
    assert CnnParameters(preset="paper").model_dump(exclude={"preset"}) == CnnParameters().model_dump(
        exclude={"preset"}
    )
    assert (
        CnnReadout({"preset": "small"}).parameters
        == CnnReadout({"preset": "small", **CnnReadout.small_parameters()}).parameters
    )


@pytest.mark.parametrize("preset", ["tiny", 3, ["small"]])
def test_an_unknown_preset_is_refused_with_those_that_there_are(preset: Any) -> None:
    with pytest.raises(PluginError, match="preset: Input should be 'paper' or 'small'"):
        CnnReadout({"preset": preset})


def test_a_name_alone_is_no_other_training() -> None:
    named, written = CnnReadout({"preset": "small"}), CnnReadout(CnnReadout.small_parameters())
    assert _completed(named, written.parameters.model_dump(mode="json")) == _values(named.parameters)
    other = CnnReadout({"preset": "small", "epochs_phase1": 3})
    assert _completed(other, written.parameters.model_dump(mode="json")) != _values(other.parameters)


def test_a_step_lays_the_launchpad_over_screen_toml(tmp_path: Path) -> None:
    folder = tmp_path / "PRE_V1_DS1"
    folder.mkdir()
    (folder / "screen.toml").write_text('[parameters.cnn]\npreset = "small"\nepochs_phase1 = 7\nseed = 3\n')

    def parameters(**launchpad: Any) -> CnnParameters:
        step = Context(
            asset="checkpoint/cnn/phase1",
            screen_id=folder.name,
            run_id="run",
            store=Store.open(tmp_path / "store"),
            source=lambda: folder,
            launchpad=launchpad,
            settings={"cnn": frozenset(CnnParameters.model_fields)},
            log=None,  # type: ignore[arg-type]
            progress=lambda *_: None,
        )
        return step.create(CnnReadout).parameters

    assert (parameters().backbone, parameters().epochs_phase1, parameters().seed) == ("micro", 7, 3)
    paper = parameters(preset="paper")
    assert (paper.preset, paper.backbone, paper.epochs_phase1, paper.seed) == ("paper", "vgg19", 200, 3)
    assert parameters(preset="paper", epochs_phase1=2).epochs_phase1 == 2


def test_screen_init_writes_the_word(tmp_path: Path) -> None:
    folder = tmp_path / "PRE_V1_DS1"
    folder.mkdir()
    (folder / "screen.toml").write_text('[parameters.cnn]\nbackbone = "vgg16"\nseed = 3\n')
    command = ["screen", "init", str(folder), "--overwrite", "--preset"]
    refused = CliRunner().invoke(cli, [*command, "tiny"])
    assert isinstance(refused.exception, InputError)
    assert "there are: paper, small." in str(refused.exception)
    assert "vgg16" in (folder / "screen.toml").read_text()
    written = CliRunner().invoke(cli, [*command, "small"])
    assert written.exit_code == 0
    assert "the preset small takes the place of cnn.backbone = 'vgg16'" in written.stderr
    said = tomllib.loads((folder / "screen.toml").read_text(encoding="utf-8"))
    assert said["parameters"] == {"cnn": {"preset": "small", "seed": 3}}


def test_a_preset_is_written_for_every_plugin_that_has_it() -> None:
    settled, gone = with_preset("paper", {"dss2": {"amin": 20}}, registry())
    assert settled == {"dss2": {"amin": 20}, "cnn": {"preset": "paper"}}
    assert gone == []


def test_a_simulated_screen_is_written_with_the_word(tmp_path: Path) -> None:
    made = simulate_screen(tmp_path / "SIM_CE", kind="control-experiment", control_wells=12, size_px=48, planes=1)
    said = tomllib.loads((made.folder / "screen.toml").read_text(encoding="utf-8"))
    assert said["parameters"] == {"cnn": {"preset": "small"}}
