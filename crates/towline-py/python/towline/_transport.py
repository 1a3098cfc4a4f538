"""A client's data about its server: address, headers, keys, timeouts, and the native client made from them."""

from __future__ import annotations

import os
import platform
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from . import _checks as checks
from ._errors import RequestError
from ._towline import NativeClient, __version__, own_relay

# The timeouts in seconds, in the order connect, first record, between bytes, between whole records. A cold model of 70
# billion parameters fits into them.
DEFAULT_TIMEOUTS = (10.0, 1200.0, 300.0, 1200.0)

# The API's name, as servers know it.
_SPEAKS = "ollama-python/0.6.3"

WEB = "https://ollama.com"

# How often ``resume="continue"`` continues one answer.
STITCHES = 3


class _Default:
    def __repr__(self) -> str:
        return "<towline's timeouts>"


DEFAULT = _Default()


class Headers(Mapping[str, str]):
    """Headers with case-insensitive names. Values are not shown in a ``repr``, since they may be secrets."""

    def __init__(self, headers: Mapping[str, str]):
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._headers)})"


class Transport:
    """The connection of one `towline.Client` to its server; ``client._client``.

    A key is only sent to its own host. A header from the caller is sent to the server that the caller names.
    ``OLLAMA_API_KEY`` is sent to the named server if that is on this machine or uses TLS; otherwise it is treated as a
    key for ollama.com, and only sent there for web searches.
    """

    def __init__(
        self,
        host: Optional[str],
        *,
        follow_redirects: bool = True,
        timeout: Any = DEFAULT,
        headers: Optional[Mapping[str, Any]] = None,
        verify: Any = True,
        proxy: Optional[str] = None,
        trust_env: bool = True,
        http2: bool = False,
        connect: Any = DEFAULT,
        first_event: Any = DEFAULT,
        idle: Any = DEFAULT,
        record: Any = DEFAULT,
        total: Optional[float] = None,
        retries: int = 0,
        resume: Any = "never",
        api: str = "ollama",
        relay: Optional[str] = None,
        keep_think_tags: bool = False,
    ):
        host = checks.text("host", host or os.environ.get("OLLAMA_HOST") or "")
        checks.one_of("api", api, ("auto", "ollama", "openai"))
        self.timeout, self.api, self.relay, self.keep_think_tags = timeout, api, relay, keep_think_tags
        named = {"connect": connect, "first_event": first_event, "idle": idle, "record": record}
        relay_server = None
        if relay:
            checks.text("relay", relay)
            # A reader of a relay's answer may wait; it reconnects automatically.
            timeout = (DEFAULT_TIMEOUTS[0], None) if isinstance(timeout, _Default) else timeout
            relay_server, host = (host, own_relay(*_places())) if relay == "own" else (None, relay)
        given = checks.headers(headers)
        own = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"{_SPEAKS} (towline {__version__}; {platform.machine()} {platform.system().lower()}) "
            f"Python/{platform.python_version()}",
        }
        shown = {name.lower(): value for name, value in {**given, **own}.items()}
        self._given_key = shown.get("authorization") or None
        environment_key = os.environ.get("OLLAMA_API_KEY")
        self._environment_key = f"Bearer {environment_key}" if environment_key else None
        if not self._given_key and self._environment_key:
            shown["authorization"] = self._environment_key
        self.headers = Headers(shown)
        self._host = host
        # The final destination of a key: the relay passes it to the server that the request names.
        self._keyed = relay_server or host
        self._options: Dict[str, Any] = {
            **timeouts(timeout),
            "roots_pem": _roots(verify),
            "proxy": None if proxy is None else str(proxy),
            "trust_env": trust_env,
            **{name: checks.seconds(name, clock) for name, clock in named.items() if not isinstance(clock, _Default)},
            "total": checks.seconds("total", total),
            "retries": checks.count("retries", retries),
            "resume": _stitches(resume),
            "api": api,
            "through_relay": bool(relay),
            "relay_server": relay_server or None,
            "keep_think_tags": keep_think_tags,
            "redirects": follow_redirects,
            "http2": http2,
        }
        self._closed = False
        self._natives: Dict[str, NativeClient] = {}
        self._process = os.getpid()
        self.base_url = self.native().base_url
        if relay == "own":
            self.native().ensure_own_relay(*_places(), _program()).wait()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def native(self, fault: str = "") -> NativeClient:
        """The native client for this client's server, or for ``https://ollama.com``. A forked process gets its own."""
        if self._process != os.getpid():
            self._natives, self._process = {}, os.getpid()
        native = self._natives.get(fault)
        if native is None:
            headers = self._headers_for(fault)
            options = {**self._options, "through_relay": False} if fault else self._options
            native = NativeClient(fault or self._host, headers, **options)
            if self._closed:
                native.close()
            self._natives[fault] = native
        return native

    def relay_client(self) -> NativeClient:
        """The native client for the relay that runs the streams."""
        if not self.relay:
            raise RequestError("no relay is configured: give relay=\"own\", or a relay's address")
        return self.native()

    def for_url(self, url: str) -> Tuple[NativeClient, str]:
        """The native client for a path of this client's server, or for a full URL at ollama.com; and the path."""
        if url.startswith("/"):
            return self.native(), url
        if url.startswith(WEB + "/"):
            return self.native(WEB), url[len(WEB) :]
        raise ValueError(f"a request goes to the client's own server or to {WEB}, not to {url!r}")

    def web_key(self) -> Optional[str]:
        """The key for requests to ollama.com."""
        is_theirs = self._is_web() or self._is_local()
        if self._given_key and is_theirs:
            return self._given_key
        if self._environment_key and (is_theirs or not self._takes_environment_key()):
            return self._environment_key
        return None

    def close(self) -> None:
        """Cancels all running requests, from any thread."""
        self._closed = True
        for native in list(self._natives.values()):
            native.close()

    def _headers_for(self, fault: str) -> List[Tuple[str, str]]:
        headers = dict(self.headers)
        headers.pop("authorization", None)
        if fault == WEB:
            # Other headers of the caller are for the server that the caller named.
            headers = {name: headers[name] for name in ("content-type", "accept", "user-agent")}
            key = self.web_key()
        else:
            key = self._given_key or (self._environment_key if self._takes_environment_key() else None)
        # The native half sets this for each request.
        for name in ("accept", "content-type"):
            headers.pop(name, None)
        if key:
            headers["authorization"] = key
        return list(headers.items())

    def _takes_environment_key(self) -> bool:
        if "@" in self._keyed.rpartition("://")[2].split("/")[0]:
            return False  # The host has its own user and password.
        return self._is_local() or self._keyed.strip().lower().startswith("https://") or self._is_web()

    def _is_local(self) -> bool:
        return NativeClient(self._keyed, [], **self._options).is_loopback

    def _is_web(self) -> bool:
        name = self._keyed.strip().lower().rpartition("://")[2].split("/")[0].split(":")[0]
        return name in ("ollama.com", "www.ollama.com")


