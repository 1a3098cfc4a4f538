"""Python work for an engine's jobs: coroutines and async generators on a background asyncio loop, plain functions on
threads.

The engine decides the state of a job. It orders the work here to begin, pause, resume or stop; the work reports when it
has begun and how it ended. Each piece of work runs in the context (``contextvars``) of the code that submitted it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional
from weakref import ref

from ._towline import EngineCore, Work

if TYPE_CHECKING:
    from .engine import Engine
    from .job import Job

log = logging.getLogger("towline")

_current: ContextVar[Optional[PythonWork]] = ContextVar("towline_work", default=None)

# How long the loop's thread waits for the remaining tasks when its engine ends, in seconds.
_LAST_WAIT = 1.0

# The maximum number of values of an async generator that its job keeps.
MAX_VALUES = 65_536


def current_job() -> Job[Any]:
    """The job of the running coroutine or function, to check ``is_cancelling`` or to ``emit`` text.

    Raises ``RuntimeError`` outside a job, or if the engine is gone.

    ::

        def count() -> None:
            for number in range(1_000_000):
                if towline.current_job().is_cancelling:
                    return

        engine.submit_blocking(count)
    """
    work = _current.get()
    engine = work.engine() if work is not None else None
    if work is None or engine is None:
        raise RuntimeError("no job is running here: this is for code that engine.submit or submit_blocking runs")
    return engine._job(work.work.job)


class PythonWork:
    """The interface of a piece of work for orders, and its results."""

    can_pause = True

    def __init__(self) -> None:
        self.work: Work
        # Running work does not keep its engine alive.
        self.engine: Callable[[], Optional[Engine]] = lambda: None
        self.context: Context = copy_context()
        self.value: Any = None
        self.values: Optional[list[Any]] = None
        self.error: Optional[BaseException] = None
        self.traceback: Optional[TracebackType] = None
        self.ordered = False
        self.forgotten: Callable[[], None] = lambda: None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        raise NotImplementedError

    def pause(self, paused: bool) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Called if the work will not begin, or has ended."""

    def ended(self, error: Optional[BaseException], stopped: bool) -> None:
        self.error = error
        self.traceback = error.__traceback__ if error is not None else None
        self.forgotten()
        if stopped:
            self.work.end("stopped")
        elif error is not None:
            self.work.end("failed", f"{type(error).__name__}: {error}")
        else:
            self.work.end("completed")


class _Steps:
    """A coroutine that can be paused: while a gate is closed, it stops at its next ``await``, after the awaited result
    has arrived.
    """

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner
        self.gate: Optional[asyncio.Future[None]] = None

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: Optional[BaseException] = None
        while True:
            while self.gate is not None and error is None:
                try:
                    yield from self.gate
                except BaseException as thrown:
                    error = thrown
            try:
                yielded = self._inner.send(value) if error is None else self._inner.throw(error)
            except StopIteration as stop:
                return stop.value
            value, error = None, None
            try:
                value = yield yielded
            except BaseException as thrown:
                error = thrown


