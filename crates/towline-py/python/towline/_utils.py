"""Tools from Python functions."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any, Callable, Dict, List, Optional, Set

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from ._errors import bad_request
from ._types import Tool

_SECTIONS = ("returns:", "yields:", "raises:")
# "name (type): what it is" or "name: what it is".
_ARGUMENT = re.compile(r"(?P<name>[^:(]*?)\s*(?:\([^)]*\)\s*:?|:)\s*(?P<text>.*)")


def _parse_docstring(text: Optional[str]) -> "tuple[str, Dict[str, str]]":
    """The descriptions of a function and its arguments, from a docstring in Google style."""
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


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that is finally called, for a partial or a callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    has_code = inspect.isroutine(function) or inspect.isclass(function)
    return function if has_code else getattr(type(function), "__call__")


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    named = getattr(function, "__name__", None) or type(function).__name__
    return str(named).strip("<>")


def _schema(annotation: Any, function: Callable[..., Any]) -> Dict[str, Any]:
    """The JSON schema of an argument. A type of the caller without a schema becomes an object."""
    try:
        if isinstance(annotation, str):
            inner = inspect.unwrap(getattr(function, "__func__", function))
            names = dict(getattr(inner, "__globals__", {}))
            code, cells = getattr(inner, "__code__", None), getattr(inner, "__closure__", None)
            names.update((name, cell.cell_contents) for name, cell in zip(getattr(code, "co_freevars", ()), cells or ()))
            annotation = eval(annotation, names)
        return TypeAdapter(annotation).json_schema()
    except (NameError, AttributeError, TypeError, ValueError, PydanticUserError, PydanticInvalidForJsonSchema):
        return {"type": "object"}


def convert_function_to_tool(func: Callable[..., Any]) -> Tool:
    """Makes a tool of a function: from its name, its docstring and its annotated arguments.

    A method, a partial, a coroutine function and a callable object work too. Bound arguments of a partial are not part
    of the tool, nor are ``*args`` and ``**kwargs``.
    """
    plain, name = _plain(func), _name(func)
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError) as error:
        raise bad_request(TypeError(f"{name} cannot be a tool: {error}")) from None
    about, descriptions = _parse_docstring(inspect.getdoc(plain) if plain.__doc__ or plain is func else inspect.getdoc(func))
    bound = func.keywords if isinstance(func, functools.partial) else {}
    properties: Dict[str, Any] = {}
    required: List[str] = []
    definitions: Dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in bound:
            continue
        annotated = parameter.annotation is not parameter.empty
        schema = _schema(parameter.annotation, plain) if annotated else {}
        definitions.update(schema.get("$defs", {}))
        types = _type_names(schema)
        # The function keeps its defaults: the model must provide every argument that may not be null.
        if "null" in types:
            types.discard("null")
        else:
            required.append(parameter.name)
        properties[parameter.name] = {
            "description": descriptions.get(parameter.name, ""),
            "type": ", ".join(sorted(types)),
        }
    asked: Dict[str, Any] = {"type": "object", "properties": properties}
    if properties:
        asked["required"] = required
    if definitions:
        asked["$defs"] = definitions
    return Tool.model_validate(
        {"type": "function", "function": {"name": name, "description": about, "parameters": asked}}
    )
