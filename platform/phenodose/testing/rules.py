"""What every kind of plugin must keep, and how a broken rule is told.

Belongs here: the base class, the rules that need no data, and `broken`. Does not belong here: the rules of a kind
(one module each beside this one).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from phenodose.plugins import Plugin, contract_fault, contract_text
from phenodose.plugins.preferences import declaration_fault

if TYPE_CHECKING:
    from phenodose.testing.isolation import Seen


class Broken(AssertionError):
    """A rule of the plugin contract is broken; the message names the rule and shows the smallest example."""


def broken(rule: str, found: str, example: str = "") -> Broken:
    """The failure of a rule.

    Args:
        rule: what the contract says.
        found: what the plugin did instead.
        example: the smallest data on which it does.
    """
    shown = f"\n  smallest example:\n    {example}" if example else ""
    return Broken(f"the contract says: {rule}\n  found: {found}{shown}")


def smallest(places: Sequence[int], still_breaks: Callable[[list[int]], bool]) -> list[int]:
    """As few of these places as still break a rule: halves are tried first, then single ones are left out.

    Args:
        places: a set of places on which the rule is broken.
        still_breaks: whether a part of them breaks it too.
    """
    left = list(places)
    part = max(1, len(left) // 2)
    while True:
        for start in range(0, len(left), part):
            fewer = left[:start] + left[start + part :]
            if fewer and still_breaks(fewer):
                left = fewer
                part = max(1, min(part, len(left) // 2))
                break
        else:
            if part == 1:
                return left
            part = max(1, part // 2)


class PluginConformance:
    """Base of the conformance suites; a subclass names the plugin, pytest runs its methods.

    Attributes:
        plugin: the class under test.
        parameters: what it is made with; the defaults if left out.
    """

    plugin: ClassVar[type[Plugin]]
    parameters: ClassVar[Mapping[str, Any]] = {}

    def made(self) -> Any:
        """A new plugin with the suite's parameters."""
        return self.plugin(self.parameters)

    def isolated(self, function: Callable[..., Any], *arguments: Any) -> Seen:
        """A call in a process of its own; suites of many plugins may give it one that they share."""
        from phenodose.testing.isolation import run_isolated

        return run_isolated(function, *arguments)

    def test_it_says_what_it_is(self) -> None:
        """Name, version and description are texts; the contract is the one of this phenodose."""
        for attribute in ("name", "version", "description"):
            value = getattr(self.plugin, attribute, None)
            if not isinstance(value, str) or not value.strip():
                raise broken(f"a plugin declares `{attribute}` as a text", f"{self.plugin.__name__} has {value!r}")
        if fault := contract_fault(self.plugin.contract):
            raise broken(f"a plugin is written for contract {contract_text()} to work with this phenodose", fault)

    def test_it_declares_what_can_be_used(self) -> None:
        """Precedence, colours and ranges are what the platform takes; none of them has to be declared."""
        if fault := declaration_fault(self.plugin):
            raise broken("what a plugin declares can be used", f"{self.plugin.name} {fault}")

    def test_every_parameter_has_a_default_and_a_meaning(self) -> None:
        """The launchpad form is made of them, and the plugin must work without being told anything."""
        for name, field in self.plugin.Parameters.model_fields.items():
            if field.is_required():
                raise broken("every parameter has a default", f"`{name}` of {self.plugin.name} has none")
            if not (field.description or "").strip():
                raise broken("every parameter has a description", f"`{name}` of {self.plugin.name} has none")

    def test_it_refuses_unknown_parameters(self) -> None:
        """A misspelt parameter is an error, not ignored."""
        from phenodose.errors import PluginError

        try:
            self.plugin({"no_such_parameter_": 1})
        except PluginError:
            return
        raise broken(
            "unknown parameters are refused",
            f"{self.plugin.name} took `no_such_parameter_`; derive its model from phenodose.plugins.Parameters",
        )

    def test_it_can_be_pickled(self) -> None:
        """It travels to other processes."""
        made = self.made()
        try:
            again = pickle.loads(pickle.dumps(made))
        except Exception as error:
            raise broken("a plugin can be pickled", f"{type(error).__name__}: {error}") from error
        if again.parameters != made.parameters:
            raise broken("a pickled plugin keeps its parameters", f"{again.parameters!r} after {made.parameters!r}")