class CoroutineWork(PythonWork):
    """A coroutine as a task of the engine's loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        super().__init__()
        self._coroutine = coroutine
        self._name = name
        self._steps = _Steps(coroutine)
        self._task: Optional[asyncio.Task[Any]] = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self.work.begun()
        # A task runs in a copy of the context in which it was made.
        self._task = self.context.run(loop.create_task, self._run())
        self._task.set_name(self._name)
        self._task.add_done_callback(self._done)

    async def _run(self) -> Any:
        _current.set(self)
        try:
            return await self._steps
        except (KeyboardInterrupt, SystemExit) as error:
            # asyncio would end its loop, and with it every other job.
            self.error = error

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.close()
        if task.cancelled():
            return self.ended(None, stopped=True)
        error = self.error or task.exception()
        if error is None:
            self.value = task.result()
        self.ended(error, stopped=False)

    def pause(self, paused: bool) -> None:
        gate = self._steps.gate
        if paused and gate is None and self._task is not None:
            self._steps.gate = self._task.get_loop().create_future()
        elif not paused and gate is not None:
            self._steps.gate = None
            if not gate.done():
                gate.set_result(None)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        self._coroutine.close()


class GeneratorWork(CoroutineWork):
    """An async generator: its values are kept for the job's readers, and text is also added to the job's text."""

    def __init__(self, generator: AsyncIterator[Any], name: str) -> None:
        super().__init__(self._drive(generator), name)
        self.values = []

    async def _drive(self, generator: AsyncIterator[Any]) -> None:
        assert self.values is not None
        try:
            async for value in generator:
                if len(self.values) >= MAX_VALUES:
                    raise OverflowError(f"a job keeps {MAX_VALUES} values of a generator, and this one has more")
                self.values.append(value)
                if isinstance(value, str) and value:
                    self.work.emit(value)
                else:
                    self.work.progress(f"value {len(self.values)}")
        finally:
            close = getattr(generator, "aclose", None)
            if close is not None:
                await close()


class BlockingWork(PythonWork):
    """A plain function on a thread. It cannot be stopped from outside once it has begun."""

    can_pause = False

    def __init__(self, function: Callable[[], Any], threads: Threads) -> None:
        super().__init__()
        self._function = function
        self._threads = threads
        self._lock = threading.Lock()
        self._begun = self._stopped = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._threads.run(self)

    def __call__(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._begun = True
        self.work.begun()
        try:
            self.value = self.context.run(self._run)
        except BaseException as error:
            self.ended(error, stopped=False)
        else:
            self.ended(None, stopped=False)

    def _run(self) -> Any:
        _current.set(self)
        return self._function()

    def pause(self, paused: bool) -> None:
        """A function cannot be paused; ``Job.pause`` refuses it."""

    def stop(self) -> None:
        with self._lock:
            if self._begun or self._stopped:
                return
            self._stopped = True
        self.ended(None, stopped=True)


class Threads:
    """Daemon threads for plain functions, at most ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: SimpleQueue[Optional[Callable[[], None]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._idle = 0

    def run(self, work: Callable[[], None]) -> None:
        """Runs ``work`` on a thread as soon as one is free. The engine's job limit bounds the number of waiting
        ones.
        """
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads < self._limit:
                self._threads += 1
                name = f"towline-blocking-{self._threads}"
                threading.Thread(target=self._main, args=(work,), name=name, daemon=True).start()
                return
        self._waiting.put(work)

    def close(self) -> None:
        """Lets every thread end after its current work."""
        for _ in range(self._limit):
            self._waiting.put(None)

    def _main(self, work: Optional[Callable[[], None]]) -> None:
        while work is not None:
            work()
            del work
            with self._lock:
                self._idle += 1 if self._waiting.empty() else 0
            work = self._waiting.get()


def _closes_a_generator(task: asyncio.Task[Any]) -> bool:
    """Whether the loop itself created the task, for an async generator that will not be read to its end."""
    return type(task.get_coro()).__name__ == "async_generator_athrow"


class LoopThread:
    """The asyncio loop of an engine, on its own thread, and the orders that it executes."""

    def __init__(self, core: EngineCore, max_threads: int) -> None:
        self._core = core
        self.threads = Threads(max_threads)
        self._works: dict[int, PythonWork] = {}
        self._lock = threading.Lock()
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._thread: Optional[threading.Thread] = None
        self._closed = False
        self._callbacks: set[asyncio.Task[None]] = set()

    def is_current(self) -> bool:
        """Whether the caller runs on the loop's thread."""
        return threading.current_thread() is self._thread

    def add(self, engine: Engine, work: PythonWork, make: Callable[[], Work]) -> Work:
        """Creates the job for ``work``. Orders may arrive at once, from another thread, and look up the work here."""
        with self._lock:
            self._start()
            work.engine = ref(engine)
            work.work = made = make()
            if made.job.has_ended():  # the engine is shut down
                work.close()
            else:
                self._works[made.number] = work
                work.forgotten = lambda: self._forget(made.number)
        return made

    def call(self, make: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Runs a coroutine of this package in the caller's context; ``False`` if the loop is closed."""
        context = copy_context()

        def start(loop: asyncio.AbstractEventLoop) -> None:
            task = context.run(loop.create_task, make())
            self._callbacks.add(task)
            task.add_done_callback(self._callbacks.discard)

        with self._lock:
            self._start()
            if self._closed or self._loop is None:
                return False
            self._loop.call_soon_threadsafe(start, self._loop)
        return True

    def _forget(self, number: int) -> None:
        with self._lock:
            self._works.pop(number, None)

    def _start(self) -> None:
        if self._thread is not None or self._closed:
            return
        self._loop = asyncio.SelectorEventLoop()
        self._loop.add_reader(self._core.orders_fileno(), self._obey)
        self._thread = threading.Thread(target=self._main, args=(self._loop,), name="towline-asyncio", daemon=True)
        # Its context belongs to no job: each job brings its own.
        Context().run(self._thread.start)

    def _obey(self) -> None:
        assert self._loop is not None
        for number, order in self._core.orders():
            with self._lock:
                work = self._works.get(number)
            if work is None:
                continue
            if order == "begin":
                work.ordered = True
                work.begin(self._loop)
            elif order != "stop":
                work.pause(order == "pause")
            elif work.ordered:
                work.stop()
            else:
                work.forgotten()
                work.close()

    def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            if self._callbacks:
                loop.run_until_complete(asyncio.wait(set(self._callbacks), timeout=_LAST_WAIT))
            left = {task for task in asyncio.all_tasks(loop) if not _closes_a_generator(task)}
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=_LAST_WAIT))
            # A generator that a coroutine left open is closed by a task, which the loop makes at its next turn.
            loop.run_until_complete(asyncio.sleep(0))
            closing = asyncio.all_tasks(loop) - left
            if closing:
                loop.run_until_complete(asyncio.wait(closing, timeout=_LAST_WAIT))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.remove_reader(self._core.orders_fileno())
            loop.close()

    def close(self) -> None:
        """Ends the loop and waits for its thread, unless a job blocks it."""
        with self._lock:
            self._closed = True
            thread, loop = self._thread, self._loop
        self.threads.close()
        if thread is None or loop is None or not thread.is_alive():
            return
        loop.call_soon_threadsafe(loop.stop)
        if not self.is_current():
            thread.join(2 * _LAST_WAIT)
