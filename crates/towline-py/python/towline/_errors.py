"""The exceptions: one hierarchy under `TowlineError`, in which each class also derives from the built-in exception that
programs already catch.

Handlers written for the package ``ollama`` keep working. If that package has also been imported, an exception is in
addition an instance of its class of the same name; if ``httpx`` has been imported, of the httpx exceptions that
``ollama`` raises.
"""

from __future__ import annotations

import builtins
import json
import sys
import warnings
from typing import Any, Iterator, Mapping, Optional, Type

CONNECTION_ERROR_MESSAGE = (
    "Failed to connect to Ollama. Please check that Ollama is downloaded, running and accessible. "
    "https://ollama.com/download"
)


class TowlineError(Exception):
    """The base class of the package's exceptions.

    ``kind`` is one word to branch on, ``fault`` is who caused it (caller, server, transport, protocol),
    ``may_have_had_effect`` whether the server may have acted on the request. ``text`` and ``thinking`` hold what was
    received of a stream before it failed. ``job`` and ``outcome`` are those of an engine's job that raised it; a pickled
    copy has neither.

    ::

        try:
            client.chat("llama3.2", messages)
        except towline.TowlineError as error:
            print(error.kind, error.fault, error.text)
    """

    kind: str = "invalid_request"
    fault: str = "caller"
    may_have_had_effect: bool = False
    retry_after: Optional[float] = None
    text: str = ""
    thinking: str = ""
    job: Any = None
    outcome: Any = None

    def __reduce__(self) -> Any:
        state = {name: value for name, value in vars(self).items() if name not in ("job", "outcome")}
        return _again, (_own_class(type(self)), self.args, state)


class RequestError(TowlineError, ValueError):
    """The caller's input cannot be sent.

    ::

        try:
            client.generate("llava", "What is it?", images=["missing.png"])
        except towline.RequestError as error:
            print(error)
    """

    def __init__(self, error: str):
        super().__init__(error)
        self.error = error


class ResponseError(TowlineError):
    """The server refused, with a status or in the stream. ``status_code`` is -1 if there was no status.

    ::

        try:
            client.chat("llama3.2", messages)
        except towline.ResponseError as error:
            print(error.status_code, error.error)
    """

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
    """The stream ended before its terminal record. ``text`` holds the text received.

    ::

        try:
            for record in client.chat("llama3.2", messages, stream=True):
                print(record.message.content, end="")
        except towline.TruncatedError as error:
            save(error.text)
    """


class ConnectError(TowlineError, builtins.ConnectionError):
    """No connection could be made; nothing was sent. The cause is in ``reason``.

    ::

        try:
            client.chat("llama3.2", messages)
        except towline.ConnectError as error:
            print(error.reason)
    """

    reason: str = ""


class ConnectionLostError(TowlineError, builtins.ConnectionError):
    """The connection broke. ``text`` holds the text received before.

    ::

        try:
            client.chat("llama3.2", messages)
        except towline.ConnectionLostError as error:
            save(error.text)
    """


class TimedOutError(TowlineError, builtins.TimeoutError):
    """A time limit was reached.

    ::

        try:
            client.chat("llama3.2", messages)
        except towline.TimedOutError as error:
            save(error.text)
    """


class CancelledError(TowlineError):
    """The answer was cancelled by `close`, `cancel` or `Client.close`, from any thread.

    ::

        try:
            for record in stream:  # another thread calls stream.cancel()
                print(record.message.content, end="")
        except towline.CancelledError as error:
            save(error.text)
    """


class ProtocolError(TowlineError, ValueError):
    """The server violated its protocol, or exceeded a named limit.

    ::

        try:
            client.chat("llama3.2", messages)
        except towline.ProtocolError as error:
            print(error, error.text)
    """


class ClosedError(TowlineError, RuntimeError):
    """The client is closed.

    ::

        client.close()
        try:
            client.list()
        except towline.ClosedError:
            client = towline.Client()
    """

    def __init__(self, message: str = "the client is closed; make a new one"):
        super().__init__(message)


