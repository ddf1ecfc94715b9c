"""What a plugin of another distribution declares, as data, and the class that stands for it where others work.

A module that is imported can change whatever lies in its process: numpy's functions, warnings, the current folder. So
a plugin of another distribution is imported in its own process only. What others need to know of it (its name, its
parameters, which contract it keeps) is told there as values of JSON, and becomes a class of the same base here, whose
methods ask the plugin's process.

Belongs here: telling, and making the class. Does not belong here: the processes (`import_trials`, `isolation`), and
models of parameters (`parameter_models`).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache, cached_property
from types import FunctionType
from typing import Any

from phenodose.plugins.base import Plugin
from phenodose.plugins.parameter_models import model_as_data, model_of_data
from phenodose.plugins.readouts import StagedReadout
from phenodose.sandbox.importing import job_of, name_of
from phenodose.training_records import Phase

#: Version of what is told; another one is asked anew.
FORMAT = 1
#: Packages whose classes a plugin's class here may be made of.
_OURS = (
    *("phenodose", "phenodose_readers", "phenodose_readouts", "phenodose_scorers"),
    *("phenodose_measures", "phenodose_embedders"),
)
_CODE = (FunctionType, classmethod, staticmethod, property, cached_property)
#: What a class has beside what it declares.
_NO_DECLARATIONS = ("Parameters", "parameters", "plugins")


def declaration_of(plugin: type[Plugin]) -> dict[str, Any]:
    """What a class declares, as values of JSON, for `class_of`; told in the plugin's own process.

    Raises:
        ValueError: it declares something that no JSON can hold; the message is a part of a sentence.
    """
    base = next(cls for cls in plugin.__mro__[1:] if cls.__module__.split(".")[0] in _OURS)
    values: dict[str, Any] = {}
    for name in _declared_names(base):
        if hasattr(plugin, name):
            try:
                values[name] = _plain(getattr(plugin, name))
            except TypeError as error:
                raise ValueError(f"declares `{name}` as {getattr(plugin, name)!r:.200}, which is {error}") from error
    methods = [name for name, cls in _methods(base).items() if getattr(plugin, name) is not getattr(cls, name)]
    told: dict[str, Any] = {"base": name_of(base), "doc": plugin.__doc__, "values": values, "methods": methods}
    if issubclass(plugin, StagedReadout):
        told["small_parameters"] = plugin.small_parameters()
    try:
        told["parameters"] = model_as_data(plugin.Parameters)
        told = json.loads(json.dumps(told))
    except (TypeError, ValueError) as error:
        raise ValueError(f"declares parameters that cannot be handed on ({error})") from error
    return told


def class_of(target: str, told: Mapping[str, Any]) -> type[Plugin]:
    """The class that stands for a plugin, the same for the same declaration.

    Args:
        target: where the plugin's own process finds it, 'module:Class'.
        told: what `declaration_of` told.

    Raises:
        ValueError: it is nothing of the kind.
    """
    try:
        return _class_of(target, json.dumps(told))
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


@cache
def _class_of(target: str, text: str) -> type[Plugin]:
    from phenodose.plugins.isolation import remote_method

    told = json.loads(text)
    if str(told["base"]).split(":")[0].split(".")[0] not in _OURS:
        raise ValueError(f"no base of ours is {told['base']}")
    base: Any = job_of(told["base"])
    if not issubclass(base, Plugin):
        raise TypeError(f"no base of plugins is {told['base']}")
    known, methods = set(_declared_names(base)), set(_methods(base))
    body: dict[str, Any] = {name: _declared(value) for name, value in told["values"].items() if name in known}
    body |= {name: remote_method(name) for name in told["methods"] if name in methods}
    if "small_parameters" in told:
        small = dict(told["small_parameters"])
        body["small_parameters"] = staticmethod(lambda: dict(small))
    body |= {
        "__doc__": told["doc"],
        # Of this module, where nothing is found by its name: so it cannot be sent to where it would be imported.
        "__module__": __name__,
        "__qualname__": f"class_of({target})",
        "__init__": Plugin.__init__,
        "Parameters": model_of_data(told["parameters"]),
        "stands_for": target,
    }
    made: type[Plugin] = type(target.rpartition(":")[2].rpartition(".")[2] or "It", (base,), body)
    return made


def target_of(plugin: type[Plugin]) -> str:
    """What another process finds a plugin's class by, 'module:Class'."""
    target = stands_for(plugin)
    return name_of(plugin) if target is None else target


def stands_for(plugin: type[Plugin]) -> str | None:
    """Where the plugin is that a class stands for, 'module:Class'; None if it is the plugin itself."""
    target: str | None = getattr(plugin, "stands_for", None)
    return target


def _declared_names(base: type[Any]) -> list[str]:
    """What a plugin may declare by its contract: attributes of the classes of ours that are no code."""
    names: dict[str, None] = {}
    for cls in base.__mro__:
        if cls.__module__.split(".")[0] in _OURS:
            names |= dict.fromkeys([*vars(cls), *inspect.get_annotations(cls)])
    return [
        name
        for name in names
        if not name.startswith("_")
        and name not in _NO_DECLARATIONS
        and not isinstance(inspect.getattr_static(base, name, None), _CODE)
    ]


def _methods(base: type[Any]) -> dict[str, type[Any]]:
    """What a plugin's process is asked for, and what must not be missing -> the class whose own it is if not made."""
    from phenodose.plugins.isolation import METHODS

    asked = {name: cls for cls, names in METHODS.items() if issubclass(base, cls) for name in names}
    return {**dict.fromkeys(getattr(base, "__abstractmethods__", ()), base), **asked}


def _plain(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Phase):
        return {"phase": {name: _plain(held) for name, held in asdict(value).items()}}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, list):
        return {"list": [_plain(one) for one in value]}
    if isinstance(value, Mapping):
        return {"dict": {str(name): _plain(held) for name, held in value.items()}}
    raise TypeError(f"a {type(value).__name__} and no number, text, or tuple of them")


def _declared(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_declared, value))
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "phase":
        return Phase(**{str(name): _declared(one) for name, one in held.items()})
    return [_declared(one) for one in held] if kind == "list" else {name: _declared(one) for name, one in held.items()}
