"""trio: ``await job``, ``async for event in job``, ``await group`` and ``engine.updates()`` work in trio unchanged.

This module adds helpers that make programs easier to read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio

from .engine import Engine
from .job import Job

T = TypeVar("T")


@asynccontextmanager
async def open_engine(*args: Any, **kwargs: Any) -> AsyncIterator[Engine]:
    """An engine that is closed at the end of the block, on a thread, even if the block is cancelled."""
    engine = Engine(*args, **kwargs)
    try:
        yield engine
    finally:
        await _shielded(engine.close)


async def result(job: Job[T]) -> T:
    """The job's result. Cancelling the wait cancels the job and waits until it has ended."""
    try:
        return await job
    except trio.Cancelled:
        job.cancel("the scope that waits for it was cancelled")
        await _shielded(job.wait)
        raise


async def _shielded(wait: Callable[[], object]) -> None:
    """Waits on a thread, shielded from cancellation of the surrounding scopes."""
    with trio.CancelScope() as scope:
        scope.shield = True
        await trio.to_thread.run_sync(wait)
