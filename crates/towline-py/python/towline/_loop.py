"""Waits in an asyncio event loop for the native half, which works on its own thread: with one file descriptor, without
polling.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any, AsyncIterator, Callable, Dict, Optional, TypeVar
from weakref import WeakKeyDictionary, WeakSet, ref

from ._towline import Hub

T = TypeVar("T")


class LoopHub:
    """The pending waits of one event loop. It does not keep the loop alive."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._hub = Hub()
        self._waiters: Dict[int, "asyncio.Future[None]"] = {}
        self._tokens = itertools.count(1)
        self._streams: "WeakSet[Any]" = WeakSet()
        self._guard: Optional[AsyncIterator[None]] = None
        loop.add_reader(self._hub.fileno(), self._wake)

    def add(self, stream: Any) -> None:
        """Closes ``stream`` when the loop is shut down."""
        self._streams.add(stream)

    async def wait(self, poll: Callable[[Hub, int], Optional[T]]) -> T:
        """Waits until ``poll`` has something."""
        if self._guard is None:
            self._guard = self._until_shutdown(ref(asyncio.get_running_loop()))
            await self._guard.__anext__()
        token = next(self._tokens)
        while True:
            found = poll(self._hub, token)
            if found is not None:
                return found
            future = self._waiters[token] = asyncio.get_running_loop().create_future()
            try:
                await future
            finally:
                del self._waiters[token]

    def _wake(self) -> None:
        for token in self._hub.drain():
            future = self._waiters.get(token)
            if future is not None and not future.done():
                future.set_result(None)

    async def _until_shutdown(self, weak: "ref[asyncio.AbstractEventLoop]") -> AsyncIterator[None]:
        """A loop that is shut down closes its asynchronous generators, and with this one the open streams."""
        try:
            yield
        finally:
            self.close_streams()
            loop = weak()
            if loop is not None:
                loop.remove_reader(self._hub.fileno())
                if _hubs.get(loop) is self:
                    del _hubs[loop]

    def close_streams(self) -> None:
        """Closes the streams that the loop left open."""
        for stream in list(self._streams):
            stream.close()

    def let_go(self) -> None:
        """Called when its loop was closed."""
        self.close_streams()
        # It holds the hub, and the hub holds the descriptor.
        self._guard = None


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, LoopHub]" = WeakKeyDictionary()

# A forked process has none of its parent's loops, and shares their descriptors.
os.register_at_fork(after_in_child=_hubs.clear)


def hub() -> LoopHub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        _let_go_of_closed_loops()
        found = _hubs[loop] = LoopHub(loop)
    return found


def _let_go_of_closed_loops() -> None:
    """A loop that was closed without being shut down may stay until it is garbage-collected; its file descriptor is
    closed now.
    """
    for loop, left in list(_hubs.items()):
        if loop.is_closed():
            del _hubs[loop]
            left.let_go()
