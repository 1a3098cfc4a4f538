"""Requests through an ``httpx`` client, for callers who provide one or use options that only httpx supports."""

from __future__ import annotations

import json as json_module
import sys
from typing import Any, AsyncIterator, Iterator

from ._errors import (
    ResponseError,
    TruncatedError,
    odd_record,
    response_error,
    unreachable,
    warn_of_unmarked_end,
)
from ._requests import text_in

# What `Transport` takes; with any other option the client is httpx's.
OWN_OPTIONS = frozenset(
    (
        "follow_redirects", "timeout", "headers", "verify", "proxy", "trust_env", "http2",
        "connect", "first_event", "idle", "record", "total", "retries", "resume", "api", "relay",
        "keep_think_tags",
    )
)


def client(kind: str, host: Any, options: Any) -> Any:
    """An httpx client with the headers and the address of a client of this package."""
    try:
        import httpx
    except ImportError:
        unknown = ", ".join(sorted(set(options) - OWN_OPTIONS)) or "verify (an SSLContext)"
        raise TypeError(f"towline has no option {unknown}; for one of httpx's: pip install httpx") from None
    from ._transport import Transport

    own = Transport(host, headers=options.get("headers"))
    rest = {name: value for name, value in options.items() if name != "headers"}
    rest.setdefault("follow_redirects", True)
    rest.setdefault("timeout", None)
    return getattr(httpx, kind)(base_url=own.base_url, headers=dict(own.headers), **rest)


def is_context(verify: Any) -> bool:
    """Whether certificates are checked by an ``ssl.SSLContext``, which only httpx supports."""
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(verify, ssl.SSLContext)


def key(client: Any) -> Any:
    """The key for the client's requests."""
    return client.headers.get("authorization")


def json(content: Any) -> Any:
    """The arguments that give httpx a body."""
    return {} if content is None else {"json": content}


def is_complete(record: Any) -> bool:
    """Whether a record is the last one of its stream."""
    return record.get("done") is True or record.get("status") == "success"


def check(response: Any) -> Any:
    if response.status_code >= 300:
        raise response_error(response.text, response.status_code)
    return response


def refused(error: Any) -> Any:
    import httpx

    if isinstance(error, httpx.ConnectError):
        return unreachable(f"{error.request.url}: {error}")
    return error


def request(client: Any, method: str, url: str, **how: Any) -> Any:
    import httpx

    try:
        return check(client.request(method, url, **how))
    except httpx.TransportError as error:
        raise refused(error) from None


async def request_async(client: Any, method: str, url: str, **how: Any) -> Any:
    import httpx

    try:
        return check(await client.request(method, url, **how))
    except httpx.TransportError as error:
        raise refused(error) from None


class _Lines:
    """Records from the bytes of a body, split at line feeds only."""

    def __init__(self, cls: Any):
        self.cls, self.rest, self.text = cls, b"", ""
        # A server that never says `done` has no terminal record that could be missing.
        self.complete, self.marks_its_end = False, False

    def feed(self, piece: bytes) -> Iterator[Any]:
        *lines, self.rest = (self.rest + piece).split(b"\n")
        for line in lines:
            yield from self.line(line)

    def line(self, line: bytes) -> Iterator[Any]:
        if not line.strip():
            return
        try:
            record = json_module.loads(line.decode("utf-8", "replace"))
            if record.get("error"):
                raise ResponseError(record["error"])
        except (ValueError, AttributeError) as error:
            raise odd_record(error, self.text) from None
        self.marks_its_end = self.marks_its_end or "done" in record or "status" in record
        self.complete = self.complete or is_complete(record)
        self.text += text_in(record)
        try:
            made = self.cls.model_validate(record)
        except ValueError as error:
            raise odd_record(error, self.text) from None
        yield made

    def end(self) -> Iterator[Any]:
        if self.rest.strip():
            yield from self.line(self.rest)
        if self.text and not self.marks_its_end:
            warn_of_unmarked_end()
        elif not self.complete:
            error = TruncatedError("the answer is incomplete: the response ended before its terminal record")
            error.kind, error.text = "truncated", self.text
            raise error


def stream(client: Any, cls: Any, method: str, url: str, json: Any) -> Iterator[Any]:
    with client.stream(method, url, json=json) as response:
        if response.status_code >= 300:
            response.read()
            check(response)
        lines = _Lines(cls)
        for piece in response.iter_bytes():
            yield from lines.feed(piece)
        yield from lines.end()


async def stream_async(client: Any, cls: Any, method: str, url: str, json: Any) -> AsyncIterator[Any]:
    async with client.stream(method, url, json=json) as response:
        if response.status_code >= 300:
            await response.aread()
            check(response)
        lines = _Lines(cls)
        async for piece in response.aiter_bytes():
            for record in lines.feed(piece):
                yield record
        for record in lines.end():
            yield record
