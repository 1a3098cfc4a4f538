"""What is raised: one tree under `TowlineError`, each class also the built-in one that people catch already.

Where the package ``ollama`` has been imported too, what is raised is in addition an instance of its class of the same
name, so that ``except ollama.ResponseError`` goes on working.
"""

from __future__ import annotations

import builtins
import json
import sys
import warnings
from typing import Any, Mapping, Optional, Type

CONNECTION_ERROR_MESSAGE = (
    "Failed to connect to Ollama. Please check that Ollama is downloaded, running and accessible. "
    "https://ollama.com/download"
)


class TowlineError(Exception):
    """Everything that the package raises of its own.

    ``kind`` is one word to branch on, ``origin`` whose doing it was (caller, server, transport, protocol),
    ``may_have_had_effect`` whether the server may have acted on the request. ``text`` and ``thinking`` hold what was
    received of a stream before it failed. ``job`` and ``outcome`` are those of an engine's job that raised it.
    """

    kind: str = "invalid_request"
    origin: str = "caller"
    may_have_had_effect: bool = False
    retry_after: Optional[float] = None
    text: str = ""
    thinking: str = ""
    job: Any = None
    outcome: Any = None


class RequestError(TowlineError, ValueError):
    """The caller's own input cannot be sent."""

    def __init__(self, error: str):
        super().__init__(error)
        self.error = error


class ResponseError(TowlineError):
    """The server said no, by status or in the stream. ``status_code`` is -1 where there was none."""

    def __init__(self, error: str, status_code: int = -1):
        try:
            parsed = json.loads(error)
        except (TypeError, ValueError):
            parsed = None
        if isinstance(parsed, dict):
            error = parsed.get("error", error)
        super().__init__(error)
        self.error = error
        self.status_code = status_code

    def __str__(self) -> str:
        return f"{self.error} (status code: {self.status_code})"


class TruncatedError(TowlineError, EOFError):
    """The stream ended before its terminal record. ``text`` holds what came."""


class ConnectError(TowlineError, builtins.ConnectionError):
    """No connection could be made; nothing was sent. The cause is in ``reason``."""

    reason: str = ""


class ConnectionLostError(TowlineError, builtins.ConnectionError):
    """The connection broke. ``text`` holds what came before."""


class TimedOutError(TowlineError, builtins.TimeoutError):
    """A clock ran out."""


class CancelledError(TowlineError):
    """Somebody stopped the answer: `close`, `cancel` or `Client.close`, from any thread."""


class ProtocolError(TowlineError, ValueError):
    """The server sent what is not of its protocol, or more than a named limit."""


class ClosedError(TowlineError, RuntimeError):
    """The client is closed."""

    def __init__(self, message: str = "the client is closed; make a new one"):
        super().__init__(message)


class UnmarkedEndWarning(UserWarning):
    """The server ended its stream in good order, but none of its records had the field ``done``: whether the answer is
    whole cannot be known. Ollama and what is compatible with it always send it.
    """


def warn_of_unmarked_end() -> None:
    """Warns the code that reads the stream."""
    warnings.warn(
        "the stream ended, and none of its records said whether it was the last: the answer may not be whole",
        UnmarkedEndWarning,
        stacklevel=2,
    )


_BY_KIND: dict[str, Type[TowlineError]] = {
    "invalid_request": RequestError,
    "connect": ConnectError,
    "tls": ConnectError,
    "connection_lost": ConnectionLostError,
    "truncated": TruncatedError,
    "rejected": ResponseError,
    "unauthorized": ResponseError,
    "not_found": ResponseError,
    "busy": ResponseError,
    "server": ResponseError,
    "redirect": ResponseError,
    "protocol": ProtocolError,
    "limit": ProtocolError,
    "timed_out": TimedOutError,
    "cancelled": CancelledError,
    "task": TowlineError,
}

_mixed: dict[Type[TowlineError], Type[TowlineError]] = {}


def _also_ollamas(own: Type[TowlineError]) -> Type[TowlineError]:
    """The class to raise: also ollama's class of the same name, if that package is there and is not this one."""
    theirs = getattr(sys.modules.get("ollama"), own.__name__, None)
    if not isinstance(theirs, type) or not issubclass(theirs, Exception) or issubclass(own, theirs):
        return own
    mixed = _mixed.get(own)
    if mixed is None or not issubclass(mixed, theirs):
        mixed = type(own.__name__, (own, theirs), {"__module__": own.__module__, "__doc__": own.__doc__})
        _mixed[own] = mixed
    return mixed


def of_facts(facts: Mapping[str, Any]) -> TowlineError:
    """The exception for what the native half says went wrong."""
    kind: str = facts["kind"]
    cls = _also_ollamas(_BY_KIND[kind])
    error: TowlineError
    if issubclass(cls, ResponseError):
        error = cls(facts["words"], facts["status"] or -1)
    elif issubclass(cls, ConnectError):
        error = cls(CONNECTION_ERROR_MESSAGE)
        error.reason = facts["message"]
        if sys.version_info >= (3, 11):
            error.add_note(facts["message"])
    else:
        error = cls(facts["message"])
    error.kind = kind
    for name in ("origin", "may_have_had_effect", "retry_after", "text", "thinking"):
        if name in facts:
            setattr(error, name, facts[name])
    return error


def response_error(text: str, status: int) -> ResponseError:
    """What is raised for a response with an error status."""
    error = _also_ollamas(ResponseError)(text, status)
    assert isinstance(error, ResponseError)
    error.kind, error.origin = "server", "server"
    return error
