"""Parameters: the launchpad wins over screen.toml, screen.toml over the plugin's default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from pydantic import Field

from phenodose.errors import InputError, PluginError
from phenodose.plugins import Parameters
from phenodose_assets.graph.config import config_class, said
from phenodose_assets.run import Graph, materialize_screen


class Every(Parameters):
    """One field of every kind that a plugin may use."""

    number: int = Field(3, ge=1, description="A number.")
    fraction: float | None = None
    choice: Literal["a", "b"] = "a"
    level: Literal[1, 2] = 1
    widths: tuple[int, ...] = (8, 16)
    switch: bool = False
    either: int | str = "auto"
    needed: str


def test_every_kind_of_field_can_be_left_empty_or_filled() -> None:
    form = config_class((("every", Every),))
    assert said(form()) == {}
    values = {"number": 5, "fraction": 0.5, "choice": "b", "level": 2, "widths": [1, 2], "switch": False, "either": 7}
    seen: dict[str, Any] = {}

    def look(context: dg.OpExecutionContext, config: Any) -> None:
        seen.update(said(config))

    look.__annotations__.update(context=dg.OpExecutionContext, config=form)
    look_op = dg.op(look)

    @dg.job
    def job() -> None:
        look_op()

    assert job.execute_in_process(run_config={"ops": {"look": {"config": values}}}).success
    assert seen == values


def test_the_form_tells_the_default() -> None:
    fields = config_class((("every", Every),)).model_fields
    assert fields["number"].description == "A number, at least 1; 3 if left empty and not set in screen.toml"


SCREEN = "PAR_V1_DS1"


@pytest.fixture(scope="module")
def settings(workshop: Any) -> Path:
    """screen.toml of a screen whose viability is made."""
    folder: Path = workshop.screen(SCREEN)
    workshop.make(SCREEN, "layout,viability/ctg").raise_if_failed()
    return folder / "screen.toml"


@pytest.mark.parametrize(
    ("in_toml", "in_launchpad", "draws"),
    [(None, None, 200), (7, None, 7), pytest.param(None, 5, 5, marks=pytest.mark.slow), (7, 5, 5)],
)
def test_precedence(workshop: Any, settings: Path, in_toml: int | None, in_launchpad: int | None, draws: int) -> None:
    settings.write_text(f"[parameters.curves]\nbootstrap = {in_toml}\n" if in_toml is not None else "")
    parameters = {"curves": {"bootstrap": in_launchpad}} if in_launchpad is not None else None
    workshop.make(SCREEN, "curves/ctg", parameters=parameters).raise_if_failed()
    rows = workshop.store.read_table("curves", SCREEN)
    assert {json.loads(text)["bootstrap"] for text in rows["parameters"]} == {draws}


@pytest.mark.parametrize(
    ("table", "name", "value", "asset"),
    [
        ("curves", "bootstrap", -1, "curves/ctg"),
        ("viability", "normalise_by", "moon", "viability/ctg"),
        ("ctg", "nonsense", 1, "viability/ctg"),
    ],
)
def test_a_wrong_value_in_screen_toml_is_a_sentence(
    workshop: Any, settings: Path, table: str, name: str, value: int | str, asset: str
) -> None:
    settings.write_text(f"[parameters.{table}]\n{name} = {json.dumps(value)}\n")
    outcome = workshop.make(SCREEN, asset)
    assert list(outcome.failed) == [asset]
    assert outcome.failed[asset].mendable
    assert name in outcome.failed[asset].message


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"nonsense": {"x": 1}}, "nonsense"),
        ({"curves": {"boots": 1}}, "curves.boots.*bootstrap"),
        ({"curves": {"bootstrap": "many"}}, "curves.bootstrap=many"),
        ({"curves": {"bootstrap": -1}}, "curves.bootstrap=-1.*greater than or equal to 0"),
        ({"cnn": {"backbone": "alexnet"}}, "cnn.backbone=alexnet.*vgg19"),
    ],
)
def test_wrong_parameters_are_refused_at_the_door(
    ctg_run: Any, ctg_graph: Graph, parameters: dict[str, dict[str, Any]], told: str
) -> None:
    how = {"instance": ctg_run.instance, "graph": ctg_graph}
    with pytest.raises(PluginError, match=told):
        materialize_screen(ctg_run.store, "TST_V1_DS1", parameters=parameters, **how)


@pytest.mark.parametrize("select", ["nonsense", "key:nothing", "!!", "cohort_db"])
def test_a_selection_of_nothing_is_refused_at_the_door(ctg_run: Any, ctg_graph: Graph, select: str) -> None:
    with pytest.raises(InputError, match="names no asset of a screen"):
        materialize_screen(ctg_run.store, "TST_V1_DS1", select=select, instance=ctg_run.instance, graph=ctg_graph)


def test_the_network_has_a_form_in_the_launchpad(ctg_graph: Graph) -> None:
    job = ctg_graph.definitions.resolve_job_def("screen")
    schema = job.graph.node_dict["checkpoint__cnn__phase2"].definition.config_mapping
    assert schema is not None
    fields = schema.config_schema.config_type.fields
    assert {"epochs_phase2", "backbone", "learning_rate_phase2"} <= set(fields)
    assert not any(field.is_required for field in fields.values())
