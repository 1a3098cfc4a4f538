"""Tools from Python functions."""

from __future__ import annotations

import inspect
import re
from typing import Any, Callable, Dict, Optional, Set

from pydantic import create_model

from ._types import Tool

_SECTIONS = ("returns:", "yields:", "raises:")
# "name (type): what it is" or "name: what it is".
_ARGUMENT = re.compile(r"(?P<name>[^:(]*?)\s*(?:\([^)]*\)\s*:?|:)\s*(?P<text>.*)")


def _parse_docstring(text: Optional[str]) -> "tuple[str, Dict[str, str]]":
    """What a function is for, and what each of its arguments is, from a docstring in Google's style."""
    about, arguments = [], {}
    section, last = "about", None
    for line in (text or "").splitlines():
        stripped = line.strip()
        lowered = stripped.lower()
        if lowered.startswith("args:"):
            section = "args"
        elif lowered.startswith(_SECTIONS):
            section = "other"
        elif section == "about":
            about.append(stripped)
        elif section == "args" and stripped:
            match = _ARGUMENT.match(stripped) if ":" in stripped else None
            if match:
                last = match["name"].strip()
                arguments[last] = match["text"].strip()
            elif last is not None:
                arguments[last] += " " + stripped
    return "\n".join(about).strip(), arguments


def _type_names(schema: Dict[str, Any]) -> Set[str]:
    if "anyOf" in schema:
        return {option.get("type", "string") for option in schema["anyOf"]}
    return {schema.get("type", "string")}


def convert_function_to_tool(func: Callable[..., Any]) -> Tool:
    """The tool that a function is: its name, its docstring, its annotated arguments."""
    about, descriptions = _parse_docstring(inspect.getdoc(func))
    fields: Dict[str, Any] = {}
    for name, parameter in inspect.signature(func).parameters.items():
        annotated = parameter.annotation is not inspect.Parameter.empty
        # A default stays the function's own business: the model is asked for every argument that may not be null.
        fields[name] = (parameter.annotation if annotated else str, ...)
    schema = create_model(func.__name__, __module__=func.__module__, **fields).model_json_schema()
    required = schema.get("required")
    properties = {}
    for name, described in schema.get("properties", {}).items():
        types = _type_names(described)
        if "null" in types:
            types.discard("null")
            if required and name in required:
                required.remove(name)
        properties[name] = {"description": descriptions.get(name, ""), "type": ", ".join(sorted(types))}
    parameters: Dict[str, Any] = {"type": "object", "properties": properties}
    if required is not None:
        parameters["required"] = required
    if "$defs" in schema:
        parameters["$defs"] = schema["$defs"]
    return Tool.model_validate(
        {"type": "function", "function": {"name": func.__name__, "description": about, "parameters": parameters}}
    )
