"""The parameters of a plugin as a person reads them: type, default, range, unit, meaning.

Belongs here: reading them from the model, for lists, `phenodose plugins check` and docs/plugin_reference.md. Does not
belong here: checking values, which is the model's affair (`base.Parameters`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

#: Unit that the last word of a name stands for.
_UNITS = {
    "um": "um",
    "um2": "square um",
    "px": "px",
    "nM": "nM",
    "s": "s",
    "seconds": "s",
    "hours": "h",
    "degrees": "degrees",
    "percent": "percent",
    "fraction": "fraction",
    "mb": "MB",
    "gib": "GiB",
}


@dataclass(frozen=True)
class ParameterFacts:
    """What is known of one parameter.

    Attributes:
        name: the field's name.
        type: in words, such as 'number' or 'one of raw, tf28'.
        default: JSON-able; None too where there is none (`required`).
        range: such as 'from 2 to 1000', '' if there is none.
        unit: '' if it has none.
        description: what it means.
        required: True if it has no default.
    """

    name: str
    type: str
    default: Any
    range: str
    unit: str
    description: str
    required: bool


def parameter_facts(model: type[BaseModel]) -> list[ParameterFacts]:
    """Every parameter of a model, in the order of its declaration."""
    schema = model.model_json_schema()
    properties = schema.get("properties", {})
    facts = []
    for name, field in model.model_fields.items():
        declared = properties[field.alias or name]
        default = None if field.is_required() else declared.get("default", field.get_default(call_default_factory=True))
        default = None if default is PydanticUndefined else default
        forms = declared.get("anyOf") or declared.get("oneOf") or [declared]
        facts.append(
            ParameterFacts(
                name,
                " or ".join(_type(form) for form in forms),
                default,
                " or ".join(filter(None, map(_range, forms))),
                str(declared.get("unit") or _UNITS.get(name.rsplit("_", 1)[-1] if "_" in name else "", "")),
                field.description or "",
                field.is_required(),
            )
        )
    return facts


def default_text(facts: ParameterFacts) -> str:
    """The default as it is written in screen.toml; 'none' where nothing is the default."""
    if facts.required:
        return "required"
    return "none" if facts.default is None else json.dumps(facts.default, ensure_ascii=False, default=str)


def _type(form: dict[str, Any]) -> str:
    if "enum" in form:
        return f"one of {', '.join(map(str, form['enum']))}"
    if "const" in form:
        return f"'{form['const']}'"
    if "$ref" in form:
        return str(form["$ref"]).rsplit("/", 1)[-1]
    kind = str(form.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(form.get('items', {}))}"
    names = {"string": "text", "boolean": "true or false", "object": "table", "null": "none", "integer": "whole number"}
    return names.get(kind, kind)


def _range(form: dict[str, Any]) -> str:
    lower = f"from {form['minimum']:g}" if "minimum" in form else ""
    lower = f"above {form['exclusiveMinimum']:g}" if "exclusiveMinimum" in form else lower
    upper = f"to {form['maximum']:.12g}" if "maximum" in form else ""
    upper = f"below {form['exclusiveMaximum']:.12g}" if "exclusiveMaximum" in form else upper
    return f"{lower} {upper}".strip()
