"""Makes ``import ollama`` mean this package, for code that cannot be changed.

Either import this module before any import of ``ollama``, or run a script with it::

    python -m towline.ollama_compat your_script.py its arguments
    python -m towline.ollama_compat -m a_module its arguments
"""

from __future__ import annotations

import runpy
import sys
from importlib import import_module
from types import ModuleType
from typing import Any, List

_PARTS = {"_client": "._client", "_types": "._ollama_types", "_utils": "._utils"}


class _Ollama(ModuleType):
    """The module ``ollama``: the names of this package, loaded on first use."""

    stands_in = True

    def __getattr__(self, name: str) -> Any:
        if name == "_client":
            # In that package the name is the default client; it is the module only in an import.
            return import_module("._default", "towline").client
        return getattr(import_module("towline"), name)

    def __dir__(self) -> List[str]:
        return sorted(set(super().__dir__()) | set(dir(import_module("towline"))))


def install() -> ModuleType:
    """Replaces ``ollama`` with this package; calling it twice is harmless."""
    present = sys.modules.get("ollama")
    if isinstance(present, _Ollama):
        return present
    if present is not None:
        raise ImportError("the package ollama was already imported; import towline.ollama_compat before it")
    from . import __all__ as names

    ollama = _Ollama("ollama", __doc__)
    ollama.__path__ = []  # a package, whose parts are those below
    ollama.__dict__["__all__"] = list(names)
    sys.modules["ollama"] = ollama
    for part, module in _PARTS.items():
        sys.modules[f"ollama.{part}"] = import_module(module, "towline")
    return ollama


def main() -> None:
    """Runs a script or a module as Python would."""
    arguments = sys.argv[1:]
    if not arguments or arguments == ["-m"]:
        sys.exit("usage: python -m towline.ollama_compat (script.py | -m module) [arguments]")
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = __import__("os").path.dirname(arguments[0])
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
else:
    install()
