"""The common part of both clients."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Literal, Mapping, Optional, Tuple, Type, TypeVar, Union

from typing_extensions import Self, TypedDict

from . import _foreign as foreign
from ._errors import RequestError
from ._towline import NativeClient
from ._transport import Transport

log = logging.getLogger("towline")


class TransportOptions(TypedDict, total=False):
    """The options of a client or an engine besides its host. Times are in seconds; ``None`` disables a timeout."""

    timeout: Any
    """As in httpx: one limit for the connection, the first record and the time between bytes; a pair for the connection and the
    other two; or an ``httpx.Timeout``. The five below take precedence."""
    connect: Optional[float]
    """How long a connection may take. Default: 10."""
    first_event: Optional[float]
    """From the request to the first record: queueing, loading, the prompt. Default: 1,200."""
    idle: Optional[float]
    """Between bytes of any kind. Default: 300."""
    record: Optional[float]
    """Between whole records, for a server that sends bytes but no record. Default: 1,200; none if ``timeout`` sets no
    limit between bytes."""
    total: Optional[float]
    """From the start to the end. Default: none."""
    retries: int
    """How often a request is retried if a retry cannot repeat a side effect: no connection could be made, or the server
    was busy and said when to retry. Default: 0 for clients, 2 for engines."""
    resume: Union[Literal["never", "continue"], int]
    """``"continue"``: a cut answer is continued by another request, up to 3 times, if the server supports it; or a number of
    times. Default: ``"never"``."""
    api: Literal["auto", "ollama", "openai"]
    """The dialect of chat: ``"ollama"``; ``"openai"``; ``"auto"``: Ollama's, or OpenAI's if the server does not know Ollama's.
    Default: ``"ollama"`` for clients, ``"auto"`` for engines."""
    keep_think_tags: bool
    """Whether thinking that a server sends inside the text stays there, between ``<think>`` and ``</think>``. Default: false,
    the client moves it to ``thinking``."""
    relay: Optional[str]
    """The relay that runs the streams: its address, or ``"own"`` for this user's own, which the program ``towline`` starts if
    needed; ``host`` is then the model server of that relay. Default: none."""
    headers: Optional[Mapping[str, Any]]
    """Further headers of every request."""
    follow_redirects: bool
    """Whether redirects to the same host are followed. Default: true."""
    verify: Any
    """The path of the only certificate authority to trust. Certificates are always checked."""
    proxy: Optional[str]
    """The proxy's address: ``http://…`` or ``socks5://…``."""
    trust_env: bool
    """Whether proxies and certificates are also taken from the environment. Default: true."""
    http2: bool
    """Whether HTTP/2 is used without negotiation. Default: false."""


class ClientOptions(TransportOptions, total=False):
    """The options of a client besides its host."""

    on_request: Optional[Callable[[str, str, Any], object]]
    """Called with the method, the path and the JSON of each request before it is sent."""
    on_record: Optional[Callable[[Any], object]]
    """Called with each record, and each whole answer, before it is returned."""


class BaseClient:
    """Holds the connection: this package's own, or httpx's if the caller uses options that only httpx supports."""

    _client: Any

    def __init__(self, of_httpx: str, host: Optional[str], options: Dict[str, Any]) -> None:
        self._on_request = options.pop("on_request", None)
        self._on_record = options.pop("on_record", None)
        self._given = (of_httpx, host, dict(options))
        if foreign.OWN_OPTIONS.issuperset(options) and not foreign.is_context(options.get("verify")):
            self._client = Transport(host, **options)
        else:
            self._client = foreign.client(of_httpx, host, options)

    @classmethod
    def _over(cls, transport: Transport) -> Self:
        """A client that shares the connection of another one."""
        client = cls.__new__(cls)
        client._on_request = client._on_record = None
        client._given = ("", None, {})
        client._client = transport
        return client

    def __deepcopy__(self, _memo: Any) -> Self:
        return self.__copy__()

    def __copy__(self) -> Self:
        """Another client for the same server, with its own connections, for frameworks that copy objects that hold a
        client.
        """
        return _again(type(self), self._given, self._on_request, self._on_record)

    def __reduce__(self) -> Any:
        # With its options, including headers and keys; the loaded copy makes its own connections.
        return _again, (type(self), self._given, self._on_request, self._on_record)

    def _check_web_key(self, what: str) -> None:
        key = self._client.web_key() if isinstance(self._client, Transport) else foreign.key(self._client)
        if not key or not key.startswith("Bearer "):
            raise ValueError(
                f"Authorization header with Bearer token is required for {what}: "
                "set OLLAMA_API_KEY to a key of ollama.com"
            )

    def _is_sent_as_stream(self) -> bool:
        """Whether a whole answer is assembled from a stream, since the server may not speak Ollama's dialect."""
        return isinstance(self._client, Transport) and self._client.api != "ollama"

    def _splits_thinking(self) -> bool:
        return isinstance(self._client, Transport) and not self._client.keep_think_tags

    def _relay_client(self) -> NativeClient:
        if not isinstance(self._client, Transport):
            raise RequestError("a client that uses httpx cannot run its streams on a relay")
        return self._client.relay_client()

    def _sends(self, method: str, path: str, json: Any) -> None:
        log.debug("%s %s at %s", method, path, self._client.base_url)
        if self._on_request is not None:
            self._on_request(method, path, json)

    def _took(self, answer: Any) -> Any:
        if self._on_record is not None:
            self._on_record(answer)
        return answer

    def __repr__(self) -> str:
        return f"<towline.{type(self).__name__} of {self._client.base_url}>"


C = TypeVar("C", bound=BaseClient)


def _again(cls: Type[C], given: Tuple[str, Optional[str], Dict[str, Any]], on_request: Any, on_record: Any) -> C:
    client = cls.__new__(cls)
    of_httpx, host, options = given
    BaseClient.__init__(client, of_httpx, host, {**options, "on_request": on_request, "on_record": on_record})
    return client
