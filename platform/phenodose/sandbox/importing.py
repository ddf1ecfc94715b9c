"""Functions and classes by a name that another process finds them by, 'module:name'."""

from __future__ import annotations

import importlib
from typing import Any

#: What this process has named itself, which need not be of a module.
_NAMED: dict[str, Any] = {}


def name_of(thing: Any) -> str:
    """What another process finds a function or class of a module by: 'module:name'."""
    name = f"{thing.__module__}:{thing.__qualname__}"
    _NAMED[name] = thing
    return name


def job_of(name: str) -> Any:
    """The function or class of a name of `name_of`."""
    if name in _NAMED:
        return _NAMED[name]
    module, _, attribute = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found
