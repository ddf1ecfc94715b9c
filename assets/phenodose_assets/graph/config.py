"""A plugin's parameters as a launchpad form.

Belongs here: turning a pydantic `Parameters` model into a Dagster config class. Every field of the form
may be left empty: the launchpad wins over screen.toml (`step.Step.parameters`), screen.toml wins over
the plugin's default. Does not belong here: checking values; the plugin itself does when it is made.
"""

from __future__ import annotations

import types
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_PLAIN = (bool, int, float, str)


#: Tables of parameters by the name they have in screen.toml: ('cnn', CnnParameters).
Settings = tuple[tuple[str, type[BaseModel]], ...]


@cache
def config_class(settings: Settings) -> type[dg.Config]:
    """A Dagster config class with the fields of all tables, each optional."""
    fields: dict[str, Any] = {}
    for name, model in settings:
        for field_name, field in model.model_fields.items():
            form_type = _form_type(f"{name}_{field_name}", field.annotation)
            fields[field_name] = (form_type | None, Field(None, description=_help(field)))
    title = "_".join(name for name, _ in settings) or "no"
    return create_model(f"{title}_parameters", __base__=dg.Config, **fields)


def said(config: dg.Config) -> dict[str, Any]:
    """What the launchpad really says: the fields that are not empty."""
    values = {name: getattr(config, name) for name in type(config).model_fields}
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in values.items() if value is not None
    }


def _help(field: FieldInfo) -> str:
    """The description, the range, and the default that holds where the field is left empty."""
    text = ", ".join(part for part in ((field.description or "").rstrip("."), _range(field)) if part)
    if field.default is PydanticUndefined or field.default is None:
        return text
    return f"{text}; {field.default!r} if left empty and not set in screen.toml".lstrip("; ")


def _range(field: FieldInfo) -> str:
    """The range that the values must lie in: 'at least 1, at most 256'; '' without one."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = [(bound, getattr(limit, bound)) for limit in field.metadata for bound in words if hasattr(limit, bound)]
    return ", ".join(f"{words[bound]} {value}" for bound, value in limits)


def _form_type(name: str, annotation: Any) -> Any:
    """The type of a form field for a parameter's annotation."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not type(None)]
        return _form_type(name, inner[0]) if len(inner) == 1 else Any
    if origin is Literal:
        if all(isinstance(choice, str) for choice in arguments):
            return Enum(name, {choice: choice for choice in arguments})
        return type(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, _PLAIN) and not issubclass(annotation, Enum):
        return next(plain for plain in _PLAIN if issubclass(annotation, plain))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return annotation
    if origin in (list, tuple) and arguments and arguments[0] in _PLAIN:
        return list[arguments[0]]  # type: ignore[valid-type]
    return Any
