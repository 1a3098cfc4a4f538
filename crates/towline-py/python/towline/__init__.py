"""Towline: model streams that end properly, for people who write Python.

Names are loaded when they are first used, so ``import towline`` itself costs little.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The drop-in for the package ``ollama``.
    from ._towline import __version__ as __version__

if TYPE_CHECKING:
    # The engine.
    pass

# Which module of the package each public name lives in.
_DROP_IN = {
    "__version__": "._towline",
}
_ENGINE: dict[str, str] = {}

_WHERE = {**_DROP_IN, **_ENGINE}
__all__ = [name for name in _WHERE if not name.startswith("_")]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_WHERE))
