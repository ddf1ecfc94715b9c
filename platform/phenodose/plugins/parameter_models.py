"""A model of parameters as data, and a model made of such data.

The module of a plugin of another distribution is imported in a process of its own only (`declarations`). What its
parameters are crosses as JSON: every field as a JSON schema with its default. The model made of that knows names,
types, choices, ranges, defaults and descriptions, so it makes forms and tells wrong values; a plugin's own validators
run where the plugin is made.

Belongs here: both directions. Does not belong here: parameters as a person reads them (`parameters`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_origin

from pydantic import BaseModel, Field, TypeAdapter, create_model
from pydantic.fields import FieldInfo

from phenodose.plugins.base import Parameters

#: Constraints of JSON schema -> what pydantic calls them.
_CONSTRAINTS = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
}
_PATHS = ("path", "file-path", "directory-path")
_PLAIN: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "null": None}
#: What the schema of a field says that a model does not say otherwise.
_SAID = {*_CONSTRAINTS, "type", "enum", "const", "anyOf", "oneOf", "allOf", "items", "prefixItems", "format", "default"}
_SAID |= {"description", "title", "$ref", "$defs", "additionalProperties", "properties", "required", "uniqueItems"}


def model_as_data(model: type[BaseModel]) -> dict[str, Any]:
    """A model of parameters as values of JSON, for `model_of_data`.

    Raises:
        ValueError: a default is no value of JSON.
    """
    presets = getattr(model, "presets", {})
    return {
        "name": model.__name__,
        "doc": model.__doc__,
        "extra": model.model_config.get("extra"),
        "is_ours": issubclass(model, Parameters),
        "presets": {str(name): dict(values) for name, values in presets.items()},
        "fields": {name: _field_as_data(field) for name, field in model.model_fields.items()},
    }


def _field_as_data(field: FieldInfo) -> dict[str, Any]:
    kind: Any = Annotated[(field.annotation, field)]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        schema = adapter.json_schema()
    except Exception:
        # A type that JSON knows nothing of: any value is taken here, the plugin looks at it.
        schema = {"description": field.description} if field.description else {}
    held: dict[str, Any] = {
        "schema": schema,
        "description": field.description,
        "is_tuple": get_origin(field.annotation) is tuple,
        "alias": field.alias,
    }
    if not field.is_required():
        default = field.get_default(call_default_factory=True)
        held["default"] = adapter.dump_python(default, mode="json", warnings=False)
    return held


def model_of_data(data: Mapping[str, Any]) -> type[BaseModel]:
    """The model that `model_as_data` wrote.

    Raises:
        Exception: it is nothing of the kind.
    """
    fields: dict[str, Any] = {str(name): _field_of(held) for name, held in data["fields"].items()}
    base = Parameters if data["is_ours"] else type("_Loose", (BaseModel,), {"model_config": {"frozen": True}})
    base = type("_Base", (base,), {"model_config": {"extra": data["extra"]}}) if data["extra"] else base
    model: Any = create_model(str(data["name"]), __base__=base, **fields)
    model.__doc__ = data["doc"]
    if data["presets"]:
        tuples = {name for name, held in data["fields"].items() if held["is_tuple"]}
        model.presets = {
            str(preset): {name: tuple(value) if name in tuples else value for name, value in values.items()}
            for preset, values in data["presets"].items()
        }
    return model  # type: ignore[no-any-return]


def _field_of(held: Mapping[str, Any]) -> tuple[Any, Any]:
    schema = dict(held["schema"])
    definitions = schema.get("$defs", {})
    kind = _type(schema, definitions, held["is_tuple"])
    others = {name: value for name, value in schema.items() if name not in _SAID}
    settings: dict[str, Any] = {"description": held["description"], **_constraints(_one_form(schema))}
    if held["alias"]:
        settings["alias"] = str(held["alias"])
    if others:
        settings["json_schema_extra"] = others
    if "default" in held:
        settings["default"] = _default(held["default"], schema, held["is_tuple"])
    return kind, Field(**settings)


def _default(value: Any, schema: Mapping[str, Any], is_tuple: bool) -> Any:
    if is_tuple and isinstance(value, list):
        return tuple(value)
    is_path = _one_form(schema).get("format") in _PATHS and isinstance(value, str)
    return Path(value) if is_path else value


def _one_form(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a value must be that may also be left out."""
    forms = schema.get("anyOf", schema.get("oneOf"))
    some = [form for form in forms or () if form.get("type") != "null"]
    return some[0] if forms and len(some) == 1 else schema


def _constraints(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {words: schema[name] for name, words in _CONSTRAINTS.items() if name in schema}


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any], is_tuple: bool = False) -> Any:
    """The type of the values of a JSON schema; constraints of one form are the field's, others go with their form."""
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "const" in schema:
        return Literal[schema["const"]]
    if forms := schema.get("anyOf", schema.get("oneOf")):
        alone = _one_form(schema) is not schema
        return Union[tuple(_form(form, definitions, alone, is_tuple) for form in forms)]  # noqa: UP007
    if len(schema.get("allOf", ())) == 1:
        return _type(schema["allOf"][0], definitions)
    kind = schema.get("type")
    if kind == "string":
        return Path if schema.get("format") in _PATHS else str
    if kind == "array":
        return _array(schema, definitions, is_tuple)
    if kind == "object":
        values = schema.get("additionalProperties")
        return dict[str, _type(values, definitions) if isinstance(values, dict) else Any]  # type: ignore[misc]
    return _PLAIN.get(str(kind), Any)


def _form(form: Mapping[str, Any], definitions: Mapping[str, Any], alone: bool, is_tuple: bool) -> Any:
    kind = _type(form, definitions, is_tuple)
    limits = {} if alone else _constraints(form)
    return Annotated[kind, Field(**limits)] if limits else kind


def _array(schema: Mapping[str, Any], definitions: Mapping[str, Any], is_tuple: bool) -> Any:
    if "prefixItems" in schema:
        return tuple[tuple(_form(one, definitions, False, False) for one in schema["prefixItems"])]  # type: ignore[misc]
    items = schema.get("items")
    inner = _form(items, definitions, False, False) if isinstance(items, dict) else Any
    return tuple[inner, ...] if is_tuple else list[inner]  # type: ignore[valid-type]
