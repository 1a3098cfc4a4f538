"""Waiting for the engine inside an event loop: asyncio's or trio's. The engine rings a descriptor; nobody polls."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from ._loop import LoopHub, hub
from ._towline import Hub, Wait


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


async def arrival(wait: Wait) -> None:
    """Waits until ``wait`` has come, without blocking the running event loop."""
    trio = _trio()
    if trio is None:
        await _loop_hub().wait(wait.poll)
        return
    own = Hub()
    while not wait.poll(own, 0):
        await trio.lowlevel.wait_readable(own.fileno())
        own.drain()


def _loop_hub() -> LoopHub:
    try:
        return hub()
    except NotImplementedError:
        raise RuntimeError(
            "this asyncio loop watches no descriptors: use asyncio.SelectorEventLoop, or job.result() in a thread"
        ) from None


async def readable(descriptor: int) -> None:
    """Waits until ``descriptor`` can be read."""
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
    """Waits so long."""
    trio = _trio()
    await (asyncio if trio is None else trio).sleep(seconds)
