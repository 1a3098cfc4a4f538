"""Waits for the engine inside an event loop of asyncio or trio. The engine signals a file descriptor; there is no
polling.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Callable, Optional, TypeVar

from . import _requests as requests
from ._loop import LoopHub, hub
from ._towline import Call, Hub, Wait

T = TypeVar("T")


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


async def found(poll: Callable[[Hub, int], Optional[T]], stream: Any = None) -> T:
    """Waits until ``poll`` has a result, without blocking the running event loop. ``stream`` is closed when its asyncio
    loop is shut down; in trio, the surrounding scope ends it.
    """
    trio = _trio()
    if trio is None:
        waiting = _loop_hub()
        if stream is not None:
            waiting.add(stream)
        return await waiting.wait(poll)
    own = Hub()
    while True:
        something = poll(own, 0)
        if something is not None:
            return something
        await trio.lowlevel.wait_readable(own.fileno())
        own.drain()


async def arrival(wait: Wait) -> None:
    """Waits until ``wait`` is complete."""
    await found(wait.poll)


async def wait_for(call: Call) -> bytes:
    """Waits for a single answer. Cancelling the wait closes its connection."""
    try:
        return await found(call.poll)
    finally:
        call.cancel()


async def digest(path: Any) -> str:
    """`requests.digest` on a thread."""
    trio = _trio()
    if trio is not None:
        name: str = await trio.to_thread.run_sync(requests.digest, path)
        return name
    return await asyncio.get_running_loop().run_in_executor(None, requests.digest, path)


def _loop_hub() -> LoopHub:
    try:
        return hub()
    except NotImplementedError:
        raise RuntimeError(
            "this asyncio loop watches no descriptors: use asyncio.SelectorEventLoop, or job.result() in a thread"
        ) from None


async def readable(descriptor: int) -> None:
    """Waits until ``descriptor`` is readable."""
    trio = _trio()
    if trio is not None:
        await trio.lowlevel.wait_readable(descriptor)
        return
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    def arrived() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, arrived)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def pause(seconds: float) -> None:
    """Waits for this long."""
    trio = _trio()
    await (asyncio if trio is None else trio).sleep(seconds)
