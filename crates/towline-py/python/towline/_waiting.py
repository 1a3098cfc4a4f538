"""Waiting for the engine inside an event loop: asyncio's or trio's. The engine rings a descriptor; nobody polls."""

from __future__ import annotations

import asyncio
import sys
import threading
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from ._towline import Wait, Watcher


def _trio() -> Any:
    """The module ``trio`` if the caller runs in it."""
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return trio


class _LoopWaits:
    """What is waited for in one asyncio loop. It must not hold the loop, which holds it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watcher = Watcher()
        self._tokens = count()
        self._sleepers: dict[int, asyncio.Future[None]] = {}
        try:
            loop.add_reader(self._watcher.fileno(), self._ring)
        except NotImplementedError:
            raise RuntimeError(
                "this asyncio loop watches no descriptors: use asyncio.SelectorEventLoop, or job.result() in a thread"
            ) from None

    async def arrival(self, wait: Wait) -> None:
        token = next(self._tokens)
        while not wait.poll(self._watcher, token):
            sleeper = self._sleepers[token] = asyncio.get_running_loop().create_future()
            try:
                await sleeper
            finally:
                del self._sleepers[token]

    def _ring(self) -> None:
        for token in self._watcher.take():
            sleeper = self._sleepers.get(token)
            if sleeper is not None and not sleeper.done():
                sleeper.set_result(None)


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopWaits] = WeakKeyDictionary()
_loops_lock = threading.Lock()


async def arrival(wait: Wait) -> None:
    """Waits until ``wait`` has come, without blocking the running event loop."""
    trio = _trio()
    if trio is None:
        loop = asyncio.get_running_loop()
        with _loops_lock:
            waits = _loops.get(loop)
            if waits is None:
                waits = _loops[loop] = _LoopWaits(loop)
        await waits.arrival(wait)
        return
    watcher = Watcher()
    while not wait.poll(watcher, 0):
        await trio.lowlevel.wait_readable(watcher.fileno())
        watcher.take()


async def readable(descriptor: int) -> None:
    """Waits until ``descriptor`` can be read."""
    trio = _trio()
    if trio is not None:
        await trio.lowlevel.wait_readable(descriptor)
        return
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def pause(seconds: float) -> None:
    """Waits so long."""
    trio = _trio()
    await (asyncio if trio is None else trio).sleep(seconds)
