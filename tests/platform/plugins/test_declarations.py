"""A class that stands for a plugin declares what the plugin does, and nothing of the plugin's module is imported."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from phenodose.plugins import KINDS, Parameters, Registry, Scorer, registry
from phenodose.plugins.declarations import class_of, declaration_of, target_of
from phenodose.plugins.parameter_models import model_as_data, model_of_data
from phenodose.plugins.parameters import parameter_facts

EVERY = [(kind, name) for kind in KINDS for name in registry().usable(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_it_declares_what_the_plugin_declares(kind: Any, name: str) -> None:
    plugin = registry().get(kind, name)
    target = f"a_module:{plugin.__qualname__}"
    stands = class_of(target, declaration_of(plugin))
    assert stands is class_of(target, declaration_of(plugin))
    assert target_of(stands) == target
    contract = [base for base in plugin.__mro__ if base.__module__.startswith("phenodose.plugins.")]
    assert all(issubclass(stands, base) for base in contract)
    declared = {name for cls in stands.__mro__ for name in getattr(cls, "__annotations__", {})} - {
        "Parameters",
        "parameters",
        "plugins",
    }
    for attribute in declared:
        assert getattr(stands, attribute, None) == getattr(plugin, attribute, None), attribute
    assert parameter_facts(stands.Parameters) == parameter_facts(plugin.Parameters)
    assert stands({}).parameters.model_dump() == plugin({}).parameters.model_dump()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        # Where it was read, its module would be imported.
        pickle.dumps(stands)


def test_its_parameters_are_checked_as_the_plugin_checks_them() -> None:
    from pathlib import Path
    from typing import Literal

    from pydantic import Field, ValidationError

    class Own(Parameters):
        way: Literal["up", "down"] = Field("up", description="Way")
        share: float | None = Field(None, ge=0, lt=1, description="Share", json_schema_extra={"unit": "percent"})
        number: int | Literal["all"] = Field("all", description="Number")
        place: Path = Field(Path("a"), description="Place")
        pair: tuple[int, float] = Field((1, 2.0), description="Pair")
        names: tuple[str, ...] = Field((), description="Names")
        needed: str = Field(description="Needed", pattern="[a-z]+")
        of: dict[str, int] = Field({}, description="Of")

    stands = model_of_data(model_as_data(Own))
    assert parameter_facts(stands) == parameter_facts(Own)
    given = {"needed": "x", "share": 0.5, "number": 3, "place": "b", "pair": [3, 4], "names": ["n"], "of": {"a": 1}}
    assert stands(**given).model_dump() == Own(**given).model_dump()
    for wrong in ({"way": "left"}, {"share": 1}, {"share": -1}, {"needed": "9"}, {"pair": [1]}, {"more": 1}):
        for model in (Own, stands):
            with pytest.raises(ValidationError):
                model(**{"needed": "x", **wrong})


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"base": "os:system", "doc": "", "values": {}, "methods": [], "parameters": {}},
        {"base": "phenodose.io.files:write_text", "doc": "", "values": {}, "methods": [], "parameters": {}},
    ],
)
def test_what_is_no_declaration_becomes_no_class(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Error: "):
        class_of("a:B", told)


def test_what_no_json_can_hold_is_told_as_the_plugins_fault() -> None:
    class Odd(Scorer):
        name, version, description = "odd", "1", "For a test"
        hit_threshold = object()  # type: ignore[assignment]

        def score(self, curves):
            return curves.top

    with pytest.raises(ValueError, match=r"declares `hit_threshold` as .* which is a object and no number"):
        declaration_of(Odd)


def test_a_registry_of_nothing_of_others_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    from phenodose.plugins import import_trials

    monkeypatch.setattr(import_trials, "declarations", lambda *_: pytest.fail("somebody was asked"))
    assert Registry().usable("scorer")