class UnmarkedEndWarning(UserWarning):
    """The server ended its stream normally, but none of its records had the field ``done``, so it is unknown whether
    the answer is complete. Ollama and compatible servers always send it.

    ::

        warnings.simplefilter("error", towline.UnmarkedEndWarning)
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

# The exceptions of httpx that ollama raises where this package raises its own.
_OF_HTTPX: dict[str, tuple[str, ...]] = {
    "ConnectError": ("ConnectError",),
    "ConnectionLostError": ("ReadError", "RemoteProtocolError"),
    "TruncatedError": ("RemoteProtocolError",),
    "ProtocolError": ("RemoteProtocolError",),
    "TimedOutError": ("ReadTimeout",),
}

_mixed: dict[tuple[type, ...], Type[TowlineError]] = {}


def _foreign_classes(own: Type[TowlineError], connecting: bool) -> Iterator[type]:
    """The classes of other packages that handlers catch for ``own``."""
    yield from [found] if (found := getattr(sys.modules.get("ollama"), own.__name__, None)) is not None else []
    httpx = sys.modules.get("httpx")
    names = ("ConnectTimeout",) if connecting else _OF_HTTPX.get(own.__name__, ())
    yield from (getattr(httpx, name) for name in names if hasattr(httpx, name))


def _known_to_handlers(own: Type[TowlineError], *, connecting: bool = False) -> Type[TowlineError]:
    """The class to raise: ``own``, and in addition what handlers for other packages catch."""
    theirs = tuple(
        found
        for found in _foreign_classes(own, connecting)
        if isinstance(found, type) and issubclass(found, Exception) and not issubclass(own, found)
    )
    if not theirs:
        return own
    bases = (own, *theirs)
    mixed = _mixed.get(bases)
    if mixed is None:
        # httpx's reference to the request; there is none here.
        names = {"__module__": own.__module__, "__doc__": own.__doc__, "_request": None, "_own": own}
        mixed = _mixed[bases] = type(own.__name__, bases, names)
    return mixed


def _own_class(cls: Type[TowlineError]) -> Type[TowlineError]:
    own: Type[TowlineError] = getattr(cls, "_own", cls)
    return own


def _again(own: Type[TowlineError], args: tuple[Any, ...], state: Mapping[str, Any]) -> TowlineError:
    """A copy of a pickled exception."""
    cls = _known_to_handlers(own)
    error = cls.__new__(cls, *args)
    error.args = args
    vars(error).update(state)
    return error


def of_facts(facts: Mapping[str, Any]) -> TowlineError:
    """The exception for a failure that the native half reports."""
    kind: str = facts["kind"]
    cls = _known_to_handlers(_BY_KIND[kind], connecting=facts.get("clock") == "connect")
    error: TowlineError
    if issubclass(cls, ResponseError):
        error = cls(facts["words"], facts["status"] or -1)
    elif issubclass(cls, ConnectError):
        error = unreachable(facts["reason"], facts["relayed"], cls)
    else:
        error = cls(facts["message"])
    error.kind = kind
    for name in ("fault", "may_have_had_effect", "retry_after", "text", "thinking"):
        if name in facts:
            setattr(error, name, facts[name])
    return error


def unreachable(reason: str, relayed: bool = False, cls: Type[ConnectError] = ConnectError) -> ConnectError:
    """The exception if no connection could be made. ``reason`` names the address."""
    if relayed:
        error = cls(
            f"Failed to connect to the relay: {reason}. relay= is \"own\", which starts one, or the address of one that "
            "runs: http://host:port or unix:/path"
        )
    elif getattr(sys.modules.get("ollama"), "stands_in", False):
        # For that class the server's own words, which programs compare; the address is in a note.
        error = cls(CONNECTION_ERROR_MESSAGE)
        if sys.version_info >= (3, 11):
            error.add_note(reason)
    else:
        error = cls(f"{CONNECTION_ERROR_MESSAGE} ({reason})")
    error.reason, error.kind, error.fault = reason, "connect", "transport"
    return error


def response_error(text: str, status: int) -> ResponseError:
    """The exception for a response with an error status."""
    error = _known_to_handlers(ResponseError)(text, status)
    assert isinstance(error, ResponseError)
    error.kind, error.fault = "server", "server"
    return error


def odd_record(error: Exception, text: str = "", thinking: str = "") -> TowlineError:
    """The exception for a record that is JSON but does not fit its model. ``text`` was received before it or in it."""
    odd = _known_to_handlers(ProtocolError)(f"the server sent a record that does not fit: {_places(error)}")
    odd.kind, odd.fault, odd.may_have_had_effect = "protocol", "protocol", True
    odd.text, odd.thinking = text, thinking
    return odd


def bad_request(error: Exception, place: str = "") -> RequestError:
    """The exception for input that cannot be sent. ``place`` is the position in the input."""
    bad = _known_to_handlers(RequestError)(f"the request cannot be sent: {_places(error, place)}")
    assert isinstance(bad, RequestError)
    return bad


# How pydantic names the alternatives of a union, beside those with brackets.
_ALTERNATIVES = frozenset(("bool", "bytes", "float", "int", "str", "path", "Options", "Message"))


def _places(error: Exception, place: str = "") -> str:
    """Where in the data the error is, and which error, without the data itself: that is a prompt or an answer."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return f"{place}: {error}" if place else str(error)
    found: dict[str, list[str]] = {}
    for one in errors(include_url=False, include_context=False, include_input=False):
        named = [str(name) for name in one["loc"] if name not in _ALTERNATIVES and not _is_alternative(name)]
        said = found.setdefault(".".join([place, *named] if place else named) or "it", [])
        if one["msg"] not in said:
            said.append(one["msg"])
    return "; ".join(f"{where}: {' or '.join([first, *map(_in_short, more)])}" for where, (first, *more) in found.items())


def _is_alternative(name: object) -> bool:
    return isinstance(name, str) and "[" in name


def _in_short(said: str) -> str:
    return said.replace("Input should be ", "", 1)