def _places() -> Tuple[Optional[str], str]:
    """The folder for sockets of this user's programs."""
    import tempfile

    return os.environ.get("XDG_RUNTIME_DIR") or None, tempfile.gettempdir()


def _program() -> str:
    """The program that can start a relay."""
    import shutil

    return shutil.which("towline") or "towline"


def _stitches(resume: Any) -> int:
    """How many times a cut answer is continued."""
    if resume == "continue":
        return STITCHES
    if resume == "never":
        return 0
    if isinstance(resume, int) and resume >= 0:
        return resume
    raise RequestError(f"resume must be \"never\", \"continue\" or a number of times, not {resume!r}")


_TIMEOUTS = "seconds, (connect, read), None or an httpx.Timeout"


def timeouts(timeout: Any) -> Dict[str, Optional[float]]:
    """The native timeouts for a timeout in httpx's form: seconds, ``None`` for no limit, or an ``httpx.Timeout``."""
    connect: Optional[float]
    first_event: Optional[float]
    idle: Optional[float]
    connect, first_event, idle, record = DEFAULT_TIMEOUTS
    if timeout is None or isinstance(timeout, (int, float)):
        connect = first_event = idle = checks.seconds("timeout", timeout)
    elif isinstance(timeout, tuple):
        if len(timeout) < 2:
            raise RequestError(f"timeout must be {_TIMEOUTS}, not {timeout!r}")
        connect, first_event = (checks.seconds("timeout", one) for one in timeout[:2])
        idle = first_event
    elif not isinstance(timeout, _Default):
        try:
            connect, first_event = timeout.connect, timeout.read
        except AttributeError:
            raise RequestError(f"timeout must be {_TIMEOUTS}, not {timeout!r}") from None
        idle = first_event
    # A server that sends bytes but no record is as silent as one that sends nothing.
    return {"connect": connect, "first_event": first_event, "idle": idle, "record": None if idle is None else record}


def _roots(verify: Any) -> List[bytes]:
    if verify is None or verify is True:
        return []
    if not isinstance(verify, (str, os.PathLike)):
        raise RequestError("towline always checks certificates; give the authority's certificate as verify='/path/to/ca.pem'")
    try:
        with open(verify, "rb") as file:
            return [file.read()]
    except OSError as error:
        raise RequestError(f"the certificate authority that verify= names cannot be read: {error}") from None
