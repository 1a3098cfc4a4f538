"""The common part of all GUI toolkits: callbacks in the window's own thread, at most once per frame."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, Optional, TypeVar

from ._towline import Update
from .engine import Engine
from .job import Job

# The maximum number of calls from other threads that wait for the window.
MAX_CALLS = 10_000

OnUpdate = Callable[[Update], object]
T = TypeVar("T")


class Foreground:
    """A window's connection to an engine. A toolkit's ``attach`` creates it, on the thread that owns the window."""

    def __init__(self, engine: Engine, on_update: Optional[OnUpdate], frame_ms: int) -> None:
        self.engine = engine
        self.frame_ms = frame_ms
        self.wakes = 0
        self._place = engine._core.foreground()
        self._updates: deque[Update] = deque()
        self._on_update = on_update
        self._context = copy_context()
        self._calls: deque[tuple[Callable[[], object], Optional[Future[Any]]]] = deque()
        self._at_end: dict[Job[Any], Callable[[Job[Any]], object]] = {}
        self._thread = threading.get_ident()
        self._attached = True

    def call_soon(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Calls ``function`` soon in the window's thread, in the caller's context. Callable from any thread; never
        waits.

        Raises ``RuntimeError`` if the window is gone, or if 10,000 calls are already waiting.
        """
        context = copy_context()
        self._push(lambda: context.run(function, *args, **kwargs))

    async def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Calls ``function`` in the window's thread, in the caller's context, and returns its result: for coroutines
        that show something.
        """
        done: Future[T] = Future()
        context = copy_context()

        def run() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(context.run(function, *args, **kwargs))
            except BaseException as error:
                done.set_exception(error)

        self._push(run, done)
        return await asyncio.wrap_future(done)

    def _push(self, call: Callable[[], object], done: Optional[Future[Any]] = None) -> None:
        if not self._attached:
            raise RuntimeError("the window is gone, or was detached from its engine")
        if len(self._calls) >= MAX_CALLS:
            raise RuntimeError(f"{MAX_CALLS} calls already wait for the window: it does not keep up")
        self._calls.append((call, done))
        self._place.wake()

    def start(self, make: Callable[[], Awaitable[T]], at_end: Callable[[Job[T]], object]) -> Job[T]:
        """Submits what ``make`` returns; ``at_end`` is called in the window's thread once the job has ended."""
        job = self.engine.submit(make())
        self._at_end[job] = at_end
        return job

    def detach(self) -> None:
        """Ends the callbacks. The jobs continue."""
        self._attached = False
        while self._calls:
            done = self._calls.popleft()[1]
            if done is not None:
                done.cancel()
        self._at_end.clear()
        self._updates.clear()

    def _handle_updates(self) -> bool:
        """Handles new updates; returns whether there were any. An exception in one callback does not affect the others.

        A callback may open a dialog, whose own loop calls this again: it continues from the current position, in order.
        """
        self.wakes += 1
        # First, since this makes the descriptor quiet: a call that comes later rings it again.
        self._updates.extend(self.engine._drain(self._place, 256, 4.0))
        busy = bool(self._updates or self._calls)
        for _ in range(len(self._calls)):
            if self._calls:
                self._guard(self._calls.popleft()[0])
        while self._updates:
            update = self._updates.popleft()
            # Before the callbacks, which may end the attachment, or come here again.
            at_end = self._at_end.pop(update.job, None) if update.ended else None
            if self._on_update is not None:
                self._guard(self._context.copy().run, self._on_update, update)
            if at_end is not None and self._attached:
                self._guard(at_end, update.job)
        return busy

    def _guard(self, function: Callable[..., object], *args: Any) -> None:
        try:
            function(*args)
        except Exception as error:
            self._report(error)

    def _report(self, error: BaseException) -> None:
        """Reports an exception as the toolkit reports those of its own callbacks."""
        raise NotImplementedError
