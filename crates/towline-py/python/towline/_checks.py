"""Checks of arguments: an invalid value raises a `RequestError` that names the argument."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Mapping, Optional

from ._errors import RequestError


def seconds(name: str, value: Any, *, optional: bool = True) -> Optional[float]:
    """A time, or ``None`` for no limit."""
    if optional and (value is None or value == float("inf")):
        return None
    if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
        raise RequestError(f"{name} must be a number of seconds, 0 or more, not {value!r}")
    return float(value)


def count(name: str, value: Any) -> int:
    """A number of things."""
    if not isinstance(value, Integral) or int(value) < 0:
        raise RequestError(f"{name} must be a whole number, 0 or more, not {value!r}")
    return int(value)


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{name} must be a str, not {value!r}")
    return value


def one_of(name: str, value: Any, choices: Any) -> None:
    if value not in choices:
        raise RequestError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def headers(value: Any) -> Mapping[str, str]:
    """Headers without those that are ``None``. Messages do not repeat a value, since it may be a secret."""
    try:
        given = dict(value or {})
    except (TypeError, ValueError):
        raise RequestError(f"headers must be a mapping of names to values, not of type {type(value).__name__}") from None
    return {str(name): str(one) for name, one in given.items() if one is not None}
