"""Parameters as a person reads them, in the reference and on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from phenodose.cli.plugin_options import given_parameters, value_of
from phenodose.errors import InputError
from phenodose.plugins import KINDS, Parameters, registry
from phenodose.plugins.parameters import default_text, parameter_facts
from phenodose.plugins.reference_page import reference_markdown

PAGE = Path(__file__).parents[3] / "docs" / "plugin_reference.md"


class Example(Parameters):
    width_um: float = Field(2.5, gt=0, le=10, description="How wide")
    way: Literal["a", "b"] = Field("a", description="Which way")
    plate: int | None = Field(None, ge=1, description="Which plate")
    level: int = Field(description="No default")


def test_type_range_unit_and_default_are_told_in_words() -> None:
    facts = {one.name: one for one in parameter_facts(Example)}
    assert (facts["width_um"].type, facts["width_um"].range, facts["width_um"].unit) == (
        "number",
        "above 0 to 10",
        "um",
    )
    assert facts["way"].type == "one of a, b"
    assert (facts["plate"].type, facts["plate"].range) == ("whole number or none", "from 1")
    assert [default_text(one) for one in facts.values()] == ["2.5", '"a"', "none", "required"]


def test_every_parameter_of_the_built_in_plugins_has_default_and_meaning() -> None:
    for kind in KINDS:
        for name, plugin in registry().usable(kind).items():
            for one in parameter_facts(plugin.Parameters):
                assert not one.required, f"{name}.{one.name}"
                assert one.description, f"{name}.{one.name}"


def test_the_reference_page_is_fresh() -> None:
    """If this fails: run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == reference_markdown()


def test_the_reference_names_every_parameter() -> None:
    page = reference_markdown()
    for found in registry().report(load=True):
        if found.distribution.startswith("phenodose "):
            for name in registry().get(found.kind, found.name).Parameters.model_fields:
                assert f"| `{name}` |" in page


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), ("2.5", 2.5), ("true", True), ("[1, 2]", [1, 2]), ("auto", "auto"), ("a#b", "a#b")]
)
def test_values_are_those_of_toml_else_text(text: str, value: Any) -> None:
    assert value_of(text) == value


def scorers(*names: str) -> dict[str, Any]:
    return {name: registry().get("scorer", name) for name in names}


def test_a_parameter_goes_to_every_plugin_that_has_it_or_to_the_one_named() -> None:
    used = scorers("dss1", "dss2", "auc")
    assert given_parameters(["amin=12", "dss2.amin=5"], used) == {"dss1": {"amin": 12}, "dss2": {"amin": 5}}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("amin", "write NAME=VALUE"),
        ("=3", "write NAME=VALUE"),
        ("amim=3", "there are: dss1.amin"),
        ("zdss.amin=3", "'zdss' is not used here; used are: dss1"),
    ],
)
def test_what_no_plugin_takes_is_told(item: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        given_parameters([item], scorers("dss1"))
