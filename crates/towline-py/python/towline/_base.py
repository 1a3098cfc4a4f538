"""What both clients have in common."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Type, TypeVar

from typing_extensions import Self, TypedDict

from . import _foreign as foreign
from ._transport import Transport


class TransportOptions(TypedDict, total=False):
    """What a client or an engine can be told besides its host. Times are in seconds; ``None`` switches a clock off."""

    timeout: Any
    """As of httpx: for the connection, the first record and between records at once; a pair for the connection and the
    others; an ``httpx.Timeout``. Default: 10 s, 20 min and 5 min."""
    headers: Optional[Mapping[str, Any]]
    """Further headers of every request."""
    follow_redirects: bool
    """Whether redirects to the same host are followed. Default: true."""
    verify: Any
    """The path of a certificate authority to trust alone. Certificates are always checked."""
    proxy: Optional[str]
    """The proxy's address: ``http://…`` or ``socks5://…``."""
    trust_env: bool
    """Whether proxies and certificates are also taken from the environment. Default: true."""
    http2: bool
    """Whether HTTP/2 is spoken without asking. Default: false."""


class ClientOptions(TransportOptions, total=False):
    """What a client can be told besides its host."""

    on_request: Optional[Callable[[str, str, Any], object]]
    """Called with the method, the path and the JSON of each request before it is sent."""
    on_record: Optional[Callable[[Any], object]]
    """Called with each record, and each whole answer, before it is handed over."""


class BaseClient:
    """Holds the connection: this package's own, or httpx's where the caller uses options that only httpx has."""

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
        """A client that shares another's connection."""
        client = cls.__new__(cls)
        client._on_request = client._on_record = None
        client._given = ("", None, {})
        client._client = transport
        return client

    def __deepcopy__(self, _memo: Any) -> Self:
        return self.__copy__()

    def __copy__(self) -> Self:
        """Another client of the same server, for frameworks that copy what holds one; its connections are its own."""
        return _again(type(self), self._given, self._on_request, self._on_record)

    def __reduce__(self) -> Any:
        # With what it was told, headers and keys among it; where it is loaded it makes connections of its own.
        return _again, (type(self), self._given, self._on_request, self._on_record)

    def _check_web_key(self, what: str) -> None:
        key = self._client.web_key() if isinstance(self._client, Transport) else foreign.key(self._client)
        if not key or not key.startswith("Bearer "):
            raise ValueError(
                f"Authorization header with Bearer token is required for {what}: "
                "set OLLAMA_API_KEY to a key of ollama.com"
            )

    def _sends(self, method: str, path: str, json: Any) -> None:
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
